//! Sounds that a plugin keeps: short, cleaned up, in a folder of its own.

use crate::{Call, Files, Playable};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// What of a sound is kept, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingest {
    /// The folder, which needs `fs.write`; it is made if it is not there.
    pub dir: String,
    /// What people call the file, for messages.
    pub name: Option<String>,
    /// Where in the file it begins, up to a quarter of an hour inside.
    pub start: Duration,
    /// Where in the file it ends.
    pub end: Option<Duration>,
    /// What is longer is cut off; the host keeps 90 s at most.
    pub longest: Duration,
    /// Larger files are refused, in bytes; the host takes 64 MiB at most.
    pub max_bytes: u64,
    /// How loud it shall be, LUFS.
    pub lufs: f32,
}

/// A sound that was kept: Ogg Opus, 48 kHz, no silence at its ends, no true peak above -1 dBTP.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Ingested {
    /// The file, `<sha256>.opus` in the folder; what [`Playable::Path`] takes.
    pub path: String,
    /// SHA-256 of the file in hexadecimal digits. The same sound gives the same.
    pub sha256: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// How long it plays, in sample frames at 48 kHz.
    pub frames: u64,
    /// Integrated loudness of what was kept, if it can be measured.
    pub lufs: Option<f64>,
    /// Its highest true peak.
    pub true_peak_db: Option<f64>,
    /// There was more of it.
    #[serde(default)]
    pub is_cut: bool,
    /// The file was damaged; this is what could be read.
    #[serde(default)]
    pub is_damaged: bool,
}

impl Ingested {
    /// How long it plays.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_micros(self.frames.saturating_mul(1_000_000) / 48_000)
    }
}

impl Files {
    /// Fetches or opens a sound, decodes it under limits, takes the silence at its ends away, brings it
    /// to a loudness and writes it into a folder. Needs `fs.write` for the folder, and `net.http` for
    /// an address. The original is not kept.
    pub fn ingest(&self, what: Playable, how: &Ingest) -> Call<Ingested> {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let args = json!({
            "dir": how.dir, "name": how.name, "start_ms": ms(how.start), "end_ms": how.end.map(ms),
            "max_ms": ms(how.longest), "max_bytes": how.max_bytes, "lufs": how.lufs,
        });
        self.host().op("media.ingest", what.put(args)).read()
    }
}
