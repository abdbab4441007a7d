//! The timeline of one person: packets in whatever order the network has them go in, an unbroken line of
//! sound, concealment and silence comes out.
//!
//! Within a talkspurt the RTP time rules; each spurt is anchored by [`Clock`]. What is lost inside a spurt is
//! concealed, never closed up; between spurts there is silence. Where the line has crept away from the clock
//! (crystals differ by up to 100 ppm) it is set right where nobody hears it: at losses, at DTX and silence
//! packets, and only when none comes for long by one packet left out or 10 ms concealed.

use std::collections::VecDeque;

use super::clock::Clock;
use super::frames_in;
use super::packet::{STEP, conceal, duration, is_quiet};

mod order;
mod parts;
#[cfg(test)]
mod tests;

pub use parts::{Arrived, Counts, Entry, Fate, Output, Piece, Sound};

use order::{Held, Order, Place};

/// How long a packet may be held back for others that come before it: 100 ms (product.md, section 3).
pub const HOLD_US: u64 = 100_000;

/// The same for the first packets of somebody of whose network nothing is known yet: they place the whole
/// first spurt. Of 5 packets with 60 ms of jitter the soonest may be 25 ms late, of 12 hardly ever.
const FIRST_HOLD_US: u64 = 240_000;

/// A pause in arrivals after which a new talkspurt begins.
const SPURT_PAUSE_US: u64 = 200_000;

/// How far silence stays behind the clock when the speaker had ended: more than [`HOLD_US`] and the jitter,
/// so that the next spurt never finds its place taken.
const QUIET_LAG_US: u64 = 300_000;

/// The same while nothing said that the speaker has ended: the network may be stalled, and the rest to come.
const OPEN_LAG_US: u64 = 2_000_000;

/// RTP time that neither packets nor losses explain and that therefore begins a new spurt: 50 ms.
const UNEXPLAINED: i64 = 2_400;

/// A difference from the clock that is set right wherever it costs nothing: 5 ms.
const NOTICEABLE: i64 = 240;

/// A difference that is set right inside speech, at the cost of one packet: 13 ms, for a target of 20.
const TOO_MUCH: i64 = 624;

/// Packets between two such corrections.
const FORCED_EVERY: u32 = 25;

/// How far the line may reach beyond the clock, whatever a sender floods us with: 1 s.
const MOST_AHEAD: i64 = 48_000;

/// The longest stretch that is concealed: 1 s; decoders are silent long before.
const CONCEAL_MOST: i64 = 48_000;

/// The pause after a DTX packet that is comfort noise, not silence: senders refresh it every 400 ms.
const DTX_PAUSE: i64 = 20_160;

/// The line of one person. No clock inside: call [`Timeline::drain`] every 20 to 100 ms.
#[derive(Debug, Default)]
pub struct Timeline {
    order: Order,
    clock: Clock,
    line: Line,
    spurt: Spurt,
    counts: Counts,
}

/// The line so far.
#[derive(Debug, Default)]
struct Line {
    out: VecDeque<Output>,
    head: i64,
    toc: Option<u8>,
}

/// Where the present talkspurt stands.
#[derive(Debug, Default)]
struct Spurt {
    /// The sequence number that comes next; `None` before the first packet of a stream.
    next_seq: Option<i64>,
    /// The RTP time that comes next.
    next_rtp: i64,
    /// Recording time minus RTP time, as written.
    offset: i64,
    /// Frames known to be lost since the last packet on the line.
    lost: i64,
    last_frames: i64,
    last_arrival_us: u64,
    /// The last packet was DTX or silence.
    quiet: bool,
    since_forced: u32,
    mean_bytes: usize,
}

impl Timeline {
    /// A line that begins at 0 with nobody speaking.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one packet in.
    pub fn push(&mut self, arrived: Arrived) {
        self.counts.received += 1;
        let now = arrived.arrival_us;
        match self.order.put(arrived, self.spurt.next_seq) {
            Place::Held => {}
            Place::Late(arrived) => self.refuse(arrived, Fate::Late),
            Place::NewStream(first) => {
                self.release(u64::MAX);
                self.counts.streams += 1;
                self.clock.restart();
                self.spurt.next_seq = None;
                self.spurt.lost = 0;
                for arrived in first {
                    if let Place::Late(arrived) = self.order.put(arrived, None) {
                        self.refuse(arrived, Fate::Late);
                    }
                }
            }
            Place::Suspect => {}
        }
        self.release(now);
    }

