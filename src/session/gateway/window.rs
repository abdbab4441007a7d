//! The send limit of a gateway connection: 120 payloads in 60 s (gateway.md section 7).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mynah_wire::gateway::{SEND_LIMIT, SEND_WINDOW_S};

const WINDOW: Duration = Duration::from_secs(SEND_WINDOW_S);
/// Payloads kept free for heartbeats, Identify and Resume (gateway.md section 7).
const RESERVED: usize = 5;

/// When the payloads of the last minute were sent. A sliding window, not a bucket: a bucket would
/// allow nearly twice the limit across its refill.
#[derive(Clone, Debug, Default)]
pub struct SendWindow {
    sent: VecDeque<Instant>,
}

impl SendWindow {
    /// A new connection has a new limit.
    pub fn clear(&mut self) {
        self.sent.clear();
    }

    /// A payload goes out.
    pub fn record(&mut self, now: Instant) {
        if self.sent.len() >= SEND_LIMIT as usize {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// `None` when an ordinary payload may be sent now, else when to try again.
    pub fn wait_ordinary(&mut self, now: Instant) -> Option<Instant> {
        self.wait(now, SEND_LIMIT as usize - RESERVED)
    }

    /// True when a heartbeat that the server asked for fits too.
    pub fn has_reserve(&mut self, now: Instant) -> bool {
        self.wait(now, SEND_LIMIT as usize - 1).is_none()
    }

    fn wait(&mut self, now: Instant, limit: usize) -> Option<Instant> {
        while self.sent.front().is_some_and(|at| *at + WINDOW <= now) {
            self.sent.pop_front();
        }
        let excess = self.sent.len().checked_sub(limit)?;
        self.sent.get(excess).map(|at| *at + WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_and_fifteen_go_at_once_and_the_next_waits_a_minute() {
        let start = Instant::now();
        let mut window = SendWindow::default();
        for _ in 0..115 {
            assert_eq!(window.wait_ordinary(start), None);
            window.record(start);
        }
        assert_eq!(window.wait_ordinary(start), Some(start + WINDOW));
        assert!(window.has_reserve(start));
        assert_eq!(window.wait_ordinary(start + WINDOW), None);
    }

    #[test]
    fn heartbeats_have_a_reserve_of_their_own() {
        let start = Instant::now();
        let mut window = SendWindow::default();
        for _ in 0..118 {
            window.record(start);
        }
        assert!(window.has_reserve(start));
        window.record(start);
        assert!(!window.has_reserve(start));
    }

    #[test]
    fn no_minute_ever_sees_more_than_the_limit() {
        let start = Instant::now();
        let mut window = SendWindow::default();
        let mut sent = Vec::new();
        for ms in (0..300_000).step_by(100) {
            let now = start + Duration::from_millis(ms);
            if window.wait_ordinary(now).is_none() {
                window.record(now);
                sent.push(now);
            }
        }
        for (i, at) in sent.iter().enumerate() {
            let within = sent[i..].iter().filter(|t| **t < *at + WINDOW).count();
            assert!(within <= 115, "{within}");
        }
    }
}
