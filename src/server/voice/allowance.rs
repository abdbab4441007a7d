//! A bucket of things somebody may do, refilled with time.

use std::time::{Duration, Instant};

/// Full at the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    left: u32,
    size: u32,
    refill: Duration,
    since: Instant,
}

impl Allowance {
    /// `size` at once, and one more after every `refill`.
    pub const fn new(now: Instant, size: u32, refill: Duration) -> Self {
        Self {
            left: size,
            size,
            refill,
            since: now,
        }
    }

    /// Takes one; false when there is none.
    pub fn spend(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.since);
        let earned = elapsed.as_millis() / self.refill.as_millis().max(1);
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(self.size);
            self.since = now;
        }
        let can = self.left > 0;
        self.left = self.left.saturating_sub(1);
        can
    }
}
