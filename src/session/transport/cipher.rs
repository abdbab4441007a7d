//! The seven ciphers behind one shape: clear prefix, body, tag, nonce (voice.md section 8).

use std::ops::Range;

use chacha20::{R20, hchacha};
use crypto_secretbox::{AeadInPlace, KeyInit, XSalsa20Poly1305};
use mynah_wire::EncryptionMode;
use mynah_wire::rtp::FIXED_HEADER_LEN;
use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};
use zeroize::Zeroizing;

use super::OpenError;

/// Length of the authentication tag in every mode.
pub const TAG_LEN: usize = 16;

/// A key bound to its mode.
pub struct Cipher {
    mode: EncryptionMode,
    key: Key,
}

#[expect(
    clippy::large_enum_variant,
    reason = "one per direction and session; a box would cost a cache miss a packet"
)]
enum Key {
    Aes(LessSafeKey),
    XChaCha(Zeroizing<[u8; 32]>),
    XSalsa(XSalsa20Poly1305),
}

impl Cipher {
    pub fn new(mode: EncryptionMode, key: &[u8; 32]) -> Self {
        let key = match mode {
            EncryptionMode::Aes256GcmRtpSize | EncryptionMode::Aes256Gcm => {
                let Ok(unbound) = UnboundKey::new(&AES_256_GCM, key) else {
                    unreachable!("AES-256 takes every 32-byte key");
                };
                Key::Aes(LessSafeKey::new(unbound))
            }
            EncryptionMode::XChaCha20Poly1305RtpSize => Key::XChaCha(Zeroizing::new(*key)),
            EncryptionMode::XSalsa20LiteRtpSize
            | EncryptionMode::XSalsa20Lite
            | EncryptionMode::XSalsa20Suffix
            | EncryptionMode::XSalsa20 => Key::XSalsa(XSalsa20Poly1305::new(key.into())),
        };
        Self { mode, key }
    }

    pub const fn mode(&self) -> EncryptionMode {
        self.mode
    }

    /// Seals `packet[clear..end]`; `packet` ends where the sealed packet ends. `None` when the
    /// lengths do not fit.
    pub fn seal(&self, packet: &mut [u8], clear: usize, end: usize, counter: u32) -> Option<()> {
        let suffix = counter.to_be_bytes();
        match &self.key {
            Key::Aes(key) => seal_aead(key, gcm_nonce(suffix), packet, clear, end, suffix),
            Key::XChaCha(key) => {
                let (key, nonce) = xchacha_key(key, suffix);
                seal_aead(&key, nonce, packet, clear, end, suffix)
            }
            Key::XSalsa(key) => {
                let nonce = self.secretbox_nonce(packet, &suffix)?;
                // NaCl puts the tag first: the body makes room for it.
                packet.copy_within(clear..end, clear.checked_add(TAG_LEN)?);
                let (sealed, tail) = packet.split_at_mut_checked(end.checked_add(TAG_LEN)?)?;
                let (tag_slot, body) = sealed.get_mut(clear..)?.split_at_mut_checked(TAG_LEN)?;
                let tag = key
                    .encrypt_in_place_detached(&nonce.into(), &[], body)
                    .ok()?;
                tag_slot.copy_from_slice(&tag);
                // `XSalsa20` has no suffix, `XSalsa20Suffix` all 24 bytes, the others 4.
                tail.copy_from_slice(nonce.get(..tail.len())?);
                Some(())
            }
        }
    }

    /// Opens the packet and returns where its plaintext lies.
    pub fn open(&self, packet: &mut [u8], clear: usize) -> Result<Range<usize>, OpenError> {
        let suffix_len = self.mode.overhead_bytes() - TAG_LEN;
        let sealed_end = packet
            .len()
            .checked_sub(suffix_len)
            .ok_or(OpenError::TooShort)?;
        if sealed_end < clear + TAG_LEN {
            return Err(OpenError::TooShort);
        }
        match &self.key {
            Key::Aes(key) => {
                let nonce = gcm_nonce(suffix_of(packet)?);
                open_aead(key, nonce, packet, clear, sealed_end)
            }
            Key::XChaCha(key) => {
                let (key, nonce) = xchacha_key(key, suffix_of(packet)?);
                open_aead(&key, nonce, packet, clear, sealed_end)
            }
            Key::XSalsa(key) => {
                let (front, tail) = packet
                    .split_at_mut_checked(sealed_end)
                    .ok_or(OpenError::TooShort)?;
                let nonce = self
                    .secretbox_nonce(front, tail)
                    .ok_or(OpenError::TooShort)?;
                let (tag, body) = front
                    .get_mut(clear..)
                    .and_then(|sealed| sealed.split_at_mut_checked(TAG_LEN))
                    .ok_or(OpenError::TooShort)?;
                let tag: [u8; TAG_LEN] = (&*tag).try_into().map_err(|_| OpenError::TooShort)?;
                key.decrypt_in_place_detached(&nonce.into(), &[], body, &tag.into())
                    .map_err(|_| OpenError::Unauthentic)?;
                Ok(clear + TAG_LEN..sealed_end)
            }
        }
    }

