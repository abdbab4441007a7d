//! One mix: tracks in, one packet per 20 ms out.

mod bus;
mod tapped;

mod passthrough;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mynah_audio::EncoderSettings;

use crate::coder::Coder;
use crate::event::EventKind;
use crate::feed::Feed;
use crate::line::Line;
use crate::mix::Mixer;
use crate::order::Order;
use crate::packet::Packet;
use crate::shared::{Board, SlotBoard};
use crate::tracks::Node;
use crate::{Sender, SessionKey};

pub(crate) use tapped::Tap;

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
    /// The last frame was a packet of the only track; the encoder knows nothing of it.
    Passing,
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
    pub(crate) mixer: Mixer,
    pub(crate) packet: Packet,
    /// Asked to go: no new tracks, and away as soon as the silence frames are sent.
    pub(crate) closing: bool,
    /// Number of the last sender order that was carried out.
    pub(crate) turn: u32,
    /// What the thread shares that opened it: sender orders are announced there.
    home: Arc<Board>,
    /// It is to leave this thread, with this order as its carriage.
    pub(crate) departing: Option<Box<Order<L>>>,
    /// The first tick that has not been prepared where it was before.
    pub(crate) not_before: u64,
    /// Where a bus publishes its frames.
    feed: Option<Arc<Feed>>,
    /// The bus this session is subscribed to.
    tap: Option<Box<Tap>>,
    encoder: Coder,
    tail: Tail,
    /// Ticks since which packets could go out as they are.
    calm_ticks: u32,
    /// What the encoder was asked for; an overloaded thread may allow less.
    settings: EncoderSettings,
    /// The complexity it really works with.
    complexity_now: u8,
}

impl<L> Session<L> {
    pub(crate) fn new(key: SessionKey, home: Arc<Board>, mix: MixConfig) -> Self {
        Self {
            key,
            line: None,
            mixer: Mixer::new(),
            packet: Packet::new(),
            closing: false,
            turn: 0,
            home,
            departing: None,
            not_before: 0,
            feed: None,
            tap: None,
            encoder: Coder::default(),
            tail: Tail::Quiet,
            calm_ticks: 0,
            settings: EncoderSettings {
                bitrate_bps: mix.bitrate_bps,
                complexity: mix.complexity,
                ..EncoderSettings::default()
            },
            complexity_now: mix.complexity,
        }
    }

    /// The board of the slot it was opened in. *Tick-safe.*
    pub(crate) fn own_slot(&self) -> Option<&SlotBoard> {
        self.home.slots.get(usize::from(self.key.slot))
    }

    /// True when the session needs ticks: something sounds, waits or must be ended, on a line that
    /// does not hold it still. *Tick-safe.*
    pub(crate) fn is_awake(&self) -> bool {
        let may_hear = self.tap.as_ref().is_some_and(|tap| tap.is_open());
        let sounds = self.tail != Tail::Quiet || self.mixer.is_active() || may_hear;
        // A bus asks for itself whether somebody has come: nobody tells it.
        let looks_out = self.feed.is_some() && self.mixer.is_active();
        self.mixer.has_leftovers() || looks_out || self.moves() && sounds
    }

    /// True when the session was asked to go and has nothing left to say. *Tick-safe.*
    pub(crate) fn is_over(&self) -> bool {
        self.closing && (!self.moves() || self.tail == Tail::Quiet) && !self.mixer.is_active()
    }

    /// True when tracks go on. Without a line, and while the sender holds, nothing moves; a bus
    /// does, unless it waits for listeners. *Tick-safe.*
    pub(crate) fn moves(&self) -> bool {
        match &self.feed {
            Some(feed) => !feed.rests(),
            None => self.line.as_ref().is_some_and(|line| line.sender.moves()),
        }
    }

