//! Who may do what.

use super::{Key, Kind, set};

pub(super) const PERMISSIONS: &[Key] = &[
    set(
        "discord",
        "owners",
        Kind::List,
        "[]",
        &[
            "Ids of people who may do everything with this bot, everywhere; \"team\" is everybody in the",
            "team that owns its application. With none: the application's owner.",
        ],
    ),
    set(
        "permissions",
        "dj_roles",
        Kind::List,
        "[]",
        &[
            "Ids of roles that decide for all who listen: skip, stop, move the bot. With none named,",
            "everybody who listens does.",
        ],
    ),
    set(
        "permissions",
        "manager_roles",
        Kind::Toml,
        "{ recorder = [], soundboard = [], tts = [] }",
        &["Ids of roles that manage a plugin, as those do who may manage the server."],
    ),
    set(
        "permissions",
        "blocked_users",
        Kind::List,
        "[]",
        &["Ids of people whom this bot does not serve."],
    ),
];
