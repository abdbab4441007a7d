//! Where a packet belongs in its stream: sequence and timestamp unwrapped, doubles found, and the
//! moment noticed when a sender begins anew.

use std::time::Instant;

use super::JitterPacket;
use super::clock::between;

/// Packets that may be missing in a row within one stream (RFC 3550 appendix A.1, `MAX_DROPOUT`).
const MAX_AHEAD: i64 = 3000;
/// Packets that one may be late by and still be recognised.
const MAX_BEHIND: i64 = 127;
/// After a pause of so long nothing of before is still on the way.
const FORGOTTEN_NS: i64 = 10_000_000_000;
/// How much a timestamp may be ahead of the time that has passed: 10 s of sample frames.
const MAX_LEAP: i64 = 480_000;
/// The longest packet, sample frames (RFC 6716 section 3.2.5).
const LONGEST: i64 = 5760;

/// Where a packet is in the stream, both without wrap. The low bits are those of RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: i64,
    pub(super) timestamp: i64,
}

#[derive(Debug)]
pub(super) enum Verdict {
    Placed(Place),
    Duplicate,
    Doubtful,
    /// A new stream begins with `first`, if that was doubtful before, and goes on at `place`.
    Restarted {
        first: Option<(Place, JitterPacket)>,
        place: Place,
    },
}

/// The stream so far.
#[derive(Debug)]
struct Known {
    /// The newest packet.
    top: Place,
    arrival: Instant,
    /// Which of the last 128 came; bit 0 is the newest.
    came: u128,
}

#[derive(Debug, Default)]
pub(super) struct Order {
    known: Option<Known>,
    /// A packet that belongs to no stream.
    doubtful: Option<JitterPacket>,
}

impl Order {
    pub(super) fn place(&mut self, packet: &JitterPacket) -> Verdict {
        let Some(known) = &mut self.known else {
            return Verdict::Placed(self.begin(packet));
        };
        let place = known.top.unwrapped(packet);
        let passed_ns = between(known.arrival, packet.arrival);
        if known.is_plausible(place, passed_ns) {
            self.doubtful = None;
            return match known.note(place, packet.arrival) {
                true => Verdict::Placed(place),
                false => Verdict::Duplicate,
            };
        }
        if passed_ns > FORGOTTEN_NS {
            self.doubtful = None;
            let place = self.begin(packet);
            return Verdict::Restarted { first: None, place };
        }
        match self.doubtful.take() {
            Some(first) if follows(&first, packet) => {
                let before = self.begin(&first);
                let place = before.unwrapped(packet);
                if let Some(known) = &mut self.known {
                    known.note(place, packet.arrival);
                }
                let first = Some((before, first));
                Verdict::Restarted { first, place }
            }
            _ => {
                self.doubtful = Some(packet.clone());
                Verdict::Doubtful
            }
        }
    }

    /// A stream begins with `packet`, beyond everything before it.
    fn begin(&mut self, packet: &JitterPacket) -> Place {
        let beyond = |before: i64, bits: u32| ((before >> bits) + 1).wrapping_shl(bits);
        let (sequence, timestamp) = match &self.known {
            Some(known) => (known.top.sequence, known.top.timestamp),
            None => (0, 0),
        };
        let top = Place {
            sequence: beyond(sequence, 16) + i64::from(packet.sequence),
            timestamp: beyond(timestamp, 32) + i64::from(packet.timestamp),
        };
        self.known = Some(Known {
            top,
            arrival: packet.arrival,
            came: 1,
        });
        top
    }
}

impl Place {
    /// The place of a packet near this one.
    fn unwrapped(self, packet: &JitterPacket) -> Self {
        let steps = packet.sequence.wrapping_sub(self.sequence as u16) as i16;
        let frames = packet.timestamp.wrapping_sub(self.timestamp as u32) as i32;
        Self {
            sequence: self.sequence + i64::from(steps),
            timestamp: self.timestamp + i64::from(frames),
        }
    }
}

impl Known {
    fn is_plausible(&self, place: Place, passed_ns: i64) -> bool {
        let steps = place.sequence - self.top.sequence;
        let frames = place.timestamp - self.top.timestamp;
        if steps <= 0 {
            return steps >= -MAX_BEHIND && frames <= 0 && (steps < 0 || frames == 0);
        }
        // 48 frames to the millisecond.
        let passed = passed_ns.max(0) / 1_000_000 * 48;
        let most = (steps * LONGEST).max(passed.saturating_add(MAX_LEAP));
        steps <= MAX_AHEAD && frames > 0 && frames <= most
    }

    /// Takes note of a plausible place; false when it is known already.
    fn note(&mut self, place: Place, arrival: Instant) -> bool {
        let steps = place.sequence - self.top.sequence;
        if steps > 0 {
            let moved = u32::try_from(steps).ok();
            self.came = moved.and_then(|by| self.came.checked_shl(by)).unwrap_or(0) | 1;
            self.top = place;
            self.arrival = arrival;
            return true;
        }
        let bit = 1u128 << (-steps).clamp(0, MAX_BEHIND);
        let is_new = self.came & bit == 0;
        self.came |= bit;
        is_new
    }
}

/// `next` comes right after `first` in a stream.
fn follows(first: &JitterPacket, next: &JitterPacket) -> bool {
    let frames = next.timestamp.wrapping_sub(first.timestamp) as i32;
    next.sequence == first.sequence.wrapping_add(1) && (1..=MAX_LEAP).contains(&i64::from(frames))
}
