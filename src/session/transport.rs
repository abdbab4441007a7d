//! Sealing of RTP packets between this client and the voice server (voice.md section 8).
//!
//! Everything happens in the caller's packet buffer. The two current modes run on `ring`; the five
//! historical ones, discontinued on 2024-11-18, exist so that old servers can still be studied.

mod cipher;

use std::fmt;
use std::ops::Range;

use mynah_wire::EncryptionMode;
use mynah_wire::rtcp::CLEAR_BYTES;
use mynah_wire::rtp::{FIXED_HEADER_LEN, Header, PAYLOAD_TYPE_OPUS, extension_bytes};

use cipher::{Cipher, TAG_LEN};

/// Packets one key may seal: the nonce on the wire counts 32 bits (voice.md section 8).
pub const PACKETS_PER_KEY: u64 = 1 << 32;

/// Why a packet could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The counter came around: another packet would repeat a nonce. Reconnect for a new key.
    #[error("this key has sealed 2^32 packets; a new key is needed")]
    NonceExhausted,
    /// `header` is shorter than 12 bytes, `end` lies before it, or the buffer has no room for
    /// [`RtpSealer::overhead`] more bytes.
    #[error("the packet does not fit its buffer")]
    BadLayout,
}

/// Why a packet could not be opened. All of these mean: drop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Shorter than its header, tag and nonce.
    #[error("packet too short")]
    TooShort,
    /// Not RTP version 2.
    #[error("not an RTP packet")]
    NotRtp,
    /// Not Opus; the payload type it had.
    #[error("payload type {0} is not Opus")]
    NotOpus(u8),
    /// Wrong key, or changed on the way.
    #[error("packet failed authentication")]
    Unauthentic,
    /// Authentic, but extension or padding lengths point outside the packet.
    #[error("packet has impossible extension or padding lengths")]
    Malformed,
}

/// Seals outgoing packets. Owns the nonce counter, so there must be exactly one per key: keep it
/// when a session resumes, make a new one when new keys arrive.
pub struct RtpSealer {
    cipher: Cipher,
    nonce: u32,
    remaining: u64,
}

impl RtpSealer {
    /// A sealer whose first packet carries the counter `nonce_start`.
    pub fn new(mode: EncryptionMode, key: &[u8; 32], nonce_start: u32) -> Self {
        Self {
            cipher: Cipher::new(mode, key),
            nonce: nonce_start,
            remaining: PACKETS_PER_KEY,
        }
    }

    /// The mode it was made for.
    pub const fn mode(&self) -> EncryptionMode {
        self.cipher.mode()
    }

    /// Bytes that [`seal`](Self::seal) adds to a packet.
    pub const fn overhead(&self) -> usize {
        self.mode().overhead_bytes()
    }

    /// Tick-safe for the two current modes: no allocation, no lock, no system call. Seals
    /// `buf[header..end]` in place under the clear `buf[..header]` (12 bytes, plus CSRCs and the
    /// extension preamble if any) and returns the length of the whole packet.
    ///
    /// # Errors
    /// See [`SealError`]; the buffer is untouched then.
    pub fn seal(&mut self, buf: &mut [u8], header: usize, end: usize) -> Result<usize, SealError> {
        if self.remaining == 0 {
            return Err(SealError::NonceExhausted);
        }
        let total = end
            .checked_add(self.overhead())
            .ok_or(SealError::BadLayout)?;
        if header < FIXED_HEADER_LEN || end < header {
            return Err(SealError::BadLayout);
        }
        let clear = self.clear_len(header);
        let packet = buf.get_mut(..total).ok_or(SealError::BadLayout)?;
        self.cipher
            .seal(packet, clear, end, self.nonce)
            .ok_or(SealError::BadLayout)?;
        self.nonce = self.nonce.wrapping_add(1);
        self.remaining -= 1;
        Ok(total)
    }

    /// Bytes that stay clear: the modes before `rtpsize` encrypt everything after the 12th.
    const fn clear_len(&self, header: usize) -> usize {
        if self.mode().clears_full_header() {
            header
        } else {
            FIXED_HEADER_LEN
        }
    }
}

