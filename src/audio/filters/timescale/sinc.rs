//! Reading between the samples: a windowed sinc, tabulated.
//!
//! ```text
//! x(t) = Σ x[n] · h(n - t)        h(d) = c · sinc(c d) · kaiser(d)
//! ```
//!
//! `c` is the cut-off relative to half the sample rate: 0.92 for steps up to 1, `0.92 / step` above,
//! so that nothing folds back when the pitch rises and no images appear when it falls. At a step of
//! exactly 1 neither can happen; then `c` is 1 and positions on a sample give the sample itself.

use super::source::Source;
use crate::CHANNELS;

/// Places between two samples that are tabulated; between them the table is read linearly, which is
/// less than -90 dB off at the highest frequencies and better below.
const PHASES: usize = 256;

/// Side lobes below -85 dB.
const KAISER_BETA: f64 = 8.6;

/// Coefficients taken at once; [`Kernel::taps`] is a multiple.
const LANES: usize = 8;

pub(super) struct Kernel {
    taps: usize,
    /// `PHASES + 1` rows of `taps`.
    rows: Vec<f32>,
}

impl Kernel {
    /// For positions that are `step` source frames apart, 0.1 to 8.
    pub(super) fn new(step: f64) -> Self {
        let (cutoff, taps) = if step == 1.0 {
            (1.0, 32)
        } else {
            // A lower cut-off needs a longer kernel to be as steep; above 3 it may be less steep.
            let taps = (64.0 * step.clamp(1.0, 3.0) / LANES as f64).ceil() as usize * LANES;
            (0.92 / step.max(1.0), taps)
        };
        let mut rows = Vec::with_capacity((PHASES + 1) * taps);
        for phase in 0..=PHASES {
            let between = phase as f64 / PHASES as f64;
            let row: Vec<f64> = (0..taps)
                .map(|tap| {
                    let distance = tap as f64 - (taps / 2 - 1) as f64 - between;
                    cutoff * sinc(cutoff * distance) * kaiser(distance / (taps / 2) as f64)
                })
                .collect();
            let sum: f64 = row.iter().sum();
            rows.extend(row.iter().map(|h| (h / sum) as f32));
        }
        Self { taps, rows }
    }

    /// How many frames before and after a position are read.
    pub(super) fn reach(&self) -> usize {
        self.taps / 2
    }

    /// Both channels at `position`; silence where the source is not there.
    #[inline]
    pub(super) fn read(&self, source: &Source, position: f64) -> [f32; CHANNELS] {
        let whole = position.floor();
        let between = (position - whole) * PHASES as f64;
        let phase = (between as usize).min(PHASES - 1);
        let part = (between - phase as f64) as f32;
        let start = whole as i64 - (self.taps / 2 - 1) as i64;
        let (left, right) = source.frames(start, self.taps);
        let row = phase * self.taps;
        let low = self.rows.get(row..row + self.taps).unwrap_or_default();
        let high = self.rows.get(row + self.taps..row + 2 * self.taps);
        let high = high.unwrap_or_default();
        let (mut l, mut r) = ([0.0f32; LANES], [0.0f32; LANES]);
        let coefficients = low
            .as_chunks::<LANES>()
            .0
            .iter()
            .zip(high.as_chunks::<LANES>().0);
        let samples = left
            .as_chunks::<LANES>()
            .0
            .iter()
            .zip(right.as_chunks::<LANES>().0);
        for ((a, b), (x, y)) in coefficients.zip(samples) {
            let sums = l.iter_mut().zip(&mut r);
            for ((sums, (a, b)), (x, y)) in sums.zip(a.iter().zip(b)).zip(x.iter().zip(y)) {
                let h = a + part * (b - a);
                *sums.0 += h * x;
                *sums.1 += h * y;
            }
        }
        [l.iter().sum(), r.iter().sum()]
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else if x.fract() == 0.0 {
        0.0 // exactly, where sin(πx) is only nearly
    } else {
        let x = std::f64::consts::PI * x;
        x.sin() / x
    }
}

/// The Kaiser window over -1 to 1, but for a factor.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        return 0.0;
    }
    bessel_i0(KAISER_BETA * (1.0 - x * x).sqrt())
}

/// The modified Bessel function of order zero, by its power series: 40 terms are enough up to 20.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(hz: f64) -> Source {
        let mut source = Source::new(128);
        let tone = |n: usize| (std::f64::consts::TAU * hz * n as f64 / 48e3).sin() as f32;
        let samples: Vec<f32> = (0..4000).flat_map(|n| [tone(n), -tone(n)]).collect();
        source.push(&samples);
        source
    }

    #[test]
    fn positions_on_a_sample_give_the_sample_when_the_step_is_one() {
        let source = source(3333.0);
        let kernel = Kernel::new(1.0);
        for n in 100..200 {
            let (left, right) = source.frames(n, 1);
            assert_eq!(kernel.read(&source, n as f64), [left[0], right[0]]);
        }
    }

    #[test]
    fn between_the_samples_a_tone_goes_on() {
        for (hz, step, floor) in [
            (1000.0, 1.0, -90.0),
            (15e3, 1.0, -75.0),
            (1000.0, 0.7, -85.0),
        ] {
            let (source, kernel) = (source(hz), Kernel::new(step));
            let (mut error, mut power) = (0.0f64, 0.0f64);
            for i in 0..1500 {
                let at = 500.0 + i as f64 * 1.37;
                let wanted = (std::f64::consts::TAU * hz * at / 48e3).sin();
                let found = f64::from(kernel.read(&source, at)[0]);
                error += (found - wanted).powi(2);
                power += wanted.powi(2);
            }
            let db = 10.0 * (error / power).log10();
            assert!(db < floor, "{hz} Hz at step {step}: {db} dB");
        }
    }
}
