//! Fifteen bands, louder or softer.
//!
//! Each band that is not at 0 is a peaking filter of the audio EQ cookbook (R. Bristow-Johnson,
//! <https://www.w3.org/TR/audio-eq-cookbook/>), written as what goes in plus a band of it:
//!
//! ```text
//! H(z) = 1 + (G - 1) BP(z)        G = 1 + 4 gain: 0 at -0.25, 2 at 0.25, 5 at 1.0
//! BP(z) = α (1 - z⁻²) / (1 + α - 2 cos ω z⁻¹ + (1 - α) z⁻²)
//! α = sin ω · sinh(ln 2 / 2 · B · ω / sin ω),   B = 2/3 octave, the distance of the bands
//! ```
//!
//! This is the cookbook's peaking filter with `Q √G` for its `Q`: the width of what is added does
//! not depend on the gain, and a band can be muted altogether. The bands follow one another, so
//! gains of neighbours multiply where they overlap, and a muted band stays muted whatever its
//! neighbours do. There is no limiter here: the mixer has one.

use super::spec::{BAND_HZ, BANDS};
use super::{GRID, settled};
use crate::{CHANNELS, SAMPLE_RATE_HZ};

/// Width of a band in octaves.
const OCTAVES: f64 = 2.0 / 3.0;

/// Bands that run side by side in one loop: as many as the processor can overlap.
const TOGETHER: usize = 4;

/// Both channels.
type Frame = [f64; CHANNELS];

#[derive(Debug, Clone, Copy, Default)]
struct Band {
    /// `(G - 1) α / (1 + α)`: 0 lets everything pass.
    k: f64,
    a1: f64,
    a2: f64,
    s1: Frame,
    s2: Frame,
}

impl Band {
    fn new(hz: f32, gain: f32) -> Self {
        let omega = std::f64::consts::TAU * f64::from(hz) / f64::from(SAMPLE_RATE_HZ);
        let (sin, cos) = omega.sin_cos();
        let alpha = sin * (std::f64::consts::LN_2 / 2.0 * OCTAVES * omega / sin).sinh();
        Self {
            k: 4.0 * f64::from(gain) * alpha / (1.0 + alpha),
            a1: -2.0 * cos / (1.0 + alpha),
            a2: (1.0 - alpha) / (1.0 + alpha),
            ..Self::default()
        }
    }

    /// Transposed direct form II of the band pass without its factor, added to what went in.
    #[inline(always)]
    fn step(&mut self, x: Frame) -> Frame {
        let mut y = x;
        for (y, (s1, s2)) in y.iter_mut().zip(self.s1.iter_mut().zip(&mut self.s2)) {
            let x = *y;
            let u = x + *s1;
            *s1 = *s2 - self.a1 * u;
            *s2 = -x - self.a2 * u;
            *y = x + self.k * u;
        }
        y
    }
}

pub(super) struct Filter {
    groups: Vec<[Band; TOGETHER]>,
    wide: Vec<Frame>,
}

impl Filter {
    pub(super) fn new(gains: &[f32; BANDS]) -> Self {
        let bands: Vec<Band> = BAND_HZ
            .iter()
            .zip(gains)
            .filter(|(_, gain)| **gain != 0.0)
            .map(|(hz, gain)| Band::new(*hz, *gain))
            .collect();
        let groups = bands
            .chunks(TOGETHER)
            .map(|some| {
                let mut group = [Band::default(); TOGETHER];
                group.iter_mut().zip(some).for_each(|(g, s)| *g = *s);
                group
            })
            .collect();
        Self {
            groups,
            wide: Vec::with_capacity(GRID),
        }
    }

    pub(super) fn run(&mut self, samples: &mut [f32]) {
        self.wide.clear();
        self.wide.extend(
            samples
                .as_chunks::<CHANNELS>()
                .0
                .iter()
                .map(|f| f.map(f64::from)),
        );
        for group in &mut self.groups {
            // A copy, so that the compiler may keep the state in registers.
            let mut bands = *group;
            for frame in &mut self.wide {
                *frame = bands.iter_mut().fold(*frame, |x, band| band.step(x));
            }
            *group = bands;
        }
        for (narrow, wide) in samples
            .as_chunks_mut::<CHANNELS>()
            .0
            .iter_mut()
            .zip(&self.wide)
        {
            *narrow = wide.map(|s| s as f32);
        }
    }

    pub(super) fn settle(&mut self) {
        for band in self.groups.iter_mut().flatten() {
            for state in band.s1.iter_mut().chain(&mut band.s2) {
                *state = settled(*state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::filters::spec::{BAND_HZ, FilterSpec};
    use crate::filters::testing::tone_gain_db;

    /// The formula of this page, evaluated in the frequency plane.
    fn formula_db(hz: f64, centre_hz: f64, gain: f64) -> f64 {
        let omega = std::f64::consts::TAU * centre_hz / 48e3;
        let alpha = omega.sin() * (std::f64::consts::LN_2 / 3.0 * omega / omega.sin()).sinh();
        // At z = e^jv: BP = jα sin v / (cos v - cos ω + jα sin v).
        let v = std::f64::consts::TAU * hz / 48e3;
        let (across, along) = (v.cos() - omega.cos(), alpha * v.sin());
        let peak = 1.0 + 4.0 * gain;
        10.0 * ((across.powi(2) + (peak * along).powi(2)) / (across.powi(2) + along.powi(2)))
            .log10()
    }

    #[test]
    fn each_band_follows_its_formula_at_five_points() {
        for (band, centre_hz) in BAND_HZ.iter().enumerate() {
            for gain in [-0.2f32, 0.25, 1.0] {
                let mut spec = FilterSpec::default();
                spec.equalizer[band] = gain;
                for ratio in [0.5, 0.8, 1.0, 1.2, 1.45] {
                    let hz = f64::from(*centre_hz) * ratio;
                    let wanted = formula_db(hz, f64::from(*centre_hz), f64::from(gain));
                    let found = tone_gain_db(&spec, hz);
                    assert!(
                        (found - wanted).abs() < 0.05,
                        "band {band} gain {gain} at {hz} Hz: {found} dB, not {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn gains_mean_what_lavalink_says() {
        let mut spec = FilterSpec::default();
        for (gain, db) in [(0.25, 6.02), (1.0, 13.98), (-0.125, -6.02)] {
            spec.equalizer[8] = gain;
            assert!((tone_gain_db(&spec, 1000.0) - db).abs() < 0.05, "{gain}");
        }
        spec.equalizer[8] = -0.25;
        assert!(tone_gain_db(&spec, 1000.0) < -80.0, "muted");
        // Also when the neighbours are muted too, and when they are raised.
        spec.equalizer[7] = -0.25;
        spec.equalizer[9] = 0.25;
        assert!(tone_gain_db(&spec, 1000.0) < -80.0, "still muted");
    }
}
