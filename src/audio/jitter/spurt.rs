//! The talkspurt that is being played: which pieces the next 20 ms need, and how fast it is played.

use std::sync::Arc;
use std::time::Instant;

use super::clock::ns;
use super::{Jitter, Piece, Turn};
use crate::{FRAMES, codec};

/// Frames of a turn at the usual pace.
const TURN: i64 = FRAMES as i64;
/// Turns for which sound is invented when nothing comes.
const MAX_STARVED: u32 = 5;
/// Silent packets in a row that end a spurt (200 ms of the usual length).
const MAX_SILENT: u32 = 10;
/// A gap of more than so many sample frames (200 ms) is not filled: the spurt ends, and another
/// begins when it is time for what follows.
const MAX_GAP: i64 = 9600;
/// Buffered packets at which a spurt begins whatever the target is.
const PLENTY: usize = 48;

/// Delay beyond the target from which on it is played faster, and at which that ends. A turn's own
/// length lies in between, since the sender's packets and our turns do not begin together.
const TOO_MUCH_NS: i64 = 30_000_000;
const NO_MORE_NS: i64 = 10_000_000;
/// Likewise below the target.
const TOO_LITTLE_NS: i64 = 0;
const ENOUGH_NS: i64 = 5_000_000;

/// How fast it is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Even,
    Faster,
    Slower,
}

#[derive(Debug)]
pub(super) struct Spurt {
    /// The first frame of the next turn.
    position: i64,
    /// The end of what was given out: pieces may be longer than a turn.
    head: i64,
    pace: Pace,
    /// Delay beyond the target at the last packet.
    excess_ns: i64,
    /// Turns in a row in which nothing was there.
    starved: u32,
    /// Frames invented while the sender's time stood still.
    stretched: i64,
    /// Silent packets in a row.
    silent: u32,
    over: bool,
}

impl Spurt {
    fn at(position: i64) -> Self {
        Self {
            position,
            head: position,
            pace: Pace::Even,
            excess_ns: 0,
            starved: 0,
            stretched: 0,
            silent: 0,
            over: false,
        }
    }

