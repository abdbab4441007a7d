//! Blocks in half the memory on their way through a ring.

use std::sync::Arc;

use mynah_audio::FRAMES;

use super::{RingReader, RingWriter, Slot, Sound, ring_with};
use crate::packed::Packed;

/// Makes a ring for blocks that are [`Packed`]. It allocates room for the one that is played, 7.7 kB.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "control side")]
pub fn packed_ring(blocks: usize) -> (RingWriter, RingReader) {
    let room = Unpacked {
        sound: Sound::new(),
        is_next: false,
    };
    ring_with(blocks, None, Some(Box::new(room)))
}

/// What the reader of a ring with packed blocks needs beside it.
pub(super) struct Unpacked {
    pub(super) sound: Box<Sound>,
    /// It is the sound of the next block.
    pub(super) is_next: bool,
}

impl Unpacked {
    /// Makes sure that the sound of the next block is there. *Tick-safe.*
    pub(super) fn unpack(&mut self, next: &Slot) {
        if let Some(packed) = &next.packed
            && !self.is_next
        {
            packed.unpack(&mut self.sound.0);
            self.is_next = true;
        }
    }
}

impl RingWriter {
    /// Hands over a block that others may hold, too, of which the first `frames` sample frames are
    /// sound and the rest is silence. False when the ring is full. A ring of [`ring`](super::ring)
    /// gets it unpacked.
    #[must_use = "false means that nothing was put"]
    pub fn commit_packed(&mut self, packed: Arc<Packed>, frames: usize) -> bool {
        let Some(mut slot) = self.packed_slot(packed) else {
            return false;
        };
        slot.frames = frames.min(FRAMES);
        slot.packet_len = 0;
        self.hand_over(slot);
        true
    }

    /// Hands over a block that others may hold, too, with the packet it was decoded from; see
    /// [`commit_with_packet`](Self::commit_with_packet). False when the ring is full.
    #[must_use = "false means that nothing was put"]
    pub fn commit_packed_with_packet(&mut self, packed: Arc<Packed>, packet: &[u8]) -> bool {
        let carries = self.can_carry(packet);
        let Some(mut slot) = self.packed_slot(packed) else {
            return false;
        };
        slot.frames = FRAMES;
        slot.packet_len = 0;
        if carries {
            slot.set_packet(packet);
        }
        self.hand_over(slot);
        true
    }

    /// An empty slot that gets a block.
    fn packed_slot(&mut self, packed: Arc<Packed>) -> Option<Slot> {
        if !self.takes_packed {
            packed.unpack(self.acquire()?);
            let mut slot = self.spare.take()?;
            slot.has_pcm = true;
            return Some(slot);
        }
        self.spare()?;
        let mut slot = self.spare.take()?;
        slot.packed = Some(packed);
        slot.has_pcm = true;
        Some(slot)
    }
}
