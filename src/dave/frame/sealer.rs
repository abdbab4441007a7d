//! The sending half.

use std::fmt;

use zeroize::Zeroize;

use super::SILENCE;
use super::gcm::Cipher;
use super::layout::{trailer_bytes, write_trailer};
use super::ratchet::Ratchet;
use crate::BaseSecret;

/// A key serves 2^24 frames: its generation is the count of frames without the lower 24 bits (DAVE
/// paper, "Sender key derivation").
pub(super) const GENERATION_SHIFT: u32 = 24;

/// Why a frame could not be sealed; it is unchanged then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The buffer is shorter than the frame with its trailer.
    #[error("the buffer has no room for the frame's trailer")]
    NoRoom,
    /// 2^56 frames were sealed in this epoch: one more would repeat a nonce.
    #[error("this epoch has sealed all frames it can; a new one is needed")]
    Exhausted,
}

impl SealError {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NoRoom => "keep MAX_OVERHEAD_BYTES free behind the frame",
            Self::Exhausted => "rejoin the call: that begins a new epoch",
        }
    }
}

/// Seals the frames of one sender in one epoch. Owns the count of frames, so there must be exactly
/// one for each base secret: two would repeat nonces, which gives the key away.
pub struct FrameSealer {
    epoch: u64,
    ratchet: Ratchet,
    cipher: Cipher,
    /// Frames sealed so far; the next one is one more. The lower 32 bits are the nonce on the wire,
    /// and all but the lower 24 the generation, which goes on counting when the nonce comes around.
    pub(super) frames: u64,
}

impl FrameSealer {
    /// A sealer at the beginning of `epoch`. Allocates nothing.
    pub fn new(base: &BaseSecret, epoch: u64) -> Self {
        Self::at(base, epoch, 0)
    }

    /// One that has sealed so many frames already.
    pub(super) fn at(base: &BaseSecret, epoch: u64, frames: u64) -> Self {
        let mut ratchet = Ratchet::new(base);
        ratchet.forward((frames >> GENERATION_SHIFT) as u32);
        Self {
            epoch,
            cipher: cipher(&ratchet),
            ratchet,
            frames,
        }
    }

    /// The epoch it was made for.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Tick-safe: no allocation, no lock, no system call. Seals the frame `buf[..len]` in place and
    /// returns its new length, at most [`MAX_OVERHEAD_BYTES`](super::MAX_OVERHEAD_BYTES) more. [`SILENCE`] stays as it is.
    ///
    /// # Errors
    /// See [`SealError`]; the buffer is unchanged then.
    pub fn seal(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SealError> {
        let frames = self.frames.checked_add(1).ok_or(SealError::Exhausted)?;
        let nonce = frames as u32;
        let (media, room) = buf.split_at_mut_checked(len).ok_or(SealError::NoRoom)?;
        if media == SILENCE {
            return Ok(len);
        }
        let room = room
            .get_mut(..trailer_bytes(nonce))
            .ok_or(SealError::NoRoom)?;
        let Ok(generation) = u32::try_from(frames >> GENERATION_SHIFT) else {
            return Err(SealError::Exhausted);
        };
        if generation != self.ratchet.generation() {
            self.ratchet.forward(generation);
            self.cipher = cipher(&self.ratchet);
        }
        // Counted before it is used: whatever happens, this nonce is gone.
        self.frames = frames;
        let tag = self.cipher.seal(nonce, media);
        let trailer = write_trailer(room, tag, nonce).ok_or(SealError::NoRoom)?;
        Ok(len + trailer)
    }
}

/// The cipher of the generation where the ratchet stands.
pub(super) fn cipher(ratchet: &Ratchet) -> Cipher {
    let mut key = ratchet.key();
    let cipher = Cipher::new(&key);
    key.zeroize();
    cipher
}

impl fmt::Debug for FrameSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameSealer")
            .field("epoch", &self.epoch)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}
