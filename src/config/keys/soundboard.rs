//! `[plugins.soundboard]`, as the plugin knows it; a test of `src/cli/plugins.rs` compares them.

use super::{Key, Kind, set};

/// Its keys, in the order of the shipped file.
pub(super) const SOUNDBOARD: &[Key] = &[
    set(
        "plugins.soundboard",
        "enabled",
        Kind::Toml,
        "true",
        &["false: neither loaded nor are its commands registered."],
    ),
    set(
        "plugins.soundboard",
        "upload",
        Kind::Text,
        "\"role\"",
        &["Who may add sounds: everyone, role (see upload_roles) or manager."],
    ),
    set(
        "plugins.soundboard",
        "upload_roles",
        Kind::List,
        "[]",
        &["Ids of roles that may add sounds, with upload = \"role\"."],
    ),
    set(
        "plugins.soundboard",
        "manager_roles",
        Kind::List,
        "[]",
        &[
            "Ids of roles that may change everybody's sounds, beside those who may manage the server.",
        ],
    ),
    set(
        "plugins.soundboard",
        "max_seconds",
        Kind::Toml,
        "30",
        &["The longest sound; what is longer is cut off."],
    ),
    set(
        "plugins.soundboard",
        "max_sounds",
        Kind::Toml,
        "300",
        &["Sounds in one server."],
    ),
    set(
        "plugins.soundboard",
        "max_per_user",
        Kind::Toml,
        "50",
        &["Sounds of one person in one server."],
    ),
    set(
        "plugins.soundboard",
        "max_upload",
        Kind::Text,
        "\"10MiB\"",
        &["The largest file that is taken."],
    ),
    set(
        "plugins.soundboard",
        "polyphony",
        Kind::Toml,
        "3",
        &["Sounds heard at once; one more stops the oldest."],
    ),
    set(
        "plugins.soundboard",
        "cooldown",
        Kind::Text,
        "\"5s\"",
        &["Between two sounds of one person."],
    ),
    set(
        "plugins.soundboard",
        "max_per_minute",
        Kind::Toml,
        "10",
        &["Sounds that all people of a server together may play in a minute."],
    ),
    set(
        "plugins.soundboard",
        "loudness_lufs",
        Kind::Toml,
        "-16.0",
        &["How loud sounds are kept."],
    ),
    set(
        "plugins.soundboard",
        "bin_days",
        Kind::Toml,
        "7",
        &["Days that a deleted sound can be brought back."],
    ),
];
