//! One mix: tracks in, one packet per 20 ms out.

use std::sync::atomic::Ordering::Relaxed;

use mynah_audio::{Block, Encoder, EncoderConfig, Limiter, OpusError, SILENT_BLOCK, level};

use crate::SessionKey;
use crate::event::EventKind;
use crate::line::Line;
use crate::packet::Packet;
use crate::shared::SlotBoard;
use crate::track::Track;

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
    /// Encoding or sealing failed, which neither does with buffers of this size.
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
    encoder: Encoder,
    limiter: Limiter,
    bus: Block,
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
            encoder: Encoder::new(EncoderConfig {
                bitrate_bps: mix.bitrate_bps,
                complexity: mix.complexity,
                ..EncoderConfig::default()
            })?,
            limiter: Limiter::new(),
            bus: SILENT_BLOCK,
            tail: Tail::Quiet,
            complexity: mix.complexity,
            complexity_now: mix.complexity,
        })
    }

    /// True when the session needs ticks: it is attached and something sounds, waits or must be
    /// ended. Without a line nothing moves. *Tick-safe.*
    pub(crate) fn is_awake(&self) -> bool {
        let tracks = || self.tracks.iter().flatten();
        let leftover = tracks().any(|t| t.is_done());
        leftover
            || self.line.is_some() && (self.tail != Tail::Quiet || tracks().any(|t| t.is_active()))
    }

    /// True when the session was asked to go and has nothing left to say. *Tick-safe.*
    pub(crate) fn is_over(&self) -> bool {
        self.closing
            && (self.line.is_none() || self.tail == Tail::Quiet)
            && !self.tracks.iter().flatten().any(|t| t.is_active())
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
            line.start_at(first_tick);
        }
        std::mem::swap(&mut self.line, line);
        self.tail = Tail::Quiet;
        // Without effect on the packet if it fails: the encoder then goes on where it stood.
        let _unlikely = self.encoder.reset();
    }

    /// Takes the line away; the tracks hold still where they are. *Tick-safe.*
    pub(crate) fn detach(&mut self, line: &mut Option<Box<Line<L>>>) {
        std::mem::swap(&mut self.line, line);
        self.tail = Tail::Quiet;
    }

    /// *Tick-safe.*
    pub(crate) fn set_bitrate(&mut self, bitrate_bps: u32) -> bool {
        self.encoder.set_bitrate(bitrate_bps).is_ok()
    }

    /// Mixes, encodes and seals the packet of `tick`. `most` caps the complexity while the thread
    /// is overloaded; `tell` gets the tracks' news. *Tick-safe.*
    pub(crate) fn prepare(
        &mut self,
        tick: u64,
        most: u8,
        board: &SlotBoard,
        tell: &mut impl FnMut(EventKind),
    ) -> Made {
        let Some(line) = &mut self.line else {
            return Made::Nothing;
        };
        let sound = mix(&mut self.tracks, &mut self.limiter, &mut self.bus, tell);
        board.sounding.store(sound, Relaxed);

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
            Ok(len) if line.seal(&mut self.packet, len, tick) => Made::Packet,
            _ => Made::Failed,
        }
    }
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
