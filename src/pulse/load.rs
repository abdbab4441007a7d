//! The overload ladder: what a tick thread gives up first when it has too much to do.

use std::time::Duration;

use crate::wheel::{PHASES, WAKE_NS};

/// Complexities to fall back to, in order. libopus knows only about four different efforts for
/// music (design/crates.md 1.2), each costing roughly three quarters of the one before.
const LADDER: [u8; 4] = [10, 7, 5, 1];

/// A round of wakes: 20 ms.
pub(crate) const ROUND_NS: u64 = PHASES as u64 * WAKE_NS;

/// Busy for more than 80 % of the last four wakes, ten times in a row: one rung down
/// (design/architecture.md B6).
const TOO_BUSY_NS: u64 = PHASES as u64 * WAKE_NS * 8 / 10;
const TOO_BUSY_WAKES: u32 = 10;

/// At the bottom and still too busy, frames are left out: each time so many more of every eight.
const SHED_OF: u64 = 8;
const MOST_SHED: u8 = 6;

/// One of these frames less after half a second below 60 %.
const EASY_NS: u64 = PHASES as u64 * WAKE_NS * 6 / 10;
const EASY_WAKES: u32 = 100;

/// Work for each 20 ms that a thread may promise: the same 80 %.
pub(crate) const CAPACITY_NS: u64 = TOO_BUSY_NS;

/// What a session costs that has not been measured, at its configured complexity (src/README.md).
pub(crate) const EXPECTED_NS: u64 = 130_000;
/// The same at the bottom of the ladder.
pub(crate) const EXPECTED_FLOOR_NS: u64 = 60_000;

/// What is left of a frame's cost at the bottom of the ladder, percent, by the complexity it was
/// measured at: 108, 85, 61 and 50 us to encode one (src/README.md), and 10 us for the rest.
pub(crate) fn floor_percent(complexity: u8) -> u64 {
    match complexity {
        8.. => 51,
        6..=7 => 63,
        2..=5 => 85,
        0..=1 => 100,
    }
}

/// One rung up again after two seconds below 40 %: what the rung won back must not lose it again.
const CALM_NS: u64 = PHASES as u64 * WAKE_NS * 4 / 10;
const CALM_WAKES: u32 = 400;

/// How long a refused caller should wait: two seconds of calm are needed for a rung.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How hard a thread has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strain {
    /// Not at all.
    None,
    /// It has much to do.
    Busy,
    /// It has lowered the complexity of its encoders.
    Saving,
}

/// Watches how busy the thread is.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Work in each of the last four wakes.
    last_ns: [u64; PHASES],
    at: usize,
    busy_wakes: u32,
    easy_wakes: u32,
    calm_wakes: u32,
    rung: usize,
    overloaded: bool,
    /// Of every eight frames so many are left out.
    shed: u8,
}

impl Load {
    /// Counts `busy_ns` of work, spread over `wakes` wakes. *Tick-safe.*
    pub(crate) fn note(&mut self, busy_ns: u64, wakes: u64) {
        let wakes = wakes.max(1);
        // More than a few missed wakes at once say nothing more.
        for _ in 0..wakes.min(PHASES as u64) {
            if let Some(slot) = self.last_ns.get_mut(self.at) {
                *slot = busy_ns / wakes;
            }
            self.at = (self.at + 1) % PHASES;
            self.judge();
        }
    }

    fn judge(&mut self) {
        let busy_ns: u64 = self.last_ns.iter().sum();
        self.busy_wakes = if busy_ns > TOO_BUSY_NS {
            self.busy_wakes + 1
        } else {
            0
        };
        self.calm_wakes = if busy_ns < CALM_NS {
            self.calm_wakes + 1
        } else {
            0
        };
        self.easy_wakes = if busy_ns < EASY_NS {
            self.easy_wakes + 1
        } else {
            0
        };
        if self.easy_wakes >= EASY_WAKES {
            self.easy_wakes = 0;
            self.shed = self.shed.saturating_sub(1);
        }
        if self.busy_wakes >= TOO_BUSY_WAKES {
            self.busy_wakes = 0;
            if self.overloaded {
                self.shed = (self.shed + 1).min(MOST_SHED);
            }
            self.overloaded = self.rung + 1 >= LADDER.len();
            self.rung = (self.rung + 1).min(LADDER.len() - 1);
        }
        if self.calm_wakes >= CALM_WAKES {
            self.calm_wakes = 0;
            self.overloaded = false;
            self.rung = self.rung.saturating_sub(1);
        }
    }

