//! What the server tells a member about the stream it sends: RTCP receiver reports (RFC 3550
//! section 6.4.2), sealed like all media (voice.md section 8).
//!
//! Discord's server sends them to bots (voice.md section 9). The reader threads of discord.py and
//! py-cord even depend on some datagram after the discovery answer: until one comes they sleep on
//! the socket they had then, up to 30 s, and miss the answer after a move.

use std::time::{Duration, Instant};

use mynah_wire::Ssrc;
use mynah_wire::rtp::{Header, sequence_distance};

/// The least interval of RFC 3550 section 6.2. The first report of a unicast stream may come at
/// once (same section), and does.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// Header with one report block, in bytes.
pub(super) const MAX_BYTES: usize = 32;

/// Version 2; the low five bits count blocks.
const VERSION: u8 = 0x80;
const RECEIVER_REPORT: u8 = 201;
/// 48 kHz, the clock of all Discord audio.
const TICKS_PER_MS: u128 = 48;

/// The statistics of one incoming stream.
#[derive(Debug, Default)]
pub(super) struct Reception {
    first: Option<(Instant, u32)>,
    /// Extended by the number of wraps.
    newest: u32,
    received: u32,
    /// Of the last packet: arrival minus timestamp, in ticks.
    transit: Option<u32>,
    /// Smoothed difference of transits, times 16.
    jitter_x16: u32,
    /// Expected and received packets at the last report.
    reported: (u32, u32),
}

impl Reception {
    /// One authentic packet.
    pub fn count(&mut self, now: Instant, header: &Header) {
        let sequence = u32::from(header.sequence);
        let (start, _) = *self.first.get_or_insert((now, sequence));
        if self.received == 0 {
            self.newest = sequence;
        }
        // The low half is the sequence number on the wire.
        let ahead = sequence_distance(self.newest as u16, header.sequence);
        if let Ok(ahead @ 1..) = u32::try_from(ahead) {
            self.newest = self.newest.wrapping_add(ahead);
        }
        self.received = self.received.wrapping_add(1);
        let arrival = (now - start).as_micros() * TICKS_PER_MS / 1000;
        // Only differences matter, so both clocks may wrap.
        let transit = (arrival as u32).wrapping_sub(header.timestamp);
        let before = self.transit.replace(transit).unwrap_or(transit);
        // RFC 3550 appendix A.8.
        let change = (transit.wrapping_sub(before) as i32).unsigned_abs();
        let smoothed = self.jitter_x16.saturating_add(change);
        self.jitter_x16 = smoothed.saturating_sub((self.jitter_x16 + 8) >> 4);
    }

    /// The report and its length; without a block while nothing came. Real ones name the stream
    /// both as reporter and as reported (discord.py issue 2225).
    pub fn report(&mut self, ssrc: Ssrc) -> ([u8; MAX_BYTES], usize) {
        let mut bytes = [0; MAX_BYTES];
        let mut put = |at: usize, value: &[u8]| {
            if let Some(slot) = bytes.get_mut(at..at + value.len()) {
                slot.copy_from_slice(value);
            }
        };
        put(4, &ssrc.get().to_be_bytes());
        let Some((_, first)) = self.first else {
            put(0, &[VERSION, RECEIVER_REPORT, 0, 1]);
            return (bytes, 8);
        };
        let expected = self.newest.wrapping_sub(first).wrapping_add(1);
        let lost = expected.saturating_sub(self.received).min(0x7F_FFFF);
        let expected_now = expected.wrapping_sub(self.reported.0);
        let received_now = self.received.wrapping_sub(self.reported.1);
        let lost_now = u64::from(expected_now.saturating_sub(received_now));
        let fraction = (lost_now << 8) / u64::from(expected_now.max(1));
        self.reported = (expected, self.received);
        put(0, &[VERSION | 1, RECEIVER_REPORT, 0, 7]);
        put(8, &ssrc.get().to_be_bytes());
        put(12, &lost.to_be_bytes()); // three bytes; the fraction takes the first of the four
        put(12, &[fraction.min(255) as u8]);
        put(16, &self.newest.to_be_bytes());
        put(20, &(self.jitter_x16 >> 4).to_be_bytes());
        // No sender reports are read, so the last two fields stay 0 (RFC 3550 section 6.4.1).
        (bytes, MAX_BYTES)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn word(report: &[u8; MAX_BYTES], at: usize) -> u32 {
        u32::from_be_bytes([report[at], report[at + 1], report[at + 2], report[at + 3]])
    }

    fn packet(sequence: u16) -> Header {
        Header::opus(sequence, u32::from(sequence) * 960, Ssrc(5))
    }

    #[test]
    fn a_silent_member_gets_a_report_without_a_block() {
        let (bytes, length) = Reception::default().report(Ssrc(5));
        assert_eq!(bytes[..length], [0x80, 201, 0, 1, 0, 0, 0, 5]);
    }

    #[test]
    fn a_sender_learns_what_came_and_what_was_lost_since_the_last_report() {
        let mut stream = Reception::default();
        let start = crate::clock::now();
        for (step, sequence) in [65_534, 65_535, 2, 3].into_iter().enumerate() {
            let sent = if step < 2 { step } else { step + 2 };
            stream.count(
                start + Duration::from_millis(20) * sent as u32,
                &packet(sequence),
            );
        }
        let (report, length) = stream.report(Ssrc(5));
        assert_eq!((length, report[0], word(&report, 8)), (32, 0x81, 5));
        assert_eq!(word(&report, 12), (2 * 256 / 6) << 24 | 2, "two of six");
        assert_eq!(word(&report, 16), 0x1_0003, "one wrap");
        stream.count(start + Duration::from_millis(120), &packet(4));
        let (report, _) = stream.report(Ssrc(5));
        assert_eq!(word(&report, 12), 2, "nothing lost since");
    }

    #[test]
    fn jitter_follows_uneven_arrivals_and_not_even_ones() {
        let jitter = |uneven_ms: u64| {
            let mut stream = Reception::default();
            let start = crate::clock::now();
            for sequence in 0..500_u16 {
                let late = if sequence % 2 == 0 { 0 } else { uneven_ms };
                let at = Duration::from_millis(u64::from(sequence) * 20 + late);
                stream.count(start + at, &packet(sequence));
            }
            word(&stream.report(Ssrc(5)).0, 20)
        };
        assert_eq!(jitter(0), 0);
        assert!(jitter(10).abs_diff(480) < 10, "{}", jitter(10));
    }
}
