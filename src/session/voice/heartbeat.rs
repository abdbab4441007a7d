//! Heartbeats of the voice gateway, version 8 (voice.md section 2, "Heartbeat").

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mynah_wire::voice::{Heartbeat as Body, op, write};

/// Bounds on the server's interval: a wrong one must neither flood nor starve the connection.
const SHORTEST_MS: f64 = 100.0;
const LONGEST_MS: f64 = 300_000.0;
/// This many beats without an answer mean a dead connection (voice.md section 2).
const MISSED_LIMIT: usize = 2;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Send this beat.
    Beat(String),
    /// Nobody answers any more.
    Dead,
}

/// Schedule and answers of one connection's heartbeats.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    started: Instant,
    interval: Duration,
    next: Instant,
    unanswered: VecDeque<(u64, Instant)>,
}

impl Heartbeat {
    /// Starts at Hello; the first beat comes after one interval. The interval may be a float, and
    /// from a broken server anything.
    pub fn start(now: Instant, interval_ms: f64) -> Self {
        let ms = if interval_ms.is_finite() {
            interval_ms.clamp(SHORTEST_MS, LONGEST_MS)
        } else {
            LONGEST_MS
        };
        let interval = Duration::from_secs_f64(ms / 1000.0);
        Self {
            started: now,
            interval,
            next: now + interval,
            unanswered: VecDeque::new(),
        }
    }

    /// When the next beat is due.
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// What is due at `now`; `seq_ack` is the last sequence received.
    pub fn advance(&mut self, now: Instant, seq_ack: Option<u16>) -> Due {
        if now < self.next {
            return Due::Nothing;
        }
        if self.unanswered.len() >= MISSED_LIMIT {
            return Due::Dead;
        }
        self.next += self.interval;
        if self.next <= now {
            self.next = now + self.interval;
        }
        Due::Beat(self.beat(now, seq_ack))
    }

    /// One beat, also outside the schedule when the server asks for it.
    pub fn beat(&mut self, now: Instant, seq_ack: Option<u16>) -> String {
        let since = now.saturating_duration_since(self.started).as_millis();
        let t = u64::try_from(since).unwrap_or(u64::MAX >> 11);
        // Unasked-for beats are few, but a hostile server may ask without end.
        if self.unanswered.len() < 2 * MISSED_LIMIT {
            self.unanswered.push_back((t, now));
        }
        let seq_ack = seq_ack.map_or(-1, i32::from);
        write(op::HEARTBEAT, &Body::Acked { t, seq_ack })
    }

    /// An answer arrived; the round trip if it belongs to a beat of ours.
    pub fn answered(&mut self, now: Instant, t: Option<u64>) -> Option<Duration> {
        let sent = self
            .unanswered
            .iter()
            .find(|(ours, _)| Some(*ours) == t)
            .map(|(_, at)| *at);
        self.unanswered.clear();
        sent.map(|at| now.saturating_duration_since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_carry_the_last_sequence_and_measure_the_round_trip() {
        let start = Instant::now();
        let mut beat = Heartbeat::start(start, 13_750.0);
        let due = start + Duration::from_millis(13_750);
        assert_eq!(beat.advance(start, None), Due::Nothing);
        assert_eq!(
            beat.advance(due, None),
            Due::Beat(r#"{"op":3,"d":{"t":13750,"seq_ack":-1}}"#.to_owned())
        );
        let trip = Duration::from_millis(42);
        assert_eq!(beat.answered(due + trip, Some(13_750)), Some(trip));
        let Due::Beat(text) = beat.advance(due + Duration::from_secs(14), Some(9)) else {
            panic!("a beat was due");
        };
        assert!(text.contains("\"seq_ack\":9"));
        assert_eq!(beat.answered(due, Some(1)), None);
    }

    #[test]
    fn two_unanswered_beats_mean_dead() {
        let start = Instant::now();
        let mut beat = Heartbeat::start(start, 1000.0);
        let at = |s| start + Duration::from_secs(s);
        assert!(matches!(beat.advance(at(1), None), Due::Beat(_)));
        assert!(matches!(beat.advance(at(2), None), Due::Beat(_)));
        assert_eq!(beat.advance(at(3), None), Due::Dead);
    }

    #[test]
    fn silly_intervals_are_bounded() {
        let start = Instant::now();
        for (given, ms) in [
            (-5.0, 100),
            (0.0, 100),
            (f64::NAN, 300_000),
            (f64::INFINITY, 300_000),
            (1e300, 300_000),
        ] {
            let beat = Heartbeat::start(start, given);
            assert_eq!(beat.next(), start + Duration::from_millis(ms));
        }
    }
}
