//! The track ring: 20 ms blocks on their way from a decoder to the tick, written in place.
//!
//! Boxed blocks go round between the two ends: the writer takes an empty one, fills it where it
//! lies and hands it over; the reader plays it and hands it back. Nothing is copied, and after
//! [`ring`] nothing is allocated or freed until both ends are gone.
//!
//! Neither end wakes the other (design/architecture.md B6): the writer looks at [`RingWriter::free`]
//! on its own timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mynah_audio::{Block, FRAMES, SILENT_BLOCK};
use rtrb::{Consumer, Producer, RingBuffer};

/// Aligned to cache lines, as the plugin ABI promises for memory it lets plugins fill.
#[repr(C, align(64))]
struct Slot {
    samples: Block,
    frames: usize,
}

#[derive(Default)]
struct Shared {
    finished: AtomicBool,
    writer_gone: AtomicBool,
    frames_taken: AtomicU64,
    frames_put: AtomicU64,
}

/// Makes a ring of `blocks` (at least one) blocks of 20 ms. Allocates 7.7 kB a block.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "control side")]
pub fn ring(blocks: usize) -> (RingWriter, RingReader) {
    let blocks = blocks.max(1);
    let (full_in, full_out) = RingBuffer::new(blocks);
    let (mut empty_in, empty_out) = RingBuffer::new(blocks);
    for _ in 0..blocks {
        let slot = Slot {
            samples: SILENT_BLOCK,
            frames: 0,
        };
        let fits = empty_in.push(Box::new(slot)).is_ok();
        debug_assert!(fits, "the ring is as long as the number of blocks");
    }
    let shared = Arc::new(Shared::default());
    let writer = RingWriter {
        full: full_in,
        empty: empty_out,
        spare: None,
        shared: Arc::clone(&shared),
    };
    let reader = RingReader {
        full: full_out,
        empty: empty_in,
        shared,
    };
    (writer, reader)
}

/// The decoder's end of a ring. Dropping it without [`finish`](Self::finish) tells the reader that
/// the source broke off.
pub struct RingWriter {
    full: Producer<Box<Slot>>,
    empty: Consumer<Box<Slot>>,
    spare: Option<Box<Slot>>,
    shared: Arc<Shared>,
}

impl RingWriter {
    /// How many blocks can be put before the ring is full.
    #[must_use]
    pub fn free(&self) -> usize {
        self.empty.slots() + usize::from(self.spare.is_some())
    }

    /// How many blocks the ring was made for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.full.buffer().capacity()
    }

    /// True when the reader is gone: whatever is put will never be heard.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.full.is_abandoned()
    }

    /// Lets `fill` write the next 20 ms in place and hands them over. False, without calling
    /// `fill`, when the ring is full. `fill` must write every sample: the block still holds old ones.
    #[must_use = "false means that nothing was put"]
    pub fn put(&mut self, fill: impl FnOnce(&mut Block)) -> bool {
        let Some(block) = self.acquire() else {
            return false;
        };
        fill(block);
        self.commit(FRAMES);
        true
    }

    /// The next empty block to be filled in place, or `None` when the ring is full. It holds old
    /// samples. Nothing reaches the reader until [`commit`](Self::commit); acquiring again before
    /// that gives the same block.
    #[must_use]
    pub fn acquire(&mut self) -> Option<&mut Block> {
        if self.spare.is_none() {
            self.spare = self.empty.pop().ok();
        }
        self.spare.as_mut().map(|slot| &mut slot.samples)
    }

    /// Hands over the block acquired last, of which the first `frames` sample frames are sound.
    /// Fewer than 960 make sense in the last block only; the rest of it becomes silence. Does
    /// nothing without an acquired block.
    pub fn commit(&mut self, frames: usize) {
        let Some(mut slot) = self.spare.take() else {
            return;
        };
        slot.frames = frames.min(FRAMES);
        let sounding = slot.frames * mynah_audio::CHANNELS;
        if let Some(rest) = slot.samples.get_mut(sounding..) {
            rest.fill(0.0);
        }
        let put = self.shared.frames_put.load(Ordering::Relaxed) + slot.frames as u64;
        self.shared.frames_put.store(put, Ordering::Relaxed);
        let fits = self.full.push(slot).is_ok();
        debug_assert!(fits, "there are never more blocks than room for them");
    }

    /// Marks the end of the stream: the reader plays what is in the ring and is then done.
    pub fn finish(&mut self) {
        // Release: whoever sees the mark also sees every block put before it.
        self.shared.finished.store(true, Ordering::Release);
    }

    /// A cheap handle that reads the playing position from any thread.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.shared))
    }
}

