//! Numbers the tick writes and everybody may read, and the register of taken slots.

use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use crate::bits::PER_PHASE;
use crate::histogram::Histogram;
use crate::load::{CAPACITY_NS, EXPECTED_FLOOR_NS, EXPECTED_NS};
use crate::wheel::PHASES;

/// Sessions one tick thread can hold.
pub(crate) const SLOTS: usize = PHASES * PER_PHASE;

/// Counts upwards; only one thread adds, so no locked instruction is needed.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// *Tick-safe.*
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Back to 0, for the slot's next session. *Tick-safe.*
    pub(crate) fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// One slot: who has it, and that session's counters.
#[derive(Debug, Default)]
pub(crate) struct SlotBoard {
    /// Serial number of the session that has the slot; 0 when it is free.
    serial: AtomicU32,
    /// Sender orders asked for by the session in this slot.
    asked: AtomicU32,
    /// The newest sender order that lies in the mailbox or has been there: the session's serial
    /// number above, the order's number below. One word, so that a caller who is late by a whole
    /// session never announces anything to its successor.
    announced: AtomicU64,
    pub(crate) sent: Counter,
    pub(crate) dropped: Counter,
    pub(crate) failed: Counter,
    pub(crate) encoded: Counter,
    /// Packets of a track that went out as they were.
    pub(crate) passed: Counter,
    /// Packets of tracks that were decoded on the tick.
    pub(crate) unpacked: Counter,
    pub(crate) silences: Counter,
    /// Frames of a bus that were sent as they are.
    pub(crate) forwarded: Counter,
    /// Frames of a bus that were not there in time.
    pub(crate) missed: Counter,
    pub(crate) sealed_stale: Counter,
    pub(crate) attached: AtomicBool,
    pub(crate) sounding: AtomicBool,
    /// It has ticks.
    pub(crate) awake: AtomicBool,
    /// What a frame costs, on average.
    pub(crate) cost: Cost,
}

/// What one session's frames cost: an exponential average over about 16 of them.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    mean_ns: AtomicU32,
    /// What would be left of it at the bottom of the overload ladder.
    floor_ns: AtomicU32,
    frames: AtomicU32,
}

impl Cost {
    /// Frames (one second) until the average counts for more than what was expected.
    const TRUSTED: u32 = 50;

    /// One frame cost `ns`, of which `floor_percent` would be left at the bottom. *Tick-safe.*
    pub(crate) fn note(&self, ns: u64, floor_percent: u64) {
        let ns = ns.min(u64::from(u32::MAX));
        let frames = self.frames.load(Relaxed).saturating_add(1);
        self.frames.store(frames, Relaxed);
        for (mean, new) in [
            (&self.mean_ns, ns),
            (&self.floor_ns, ns * floor_percent / 100),
        ] {
            let old = u64::from(mean.load(Relaxed));
            let share = u64::from(frames.min(16));
            let next = (old * (share - 1) + new + share / 2) / share;
            mean.store(next as u32, Relaxed);
        }
    }

    fn reset(&self) {
        self.frames.store(0, Relaxed);
        self.mean_ns.store(0, Relaxed);
        self.floor_ns.store(0, Relaxed);
    }

    /// Nanoseconds a frame, on average; 0 before the first.
    pub(crate) fn mean_ns(&self) -> u64 {
        self.mean_ns.load(Relaxed).into()
    }

    fn floor_ns(&self) -> u64 {
        self.floor_ns.load(Relaxed).into()
    }

    fn is_trusted(&self) -> bool {
        self.frames.load(Relaxed) >= Self::TRUSTED
    }
}

impl SlotBoard {
    pub(crate) fn serial(&self) -> u32 {
        self.serial.load(Acquire)
    }

    /// Control side: takes the slot if it is free.
    pub(crate) fn claim(&self, serial: u32) -> bool {
        let claimed = self.serial.compare_exchange(0, serial, AcqRel, Relaxed);
        if claimed.is_ok() {
            // Nobody knows the new session's key yet, and orders for the old one do no harm.
            self.asked.store(0, Relaxed);
            self.announced.store(announcement(serial, 0), Relaxed);
        }
        claimed.is_ok()
    }

    /// Control side: the number of the next sender order, from 1.
    pub(crate) fn ask(&self) -> u32 {
        self.asked.fetch_add(1, Relaxed).wrapping_add(1)
    }

