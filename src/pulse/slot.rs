//! One slot of a tick thread: who has it, and what is counted about that session.

use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use crate::SessionKey;

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

    /// For the slot's next session. *Tick-safe.*
    fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
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
    /// Its mix has an encoder.
    pub(crate) equipped: AtomicBool,
    pub(crate) sounding: AtomicBool,
    /// It has ticks.
    pub(crate) awake: AtomicBool,
    /// Whether the session is here.
    stay: AtomicU8,
    /// Thread (above) and slot (below) a guest was opened in.
    home: AtomicU32,
    /// What a frame costs, on average.
    pub(crate) cost: Cost,
}

/// What a session that has ticks costs for each 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) mean_ns: u64,
    /// At the bottom of the overload ladder.
    pub(crate) floor_ns: u64,
}

/// How a slot is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Its session is here, where it was opened.
    Own,
    /// Its session is the guest of another thread.
    Away,
    /// A guest is expected.
    Expected,
    /// The session of another thread's slot is here.
    Guest,
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

    fn take_over(&self, from: &Self) {
        for (to, from) in [
            (&self.mean_ns, &from.mean_ns),
            (&self.floor_ns, &from.floor_ns),
            (&self.frames, &from.frames),
        ] {
            to.store(from.load(Relaxed), Relaxed);
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

    pub(crate) fn floor_ns(&self) -> u64 {
        self.floor_ns.load(Relaxed).into()
    }

    pub(crate) fn is_trusted(&self) -> bool {
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

    /// Control side: takes the slot for a guest, if it is free.
    pub(crate) fn claim_for(&self, guest: SessionKey) -> bool {
        let claimed = self.claim(guest.serial);
        if claimed {
            let home = u32::from(guest.thread) << 16 | u32::from(guest.slot);
            self.home.store(home, Relaxed);
            self.set_stay(Stay::Expected);
        }
        claimed
    }

    /// *Tick-safe.*
    pub(crate) fn set_stay(&self, stay: Stay) {
        self.stay.store(stay as u8, Relaxed);
    }

    /// *Tick-safe.*
    pub(crate) fn stay(&self) -> Stay {
        match self.stay.load(Relaxed) {
            0 => Stay::Own,
            1 => Stay::Away,
            2 => Stay::Expected,
            _ => Stay::Guest,
        }
    }

    /// The session that is here, slot `slot` of thread `thread`: whatever costs time here.
    pub(crate) fn present(&self, thread: u16, slot: u16) -> Option<SessionKey> {
        let serial = self.serial();
        let (thread, slot) = match self.stay() {
            Stay::Own => (thread, slot),
            Stay::Guest => {
                let home = self.home.load(Relaxed);
                ((home >> 16) as u16, home as u16)
            }
            Stay::Away | Stay::Expected => return None,
        };
        let key = SessionKey {
            thread,
            slot,
            serial,
        };
        (serial != 0).then_some(key)
    }

    /// Goes on counting where `from`, the session's slot before, has stopped. *Tick-safe.*
    pub(crate) fn take_over(&self, from: &Self) {
        for (to, from) in self.counters().into_iter().zip(from.counters()) {
            to.set(from.get());
        }
        for (to, from) in [
            (&self.attached, &from.attached),
            (&self.sounding, &from.sounding),
            (&self.awake, &from.awake),
        ] {
            to.store(from.load(Relaxed), Relaxed);
        }
        self.cost.take_over(&from.cost);
    }

    /// It has ticks. *Tick-safe.*
    pub(crate) fn is_awake(&self) -> bool {
        self.awake.load(Relaxed)
    }

    /// Control side: what its session costs, if that is known well and it has ticks.
    pub(crate) fn measured(&self) -> Option<Measured> {
        let known = self.is_awake() && self.cost.is_trusted();
        known.then(|| Measured {
            mean_ns: self.cost.mean_ns(),
            floor_ns: self.cost.floor_ns(),
        })
    }

    fn counters(&self) -> [&Counter; 10] {
        [
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
        ]
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
        self.counters()
            .into_iter()
            .for_each(|counter| counter.set(0));
        self.attached.store(false, Relaxed);
        self.equipped.store(false, Relaxed);
        self.sounding.store(false, Relaxed);
        self.awake.store(false, Relaxed);
        self.cost.reset();
        self.set_stay(Stay::Own);
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
