//! AES-128-GCM with a tag of 8 bytes, in place, over media whose parts need not be adjacent (NIST SP
//! 800-38D).
//!
//! Built from the block cipher and GHASH: ready-made AEADs refuse tags this short. The key schedule
//! and the hash key are computed once for each key.

use aes::Aes128Enc;
use aes::cipher::{BlockEncrypt, KeyInit};
use ghash::universal_hash::UniversalHash;
use ghash::{Block, GHash};
use zeroize::Zeroize;

use super::layout::Layout;
use super::ratchet::KEY_BYTES;

/// What is sent of the tag.
pub(super) const TAG_BYTES: usize = 8;
const BLOCK_BYTES: usize = 16;
/// Blocks encrypted at once: enough for the tag and a frame of 240 bytes, and twice what AES-NI keeps
/// in flight.
const BATCH_BLOCKS: usize = 16;
const BATCH_BYTES: usize = BATCH_BLOCKS * BLOCK_BYTES;

/// One key, ready for use.
pub(super) struct Cipher {
    aes: Aes128Enc,
    /// Nothing hashed yet; cloned for each frame.
    ghash: GHash,
}

impl Cipher {
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let aes = Aes128Enc::new(key.into());
        let mut hash_key = [0; BLOCK_BYTES];
        aes.encrypt_block((&mut hash_key).into());
        let ghash = GHash::new(&hash_key.into());
        hash_key.zeroize();
        Self { aes, ghash }
    }

    /// Encrypts all of `media` and returns the tag.
    pub fn seal(&self, nonce: u32, media: &mut [u8]) -> [u8; TAG_BYTES] {
        let mut stream = Keystream::new(&self.aes, nonce);
        let mask = stream.mask();
        stream.apply(media);
        let mut hash = Hash::new(&self.ghash);
        hash.absorb(media);
        hash.finish(0, media.len(), mask)
    }

    /// Checks that `media` was sealed with this key.
    pub fn verify(&self, media: &[u8], layout: &Layout) -> Option<Verified<'_>> {
        let mut stream = Keystream::new(&self.aes, layout.nonce);
        let mask = stream.mask();
        let mut hash = Hash::new(&self.ghash);
        let mut clear_bytes = 0;
        if !layout.is_whole() {
            for part in layout.clear() {
                clear_bytes += part.len();
                hash.absorb(media.get(part).unwrap_or_default());
            }
            hash.pad();
        }
        for part in layout.sealed(media.len()) {
            hash.absorb(media.get(part).unwrap_or_default());
        }
        let tag = hash.finish(clear_bytes, media.len() - clear_bytes, mask);
        // Eight bytes compare as one number, in one instruction: no time tells how many agree.
        let authentic = u64::from_ne_bytes(tag) == u64::from_ne_bytes(layout.tag);
        authentic.then_some(Verified(stream))
    }
}

/// A frame that is authentic, not yet decrypted.
pub(super) struct Verified<'a>(Keystream<'a>);

impl Verified<'_> {
    /// Decrypts what was verified: the same media and layout.
    pub fn decrypt(mut self, media: &mut [u8], layout: &Layout) {
        for part in layout.sealed(media.len()) {
            self.0.apply(media.get_mut(part).unwrap_or_default());
        }
    }
}

/// The keystream of one frame: the counter encrypted, a batch at a time.
struct Keystream<'a> {
    aes: &'a Aes128Enc,
    nonce: u32,
    counter: u32,
    batch: [u8; BATCH_BYTES],
    used: usize,
}

impl<'a> Keystream<'a> {
    fn new(aes: &'a Aes128Enc, nonce: u32) -> Self {
        Self {
            aes,
            nonce,
            counter: 0,
            batch: [0; BATCH_BYTES],
            used: BATCH_BYTES,
        }
    }

    /// The first block, which is not for media: it masks the tag.
    fn mask(&mut self) -> [u8; TAG_BYTES] {
        self.refill();
        self.used = BLOCK_BYTES;
        let Some(mask) = self.batch.first_chunk() else {
            unreachable!("a batch is longer than a tag")
        };
        *mask
    }

    fn refill(&mut self) {
        // Nonce of 12 bytes: 8 zeros, then the truncated nonce in little endian; then the counter.
        let [a, b, c, d] = self.nonce.to_le_bytes();
        let mut blocks: [aes::Block; BATCH_BLOCKS] = std::array::from_fn(|_| {
            self.counter = self.counter.wrapping_add(1);
            let [w, x, y, z] = self.counter.to_be_bytes();
            [0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d, w, x, y, z].into()
        });
        self.aes.encrypt_blocks(&mut blocks);
        for (to, from) in self.batch.chunks_exact_mut(BLOCK_BYTES).zip(&blocks) {
            to.copy_from_slice(from);
        }
        self.used = 0;
    }

    fn apply(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.used == BATCH_BYTES {
                self.refill();
            }
            let ready = self.batch.get(self.used..).unwrap_or_default();
            let (now, later) = bytes.split_at_mut(ready.len().min(bytes.len()));
            for (byte, key) in now.iter_mut().zip(ready) {
                *byte ^= key;
            }
            self.used += now.len();
            bytes = later;
        }
    }
}

/// GHASH over bytes that come in parts.
struct Hash {
    ghash: GHash,
    block: Block,
    filled: usize,
}

impl Hash {
    fn new(key: &GHash) -> Self {
        Self {
            ghash: key.clone(),
            block: Block::default(),
            filled: 0,
        }
    }

    fn absorb(&mut self, mut bytes: &[u8]) {
        if self.filled > 0 {
            bytes = self.fill(bytes);
            if self.filled < BLOCK_BYTES {
                return;
            }
            self.pad();
        }
        let (blocks, rest) = Block::slice_as_chunks(bytes);
        self.ghash.update(blocks);
        self.fill(rest);
    }

    /// Adds what fits to the block begun; returns the rest.
    fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let room = self.block.get_mut(self.filled..).unwrap_or_default();
        let (now, later) = bytes.split_at(room.len().min(bytes.len()));
        for (to, from) in room.iter_mut().zip(now) {
            *to = *from;
        }
        self.filled += now.len();
        later
    }

    /// Ends the block begun, with zeros.
    fn pad(&mut self) {
        if self.filled > 0 {
            self.ghash.update(std::slice::from_ref(&self.block));
            self.block = Block::default();
            self.filled = 0;
        }
    }

    fn finish(
        mut self,
        clear_bytes: usize,
        sealed_bytes: usize,
        mask: [u8; TAG_BYTES],
    ) -> [u8; TAG_BYTES] {
        self.pad();
        let lengths = ((clear_bytes as u128 * 8) << 64) | (sealed_bytes as u128 * 8);
        self.ghash.update(&[lengths.to_be_bytes().into()]);
        let hash = self.ghash.finalize();
        let mut tag = mask;
        for (byte, hash) in tag.iter_mut().zip(&hash) {
            *byte ^= hash;
        }
        tag
    }
}
