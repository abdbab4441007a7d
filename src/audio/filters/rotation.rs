//! Sound that turns around the listener.
//!
//! ```text
//! p = sin 2π f t                      -1: all left, 0: middle, 1: all right
//! l' = l · cos(π/4 (1 + p))           r' = r · sin(π/4 (1 + p))
//! ```
//!
//! The two gains have the same power together at every angle, so loudness does not pump; none is
//! ever above 1. In the middle, where it begins, both are 0.707. Lavalink documents the rate, not
//! the law of panning.

use super::{spec::Rotation, swing::Swing};
use crate::CHANNELS;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_4};

pub(super) struct Filter {
    swing: Swing,
}

impl Filter {
    /// `frame` is the number of the first frame: where in its swing it begins.
    pub(super) fn new(spec: &Rotation, frame: u64) -> Self {
        Self {
            swing: Swing::new(spec.rotation_hz, frame),
        }
    }

    pub(super) fn run(&mut self, samples: &mut [f32]) {
        for [left, right] in samples.as_chunks_mut::<CHANNELS>().0 {
            let (p, _) = self.swing.next();
            // cos(π/4 + x) = (cos x - sin x) / √2 with |x| ≤ π/4, by series: below 1e-8 off.
            let x = p * FRAC_PI_4;
            let q = x * x;
            let sin = x * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0))));
            let cos = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0)));
            *left *= ((cos - sin) * FRAC_1_SQRT_2) as f32;
            *right *= ((cos + sin) * FRAC_1_SQRT_2) as f32;
        }
    }

    pub(super) fn settle(&mut self) {
        self.swing.settle();
    }
}

#[cfg(test)]
mod tests {
    use crate::filters::spec::{FilterSpec, Rotation};
    use crate::filters::testing::rendered;

    #[test]
    fn the_gains_follow_the_formula_and_keep_the_power() {
        let spec = FilterSpec {
            rotation: Some(Rotation { rotation_hz: 0.7 }),
            ..Default::default()
        };
        let out = rendered(&spec, &[1.0; 2 * 144_000]);
        let (mut lefts, mut rights) = (0, 0);
        for (n, frame) in out.chunks_exact(2).enumerate() {
            let p = (std::f64::consts::TAU * 0.7f32 as f64 * n as f64 / 48e3).sin();
            let (sin, cos) = (std::f64::consts::FRAC_PI_4 * (1.0 + p)).sin_cos();
            assert!((f64::from(frame[0]) - cos).abs() < 1e-6);
            assert!((f64::from(frame[1]) - sin).abs() < 1e-6);
            let power = frame[0] * frame[0] + frame[1] * frame[1];
            assert!((power - 1.0).abs() < 1e-5);
            lefts += usize::from(frame[1] < 1e-3);
            rights += usize::from(frame[0] < 1e-3);
        }
        assert!(lefts > 0 && rights > 0, "goes all the way to both sides");
    }
}
