//! Sequence order and reception statistics of one stream (RFC 3550 section 6.4.1, appendix A.1).

use std::time::Instant;

use mynah_wire::rtp::{sequence_distance, timestamp_distance};

use super::Packet;

/// A jump of the sequence beyond this is a new stream, not loss (RFC 3550 A.1, MAX_DROPOUT).
const MAX_DROPOUT: i64 = 3000;
/// A difference in transit beyond a second is a pause of the sender's clock, not jitter.
const MAX_TRANSIT_STEP: f64 = 48_000.0;

/// Reception statistics of one stream; see [`crate::HearStats`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamStats {
    pub packets: u64,
    pub lost: u64,
    pub late: u64,
    pub jitter_ms: f64,
    pub max_gap_ms: f64,
}

/// One packet in its place.
#[derive(Clone, Copy, Debug)]
pub struct Ordered<'a> {
    /// Sequence without wrap-around.
    pub index: i64,
    /// First packet after a jump that is no loss.
    pub restarts: bool,
    /// The packet.
    pub packet: &'a Packet,
}

/// The packets of a stream in sequence, duplicates removed.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    pub packets: Vec<Ordered<'a>>,
    pub stats: StreamStats,
}

impl<'a> Order<'a> {
    /// Orders packets that are given in order of arrival.
    pub fn of(arrived: &'a [Packet]) -> Self {
        let mut stats = StreamStats::default();
        let mut jitter = Jitter::default();
        let mut ordered: Vec<Ordered<'a>> = Vec::with_capacity(arrived.len());
        let mut newest: Option<Ordered<'a>> = None;
        let mut previous: Option<&Packet> = None;
        for packet in arrived {
            let mut place = Ordered {
                index: 0,
                restarts: false,
                packet,
            };
            if let Some(newest) = newest {
                let step = i64::from(sequence_distance(newest.packet.sequence, packet.sequence));
                place.restarts = step.abs() > MAX_DROPOUT;
                place.index = newest.index + if place.restarts { 1 } else { step };
            }
            if let Some(previous) = previous {
                let gap = packet.arrival.saturating_duration_since(previous.arrival);
                stats.max_gap_ms = stats.max_gap_ms.max(gap.as_secs_f64() * 1000.0);
            }
            if !place.restarts
                && let Some(previous) = previous
            {
                jitter.add(previous, packet);
            }
            previous = Some(packet);
            if newest.is_none_or(|newest| place.index > newest.index) {
                newest = Some(place);
            } else if newest.is_some_and(|newest| place.index < newest.index) {
                stats.late += 1;
            }
            ordered.push(place);
        }
        // Stable: of two copies the first to arrive stays.
        ordered.sort_by_key(|place| place.index);
        let with_copies = ordered.len();
        ordered.dedup_by_key(|place| place.index);
        // A late copy of a packet that had come in time is no late packet.
        stats.late = stats
            .late
            .saturating_sub((with_copies - ordered.len()) as u64);
        stats.packets = ordered.len() as u64;
        if let (Some(first), Some(last)) = (ordered.first(), ordered.last()) {
            let expected = u64::try_from(last.index - first.index + 1).unwrap_or(0);
            stats.lost = expected.saturating_sub(stats.packets);
        }
        stats.jitter_ms = jitter.estimate / 48.0;
        Self {
            packets: ordered,
            stats,
        }
    }
}

/// The interarrival jitter of RFC 3550 section 6.4.1, in timestamp units.
#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    estimate: f64,
}

impl Jitter {
    fn add(&mut self, previous: &Packet, packet: &Packet) {
        let sent = f64::from(timestamp_distance(previous.timestamp, packet.timestamp));
        let arrived = signed_seconds(previous.arrival, packet.arrival) * 48_000.0;
        let difference = (arrived - sent).abs();
        if difference <= MAX_TRANSIT_STEP {
            self.estimate += (difference - self.estimate) / 16.0;
        }
    }
}

fn signed_seconds(from: Instant, to: Instant) -> f64 {
    if to >= from {
        to.duration_since(from).as_secs_f64()
    } else {
        -from.duration_since(to).as_secs_f64()
    }
}
