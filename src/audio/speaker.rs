//! What a speaker says, 20 ms at a time: the decoder behind a jitter buffer.
//!
//! [`Speaker::turn`] takes what [`Jitter::pull`](crate::Jitter::pull) says and makes 20 ms of sound of
//! it. Lost packets are restored from the packet after them where that carries redundancy, otherwise
//! invented by libopus, and the invention fades into silence within 100 ms: a stuck vowel is worse
//! than a gap. Packets of any length are spread over turns; a turn that stands for a few frames more or
//! less than 960 is stretched to 960 by interpolation, which nobody hears.
//!
//! A speaker that says nothing costs nothing: the decoder is made for the first packet and dropped
//! after a minute of silence.

mod voice;

use crate::codec::{Decoder, MAX_PACKET_FRAMES, packet_frames};
use crate::jitter::{Piece, Pulled, Turn};
use crate::{Block, CHANNELS, FRAMES, OpusError, SAMPLES, level};
use voice::Detector;

/// Turns of silence after which the decoder is dropped: 60 s.
const KEEP_TURNS: u32 = 3000;
/// The level of silence, dBFS: below the noise of 16 bits.
pub const SILENT_DBFS: f32 = -100.0;

/// Invented sound is left alone for 40 ms …
const HOLD_FRAMES: usize = 1920;
/// … and gone 60 ms later.
const FADE_FRAMES: usize = 2880;
/// Real sound comes back over 5 ms.
const RISE_FRAMES: usize = 240;
/// libopus invents sound in units of 2.5 ms.
const UNIT_FRAMES: usize = 120;
/// Decoded sound that waits: the longest packet and two turns. Only senders whose packets overlap
/// reach it.
const MAX_FRAMES: usize = MAX_PACKET_FRAMES + 2 * FRAMES;
/// Frames around a position that interpolation looks at: one before, two after.
const BEFORE: usize = 1;
const AFTER: usize = 2;

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spoken {
    /// Root mean square of the 20 ms in dBFS (a square wave of full scale has 0), at least
    /// [`SILENT_DBFS`].
    pub level_dbfs: f32,
    /// Somebody says words, or did 200 ms ago.
    pub is_speech: bool,
    /// Some of it is invented, because a packet is missing.
    pub conceals: bool,
}

impl Spoken {
    const NOTHING: Self = Self {
        level_dbfs: SILENT_DBFS,
        is_speech: false,
        conceals: false,
    };
}

/// The decoder of one speaker.
#[derive(Debug, Default)]
pub struct Speaker {
    mouth: Option<Box<Mouth>>,
    quiet_turns: u32,
    failures: u64,
}

impl Speaker {
    /// A speaker who has said nothing yet. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next 20 ms. To be called with every [`Jitter::pull`](crate::Jitter::pull), quiet ones
    /// too. Never fails: what cannot be decoded is invented, and counted by [`Speaker::failures`].
    pub fn turn(&mut self, pulled: &Pulled, out: &mut Block) -> Spoken {
        let turn = match pulled {
            Pulled::Sound(turn) => turn,
            Pulled::Quiet => {
                out.fill(0.0);
                self.rest(out);
                return Spoken::NOTHING;
            }
        };
        self.quiet_turns = 0;
        let Ok(mouth) = self.mouth() else {
            self.failures += 1;
            out.fill(0.0);
            return Spoken::NOTHING;
        };
        let conceals = mouth.take(turn);
        mouth.give(turn.frames as usize, out);
        let level_dbfs = level::db_from_gain(level::rms(out)).max(SILENT_DBFS);
        let spoken = Spoken {
            level_dbfs,
            is_speech: mouth.detector.hears(out, level_dbfs),
            conceals,
        };
        self.failures += std::mem::take(&mut mouth.failures);
        spoken
    }

