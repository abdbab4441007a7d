//! What one server waits for, and what it hears.

use std::collections::BTreeSet;

use mynah_plugin::{Interaction, Track};

use crate::queue::{LastSpeaker, Queue};
use crate::take::Take;
use crate::voices::Voice;

/// Something to say.
#[derive(Debug)]
pub(super) struct Line {
    /// What the author is called.
    pub name: String,
    /// The words, speakable.
    pub text: String,
    /// Its end was left out.
    pub is_cut: bool,
    pub voice: Voice,
    /// The command it came from: whoever gave it is told how it went.
    pub asked: Option<Interaction>,
}

/// What is being said.
#[derive(Debug)]
pub(super) struct Now {
    pub serial: u64,
    pub author: u64,
    pub message: Option<u64>,
    pub voice: Voice,
    pub take: Take,
    /// There is one as soon as it is heard.
    pub track: Option<Track>,
    /// Its end was left out.
    pub is_cut: bool,
    pub asked: Option<Interaction>,
    /// When its turn came, on the host's clock.
    pub since_us: u64,
}

impl Now {
    /// Nobody has ended it; what was ended is here until its track is over.
    pub fn goes_on(&self) -> bool {
        !self.take.stopper().is_stopped()
    }
}

/// One server.
#[derive(Debug)]
pub(super) struct Room {
    pub queue: Queue<Line>,
    pub now: Option<Now>,
    pub last: LastSpeaker,
    /// People who were told that they have too much waiting: once, until they are heard again.
    pub told: BTreeSet<u64>,
}

impl Room {
    pub fn new(per_author: usize) -> Self {
        Self {
            queue: Queue::new(per_author),
            now: None,
            last: LastSpeaker::default(),
            told: BTreeSet::new(),
        }
    }
}
