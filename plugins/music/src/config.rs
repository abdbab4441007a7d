//! `[plugins.music]` of bot.toml.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mynah_plugin::RoleId;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::room::Rules;
use crate::spans;

/// The music plugin's own keys; the host adds `enabled`, `path`, `sha256`, `grant` and `aliases`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
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
    /// How long one track fades over into the next, at most 12 s: "0s", "6s".
    pub crossfade: String,
    /// Roles that decide what plays, beside those who may manage the server. With none named, everybody
    /// who listens decides.
    pub dj_roles: Vec<RoleId>,
    /// The share of the listeners that has to agree before somebody else's track is skipped, where there are
    /// DJs.
    pub vote_skip_ratio: f64,
    /// How long music plays on in a channel where nobody listens: "30s"; "0s" is for ever. It goes on when
    /// somebody comes.
    pub empty_pause: String,
    /// How loud every track is made to be, in LUFS, or "off". It is the engine that does it; here it
    /// is only judged.
    pub loudness_lufs: Loudness,
}

/// A loudness to aim at.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Loudness {
    /// In LUFS.
    Lufs(f64),
    /// `"off"`: every track as loud as it is.
    Word(String),
}

impl<'de> Deserialize<'de> for Loudness {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumberOrWord)
    }
}

/// By hand, because what serde makes says "untagged enum" to people.
struct NumberOrWord;

impl de::Visitor<'_> for NumberOrWord {
    type Value = Loudness;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or \"off\"")
    }

    fn visit_f64<E: de::Error>(self, lufs: f64) -> Result<Loudness, E> {
        Ok(Loudness::Lufs(lufs))
    }

    fn visit_i64<E: de::Error>(self, lufs: i64) -> Result<Loudness, E> {
        Ok(Loudness::Lufs(lufs as f64))
    }

    fn visit_u64<E: de::Error>(self, lufs: u64) -> Result<Loudness, E> {
        Ok(Loudness::Lufs(lufs as f64))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Loudness, E> {
        Ok(Loudness::Word(word.to_owned()))
    }
}

impl Loudness {
    /// The loudness in LUFS; `None` for off.
    ///
    /// # Errors
    /// Why it is neither, in words.
    pub fn target(&self) -> Result<Option<f32>, String> {
        match self {
            Self::Word(word) if word == "off" => Ok(None),
            Self::Lufs(lufs) if (QUIETEST_LUFS..=LOUDEST_LUFS).contains(lufs) => {
                Ok(Some(*lufs as f32))
            }
            Self::Word(word) => Err(format!(
                "`{word}` is not a loudness: write \"off\", or a number such as -16.0"
            )),
            Self::Lufs(lufs) => Err(format!(
                "{lufs} LUFS is out of range: give a number from {QUIETEST_LUFS} to {LOUDEST_LUFS}, or \"off\""
            )),
        }
    }
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
            crossfade: "0s".to_owned(),
            dj_roles: Vec::new(),
            vote_skip_ratio: 0.5,
            empty_pause: "30s".to_owned(),
            loudness_lufs: Loudness::Word("off".to_owned()),
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
pub const KEYS: [Key; 11] = [
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
    Key {
        name: "crossfade",
        default: "\"0s\"",
        about: "how long one track fades over into the next, at most 12s; 0s joins them without a gap",
    },
    Key {
        name: "dj_roles",
        default: "[]",
        about: "ids of roles that decide what plays, beside those who may manage the server; none: all who listen do",
    },
    Key {
        name: "vote_skip_ratio",
        default: "0.5",
        about: "share of the listeners whose /skip skips somebody else's track, where there are DJs",
    },
    Key {
        name: "empty_pause",
        default: "\"30s\"",
        about: "how long music plays on where nobody listens; it goes on when somebody comes; 0s is for ever",
    },
    Key {
        name: "loudness_lufs",
        default: "\"off\"",
        about: "how loud every track is made to be, in LUFS: \"off\", or -30 to -8",
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
/// Longer than this, two songs are one noise.
const LONGEST_CROSSFADE: Duration = Duration::from_secs(12);
/// Quieter than this, nothing is left to hear beside people who talk.
const QUIETEST_LUFS: f64 = -30.0;
/// Louder than this, everything would be squeezed by the limiter.
const LOUDEST_LUFS: f64 = -8.0;

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
            span.as_ref().is_ok_and(Duration::is_zero),
            "/max_track",
            "no track is that short: give at least \"1s\"".to_owned(),
        );
        if let Err(error) = span {
            note(true, "/max_track", error.to_string());
        }
        match spans::parse(&self.crossfade) {
            Ok(span) => note(
                span > LONGEST_CROSSFADE,
                "/crossfade",
                format!(
                    "a crossfade of {} is too long: give \"0s\" to \"{}s\"",
                    self.crossfade,
                    LONGEST_CROSSFADE.as_secs()
                ),
            ),
            Err(error) => note(true, "/crossfade", error.to_string()),
        }
        if let Err(error) = spans::parse(&self.empty_pause) {
            note(true, "/empty_pause", error.to_string());
        }
        let ratio = self.vote_skip_ratio;
        note(
            !(0.0..=1.0).contains(&ratio),
            "/vote_skip_ratio",
            format!("{ratio} is not a share: give a number from 0 to 1, such as 0.5"),
        );
        if let Err(text) = self.loudness_lufs.target() {
            note(true, "/loudness_lufs", text);
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
            max_track: spans::parse(&self.max_track).unwrap_or(Duration::MAX),
            history: self.history.min(LONGEST_HISTORY),
            crossfade: spans::parse(&self.crossfade)
                .unwrap_or_default()
                .min(LONGEST_CROSSFADE),
            vote_skip: self.vote_skip_ratio.clamp(0.0, 1.0),
            empty_pause: spans::parse(&self.empty_pause).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
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
        assert_eq!(pointers(r#"{"crossfade": "13s"}"#), ["/crossfade"]);
        assert_eq!(pointers(r#"{"crossfade": "6"}"#), ["/crossfade"]);
        assert_eq!(
            pointers(r#"{"crossfade": "6s", "loudness_lufs": -16}"#),
            <[&str; 0]>::default()
        );
        assert_eq!(pointers(r#"{"loudness_lufs": -3.5}"#), ["/loudness_lufs"]);
        assert_eq!(pointers(r#"{"loudness_lufs": "loud"}"#), ["/loudness_lufs"]);
    }

    #[test]
    fn a_loudness_of_another_kind_is_refused_in_words() {
        let wrong = mynah_plugin::read_config::<Config>(br#"{"loudness_lufs": true}"#).unwrap_err();
        assert_eq!(wrong[0].pointer, "/loudness_lufs");
        let expected = "expected a number or \"off\", found `true`";
        assert_eq!(wrong[0].message, expected);
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