    /// 24 nonce bytes of a secretbox mode. The suffix mode asks for any 24 bytes that never repeat;
    /// we send the counter and zeros, which keeps that promise better than random bytes do.
    fn secretbox_nonce(&self, packet: &[u8], suffix: &[u8]) -> Option<[u8; 24]> {
        let source = if self.mode == EncryptionMode::XSalsa20 {
            packet.get(..FIXED_HEADER_LEN)?
        } else {
            suffix
        };
        let mut nonce = [0; 24];
        nonce.get_mut(..source.len())?.copy_from_slice(source);
        Some(nonce)
    }
}

/// AES-GCM: counter at bytes 0 to 3, zeros after (voice.md section 8).
fn gcm_nonce(suffix: [u8; 4]) -> Nonce {
    let [a, b, c, d] = suffix;
    Nonce::assume_unique_for_key([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// XChaCha20-Poly1305 is ChaCha20-Poly1305 under a subkey from the first 16 nonce bytes
/// (draft-irtf-cfrg-xchacha section 2.3); the last 8 are zero here. Measured five times as fast as
/// the pure Rust implementation (crates.md section 4).
fn xchacha_key(key: &[u8; 32], suffix: [u8; 4]) -> (LessSafeKey, Nonce) {
    let [a, b, c, d] = suffix;
    let input = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let subkey = Zeroizing::new(<[u8; 32]>::from(hchacha::<R20>(key.into(), &input.into())));
    let Ok(unbound) = UnboundKey::new(&CHACHA20_POLY1305, subkey.as_slice()) else {
        unreachable!("ChaCha20 takes every 32-byte key");
    };
    (
        LessSafeKey::new(unbound),
        Nonce::assume_unique_for_key([0; 12]),
    )
}

/// The four wire bytes of the counter, opaque to the receiver.
fn suffix_of(packet: &[u8]) -> Result<[u8; 4], OpenError> {
    packet.last_chunk::<4>().copied().ok_or(OpenError::TooShort)
}

fn seal_aead(
    key: &LessSafeKey,
    nonce: Nonce,
    packet: &mut [u8],
    clear: usize,
    end: usize,
    suffix: [u8; 4],
) -> Option<()> {
    let (front, tail) = packet.split_at_mut_checked(end)?;
    let (head, body) = front.split_at_mut_checked(clear)?;
    let (tag_slot, suffix_slot) = tail.split_at_mut_checked(TAG_LEN)?;
    if suffix_slot.len() != suffix.len() {
        return None;
    }
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(&*head), body)
        .ok()?;
    tag_slot.copy_from_slice(tag.as_ref());
    suffix_slot.copy_from_slice(&suffix);
    Some(())
}

fn open_aead(
    key: &LessSafeKey,
    nonce: Nonce,
    packet: &mut [u8],
    clear: usize,
    sealed_end: usize,
) -> Result<Range<usize>, OpenError> {
    let body_end = sealed_end - TAG_LEN;
    let (head, rest) = packet
        .split_at_mut_checked(clear)
        .ok_or(OpenError::TooShort)?;
    let (body, rest) = rest
        .split_at_mut_checked(body_end - clear)
        .ok_or(OpenError::TooShort)?;
    let tag = rest
        .first_chunk::<TAG_LEN>()
        .copied()
        .ok_or(OpenError::TooShort)?;
    key.open_in_place_separate_tag(nonce, Aad::from(&*head), Tag::from(tag), body, 0..)
        .map_err(|_| OpenError::Unauthentic)?;
    Ok(clear..body_end)
}
