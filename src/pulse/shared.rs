//! Numbers one tick thread writes and everybody may read, and the register of its slots.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use crate::SessionKey;
use crate::bits::PER_PHASE;
use crate::histogram::Histogram;
use crate::load::{CAPACITY_NS, EXPECTED_FLOOR_NS, EXPECTED_NS};
pub(crate) use crate::slot::{Counter, Measured, SlotBoard, Stay};
use crate::wheel::PHASES;

/// Sessions one tick thread can hold.
pub(crate) const SLOTS: usize = PHASES * PER_PHASE;

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

    /// The slots of sessions that are here.
    pub(crate) fn present(&self) -> impl Iterator<Item = &SlotBoard> {
        self.slots.iter().filter(|s| s.present(0, 0).is_some())
    }

    /// Control side: takes a free slot for the session of another thread, in the phase it has: its
    /// packets go on leaving at the same moments.
    pub(crate) fn claim_for(&self, guest: SessionKey) -> Option<u16> {
        let phase = usize::from(guest.slot) / PER_PHASE;
        let slots = self.slots.iter().enumerate().skip(phase * PER_PHASE);
        let mut slots = slots.take(PER_PHASE);
        slots.find_map(|(at, slot)| slot.claim_for(guest).then_some(at as u16))
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
        let costs = self.present().map(|slot| match slot.cost.is_trusted() {
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
        for slot in self.present().filter(|s| s.awake.load(Relaxed)) {
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