impl Drop for RingWriter {
    fn drop(&mut self) {
        self.shared.writer_gone.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for RingWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingWriter({} of {} free)", self.free(), self.capacity())
    }
}

/// Reads how far a ring has been played; outlives both ends.
#[derive(Clone)]
pub struct Meter(Arc<Shared>);

impl Meter {
    /// Sample frames (1/48000 s) the reader has played. Counts sound only, so it stands still in
    /// pauses and stalls. Runs ahead of the listener's ear by the 5 to 25 ms a packet is prepared
    /// early.
    #[must_use]
    pub fn frames_taken(&self) -> u64 {
        self.0.frames_taken.load(Ordering::Relaxed)
    }

    /// Sample frames the writer has put.
    #[must_use]
    pub fn frames_put(&self) -> u64 {
        self.0.frames_put.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Meter({}/{})", self.frames_taken(), self.frames_put())
    }
}

/// What the reader finds.
#[derive(Debug)]
pub enum Supply<'a> {
    /// The next 20 ms, of which `frames` sample frames are sound and the rest is silence.
    Block {
        /// Stays in the ring until [`RingReader::release`].
        samples: &'a Block,
        /// 960 except in the last block.
        frames: usize,
    },
    /// Nothing there yet, but the writer is alive.
    Dry,
    /// Everything was played and the writer said that this was all.
    Ended,
    /// Everything was played and the writer went away without a word.
    Broken,
}

/// The tick's end of a ring.
pub struct RingReader {
    full: Consumer<Box<Slot>>,
    empty: Producer<Box<Slot>>,
    shared: Arc<Shared>,
}

impl RingReader {
    /// Looks at the next block without taking it. *Tick-safe.*
    #[must_use]
    pub fn supply(&self) -> Supply<'_> {
        // In the opposite order of what the writer does last (put, finish, drop): whoever sees one
        // of these then also sees what came before it.
        let gone = self.shared.writer_gone.load(Ordering::Acquire);
        let finished = self.shared.finished.load(Ordering::Acquire);
        match self.full.peek() {
            Ok(slot) => Supply::Block {
                samples: &slot.samples,
                frames: slot.frames,
            },
            Err(_) if finished => Supply::Ended,
            Err(_) if gone => Supply::Broken,
            Err(_) => Supply::Dry,
        }
    }

    /// Gives the block that [`supply`](Self::supply) showed back to the writer; does nothing when
    /// there is none. *Tick-safe.*
    pub fn release(&mut self) {
        let Ok(slot) = self.full.pop() else {
            return;
        };
        let taken = self.shared.frames_taken.load(Ordering::Relaxed) + slot.frames as u64;
        self.shared.frames_taken.store(taken, Ordering::Relaxed);
        // There is always room. Were there not, the block would be leaked, never freed here.
        if let Err(rtrb::PushError::Full(slot)) = self.empty.push(slot) {
            debug_assert!(false, "there are never more blocks than room for them");
            std::mem::forget(slot);
        }
    }

    /// How many blocks lie ready. *Tick-safe.*
    #[must_use]
    pub fn level(&self) -> usize {
        self.full.slots()
    }

    /// A cheap handle that reads the playing position from any thread.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.shared))
    }
}

