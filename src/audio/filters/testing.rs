//! Measuring for this room's tests.

use super::{Chain, FilterSpec};

/// The whole of `input` through a chain.
pub(super) fn rendered(spec: &FilterSpec, input: &[f32]) -> Vec<f32> {
    let mut chain = Chain::new(spec);
    let mut out = Vec::new();
    chain.process(input, &mut out);
    chain.flush(&mut out);
    out
}

/// What happens to the level of a steady tone, the same in both channels, in dB.
pub(super) fn tone_gain_db(spec: &FilterSpec, hz: f64) -> f64 {
    // Forty turns settle every filter near its own frequency; then ten to measure, or 0.2 s.
    let turns = |count: f64| (count * 48e3 / hz).max(9600.0) as usize;
    let (settle, window) = (turns(40.0), turns(10.0));
    let omega = std::f64::consts::TAU * hz / 48e3;
    let input: Vec<f32> = (0..settle + window)
        .flat_map(|n| [0.5 * (omega * n as f64).sin() as f32; 2])
        .collect();
    let out = rendered(spec, &input);
    let tone: Vec<f32> = out[2 * settle..].iter().step_by(2).copied().collect();
    let (height, _) = fitted(&tone, omega);
    20.0 * (height / 0.5).log10()
}

/// The frequency near `hz` that fits best, and how much louder it is than all the rest, in dB.
pub(super) fn fit_tone(samples: &[f32], hz: f64) -> (f64, f64) {
    let rest = |hz: f64| fitted(samples, std::f64::consts::TAU * hz / 48e3).1;
    let (mut low, mut high) = (hz * 0.9985, hz * 1.0015);
    // A coarse look first: what is left has many dips, the deepest is the tone.
    let dip_hz = 48e3 / samples.len() as f64;
    let steps = ((high - low) / dip_hz * 3.0).ceil() as u32 + 2;
    let best = (0..=steps)
        .map(|i| low + (high - low) * f64::from(i) / f64::from(steps))
        .min_by(|a, b| rest(*a).total_cmp(&rest(*b)))
        .unwrap();
    let width = (high - low) / f64::from(steps);
    (low, high) = (best - width, best + width);
    for _ in 0..16 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if rest(a) < rest(b) { high = b } else { low = a }
    }
    let found = 0.5 * (low + high);
    (found, -10.0 * rest(found).log10())
}

/// The height of the sine that fits best, and the power of what is left over against its own.
fn fitted(samples: &[f32], omega: f64) -> (f64, f64) {
    let (mut ss, mut sc, mut cc, mut xs, mut xc, mut xx) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let (turn_sin, turn_cos) = omega.sin_cos();
    let (mut sin, mut cos) = (0.0f64, 1.0f64);
    for x in samples {
        let x = f64::from(*x);
        ss += sin * sin;
        sc += sin * cos;
        cc += cos * cos;
        xs += x * sin;
        xc += x * cos;
        xx += x * x;
        (sin, cos) = (
            sin * turn_cos + cos * turn_sin,
            cos * turn_cos - sin * turn_sin,
        );
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let power = a * xs + b * xc;
    (a.hypot(b), ((xx - power) / power).max(1e-20))
}
