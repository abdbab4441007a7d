//! One sound in a mix: a ring, a gain, and the manners of starting and stopping.
//!
//! Nothing here clicks. Pause and stop fade the *next* block out over 5 ms without taking it from
//! the ring, so that a resumed track begins with exactly this block, faded in: no sample of the
//! source is skipped, and the 5 ms heard twice are heard once fading and once rising. A ring that
//! runs dry in mid-sound has no next block to fade; then the last 5 ms are played backwards while
//! fading, which joins the wave at the sample where it broke off. Fades that take longer walk only
//! with the sound that is consumed, beside all of this.

mod passthrough;
mod turn;

use mynah_audio::ramp::{Fade, RAMP_FRAMES};
use mynah_audio::{Block, Lane};

use crate::TrackId;
use crate::event::EventKind;
use crate::gains::{Echo, Gains};
use crate::order::Act;
use crate::ring::{RingReader, Supply};
use crate::swap::Swap;

/// Ticks without a block (100 ms) after which a stall is reported (design/architecture.md B6).
const STALL_TICKS: u32 = 5;

/// How a track begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackOptions {
    /// Linear gain, 1.0 leaves the sound as it is. Above 1.0 the limiter watches.
    pub gain: f32,
    /// Waits for `resume` before the first block. A track that is resumed fades in over 5 ms; one
    /// that plays at once starts as its source does.
    pub paused: bool,
    /// The lane it sounds in: which others it turns down, and which turn it down.
    pub lane: Lane,
    /// Rises from silence instead of beginning as its source does.
    pub fade_in: Option<Fade>,
}

impl Default for TrackOptions {
    fn default() -> Self {
        Self {
            gain: 1.0,
            paused: false,
            lane: Lane::Bed,
            fade_in: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Playing,
    /// Fades out at the next tick, then is paused.
    Pausing,
    Paused,
    /// Fades out at the next tick, then is done.
    Stopping,
    /// Waits to be taken to the janitor.
    Done,
}

/// Whether there was sound; first what began, then what ended: a track of one block does both.
type Heard = (bool, [Option<EventKind>; 2]);

/// What a track added to the mix.
#[derive(Debug, PartialEq)]
pub(crate) struct Mixed {
    /// It added sound.
    pub(crate) sound: bool,
    /// The largest gain it was added with.
    pub(crate) gain: f32,
    /// What is to be told, in order.
    pub(crate) events: [Option<EventKind>; 2],
}

/// A track on the tick.
pub(crate) struct Track {
    id: TrackId,
    lane: Lane,
    ring: RingReader,
    /// The ring that comes next.
    swap: Option<Box<Swap>>,
    /// The ring that was left; waits to be taken to the janitor.
    spent: Option<Box<Swap>>,
    gains: Gains,
    flow: Flow,
    /// Fades away over many blocks, then is done.
    leaving: bool,
    /// Its first block was mixed.
    started: bool,
    /// The last tick heard it: what comes next must join on.
    sounding: bool,
    /// The next block fades in even if it is the first.
    reopen: bool,
    dry_ticks: u32,
    frames_played: u64,
    /// What was heard last went out as a packet.
    passing: bool,
    /// Packets decoded on the tick that have been counted.
    decoded_before: u64,
    echo: Echo,
}

impl Track {
    pub(crate) fn new(id: TrackId, ring: RingReader, options: TrackOptions) -> Self {
        let flow = if options.paused {
            Flow::Paused
        } else {
            Flow::Playing
        };
        let gains = Gains::new(options.gain, options.fade_in);
        ring.want_pcm(!gains.is_unity());
        Self {
            id,
            lane: options.lane,
            ring,
            swap: None,
            spent: None,
            gains,
            flow,
            leaving: false,
            started: false,
            sounding: false,
            reopen: options.paused,
            dry_ticks: 0,
            frames_played: 0,
            passing: false,
            decoded_before: 0,
            echo: Echo::new(),
        }
    }

    /// *Tick-safe.*
    pub(crate) fn id(&self) -> TrackId {
        self.id
    }

    /// *Tick-safe.*
    pub(crate) fn lane(&self) -> Lane {
        self.lane
    }

    /// True while the track needs ticks: it sounds, waits for its ring, or has yet to fade out.
    /// *Tick-safe.*
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.flow, Flow::Playing | Flow::Pausing | Flow::Stopping)
    }

    /// True when nothing will come from it any more. *Tick-safe.*
    pub(crate) fn is_done(&self) -> bool {
        self.flow == Flow::Done
    }

    /// True when it holds something for the janitor. *Tick-safe.*
    pub(crate) fn is_leftover(&self) -> bool {
        self.is_done() || self.spent.is_some()
    }

    /// The ring that was left. *Tick-safe.*
    pub(crate) fn take_spent(&mut self) -> Option<Box<Swap>> {
        self.spent.take()
    }

    /// Does what an order says. *Tick-safe.*
    pub(crate) fn act(&mut self, act: &mut Act) -> Option<EventKind> {
        match act {
            Act::Pause => self.pause(),
            Act::Resume => self.resume(),
            Act::Stop => self.stop(),
            Act::StopWith(fade) => self.stop_with(*fade),
            Act::Gain(gain) => {
                self.set_gain(*gain);
                None
            }
            Act::Fade(gain, fade) => {
                self.gains.set_level(*gain, *fade);
                None
            }
            Act::Swap(swap) => {
                self.swap(swap);
                None
            }
        }
    }

    /// *Tick-safe.*
    pub(crate) fn pause(&mut self) -> Option<EventKind> {
        if self.flow != Flow::Playing {
            return None;
        }
        if self.sounding {
            self.flow = Flow::Pausing;
            return None;
        }
        self.flow = Flow::Paused;
        self.reopen = true;
        Some(EventKind::Paused(self.id))
    }

