//! Gain that moves without a click.

use std::time::Duration;

use crate::{Block, CHANNELS, SAMPLE_RATE_HZ};

mod curve;

pub use curve::Curve;
use curve::Shape;

/// How a gain travels: for how long, and on what curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fade {
    /// Sample frames at 48 kHz; 0 jumps.
    pub frames: u32,
    /// The way in between.
    pub curve: Curve,
}

impl Fade {
    /// The fade of every transport control: 5 ms, a straight line.
    pub const QUICK: Self = Self {
        frames: RAMP_FRAMES,
        curve: Curve::Linear,
    };

    /// No fade: from one sample to the next.
    pub const NONE: Self = Self {
        frames: 0,
        curve: Curve::Linear,
    };

    /// A fade that takes `time` (at most about a day). *Tick-safe.*
    #[must_use]
    pub fn over(time: Duration, curve: Curve) -> Self {
        let frames = time.as_micros() * u128::from(SAMPLE_RATE_HZ) / 1_000_000;
        Self {
            frames: u32::try_from(frames).unwrap_or(u32::MAX),
            curve,
        }
    }
}

impl Default for Fade {
    fn default() -> Self {
        Self::QUICK
    }
}

/// A gain that walks, sample frame by sample frame, to where it is sent.
///
/// Volume changes, pause, resume and stop are all the same thing: a ramp to another gain. A
/// 5 ms ramp (240 frames) is short enough to feel immediate and long enough not to click.
/// A ramp may end inside a block, the rest of which then has the target gain exactly, and may
/// span any number of blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    gain: f32,
    target: f32,
    step: f32,
    left_frames: u32,
    /// For curves other than [`Curve::Linear`]: the whole way, of which `left_frames` are left.
    curve: Curve,
    from: f32,
    whole_frames: u32,
}

/// 5 ms: the ramp every transport control uses (design/architecture.md B6, row 6).
pub const RAMP_FRAMES: u32 = 240;

impl Ramp {
    /// A ramp standing still at `gain` (linear, 1.0 = unchanged).
    #[must_use]
    pub fn new(gain: f32) -> Self {
        let gain = sane(gain);
        Self {
            gain,
            target: gain,
            step: 0.0,
            left_frames: 0,
            curve: Curve::Linear,
            from: gain,
            whole_frames: 0,
        }
    }

    /// Sets out from the current gain to `gain`, arriving after `ramp_frames` (0: at once).
    /// Negative or non-finite gains count as 0. *Tick-safe.*
    pub fn set(&mut self, gain: f32, ramp_frames: u32) {
        self.fade(
            gain,
            Fade {
                frames: ramp_frames,
                curve: Curve::Linear,
            },
        );
    }

    /// Sets out from the current gain to `gain` (linear) on the way that `fade` says. A fade that
    /// is still under way is given up where it is. Negative or non-finite gains count as 0.
    /// *Tick-safe.*
    pub fn fade(&mut self, gain: f32, fade: Fade) {
        let ramp_frames = fade.frames;
        self.target = sane(gain);
        self.curve = fade.curve;
        self.from = self.gain;
        self.whole_frames = ramp_frames;
        self.left_frames = ramp_frames;
        if ramp_frames == 0 || self.target == self.gain {
            self.gain = self.target;
            self.left_frames = 0;
        } else {
            self.step = (self.target - self.gain) / ramp_frames as f32;
        }
    }

    /// The gain the next sample frame will get. *Tick-safe.*
    #[must_use]
    pub fn gain(&self) -> f32 {
        self.gain
    }

    /// Where the ramp is heading, or stands. *Tick-safe.*
    #[must_use]
    pub fn target(&self) -> f32 {
        self.target
    }

    /// True while the gain is still moving. *Tick-safe.*
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.left_frames > 0
    }

    /// True when it stands still at 0: whatever is added contributes nothing. *Tick-safe.*
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.left_frames == 0 && self.gain == 0.0
    }

    /// True when it stands still at exactly 1: sound passes bit for bit. *Tick-safe.*
    #[must_use]
    pub fn is_unity(&self) -> bool {
        self.left_frames == 0 && self.gain == 1.0
    }

    /// Mixes `from × gain` into `into` and moves on by one block. *Tick-safe.*
    pub fn add(&mut self, from: &Block, into: &mut Block) {
        let moving = self.moving_samples();
        let (from_ramp, from_flat) = from.split_at(moving);
        let (into_ramp, into_flat) = into.split_at_mut(moving);
        let frames = into_ramp
            .chunks_exact_mut(CHANNELS)
            .zip(from_ramp.chunks_exact(CHANNELS));
        if self.curve == Curve::Linear {
            for (i, (o, f)) in (1..).zip(frames) {
                let gain = self.gain_after(i);
                o.iter_mut().zip(f).for_each(|(o, f)| *o += f * gain);
            }
        } else {
            let mut shape = self.shape();
            for (o, f) in frames {
                let gain = shape.next_gain();
                o.iter_mut().zip(f).for_each(|(o, f)| *o += f * gain);
            }
        }
        self.advance(moving);
        if self.gain == 1.0 {
            into_flat
                .iter_mut()
                .zip(from_flat)
                .for_each(|(o, f)| *o += f);
        } else if self.gain != 0.0 {
            let gain = self.gain;
            into_flat
                .iter_mut()
                .zip(from_flat)
                .for_each(|(o, f)| *o += f * gain);
        }
    }

    /// Applies the gain to `block` in place and moves on by one block. *Tick-safe.*
    pub fn apply(&mut self, block: &mut Block) {
        let moving = self.moving_samples();
        let (ramp, flat) = block.split_at_mut(moving);
        let frames = ramp.chunks_exact_mut(CHANNELS);
        if self.curve == Curve::Linear {
            for (i, frame) in (1..).zip(frames) {
                let gain = self.gain_after(i);
                frame.iter_mut().for_each(|s| *s *= gain);
            }
        } else {
            let mut shape = self.shape();
            for frame in frames {
                let gain = shape.next_gain();
                frame.iter_mut().for_each(|s| *s *= gain);
            }
        }
        self.advance(moving);
        if self.gain == 0.0 {
            flat.fill(0.0); // also turns a NaN or an infinity into silence
        } else if self.gain != 1.0 {
            let gain = self.gain;
            flat.iter_mut().for_each(|s| *s *= gain);
        }
    }

    /// How many samples of the next block the gain still moves in.
    fn moving_samples(&self) -> usize {
        (self.left_frames as usize).min(crate::FRAMES) * CHANNELS
    }

    /// The gain of the `i`-th moving frame from here, counted from 1: computed from the start of
    /// the block, so rounding cannot pile up over more than one block.
    fn gain_after(&self, i: u32) -> f32 {
        self.gain + self.step * i as f32
    }

    fn advance(&mut self, moved_samples: usize) {
        let frames = (moved_samples / CHANNELS) as u32;
        if frames == 0 {
            return;
        }
        if frames >= self.left_frames {
            self.gain = self.target;
            self.left_frames = 0;
        } else if self.curve == Curve::Linear {
            self.gain = self.gain_after(frames);
            self.left_frames -= frames;
        } else {
            self.left_frames -= frames;
            self.gain = self.shape().here();
        }
    }

    /// The curve from the place reached, for the frames that come.
    fn shape(&self) -> Shape {
        let done = self.whole_frames.saturating_sub(self.left_frames);
        Shape::new(self.curve, self.from, self.target, done, self.whole_frames)
    }
}

fn sane(gain: f32) -> f32 {
    if gain.is_finite() { gain.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests;
