//! The middle of the stereo image, taken away.
//!
//! A singer stands in the middle: the same in both channels. Each channel loses the other one, and
//! gets back the middle of one band, by default around 220 Hz, where bass and drums live:
//!
//! ```text
//! l' = l - level · r + level · mono_level · y        y = H(z) (l + r) / 2
//! r' = r - level · l + level · mono_level · y
//! H(z) = g / (1 - 2 R cos θ z⁻¹ + R² z⁻²)
//! R = e^(-π width / fs),  θ = 2π band / fs,  g so that |H| = 1 in the middle of the band
//! ```
//!
//! `H` is the two-pole resonator of the textbooks (J. O. Smith, Introduction to Digital Filters):
//! steep above the band, where voices are, and gentle below it. Lavalink documents what the numbers
//! mean, not this formula.

use super::{settled, spec::Karaoke};
use crate::{CHANNELS, SAMPLE_RATE_HZ};

pub(super) struct Filter {
    level: f32,
    back: f64,
    b0: f64,
    a1: f64,
    a2: f64,
    y1: f64,
    y2: f64,
}

impl Filter {
    pub(super) fn new(spec: &Karaoke) -> Self {
        let rate = f64::from(SAMPLE_RATE_HZ);
        let radius = (-std::f64::consts::PI * f64::from(spec.filter_width_hz) / rate).exp();
        let theta = std::f64::consts::TAU * f64::from(spec.filter_band_hz) / rate;
        let square = radius * radius;
        Self {
            level: spec.level,
            back: f64::from(spec.level) * f64::from(spec.mono_level),
            b0: (1.0 - radius) * (1.0 - 2.0 * radius * (2.0 * theta).cos() + square).sqrt(),
            a1: -2.0 * radius * theta.cos(),
            a2: square,
            y1: 0.0,
            y2: 0.0,
        }
    }

    pub(super) fn run(&mut self, samples: &mut [f32]) {
        for [left, right] in samples.as_chunks_mut::<CHANNELS>().0 {
            let middle = 0.5 * (f64::from(*left) + f64::from(*right));
            let y = self.b0 * middle - self.a2 * self.y2 - self.a1 * self.y1;
            self.y2 = self.y1;
            self.y1 = y;
            let back = (self.back * y) as f32;
            let (l, r) = (*left, *right);
            *left = l - self.level * r + back;
            *right = r - self.level * l + back;
        }
    }

    pub(super) fn settle(&mut self) {
        self.y1 = settled(self.y1);
        self.y2 = settled(self.y2);
    }
}

#[cfg(test)]
mod tests {
    use crate::filters::spec::{FilterSpec, Karaoke};
    use crate::filters::testing::{rendered, tone_gain_db};

    fn spec(level: f32, mono_level: f32) -> FilterSpec {
        FilterSpec {
            karaoke: Some(Karaoke {
                level,
                mono_level,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    /// `|H|` of this page at the defaults.
    fn formula_db(hz: f64) -> f64 {
        let denominator = |v: f64| {
            let radius = (-std::f64::consts::PI * 100.0 / 48e3).exp();
            let theta = std::f64::consts::TAU * 220.0 / 48e3;
            let re = 1.0 - 2.0 * radius * theta.cos() * v.cos() + radius * radius * (2.0 * v).cos();
            let im = 2.0 * radius * theta.cos() * v.sin() - radius * radius * (2.0 * v).sin();
            re.hypot(im)
        };
        let turn = std::f64::consts::TAU / 48e3;
        20.0 * (denominator(220.0 * turn) / denominator(hz * turn)).log10()
    }

    #[test]
    fn a_centred_voice_is_gone_and_the_centred_bass_stays() {
        for hz in [800.0, 1000.0, 3000.0] {
            assert!(tone_gain_db(&spec(1.0, 1.0), hz) < -20.0, "{hz} Hz");
        }
        assert!(tone_gain_db(&spec(1.0, 1.0), 220.0).abs() < 0.05);
        assert!((tone_gain_db(&spec(1.0, 0.5), 220.0) + 6.02).abs() < 0.05);
        assert!(
            tone_gain_db(&spec(1.0, 0.0), 220.0) < -100.0,
            "band gone too"
        );
    }

    #[test]
    fn what_comes_back_follows_the_formula() {
        for hz in [60.0, 150.0, 220.0, 300.0, 700.0] {
            let found = tone_gain_db(&spec(1.0, 1.0), hz);
            assert!((found - formula_db(hz)).abs() < 0.1, "{hz} Hz: {found}");
        }
    }

    #[test]
    fn one_channel_alone_goes_to_the_other_turned_round() {
        let input: Vec<f32> = (0..960)
            .flat_map(|n| [(n as f32 * 0.1).sin(), 0.0])
            .collect();
        let out = rendered(&spec(0.75, 0.0), &input);
        for (i, o) in input.chunks(2).zip(out.chunks(2)) {
            assert_eq!(o, [i[0], -0.75 * i[0]]);
        }
    }
}
