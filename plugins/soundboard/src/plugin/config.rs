//! `[plugins.soundboard]` of bot.toml.

use std::path::PathBuf;
use std::time::Duration;

use mynah_plugin::{Diagnostic, RoleId};
use serde::{Deserialize, Serialize};

use crate::core::Limits;

/// The soundboard's own keys; the host adds `enabled`, `path`, `sha256`, `grant` and `aliases`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// Where sounds are kept; needs `fs.write` and `fs.read` for it.
    pub folder: PathBuf,
    /// Who may add sounds.
    pub upload: Upload,
    /// Roles that may, with `upload = "role"`.
    pub upload_roles: Vec<RoleId>,
    /// Roles that may change and delete everybody's sounds, beside those who may manage the server.
    pub manager_roles: Vec<RoleId>,
    /// The longest sound; what is longer is cut off. 1 to 60.
    pub max_seconds: u32,
    /// Sounds in one server.
    pub max_sounds: usize,
    /// Sounds of one person in one server.
    pub max_per_user: usize,
    /// The largest file that is taken: "10MiB".
    pub max_upload: String,
    /// Sounds heard at once in one server; one more stops the oldest. 1 to 8.
    pub polyphony: usize,
    /// Between two sounds of one person: "5s".
    pub cooldown: String,
    /// Sounds that all people of a server together may play in a minute.
    pub max_per_minute: usize,
    /// How loud sounds are kept, LUFS.
    pub loudness_lufs: f32,
    /// Days that a deleted sound can be brought back.
    pub bin_days: u32,
}

/// Who may add sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Upload {
    /// Everybody.
    Everyone,
    /// Who has one of `upload_roles`, and managers.
    Role,
    /// Managers alone.
    Manager,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("sounds"),
            upload: Upload::Role,
            upload_roles: Vec::new(),
            manager_roles: Vec::new(),
            max_seconds: 30,
            max_sounds: 300,
            max_per_user: 50,
            max_upload: "10MiB".into(),
            polyphony: 3,
            cooldown: "5s".into(),
            max_per_minute: 10,
            loudness_lufs: -16.0,
            bin_days: 7,
        }
    }
}

/// One key, for the shipped bot.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As in the file.
    pub name: &'static str,
    /// As in the file.
    pub default: &'static str,
    /// One line.
    pub about: &'static str,
}

const fn key(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        default,
        about,
    }
}

/// Every key but `folder`, which the program sets.
pub const KEYS: &[Key] = &[
    key(
        "upload",
        "\"role\"",
        "who may add sounds: everyone, role (see upload_roles) or manager",
    ),
    key(
        "upload_roles",
        "[]",
        "ids of roles that may add sounds, with upload = \"role\"",
    ),
    key(
        "manager_roles",
        "[]",
        "ids of roles that may change everybody's sounds, beside those who may manage the server",
    ),
    key(
        "max_seconds",
        "30",
        "the longest sound; what is longer is cut off",
    ),
    key("max_sounds", "300", "sounds in one server"),
    key("max_per_user", "50", "sounds of one person in one server"),
    key("max_upload", "\"10MiB\"", "the largest file that is taken"),
    key(
        "polyphony",
        "3",
        "sounds heard at once; one more stops the oldest",
    ),
    key("cooldown", "\"5s\"", "between two sounds of one person"),
    key(
        "max_per_minute",
        "10",
        "sounds that all people of a server together may play in a minute",
    ),
    key("loudness_lufs", "-16.0", "how loud sounds are kept"),
    key(
        "bin_days",
        "7",
        "days that a deleted sound can be brought back",
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
        for (pointer, value, least, most) in [
            ("/max_seconds", u64::from(self.max_seconds), 1, 60),
            ("/max_sounds", self.max_sounds as u64, 1, 2_000),
            ("/max_per_user", self.max_per_user as u64, 1, 2_000),
            ("/polyphony", self.polyphony as u64, 1, 8),
            ("/max_per_minute", self.max_per_minute as u64, 1, 1_000),
            ("/bin_days", u64::from(self.bin_days), 0, 365),
        ] {
            if !(least..=most).contains(&value) {
                wrong(
                    pointer,
                    format!("{value} is out of range: {least} to {most}"),
                );
            }
        }
        if !(-40.0..=-5.0).contains(&self.loudness_lufs) {
            let lufs = self.loudness_lufs;
            wrong(
                "/loudness_lufs",
                format!("{lufs} is out of range: -40 to -5"),
            );
        }
        if duration(&self.cooldown).is_none() {
            let text = &self.cooldown;
            wrong(
                "/cooldown",
                format!("`{text}` is no length of time: write \"5s\" or \"2m\""),
            );
        }
        match bytes(&self.max_upload) {
            None => {
                let text = &self.max_upload;
                wrong(
                    "/max_upload",
                    format!("`{text}` is no size: write \"500KiB\" or \"10MiB\""),
                );
            }
            Some(size) if !(1..=64 << 20).contains(&size) => {
                wrong("/max_upload", "out of range: up to 64MiB".into());
            }
            Some(_) => {}
        }
        wrongs
    }

    /// How many sounds there may be.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            sounds: self.max_sounds,
            per_user: self.max_per_user,
        }
    }

    /// Between two sounds of one person, in milliseconds.
    #[must_use]
    pub fn cooldown_ms(&self) -> u64 {
        duration(&self.cooldown).map_or(5_000, |time| time.as_millis() as u64)
    }

    /// The largest file that is taken.
    #[must_use]
    pub fn upload_bytes(&self) -> u64 {
        bytes(&self.max_upload).unwrap_or(10 << 20)
    }

    /// How long a deleted sound can be brought back, in milliseconds.
    #[must_use]
    pub fn bin_ms(&self) -> u64 {
        u64::from(self.bin_days) * 86_400_000
    }
}

/// "0", "5s", "2m"; an hour at most.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (number, seconds) = match text.strip_suffix('s') {
        Some(number) => (number, 1),
        None => (text.strip_suffix('m')?, 60),
    };
    let number: u64 = number.trim_end().parse().ok()?;
    let time = Duration::from_secs(number.checked_mul(seconds)?);
    (time <= Duration::from_secs(3600)).then_some(time)
}

/// "500KiB", "10MiB".
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, size) = match text.strip_suffix("KiB") {
        Some(number) => (number, 1 << 10),
        None => (text.strip_suffix("MiB")?, 1 << 20),
    };
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(size)
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
    fn every_wrong_key_is_named_at_once() {
        let config = Config {
            max_seconds: 0,
            polyphony: 99,
            loudness_lufs: 3.0,
            cooldown: "soon".into(),
            max_upload: "10MB".into(),
            ..Config::default()
        };
        let pointers: Vec<String> = config.wrongs().into_iter().map(|w| w.pointer).collect();
        let wrong = [
            "/max_seconds",
            "/polyphony",
            "/loudness_lufs",
            "/cooldown",
            "/max_upload",
        ];
        assert_eq!(pointers, wrong);
    }

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("5"), None);
        assert_eq!(bytes("10MiB"), Some(10 << 20));
        assert_eq!(Config::default().bin_ms(), 7 * 86_400_000);
    }
}
