//! `[plugins.recorder]` of bot.toml.

use std::path::PathBuf;
use std::time::Duration;

use mynah_plugin::{Diagnostic, RoleId};
use serde::{Deserialize, Serialize};

use crate::core::disk::RoomLimits;
use crate::core::recording::Limits;

/// The recorder's own keys; the host adds `enabled`, `path`, `sha256`, `grant` and `aliases`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// Where recordings are kept; needs `fs.write` and `fs.read` for it.
    pub folder: PathBuf,
    /// How people are told: `nickname`, `clip`, `panel`. One of the first two at least.
    pub indicators: Vec<Indicator>,
    /// The longest recording: "12h".
    pub max_duration: String,
    /// The largest recording: "4GiB".
    pub max_size: String,
    /// What all recordings of one server may take together: "50GiB".
    pub max_guild_size: String,
    /// How long recordings are kept that nobody marked: "7d"; "0" keeps them for ever.
    pub retention: String,
    /// How often the disk is made to keep what was written: "5s".
    pub fsync_every: String,
    /// Also record what the bot itself plays.
    pub record_bot_lanes: bool,
    /// Anybody in the channel may pause.
    pub participant_pause: bool,
    /// A recording ends when nobody but bots has been there for so long: "2m"; "0" goes on.
    pub empty_stop: String,
    /// Roles that may record, beside those who may manage the server.
    pub roles: Vec<RoleId>,
    /// With less room on the disk people are told: "5GiB".
    pub warn_free: String,
    /// With less room than this a recording ends in order, and none begins: "1GiB".
    pub stop_free: String,
}

/// A way to show that somebody is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Indicator {
    /// The bot's name begins with a red dot.
    Nickname,
    /// Three notes are heard when it begins, and one when somebody comes later.
    Clip,
    /// A message with the state of things and buttons.
    Panel,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("recordings"),
            indicators: vec![Indicator::Nickname, Indicator::Clip, Indicator::Panel],
            max_duration: "12h".into(),
            max_size: "4GiB".into(),
            max_guild_size: "50GiB".into(),
            retention: "7d".into(),
            fsync_every: "5s".into(),
            record_bot_lanes: true,
            participant_pause: true,
            empty_stop: "2m".into(),
            roles: Vec::new(),
            warn_free: "5GiB".into(),
            stop_free: "1GiB".into(),
        }
    }
}

/// One key of the table, for the shipped bot.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Its value when it is left out, as TOML.
    pub default: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
}

const fn key(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        default,
        about,
    }
}

/// Every key of [`Config`] but `folder`, which the program sets, in the order they are documented.
pub const KEYS: [Key; 12] = [
    key(
        "indicators",
        "[\"nickname\", \"clip\", \"panel\"]",
        "how people are told that they are recorded; nickname or clip must be among them",
    ),
    key("max_duration", "\"12h\"", "the longest recording"),
    key("max_size", "\"4GiB\"", "the largest recording"),
    key(
        "max_guild_size",
        "\"50GiB\"",
        "what all recordings of one server may take together",
    ),
    key(
        "retention",
        "\"7d\"",
        "how long recordings are kept that nobody marked to keep; \"0\" is for ever",
    ),
    key(
        "fsync_every",
        "\"5s\"",
        "how often the disk is made to keep what was written",
    ),
    key(
        "record_bot_lanes",
        "true",
        "also record what the bot itself plays",
    ),
    key(
        "participant_pause",
        "true",
        "anybody in the channel may pause",
    ),
    key(
        "empty_stop",
        "\"2m\"",
        "a recording ends when nobody but bots has been there for so long; \"0\" goes on",
    ),
    key(
        "roles",
        "[]",
        "ids of roles that may record, beside those who may manage the server",
    ),
    key(
        "warn_free",
        "\"5GiB\"",
        "with less room on the disk people are told",
    ),
    key(
        "stop_free",
        "\"1GiB\"",
        "with less room than this a recording ends in order, and none begins",
    ),
];

