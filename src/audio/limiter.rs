//! The last guard before the encoder: nothing leaves above 0 dBFS.

use crate::{Block, CHANNELS, FRAMES};

/// Full scale. Opus is lossy, so a decoder may still overshoot a little; that is the listener's
/// headroom, not ours.
pub const CEILING: f32 = 1.0;

/// The gain falls over at most 1.5 ms ahead of a peak.
const ATTACK_FRAMES: usize = 72;

/// The gain comes back with a time constant of 100 ms (4800 frames): fast enough not to leave a
/// hole after a drum, slow enough not to distort a bass note.
const RELEASE_PER_FRAME: f32 = 1.0 / 4800.0;

/// The least the gain rises per frame: below this the exponential would crawl (and, in f32, stop)
/// just short of unity, and the limiter would never be transparent again.
const LEAST_RELEASE: f32 = 1e-6;

/// A safety limiter without latency.
///
/// While every sample is within ±1.0 and no earlier peak is being recovered from, blocks pass
/// bit for bit. Above, both channels are turned down together: the gain slides down before the
/// peak as far as the block allows looking ahead, and recovers after it. Adding no delay means
/// that switching it in and out cannot shift the sound. Non-finite samples become silence.
#[derive(Debug, Clone)]
pub struct Limiter {
    gain: f32,
    /// The gain each frame of the block must stay under; kept here so the tick's stack is small.
    allowed: [f32; FRAMES],
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Limiter {
    /// A limiter at rest.
    #[must_use]
    pub fn new() -> Self {
        Self {
            gain: 1.0,
            allowed: [1.0; FRAMES],
        }
    }

    /// True when the last block was turned down, or the gain has not recovered yet. *Tick-safe.*
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.gain != 1.0
    }

    /// Limits one block in place. *Tick-safe.*
    pub fn process(&mut self, block: &mut Block) {
        // `&` instead of `all`: without the early exit the loop runs in vectors, five times as fast.
        let fits = block
            .iter()
            .fold(true, |fits, s| fits & (s.abs() <= CEILING));
        if self.gain == 1.0 && fits {
            return;
        }
        for sample in block.iter_mut() {
            if !sample.is_finite() {
                *sample = 0.0;
            }
        }
        self.plan(block);
        for (frame, allowed) in block.chunks_exact_mut(CHANNELS).zip(&self.allowed) {
            let release = ((1.0 - self.gain) * RELEASE_PER_FRAME).max(LEAST_RELEASE);
            self.gain = (self.gain + release).min(*allowed);
            for sample in frame {
                // The clamp only takes off the last rounding error of the multiplication.
                *sample = (*sample * self.gain).clamp(-CEILING, CEILING);
            }
        }
    }

    /// Walks backwards from each peak and draws the line on which the gain comes down to it.
    ///
    /// A peak nearer to the start of the block than the attack gets a steeper line that begins
    /// at unity just before the block: the gain never jumps unless the sound itself does.
    fn plan(&mut self, block: &Block) {
        let mut line = 1.0f32;
        let mut slope = 0.0f32;
        let frames = block
            .chunks_exact(CHANNELS)
            .zip(&mut self.allowed)
            .enumerate()
            .rev();
        for (at, (frame, allowed)) in frames {
            let top = frame.iter().fold(0.0f32, |top, s| top.max(s.abs()));
            let need = if top > CEILING { CEILING / top } else { 1.0 };
            line += slope;
            if need < line {
                line = need;
                slope = (1.0 - need) / ATTACK_FRAMES.min(at + 1) as f32;
            }
            if line >= 1.0 {
                line = 1.0;
                slope = 0.0;
            }
            *allowed = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SAMPLES;

    fn sine(blocks: usize, hz: f32, height: impl Fn(usize) -> f32) -> Vec<Block> {
        let mut out = vec![[0.0; SAMPLES]; blocks];
        for (n, frame) in out
            .iter_mut()
            .flat_map(|b| b.chunks_exact_mut(2))
            .enumerate()
        {
            let s = (n as f32 * hz * std::f32::consts::TAU / 48_000.0).sin() * height(n);
            frame.copy_from_slice(&[s, -s * 0.5]);
        }
        out
    }

    fn left(blocks: &[Block]) -> Vec<f32> {
        blocks.iter().flatten().step_by(2).copied().collect()
    }

    fn largest_step(samples: &[f32]) -> f32 {
        samples
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn sound_within_full_scale_passes_bit_for_bit() {
        let song = sine(10, 997.0, |_| 1.0);
        let mut limited = song.clone();
        let mut limiter = Limiter::new();
        limited.iter_mut().for_each(|b| limiter.process(b));
        assert_eq!(song, limited);
        assert!(!limiter.is_working());
    }

    #[test]
    fn nothing_comes_out_above_full_scale() {
        for height in [1.01, 1.5, 4.0, 1e6] {
            let mut limiter = Limiter::new();
            for mut block in sine(20, 61.0, |_| height) {
                limiter.process(&mut block);
                assert!(block.iter().all(|s| s.abs() <= CEILING), "height {height}");
            }
        }
    }

    #[test]
    fn a_swell_over_full_scale_does_not_click() {
        // 0.5 up to 3 and back over half a second: the limited wave may never step more than
        // the unlimited one does.
        let swell = |n: usize| 0.5 + 2.5 * (n as f32 / 24_000.0 * std::f32::consts::PI).sin();
        let song = sine(25, 220.0, swell);
        let mut limited = song.clone();
        let mut limiter = Limiter::new();
        limited.iter_mut().for_each(|b| limiter.process(b));
        assert!(largest_step(&left(&limited)) <= largest_step(&left(&song)));
        // A sine at full scale steps 0.029 a sample; a click would be many times that.
        assert!(
            largest_step(&left(&limited)) < 0.06,
            "{}",
            largest_step(&left(&limited))
        );
    }

    #[test]
    fn the_gain_recovers_and_becomes_transparent_again() {
        let mut limiter = Limiter::new();
        for mut block in sine(5, 440.0, |_| 2.0) {
            limiter.process(&mut block);
        }
        assert!(limiter.is_working());
        let song = sine(100, 440.0, |_| 0.5);
        let mut limited = song.clone();
        limited.iter_mut().for_each(|b| limiter.process(b));
        assert!(!limiter.is_working(), "2 s are enough to recover");
        assert_eq!(limited[99], song[99]);
        assert!(
            limited[0][200].abs() < song[0][200].abs(),
            "right after the peak still reduced"
        );
    }

    #[test]
    fn both_channels_are_turned_down_together() {
        let mut limiter = Limiter::new();
        let song = sine(3, 333.0, |_| 1.7);
        for block in &song {
            let mut limited = *block;
            limiter.process(&mut limited);
            for frame in limited.chunks_exact(2).filter(|f| f[0].abs() > 0.01) {
                assert!(
                    (frame[1] / frame[0] + 0.5).abs() < 1e-4,
                    "the stereo image holds still"
                );
            }
        }
    }

    #[test]
    fn non_finite_samples_become_silence_and_do_not_stick() {
        let mut limiter = Limiter::new();
        let mut block = [0.25; SAMPLES];
        block[7] = f32::NAN;
        block[8] = f32::INFINITY;
        block[9] = f32::NEG_INFINITY;
        limiter.process(&mut block);
        assert_eq!(&block[6..11], &[0.25, 0.0, 0.0, 0.0, 0.25]);
        assert!(!limiter.is_working());
    }
}
