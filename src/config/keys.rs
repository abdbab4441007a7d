//! The one table of keys: name, kind, default and documentation.
//!
//! The shipped `bot.toml` is generated from it ([`super::shipped`]), unknown keys are told from known
//! ones by it, and every default is read from it by the same code that reads the file.

mod music;
mod permissions;
mod recorder;
mod soundboard;
mod tts;

use music::MUSIC;
use permissions::PERMISSIONS;
use recorder::RECORDER;
use soundboard::SOUNDBOARD;
use tts::TTS;

/// How the environment twin of a key is read, and what a message calls the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string; the variable is taken as it is.
    Text,
    /// Anything else; the variable is TOML (`true`, `8`, `{ … }`).
    Toml,
    /// A list of strings; the variable is a TOML list, or words with commas between.
    List,
}

/// How the shipped file shows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shipped {
    /// As `name = default`.
    Set,
    /// Commented out, with this value as the example.
    Example(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Table it stands in; empty for the top level.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The default as a TOML literal; empty when the key has none.
    pub default: &'static str,
    /// How the shipped file shows it.
    pub shipped: Shipped,
    /// What it means, one line each.
    pub docs: &'static [&'static str],
}

impl Key {
    /// `section.name`.
    pub fn path(&self) -> String {
        if self.section.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }

    /// The environment variable that overrides this key.
    pub fn variable(&self) -> String {
        variable(&self.path())
    }
}

/// The environment variable that overrides the key at a dotted path.
pub fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// What every environment variable that is a setting begins with.
pub const PREFIX: &str = "MYNAH__";

/// A table of the file and what it is about.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name as in the header.
    pub name: &'static str,
    /// What it is about.
    pub docs: &'static [&'static str],
}

/// The tables, in the order of the shipped file.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "discord",
        docs: &["Where the bot lives, and as whom."],
    },
    Section {
        name: "paths",
        docs: &["Folders. Relative ones start at this file; {data} is the data folder."],
    },
    Section {
        name: "log",
        docs: &["Logs go to standard error."],
    },
    Section {
        name: "net",
        docs: &["What plugins fetch from the network (attachments, for now)."],
    },
    Section {
        name: "voice",
        docs: &["The voice connection and the sound sent over it."],
    },
    Section {
        name: "voice.mix",
        docs: &["Who steps back for whom when several sounds play at once."],
    },
    Section {
        name: "permissions",
        docs: &[
            "Who may do what. Owners may everything, those who may manage the server all but reload; `mynah",
            "plugin reload` and `/bot reload` put changes into effect.",
        ],
    },
    Section {
        name: "server",
        docs: &["The embedded server; used with api = \"embedded\" only. It listens on 127.0.0.1."],
    },
    Section {
        name: "plugins.music",
        docs: &[
            "Music: /play, /pause, /resume, /skip, /stop, /queue, /nowplaying, /volume, /seek, /loop,",
            "/filter, /previous, /replay, /leave.",
        ],
    },
    Section {
        name: "plugins.recorder",
        docs: &[
            "Recordings of voice channels, one track for each person: /record, `mynah recording`.",
        ],
    },
    Section {
        name: "plugins.soundboard",
        docs: &[
            "Short sounds over whatever plays: /sound, \"Save as sound\" in the menu of messages.",
        ],
    },
    Section {
        name: "plugins.tts",
        docs: &["Messages that are read aloud: /say, /tts, Speak in the menu of a message."],
    },
];

const fn set(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    docs: &'static [&'static str],
) -> Key {
    Key {
        section,
        name,
        kind,
        default,
        shipped: Shipped::Set,
        docs,
    }
}

const fn example(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    shown: &'static str,
    docs: &'static [&'static str],
) -> Key {
    Key {
        section,
        name,
        kind,
        default: "",
        shipped: Shipped::Example(shown),
        docs,
    }
}

