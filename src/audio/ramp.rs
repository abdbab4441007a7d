//! Gain that moves without a click.

use crate::{Block, CHANNELS};

/// A gain that walks linearly, sample frame by sample frame, to where it is sent.
///
/// Volume changes, pause, resume and stop are all the same thing: a ramp to another gain. A
/// 5 ms ramp (240 frames) is short enough to feel immediate and long enough not to click.
/// A ramp may end inside a block; the rest of the block then has the target gain exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    gain: f32,
    target: f32,
    step: f32,
    left_frames: u32,
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
        }
    }

    /// Sets out from the current gain to `gain`, arriving after `ramp_frames` (0: at once).
    /// Negative or non-finite gains count as 0. *Tick-safe.*
    pub fn set(&mut self, gain: f32, ramp_frames: u32) {
        self.target = sane(gain);
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
        for (i, (o, f)) in (1..).zip(
            into_ramp
                .chunks_exact_mut(CHANNELS)
                .zip(from_ramp.chunks_exact(CHANNELS)),
        ) {
            let gain = self.gain_after(i);
            o.iter_mut().zip(f).for_each(|(o, f)| *o += f * gain);
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
        for (i, frame) in (1..).zip(ramp.chunks_exact_mut(CHANNELS)) {
            let gain = self.gain_after(i);
            frame.iter_mut().for_each(|s| *s *= gain);
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
        } else {
            self.gain = self.gain_after(frames);
            self.left_frames -= frames;
        }
    }
}

fn sane(gain: f32) -> f32 {
    if gain.is_finite() { gain.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FRAMES, SILENT_BLOCK};

    /// The largest step between neighbouring frames of the left channel.
    fn largest_step(blocks: &[Block]) -> f32 {
        let left: Vec<f32> = blocks.iter().flatten().step_by(2).copied().collect();
        left.windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn unity_passes_sound_bit_for_bit() {
        let mut from = SILENT_BLOCK;
        (0u16..)
            .zip(from.iter_mut())
            .for_each(|(i, s)| *s = f32::from(i) * 1e-4 - 0.1);
        let mut into = SILENT_BLOCK;
        let mut ramp = Ramp::new(1.0);
        assert!(ramp.is_unity());
        ramp.add(&from, &mut into);
        assert_eq!(from, into);
        let mut inplace = from;
        ramp.apply(&mut inplace);
        assert_eq!(from, inplace);
    }

    #[test]
    fn a_ramp_never_steps_more_than_its_slope() {
        let ones = [1.0; crate::SAMPLES];
        for frames in [1u32, 240, 960, 961, 5000] {
            let mut ramp = Ramp::new(0.0);
            let mut heard = vec![];
            let mut block = SILENT_BLOCK;
            ramp.add(&ones, &mut block);
            heard.push(block);
            ramp.set(0.8, frames);
            for _ in 0..8 {
                let mut block = SILENT_BLOCK;
                ramp.add(&ones, &mut block);
                heard.push(block);
            }
            assert!(
                largest_step(&heard) <= 0.8 / frames as f32 + 1e-6,
                "{frames} frames"
            );
            assert!(!ramp.is_moving());
            assert_eq!(heard[8], [0.8; crate::SAMPLES], "arrives exactly");
        }
    }

    #[test]
    fn both_channels_get_the_same_gain() {
        let ones = [1.0; crate::SAMPLES];
        let mut ramp = Ramp::new(1.0);
        ramp.set(0.0, RAMP_FRAMES);
        let mut block = SILENT_BLOCK;
        ramp.add(&ones, &mut block);
        assert!(block.chunks_exact(2).all(|f| f[0] == f[1]));
        assert!(ramp.is_silent());
        assert_eq!(
            block[2 * RAMP_FRAMES as usize],
            0.0,
            "silent right after the ramp"
        );
        assert!(
            block[2 * (RAMP_FRAMES as usize - 2)] > 0.0,
            "and not before"
        );
    }

    #[test]
    fn turning_round_in_mid_ramp_starts_from_where_it_is() {
        let ones = [1.0; crate::SAMPLES];
        let mut ramp = Ramp::new(1.0);
        let mut heard = vec![];
        ramp.set(0.0, 2 * FRAMES as u32);
        for turn in [0.0, 1.0, 0.25] {
            if turn > 0.0 {
                ramp.set(turn, 2 * FRAMES as u32);
            }
            let mut block = SILENT_BLOCK;
            ramp.add(&ones, &mut block);
            heard.push(block);
        }
        assert!(largest_step(&heard) <= 1.0 / (2.0 * FRAMES as f32) + 1e-6);
    }

    #[test]
    fn apply_and_add_agree() {
        let from = [0.5; crate::SAMPLES];
        let (mut a, mut b) = (Ramp::new(0.2), Ramp::new(0.2));
        a.set(0.9, 1000);
        b.set(0.9, 1000);
        for _ in 0..3 {
            let mut mixed = SILENT_BLOCK;
            a.add(&from, &mut mixed);
            let mut applied = from;
            b.apply(&mut applied);
            assert_eq!(mixed, applied);
        }
        assert_eq!(a, b);
    }

    #[test]
    fn nonsense_gains_are_silence() {
        for bad in [f32::NAN, f32::INFINITY, -1.0] {
            assert!(Ramp::new(bad).is_silent());
            let mut ramp = Ramp::new(1.0);
            ramp.set(bad, 0);
            assert!(ramp.is_silent());
        }
    }
}
