//! The server's own transport sealing (voice.md section 8).
//!
//! Deliberately a second implementation: it stands on the RustCrypto ciphers, where the client
//! (`mynah-session`) stands on `ring`, and the two share only the table of modes in `mynah-wire`.
//! A misreading of the protocol on one side therefore cannot agree with itself on the other.

use std::ops::Range;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::XChaCha20Poly1305;
use crypto_secretbox::XSalsa20Poly1305;
use mynah_wire::EncryptionMode;
use mynah_wire::rng::Rng;
use mynah_wire::rtp::{self, FIXED_HEADER_LEN, Header};

const TAG_BYTES: usize = 16;
/// Clear part of an RTCP packet: first word and SSRC.
const REPORT_HEADER_LEN: usize = 8;
/// The widest nonce of any mode; narrower ones use its front.
const NONCE_BYTES: usize = 24;

/// Why a packet could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The buffer ends before the tag and nonce would.
    #[error("no room for the tag and nonce behind the packet")]
    NoRoom,
    /// The clear part is not an RTP packet.
    #[error("not an RTP packet")]
    Malformed,
}

/// Why a packet could not be opened. The sender is told nothing either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, not RTP version 2, or its own lengths do not fit.
    #[error("not an RTP packet")]
    Malformed,
    /// Wrong key, wrong nonce or changed bytes.
    #[error("the packet does not authenticate")]
    Forged,
}

/// Where the parts of an opened packet are, in the buffer it was opened in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The fixed header.
    pub header: Header,
    /// Header extension elements; empty without X bit.
    pub extension: Range<usize>,
    /// The frame: extension and padding removed.
    pub payload: Range<usize>,
}

enum Cipher {
    // Boxed: the expanded AES key is ten times larger than the other two.
    Gcm(Box<Aes256Gcm>),
    XChaCha(XChaCha20Poly1305),
    Secretbox(XSalsa20Poly1305),
}

/// Both directions of one connection's transport encryption. The key schedule is made once.
pub struct Transport {
    mode: EncryptionMode,
    cipher: Cipher,
    counter: u32,
    suffixes: Rng,
}

impl Transport {
    /// Makes the key schedule. `counter` is the first nonce of what this side sends; `seed` feeds
    /// the 24-byte nonces of the `suffix` mode, which must only be unlikely to repeat.
    pub fn new(mode: EncryptionMode, key: &[u8; 32], counter: u32, seed: u64) -> Self {
        use EncryptionMode as Mode;
        let cipher = match mode {
            Mode::Aes256GcmRtpSize | Mode::Aes256Gcm => {
                Cipher::Gcm(Box::new(Aes256Gcm::new(key.into())))
            }
            Mode::XChaCha20Poly1305RtpSize => Cipher::XChaCha(XChaCha20Poly1305::new(key.into())),
            Mode::XSalsa20LiteRtpSize
            | Mode::XSalsa20Lite
            | Mode::XSalsa20Suffix
            | Mode::XSalsa20 => Cipher::Secretbox(XSalsa20Poly1305::new(key.into())),
        };
        Self {
            mode,
            cipher,
            counter,
            suffixes: Rng::new(seed),
        }
    }

    /// The mode this transport seals in.
    pub const fn mode(&self) -> EncryptionMode {
        self.mode
    }

    /// Seals the clear RTP packet `packet[..end]` in place and returns its new length, which is
    /// [`EncryptionMode::overhead_bytes`] more.
    ///
    /// # Errors
    /// [`SealError`]: the buffer is too small, or the packet is not RTP.
    pub fn seal(&mut self, packet: &mut [u8], end: usize) -> Result<usize, SealError> {
        let header = Header::parse(packet).ok_or(SealError::Malformed)?;
        self.seal_behind(self.clear_len(&header), packet, end)
    }

    /// Seals the clear RTCP packet `packet[..end]` likewise: only its header and the reporter's
    /// SSRC stay clear (voice.md section 8, notes).
    ///
    /// # Errors
    /// [`SealError`]: the buffer or the packet is too small.
    pub fn seal_report(&mut self, packet: &mut [u8], end: usize) -> Result<usize, SealError> {
        self.seal_behind(REPORT_HEADER_LEN, packet, end)
    }

