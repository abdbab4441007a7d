//! A loudness that swings.
//!
//! ```text
//! gain(t) = 1 - depth · (1 - cos 2π f t) / 2
//! ```
//!
//! It swings between 1 and `1 - depth` and begins at 1.

use super::{spec::Tremolo, swing::Swing};
use crate::CHANNELS;

pub(super) struct Filter {
    half_depth: f64,
    swing: Swing,
}

impl Filter {
    /// `frame` is the number of the first frame: where in its swing it begins.
    pub(super) fn new(spec: &Tremolo, frame: u64) -> Self {
        Self {
            half_depth: 0.5 * f64::from(spec.depth),
            swing: Swing::new(spec.frequency_hz, frame),
        }
    }

    pub(super) fn run(&mut self, samples: &mut [f32]) {
        for frame in samples.as_chunks_mut::<CHANNELS>().0 {
            let (_, cos) = self.swing.next();
            let gain = (1.0 - self.half_depth + self.half_depth * cos) as f32;
            *frame = frame.map(|s| s * gain);
        }
    }

    pub(super) fn settle(&mut self) {
        self.swing.settle();
    }
}

#[cfg(test)]
mod tests {
    use crate::filters::spec::{FilterSpec, Tremolo};
    use crate::filters::testing::rendered;

    #[test]
    fn depth_and_rate_follow_the_formula() {
        for (frequency_hz, depth) in [(2.0f32, 0.5f32), (4.3, 1.0), (14.0, 0.1)] {
            let spec = FilterSpec {
                tremolo: Some(Tremolo {
                    frequency_hz,
                    depth,
                }),
                ..Default::default()
            };
            let out = rendered(&spec, &[0.5; 2 * 96_000]);
            let mut lowest = 1.0f32;
            for (n, frame) in out.chunks_exact(2).enumerate() {
                let t = n as f64 / 48e3;
                let swing = (std::f64::consts::TAU * f64::from(frequency_hz) * t).cos();
                let gain = 1.0 - f64::from(depth) * (1.0 - swing) / 2.0;
                assert!((f64::from(frame[0]) - 0.5 * gain).abs() < 1e-6, "at {t} s");
                assert_eq!(frame[0], frame[1]);
                lowest = lowest.min(frame[0]);
            }
            assert_eq!(out[0], 0.5, "begins at full loudness");
            assert!((lowest - 0.5 * (1.0 - depth)).abs() < 1e-4);
        }
    }
}