    /// Control side: order number `turn` of session `serial` lies in the mailbox. Said after it was
    /// posted: whoever learns of it finds it there.
    pub(crate) fn announce(&self, serial: u32, turn: u32) {
        let mut now = self.announced.load(Relaxed);
        while let Some(before) = turn_of(now, serial).filter(|before| is_newer(turn, *before)) {
            let (old, new) = (announcement(serial, before), announcement(serial, turn));
            match self
                .announced
                .compare_exchange_weak(old, new, Release, Relaxed)
            {
                Ok(_) => return,
                Err(other) => now = other,
            }
        }
    }

    /// True when session `serial` has been sent newer sender orders than number `turn`.
    /// *Tick-safe.*
    pub(crate) fn is_stale(&self, serial: u32, turn: u32) -> bool {
        turn_of(self.announced.load(Acquire), serial).is_some_and(|newest| is_newer(newest, turn))
    }

    /// Gives the slot back. *Tick-safe.*
    pub(crate) fn free(&self) {
        for counter in [
            &self.sent,
            &self.dropped,
            &self.failed,
            &self.encoded,
            &self.passed,
            &self.unpacked,
            &self.silences,
            &self.forwarded,
            &self.missed,
            &self.sealed_stale,
        ] {
            counter.reset();
        }
        self.attached.store(false, Relaxed);
        self.sounding.store(false, Relaxed);
        self.awake.store(false, Relaxed);
        self.cost.reset();
        self.serial.store(0, Release);
    }
}

fn announcement(serial: u32, turn: u32) -> u64 {
    u64::from(serial) << 32 | u64::from(turn)
}

/// The order's number, if it is this session's.
fn turn_of(announcement: u64, serial: u32) -> Option<u32> {
    ((announcement >> 32) as u32 == serial).then_some(announcement as u32)
}

/// Numbers wrap; two that are compared are never half a round apart.
fn is_newer(turn: u32, than: u32) -> bool {
    (1..=u32::MAX / 2).contains(&turn.wrapping_sub(than))
}

/// What one tick thread shares with the rest of the program.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) slots: Box<[SlotBoard]>,
    /// Deadline to flush, once per wake.
    pub(crate) lateness: Histogram,
    /// Work per wake.
    pub(crate) wake_cost: Histogram,
    /// Mixing and encoding one packet.
    pub(crate) frame_cost: Histogram,
    pub(crate) wakes: Counter,
    pub(crate) sent: Counter,
    pub(crate) dropped: Counter,
    pub(crate) failed: Counter,
    pub(crate) late_packets: Counter,
    pub(crate) resyncs: Counter,
    pub(crate) skipped_frames: Counter,
    pub(crate) events_dropped: Counter,
    pub(crate) codec_errors: Counter,
    pub(crate) encoded: Counter,
    pub(crate) passed: Counter,
    pub(crate) unpacked: Counter,
    pub(crate) sealed_stale: Counter,
    /// Rung of the overload ladder, 0 = none.
    pub(crate) rung: AtomicU8,
    /// Of every eight frames so many are left out.
    pub(crate) shed: AtomicU8,
    /// All work for each 20 ms, on average over the last 80 ms or so.
    pub(crate) busy_ns: AtomicU64,
    /// Nothing more can be taken on.
    pub(crate) overloaded: AtomicBool,
    /// The scheduler granted the real-time class.
    pub(crate) fifo: AtomicBool,
    /// The thread has ended; orders go nowhere.
    pub(crate) stopped: AtomicBool,
    /// Control side: orders given up because the mailbox stayed full.
    pub(crate) orders_lost: AtomicU64,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            slots: std::iter::repeat_with(SlotBoard::default)
                .take(SLOTS)
                .collect(),
            lateness: Histogram::default(),
            wake_cost: Histogram::default(),
            frame_cost: Histogram::default(),
            wakes: Counter::default(),
            sent: Counter::default(),
            dropped: Counter::default(),
            failed: Counter::default(),
            late_packets: Counter::default(),
            resyncs: Counter::default(),
            skipped_frames: Counter::default(),
            events_dropped: Counter::default(),
            codec_errors: Counter::default(),
            encoded: Counter::default(),
            passed: Counter::default(),
            unpacked: Counter::default(),
            sealed_stale: Counter::default(),
            rung: AtomicU8::new(0),
            shed: AtomicU8::new(0),
            busy_ns: AtomicU64::new(0),
            overloaded: AtomicBool::new(false),
            fifo: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            orders_lost: AtomicU64::new(0),
        }
    }
}

impl Board {
    /// Control side: how many slots are taken.
    pub(crate) fn taken(&self) -> usize {
        self.slots.iter().filter(|s| s.serial() != 0).count()
    }

    /// A wake took so long. *Tick-safe.*
    pub(crate) fn note_busy(&self, wake_ns: u64) {
        let round = wake_ns * PHASES as u64;
        let old = self.busy_ns.load(Relaxed);
        self.busy_ns.store((old * 15 + round) / 16, Relaxed);
    }