    pub(super) fn position(&self) -> i64 {
        self.position
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// What lies before `timestamp` is not played; what was given out already is.
    pub(super) fn skip_to(&mut self, timestamp: i64) {
        let by = (timestamp - self.head).max(0);
        self.head += by;
        self.position += by;
    }

    /// For how many frames of the sender the next turn stands.
    fn frames(&self) -> i64 {
        let bend = match self.excess_ns.abs() {
            0..60_000_000 => 5,
            60_000_000..200_000_000 => 10,
            _ => 19,
        };
        match self.pace {
            Pace::Even => TURN,
            Pace::Faster => TURN + bend,
            Pace::Slower => TURN - bend,
        }
    }

    /// A packet is played with so much delay beyond the target.
    fn note_excess(&mut self, excess_ns: i64) {
        self.excess_ns = excess_ns;
        self.pace = match self.pace {
            _ if excess_ns > TOO_MUCH_NS => Pace::Faster,
            _ if excess_ns < TOO_LITTLE_NS => Pace::Slower,
            Pace::Faster if excess_ns > NO_MORE_NS => Pace::Faster,
            Pace::Slower if excess_ns < ENOUGH_NS => Pace::Slower,
            _ => Pace::Even,
        };
    }
}

/// What is to be done about a turn that is not full yet.
enum Step {
    /// Look again.
    Again,
    /// Add this.
    Add(Piece, i64),
    /// Nothing is there.
    Starve,
    /// There is a long gap: it ends here.
    End,
}

impl Jitter {
    /// True when a talkspurt begins now.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        while self.waiting.front().is_some_and(|next| next.is_silent()) {
            if let Some(silent) = self.waiting.pop_front() {
                self.pass(silent.place.sequence - 1);
                self.passed = Some(silent.place.sequence);
            }
        }
        let Some(first) = self.waiting.front() else {
            return false;
        };
        // Of packets shorter than a turn, the last of the turn must be there too.
        let last = first.place.timestamp + (TURN - first.frames).max(0);
        let waited = self.clock.waited_ns(now, last);
        if waited < self.clock.target_ns() && self.waiting.len() < PLENTY {
            return false;
        }
        // Earlier only if sequence and timestamp disagree.
        let position = first.place.timestamp.max(self.played_to);
        self.spurt = Some(Spurt::at(position));
        self.stats.spurts += 1;
        true
    }

    /// The next turn of the spurt; `None` when it is over and nothing is left of it.
    pub(super) fn fill(&mut self, spurt: &mut Spurt, now: Instant) -> Option<Turn> {
        let mut frames = spurt.frames();
        let mut pieces = Vec::new();
        let mut least_excess: Option<i64> = None;
        let mut invents = false;
        let mut position = spurt.position;
        while spurt.head < spurt.position + frames {
            match self.step(spurt, now) {
                Step::Again => position = spurt.position,
                Step::Add(piece, length) => {
                    if let Piece::Packet(_) = &piece {
                        let delay = self.clock.waited_ns(now, spurt.head);
                        self.clock.play(delay);
                        let excess = delay - self.clock.target_ns();
                        least_excess = Some(least_excess.map_or(excess, |least| least.min(excess)));
                    }
                    invents |= matches!(piece, Piece::Lost { next: None, .. });
                    spurt.head += length;
                    pieces.push(piece);
                }
                step @ (Step::Starve | Step::End) => {
                    let left = spurt.head - spurt.position;
                    let dry = self.waiting.is_empty();
                    let ends = matches!(step, Step::End)
                        || dry && (spurt.silent > 0 || spurt.starved >= MAX_STARVED);
                    spurt.over = ends;
                    if ends && left == 0 && pieces.is_empty() {
                        return None;
                    }
                    if left >= TURN {
                        spurt.position = spurt.head;
                        return Some(turn(position, left, pieces));
                    }
                    // What is left is played, the rest invented, and the sender's time waits.
                    let missing = TURN - left;
                    pieces.push(Piece::Lost {
                        frames: u32::try_from(missing).unwrap_or(0),
                        next: None,
                    });
                    spurt.stretched += missing;
                    spurt.starved += 1;
                    spurt.position = spurt.head;
                    self.stats.concealed += 1;
                    return Some(turn(position, TURN, pieces));
                }
            }
        }
        if let Some(excess) = least_excess {
            spurt.note_excess(excess);
        }
        if spurt.silent >= MAX_SILENT {
            spurt.over = true;
        }
        self.stats.concealed += u64::from(invents);
        frames = frames.min(spurt.head - spurt.position);
        spurt.position += frames;
        Some(turn(position, frames, pieces))
    }

    /// The next piece of the stream.
    fn step(&mut self, spurt: &mut Spurt, now: Instant) -> Step {
        let Some(next) = self.waiting.front() else {
            return Step::Starve;
        };
        let missing = match self.passed {
            Some(passed) => (next.place.sequence - passed - 1).max(0),
            None => 0,
        };
        let gap = next.place.timestamp - spurt.head;
        if gap > MAX_GAP {
            return Step::End;
        }
        let waited = self.clock.waited_ns(now, spurt.head);
        if gap > 0 && missing > 0 && waited < self.clock.target_ns() {
            // What is missing has not been waited for as long as it should.
            return Step::Starve;
        }
        if gap > 0 && spurt.stretched > 0 {
            // It was invented while it was waited for.
            let by = gap.min(spurt.stretched);
            let (sequence, left) = (next.place.sequence, gap - by);
            let still = missing.min((left + next.frames - 1) / next.frames.max(1));
            spurt.stretched -= by;
            spurt.head += by;
            spurt.position += by;
            if self.passed.is_some() {
                self.pass(sequence - 1 - still);
            }
            return Step::Again;
        }
        if gap > 0 {
            return self.gap(gap, missing);
        }
        self.play(spurt, gap)
    }

    /// What fills the next part of the `gap` before the first packet that waits, of which `missing`
    /// ones did not come.
    fn gap(&mut self, gap: i64, missing: i64) -> Step {
        let Some(next) = self.waiting.front() else {
            return Step::Starve;
        };
        let unit = next.frames;
        let unsent = gap - missing * unit;
        if unsent > 0 {
            let frames = unsent.min(TURN);
            return Step::Add(
                Piece::Dtx {
                    frames: frames as u32,
                },
                frames,
            );
        }
        if gap > unit {
            // Pieces as long as packets, so that the last of them ends where the next one begins.
            let part = gap % unit;
            let frames = if part == 0 { unit } else { part };
            if part == 0 {
                self.pass_one();
            }
            let lost = Piece::Lost {
                frames: frames as u32,
                next: None,
            };
            return Step::Add(lost, frames);
        }
        let redundancy = codec::carries_fec(&next.packet.payload) && gap == unit;
        let next = redundancy.then(|| Arc::clone(&next.packet.payload));
        self.stats.recovered_by_fec += u64::from(next.is_some());
        self.pass_one();
        let lost = Piece::Lost {
            frames: gap as u32,
            next,
        };
        Step::Add(lost, gap)
    }

    fn pass_one(&mut self) {
        if let Some(passed) = self.passed {
            self.pass(passed + 1);
        }
    }

    /// Gives out the first packet that waits; it begins `gap` (0 or less) after the head.
    fn play(&mut self, spurt: &mut Spurt, gap: i64) -> Step {
        let Some(next) = self.waiting.pop_front() else {
            return Step::Starve;
        };
        self.pass(next.place.sequence - 1);
        self.passed = Some(next.place.sequence);
        let length = next.frames + gap;
        let silent = next.is_silent();
        spurt.silent = if silent { spurt.silent + 1 } else { 0 };
        spurt.starved = 0;
        spurt.stretched = 0;
        if length <= 0 {
            // Something was played in its place, or the sender's packets overlap.
            self.stats.late += 1;
            self.stats.lost += 1;
            return Step::Again;
        }
        if silent && spurt.silent > 1 && spurt.excess_ns > TOO_MUCH_NS {
            // Nobody speaks: the moment to catch up.
            spurt.excess_ns -= ns(length);
            spurt.head += length;
            spurt.position += length;
            return Step::Again;
        }
        Step::Add(Piece::Packet(next.packet), length)
    }
}

fn turn(position: i64, frames: i64, pieces: Vec<Piece>) -> Turn {
    Turn {
        starts: false,
        position: u64::try_from(position).unwrap_or(0),
        frames: u32::try_from(frames).unwrap_or(FRAMES as u32),
        pieces,
    }
}