/// Every key, in the order of the shipped file.
const KEYS: &[Key] = &[
    set("", "schema", Kind::Toml, "1", &["Version of this format."]),
    // ---------------------------------------------------------------------------------------
    set(
        "discord",
        "api",
        Kind::Text,
        "\"embedded\"",
        &[
            "\"embedded\": the built-in Discord-compatible server, on this machine only; no token needed.",
            "\"discord\":  the real Discord; needs a token (README.md, \"Going to real Discord\").",
            "A URL:      another server that speaks Discord's API, such as a running `mynah serve`.",
        ],
    ),
    example(
        "discord",
        "token_file",
        Kind::Text,
        "\"/run/secrets/discord_token\"",
        &[
            "The bot token: from a file that holds nothing else, from a variable you name, or from the",
            "variable MYNAH__DISCORD__TOKEN. (`token = \"…\"` in this file works too, but leaks easily.)",
        ],
    ),
    example("discord", "token_env", Kind::Text, "\"BOT_TOKEN\"", &[]),
    Key {
        section: "discord",
        name: "token",
        kind: Kind::Text,
        default: "",
        shipped: Shipped::Example(""),
        docs: &[],
    },
    example(
        "discord",
        "ca_file",
        Kind::Text,
        "\"ca.pem\"",
        &["With a URL above: the certificate (PEM) that server's voice endpoint is signed with."],
    ),
    set(
        "discord",
        "command_scope",
        Kind::Text,
        "\"global\"",
        &[
            "Where slash commands are registered: \"global\", or \"guild\" (at once, in dev_guilds only).",
        ],
    ),
    set(
        "discord",
        "dev_guilds",
        Kind::List,
        "[]",
        &["Guild ids, as strings."],
    ),
    set(
        "discord",
        "shards",
        Kind::Toml,
        "\"auto\"",
        &[
            "Gateway connections: \"auto\" takes what Discord recommends; or a number from 1 to 1000.",
        ],
    ),
    set(
        "discord",
        "status",
        Kind::Toml,
        "{ kind = \"listening\", text = \"/play\" }",
        &[
            "What the member list shows. Kinds: playing, listening, watching, competing, custom, none.",
        ],
    ),
    // ---------------------------------------------------------------------------------------
    set(
        "paths",
        "data",
        Kind::Text,
        "\"./data\"",
        &["Certificates, cache and everything the bot keeps. One running bot per data folder."],
    ),
    set(
        "paths",
        "library",
        Kind::List,
        "[\"{data}/music\"]",
        &[
            "Folders with music for /play, searched with everything below them. They must exist, except",
            "those inside {data}, which are made.",
        ],
    ),
    set(
        "paths",
        "cache",
        Kind::Text,
        "\"{data}/cache\"",
        &["Downloads are kept here while they play."],
    ),
    // ---------------------------------------------------------------------------------------
    set(
        "log",
        "level",
        Kind::Text,
        "\"info\"",
        &["error, warn, info, debug or trace."],
    ),
    set(
        "log",
        "format",
        Kind::Text,
        "\"pretty\"",
        &["pretty, or json (one object a line)."],
    ),
    // ---------------------------------------------------------------------------------------
    set(
        "net",
        "max_body",
        Kind::Text,
        "\"256MiB\"",
        &["Largest single download."],
    ),
    set(
        "net",
        "timeout",
        Kind::Text,
        "\"15s\"",
        &["How long a server may take to begin its answer, or to go on with it, 1s to 5m."],
    ),
    set(
        "net",
        "max_redirects",
        Kind::Toml,
        "4",
        &["How often a download may be sent on to another address, 0 to 20."],
    ),
    set(
        "net",
        "private_origins",
        Kind::List,
        "[]",
        &[
            "Where plugins may send requests although it is on this machine or in a private network:",
            "\"http://127.0.0.1:5050\". A plugin needs `net.http:HOST` in its grant as well.",
        ],
    ),
    // ---------------------------------------------------------------------------------------
    set(
        "voice",
        "bitrate",
        Kind::Text,
        "\"auto\"",
        &[
            "\"auto\" takes the voice channel's own bitrate; or a fixed one such as \"96k\" (8k to 510k).",
        ],
    ),
    set(
        "voice",
        "complexity",
        Kind::Toml,
        "10",
        &["Effort of the Opus encoder, 0 to 10. 5 costs half as much."],
    ),
    set(
        "voice",
        "reconnect_give_up",
        Kind::Text,
        "\"10m\"",
        &["How long a broken voice connection is tried again; the song waits meanwhile."],
    ),
    set(
        "voice",
        "idle_leave",
        Kind::Text,
        "\"5m\"",
        &[
            "How long the bot stays in a voice channel where nobody else is; 0s keeps it there. What waits in",
            "a queue is kept, and a recording that runs ends first ([plugins.recorder] empty_stop).",
        ],
    ),
    set(
        "voice",
        "realtime",
        Kind::Toml,
        "true",
        &[
            "Ask the system for real-time scheduling of the sound threads; without the right to it the",
            "bot runs all the same, and sound may stutter on a busy machine.",
        ],
    ),
    set(
        "voice",
        "threads",
        Kind::Toml,
        "1",
        &["Sound threads, 1 to 64: one serves a hundred calls."],
    ),
    set(
        "voice",
        "dave",
        Kind::Toml,
        "true",
        &[
            "End-to-end encryption (DAVE). Discord refuses bots without it: false is only for servers of",
            "your own that have none.",
        ],
    ),
    set(
        "voice",
        "allow_legacy_modes",
        Kind::Toml,
        "false",
        &["Accept voice encryption that Discord has withdrawn, if a server offers nothing better."],
    ),
    // ---------------------------------------------------------------------------------------
    set(
        "voice.mix",
        "duck_speech_db",
        Kind::Toml,
        "-12.0",
        &[
            "How far music goes down while the bot speaks, in dB: -60 to 0, where 0 leaves it alone.",
        ],
    ),
    set(
        "voice.mix",
        "duck_fx_db",
        Kind::Toml,
        "-6.0",
        &["Likewise while a sound effect plays."],
    ),
    set(
        "voice.mix",
        "duck_on_human_talk",
        Kind::Toml,
        "{ enabled = false, db = -9.0, attack = \"80ms\", release = \"400ms\" }",
        &[
            "Music and effects step back while people talk in the channel: how far, how fast down, and",
            "how fast up again (5ms to 1m).",
        ],
    ),
    // ---------------------------------------------------------------------------------------
    set(
        "server",
        "http_port",
        Kind::Toml,
        "0",
        &["Port of REST, gateway and control API; 0 takes a free one."],
    ),
    set(
        "server",
        "voice_port",
        Kind::Toml,
        "0",
        &["Port of the voice websocket; 0 takes a free one."],
    ),
    set(
        "server",
        "seed",
        Kind::Toml,
        "0",
        &["Decides the ids of the guild, its channels and the bot: the same seed, the same ids."],
    ),
    set(
        "server",
        "legacy_modes",
        Kind::Toml,
        "false",
        &["Also offer the withdrawn voice encryption modes, for old libraries."],
    ),
];