impl std::fmt::Debug for RingReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingReader({} ready)", self.level())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;

    fn first_sample(reader: &RingReader) -> Option<f32> {
        match reader.supply() {
            Supply::Block { samples, .. } => Some(samples[0]),
            _ => None,
        }
    }

    #[test]
    fn blocks_arrive_in_order_and_a_full_ring_refuses() {
        let (mut writer, mut reader) = ring(3);
        let mut next = 0.0;
        for _ in 0..5 {
            for i in 0..3u8 {
                assert_eq!(writer.free(), 3 - usize::from(i));
                assert!(writer.put(|b| b.fill(next + f32::from(i))));
            }
            assert!(!writer.put(|_| panic!("must not be called")));
            for i in 0..3u8 {
                assert_eq!(first_sample(&reader), Some(next + f32::from(i)));
                reader.release();
            }
            assert!(matches!(reader.supply(), Supply::Dry));
            next += 3.0;
        }
        assert_eq!(writer.meter().frames_taken(), 15 * 960);
    }

    #[test]
    fn looking_does_not_take() {
        let (mut writer, reader) = ring(2);
        assert!(writer.put(|b| b.fill(0.5)));
        assert_eq!(first_sample(&reader), Some(0.5));
        assert_eq!(first_sample(&reader), Some(0.5));
        assert_eq!(reader.level(), 1);
        assert_eq!(writer.meter().frames_taken(), 0);
    }

    #[test]
    fn a_short_last_block_is_padded_with_silence_and_counted_exactly() {
        let (mut writer, mut reader) = ring(2);
        writer.acquire().unwrap().fill(1.0);
        writer.commit(100);
        writer.finish();
        let Supply::Block { samples, frames } = reader.supply() else {
            panic!("a block was put");
        };
        assert_eq!(frames, 100);
        assert!(samples[..200].iter().all(|s| *s == 1.0));
        assert!(samples[200..].iter().all(|s| *s == 0.0));
        reader.release();
        assert!(matches!(reader.supply(), Supply::Ended));
        assert_eq!(reader.meter().frames_taken(), 100);
        assert_eq!(reader.meter().frames_put(), 100);
    }

    #[test]
    fn an_acquired_block_that_is_not_committed_is_not_lost() {
        let (mut writer, reader) = ring(1);
        writer.acquire().unwrap().fill(1.0);
        assert!(matches!(reader.supply(), Supply::Dry));
        assert_eq!(writer.free(), 1);
        writer.acquire().unwrap().fill(2.0);
        writer.commit(960);
        assert_eq!(first_sample(&reader), Some(2.0));
        writer.commit(960);
        assert_eq!(reader.level(), 1, "a commit without a block does nothing");
    }

    #[test]
    fn what_is_in_the_ring_is_played_before_the_end_is_seen() {
        for finished in [true, false] {
            let (mut writer, mut reader) = ring(2);
            assert!(writer.put(|b| b.fill(1.0)));
            if finished {
                writer.finish();
            }
            drop(writer);
            assert_eq!(first_sample(&reader), Some(1.0));
            reader.release();
            match reader.supply() {
                Supply::Ended => assert!(finished),
                Supply::Broken => assert!(!finished),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_writer_sees_that_nobody_listens_any_more() {
        let (mut writer, reader) = ring(1);
        assert!(!writer.is_abandoned());
        drop(reader);
        assert!(writer.is_abandoned());
        assert!(writer.put(|b| b.fill(0.0)), "still harmless");
    }

    #[test]
    fn a_million_samples_cross_threads_intact() {
        let (mut writer, mut reader) = ring(4);
        let thread = std::thread::spawn(move || {
            for i in 0..1000u16 {
                while !writer.put(|b| b.fill(f32::from(i))) {
                    std::thread::yield_now();
                }
            }
            writer.finish();
        });
        let mut next = 0u16;
        loop {
            match reader.supply() {
                Supply::Block { samples, .. } => {
                    assert!(samples.iter().all(|s| *s == f32::from(next)));
                    next += 1;
                }
                Supply::Ended => break,
                Supply::Dry => {
                    std::thread::yield_now();
                    continue;
                }
                Supply::Broken => panic!("the writer finished properly"),
            }
            reader.release();
        }
        assert_eq!(next, 1000);
        thread.join().unwrap();
    }
}