    /// Puts out what is due at `now_us`: packets held long enough, and silence while nobody speaks.
    pub fn drain(&mut self, now_us: u64) {
        self.release(now_us);
        if !self.order.is_empty() {
            return;
        }
        let open = self.counts.placed > 0 && !self.spurt.quiet;
        let lag = if open { OPEN_LAG_US } else { QUIET_LAG_US };
        // In whole packets of 20 ms, so that silence costs three bytes a packet and 50 packets a page.
        let behind = frames_in(now_us.saturating_sub(lag)) as i64 - self.line.head;
        self.fill(self.line.head + behind / 960 * 960, 0);
    }

    /// Ends the line at `now_us`: nothing is held back any more.
    pub fn finish(&mut self, now_us: u64) {
        self.release(u64::MAX);
        self.fill(frames_in(now_us) as i64, 0);
    }

    /// The next thing to write, if there is one.
    pub fn pop(&mut self) -> Option<Output> {
        self.line.out.pop_front()
    }

    /// How far the line reaches, in frames at 48 kHz.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.line.head.max(0) as u64
    }

    /// Counters since the beginning.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The sender's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    fn release(&mut self, now_us: u64) {
        while let Some((seq, held)) = self.order.first() {
            let expected = self.spurt.next_seq == Some(seq);
            let boundary = self.is_boundary(seq, &held);
            if boundary || !expected {
                let Some(oldest) = self.order.oldest_us() else {
                    return;
                };
                let hold_us = match boundary && self.clock.jitter().is_none() {
                    true => FIRST_HOLD_US,
                    false => HOLD_US,
                };
                if now_us < oldest.saturating_add(hold_us) {
                    return;
                }
            }
            if boundary {
                self.begin_spurt();
            }
            let Some(arrived) = self.order.take(seq) else {
                return;
            };
            self.place(seq, held.rtp, arrived, boundary);
        }
    }

    /// Whether a new talkspurt begins with this packet.
    fn is_boundary(&self, seq: i64, held: &Held) -> bool {
        let Some(next_seq) = self.spurt.next_seq else {
            return true;
        };
        let missing = (seq - next_seq) * self.spurt.last_frames + self.spurt.lost;
        let gap = held.rtp - self.spurt.next_rtp;
        let at = frames_in(held.arrival_us) as i64;
        let ahead = held.rtp + self.spurt.offset - at;
        // Later than the network makes packets: perhaps the sender stood still, and its clock with it.
        let stood_still = self
            .clock
            .latest()
            .is_some_and(|latest| at - held.rtp > latest + UNEXPLAINED);
        ahead > MOST_AHEAD
            || stood_still
            || self.spurt.quiet && !held.quiet
            || held.arrival_us.saturating_sub(self.spurt.last_arrival_us) >= SPURT_PAUSE_US
            || (gap - missing).abs() >= UNEXPLAINED
    }

    fn begin_spurt(&mut self) {
        let first = self.order.spurt();
        let Some(anchor) = self.clock.anchor(&first) else {
            return;
        };
        self.counts.spurts += 1;
        self.spurt.offset = anchor.offset;
        if !anchor.ran_on {
            // What was lost before is not to be told from the jump of the clock.
            self.spurt.lost = 0;
            self.spurt.next_rtp = first.first().map_or(0, |(_, rtp)| *rtp);
        }
    }

    fn place(&mut self, seq: i64, rtp: i64, arrived: Arrived, anchored: bool) {
        let frames = duration(&arrived.payload);
        if let Some(next) = self.spurt.next_seq.filter(|next| *next < seq) {
            self.counts.lost += (seq - next) as u64;
            self.spurt.lost += (seq - next) * self.spurt.last_frames;
        }
        self.spurt.next_seq = Some(seq + 1);
        self.spurt.last_arrival_us = self.spurt.last_arrival_us.max(arrived.arrival_us);
        self.clock
            .observe(frames_in(arrived.arrival_us) as i64, rtp);
        let Some(frames) = frames.map(i64::from) else {
            self.counts.unusable += 1;
            if anchored {
                self.spurt.next_rtp = rtp;
            }
            self.spurt.lost += self.spurt.last_frames;
            self.note(rtp, arrived, 0, Fate::Unusable);
            return;
        };
        let flood = self.line.head > frames_in(arrived.arrival_us) as i64 + MOST_AHEAD;
        if flood || self.bridge(rtp, &arrived.payload, frames, anchored) {
            self.counts.left_out += 1;
            self.note(rtp, arrived, frames, Fate::LeftOut);
        } else {
            let fate = if anchored {
                Fate::Anchored
            } else {
                Fate::Placed
            };
            self.counts.placed += 1;
            self.line.toc = arrived.payload.first().copied();
            let payload = arrived.payload.clone();
            self.note(rtp, arrived, frames, fate);
            self.line.put(frames, Sound::Packet(payload));
        }
        self.spurt.next_rtp = rtp + frames;
        self.spurt.last_frames = frames;
        self.spurt.lost = 0;
    }

    /// Fills the line up to a packet and keeps it in step; `true` says to leave the packet out.
    fn bridge(&mut self, rtp: i64, payload: &[u8], frames: i64, anchored: bool) -> bool {
        let quiet = is_quiet(payload);
        let gap = rtp - self.spurt.next_rtp;
        // Positive: the line is later than the clock says.
        let off = self
            .clock
            .offset()
            .map_or(0, |offset| self.spurt.offset - offset);
        self.spurt.since_forced = self.spurt.since_forced.saturating_add(1);
        let calm = payload.len() * 2 < self.spurt.mean_bytes;
        self.spurt.mean_bytes = (self.spurt.mean_bytes * 15 + payload.len()) / 16;
        let mut concealable = self.spurt.lost;
        if self.spurt.quiet && gap <= DTX_PAUSE {
            concealable = concealable.max(gap);
        }
        let was_quiet = std::mem::replace(&mut self.spurt.quiet, quiet);
        if anchored || gap > 0 || was_quiet {
            if off.abs() >= NOTICEABLE {
                self.spurt.offset -= off;
            }
            if gap > 0 && concealable > 0 {
                concealable += (-off).max(0);
            }
        } else if self.spurt.since_forced >= FORCED_EVERY {
            let enough = if calm { TOO_MUCH * 3 / 4 } else { TOO_MUCH };
            if off >= enough.max(frames / 2) {
                self.spurt.since_forced = 0;
                self.spurt.offset -= frames;
                return true;
            }
            if off <= -TOO_MUCH {
                self.spurt.since_forced = 0;
                self.spurt.offset += 480;
                concealable = 480;
            }
        }
        let target = rtp + self.spurt.offset;
        if quiet && self.line.head - target >= frames / 2 {
            return true;
        }
        self.counts.concealed += self.fill(target, concealable.min(CONCEAL_MOST)) as u64;
        // The place may be taken, or lie between two steps of 2.5 ms.
        self.spurt.offset = self.line.head - rtp;
        false
    }

    /// Makes the line reach `target`, at first by concealing up to `concealable` frames; gives how many it
    /// concealed.
    fn fill(&mut self, target: i64, concealable: i64) -> i64 {
        let step = i64::from(STEP);
        // To the nearest step, which is at most 1.25 ms away.
        let mut missing = (target - self.line.head + step / 2).div_euclid(step) * step;
        let mut concealed = 0;
        if let Some(toc) = self.line.toc {
            let most = missing.min(concealable + step / 2);
            while let Some((_, frames)) = conceal(toc, (most - concealed).max(0) as u64) {
                self.line.put(i64::from(frames), Sound::Lost { toc });
                concealed += i64::from(frames);
            }
            missing -= concealed;
        }
        if missing > 0 {
            self.line.put(missing, Sound::Silence);
        }
        concealed
    }

    fn refuse(&mut self, arrived: Arrived, fate: Fate) {
        self.counts.late += 1;
        let frames = duration(&arrived.payload).unwrap_or(0);
        let at = frames_in(arrived.arrival_us);
        self.line.note(at, arrived, frames, fate);
    }

    fn note(&mut self, rtp: i64, arrived: Arrived, frames: i64, fate: Fate) {
        let at = match fate {
            Fate::Placed | Fate::Anchored => self.line.head,
            _ => rtp + self.spurt.offset,
        };
        self.line
            .note(at.max(0) as u64, arrived, frames as u32, fate);
    }
}

impl Line {
    fn put(&mut self, frames: i64, sound: Sound) {
        let at = self.head.max(0) as u64;
        self.head += frames;
        if let (Sound::Silence, Some(Output::Piece(last))) = (&sound, self.out.back_mut())
            && last.sound == Sound::Silence
        {
            last.frames += frames as u64;
            return;
        }
        self.out.push_back(Output::Piece(Piece {
            at,
            frames: frames as u64,
            sound,
        }));
    }

    fn note(&mut self, at: u64, mut arrived: Arrived, frames: u32, fate: Fate) {
        let bytes = u16::try_from(arrived.payload.len()).unwrap_or(u16::MAX);
        arrived.payload = Vec::new();
        self.out.push_back(Output::Entry(Entry {
            at,
            arrived,
            bytes,
            frames,
            fate,
        }));
    }
}