    fn seal_behind(
        &mut self,
        clear: usize,
        packet: &mut [u8],
        end: usize,
    ) -> Result<usize, SealError> {
        let total = end + self.mode.overhead_bytes();
        let packet = packet.get_mut(..total).ok_or(SealError::NoRoom)?;
        let body_len = end.checked_sub(clear).ok_or(SealError::Malformed)?;
        let (nonce, wire_len) = self.next_nonce(packet.get(..clear).unwrap_or_default());
        let (head, rest) = packet.split_at_mut(clear);
        let nonce_on_wire = match &self.cipher {
            Cipher::Secretbox(cipher) => {
                // NaCl puts the tag before the ciphertext.
                rest.copy_within(..body_len, TAG_BYTES);
                let (tag_at, rest) = rest.split_at_mut(TAG_BYTES);
                let (body, rest) = rest.split_at_mut(body_len);
                let tag = cipher.encrypt_in_place_detached((&nonce).into(), &[], body);
                tag_at.copy_from_slice(&tag.map_err(|_| SealError::NoRoom)?);
                rest
            }
            cipher => {
                let (body, rest) = rest.split_at_mut(body_len);
                let (tag_at, rest) = rest.split_at_mut(TAG_BYTES);
                let tag = match cipher {
                    Cipher::Gcm(cipher) => {
                        cipher.encrypt_in_place_detached((&front(&nonce)).into(), head, body)
                    }
                    Cipher::XChaCha(cipher) => {
                        cipher.encrypt_in_place_detached((&nonce).into(), head, body)
                    }
                    Cipher::Secretbox(_) => unreachable!("handled by the outer match"),
                };
                tag_at.copy_from_slice(&tag.map_err(|_| SealError::NoRoom)?);
                rest
            }
        };
        for (slot, byte) in nonce_on_wire.iter_mut().zip(nonce.iter().take(wire_len)) {
            *slot = *byte;
        }
        Ok(total)
    }

    /// Opens a sealed packet in place. Afterwards the buffer holds the clear RTP packet, and the
    /// answer says where its parts are.
    ///
    /// # Errors
    /// [`OpenError`]: the packet is malformed or does not authenticate.
    pub fn open(&self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let header = Header::parse(packet).ok_or(OpenError::Malformed)?;
        let clear = self.clear_len(&header);
        let body_len = packet
            .len()
            .checked_sub(clear + self.mode.overhead_bytes())
            .ok_or(OpenError::Malformed)?;
        let nonce = self.received_nonce(packet).ok_or(OpenError::Malformed)?;
        let (head, rest) = packet.split_at_mut(clear);
        match &self.cipher {
            Cipher::Secretbox(cipher) => {
                let (tag, after) = rest.split_at_mut(TAG_BYTES);
                let (body, _) = after.split_at_mut(body_len);
                cipher
                    .decrypt_in_place_detached((&nonce).into(), &[], body, (&*tag).into())
                    .map_err(|_| OpenError::Forged)?;
                rest.copy_within(TAG_BYTES..TAG_BYTES + body_len, 0);
            }
            cipher => {
                let (body, after) = rest.split_at_mut(body_len);
                let (tag, _) = after.split_at_mut(TAG_BYTES);
                match cipher {
                    Cipher::Gcm(cipher) => cipher.decrypt_in_place_detached(
                        (&front(&nonce)).into(),
                        head,
                        body,
                        (&*tag).into(),
                    ),
                    Cipher::XChaCha(cipher) => cipher.decrypt_in_place_detached(
                        (&nonce).into(),
                        head,
                        body,
                        (&*tag).into(),
                    ),
                    Cipher::Secretbox(_) => unreachable!("handled by the outer match"),
                }
                .map_err(|_| OpenError::Forged)?;
            }
        }
        let clear_packet = packet.get(..clear + body_len).ok_or(OpenError::Malformed)?;
        parts(clear_packet, header).ok_or(OpenError::Malformed)
    }

    /// The rtpsize modes leave CSRCs and the extension preamble clear, the others exactly 12 bytes.
    fn clear_len(&self, header: &Header) -> usize {
        if self.mode.clears_full_header() {
            header.clear_len()
        } else {
            FIXED_HEADER_LEN
        }
    }

    /// The nonce of the next packet we send, and how many of its bytes travel behind the packet.
    fn next_nonce(&mut self, header: &[u8]) -> ([u8; NONCE_BYTES], usize) {
        let mut nonce = [0; NONCE_BYTES];
        match self.mode {
            EncryptionMode::XSalsa20 => {
                fill(&mut nonce, header.iter());
                (nonce, 0)
            }
            EncryptionMode::XSalsa20Suffix => {
                for chunk in nonce.chunks_mut(8) {
                    fill(chunk, self.suffixes.next_u64().to_be_bytes().iter());
                }
                (nonce, NONCE_BYTES)
            }
            _ => {
                fill(&mut nonce, self.counter.to_be_bytes().iter());
                self.counter = self.counter.wrapping_add(1);
                (nonce, 4)
            }
        }
    }

