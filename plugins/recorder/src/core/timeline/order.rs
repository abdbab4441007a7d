//! Packets of one stream in the order they were sent: numbers unwrapped, duplicates and strangers out.

use std::collections::BTreeMap;

use super::{Arrived, UNEXPLAINED};
use crate::core::frames_in;
use crate::core::packet::is_quiet;

/// Larger jumps forward are taken for a restart (RFC 3550, appendix A.1: MAX_DROPOUT).
const MOST_FORWARD: i64 = 3_000;

/// Larger jumps backward are taken for a restart (RFC 3550, appendix A.1: MAX_MISORDER).
const MOST_BACKWARD: i64 = 100;

/// A packet whose RTP time differs by more from what its number says is a stranger: 5 s.
const STRANGE_RTP: i64 = 240_000;

/// How long packets of the stream before are taken for late ones, not for its return.
const AFTERMATH_US: u64 = 500_000;

/// Packets waiting at most; at 50 a second this is far more than the hold-back can gather.
const MOST_HELD: usize = 512;

/// Packets that wait for their turn.
#[derive(Debug, Default)]
pub struct Order {
    stream: Option<Stream>,
    before: Option<(u32, u64)>,
    held: BTreeMap<i64, (i64, Arrived)>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    seq: i64,
    rtp: i64,
    arrival_us: u64,
    suspect: Option<Arrived>,
}

/// A waiting packet.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Unwrapped RTP time.
    pub rtp: i64,
    /// When it came.
    pub arrival_us: u64,
    /// Whether it is DTX or silence.
    pub quiet: bool,
}

/// What became of a packet that came in.
#[derive(Debug)]
pub enum Place {
    /// It waits for its turn.
    Held,
    /// Its place is taken, or it came twice.
    Late(Arrived),
    /// It does not fit; the next one decides whether the sender began anew.
    Suspect,
    /// Another stream begins with these packets; put them in again once the old is written.
    NewStream(Vec<Arrived>),
}

impl Order {
    /// Takes a packet in; `next_seq` is the first number that has not been written.
    pub fn put(&mut self, arrived: Arrived, next_seq: Option<i64>) -> Place {
        let Some(stream) = &mut self.stream else {
            self.begin(&arrived);
            return Place::NewStream(vec![arrived]);
        };
        if stream.ssrc != arrived.ssrc {
            if self.before.is_some_and(|(ssrc, since)| {
                ssrc == arrived.ssrc && arrived.arrival_us < since + AFTERMATH_US
            }) {
                return Place::Late(arrived);
            }
            self.before = Some((stream.ssrc, arrived.arrival_us));
            self.begin(&arrived);
            return Place::NewStream(vec![arrived]);
        }
        let step = i64::from(arrived.seq.wrapping_sub(stream.seq as u16).cast_signed());
        let rtp_step = i64::from(arrived.rtp.wrapping_sub(stream.rtp as u32).cast_signed());
        let (seq, rtp) = (stream.seq + step, stream.rtp + rtp_step);
        let backward = step <= 0 && (rtp_step - step * 960).abs() > STRANGE_RTP;
        if !(-MOST_BACKWARD..=MOST_FORWARD).contains(&step) || backward {
            return self.suspect(arrived);
        }
        stream.suspect = None;
        if next_seq.is_some_and(|next| seq < next) || self.held.contains_key(&seq) {
            return Place::Late(arrived);
        }
        if step > 0 {
            stream.seq = seq;
            stream.rtp = rtp;
            stream.arrival_us = stream.arrival_us.max(arrived.arrival_us);
        }
        if self.held.len() >= MOST_HELD {
            return Place::Late(arrived);
        }
        self.held.insert(seq, (rtp, arrived));
        Place::Held
    }

    /// Two strangers in a row are a sender that began anew (RFC 3550, appendix A.1).
    fn suspect(&mut self, arrived: Arrived) -> Place {
        let Some(stream) = &mut self.stream else {
            return Place::Late(arrived);
        };
        match stream.suspect.take() {
            Some(first) if (1..=5).contains(&arrived.seq.wrapping_sub(first.seq)) => {
                self.begin(&first);
                Place::NewStream(vec![first, arrived])
            }
            _ => {
                stream.suspect = Some(arrived);
                Place::Suspect
            }
        }
    }

    fn begin(&mut self, first: &Arrived) {
        self.stream = Some(Stream {
            ssrc: first.ssrc,
            // One before it, and far enough from zero that no step back gets below.
            seq: (1 << 32) + i64::from(first.seq) - 1,
            rtp: (1 << 40) + i64::from(first.rtp),
            arrival_us: first.arrival_us,
            suspect: None,
        });
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The first waiting packet by number.
    pub fn first(&self) -> Option<(i64, Held)> {
        let (seq, (rtp, arrived)) = self.held.first_key_value()?;
        let held = Held {
            rtp: *rtp,
            arrival_us: arrived.arrival_us,
            quiet: is_quiet(&arrived.payload),
        };
        Some((*seq, held))
    }

    /// When the packet that waits longest came.
    pub fn oldest_us(&self) -> Option<u64> {
        self.held.values().map(|(_, held)| held.arrival_us).min()
    }

    /// Takes a packet out.
    pub fn take(&mut self, seq: i64) -> Option<Arrived> {
        self.held.remove(&seq).map(|(_, arrived)| arrived)
    }

    /// The waiting packets of the spurt that begins with the first: arrival and RTP time, in frames.
    pub fn spurt(&self) -> Vec<(i64, i64)> {
        let Some((first_seq, first)) = self.first() else {
            return Vec::new();
        };
        self.held
            .iter()
            .take_while(|(seq, (rtp, _))| {
                (rtp - first.rtp - (**seq - first_seq) * 960).abs() < UNEXPLAINED
            })
            .map(|(_, (rtp, arrived))| (frames_in(arrived.arrival_us) as i64, *rtp))
            .collect()
    }
}
