//! `[plugins.music]`, as the plugin knows it; a test of `src/cli/plugins.rs` compares them.

use super::{Key, Kind, example, set};

/// Its keys, in the order of the shipped file.
pub(super) const MUSIC: &[Key] = &[
    set(
        "plugins.music",
        "enabled",
        Kind::Toml,
        "true",
        &["false: neither loaded nor are its commands registered."],
    ),
    example(
        "plugins.music",
        "grant",
        Kind::List,
        "[\"voice.speak\", \"commands\", \"chat.send\", \"store\", \"fs.read:*\", \"net.http:*\"]",
        &[
            "What it may do. Left out, a built-in plugin may do what it asks for, and read files in the",
            "folders of [paths] library only.",
        ],
    ),
    example(
        "plugins.music",
        "path",
        Kind::Text,
        "\"plugins/libmynah_music.so\"",
        &[
            "Every plugin's table may have this: the plugin is loaded from this file instead. With an id of",
            "its own, [plugins.dice] say, it needs a `grant` as well; `mynah plugin build` prints both.",
        ],
    ),
    example(
        "plugins.music",
        "sha256",
        Kind::Text,
        "\"64 hexadecimal digits\"",
        &["And nothing else than this very file (`mynah plugin verify FILE` shows its digits)."],
    ),
    set(
        "plugins.music",
        "default_volume",
        Kind::Toml,
        "100",
        &["Percent. 100 leaves the music exactly as it is."],
    ),
    set(
        "plugins.music",
        "max_volume",
        Kind::Toml,
        "150",
        &["The loudest /volume takes, 1 to 150."],
    ),
    set(
        "plugins.music",
        "max_queue",
        Kind::Toml,
        "500",
        &["The most tracks that may wait in one server."],
    ),
    set(
        "plugins.music",
        "max_track",
        Kind::Text,
        "\"4h\"",
        &["The longest track that is accepted."],
    ),
    set(
        "plugins.music",
        "history",
        Kind::Toml,
        "50",
        &["How many played tracks are remembered in each server."],
    ),
    set(
        "plugins.music",
        "crossfade",
        Kind::Text,
        "\"0s\"",
        &[
            "How long one track fades over into the next, 0s to 12s. 0s joins them without a gap, as an",
            "album wants it.",
        ],
    ),
    set(
        "plugins.music",
        "dj_roles",
        Kind::List,
        "[]",
        &[
            "Ids of roles that decide what plays, beside those who may manage the server. With none named",
            "everybody who listens decides.",
        ],
    ),
    set(
        "plugins.music",
        "vote_skip_ratio",
        Kind::Toml,
        "0.5",
        &[
            "The share of the listeners that has to use /skip before somebody else's track is skipped, where",
            "there are DJs.",
        ],
    ),
    set(
        "plugins.music",
        "empty_pause",
        Kind::Text,
        "\"30s\"",
        &[
            "How long music plays on in a channel where nobody listens; then it waits, and goes on when",
            "somebody comes. 0s plays on for ever.",
        ],
    ),
    set(
        "plugins.music",
        "loudness_lufs",
        Kind::Toml,
        "\"off\"",
        &[
            "Makes every track equally loud, by its ReplayGain or R128 tags, else by listening through it",
            "once: a number from -30 to -8 (LUFS), -16.0 being usual. \"off\" leaves every track exactly as",
            "it is, and lets Opus files through without another encoding.",
        ],
    ),
];
