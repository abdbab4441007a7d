//! What a bus says, for everybody who listens: one encoded frame per tick, and the sound it was
//! made of.
//!
//! Eight slots, each a seqlock made of atomics alone: the publisher never waits, a reader that was
//! overtaken notices and takes nothing. Tick numbers agree on all tick threads, so a session reads
//! the frame of the tick before its own, whatever thread and phase it has; that is 20 ms later than
//! the bus itself, and no lock.

use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::{Block, SAMPLES};

/// Ticks a frame stays readable (160 ms): more than a thread may lag before it jumps.
const SLOTS: usize = 8;
const FRAME_WORDS: usize = MAX_FRAME_BYTES.div_ceil(8);
const PCM_WORDS: usize = SAMPLES / 2;

/// A frame without prediction is made for newcomers at most this often (200 ms), so that coming and
/// going does not cost everybody else quality.
const FRESH_EVERY: u64 = 10;

/// What a frame is, besides its bytes.
const FRESH: u64 = 1 << 32;

struct Slot {
    /// Odd while the slot is being written.
    version: AtomicU64,
    tick: AtomicU64,
    /// Length of the frame, and [`FRESH`].
    head: AtomicU64,
    frame: [AtomicU64; FRAME_WORDS],
    /// Two samples a word.
    pcm: Box<[AtomicU64]>,
}

