//! The jitter buffer of one speaker: packets in as the network brings them, 20 ms out whenever asked.
//!
//! The network delays packets unevenly, swaps, doubles and loses them, and the sender's clock is not
//! ours. [`Jitter::push`] puts packets in order; [`Jitter::pull`], called exactly once every 20 ms,
//! says what the next 20 ms are made of, and [`Speaker`](crate::Speaker) makes sound of that.
//!
//! * **Target.** How long a packet waits before its turn follows the delays measured
//!   (`jitter/clock.rs`): long enough for 99 of 100 packets, within [`JitterConfig`].
//! * **Nothing that came is thrown away for being slow.** When the buffer runs dry, sound is invented
//!   for up to 100 ms and the sender's time stands still meanwhile: a packet that comes then is played
//!   in full, and the delay has grown. What is too much of it is taken away where nobody speaks, and
//!   else by playing faster by half a percent to two.
//! * **Clocks.** A sender whose clock runs 100 ppm off is followed the same way: a turn stands for a
//!   few sample frames more or less than 960, and the speaker's sound is bent accordingly.
//! * **Talkspurts** come from packets alone: a spurt begins with a packet that is no silence, and ends
//!   with silence frames, with a pause, or when nothing comes.
//!
//! No clock, no thread; at most [`MAX_PACKETS`] packets, whatever is sent to it.

mod clock;
mod order;
mod spurt;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec;
use clock::Clock;
use order::{Order, Place};
use spurt::Spurt;

/// Packets that wait at once: 1.28 s of the usual 20 ms packets.
pub const MAX_PACKETS: usize = 64;

/// Packets of so few bytes hold no sound: Discord's silence frame has 3, a frame that an encoder left
/// out because nobody speaks (DTX, RFC 6716 section 2.1.9) has 1 or 2.
const SILENT_BYTES: usize = 3;

/// Between what bounds the buffer chooses its delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JitterConfig {
    /// The least time that a packet waits.
    pub min: Duration,
    /// The most that is waited for because of measured jitter.
    pub max: Duration,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self {
            min: Duration::from_millis(20),
            max: Duration::from_millis(200),
        }
    }
}

/// One Opus packet of a speaker, decrypted, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JitterPacket {
    /// RTP sequence; wraps.
    pub sequence: u16,
    /// RTP timestamp of its first sample frame, 48 kHz; wraps.
    pub timestamp: u32,
    /// When the network brought it; it may have waited for a key since.
    pub arrival: Instant,
    /// The Opus packet, 2.5 to 120 ms.
    pub payload: Arc<[u8]>,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It will be played.
    Kept,
    /// It will be played, and the oldest packet had to make room: the buffer is full.
    Replaced,
    /// It will be played: the sender has begun anew, with other numbers, and so has the buffer.
    Restarted,
    /// Its numbers belong to no stream known. If the next packet follows it, the sender has begun
    /// anew and both are played.
    Doubtful,
    /// Its turn is over.
    Late,
    /// It was here before.
    Duplicate,
    /// It is no Opus packet.
    Bad,
}

/// What the next 20 ms are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    /// Nobody speaks.
    Quiet,
    /// Part of a talkspurt.
    Sound(Turn),
}

/// 20 ms of a talkspurt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The talkspurt begins here.
    pub starts: bool,
    /// Where these 20 ms begin in the speaker's stream, sample frames. The low 32 bits are the RTP
    /// timestamp. Within a stream it never goes back; it stands still while packets are waited for.
    pub position: u64,
    /// For how many sample frames of the sender these 960 stand: 941 to 979.
    pub frames: u32,
    /// What comes next in the stream, in order. None where a longer packet goes on; several where
    /// packets are short. Their sum is what is needed, or more.
    pub pieces: Vec<Piece>,
}

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// It came.
    Packet(JitterPacket),
    /// It did not come, or not yet.
    Lost {
        /// Its length in sample frames.
        frames: u32,
        /// The packet after it, if that carries redundancy from which it can be restored.
        next: Option<Arc<[u8]>>,
    },
    /// Nothing was sent.
    Dtx {
        /// Its length in sample frames.
        frames: u32,
    },
}

/// What a jitter buffer has seen, all counted since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JitterStats {
    /// How long packets are meant to wait now.
    pub target: Duration,
    /// How long the last packet did wait, beyond the fastest of late.
    pub delay: Duration,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter: Duration,
    /// Packets that came, doubles left out.
    pub received: u64,
    /// Packets that were not there when their turn was: lost, or late.
    pub lost: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that came more than once.
    pub duplicate: u64,
    /// Packets that had to make room.
    pub replaced: u64,
    /// Packets that are no Opus.
    pub bad: u64,
    /// Turns in which sound had to be invented.
    pub concealed: u64,
    /// Lost packets that the packet after them can restore.
    pub recovered_by_fec: u64,
    /// Talkspurts.
    pub spurts: u64,
}

