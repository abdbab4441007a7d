//! Numbers the tick writes and everybody may read, and the register of taken slots.

use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use crate::bits::PER_PHASE;
use crate::histogram::Histogram;
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
    pub(crate) sent: Counter,
    pub(crate) dropped: Counter,
    pub(crate) failed: Counter,
    pub(crate) encoded: Counter,
    pub(crate) silences: Counter,
    pub(crate) attached: AtomicBool,
    pub(crate) sounding: AtomicBool,
}

impl SlotBoard {
    pub(crate) fn serial(&self) -> u32 {
        self.serial.load(Acquire)
    }

    /// Control side: takes the slot if it is free.
    pub(crate) fn claim(&self, serial: u32) -> bool {
        let claimed = self.serial.compare_exchange(0, serial, AcqRel, Relaxed);
        claimed.is_ok()
    }

    /// Gives the slot back. *Tick-safe.*
    pub(crate) fn free(&self) {
        for counter in [
            &self.sent,
            &self.dropped,
            &self.failed,
            &self.encoded,
            &self.silences,
        ] {
            counter.reset();
        }
        self.attached.store(false, Relaxed);
        self.sounding.store(false, Relaxed);
        self.serial.store(0, Release);
    }
}

/// What one tick thread shares with the rest of the program.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) slots: Box<[SlotBoard]>,
    /// Deadline to flush, once per wake.
    pub(crate) lateness: Histogram,
    /// Work per wake.
    pub(crate) wake_cost: Histogram,
    /// Mixing, encoding and sealing one packet.
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
    /// Rung of the overload ladder, 0 = none.
    pub(crate) rung: AtomicU8,
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
            rung: AtomicU8::new(0),
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
