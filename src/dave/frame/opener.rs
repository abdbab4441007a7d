//! The receiving half.

mod incoming;

use std::fmt;
use std::time::{Duration, Instant};

use incoming::Incoming;

use super::SILENCE;
use super::layout::Layout;
use crate::BaseSecret;

/// How long the keys of an epoch serve after those of the next came (DAVE paper, "Key rotation").
pub const RATCHET_EXPIRY: Duration = Duration::from_secs(10);
/// Epochs whose keys are kept at once: the newest ones. Where ways are short a storm of joins and
/// recoveries makes ten within two seconds, while somebody with a broken connection still speaks in
/// the first; so many within [`RATCHET_EXPIRY`] only a hostile server can make.
pub const RATCHETS_KEPT: usize = 64;

/// Why a frame could not be opened; it is unchanged then, so it can be held and tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It has not the shape of a sealed frame.
    #[error("the frame is not sealed")]
    NotSealed,
    /// No key of this sender is known, or all have expired.
    #[error("no key of the sender is known")]
    NoKey,
    /// No key fits: it was changed on the way, or belongs to an epoch that is not known yet.
    #[error("no known key fits the frame")]
    Unauthentic,
    /// Authentic, but opened before, or too old to know.
    #[error("the frame was opened before")]
    Replayed,
    /// No key may be tried: the generation is one that the sender cannot have reached, or has left.
    #[error("the frame's key generation is out of bounds")]
    Generation,
}

impl OpenError {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NotSealed => "pass it on if plain frames are allowed now, else drop it",
            Self::NoKey | Self::Unauthentic => "hold it for a moment: its key may be on the way",
            Self::Replayed | Self::Generation => "drop it",
        }
    }
}

/// Opens the frames of one sender, through changes of epochs.
#[derive(Default)]
pub struct FrameOpener {
    /// Newest first.
    ratchets: Vec<Incoming>,
}

impl FrameOpener {
    /// An opener without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it the keys of `epoch`; older ones serve for [`RATCHET_EXPIRY`] from `now`. Nothing happens
    /// if the same base secret is in use already: its frames must not count as new again. Allocates.
    pub fn install(&mut self, base: &BaseSecret, epoch: u64, now: Instant) {
        self.forget_expired(now);
        if self.ratchets.iter().any(|ratchet| ratchet.grew_from(base)) {
            return;
        }
        self.expire(now);
        self.ratchets.truncate(RATCHETS_KEPT - 1);
        self.ratchets.insert(0, Incoming::new(base, epoch, now));
    }

    /// Lets all keys expire, [`RATCHET_EXPIRY`] from `now`: the sender goes back to plain frames.
    pub fn expire(&mut self, now: Instant) {
        for ratchet in &mut self.ratchets {
            ratchet.expire(now + RATCHET_EXPIRY);
        }
    }

    /// Whether any key serves `now`.
    pub fn has_keys(&self, now: Instant) -> bool {
        self.ratchets.iter().any(|ratchet| !ratchet.is_expired(now))
    }

    /// The newest epoch it has keys of.
    pub fn epoch(&self) -> Option<u64> {
        self.ratchets.first().map(Incoming::epoch)
    }

    /// Tick-safe: no allocation, no lock, no system call. Opens `frame` in place; `frame[..n]` of the
    /// returned `n` is the plain frame. [`SILENCE`] is returned as it is.
    ///
    /// # Errors
    /// See [`OpenError`]; the frame is unchanged then.
    pub fn open(&mut self, frame: &mut [u8], now: Instant) -> Result<usize, OpenError> {
        if frame == SILENCE {
            return Ok(SILENCE.len());
        }
        let (media, layout) = Layout::split(frame).ok_or(OpenError::NotSealed)?;
        self.forget_expired(now);
        let mut worst = OpenError::NoKey;
        for ratchet in &mut self.ratchets {
            match ratchet.open(media, &layout, now) {
                Ok(()) => return Ok(media.len()),
                // Authentic: no other key can fit.
                Err(OpenError::Replayed) => return Err(OpenError::Replayed),
                Err(error) if worst != OpenError::Unauthentic => worst = error,
                Err(_) => {}
            }
        }
        Err(worst)
    }

    /// Frees nothing: the room stays for the next epoch.
    fn forget_expired(&mut self, now: Instant) {
        while self
            .ratchets
            .last()
            .is_some_and(|last| last.is_expired(now))
        {
            self.ratchets.pop();
        }
    }
}

impl fmt::Debug for FrameOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.ratchets.iter().map(Incoming::epoch))
            .finish()
    }
}