    /// The nonce of a packet we received. Its bytes are opaque: some clients count little-endian.
    fn received_nonce(&self, packet: &[u8]) -> Option<[u8; NONCE_BYTES]> {
        let wire_len = self.mode.overhead_bytes() - TAG_BYTES;
        let on_wire = if wire_len == 0 {
            packet.get(..FIXED_HEADER_LEN)?
        } else {
            packet.get(packet.len().checked_sub(wire_len)?..)?
        };
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce, on_wire.iter());
        Some(nonce)
    }
}

fn fill<'a>(into: &mut [u8], from: impl Iterator<Item = &'a u8>) {
    for (slot, byte) in into.iter_mut().zip(from) {
        *slot = *byte;
    }
}

/// The 12 bytes AES-GCM uses.
fn front(nonce: &[u8; NONCE_BYTES]) -> [u8; 12] {
    let mut short = [0; 12];
    fill(&mut short, nonce.iter());
    short
}

/// Finds extension and payload of a clear RTP packet (RFC 3550 section 5.1).
fn parts(packet: &[u8], header: Header) -> Option<Opened> {
    let extension_start = header.clear_len();
    let payload_start = extension_start + rtp::extension_bytes(packet, &header)?;
    let mut payload_end = packet.len();
    if header.padding {
        let count = usize::from(*packet.last()?);
        payload_end = payload_end.checked_sub(count).filter(|_| count > 0)?;
    }
    (payload_start <= payload_end).then_some(Opened {
        header,
        extension: extension_start..payload_start,
        payload: payload_start..payload_end,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter_map(|c| c.to_digit(16))
            .map(|d| d as u8)
            .collect();
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    }

    fn key() -> [u8; 32] {
        std::array::from_fn(|i| i as u8)
    }

    fn sealed(mode: EncryptionMode, clear: &[u8]) -> Vec<u8> {
        let mut transport = Transport::new(mode, &key(), 1, 0);
        let mut packet = clear.to_vec();
        packet.resize(clear.len() + mode.overhead_bytes(), 0);
        let total = transport.seal(&mut packet, clear.len()).unwrap();
        assert_eq!(total, packet.len());
        packet
    }

    const HEADER: &str = "80780001 000003c0 00000001";
    const BODY: &str = "780102030405060708";

    /// Sealing must give exactly the page's bytes, and opening them must give the body back.
    fn check_vector(mode: EncryptionMode, wire: &str) {
        let clear = hex(&format!("{HEADER}{BODY}"));
        assert_eq!(sealed(mode, &clear), hex(wire), "{mode}");
        check_opens(mode, wire);
    }

    fn check_opens(mode: EncryptionMode, wire: &str) {
        let mut packet = hex(wire);
        let opened = Transport::new(mode, &key(), 0, 0)
            .open(&mut packet)
            .unwrap();
        assert_eq!(packet[opened.payload], hex(BODY), "{mode}");
        let mut forged = hex(wire);
        forged[14] ^= 1;
        assert_eq!(
            Transport::new(mode, &key(), 0, 0).open(&mut forged),
            Err(OpenError::Forged),
            "{mode}"
        );
    }

    #[test]
    fn the_current_modes_match_the_vectors_of_the_protocol_page() {
        check_vector(
            EncryptionMode::Aes256GcmRtpSize,
            "80780001000003c000000001 3c37cfa9085ff2af57 e85cd13c672fd9d404db1126b6d300e8 00000001",
        );
        check_vector(
            EncryptionMode::XChaCha20Poly1305RtpSize,
            "80780001000003c000000001 71a653236b0597d8c6 34fbb1d2b072b0963e41d66cec040a1c 00000001",
        );
    }

    #[test]
    fn the_historical_modes_match_the_vectors_of_the_protocol_page() {
        check_vector(
            EncryptionMode::XSalsa20,
            "80780001000003c000000001 b8c1ade1b78ce82a5668f246b039326e cabe4121f6574a1966",
        );
        let lite =
            "80780001000003c000000001 ee906407ce92364d3e2ec1a0fd810f18 b6aad77d43b4f1540a 00000001";
        check_vector(EncryptionMode::XSalsa20Lite, lite);
        // Without CSRC and extension the two lite modes are the same on the wire, and so are the
        // two AES modes.
        check_vector(EncryptionMode::XSalsa20LiteRtpSize, lite);
        check_vector(
            EncryptionMode::Aes256Gcm,
            "80780001000003c000000001 3c37cfa9085ff2af57 e85cd13c672fd9d404db1126b6d300e8 00000001",
        );
        // The suffix mode's nonce is random, so only opening can be compared.
        check_opens(
            EncryptionMode::XSalsa20Suffix,
            "80780001000003c000000001 5e90e684d645d633ed22bd30ff91936d 26fe3a4cc3cfa417b3 \
             000102030405060708090a0b0c0d0e0f1011121314151617",
        );
    }

    #[test]
    fn the_extension_preamble_is_clear_and_its_elements_are_sealed() {
        let clear = hex(&format!(
            "90780002 00000780 0000000a bede0002 1085900200000000 {BODY}"
        ));
        let wire = "90780002000007800000000abede0002 \
                    54b35da80c5af4a8273d6793adb833876f 31fc0fbe5d469c906c469e1ed84b8c62 00000001";
        assert_eq!(sealed(EncryptionMode::Aes256GcmRtpSize, &clear), hex(wire));
        let mut packet = hex(wire);
        let transport = Transport::new(EncryptionMode::Aes256GcmRtpSize, &key(), 0, 0);
        let opened = transport.open(&mut packet).unwrap();
        assert_eq!(packet[opened.extension], hex("1085900200000000"));
        assert_eq!(packet[opened.payload], hex(BODY));
    }

    #[test]
    fn every_mode_carries_csrcs_extension_and_padding_through() {
        let header = Header {
            padding: true,
            extension: true,
            csrc_count: 2,
            ..Header::opus(9, 8, mynah_wire::Ssrc(7))
        };
        let mut clear = header.write().to_vec();
        clear.extend([1; 8]);
        clear.extend([0xBE, 0xDE, 0, 1, 0x10, 0x20, 0, 0]);
        clear.extend(hex(BODY));
        clear.extend([0, 0, 3]);
        for mode in EncryptionMode::ALL {
            let mut packet = sealed(mode, &clear);
            let opened = Transport::new(mode, &key(), 0, 0)
                .open(&mut packet)
                .unwrap();
            assert_eq!(packet[opened.extension], [0x10, 0x20, 0, 0], "{mode}");
            assert_eq!(packet[opened.payload], hex(BODY), "{mode}");
            assert_eq!(opened.header, header);
        }
    }

    #[test]
    fn a_reports_first_eight_bytes_are_clear_and_the_rest_is_sealed() {
        let clear = hex("81c90007 00000001 00000001 00000000 00010002 00000003 00000000 00000000");
        let mut packet = clear.clone();
        packet.resize(clear.len() + 20, 0);
        let mut transport = Transport::new(EncryptionMode::Aes256GcmRtpSize, &key(), 1, 0);
        let total = transport.seal_report(&mut packet, clear.len()).unwrap();
        assert_eq!((total, &packet[..8]), (52, &clear[..8]));
        let (head, rest) = packet.split_at_mut(8);
        let (body, tail) = rest.split_at_mut(24);
        let nonce = [&tail[16..], &[0; 8]].concat();
        Aes256Gcm::new(&key().into())
            .decrypt_in_place_detached(nonce.as_slice().into(), head, body, tail[..16].into())
            .unwrap();
        assert_eq!(body, &clear[8..]);
    }

    #[test]
    fn nonces_never_repeat_and_each_packet_differs() {
        let mut transport = Transport::new(EncryptionMode::Aes256GcmRtpSize, &key(), u32::MAX, 0);
        let clear = hex(&format!("{HEADER}{BODY}"));
        let mut tails = Vec::new();
        for _ in 0..3 {
            let mut packet = [clear.clone(), vec![0; 20]].concat();
            transport.seal(&mut packet, clear.len()).unwrap();
            tails.push(packet[packet.len() - 4..].to_vec());
        }
        assert_eq!(tails, [hex("ffffffff"), hex("00000000"), hex("00000001")]);
    }

    #[test]
    fn short_long_and_lying_packets_are_refused_not_trusted() {
        for mode in EncryptionMode::ALL {
            let transport = Transport::new(mode, &key(), 0, 0);
            for len in 0..60 {
                let mut packet = vec![0x9F; len];
                assert!(transport.open(&mut packet).is_err());
            }
        }
        // Authentic, but its padding byte counts more than the packet holds.
        let clear = hex("a0780001 000003c0 00000001 0102ff");
        let mut packet = sealed(EncryptionMode::Aes256GcmRtpSize, &clear);
        let transport = Transport::new(EncryptionMode::Aes256GcmRtpSize, &key(), 0, 0);
        assert_eq!(transport.open(&mut packet), Err(OpenError::Malformed));
        let mut small = hex(HEADER);
        let mut transport = transport;
        assert_eq!(transport.seal(&mut small, 12), Err(SealError::NoRoom));
    }
}
