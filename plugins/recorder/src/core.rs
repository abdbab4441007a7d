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
    (us / 1_000)
        .saturating_mul(48)
        .saturating_add(us % 1_000 * 48 / 1_000)
}

/// Microseconds that `frames` of the recording timeline last.
#[must_use]
pub const fn us_in(frames: u64) -> u64 {
    (frames / 48)
        .saturating_mul(1_000)
        .saturating_add(frames % 48 * 1_000 / 48)
}

/// A moment in milliseconds since 1970 (UTC) as `2026-11-23_07-55-12`: what recordings are called.
#[must_use]
pub fn stamp(unix_ms: u64) -> String {
    let seconds = unix_ms / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a date by eras of 400 years (Howard Hinnant, "chrono-Compatible Low-Level Date
    // Algorithms", civil_from_days).
    let z = days + 719_468;
    let era = z / 146_097;
    let of_era = z % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}_{hour:02}-{minute:02}-{second:02}")
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

#[cfg(test)]
mod tests {
    #[test]
    fn a_stamp_is_the_utc_date_leap_days_included() {
        assert_eq!(super::stamp(0), "1970-01-01_00-00-00");
        assert_eq!(super::stamp(951_782_400_000), "2000-02-29_00-00-00");
        assert_eq!(super::stamp(1_795_420_512_999), "2026-11-23_07-55-12");
    }
}
