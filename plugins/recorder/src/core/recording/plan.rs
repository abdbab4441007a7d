//! What a recording is to be, and what it says while it runs.

use crate::core::disk::RoomLimits;

/// What a recording is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its id: letters, digits, `-` and `_`; the folder is called so.
    pub id: String,
    /// The server's Discord id.
    pub guild: u64,
    /// The channel's Discord id.
    pub channel: u64,
    /// Who started it; 0 for a rule.
    pub starter: u64,
    /// What it is called.
    pub title: String,
    /// How people were asked.
    pub consent: String,
    /// The recording it goes on with.
    pub previous: Option<String>,
    /// When it begins, in milliseconds since 1970 (UTC).
    pub started_ms: u64,
    /// What it may use.
    pub limits: Limits,
}

/// What a recording may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Its length in microseconds; 12 h as shipped.
    pub longest_us: u64,
    /// All its files together, in bytes; 4 GiB as shipped.
    pub largest_bytes: u64,
    /// How often the disk is made to keep what was written; every 5 s as shipped.
    pub sync_every_us: u64,
    /// How much room the disk must have.
    pub room: RoomLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            longest_us: 12 * 3_600_000_000,
            largest_bytes: 4 << 30,
            sync_every_us: 5_000_000,
            room: RoomLimits::default(),
        }
    }
}

/// Something people should be told, or that calls for the end. The recording itself goes on until
/// [`super::Recording::finish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The disk is filling up; told once.
    RoomLow {
        /// Bytes left.
        free_bytes: u64,
    },
    /// End it: the disk is nearly full.
    RoomOut {
        /// Bytes left.
        free_bytes: u64,
    },
    /// End it: it is as long as it may be.
    Longest,
    /// End it: it is as large as it may be.
    Largest,
}
