//! The keys of one sender in one epoch, as a receiver follows them.

use std::time::Instant;

use sha2::{Digest, Sha256};

use super::super::gcm::Cipher;
use super::super::layout::Layout;
use super::super::ratchet::Ratchet;
use super::super::sealer::{GENERATION_SHIFT, cipher};
use super::super::window::Window;
use super::{OpenError, RATCHET_EXPIRY};
use crate::BaseSecret;

/// The nonce on the wire carries this many generations, then they come around.
const GENERATIONS_ON_WIRE: u32 = 1 << (u32::BITS - GENERATION_SHIFT);
/// How far ahead of the newest generation a frame may claim to be (dave.md section 6).
const MAX_GENERATION_GAP: u32 = 250;
/// Nobody sends more: 50 audio frames and two videos of 60 (dave.md section 6).
const MAX_FRAMES_PER_SECOND: u64 = 170;

/// One generation's key.
struct Generation {
    number: u32,
    cipher: Cipher,
}

impl Generation {
    fn of(ratchet: &Ratchet) -> Self {
        Self {
            number: ratchet.generation(),
            cipher: cipher(ratchet),
        }
    }
}

/// All that is needed to open what a sender seals in an epoch.
pub(super) struct Incoming {
    epoch: u64,
    /// The hash of the base secret: the secret itself would open old generations for ever.
    grew_from: [u8; 32],
    installed: Instant,
    expires: Option<Instant>,
    /// Stands at the generation of `newest`.
    ratchet: Ratchet,
    newest: Generation,
    /// Serves until the time with it, for frames that were overtaken.
    previous: Option<(Generation, Instant)>,
    /// A generation that a frame claimed. Becomes the newest once a frame proves to be of it; kept
    /// until then, so that forged frames do not cost its computation again and again.
    claimed: Option<(Generation, Ratchet)>,
    window: Window,
}

impl Incoming {
    pub fn new(base: &BaseSecret, epoch: u64, now: Instant) -> Self {
        let ratchet = Ratchet::new(base);
        Self {
            epoch,
            grew_from: Sha256::digest(base.expose()).into(),
            installed: now,
            expires: None,
            newest: Generation::of(&ratchet),
            ratchet,
            previous: None,
            claimed: None,
            window: Window::default(),
        }
    }

    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn grew_from(&self, base: &BaseSecret) -> bool {
        self.grew_from == <[u8; 32]>::from(Sha256::digest(base.expose()))
    }

    /// Lets it serve until `at`, unless it ends earlier already.
    pub fn expire(&mut self, at: Instant) {
        self.expires = Some(self.expires.map_or(at, |set| set.min(at)));
    }

    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| now > at)
    }

    /// Decrypts `media` if it is authentic and was not opened before; unchanged otherwise.
    ///
    /// Authenticity comes first: whether a nonce was seen means something for frames of this epoch
    /// only, and a frame of the next one must not be taken for a replay.
    pub fn open(
        &mut self,
        media: &mut [u8],
        layout: &Layout,
        now: Instant,
    ) -> Result<(), OpenError> {
        if self
            .previous
            .as_ref()
            .is_some_and(|(_, until)| now > *until)
        {
            self.previous = None;
        }
        let generation = self.generation(layout.nonce)?;
        if generation > self.newest.number {
            self.claim(generation, now)?;
        }
        let cipher = self.cipher(generation).ok_or(OpenError::Generation)?;
        let verified = cipher.verify(media, layout).ok_or(OpenError::Unauthentic)?;
        let frame = u64::from(generation) << GENERATION_SHIFT
            | u64::from(layout.nonce) & ((1 << GENERATION_SHIFT) - 1);
        if !self.window.is_new(frame) {
            return Err(OpenError::Replayed);
        }
        verified.decrypt(media, layout);
        self.window.insert(frame);
        self.confirm(generation, now);
        Ok(())
    }

    /// The generation of a nonce: the first one, from the oldest kept, that looks like it on the wire.
    fn generation(&self, nonce: u32) -> Result<u32, OpenError> {
        let oldest = self
            .previous
            .as_ref()
            .map_or(self.newest.number, |(previous, _)| previous.number);
        let ahead = (nonce >> GENERATION_SHIFT).wrapping_sub(oldest) % GENERATIONS_ON_WIRE;
        oldest.checked_add(ahead).ok_or(OpenError::Generation)
    }

    fn cipher(&self, generation: u32) -> Option<&Cipher> {
        [
            Some(&self.newest),
            self.previous.as_ref().map(|(previous, _)| previous),
            self.claimed.as_ref().map(|(claimed, _)| claimed),
        ]
        .into_iter()
        .flatten()
        .find(|kept| kept.number == generation)
        .map(|kept| &kept.cipher)
    }

    /// Computes the key of a coming generation, unless the sender cannot have got there.
    fn claim(&mut self, generation: u32, now: Instant) -> Result<(), OpenError> {
        let age = now.saturating_duration_since(self.installed).as_secs();
        let reachable = age.saturating_mul(MAX_FRAMES_PER_SECOND) >> GENERATION_SHIFT;
        if generation - self.newest.number > MAX_GENERATION_GAP || u64::from(generation) > reachable
        {
            return Err(OpenError::Generation);
        }
        if self
            .claimed
            .as_ref()
            .is_none_or(|(claimed, _)| claimed.number != generation)
        {
            let mut ratchet = self.ratchet.clone();
            ratchet.forward(generation);
            self.claimed = Some((Generation::of(&ratchet), ratchet));
        }
        Ok(())
    }

    /// A frame of `generation` was authentic: if that is a coming one, it has come.
    fn confirm(&mut self, generation: u32, now: Instant) {
        if generation <= self.newest.number {
            return;
        }
        if let Some((claimed, ratchet)) = self.claimed.take() {
            let previous = std::mem::replace(&mut self.newest, claimed);
            self.ratchet = ratchet;
            self.previous = Some((previous, now + RATCHET_EXPIRY));
        }
    }
}
