//! `[plugins.music]` of bot.toml.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::room::Rules;
use crate::spans;

/// The music plugin's own keys; the host adds `enabled`, `path`, `sha256`, `grant` and `aliases`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// Folders with music, searched with everything below them. Each one also needs a grant:
    /// `grant = ["fs.read:media"]` for `library = ["media"]`.
    pub library: Vec<PathBuf>,
    /// The volume a server starts with, in percent. 100 leaves the music exactly as it is.
    pub default_volume: u16,
    /// The loudest volume `/volume` sets, in percent, at most 150.
    pub max_volume: u16,
    /// The most tracks that may wait in one server.
    pub max_queue: usize,
    /// The longest track that is accepted: "4h", "90m", "1h30m".
    pub max_track: String,
    /// How many played tracks are remembered in each server.
    pub history: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            library: Vec::new(),
            default_volume: 100,
            max_volume: 150,
            max_queue: 500,
            max_track: "4h".to_owned(),
            history: 50,
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

/// Every key of [`Config`], in the order they are documented.
pub const KEYS: [Key; 6] = [
    Key {
        name: "library",
        default: "[]",
        about: "folders with music, searched with everything below them; each needs fs.read in `grant`",
    },
    Key {
        name: "default_volume",
        default: "100",
        about: "the volume a server starts with, in percent; 100 leaves the music exactly as it is",
    },
    Key {
        name: "max_volume",
        default: "150",
        about: "the loudest volume /volume sets, in percent, at most 150",
    },
    Key {
        name: "max_queue",
        default: "500",
        about: "the most tracks that may wait in one server",
    },
    Key {
        name: "max_track",
        default: "\"4h\"",
        about: "the longest track that is accepted: \"4h\", \"90m\", \"1h30m\"",
    },
    Key {
        name: "history",
        default: "50",
        about: "how many played tracks are remembered in each server",
    },
];

/// Something wrong with a key: which one, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Where, as a JSON pointer into the plugin's table.
    pub pointer: &'static str,
    /// What, in words.
    pub text: String,
}

/// Louder than this even quiet music only clips.
const LOUDEST: u16 = 150;
/// More waiting tracks than this serve nobody and cost memory in every server.
const LONGEST_QUEUE: usize = 10_000;
/// Likewise for the history.
const LONGEST_HISTORY: usize = 1_000;

impl Config {
    /// Everything wrong with the values, all at once.
    #[must_use]
    pub fn wrongs(&self) -> Vec<Wrong> {
        let mut wrongs = Vec::new();
        let mut note = |wrong: bool, pointer, text: String| {
            if wrong {
                wrongs.push(Wrong { pointer, text });
            }
        };
        let Self {
            max_volume,
            default_volume,
            max_queue,
            history,
            ..
        } = self;
        note(
            !(1..=LOUDEST).contains(max_volume),
            "/max_volume",
            format!("{max_volume} is not a volume limit: give a number from 1 to {LOUDEST}"),
        );
        note(
            default_volume > max_volume,
            "/default_volume",
            format!(
                "{default_volume} is louder than `max_volume` = {max_volume}: lower it, or raise `max_volume`"
            ),
        );
        note(
            !(1..=LONGEST_QUEUE).contains(max_queue),
            "/max_queue",
            format!("{max_queue} is not a queue length: give a number from 1 to {LONGEST_QUEUE}"),
        );
        note(
            *history > LONGEST_HISTORY,
            "/history",
            format!("{history} is too much to remember: give a number from 0 to {LONGEST_HISTORY}"),
        );
        let span = spans::parse(&self.max_track);
        note(
            span.as_ref().is_ok_and(std::time::Duration::is_zero),
            "/max_track",
            "no track is that short: give at least \"1s\"".to_owned(),
        );
        if let Err(error) = span {
            note(true, "/max_track", error.to_string());
        }
        wrongs
    }

    /// The limits as the core applies them. Values that [`Config::wrongs`] complains about are bounded.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let max_volume = self.max_volume.clamp(1, LOUDEST);
        Rules {
            default_volume: self.default_volume.min(max_volume),
            max_volume,
            max_queue: self.max_queue.clamp(1, LONGEST_QUEUE),
            max_track: spans::parse(&self.max_track).unwrap_or(std::time::Duration::MAX),
            history: self.history.min(LONGEST_HISTORY),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pointers(json: &str) -> Vec<&'static str> {
        let config: Config = serde_json::from_str(json).unwrap();
        config
            .wrongs()
            .into_iter()
            .map(|wrong| wrong.pointer)
            .collect()
    }

    #[test]
    fn an_empty_table_is_right_and_leaves_a_song_untouched() {
        assert_eq!(pointers("{}"), <[&str; 0]>::default());
        assert_eq!(Config::default().rules().default_volume, 100);
    }

    #[test]
    fn every_wrong_value_is_named_at_once() {
        let json = r#"{"max_volume": 400, "default_volume": 500, "max_queue": 0, "max_track": "4", "history": 5000}"#;
        assert_eq!(
            pointers(json),
            [
                "/max_volume",
                "/default_volume",
                "/max_queue",
                "/history",
                "/max_track"
            ]
        );
        assert_eq!(pointers(r#"{"max_track": "0s"}"#), ["/max_track"]);
    }

    #[test]
    fn wrong_values_never_become_wrong_rules() {
        let config = Config {
            max_volume: 9000,
            default_volume: 9000,
            max_queue: 0,
            ..Config::default()
        };
        let rules = config.rules();
        assert_eq!(
            (rules.max_volume, rules.default_volume, rules.max_queue),
            (150, 150, 1)
        );
    }

    #[test]
    fn every_key_is_documented_with_its_true_default() {
        let serde_json::Value::Object(fields) = serde_json::to_value(Config::default()).unwrap()
        else {
            panic!("a table")
        };
        // These defaults read the same in TOML and in JSON.
        let documented = KEYS.iter().map(|key| {
            let default: serde_json::Value = serde_json::from_str(key.default).unwrap();
            (key.name.to_owned(), default)
        });
        assert_eq!(documented.collect::<serde_json::Map<_, _>>(), fields);
    }
}