    /// *Tick-safe.*
    pub(crate) fn resume(&mut self) -> Option<EventKind> {
        if !matches!(self.flow, Flow::Paused | Flow::Pausing) {
            return None;
        }
        self.flow = Flow::Playing;
        Some(EventKind::Resumed(self.id))
    }

    /// *Tick-safe.*
    pub(crate) fn stop(&mut self) -> Option<EventKind> {
        match self.flow {
            Flow::Done | Flow::Stopping => None,
            _ if self.sounding => {
                self.flow = Flow::Stopping;
                None
            }
            _ => Some(self.stopped()),
        }
    }

    /// Stops when a fade over many blocks is at its end. *Tick-safe.*
    pub(crate) fn stop_with(&mut self, fade: Fade) -> Option<EventKind> {
        if !self.sounding || self.flow != Flow::Playing || fade.frames <= RAMP_FRAMES {
            return self.stop();
        }
        self.leaving = true;
        self.gains.leave(fade);
        None
    }

    /// *Tick-safe.*
    pub(crate) fn set_gain(&mut self, gain: f32) {
        let frames = if self.sounding { RAMP_FRAMES } else { 0 };
        self.gains.set_level(
            gain,
            Fade {
                frames,
                ..Fade::QUICK
            },
        );
    }

    /// The line went away in mid-sound: hold still, and fade in when it is back. *Tick-safe.*
    pub(crate) fn hush(&mut self) -> Option<EventKind> {
        self.sounding = false;
        match self.flow {
            Flow::Pausing => {
                self.flow = Flow::Paused;
                Some(EventKind::Paused(self.id))
            }
            Flow::Stopping => Some(self.stopped()),
            _ => None,
        }
    }

    /// Adds the next 20 ms to `bus`. *Tick-safe.*
    pub(crate) fn mix(&mut self, bus: &mut Block) -> Mixed {
        let gain = self.gains.most();
        let (sound, events) = match self.flow {
            Flow::Playing => self.play(bus),
            Flow::Pausing | Flow::Stopping => self.fade_out(bus),
            Flow::Paused | Flow::Done => (false, [None, None]),
        };
        Mixed {
            sound,
            gain,
            events,
        }
    }

    /// Plays from the ring there is.
    fn play_ring(&mut self, bus: &mut Block) -> Heard {
        self.unpack();
        match self.ring.supply() {
            Supply::Block {
                samples, frames, ..
            } => {
                if !self.sounding && (self.started || self.reopen) {
                    self.gains.reopen();
                }
                self.gains.add(samples, bus);
                self.echo.keep(samples);
                self.frames_played += frames as u64;
                self.ring.release();
                (true, [self.began(), self.left().or_else(|| self.ended())])
            }
            Supply::Ended if self.swap.is_none() => (false, [self.ended(), None]),
            Supply::Broken if self.swap.is_none() => (self.echo_out(bus), [self.ended(), None]),
            Supply::Dry | Supply::Ended | Supply::Broken => {
                let sound = self.echo_out(bus);
                if self.leaving {
                    return (sound, [Some(self.stopped()), None]);
                }
                self.dry_ticks = self.dry_ticks.saturating_add(1);
                let stalled = self.started && self.dry_ticks == STALL_TICKS;
                let event = stalled.then_some(EventKind::Stalled(self.id));
                (sound, [event, None])
            }
        }
    }

    fn fade_out(&mut self, bus: &mut Block) -> Heard {
        self.unpack();
        let sound = if let Supply::Block { samples, .. } = self.ring.supply() {
            self.gains.add_closing(samples, bus);
            self.sounding = false;
            true
        } else {
            self.echo_out(bus)
        };
        let event = if self.flow == Flow::Pausing {
            self.flow = Flow::Paused;
            self.swap_unheard();
            EventKind::Paused(self.id)
        } else {
            self.stopped()
        };
        (sound, [Some(event), None])
    }

    /// Fades out where there is nothing to fade. False when nothing was heard.
    fn echo_out(&mut self, bus: &mut Block) -> bool {
        let heard = std::mem::take(&mut self.sounding);
        if heard {
            self.gains.add_echo(&self.echo, bus);
        }
        heard
    }

    /// Bookkeeping after a block was heard.
    fn began(&mut self) -> Option<EventKind> {
        let stalled = self.started && self.dry_ticks >= STALL_TICKS;
        let first = !std::mem::replace(&mut self.started, true);
        self.sounding = true;
        self.reopen = false;
        self.dry_ticks = 0;
        if first {
            Some(EventKind::Started(self.id))
        } else {
            stalled.then_some(EventKind::Recovered(self.id))
        }
    }

    /// Looks whether it has faded away.
    fn left(&mut self) -> Option<EventKind> {
        (self.leaving && self.gains.has_left()).then(|| self.stopped())
    }

    /// Looks whether that was all.
    fn ended(&mut self) -> Option<EventKind> {
        if self.swap.is_some() {
            return None;
        }
        let (track, frames_played) = (self.id, self.frames_played);
        match self.ring.supply() {
            Supply::Ended => {
                self.flow = Flow::Done;
                Some(EventKind::Ended {
                    track,
                    frames_played,
                })
            }
            // In mid-sound the break is noticed again at the next tick, which fades it out.
            Supply::Broken if !self.sounding => {
                self.flow = Flow::Done;
                Some(EventKind::Broken {
                    track,
                    frames_played,
                })
            }
            _ => None,
        }
    }

    fn stopped(&mut self) -> EventKind {
        self.flow = Flow::Done;
        EventKind::Stopped {
            track: self.id,
            frames_played: self.frames_played,
        }
    }
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod tests;
