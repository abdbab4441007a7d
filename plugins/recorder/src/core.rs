//! From packets with arrival times to a folder that any player can read.
//!
//! ```text
//! Arrived ─► timeline (one per person) ─► track (Ogg Opus + index) ─┐
//! Event ───────────────────────────────► events.ndjson ─────────────┼─► recordings/<guild>/<id>/
//! states, names, limits ───────────────► manifest (recording.json) ─┘
//! ```
//! All times are microseconds on the recording clock, which starts at 0 when the recording does; all
//! positions are frames at 48 kHz on the same line.

pub mod checker;
pub mod clock;
pub mod disk;
pub mod events;
pub mod export;
pub mod index;
pub mod manifest;
pub mod ogg;
pub mod packet;
pub mod recording;
pub mod repair;
pub mod shelf;
pub mod timeline;
pub mod track;

use std::io;
use std::path::{Path, PathBuf};

/// Frames in one second: Opus and its RTP clock run at 48 kHz (RFC 7587, section 4.1).
pub const RATE: u64 = 48_000;

/// Frames of the recording timeline in `us` microseconds.
#[must_use]
pub const fn frames_in(us: u64) -> u64 {
    // 48 frames a millisecond; split so that no length of time overflows.
    us / 1_000 * 48 + us % 1_000 * 48 / 1_000
}

/// Microseconds that `frames` of the recording timeline last.
#[must_use]
pub const fn us_in(frames: u64) -> u64 {
    frames / 48 * 1_000 + frames % 48 * 1_000 / 48
}

/// Why the recorder could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest is there but cannot be understood.
    #[error("{path}: not a manifest of this program: {reason}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A track cannot be decoded.
    #[error("{path}: cannot decode: {reason}")]
    Decode {
        /// The track.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// The recording has ended; nothing more can be written to it.
    #[error("the recording has ended")]
    Ended,
}

impl RecorderError {
    /// What an operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::File { .. } => {
                "check that the folder exists, belongs to the bot, and has room left"
            }
            Self::Manifest { .. } => "run `mynah recording repair`, which rebuilds the manifest",
            Self::Decode { .. } => "run `mynah recording verify`, then `repair`",
            Self::Ended => "start a new recording",
        }
    }
}

/// Puts the path to an error of the system.
pub(crate) fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, RecorderError> {
    result.map_err(|source| RecorderError::File {
        path: path.to_owned(),
        source,
    })
}