    /// Packets that could not be decoded, and turns for which there was no memory.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// True while there is a decoder: about 150 kB.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        self.mouth.is_some()
    }

    fn rest(&mut self, out: &mut Block) {
        self.quiet_turns = self.quiet_turns.saturating_add(1);
        match &mut self.mouth {
            Some(mouth) if self.quiet_turns == 1 => mouth.fall_quiet(out),
            Some(_) if self.quiet_turns >= KEEP_TURNS => self.mouth = None,
            _ => {}
        }
    }

    fn mouth(&mut self) -> Result<&mut Mouth, OpusError> {
        let mouth = match self.mouth.take() {
            Some(mouth) => mouth,
            None => Box::new(Mouth::new()?),
        };
        Ok(self.mouth.insert(mouth))
    }
}

/// What a speaker needs while it speaks.
struct Mouth {
    decoder: Decoder,
    detector: Detector,
    /// Decoded sound, of which the first frame was heard already: interpolation looks back.
    sound: Vec<f32>,
    /// Where packets are decoded.
    scratch: Vec<f32>,
    /// The gain of what was decoded last.
    gain: f32,
    /// Frames invented in a row.
    invented: usize,
    failures: u64,
}

impl std::fmt::Debug for Mouth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.sound.len() / CHANNELS;
        f.debug_struct("Mouth").field("waiting", &waiting).finish()
    }
}

impl Mouth {
    fn new() -> Result<Self, OpusError> {
        // Grows for packets above 40 ms, up to the bound.
        let mut sound = Vec::with_capacity((3 * FRAMES + BEFORE + AFTER) * CHANNELS);
        sound.resize((BEFORE + AFTER) * CHANNELS, 0.0);
        Ok(Self {
            decoder: Decoder::new()?,
            detector: Detector::new(),
            sound,
            scratch: vec![0.0; MAX_PACKET_FRAMES * CHANNELS],
            gain: 1.0,
            invented: 0,
            failures: 0,
        })
    }

