//! How frames travel: what is done with each one before the transport seals its packet.

use std::fmt;

use mynah_dave::frame::FrameSealer;

/// How the frames of a mix travel, as the voice session decides (dave.md sections 4 to 7).
///
/// `Plain` and `Sealed` flow: between any two of these the sound goes on without a seam, with the
/// same encoder, sequence and clock. Sound that begins after `Hold` or `Unheard` begins as after
/// [`attach`](crate::PulseHandle::attach): the encoder forgets, and the tracks fade in.
#[derive(Default)]
pub enum Sender {
    /// As they are: DAVE protocol version 0, no end-to-end encryption in this channel.
    Plain,
    /// Not at all, and not yet: others are here, but there is no key they share with us. As
    /// without a line, tracks hold still and nothing is consumed.
    #[default]
    Hold,
    /// Not at all, because nobody is here to hear them. Tracks go on as if they were heard.
    Unheard,
    /// Sealed end to end under the key of one epoch.
    Sealed(Box<FrameSealer>),
}

impl Sender {
    /// The epoch frames are sealed in.
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        match self {
            Self::Sealed(sealer) => Some(sealer.epoch()),
            Self::Plain | Self::Hold | Self::Unheard => None,
        }
    }

    /// True when frames are sent. *Tick-safe.*
    pub(crate) fn flows(&self) -> bool {
        matches!(self, Self::Plain | Self::Sealed(_))
    }

    /// True when tracks go on. *Tick-safe.*
    pub(crate) fn moves(&self) -> bool {
        !matches!(self, Self::Hold)
    }

    /// Seals `room[..len]` in place and returns the new length; `None` when it cannot or must not
    /// be sent. *Tick-safe.*
    pub(crate) fn seal(&mut self, room: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Self::Plain => Some(len),
            Self::Sealed(sealer) => sealer.seal(room, len).ok(),
            Self::Hold | Self::Unheard => None,
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("Plain"),
            Self::Hold => f.write_str("Hold"),
            Self::Unheard => f.write_str("Unheard"),
            Self::Sealed(sealer) => write!(f, "Sealed(epoch {})", sealer.epoch()),
        }
    }
}
