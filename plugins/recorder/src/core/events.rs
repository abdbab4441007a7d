//! `events.ndjson`: everything that happened, one JSON object a line, never changed once written.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::Tail;
use super::{RecorderError, at};

/// The name of the file in a recording's folder.
pub const FILE: &str = "events.ndjson";

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The recording began.
    Start,
    /// It was paused.
    Pause {
        /// Who asked for it; empty for the program.
        by: String,
    },
    /// It went on.
    Resume {
        /// Who asked for it.
        by: String,
    },
    /// It ended.
    Stop {
        /// Why, in words.
        reason: String,
    },
    /// It was made whole after a crash.
    Recovered,
    /// Somebody came into the channel.
    Join {
        /// Discord id.
        user: String,
        /// The name people see.
        name: String,
    },
    /// Somebody left the channel.
    Leave {
        /// Discord id.
        user: String,
    },
    /// Somebody was muted or unmuted.
    Mute {
        /// Discord id.
        user: String,
        /// Muted now.
        muted: bool,
    },
    /// A note of a person.
    Note {
        /// Who wrote it.
        by: String,
        /// `chapter`, `highlight`, `cut` or `todo`.
        note: String,
        /// What it says.
        text: String,
    },
    /// Nothing was received for some time.
    Outage {
        /// How long, in microseconds, up to this event.
        length_us: u64,
        /// Why, in words.
        reason: String,
    },
    /// A person's stream has another number.
    Ssrc {
        /// Discord id.
        user: String,
        /// The stream's number.
        ssrc: u32,
    },
    /// The call's encryption changed.
    Dave {
        /// Protocol version; 0 is none.
        version: u16,
        /// Epoch of the group.
        epoch: u64,
    },
    /// Packets of a person could not be decrypted.
    DecryptFail {
        /// Discord id.
        user: String,
        /// How many since the last such event.
        packets: u64,
    },
    /// Packets of a person were lost.
    Loss {
        /// Discord id.
        user: String,
        /// How many since the last such event.
        packets: u64,
    },
    /// Somebody agreed, refused or was told.
    Consent {
        /// Discord id.
        user: String,
        /// `told`, `opt_in` or `opt_out`.
        what: String,
    },
    /// A limit was reached.
    Limit {
        /// Which, in words.
        what: String,
    },
}

impl Event {
    /// The Discord id of the person an event is about, if it is about one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Join { user, .. }
            | Self::Leave { user }
            | Self::Mute { user, .. }
            | Self::Ssrc { user, .. }
            | Self::DecryptFail { user, .. }
            | Self::Loss { user, .. }
            | Self::Consent { user, .. } => Some(user),
            Self::Pause { by } | Self::Resume { by } | Self::Note { by, .. } => Some(by),
            _ => None,
        }
    }
}

/// An event with its times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Microseconds on the recording clock.
    pub t: u64,
    /// Milliseconds since 1970 (UTC).
    pub wall_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// The file, being written.
#[derive(Debug)]
pub struct Log {
    tail: Tail,
}

impl Log {
    /// Makes the file.
    ///
    /// # Errors
    /// When it exists or cannot be made.
    pub fn create(folder: &Path) -> Result<Self, RecorderError> {
        Ok(Self {
            tail: Tail::create(folder.join(FILE))?,
        })
    }

    /// Goes on with the file of a crashed recording; a torn last line is cut off.
    ///
    /// # Errors
    /// When it cannot be opened or cut.
    pub fn open(folder: &Path) -> Result<Self, RecorderError> {
        let path = folder.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Self::create(folder);
            }
            Err(error) => return at(&path, Err(error)),
        };
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        Ok(Self {
            tail: Tail::open(path, whole as u64)?,
        })
    }

    /// Appends an event.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, line: &Line) -> Result<(), RecorderError> {
        // These types hold nothing that JSON cannot say.
        let mut bytes = serde_json::to_vec(line).unwrap_or_default();
        bytes.push(b'\n');
        self.tail.append(&bytes)
    }

    /// Forces the file to the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&mut self) -> Result<(), RecorderError> {
        self.tail.sync()
    }
}

/// All events of a recording that are known, and how many lines are no JSON.
///
/// # Errors
/// When the file is there but cannot be read.
pub fn read(folder: &Path) -> Result<(Vec<Line>, usize), RecorderError> {
    let path = folder.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return at(&path, Err(error)),
    };
    let mut lines = Vec::new();
    let mut strange = 0;
    for text in bytes
        .split(|byte| *byte == b'\n')
        .filter(|text| !text.is_empty())
    {
        match serde_json::from_slice(text) {
            Ok(line) => lines.push(line),
            // A kind that a later version knows.
            Err(_) if serde_json::from_slice::<serde_json::Value>(text).is_ok() => {}
            Err(_) => strange += 1,
        }
    }
    Ok((lines, strange))
}