impl fmt::Debug for RtpSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpSealer")
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// An opened packet: where its parts lie in the buffer that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The clear header.
    pub header: Header,
    /// The Opus (or DAVE) frame, without extension and padding. May be empty.
    pub payload: Range<usize>,
    /// Extension elements (see `mynah_wire::rtp::elements`); empty without the X bit.
    pub extension: Range<usize>,
}

/// Opens incoming packets.
pub struct RtpOpener {
    cipher: Cipher,
}

impl RtpOpener {
    /// An opener for one key.
    pub fn new(mode: EncryptionMode, key: &[u8; 32]) -> Self {
        Self {
            cipher: Cipher::new(mode, key),
        }
    }

    /// The mode it was made for.
    pub const fn mode(&self) -> EncryptionMode {
        self.cipher.mode()
    }

    /// Decrypts a packet in place and tells where its parts are. No allocation in any mode.
    ///
    /// # Errors
    /// See [`OpenError`]; the buffer's contents are unspecified then.
    pub fn open(&self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let header = Header::parse(packet).ok_or(if packet.len() < FIXED_HEADER_LEN {
            OpenError::TooShort
        } else {
            OpenError::NotRtp
        })?;
        if header.payload_type != PAYLOAD_TYPE_OPUS {
            return Err(OpenError::NotOpus(header.payload_type));
        }
        let clear = if self.mode().clears_full_header() {
            header.clear_len()
        } else {
            FIXED_HEADER_LEN
        };
        let plain = self.cipher.open(packet, clear)?;
        self.parts(packet, header, clear, plain)
            .ok_or(OpenError::Malformed)
    }

    /// Decrypts an RTCP packet in place; the whole of it is then at the start of the buffer, as long
    /// as this says (voice.md section 8: the first 8 bytes stay clear). The historical modes, which
    /// put their tag first, are not read. No allocation.
    ///
    /// # Errors
    /// See [`OpenError`]; the buffer's contents are unspecified then.
    pub fn open_rtcp(&self, packet: &mut [u8]) -> Result<usize, OpenError> {
        if !self.mode().clears_full_header() || self.mode() == EncryptionMode::XSalsa20LiteRtpSize {
            return Err(OpenError::NotRtp);
        }
        if packet.len() < CLEAR_BYTES {
            return Err(OpenError::TooShort);
        }
        Ok(self.cipher.open(packet, CLEAR_BYTES)?.end)
    }

    /// Splits the decrypted body into extension elements and payload; drops the padding.
    fn parts(
        &self,
        packet: &[u8],
        header: Header,
        clear: usize,
        plain: Range<usize>,
    ) -> Option<Opened> {
        let (elements_at, elements_len) = if self.mode().clears_full_header() {
            let clear_part = packet.get(..clear)?;
            (plain.start, extension_bytes(clear_part, &header)?)
        } else {
            // The old modes hide CSRCs and the preamble inside the body.
            let preamble_at = plain.start + 4 * usize::from(header.csrc_count);
            if header.extension {
                let words = packet.get(preamble_at + 2..preamble_at + 4)?;
                let words = u16::from_be_bytes(words.try_into().ok()?);
                (preamble_at + 4, 4 * usize::from(words))
            } else {
                (preamble_at, 0)
            }
        };
        let payload_at = elements_at.checked_add(elements_len)?;
        let mut end = plain.end;
        if header.padding && end > payload_at {
            // RFC 3550 section 5.1: the last byte counts the padding, itself included.
            let padding = usize::from(*packet.get(end - 1)?);
            if padding == 0 {
                return None;
            }
            end = end.checked_sub(padding)?;
        }
        (payload_at <= end && end <= packet.len()).then_some(Opened {
            header,
            payload: payload_at..end,
            extension: elements_at..payload_at,
        })
    }
}

impl fmt::Debug for RtpOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpOpener")
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// The shortest packet a mode can produce around an empty body.
pub const fn shortest_packet_bytes(mode: EncryptionMode) -> usize {
    FIXED_HEADER_LEN + mode.overhead_bytes()
}

const _: () = assert!(TAG_LEN == 16, "every mode has a 16-byte tag");

#[cfg(test)]
mod tests;