impl Slot {
    #[allow(clippy::disallowed_methods, reason = "control side")]
    fn new() -> Self {
        Self {
            version: AtomicU64::new(0),
            tick: AtomicU64::new(u64::MAX),
            head: AtomicU64::new(0),
            frame: [const { AtomicU64::new(0) }; FRAME_WORDS],
            pcm: (0..PCM_WORDS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

/// What a reader finds for a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole frame.
    Frame {
        /// Its length in bytes.
        len: usize,
        /// It does not lean on the frames before it.
        fresh: bool,
    },
    /// The bus says nothing.
    Quiet,
    /// The frame is not there (yet, or any more), or it was being written.
    Missed,
}

/// The meeting point of one bus and its subscribers.
pub(crate) struct Feed {
    slots: [Slot; SLOTS],
    /// The tick from which the bus says nothing; `u64::MAX` while it speaks.
    quiet_from: AtomicU64,
    /// The first tick of what it says, or said last.
    speaks_from: AtomicU64,
    /// The bus is gone for good.
    closed: AtomicBool,
    /// Somebody would like a frame that does not lean on those before it.
    wish: AtomicBool,
    /// How many sessions are subscribed: nothing is encoded for nobody.
    listeners: AtomicU32,
    /// The tracks wait while nobody is.
    waits_alone: AtomicBool,
    /// The tick of the last fresh frame, plus 1. The publisher's own.
    last_fresh: AtomicU64,
}

impl Feed {
    #[allow(clippy::disallowed_methods, reason = "control side")]
    pub(crate) fn new() -> Self {
        Self {
            slots: std::array::from_fn(|_| Slot::new()),
            quiet_from: AtomicU64::new(0),
            speaks_from: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            wish: AtomicBool::new(false),
            listeners: AtomicU32::new(0),
            waits_alone: AtomicBool::new(false),
            last_fresh: AtomicU64::new(0),
        }
    }

    /// Publishes the frame of `tick` and the sound it was made of. One thread at a time.
    /// *Tick-safe.*
    pub(crate) fn publish(&self, tick: u64, frame: &[u8], fresh: bool, pcm: &Block) {
        let Some(slot) = self.slot(tick) else {
            return;
        };
        let version = slot.version.load(Relaxed);
        slot.version.store(version.wrapping_add(1), Relaxed);
        // Whoever reads a word that is written from here on also sees the odd version.
        fence(Release);
        slot.tick.store(tick, Relaxed);
        let len = frame.len().min(MAX_FRAME_BYTES) as u64;
        slot.head
            .store(len | if fresh { FRESH } else { 0 }, Relaxed);
        for (to, from) in slot.frame.iter().zip(frame.chunks(8)) {
            let mut word = [0; 8];
            word.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            to.store(u64::from_le_bytes(word), Relaxed);
        }
        for (to, from) in slot.pcm.iter().zip(pcm.as_chunks::<2>().0) {
            to.store(pack(*from), Relaxed);
        }
        slot.version.store(version.wrapping_add(2), Release);
        if self.quiet_from.load(Relaxed) != u64::MAX {
            self.speaks_from.store(tick, Relaxed);
            self.quiet_from.store(u64::MAX, Release);
        }
    }

    /// From `tick` on there is nothing to hear. *Tick-safe.*
    pub(crate) fn fall_quiet(&self, tick: u64) {
        if self.quiet_from.load(Relaxed) == u64::MAX {
            self.quiet_from.store(tick, Release);
        }
    }

    /// True when the bus says nothing in `tick`. *Tick-safe.*
    pub(crate) fn is_quiet(&self, tick: u64) -> bool {
        tick >= self.quiet_from.load(Acquire)
            || tick < self.speaks_from.load(Relaxed)
            || self.is_closed()
    }

    /// Copies the frame of `tick` into `room`. *Tick-safe.*
    pub(crate) fn frame(&self, tick: u64, room: &mut [u8]) -> Found {
        if self.is_quiet(tick) {
            return Found::Quiet;
        }
        let head = self.read(tick, |slot| {
            let head = slot.head.load(Relaxed);
            let len = (head as u32 as usize).min(MAX_FRAME_BYTES);
            for (to, from) in room.chunks_mut(8).zip(&slot.frame).take(len.div_ceil(8)) {
                let word = from.load(Relaxed).to_le_bytes();
                to.iter_mut().zip(word).for_each(|(to, from)| *to = from);
            }
            (len, head & FRESH != 0)
        });
        match head {
            Some((len, fresh)) => Found::Frame { len, fresh },
            None => Found::Missed,
        }
    }

    /// Copies the sound of `tick`, as it was before the bus's limiter. False, with an undefined
    /// block, when it cannot be had. *Tick-safe.*
    pub(crate) fn pcm(&self, tick: u64, block: &mut Block) -> bool {
        self.read(tick, |slot| {
            for (to, from) in block.as_chunks_mut::<2>().0.iter_mut().zip(&slot.pcm) {
                *to = unpack(from.load(Relaxed));
            }
        })
        .is_some()
    }

    /// What `copy` took from the slot of `tick`, if nobody wrote there meanwhile.
    fn read<T>(&self, tick: u64, copy: impl FnOnce(&Slot) -> T) -> Option<T> {
        let slot = self.slot(tick)?;
        let before = slot.version.load(Acquire);
        if before % 2 == 1 || slot.tick.load(Relaxed) != tick {
            return None;
        }
        let copied = copy(slot);
        let same_tick = slot.tick.load(Relaxed) == tick;
        // What was copied was read before the version is looked at again.
        fence(Acquire);
        (slot.version.load(Relaxed) == before && same_tick).then_some(copied)
    }

    fn slot(&self, tick: u64) -> Option<&Slot> {
        self.slots.get((tick % SLOTS as u64) as usize)
    }

    /// Asks for a frame that does not lean on those before it. *Tick-safe.*
    pub(crate) fn wish_fresh(&self) {
        self.wish.store(true, Relaxed);
    }

    /// The publisher's question: should the frame of `tick` be a fresh one? *Tick-safe.*
    pub(crate) fn takes_wish(&self, tick: u64) -> bool {
        let allowed = tick >= self.last_fresh.load(Relaxed).saturating_add(FRESH_EVERY);
        let wished = allowed && self.wish.load(Relaxed) && self.wish.swap(false, Relaxed);
        if wished {
            self.last_fresh.store(tick, Relaxed);
        }
        wished
    }

    /// *Tick-safe.*
    pub(crate) fn close(&self) {
        self.closed.store(true, Release);
    }

    /// *Tick-safe.*
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    pub(crate) fn wait_alone(&self, waits: bool) {
        self.waits_alone.store(waits, Relaxed);
    }

    /// Nobody is subscribed, and the tracks wait for somebody. *Tick-safe.*
    pub(crate) fn rests(&self) -> bool {
        self.listeners() == 0 && self.waits_alone.load(Relaxed)
    }

    pub(crate) fn join(&self) {
        self.listeners.fetch_add(1, Relaxed);
    }

    pub(crate) fn part(&self) {
        self.listeners.fetch_sub(1, Relaxed);
    }

    /// *Tick-safe.*
    pub(crate) fn listeners(&self) -> u32 {
        self.listeners.load(Relaxed)
    }
}

fn pack([left, right]: [f32; 2]) -> u64 {
    u64::from(left.to_bits()) << 32 | u64::from(right.to_bits())
}

fn unpack(word: u64) -> [f32; 2] {
    [
        f32::from_bits((word >> 32) as u32),
        f32::from_bits(word as u32),
    ]
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
