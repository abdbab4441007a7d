//! How a stream travels: loss and jitter from its packets' numbers alone (RFC 3550, appendix A.3 and
//! A.8).

use std::time::{Duration, Instant};

use mynah_wire::rtp::{sequence_distance, timestamp_distance};

/// A jump of more than this many packets is a new beginning, not a loss (RFC 3550, appendix A.1).
const MAX_DROPOUT: i16 = 3000;
/// Frames of the media clock in a second.
const RATE: f64 = 48_000.0;

/// The numbers of one stream.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    last: Option<Last>,
    /// Packets that came.
    received: u64,
    /// Packets that should have come, by their numbers.
    expected: u64,
    jitter_frames: f64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    sequence: u16,
    timestamp: u32,
    arrival: Instant,
}

impl Flow {
    /// Takes the numbers of a packet that came.
    pub fn note(&mut self, sequence: u16, timestamp: u32, arrival: Instant) {
        self.received += 1;
        let this = Last {
            sequence,
            timestamp,
            arrival,
        };
        let Some(last) = self.last else {
            self.expected += 1;
            self.last = Some(this);
            return;
        };
        let ahead = sequence_distance(last.sequence, sequence);
        match ahead {
            // Old or double: it was expected before.
            ..=0 if ahead > -MAX_DROPOUT => return,
            1..=MAX_DROPOUT => self.expected += u64::from(ahead.unsigned_abs()),
            _ => self.expected += 1,
        }
        let sent = f64::from(timestamp_distance(last.timestamp, timestamp));
        let came = arrival
            .saturating_duration_since(last.arrival)
            .as_secs_f64()
            * RATE;
        // After a pause the clock may have stood still: that says nothing of the network.
        if ahead == 1 && sent > 0.0 && sent < RATE {
            self.jitter_frames += ((came - sent).abs() - self.jitter_frames) / 16.0;
        }
        self.last = Some(this);
    }

    /// Nobody listens for a while: the next packet is a new beginning, whatever its number.
    pub const fn rest(&mut self) {
        self.last = None;
    }

    /// Packets that came, doubles included.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Packets that never came, so far.
    pub const fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    /// How unevenly they come (RFC 3550, section 6.4.1).
    pub fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter_frames.max(0.0) / RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_over_the_wrap_and_late_packets_are_none() {
        let (mut flow, start) = (Flow::default(), Instant::now());
        let numbers = [65_533_u16, 65_534, 0, 65_535, 1, 5, 3];
        for (at, sequence) in numbers.into_iter().enumerate() {
            let arrival = start + Duration::from_millis(20 * at as u64);
            let timestamp = 960 * u32::from(sequence.wrapping_sub(65_533));
            flow.note(sequence, timestamp, arrival);
        }
        // 65533 to 5 are nine packets; 2 and 4 never came.
        assert_eq!((flow.received(), flow.lost()), (7, 2));
    }

    #[test]
    fn what_passed_while_nobody_listened_is_no_loss() {
        let (mut flow, start) = (Flow::default(), Instant::now());
        flow.note(10, 9_600, start);
        flow.note(12, 11_520, start + Duration::from_millis(40));
        flow.rest();
        flow.note(500, 480_000, start + Duration::from_secs(10));
        flow.note(501, 480_960, start + Duration::from_millis(10_020));
        assert_eq!((flow.received(), flow.lost()), (4, 1));
        assert!(flow.jitter() < Duration::from_micros(10), "{flow:?}");
    }

    #[test]
    fn another_beginning_is_no_loss_and_an_even_stream_has_no_jitter() {
        let (mut flow, start) = (Flow::default(), Instant::now());
        for at in 0..100_u32 {
            let sequence = if at < 50 { 100 + at } else { 40_000 + at } as u16;
            let arrival = start + Duration::from_millis(20 * u64::from(at));
            flow.note(sequence, 960 * at, arrival);
        }
        assert_eq!(flow.lost(), 0);
        assert!(flow.jitter() < Duration::from_micros(10), "{flow:?}");
    }
}