impl Config {
    /// What is wrong with it; all at once.
    #[must_use]
    pub fn wrongs(&self) -> Vec<Diagnostic> {
        let mut wrongs = Vec::new();
        let mut wrong = |pointer: &str, text: String| {
            wrongs.push(Diagnostic::new(pointer.to_owned(), text));
        };
        let told = [Indicator::Nickname, Indicator::Clip];
        if !told.iter().any(|told| self.indicators.contains(told)) {
            wrong(
                "/indicators",
                "nobody would know that they are recorded: add \"nickname\" or \"clip\"".into(),
            );
        }
        for (pointer, text) in [
            ("/max_duration", &self.max_duration),
            ("/retention", &self.retention),
            ("/fsync_every", &self.fsync_every),
            ("/empty_stop", &self.empty_stop),
        ] {
            if duration(text).is_none() {
                wrong(
                    pointer,
                    format!(
                        "`{text}` is no length of time: write \"5s\", \"90m\", \"12h\" or \"7d\""
                    ),
                );
            }
        }
        for (pointer, text) in [
            ("/max_size", &self.max_size),
            ("/max_guild_size", &self.max_guild_size),
            ("/warn_free", &self.warn_free),
            ("/stop_free", &self.stop_free),
        ] {
            if bytes(text).is_none() {
                wrong(
                    pointer,
                    format!("`{text}` is no size: write \"500MiB\" or \"4GiB\""),
                );
            }
        }
        wrongs
    }

    /// True when people are told in this way.
    #[must_use]
    pub fn tells_by(&self, indicator: Indicator) -> bool {
        self.indicators.contains(&indicator)
    }

    /// What a recording may use.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let us = |text: &str, otherwise: u64| {
            duration(text).map_or(otherwise, |time| time.as_micros() as u64)
        };
        let shipped = Limits::default();
        Limits {
            longest_us: us(&self.max_duration, shipped.longest_us),
            largest_bytes: bytes(&self.max_size).unwrap_or(shipped.largest_bytes),
            sync_every_us: us(&self.fsync_every, shipped.sync_every_us),
            room: RoomLimits {
                warn_bytes: bytes(&self.warn_free).unwrap_or(shipped.room.warn_bytes),
                stop_bytes: bytes(&self.stop_free).unwrap_or(shipped.room.stop_bytes),
            },
        }
    }

    /// How long nobody may be there, in microseconds; `None` is for ever.
    #[must_use]
    pub fn empty_stop_us(&self) -> Option<u64> {
        let time = duration(&self.empty_stop)?.as_micros() as u64;
        (time > 0).then_some(time)
    }

    /// What a server may use.
    #[must_use]
    pub fn guild_bytes(&self) -> u64 {
        bytes(&self.max_guild_size).unwrap_or(u64::MAX)
    }

    /// Days after which a recording goes; `None` for never.
    #[must_use]
    pub fn retention_days(&self) -> Option<u64> {
        let days = duration(&self.retention)?.as_secs() / 86_400;
        (days > 0).then_some(days)
    }
}

/// "5s", "90m", "12h", "7d", "0".
fn duration(text: &str) -> Option<Duration> {
    let (number, seconds) = units(text, &[("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)])?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// "500MiB", "4GiB", "1024", "0".
fn bytes(text: &str) -> Option<u64> {
    let sizes = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let (number, size) = units(text, &sizes)?;
    number.checked_mul(size)
}

fn units(text: &str, units: &[(&str, u64)]) -> Option<(u64, u64)> {
    let text = text.trim();
    if text == "0" {
        return Some((0, 1));
    }
    units.iter().find_map(|(unit, size)| {
        let number = text.strip_suffix(unit)?.trim_end();
        Some((number.parse().ok()?, *size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_keys_are_those_of_the_config_with_its_values() {
        let shipped = serde_json::to_value(Config::default()).unwrap();
        for key in KEYS {
            let value: serde_json::Value = serde_json::from_str(key.default).unwrap();
            assert_eq!(shipped[key.name], value, "{}", key.name);
        }
        let all = shipped.as_object().unwrap().len();
        assert_eq!(all, KEYS.len() + 1, "`folder` is set by the program");
        assert!(Config::default().wrongs().is_empty());
    }

    #[test]
    fn every_wrong_key_is_named_at_once_and_nobody_records_in_secret() {
        let config = Config {
            indicators: vec![Indicator::Panel],
            max_duration: "for ever".into(),
            max_size: "lots".into(),
            ..Config::default()
        };
        let pointers: Vec<String> = config.wrongs().into_iter().map(|w| w.pointer).collect();
        assert_eq!(pointers, ["/indicators", "/max_duration", "/max_size"]);
    }

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(duration("90m"), Some(Duration::from_secs(5_400)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("12"), None);
        assert_eq!(bytes("4GiB"), Some(4 << 30));
        assert_eq!(bytes("4GB"), None);
        assert_eq!(Config::default().retention_days(), Some(7));
    }
}
