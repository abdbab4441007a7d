//! One mix: tracks in, one packet per 20 ms out.

use std::sync::atomic::Ordering::Relaxed;

use mynah_audio::ramp::RAMP_FRAMES;
use mynah_audio::{
    Block, CHANNELS, Encoder, EncoderConfig, Limiter, OpusError, SILENT_BLOCK, level,
};

use crate::event::EventKind;
use crate::line::Line;
use crate::packet::Packet;
use crate::shared::SlotBoard;
use crate::track::Track;
use crate::{Sender, SessionKey};

/// Tracks a session can hold at once.
pub const MAX_TRACKS: usize = 8;

/// Silence frames after the end of sound (voice.md section 4), so that receivers do not
/// interpolate into the gap.
const SILENCE_FRAMES: u8 = 5;

/// The encoder of a mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixConfig {
    /// Target bitrate; Opus takes 6,000 to 510,000.
    pub bitrate_bps: u32,
    /// Opus complexity, 0 to 10: what the encoder may cost (design/crates.md 1.2).
    pub complexity: u8,
}

/// Where the session stands between sound and silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// Nothing is sent.
    Quiet,
    /// The last frame was sound; the encoder still holds its last 6.5 ms.
    Sounding,
    /// So many silence frames are still to be sent.
    Silence(u8),
}

/// What a tick made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// A packet is ready to be sent.
    Packet,
    /// Nothing to send, but the session wants the next tick too.
    Nothing,
    /// Encoding failed, which it does not with a buffer of this size.
    Failed,
}

/// A mix on the tick: owned by one tick thread, made and dropped elsewhere.
pub(crate) struct Session<L> {
    pub(crate) key: SessionKey,
    pub(crate) line: Option<Box<Line<L>>>,
    pub(crate) tracks: [Option<Box<Track>>; MAX_TRACKS],
    pub(crate) packet: Packet,
    /// Asked to go: no new tracks, and away as soon as the silence frames are sent.
    pub(crate) closing: bool,
    /// Number of the last sender order that was carried out.
    pub(crate) turn: u32,
    encoder: Encoder,
    limiter: Limiter,
    bus: Block,
    /// The bus holds sound that was taken from the rings and has not been sent.
    held: bool,
    tail: Tail,
    complexity: u8,
    complexity_now: u8,
}

impl<L> Session<L> {
    pub(crate) fn new(key: SessionKey, mix: MixConfig) -> Result<Self, OpusError> {
        Ok(Self {
            key,
            line: None,
            tracks: [const { None }; MAX_TRACKS],
            packet: Packet::new(),
            closing: false,
            turn: 0,
            encoder: Encoder::new(EncoderConfig {
                bitrate_bps: mix.bitrate_bps,
                complexity: mix.complexity,
                ..EncoderConfig::default()
            })?,
            limiter: Limiter::new(),
            bus: SILENT_BLOCK,
            held: false,
            tail: Tail::Quiet,
            complexity: mix.complexity,
            complexity_now: mix.complexity,
        })
    }

    /// True when the session needs ticks: something sounds, waits or must be ended, on a line that
    /// does not hold it still. *Tick-safe.*
    pub(crate) fn is_awake(&self) -> bool {
        let leftover = self.tracks.iter().flatten().any(|t| t.is_done());
        leftover || self.moves() && (self.tail != Tail::Quiet || self.has_active_tracks())
    }

    /// True when the session was asked to go and has nothing left to say. *Tick-safe.*
    pub(crate) fn is_over(&self) -> bool {
        self.closing && (!self.moves() || self.tail == Tail::Quiet) && !self.has_active_tracks()
    }

