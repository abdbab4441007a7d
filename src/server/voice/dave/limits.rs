//! How much one client may ask of the delivery service.
//!
//! Every DAVE message it gets earns it two answers (a commit is answered with op 23, or with op 31
//! and a new key package). What it says beyond that comes from a small allowance; when that is used
//! up, the client is closed with 4021. Recoveries cost everybody in the room an epoch, so they have
//! an allowance of their own, earned or not.

use std::time::{Duration, Instant};

use crate::voice::allowance::Allowance;

const ANSWERS_EARNED: u32 = 2;
/// What a client can save up: a room of fifty that joins one by one is far below.
const MAX_SAVED: u32 = 512;

/// The patience with one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    earned: u32,
    unasked: Allowance,
    recoveries: Allowance,
}

impl Patience {
    pub const fn new(now: Instant) -> Self {
        Self {
            earned: 0,
            unasked: Allowance::new(now, 32, Duration::from_millis(250)),
            recoveries: Allowance::new(now, 20, Duration::from_secs(1)),
        }
    }

    /// The client was sent something.
    pub fn earn(&mut self) {
        self.earned = (self.earned + ANSWERS_EARNED).min(MAX_SAVED);
    }

    /// The client says something; false when it has said too much.
    pub fn spend(&mut self, now: Instant) -> bool {
        if self.earned > 0 {
            self.earned -= 1;
            return true;
        }
        self.unasked.spend(now)
    }

    /// The client wants to be removed and added; false when it wants that too often.
    pub fn spend_recovery(&mut self, now: Instant) -> bool {
        self.recoveries.spend(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_free_and_floods_are_not() {
        let now = crate::clock::now();
        let mut patience = Patience::new(now);
        for _ in 0..10_000 {
            patience.earn();
            assert!(patience.spend(now) && patience.spend(now));
        }
        let unasked = (0..1000).take_while(|_| patience.spend(now)).count();
        assert_eq!(unasked, 32);
        assert!(patience.spend(now + Duration::from_millis(250)));
        assert!(!patience.spend(now + Duration::from_millis(251)));
    }

    #[test]
    fn recoveries_run_out_even_when_each_has_a_reason() {
        let now = crate::clock::now();
        let mut patience = Patience::new(now);
        let recoveries = (0..1000)
            .take_while(|_| patience.spend_recovery(now))
            .count();
        assert_eq!(recoveries, 20);
        assert!(patience.spend_recovery(now + Duration::from_secs(2)));
    }
}