    /// The highest complexity any encoder may use now. *Tick-safe.*
    pub(crate) fn complexity(&self) -> u8 {
        LADDER.get(self.rung).copied().unwrap_or(1)
    }

    /// True when the frame of `tick` of the session in `slot` is to be left out. Everybody is hit
    /// as often, and not all at once. *Tick-safe.*
    pub(crate) fn sheds(&self, tick: u64, slot: usize) -> bool {
        // Three is coprime to eight: the frames left out are spread, not in a row.
        let turn = (tick.wrapping_mul(3).wrapping_add(slot as u64)) % SHED_OF;
        turn < u64::from(self.shed)
    }

    /// Of every eight frames so many are left out. *Tick-safe.*
    pub(crate) fn shed(&self) -> u8 {
        self.shed
    }

    /// 0 is the top: everything as configured. *Tick-safe.*
    pub(crate) fn rung(&self) -> u8 {
        self.rung as u8
    }

    /// At the bottom and still too busy: no more sessions. *Tick-safe.*
    pub(crate) fn is_overloaded(&self) -> bool {
        self.overloaded
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_steps_down_and_refuses_only_at_the_bottom() {
        let mut load = Load::default();
        let mut seen = vec![load.complexity()];
        for _ in 0..60 {
            load.note(WAKE_NS * 9 / 10, 1);
            if seen.last() != Some(&load.complexity()) {
                assert!(!load.is_overloaded());
                seen.push(load.complexity());
            }
        }
        assert_eq!(seen, LADDER);
        assert!(load.is_overloaded());
    }

    #[test]
    fn beyond_the_bottom_frames_are_left_out_evenly_and_come_back() {
        let mut load = Load::default();
        (0..60).for_each(|_| load.note(WAKE_NS * 9 / 10, 1));
        assert!(load.is_overloaded());
        (0..30).for_each(|_| load.note(WAKE_NS * 9 / 10, 1));
        let shed = load.shed();
        assert!((2..=5).contains(&shed), "{shed}");
        for slot in 0..20 {
            let left_out = (100..108).filter(|tick| load.sheds(*tick, slot)).count();
            assert_eq!(left_out, usize::from(shed), "slot {slot}");
        }
        for tick in 100..108 {
            let left_out = (0..8).filter(|slot| load.sheds(tick, *slot)).count();
            assert_eq!(left_out, usize::from(shed), "tick {tick}");
        }
        (0..1000).for_each(|_| load.note(WAKE_NS / 2, 1));
        assert_eq!(load.shed(), 0);
        assert!(load.is_overloaded(), "half busy is not calm");
        (0..10_000).for_each(|_| load.note(WAKE_NS, 1));
        assert_eq!(load.shed(), MOST_SHED, "something is always heard");
    }

    #[test]
    fn one_long_wake_changes_nothing() {
        let mut load = Load::default();
        load.note(WAKE_NS * 50, 1);
        for _ in 0..3 {
            load.note(0, 1);
        }
        assert_eq!(load.rung(), 0);
    }

    #[test]
    fn calm_brings_the_quality_back() {
        let mut load = Load::default();
        (0..100).for_each(|_| load.note(WAKE_NS, 1));
        assert!(load.is_overloaded());
        (0..3 * CALM_WAKES + 10).for_each(|_| load.note(WAKE_NS / 10, 1));
        assert_eq!(load.complexity(), 10);
        assert!(!load.is_overloaded());
    }
}