    /// Puts a track into the mix. It stays in `track` when the session goes. *Tick-safe.*
    pub(crate) fn take_track(&mut self, track: &mut Option<Box<Node>>) -> bool {
        if !self.closing {
            let spare = track.as_mut().map(|track| track.encoder());
            if spare.is_some_and(|spare| self.encoder.take(spare)) {
                let _unlikely = self.encoder.apply(&self.settings);
                if let Some(slot) = self.own_slot() {
                    slot.equipped.store(true, Relaxed);
                }
            }
            self.mixer.take_track(track);
        }
        !self.closing
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
        // What was held back would have been played meanwhile, and nobody would have heard it.
        if matches!(line.sender, Sender::Unheard) {
            self.mixer.forget_held();
        }
        if !seamless {
            self.begin();
        }
    }

    /// Whoever listens from now on has not heard what was said before. *Tick-safe.*
    fn begin(&mut self) {
        self.tail = Tail::Quiet;
        self.calm_ticks = 0;
        // Without effect on the packet if it fails: the encoder then goes on where it stood.
        let _unlikely = self.encoder.reset();
    }

    /// From the next frame on. *Tick-safe.*
    pub(crate) fn set_bitrate(&mut self, bitrate_bps: u32) {
        self.settings.bitrate_bps = bitrate_bps;
    }

    /// From the next frame on. *Tick-safe.*
    pub(crate) fn set_encoder(&mut self, settings: EncoderSettings) {
        self.settings = settings;
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
        if let Some(feed) = self.feed.take() {
            let made = self.broadcast(&feed, tick, most, board, tell);
            self.feed = Some(feed);
            return made;
        }
        let Some(line) = self.line.as_ref().filter(|line| line.sender.moves()) else {
            return Made::Nothing;
        };
        if let Some(lanes) = &mut self.mixer.lanes {
            lanes.begin(tick);
        }
        let flows = line.sender.flows();
        if let Some(mut tap) = self.tap.take() {
            let made = self.prepare_tapped(&mut tap, tick, most, board, tell);
            self.tap = Some(tap);
            return made;
        }
        if let Some(made) = self.pass(tick, flows, board, tell) {
            board.sounding.store(true, Relaxed);
            return made;
        }
        let sound = self.mixer.next(None, tell);
        board.unpacked.add(self.mixer.take_decoded());
        board.sounding.store(sound, Relaxed);
        if !flows {
            return Made::Nothing;
        }
        self.speak(sound, tick, most, board)
    }

    /// Encodes what was mixed, or lets the sound end: the look-ahead, then silence frames.
    /// *Tick-safe.*
    fn speak(&mut self, sound: bool, tick: u64, most: u8, board: &SlotBoard) -> Made {
        self.complexity_now = self.settings.complexity.min(most);
        let _unlikely = self.encoder.apply(&EncoderSettings {
            complexity: self.complexity_now,
            ..self.settings
        });
        if !self.encoder.is_there() && matches!(self.tail, Tail::Sounding | Tail::Passing) {
            // What was heard came from a bus: nothing of it is still in an encoder here.
            self.tail = Tail::Silence(SILENCE_FRAMES);
        }
        if sound && self.tail != Tail::Sounding {
            // Who listens has heard silence, or has only just come.
            self.encoder.begin();
        }
        let frame = match (sound, self.tail) {
            // The block after the last sound carries the encoder's look-ahead: the end of the
            // song would be cut off by 6.5 ms without it.
            (true, _) | (false, Tail::Sounding | Tail::Passing) => {
                self.tail = if sound {
                    Tail::Sounding
                } else {
                    Tail::Silence(SILENCE_FRAMES)
                };
                board.encoded.add(1);
                self.encoder
                    .encode(self.mixer.block(), self.packet.frame_room())
            }
            (false, Tail::Silence(left)) => {
                // The decoders now hear a silence frame; one silent block through the encoder,
                // its result overwritten, brings it to the same state.
                let in_step = match left {
                    SILENCE_FRAMES if self.encoder.is_there() => self
                        .encoder
                        .encode(self.mixer.block(), self.packet.frame_room()),
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
