//! The lane tap: what a mix says, lane by lane, for those who record it.
//!
//! The tick copies what sounds in each lane into a ring that was made beforehand: blocks as they are
//! after gain and ducking and before the limiter, and packets that go out as they are. When the packet
//! of a tick has left, it says so, with the time. Sound that was made and not sent (a line that went
//! away, keys that did not come) is thrown away by the reader: nobody heard it.
//!
//! A mix without a tap pays one look at an empty place per tick.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::{Block, Lane, SILENT_BLOCK};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::udp::clock;

/// Sounds that may wait: all four lanes for 160 ms, one for 640 ms. Three times as long as the reader
/// sleeps.
const SOUNDS: usize = 32;
/// Ticks that may wait: 1.28 s.
const TICKS: usize = 64;

/// What sounded in a lane during one tick.
struct Cell {
    tick: u64,
    lane: Lane,
    kind: Kind,
    samples: Block,
    packet: [u8; MAX_FRAME_BYTES],
}

#[derive(Clone, Copy)]
enum Kind {
    Block,
    Before,
    Packet(usize),
}

/// A packet left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentTick {
    /// The tick it was made for: one each 20 ms of the clock, without gaps, on all tick threads alike.
    /// The RTP timestamp of a mix advances by 960 with it.
    pub tick: u64,
    /// When it left, nanoseconds of the tick's clock; see [`instant_of`].
    pub sent_ns: u64,
}

/// What sounded in a lane during one tick.
#[derive(Clone, Copy, Debug)]
pub enum Tapped<'a> {
    /// 20 ms, after gain and ducking, before the limiter. Listeners hear it
    /// [`Limiter::LATENCY_FRAMES`](mynah_audio::Limiter::LATENCY_FRAMES) later.
    Block(&'a Block),
    /// What the block before this tick's would have been, had it been mixed: it went out as a packet.
    /// For an encoder that begins here, not to be heard.
    Before(&'a Block),
    /// An Opus packet of 20 ms that went out as it is.
    Packet(&'a [u8]),
}

/// Sounds that found no room.
#[derive(Default)]
struct Shared {
    lost: AtomicU64,
}

/// The tick's end of a lane tap.
pub(crate) struct LaneTap {
    sounds: Producer<Cell>,
    sent: Producer<SentTick>,
    tick: u64,
    shared: Arc<Shared>,
}

/// The other end of a lane tap. One thread reads it at least every 100 ms; when it is dropped, the
/// tick copies nothing any more.
pub struct LaneReader {
    sounds: Consumer<Cell>,
    sent: Consumer<SentTick>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for LaneReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lost = self.lost();
        f.debug_struct("LaneReader").field("lost", &lost).finish()
    }
}

/// Makes a tap. Allocates 290 kB. Control side.
#[allow(clippy::disallowed_methods, reason = "control side")]
pub(crate) fn lane_tap() -> (Box<LaneTap>, LaneReader) {
    let (sounds_in, sounds_out) = RingBuffer::new(SOUNDS);
    let (sent_in, sent_out) = RingBuffer::new(TICKS);
    let shared = Arc::new(Shared::default());
    let tap = LaneTap {
        sounds: sounds_in,
        sent: sent_in,
        tick: 0,
        shared: Arc::clone(&shared),
    };
    let reader = LaneReader {
        sounds: sounds_out,
        sent: sent_out,
        shared,
    };
    (Box::new(tap), reader)
}

impl LaneTap {
    /// What comes is of this tick. *Tick-safe.*
    pub(crate) fn begin(&mut self, tick: u64) {
        self.tick = tick;
    }

    /// *Tick-safe.*
    pub(crate) fn block(&mut self, lane: Lane, block: &Block) {
        self.put(lane, Kind::Block, block, &[]);
    }

    /// *Tick-safe.*
    pub(crate) fn before(&mut self, lane: Lane, block: &Block) {
        self.put(lane, Kind::Before, block, &[]);
    }

    /// *Tick-safe.*
    pub(crate) fn packet(&mut self, lane: Lane, packet: &[u8]) {
        let length = packet.len().min(MAX_FRAME_BYTES);
        self.put(lane, Kind::Packet(length), &SILENT_BLOCK, packet);
    }

    /// Of its own, so that a mix without a tap does not pay for the stack. *Tick-safe.*
    #[inline(never)]
    fn put(&mut self, lane: Lane, kind: Kind, block: &Block, packet: &[u8]) {
        if self.sounds.is_abandoned() {
            return;
        }
        let mut cell = Cell {
            tick: self.tick,
            lane,
            kind,
            samples: *block,
            packet: [0; MAX_FRAME_BYTES],
        };
        cell.packet
            .iter_mut()
            .zip(packet)
            .for_each(|(to, from)| *to = *from);
        if self.sounds.push(cell).is_err() {
            let lost = self.shared.lost.load(Relaxed);
            self.shared.lost.store(lost.wrapping_add(1), Relaxed);
        }
    }

    /// The packet of a tick has left. *Tick-safe.*
    pub(crate) fn sent(&mut self, tick: u64, sent_ns: u64) {
        // Without room nobody has read for a second: what was said meanwhile is lost, and counted.
        let _unread = self.sent.push(SentTick { tick, sent_ns });
    }
}

impl LaneReader {
    /// The next tick whose packet has left; hands out what sounded in each lane before it returns.
    /// Nothing for a tick in which nothing sounded (silence frames), or when there is no more to
    /// read.
    pub fn next(&mut self, mut take: impl FnMut(Lane, Tapped<'_>)) -> Option<SentTick> {
        let sent = self.sent.pop().ok()?;
        while let Ok(cell) = self.sounds.peek() {
            if cell.tick > sent.tick {
                break;
            }
            if cell.tick == sent.tick {
                let tapped = match cell.kind {
                    Kind::Block => Tapped::Block(&cell.samples),
                    Kind::Before => Tapped::Before(&cell.samples),
                    Kind::Packet(length) => {
                        Tapped::Packet(cell.packet.get(..length).unwrap_or_default())
                    }
                };
                take(cell.lane, tapped);
            }
            let _read = self.sounds.pop();
        }
        Some(sent)
    }

    /// Sounds that found no room, because this end was not read in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    /// The mix is gone, or was given another tap: what is here is the last of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.sent.is_abandoned()
    }
}

/// A time of the tick's clock as an [`Instant`], to within the microsecond. Not for the tick.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "control side")]
pub fn instant_of(ns: u64) -> Instant {
    let (now, now_ns) = (Instant::now(), clock::now_ns());
    let later = Duration::from_nanos(ns.saturating_sub(now_ns));
    let earlier = Duration::from_nanos(now_ns.saturating_sub(ns));
    now.checked_sub(earlier).unwrap_or(now) + later
}
