//! `recording.json`: what a recording is, in one file that is always whole.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::replace;
use super::ogg::Head;
use super::{RecorderError, at};

/// The version of the format on disk that this program writes.
pub const SCHEMA: u32 = 1;

/// The name of the manifest in a recording's folder.
pub const FILE: &str = "recording.json";

/// What a recording is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// People are written.
    Recording,
    /// The line goes on, in silence.
    Paused,
    /// Ended in order.
    Stopped,
    /// Ended by a crash and made whole afterwards.
    Recovered,
}

impl State {
    /// Whether a program is, or was until it crashed, writing to it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Recording | Self::Paused)
    }
}

/// What a track holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A person of the channel.
    Person,
    /// A lane of the bot: music, speech, effects.
    Lane,
}

/// One track in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackEntry {
    /// The Ogg Opus file, from the recording's folder on.
    pub file: String,
    /// Its index, likewise.
    pub index: String,
    /// Person or lane.
    pub kind: Kind,
    /// The person's Discord id; empty for a lane.
    #[serde(default)]
    pub user: String,
    /// The name people know.
    pub name: String,
    /// Number of the logical Ogg stream.
    pub serial: u32,
    /// Frames at 48 kHz, once the track has ended.
    #[serde(default)]
    pub frames: u64,
    /// Packets on the line.
    #[serde(default)]
    pub packets: u64,
    /// Packets lost on the way.
    #[serde(default)]
    pub lost: u64,
    /// Packets that came too late or twice.
    #[serde(default)]
    pub late: u64,
    /// Packets that could not be decrypted or decoded.
    #[serde(default)]
    pub unusable: u64,
    /// How fast the person's clock ran against ours, in parts per million, when it could be told.
    #[serde(default)]
    pub drift_ppm: Option<f64>,
    /// SHA-256 of the Ogg Opus file, once it has ended.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format: [`SCHEMA`].
    pub schema: u32,
    /// The recording's id, which is its folder's name.
    pub id: String,
    /// The server's Discord id.
    pub guild: String,
    /// The channel's Discord id.
    pub channel: String,
    /// Who started it.
    #[serde(default)]
    pub starter: String,
    /// What it is called.
    #[serde(default)]
    pub title: String,
    /// What it is doing.
    pub state: State,
    /// When it began, in milliseconds since 1970 (UTC): position 0 of every track.
    pub started_ms: u64,
    /// How long it is in microseconds, once it has ended.
    #[serde(default)]
    pub length_us: u64,
    /// The recording that this one goes on with.
    #[serde(default)]
    pub previous: Option<String>,
    /// The recording that goes on with this one.
    #[serde(default)]
    pub next: Option<String>,
    /// Kept whatever its age.
    #[serde(default)]
    pub keep: bool,
    /// How people were asked: `notice`, `opt_in` or `unanimous`.
    #[serde(default)]
    pub consent: String,
    /// Name and version of the program that wrote it.
    pub software: String,
    /// What is known of the call's encryption.
    #[serde(default)]
    pub dave: serde_json::Value,
    /// The tracks, in the order in which people were first heard.
    pub tracks: Vec<TrackEntry>,
}

impl Manifest {
    /// Reads the manifest of a recording.
    ///
    /// # Errors
    /// When it cannot be read or is not of this format.
    pub fn read(folder: &Path) -> Result<Self, RecorderError> {
        let path = folder.join(FILE);
        let bytes = at(&path, std::fs::read(&path))?;
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| RecorderError::Manifest {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        if manifest.schema > SCHEMA {
            return Err(RecorderError::Manifest {
                path,
                reason: format!("schema {} is newer than {SCHEMA}", manifest.schema),
            });
        }
        Ok(manifest)
    }

    /// Writes the manifest of a recording, in one step.
    ///
    /// # Errors
    /// When it cannot be written; the one before is then still there.
    pub fn write(&self, folder: &Path) -> Result<(), RecorderError> {
        let path = folder.join(FILE);
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|error| RecorderError::Manifest {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        bytes.push(b'\n');
        replace(&path, &bytes)
    }

    /// The files of a track, if their names stay within the folder.
    #[must_use]
    pub fn files(folder: &Path, entry: &TrackEntry) -> Option<(PathBuf, PathBuf)> {
        let within = |name: &str| {
            let path = Path::new(name);
            path.components()
                .all(|part| matches!(part, std::path::Component::Normal(_)))
                .then(|| folder.join(path))
        };
        Some((within(&entry.file)?, within(&entry.index)?))
    }

    /// The name and version of this program.
    #[must_use]
    pub fn software() -> String {
        concat!("mynah ", env!("CARGO_PKG_VERSION")).to_owned()
    }

    /// What stands at the head of a track, from the manifest alone: repair needs it again.
    #[must_use]
    pub fn head(&self, number: usize) -> Head {
        let mut tags = vec![
            ("TITLE".to_owned(), self.title.clone()),
            ("MYNAH_RECORDING".to_owned(), self.id.clone()),
            ("MYNAH_STARTED_MS".to_owned(), self.started_ms.to_string()),
        ];
        let mut serial = Self::serial(&self.id, number);
        if let Some(entry) = self.tracks.get(number) {
            serial = entry.serial;
            tags.push(("ARTIST".to_owned(), entry.name.clone()));
            tags.push(("MYNAH_USER".to_owned(), entry.user.clone()));
        }
        tags.retain(|(_, value)| !value.is_empty());
        Head {
            serial,
            // Decoders make two channels of one by themselves (RFC 7845, section 5.1.1).
            channels: 2,
            tags,
        }
    }

    /// A stream's number: never twice in a recording, and hardly twice in two (FNV-1a of the id).
    #[must_use]
    pub fn serial(id: &str, number: usize) -> u32 {
        let hash = id.bytes().fold(0x811C_9DC5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        (hash & !0xFFF) | (number as u32 & 0xFFF)
    }
}
