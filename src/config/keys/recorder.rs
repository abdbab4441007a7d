//! `[plugins.recorder]`, as the recorder knows it; a test of `src/cli/plugins.rs` compares them.

use super::{Key, Kind, set};

/// Its keys, in the order of the shipped file.
pub(super) const RECORDER: &[Key] = &[
    set(
        "plugins.recorder",
        "enabled",
        Kind::Toml,
        "true",
        &["false: neither loaded nor are its commands registered."],
    ),
    set(
        "plugins.recorder",
        "indicators",
        Kind::List,
        "[\"nickname\", \"clip\", \"panel\"]",
        &["How people are told that they are recorded. nickname or clip must be among them."],
    ),
    set(
        "plugins.recorder",
        "max_duration",
        Kind::Text,
        "\"12h\"",
        &["The longest recording."],
    ),
    set(
        "plugins.recorder",
        "max_size",
        Kind::Text,
        "\"4GiB\"",
        &["The largest recording."],
    ),
    set(
        "plugins.recorder",
        "max_guild_size",
        Kind::Text,
        "\"50GiB\"",
        &["What all recordings of one server may take together."],
    ),
    set(
        "plugins.recorder",
        "retention",
        Kind::Text,
        "\"7d\"",
        &["How long recordings are kept that nobody marked with /record keep; \"0\" is for ever."],
    ),
    set(
        "plugins.recorder",
        "fsync_every",
        Kind::Text,
        "\"5s\"",
        &["How often the disk is made to keep what was written."],
    ),
    set(
        "plugins.recorder",
        "record_bot_lanes",
        Kind::Toml,
        "true",
        &["Also record what the bot itself plays."],
    ),
    set(
        "plugins.recorder",
        "participant_pause",
        Kind::Toml,
        "true",
        &["Anybody in the channel may pause."],
    ),
    set(
        "plugins.recorder",
        "empty_stop",
        Kind::Text,
        "\"2m\"",
        &["A recording ends when nobody but bots has been there for so long; \"0\" goes on."],
    ),
    set(
        "plugins.recorder",
        "roles",
        Kind::List,
        "[]",
        &["Ids of roles that may record, beside those who may manage the server."],
    ),
    set(
        "plugins.recorder",
        "warn_free",
        Kind::Text,
        "\"5GiB\"",
        &["With less room on the disk people are told."],
    ),
    set(
        "plugins.recorder",
        "stop_free",
        Kind::Text,
        "\"1GiB\"",
        &["With less room than this a recording ends in order, and none begins."],
    ),
];