    /// Nobody speaks any more; what was cut off fades over 5 ms.
    fn fall_quiet(&mut self, out: &mut Block) {
        let cut_off = self.invented >= FRAMES;
        self.invent(FRAMES);
        self.give(FRAMES, out);
        for (at, frame) in out.chunks_exact_mut(CHANNELS).enumerate() {
            let gain = 1.0 - at.min(RISE_FRAMES) as f32 / RISE_FRAMES as f32;
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
        self.sound.clear();
        self.sound.resize((BEFORE + AFTER) * CHANNELS, 0.0);
        // What comes after may begin in mid-sound.
        self.gain = if cut_off { 0.0 } else { 1.0 };
        self.invented = 0;
        self.detector.rest();
    }

    /// Decodes what a turn brings; true when something was invented.
    fn take(&mut self, turn: &Turn) -> bool {
        let mut conceals = false;
        for piece in &turn.pieces {
            match piece {
                Piece::Packet(packet) => conceals |= self.decode(&packet.payload),
                Piece::Lost { frames, next } => {
                    conceals |= self.restore(*frames as usize, next.as_deref());
                }
                Piece::Dtx { frames } => self.invent(*frames as usize),
            }
        }
        conceals
    }

    /// True when it could not be, and was invented.
    fn decode(&mut self, packet: &[u8]) -> bool {
        match self.decoder.decode(packet, &mut self.scratch) {
            Ok(frames) => {
                self.add(frames, true);
                false
            }
            Err(error) => {
                self.failures += 1;
                self.recover(error);
                self.invent(packet_frames(packet).unwrap_or(FRAMES));
                true
            }
        }
    }

    /// libopus throws its state away after an internal error.
    fn recover(&mut self, error: OpusError) {
        if error == OpusError::Internal {
            // Without effect if it fails: then the next packet fails too.
            let _unlikely = self.decoder.reset();
        }
    }

    /// A lost piece; true when nothing was left of it.
    fn restore(&mut self, frames: usize, next: Option<&[u8]>) -> bool {
        let room = self.scratch.get_mut(..frames * CHANNELS);
        if let (Some(next), Some(room)) = (next, room) {
            match self.decoder.decode_fec(next, room) {
                Ok(frames) => {
                    self.add(frames, true);
                    return false;
                }
                Err(error) => {
                    self.failures += 1;
                    self.recover(error);
                }
            }
        }
        self.invent(frames);
        true
    }

    /// Invents `frames`, at most the longest packet.
    fn invent(&mut self, frames: usize) {
        let frames = frames.min(MAX_PACKET_FRAMES);
        let units = frames.div_ceil(UNIT_FRAMES) * UNIT_FRAMES;
        let faded = self.invented >= HOLD_FRAMES + FADE_FRAMES;
        match self.scratch.get_mut(..units * CHANNELS) {
            Some(room) => {
                if faded || self.decoder.conceal(room).is_err() {
                    room.fill(0.0);
                }
            }
            None => return,
        }
        self.add(frames, false);
    }

    /// Takes `frames` from the scratch; what is not real fades away.
    fn add(&mut self, frames: usize, real: bool) {
        let step = if real {
            1.0 / RISE_FRAMES as f32
        } else {
            -1.0 / FADE_FRAMES as f32
        };
        let invented = self.invented;
        let new = self.scratch.chunks_exact_mut(CHANNELS).take(frames);
        if !real || self.gain < 1.0 {
            for (at, frame) in new.enumerate() {
                if real || invented + at >= HOLD_FRAMES {
                    self.gain = (self.gain + step).clamp(0.0, 1.0);
                }
                frame.iter_mut().for_each(|sample| *sample *= self.gain);
            }
        }
        self.invented = if real { 0 } else { invented + frames };
        let new = self.scratch.get(..frames * CHANNELS).unwrap_or_default();
        // Floats of a decoder are finite; a listener's mix must not depend on that.
        let finite = |sample: &f32| if sample.is_finite() { *sample } else { 0.0 };
        self.sound.extend(new.iter().map(finite));
        let most = (MAX_FRAMES + BEFORE + AFTER) * CHANNELS;
        let surplus = self.sound.len().saturating_sub(most);
        self.sound.drain(..surplus);
    }

    /// Gives `frames` of what was decoded as one block.
    fn give(&mut self, frames: usize, out: &mut Block) {
        let frames = frames.clamp(FRAMES / 2, 2 * FRAMES);
        let needed = (BEFORE + frames + AFTER) * CHANNELS;
        if self.sound.len() < needed {
            self.sound.resize(needed, 0.0);
        }
        if frames == FRAMES {
            let heard = self.sound.get(BEFORE * CHANNELS..).unwrap_or_default();
            out.iter_mut()
                .zip(heard)
                .for_each(|(out, heard)| *out = *heard);
        } else {
            stretch(&self.sound, frames, out);
        }
        self.sound.drain(..frames * CHANNELS);
    }
}

/// Makes 960 frames of `frames`, beginning with the second of `sound`: cubic interpolation
/// (Catmull-Rom), exact where positions meet.
fn stretch(sound: &[f32], frames: usize, out: &mut Block) {
    for (at, out) in out.chunks_exact_mut(CHANNELS).enumerate() {
        let (whole, rest) = (at * frames / FRAMES, at * frames % FRAMES);
        let t = rest as f32 / FRAMES as f32;
        let around = sound.get(whole * CHANNELS..(whole + 4) * CHANNELS);
        for (channel, out) in out.iter_mut().enumerate() {
            let at = |n: usize| around.and_then(|near| near.get(n * CHANNELS + channel));
            let [a, b, c, d] = [0, 1, 2, 3].map(|n| at(n).copied().unwrap_or(0.0));
            let (linear, square) = (c - a, 2.0 * a - 5.0 * b + 4.0 * c - d);
            let cube = 3.0 * (b - c) + d - a;
            *out = b + 0.5 * t * (linear + t * (square + t * cube));
        }
    }
}

const _: () = assert!(SAMPLES == FRAMES * CHANNELS);

#[cfg(test)]
mod tests;
