//! The overload ladder: what a tick thread gives up first when it has too much to do.

use std::time::Duration;

use crate::wheel::{PHASES, WAKE_NS};

/// Complexities to fall back to, in order. libopus knows only about four different efforts for
/// music (design/crates.md 1.2), each costing roughly three quarters of the one before.
const LADDER: [u8; 4] = [10, 7, 5, 1];

/// Busy for more than 80 % of the last four wakes, ten times in a row: one rung down
/// (design/architecture.md B6).
const TOO_BUSY_NS: u64 = PHASES as u64 * WAKE_NS * 8 / 10;
const TOO_BUSY_WAKES: u32 = 10;

/// One rung up again after two seconds below 40 %: what the rung won back must not lose it again.
const CALM_NS: u64 = PHASES as u64 * WAKE_NS * 4 / 10;
const CALM_WAKES: u32 = 400;

/// How long a refused caller should wait: two seconds of calm are needed for a rung.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Watches how busy the thread is.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Work in each of the last four wakes.
    last_ns: [u64; PHASES],
    at: usize,
    busy_wakes: u32,
    calm_wakes: u32,
    rung: usize,
    overloaded: bool,
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
        if self.busy_wakes >= TOO_BUSY_WAKES {
            self.busy_wakes = 0;
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
