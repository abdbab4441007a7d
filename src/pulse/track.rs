//! One sound in a mix: a ring, a gain, and the manners of starting and stopping.
//!
//! Nothing here clicks. Pause and stop fade the *next* block out over 5 ms without taking it from
//! the ring, so that a resumed track begins with exactly this block, faded in: no sample of the
//! source is skipped, and the 5 ms heard twice are heard once fading and once rising. A ring that
//! runs dry in mid-sound has no next block to fade; then the last 5 ms are played backwards while
//! fading, which joins the wave at the sample where it broke off.

use mynah_audio::ramp::RAMP_FRAMES;
use mynah_audio::{Block, CHANNELS, Ramp};

use crate::TrackId;
use crate::event::EventKind;
use crate::ring::{RingReader, Supply};

/// Samples in the 5 ms that are kept for fading out a ring that ran dry.
const ECHO_SAMPLES: usize = RAMP_FRAMES as usize * CHANNELS;

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
}

impl Default for TrackOptions {
    fn default() -> Self {
        Self {
            gain: 1.0,
            paused: false,
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
    ring: RingReader,
    ramp: Ramp,
    gain: f32,
    flow: Flow,
    /// Its first block was mixed.
    started: bool,
    /// The last tick heard it: what comes next must join on.
    sounding: bool,
    /// The next block fades in even if it is the first.
    fade_in: bool,
    dry_ticks: u32,
    frames_played: u64,
    /// The end of the last block, as it lay in the ring.
    echo: [f32; ECHO_SAMPLES],
}

impl Track {
    pub(crate) fn new(id: TrackId, ring: RingReader, options: TrackOptions) -> Self {
        let flow = if options.paused {
            Flow::Paused
        } else {
            Flow::Playing
        };
        let ramp = Ramp::new(options.gain);
        Self {
            id,
            ring,
            ramp,
            gain: ramp.gain(),
            flow,
            started: false,
            sounding: false,
            fade_in: options.paused,
            dry_ticks: 0,
            frames_played: 0,
            echo: [0.0; ECHO_SAMPLES],
        }
    }

    pub(crate) fn id(&self) -> TrackId {
        self.id
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
        self.fade_in = true;
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

    /// *Tick-safe.*
    pub(crate) fn set_gain(&mut self, gain: f32) {
        let walk = if self.sounding { RAMP_FRAMES } else { 0 };
        self.ramp.set(gain, walk);
        self.gain = self.ramp.target();
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
        let gain = self.ramp.gain().max(self.gain);
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

    fn play(&mut self, bus: &mut Block) -> Heard {
        match self.ring.supply() {
            Supply::Block { samples, frames } => {
                if !self.sounding && (self.started || self.fade_in) {
                    self.ramp.set(0.0, 0);
                    self.ramp.set(self.gain, RAMP_FRAMES);
                }
                self.ramp.add(samples, bus);
                if let Some(end) = samples.last_chunk() {
                    self.echo = *end;
                }
                self.frames_played += frames as u64;
                self.ring.release();
                (true, [self.began(), self.ended()])
            }
            Supply::Dry => {
                let sound = self.echo_out(bus);
                self.dry_ticks = self.dry_ticks.saturating_add(1);
                let stalled = self.started && self.dry_ticks == STALL_TICKS;
                let event = stalled.then_some(EventKind::Stalled(self.id));
                (sound, [event, None])
            }
            Supply::Ended => (false, [self.ended(), None]),
            Supply::Broken => (self.echo_out(bus), [self.ended(), None]),
        }
    }

    fn fade_out(&mut self, bus: &mut Block) -> Heard {
        let sound = if let Supply::Block { samples, .. } = self.ring.supply() {
            self.ramp.set(0.0, RAMP_FRAMES);
            self.ramp.add(samples, bus);
            self.sounding = false;
            true
        } else {
            self.echo_out(bus)
        };
        let event = if self.flow == Flow::Pausing {
            self.flow = Flow::Paused;
            EventKind::Paused(self.id)
        } else {
            self.stopped()
        };
        (sound, [Some(event), None])
    }

    /// Fades out where there is nothing to fade: the last 5 ms backwards, the first sample
    /// repeating the last one heard. False when nothing was heard.
    fn echo_out(&mut self, bus: &mut Block) -> bool {
        if !std::mem::take(&mut self.sounding) {
            return false;
        }
        let start = self.ramp.gain();
        let backwards = self.echo.chunks_exact(CHANNELS).rev();
        let steps = (1..=RAMP_FRAMES).rev();
        for ((to, from), left) in bus.chunks_exact_mut(CHANNELS).zip(backwards).zip(steps) {
            let gain = start * left as f32 / RAMP_FRAMES as f32;
            to.iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to += from * gain);
        }
        true
    }

    /// Bookkeeping after a block was heard.
    fn began(&mut self) -> Option<EventKind> {
        let stalled = self.started && self.dry_ticks >= STALL_TICKS;
        let first = !std::mem::replace(&mut self.started, true);
        self.sounding = true;
        self.fade_in = false;
        self.dry_ticks = 0;
        if first {
            Some(EventKind::Started(self.id))
        } else {
            stalled.then_some(EventKind::Recovered(self.id))
        }
    }

    /// Looks whether that was all.
    fn ended(&mut self) -> Option<EventKind> {
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