    /// True when tracks go on. Without a line, and while the sender holds, nothing moves.
    /// *Tick-safe.*
    pub(crate) fn moves(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.sender.moves())
    }

    fn has_active_tracks(&self) -> bool {
        self.tracks.iter().flatten().any(|t| t.is_active())
    }

    /// *Tick-safe.*
    pub(crate) fn track(&mut self, id: crate::TrackId) -> Option<&mut Track> {
        let mut tracks = self.tracks.iter_mut().flatten();
        tracks
            .find(|t| t.id() == id && !t.is_done())
            .map(|t| &mut **t)
    }

    /// Puts a track into the mix. It stays in `track` when there is no room. *Tick-safe.*
    pub(crate) fn take_track(&mut self, track: &mut Option<Box<Track>>) -> bool {
        if self.closing {
            return false;
        }
        // What is held was of other tracks, unless one of them goes on.
        self.held &= self.has_active_tracks();
        match self.tracks.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => {
                std::mem::swap(slot, track);
                true
            }
            None => false,
        }
    }

    /// A new line: the receivers' decoders know nothing of what was said before, so the encoder
    /// forgets it as well. The old line, if any, is left in `line`. *Tick-safe.*
    pub(crate) fn attach(&mut self, line: &mut Option<Box<Line<L>>>, first_tick: u64) {
        if let Some(line) = line {
            let goes_on = self.line.as_mut().is_some_and(|old| line.go_on_from(old));
            if !goes_on {
                line.start_at(first_tick);
            }
        }
        std::mem::swap(&mut self.line, line);
        self.begin();
    }

    /// Takes the line away; the tracks hold still where they are. *Tick-safe.*
    pub(crate) fn detach(&mut self, line: &mut Option<Box<Line<L>>>) {
        std::mem::swap(&mut self.line, line);
        self.tail = Tail::Quiet;
    }

    /// True when sound goes on without a seam after a change to `sender`. *Tick-safe.*
    pub(crate) fn flows_on(&self, sender: &Sender) -> bool {
        let line = self.line.as_ref();
        line.is_some_and(|line| line.sender.flows() && sender.flows())
    }

    /// Lets frames travel another way; the old one is left in `sender`. *Tick-safe.*
    pub(crate) fn change_sender(&mut self, sender: &mut Sender) {
        let seamless = self.flows_on(sender);
        let Some(line) = &mut self.line else {
            return;
        };
        std::mem::swap(&mut line.sender, sender);
        if !seamless {
            self.begin();
        }
        // What was held back would have been played meanwhile, and nobody would have heard it.
        self.held &= !matches!(
            self.line.as_ref().map(|line| &line.sender),
            Some(Sender::Unheard)
        );
    }

    /// The frame that was made last will not be sent. Its sound is kept in the bus and comes first
    /// when there is sound again. *Tick-safe.*
    pub(crate) fn hold_back(&mut self) {
        self.held = self.tail == Tail::Sounding;
    }

    /// Whoever listens from now on has not heard what was said before. *Tick-safe.*
    fn begin(&mut self) {
        self.tail = Tail::Quiet;
        // Without effect on the packet if it fails: the encoder then goes on where it stood.
        let _unlikely = self.encoder.reset();
    }

    /// *Tick-safe.*
    pub(crate) fn set_bitrate(&mut self, bitrate_bps: u32) -> bool {
        self.encoder.set_bitrate(bitrate_bps).is_ok()
    }

    /// Mixes and encodes the packet of `tick`. `most` caps the complexity while the thread
    /// is overloaded; `tell` gets the tracks' news. *Tick-safe.*
    pub(crate) fn prepare(
        &mut self,
        tick: u64,
        most: u8,
        board: &SlotBoard,
        tell: &mut impl FnMut(EventKind),
    ) -> Made {
        let Some(line) = self.line.as_ref().filter(|line| line.sender.moves()) else {
            return Made::Nothing;
        };
        let flows = line.sender.flows();
        let held = std::mem::take(&mut self.held) && self.has_active_tracks();
        let sound = if held {
            fade_ends(&mut self.bus);
            true
        } else {
            mix(&mut self.tracks, &mut self.limiter, &mut self.bus, tell)
        };
        board.sounding.store(sound, Relaxed);
        if !flows {
            return Made::Nothing;
        }

        let wanted = self.complexity.min(most);
        if wanted != self.complexity_now {
            self.complexity_now = wanted;
            let _unlikely = self.encoder.set_complexity(wanted);
        }
        if sound && self.tail != Tail::Sounding {
            // Who listens has heard silence, or has only just come.
            self.encoder.begin();
        }
        let frame = match (sound, self.tail) {
            // The block after the last sound carries the encoder's look-ahead: the end of the
            // song would be cut off by 6.5 ms without it.
            (true, _) | (false, Tail::Sounding) => {
                self.tail = if sound {
                    Tail::Sounding
                } else {
                    Tail::Silence(SILENCE_FRAMES)
                };
                board.encoded.add(1);
                self.encoder.encode(&self.bus, self.packet.frame_room())
            }
            (false, Tail::Silence(left)) => {
                // The decoders now hear a silence frame; one silent block through the encoder,
                // its result overwritten, brings it to the same state.
                let in_step = match left {
                    SILENCE_FRAMES => self.encoder.encode(&self.bus, self.packet.frame_room()),
                    _ => Ok(0),
                };
                self.tail = match left {
                    0 | 1 => Tail::Quiet,
                    _ => Tail::Silence(left - 1),
                };
                board.silences.add(1);
                in_step.map(|_| self.packet.put_silence())
            }
            (false, Tail::Quiet) => return Made::Nothing,
        };
        match frame {
            Ok(len) => {
                self.packet.set_frame(len, tick);
                Made::Packet
            }
            Err(_) => Made::Failed,
        }
    }
}

/// Lets a block rise and fall over 5 ms each: nothing was heard before it, and the tracks fade in
/// after it.
fn fade_ends(block: &mut Block) {
    let gains = || (0..RAMP_FRAMES).map(|frame| frame as f32 / RAMP_FRAMES as f32);
    let shape = |(frame, gain): (&mut [f32], f32)| frame.iter_mut().for_each(|s| *s *= gain);
    block
        .chunks_exact_mut(CHANNELS)
        .zip(gains())
        .for_each(shape);
    let backwards = block.chunks_exact_mut(CHANNELS).rev();
    backwards.zip(gains()).for_each(shape);
}

/// Adds all tracks into `bus`. True when there is anything to hear.
fn mix(
    tracks: &mut [Option<Box<Track>>],
    limiter: &mut Limiter,
    bus: &mut Block,
    tell: &mut impl FnMut(EventKind),
) -> bool {
    bus.fill(0.0);
    let (mut heard, mut loudest) = (0, 0.0f32);
    for track in tracks.iter_mut().flatten() {
        let mixed = track.mix(bus);
        heard += u32::from(mixed.sound);
        if mixed.sound {
            loudest = loudest.max(mixed.gain);
        }
        mixed.events.into_iter().flatten().for_each(&mut *tell);
    }
    // A lone track that is not amplified reaches the encoder bit for bit, even if its decoder
    // overshot full scale: limiting it is the mastering engineer's business, not ours.
    if heard > 1 || loudest > 1.0 || limiter.is_working() {
        limiter.process(bus);
    }
    heard > 0 && !level::is_silent(bus)
}
