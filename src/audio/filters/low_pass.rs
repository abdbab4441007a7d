//! High notes, softened.
//!
//! ```text
//! y[n] = y[n-1] + (x[n] - y[n-1]) / smoothing
//! H(z) = a / (1 - (1 - a) z⁻¹),  a = 1 / smoothing
//! ```
//!
//! One pole at 48 kHz: -3 dB at about `7640 / smoothing` Hz, 390 Hz for Lavalink's example of 20.

use super::{settled, spec::LowPass};
use crate::CHANNELS;

pub(super) struct Filter {
    take: f64,
    y: [f64; CHANNELS],
}

impl Filter {
    pub(super) fn new(spec: &LowPass) -> Self {
        Self {
            take: 1.0 / f64::from(spec.smoothing.max(1.0)),
            y: [0.0; CHANNELS],
        }
    }

    pub(super) fn run(&mut self, samples: &mut [f32]) {
        let keep = 1.0 - self.take;
        for frame in samples.as_chunks_mut::<CHANNELS>().0 {
            for (y, s) in self.y.iter_mut().zip(frame) {
                *y = keep * *y + self.take * f64::from(*s);
                *s = *y as f32;
            }
        }
    }

    pub(super) fn settle(&mut self) {
        self.y = self.y.map(settled);
    }
}

#[cfg(test)]
mod tests {
    use crate::filters::spec::{FilterSpec, LowPass};
    use crate::filters::testing::tone_gain_db;

    #[test]
    fn the_response_follows_the_formula() {
        for smoothing in [1.5f32, 5.0, 20.0, 200.0] {
            let spec = FilterSpec {
                low_pass: Some(LowPass { smoothing }),
                ..Default::default()
            };
            let a = 1.0 / f64::from(smoothing);
            for hz in [30.0, 390.0, 1000.0, 5000.0, 15_000.0] {
                let v = std::f64::consts::TAU * hz / 48e3;
                let power = a * a / (1.0 - 2.0 * (1.0 - a) * v.cos() + (1.0 - a).powi(2));
                let wanted = 10.0 * power.log10();
                let found = tone_gain_db(&spec, hz);
                assert!(
                    (found - wanted).abs() < 0.05,
                    "smoothing {smoothing}, {hz} Hz: {found} dB, not {wanted}"
                );
            }
        }
    }
}
