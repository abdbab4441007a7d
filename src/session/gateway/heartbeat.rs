//! Heartbeats of the main gateway (gateway.md section 4).

use std::time::{Duration, Instant};

use mynah_wire::rng::Rng;

/// Bounds on the server's interval: a wrong one must neither flood nor starve the connection.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(600);

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Send a beat.
    Beat,
    /// The last beat was never acknowledged: the connection is a zombie.
    Zombie,
}

/// Schedule of one connection's heartbeats.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    interval: Duration,
    next: Instant,
    acknowledged: bool,
}

impl Heartbeat {
    /// Starts at Hello: the first beat comes after a random part of the interval, so that clients
    /// reconnecting together do not beat together.
    pub fn start(now: Instant, interval_ms: u64, rng: &mut Rng) -> Self {
        let interval = Duration::from_millis(interval_ms).clamp(SHORTEST, LONGEST);
        Self {
            interval,
            next: now + interval.mul_f64(rng.unit_f64()),
            acknowledged: true,
        }
    }

    /// When the next beat is due.
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// An op 11 arrived.
    pub const fn acknowledge(&mut self) {
        self.acknowledged = true;
    }

    /// What is due at `now`; a beat is scheduled anew.
    pub fn advance(&mut self, now: Instant) -> Due {
        if now < self.next {
            return Due::Nothing;
        }
        if !self.acknowledged {
            return Due::Zombie;
        }
        self.acknowledged = false;
        self.next += self.interval;
        if self.next <= now {
            // The machine slept (a suspended laptop): one beat, not a burst of missed ones.
            self.next = now + self.interval;
        }
        Due::Beat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_beat_is_jittered_and_the_rest_keep_the_schedule() {
        let start = Instant::now();
        let mut firsts = Vec::new();
        for seed in 0..20 {
            let mut beat = Heartbeat::start(start, 40_000, &mut Rng::new(seed));
            let first = beat.next();
            assert!(first < start + Duration::from_secs(40));
            firsts.push(first);
            assert_eq!(beat.advance(first), Due::Beat);
            beat.acknowledge();
            let late = first + Duration::from_secs(43);
            assert_eq!(beat.advance(late), Due::Beat);
            assert_eq!(beat.next(), first + Duration::from_secs(80));
        }
        firsts.sort_unstable();
        assert!(firsts.last().unwrap().duration_since(firsts[0]) > Duration::from_secs(20));
    }

    #[test]
    fn an_unacknowledged_beat_means_zombie() {
        let start = Instant::now();
        let mut beat = Heartbeat::start(start, 1000, &mut Rng::new(1));
        assert_eq!(beat.advance(start + Duration::from_secs(1)), Due::Beat);
        assert_eq!(beat.advance(start + Duration::from_secs(2)), Due::Zombie);
    }

    #[test]
    fn silly_intervals_are_bounded() {
        let start = Instant::now();
        let mut beat = Heartbeat::start(start, 0, &mut Rng::new(1));
        beat.advance(start + Duration::from_secs(1));
        assert_eq!(beat.next(), start + Duration::from_secs(1) + SHORTEST);
        let far = Heartbeat::start(start, u64::MAX, &mut Rng::new(1));
        assert!(far.next() <= start + LONGEST);
    }
}
