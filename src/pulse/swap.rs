//! A track goes over from one ring to another without leaving its place in the song.
//!
//! Both rings count the track's frames on one axis. The new one begins where its maker believed the
//! tick would be by the time it is filled; when the tick is past that, the blocks that were
//! overtaken are skipped. Where both rings have the block that is due, one fades into the other
//! within it; nothing else waits, repeats or is lost.

use mynah_audio::{Block, CHANNELS, FRAMES};

use crate::ring::{RingReader, Supply};

/// 10 ms. Both rings carry the same song, so the sum of the gains is held at 1, not their power.
const CROSS_FRAMES: usize = 480;

/// A ring that waits for its turn; afterwards, the ring that was left, on its way to the janitor.
pub(crate) struct Swap {
    ring: RingReader,
    /// The frame of the track at which the next block of `ring` begins.
    at_frame: u64,
}

impl Swap {
    pub(crate) fn new(ring: RingReader, at_frame: u64) -> Self {
        Self { ring, at_frame }
    }

    /// The frame of the track at which the new ring begins. *Tick-safe.*
    pub(crate) fn at_frame(&self) -> u64 {
        self.at_frame
    }

    /// Skips the blocks that end at or before `frame`; true when the next one belongs there, or
    /// there will not be one. At most what lies in the ring is skipped. *Tick-safe.*
    pub(crate) fn reaches(&mut self, frame: u64) -> bool {
        if self.at_frame > frame {
            return false;
        }
        for _ in 0..self.ring.level() {
            if self.at_frame + FRAMES as u64 > frame {
                break;
            }
            self.ring.release();
            self.at_frame += FRAMES as u64;
        }
        let over = matches!(self.ring.supply(), Supply::Ended | Supply::Broken);
        over || self.at_frame + FRAMES as u64 > frame
    }

    /// Makes sure that the new ring's next block can be mixed. *Tick-safe.*
    pub(crate) fn unpack(&mut self) {
        self.ring.want_pcm(true);
        self.ring.unpack();
    }

    /// True when there is no need to wait for the new ring: it has its block, or will never have
    /// one. *Tick-safe.*
    pub(crate) fn is_ready(&mut self) -> bool {
        self.ring.unpack();
        !matches!(self.ring.supply(), Supply::Dry)
    }

    /// `old` fading into the new ring's block, or into silence where there is none. *Tick-safe.*
    pub(crate) fn cross(&self, old: &Block) -> Block {
        let mut block = *old;
        let new = match self.ring.supply() {
            Supply::Block { samples, .. } => samples,
            _ => &mynah_audio::SILENT_BLOCK,
        };
        let frames = block.chunks_exact_mut(CHANNELS);
        for (at, (to, new)) in (1..).zip(frames.zip(new.chunks_exact(CHANNELS))) {
            let share = (at as f32 / CROSS_FRAMES as f32).min(1.0);
            for (to, new) in to.iter_mut().zip(new) {
                *to = *to * (1.0 - share) + new * share;
            }
        }
        block
    }

    /// The track's ring becomes the new one, and this holds the old one. *Tick-safe.*
    pub(crate) fn take_over(&mut self, ring: &mut RingReader) {
        std::mem::swap(&mut self.ring, ring);
    }
}