/// A packet that waits for its turn.
#[derive(Debug)]
struct Waiting {
    /// Where it is in the stream.
    place: Place,
    /// How long it is, sample frames.
    frames: i64,
    packet: JitterPacket,
}

impl Waiting {
    fn is_silent(&self) -> bool {
        self.packet.payload.len() <= SILENT_BYTES
    }
}

/// The jitter buffer of one speaker.
#[derive(Debug)]
pub struct Jitter {
    clock: Clock,
    order: Order,
    /// In order of the sequence.
    waiting: VecDeque<Waiting>,
    /// The talkspurt that is being played.
    spurt: Option<Spurt>,
    /// The newest place that was played or passed over.
    passed: Option<i64>,
    /// The end of what was played.
    played_to: i64,
    stats: JitterStats,
}

impl Jitter {
    /// An empty buffer.
    #[must_use]
    pub fn new(config: JitterConfig) -> Self {
        Self {
            clock: Clock::new(config),
            order: Order::default(),
            waiting: VecDeque::new(),
            spurt: None,
            passed: None,
            played_to: 0,
            stats: JitterStats::default(),
        }
    }

    /// Takes a packet as it came, in any order.
    pub fn push(&mut self, packet: JitterPacket) -> Pushed {
        let Ok(frames) = codec::packet_frames(&packet.payload) else {
            self.stats.bad += 1;
            return Pushed::Bad;
        };
        let frames = frames as i64;
        match self.order.place(&packet) {
            order::Verdict::Placed(place) => self.keep(Waiting {
                place,
                frames,
                packet,
            }),
            order::Verdict::Duplicate => {
                self.stats.duplicate += 1;
                Pushed::Duplicate
            }
            order::Verdict::Doubtful => Pushed::Doubtful,
            order::Verdict::Restarted { first, place } => {
                self.restart();
                if let Some((place, packet)) = first {
                    let frames = codec::packet_frames(&packet.payload).unwrap_or(crate::FRAMES);
                    let frames = frames as i64;
                    let _always_kept = self.keep(Waiting {
                        place,
                        frames,
                        packet,
                    });
                }
                let _always_kept = self.keep(Waiting {
                    place,
                    frames,
                    packet,
                });
                Pushed::Restarted
            }
        }
    }

    /// The sender has begun anew: what waits belongs to what it said before.
    fn restart(&mut self) {
        self.stats.lost += self.waiting.len() as u64;
        self.waiting.clear();
        self.spurt = None;
        self.passed = None;
        self.clock.restart();
    }

    fn keep(&mut self, new: Waiting) -> Pushed {
        self.stats.received += 1;
        let begins = self.spurt.is_none() && self.waiting.is_empty();
        self.clock
            .note(new.packet.arrival, new.place.timestamp, begins);
        self.clock.note_length(new.frames);
        if self
            .passed
            .is_some_and(|passed| new.place.sequence <= passed)
        {
            self.stats.late += 1;
            return Pushed::Late;
        }
        let at = self
            .waiting
            .iter()
            .rposition(|old| old.place.sequence < new.place.sequence)
            .map_or(0, |before| before + 1);
        self.waiting.insert(at, new);
        if self.waiting.len() <= MAX_PACKETS {
            return Pushed::Kept;
        }
        if let Some(oldest) = self.waiting.pop_front() {
            self.stats.replaced += 1;
            self.pass(oldest.place.sequence - 1);
            self.stats.lost += 1;
            self.passed = Some(oldest.place.sequence);
            // Nothing is invented for what was here.
            let from = self.waiting.front().map(|next| next.place.timestamp);
            if let (Some(spurt), Some(from)) = (&mut self.spurt, from) {
                spurt.skip_to(from);
            }
        }
        Pushed::Replaced
    }

    /// All packets up to `sequence` that did not come are lost.
    fn pass(&mut self, sequence: i64) {
        if let Some(passed) = self.passed {
            self.stats.lost += u64::try_from(sequence - passed).unwrap_or(0);
        }
        self.passed = Some(sequence);
    }

    /// What the next 20 ms are made of. To be called exactly once every 20 ms.
    pub fn pull(&mut self, now: Instant) -> Pulled {
        let starts = self.spurt.is_none();
        if starts && !self.begin(now) {
            return Pulled::Quiet;
        }
        let Some(mut spurt) = self.spurt.take() else {
            return Pulled::Quiet;
        };
        let turn = self.fill(&mut spurt, now);
        self.played_to = spurt.position();
        if !spurt.is_over() {
            self.spurt = Some(spurt);
        }
        match turn {
            Some(turn) => Pulled::Sound(Turn { starts, ..turn }),
            None => Pulled::Quiet,
        }
    }

    /// What was counted, and how the buffer stands.
    #[must_use]
    pub fn stats(&self) -> JitterStats {
        JitterStats {
            target: self.clock.target(),
            jitter: self.clock.jitter(),
            delay: self.clock.delay(),
            ..self.stats
        }
    }

    /// Packets that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests;
