//! The media half: frames sealed and opened in place, for the sound threads.
//!
//! A sealed frame (DAVE paper, "Payload format"):
//!
//! ```text
//! media | tag 8 | nonce ULEB128 1-5 | clear ranges ULEB128 pairs | size of all but media 1 | FA FA
//! ```
//!
//! The media is AES-128-GCM ciphertext; of the 16-byte tag the first 8 bytes are sent. Opus frames are
//! sealed whole. Video may leave ranges clear for packetizers to read: bytes of the media that stand
//! where they stood, authenticated instead of encrypted.
//!
//! A [`FrameSealer`] or [`FrameOpener`] belongs to one thread and owns its keys. After it is made, or
//! given a new key, it neither allocates nor locks.

mod gcm;
mod layout;
mod opener;
mod ratchet;
mod sealer;
#[cfg(test)]
mod tests;
mod window;

pub use opener::{FrameOpener, OpenError, RATCHET_EXPIRY, RATCHETS_KEPT};
pub use sealer::{FrameSealer, SealError};

/// The most that sealing adds to a frame: the room to keep behind it.
pub const MAX_OVERHEAD_BYTES: usize = layout::MAX_TRAILER_BYTES;

/// An Opus frame of 20 ms of silence. It is never sealed, and passes where everything else must be
/// (DAVE paper, "Silence packets").
pub const SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];

/// Whether `frame` has the shape of a sealed frame. The shape only: one plain frame in about 2^24 has
/// it, too, and anybody can make one.
pub fn is_sealed(frame: &[u8]) -> bool {
    layout::Layout::fits(frame)
}