    /// Control side: nanoseconds of work for each 20 ms that the sessions here cost, or may cost:
    /// those never measured count as expected, those asleep for a quarter, as they may wake up.
    pub(crate) fn burden_ns(&self) -> u64 {
        let taken = self.slots.iter().filter(|s| s.serial() != 0);
        let costs = taken.map(|slot| match slot.cost.is_trusted() {
            false => slot.cost.mean_ns().max(EXPECTED_NS),
            true if slot.awake.load(Relaxed) => slot.cost.mean_ns(),
            true => slot.cost.mean_ns() / 4,
        });
        costs.sum()
    }

    /// Control side: how many more sessions could sound here, as far as has been measured: all
    /// those awake at the bottom of the overload ladder, and what the thread does besides making
    /// their frames.
    pub(crate) fn room(&self) -> usize {
        let (mut measured, mut floor, mut mean) = (0, 0, 0);
        let taken = self.slots.iter().filter(|s| s.serial() != 0);
        for slot in taken.filter(|s| s.awake.load(Relaxed)) {
            measured += u64::from(slot.cost.is_trusted());
            floor += slot.cost.floor_ns();
            mean += slot.cost.mean_ns();
        }
        let besides = self.busy_ns.load(Relaxed).saturating_sub(mean);
        // Ten are enough to know what sessions here are like.
        let each = match measured {
            10.. => (floor / measured).max(1),
            _ => EXPECTED_FLOOR_NS,
        };
        let by_time = CAPACITY_NS.saturating_sub(floor + besides) / each;
        (by_time as usize).min(SLOTS - self.taken())
    }

    /// Control side: takes a free slot for a bus, in the first phase if there is one: sessions on
    /// other threads then find its frame at least 20 ms old.
    pub(crate) fn claim_early(&self, serial: u32) -> Option<u16> {
        let slots = self.slots.iter().take(PER_PHASE);
        let claimed = slots.enumerate().find(|(_, slot)| slot.claim(serial));
        claimed
            .map(|(at, _)| at as u16)
            .or_else(|| self.claim(serial))
    }

    /// Control side: takes a free slot in the emptiest phase, so that sends spread over the 20 ms.
    pub(crate) fn claim(&self, serial: u32) -> Option<u16> {
        let mut phases: [(usize, usize); PHASES] = std::array::from_fn(|p| {
            let in_phase = self.slots.iter().skip(p * PER_PHASE).take(PER_PHASE);
            (in_phase.filter(|s| s.serial() != 0).count(), p)
        });
        phases.sort_unstable();
        phases.iter().find_map(|(_, phase)| {
            let start = phase * PER_PHASE;
            let slots = self.slots.iter().enumerate().skip(start).take(PER_PHASE);
            slots
                .filter(|(_, slot)| slot.claim(serial))
                .map(|(at, _)| at as u16)
                .next()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_spread_evenly_over_the_phases() {
        let board = Board::default();
        for serial in 1..=40 {
            assert!(board.claim(serial).is_some());
        }
        let phase = |p: usize| {
            let slots = &board.slots[p * PER_PHASE..(p + 1) * PER_PHASE];
            slots.iter().filter(|s| s.serial() != 0).count()
        };
        assert_eq!([phase(0), phase(1), phase(2), phase(3)], [10; 4]);
        assert_eq!(board.taken(), 40);
    }

    #[test]
    fn an_announcement_reaches_its_own_session_only_and_never_goes_back() {
        let slot = SlotBoard::default();
        assert!(slot.claim(7));
        assert!(!slot.is_stale(7, 0));
        let (first, second) = (slot.ask(), slot.ask());
        slot.announce(7, second);
        slot.announce(7, first);
        assert!(slot.is_stale(7, first));
        assert!(!slot.is_stale(7, second));
        slot.free();
        assert!(slot.claim(8));
        slot.announce(7, 99);
        assert!(!slot.is_stale(8, 0), "that was for the one before");
        slot.announce(8, u32::MAX / 2);
        slot.announce(8, u32::MAX - 1);
        slot.announce(8, 3);
        assert!(slot.is_stale(8, u32::MAX - 1), "numbers wrap");
    }

    #[test]
    fn a_full_thread_has_no_slot_until_one_is_freed() {
        let board = Board::default();
        for serial in 1..=SLOTS as u32 {
            assert!(board.claim(serial).is_some());
        }
        assert_eq!(board.claim(9999), None);
        board.slots[300].free();
        assert_eq!(board.claim(9999), Some(300));
    }
}