/// Every key, in the order of the shipped file.
pub fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter()
        .chain(MUSIC)
        .chain(PERMISSIONS)
        .chain(RECORDER)
        .chain(SOUNDBOARD)
        .chain(TTS)
}

/// Keys of the host that every plugin's table may have; all others are the plugin's own.
pub const PLUGIN_KEYS: &[&str] = &["enabled", "grant", "path", "sha256"];

/// The key of that name.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    all().find(|key| key.section == section && key.name == name)
}

/// The names that are known in a table.
pub fn names(section: &str) -> impl Iterator<Item = &'static str> {
    all()
        .filter(move |key| key.section == section)
        .map(|key| key.name)
}

/// Whether there is a table of that dotted name.
pub fn is_table(name: &str) -> bool {
    SECTIONS.iter().any(|section| section.name == name)
}

/// The names of the tables that stand in a table.
pub fn tables_in(outer: &str) -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().filter_map(move |section| {
        let (table, name) = section.name.rsplit_once('.')?;
        (table == outer).then_some(name)
    })
}

/// The tables whose names have no dot, and `plugins`.
pub fn tables() -> impl Iterator<Item = &'static str> {
    SECTIONS
        .iter()
        .map(|section| section.name)
        .filter(|name| !name.contains('.'))
        .chain(["plugins"])
}
