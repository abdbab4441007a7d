//! Spacing of retries: doubling with jitter, so that a thousand clients do not return as one.

use std::time::Duration;

use mynah_wire::rng::Rng;

/// The first pause is at most this long (gateway.md section 6).
pub const FIRST: Duration = Duration::from_secs(1);
/// No pause is longer than this (gateway.md section 6).
pub const LONGEST: Duration = Duration::from_secs(60);

/// Doubling pauses with jitter.
///
/// Each pause lies in the upper half of its step (between 50 % and 100 %): the half keeps a retry
/// from coming at once, the jitter spreads clients that lost the same server.
#[derive(Clone, Debug)]
pub struct Backoff {
    rng: Rng,
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    /// From [`FIRST`] to [`LONGEST`]; the jitter follows from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self::between(seed, FIRST, LONGEST)
    }

    /// Steps of `first`, `2 * first`, ... but never more than `longest`.
    pub const fn between(seed: u64, first: Duration, longest: Duration) -> Self {
        Self {
            rng: Rng::new(seed),
            first,
            longest,
            attempts: 0,
        }
    }

    /// The next pause; each call counts as one more failed attempt.
    #[must_use = "a pause that is not kept is a retry storm"]
    pub fn pause(&mut self) -> Duration {
        let step = self
            .first
            .saturating_mul(1u32.checked_shl(self.attempts.min(31)).unwrap_or(u32::MAX))
            .min(self.longest);
        self.attempts = self.attempts.saturating_add(1);
        step.mul_f64(0.5 + 0.5 * self.rng.unit_f64())
    }

    /// Failed attempts since the last [`reset`](Self::reset).
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The connection proved stable: the next pause is short again.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_stay_within_their_jitter() {
        for seed in 0..50 {
            let mut backoff = Backoff::new(seed);
            for step_s in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
                let step = Duration::from_secs(step_s);
                let pause = backoff.pause();
                assert!(pause >= step / 2 && pause <= step, "seed {seed}: {pause:?}");
            }
        }
    }

    #[test]
    fn seeds_spread_the_first_pause() {
        let first = |seed| Backoff::new(seed).pause();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn a_reset_starts_over_and_many_attempts_never_overflow() {
        let mut backoff = Backoff::new(3);
        for _ in 0..10_000 {
            assert!(backoff.pause() <= LONGEST);
        }
        assert_eq!(backoff.attempts(), 10_000);
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
