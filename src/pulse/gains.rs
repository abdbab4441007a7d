//! The three gains of a track: each is walked for its own reason, and none disturbs another.

use mynah_audio::ramp::{Fade, RAMP_FRAMES};
use mynah_audio::{Block, CHANNELS, Ramp};

/// Samples in the 5 ms that are kept for fading out a ring that ran dry.
const ECHO_SAMPLES: usize = RAMP_FRAMES as usize * CHANNELS;

/// What a track's sound is multiplied with. All three walk only while sound is played, so a fade
/// goes on after a pause or a stall where it stood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gains {
    /// What people set.
    level: Ramp,
    /// Fading in at the beginning and away at the end; 1 in between.
    envelope: Ramp,
    /// 5 ms up and down, for pausing, stopping and stalling.
    gate: Ramp,
}

impl Gains {
    /// Stands at `gain`, or fades in to it.
    pub(crate) fn new(gain: f32, fade_in: Option<Fade>) -> Self {
        let mut envelope = Ramp::new(1.0);
        if let Some(fade) = fade_in {
            envelope = Ramp::new(0.0);
            envelope.fade(1.0, fade);
        }
        Self {
            level: Ramp::new(gain),
            envelope,
            gate: Ramp::new(1.0),
        }
    }

    /// *Tick-safe.*
    pub(crate) fn set_level(&mut self, gain: f32, fade: Fade) {
        self.level.fade(gain, fade);
    }

    /// Sets out for silence. *Tick-safe.*
    pub(crate) fn leave(&mut self, fade: Fade) {
        self.envelope.fade(0.0, fade);
    }

    /// True when a track that leaves is no longer heard. *Tick-safe.*
    pub(crate) fn has_left(&self) -> bool {
        self.envelope.is_silent()
    }

    /// What comes next rises from silence within 5 ms. *Tick-safe.*
    pub(crate) fn reopen(&mut self) {
        self.gate.set(0.0, 0);
        self.gate.set(1.0, RAMP_FRAMES);
    }

    /// The largest gain the next block can get. *Tick-safe.*
    pub(crate) fn most(&self) -> f32 {
        self.level.gain().max(self.level.target())
    }

    /// True when the next block passes bit for bit. *Tick-safe.*
    pub(crate) fn is_unity(&self) -> bool {
        self.level.is_unity() && self.envelope.is_unity() && self.gate.is_unity()
    }

    /// Adds `from` into `into` and walks on. *Tick-safe.*
    pub(crate) fn add(&mut self, from: &Block, into: &mut Block) {
        if self.envelope.is_unity() && self.gate.is_unity() {
            return self.level.add(from, into);
        }
        let mut shaped = *from;
        self.level.apply(&mut shaped);
        self.envelope.apply(&mut shaped);
        self.gate.add(&shaped, into);
    }

    /// Adds `from`, falling to silence within 5 ms. Nothing walks on: what fades here is not
    /// consumed and will be heard again. *Tick-safe.*
    pub(crate) fn add_closing(&self, from: &Block, into: &mut Block) {
        let mut ahead = *self;
        ahead.gate.set(0.0, RAMP_FRAMES);
        ahead.add(from, into);
    }

    /// Adds the last 5 ms backwards, falling to silence: the first sample repeats the last one
    /// heard. *Tick-safe.*
    pub(crate) fn add_echo(&self, echo: &Echo, into: &mut Block) {
        let start = self.level.gain() * self.envelope.gain() * self.gate.gain();
        let backwards = echo.0.chunks_exact(CHANNELS).rev();
        let steps = (1..=RAMP_FRAMES).rev();
        for ((to, from), left) in into.chunks_exact_mut(CHANNELS).zip(backwards).zip(steps) {
            let gain = start * left as f32 / RAMP_FRAMES as f32;
            to.iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to += from * gain);
        }
    }
}

/// The end of the last block, as it lay in the ring.
pub(crate) struct Echo([f32; ECHO_SAMPLES]);

impl Echo {
    pub(crate) fn new() -> Self {
        Self([0.0; ECHO_SAMPLES])
    }

    /// *Tick-safe.*
    pub(crate) fn keep(&mut self, block: &Block) {
        if let Some(end) = block.last_chunk() {
            self.0 = *end;
        }
    }
}
