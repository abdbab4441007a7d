//! The keys of one sender in one epoch: a chain that goes forward only.
//!
//! `ExpandWithLabel` and the "secret tree" derivation are those of RFC 9420, sections 8 and 9.1. MLS
//! libraries cannot be used: the chain begins with 16 bytes where they insist on 32 (DAVE paper,
//! "Sender key derivation").

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::BaseSecret;

/// The key of AES-128.
pub(super) const KEY_BYTES: usize = 16;
/// The hash of SHA-256: all secrets of the chain but the first.
const SECRET_BYTES: usize = 32;
/// RFC 9420 section 8: before each label.
const LABEL_PREFIX: &[u8] = b"MLS 1.0 ";

/// A position in the chain.
#[derive(Clone, ZeroizeOnDrop)]
pub(super) struct Ratchet {
    secret: [u8; SECRET_BYTES],
    secret_bytes: usize,
    generation: u32,
}

impl Ratchet {
    /// The start, generation 0.
    pub fn new(base: &BaseSecret) -> Self {
        let mut secret = [0; SECRET_BYTES];
        for (to, from) in secret.iter_mut().zip(base.expose()) {
            *to = *from;
        }
        Self {
            secret,
            secret_bytes: BaseSecret::BYTES,
            generation: 0,
        }
    }

    /// The generation of [`key`](Self::key).
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The media key of this generation. The caller clears it.
    pub fn key(&self) -> [u8; KEY_BYTES] {
        let mut block = self.expand(b"key", KEY_BYTES as u16);
        let mut key = [0; KEY_BYTES];
        for (to, from) in key.iter_mut().zip(&block) {
            *to = *from;
        }
        block.zeroize();
        key
    }

    /// Goes on to `generation`; nothing happens if that lies behind. One step costs two hashes: the
    /// caller bounds how many there may be.
    pub fn forward(&mut self, generation: u32) {
        while self.generation < generation {
            self.secret = self.expand(b"secret", SECRET_BYTES as u16);
            self.secret_bytes = SECRET_BYTES;
            self.generation += 1;
        }
    }

    /// `ExpandWithLabel(secret, label, generation, length)`, for a `length` of at most one hash: then
    /// HKDF-Expand is a single HMAC over the info and a 1 (RFC 5869 section 2.3).
    fn expand(&self, label: &[u8], length: u16) -> [u8; SECRET_BYTES] {
        let secret = self.secret.get(..self.secret_bytes).unwrap_or(&self.secret);
        let Ok(mut hash) = Hmac::<Sha256>::new_from_slice(secret) else {
            unreachable!("HMAC takes keys of any length")
        };
        let context = self.generation.to_be_bytes();
        hash.update(&length.to_be_bytes());
        // Lengths below 64 are one byte (RFC 9420 section 2.1.2).
        hash.update(&[(LABEL_PREFIX.len() + label.len()) as u8]);
        hash.update(LABEL_PREFIX);
        hash.update(label);
        hash.update(&[context.len() as u8]);
        hash.update(&context);
        hash.update(&[1]);
        hash.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(hex: &str) -> BaseSecret {
        BaseSecret::new(u128::from_str_radix(hex, 16).unwrap().to_be_bytes())
    }

    fn keys(hex: &str) -> [String; 3] {
        let mut ratchet = Ratchet::new(&base(hex));
        [0, 1, 2].map(|generation| {
            ratchet.forward(generation);
            assert_eq!(ratchet.generation(), generation);
            format!("{:032x}", u128::from_be_bytes(ratchet.key()))
        })
    }

    #[test]
    fn the_first_key_is_that_of_the_reference_clients() {
        let [first, ..] = keys("cedd61b1b8a1ca69046554282cf70b7b");
        assert_eq!(first, "7530f9a9945e2d2e06d0651f7b2a864b");
    }

    #[test]
    fn three_generations_are_those_of_an_independent_computation() {
        assert_eq!(
            keys("000102030405060708090a0b0c0d0e0f"),
            [
                "58fc013108dbf996ef651e3f01658bfb",
                "9cddc08f0c8a7cfecabfe757dc33b039",
                "ef2427778fb709d7d1e070846f920024",
            ]
        );
    }

    #[test]
    fn a_jump_arrives_where_steps_do() {
        let base = BaseSecret::new([9; 16]);
        let (mut jump, mut steps) = (Ratchet::new(&base), Ratchet::new(&base));
        jump.forward(7);
        (0..=7).for_each(|generation| steps.forward(generation));
        assert_eq!(jump.key(), steps.key());
        jump.forward(3);
        assert_eq!(jump.generation(), 7, "there is no way back");
    }
}
