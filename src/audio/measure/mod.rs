//! Measuring instruments: did the listener hear what was played?
//!
//! Pure functions over interleaved stereo at 48 kHz. `mynah demo` and the tests share them, so
//! what the report says is what the tests check. None of this is for the tick thread.

mod align;
mod frames;

pub use align::{Alignment, align, drift_frames};
pub use frames::{FrameReport, compare_frames};

use crate::CHANNELS;
pub use crate::level::{peak, rms};

/// Everything a listener's recording says about the playback, by [`compare`].
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Where the source begins in the recording, and how sure that is.
    pub alignment: Alignment,
    /// Signal-to-noise ratio of the recording against the source, dB, gain as it is.
    pub snr_db: f64,
    /// The same after scaling the source by the best-fitting gain.
    pub fitted_snr_db: f64,
    /// That best-fitting gain, linear: 1.0 when nothing changed the level.
    pub fitted_gain: f64,
    /// 20 ms frames lost, repeated, reordered or damaged.
    pub frames: FrameReport,
    /// How many sample frames the recording runs late (or, negative, early) at its end against
    /// its start. 0 unless clocks drift. `None` when the recording is too short to tell.
    pub drift_frames: Option<i64>,
    /// Largest sample of the part of the source compared.
    pub peak_source: f32,
    /// Largest sample of the part of the recording compared.
    pub peak_heard: f32,
}

/// Finds `source` in `heard` (within `max_lag_frames` either way) and compares them.
///
/// `None` when the two have nothing in common that could be aligned.
#[must_use]
pub fn compare(source: &[f32], heard: &[f32], max_lag_frames: usize) -> Option<Comparison> {
    let alignment = align(source, heard, max_lag_frames)?;
    let (a, b) = overlap(source, heard, alignment.offset_frames);
    let (fitted_snr_db, fitted_gain) = snr_fitted_db(a, b);
    Some(Comparison {
        alignment,
        snr_db: snr_db(a, b),
        fitted_snr_db,
        fitted_gain,
        frames: compare_frames(a, b),
        drift_frames: drift_frames(a, b),
        peak_source: peak(a),
        peak_heard: peak(b),
    })
}

/// The parts of both that lie over each other when `heard` is `offset_frames` late.
#[must_use]
pub fn overlap<'a>(
    source: &'a [f32],
    heard: &'a [f32],
    offset_frames: i64,
) -> (&'a [f32], &'a [f32]) {
    let skip = usize::try_from(offset_frames.unsigned_abs()).unwrap_or(usize::MAX);
    let skip = skip.saturating_mul(CHANNELS);
    let (a, b) = if offset_frames >= 0 {
        (source, heard.get(skip..).unwrap_or_default())
    } else {
        (source.get(skip..).unwrap_or_default(), heard)
    };
    let common = a.len().min(b.len()) / CHANNELS * CHANNELS;
    (
        a.get(..common).unwrap_or_default(),
        b.get(..common).unwrap_or_default(),
    )
}

/// Signal-to-noise ratio in dB: the power of `source` over the power of `heard − source`.
///
/// Over the common length; ∞ when equal, −∞ when the source is silent and `heard` is not.
#[must_use]
pub fn snr_db(source: &[f32], heard: &[f32]) -> f64 {
    snr_with_gain_db(source, heard, 1.0)
}

/// [`snr_db`] after scaling the source by the gain that fits best (least squares), and that gain.
#[must_use]
pub fn snr_fitted_db(source: &[f32], heard: &[f32]) -> (f64, f64) {
    let (mut cross, mut power) = (0.0f64, 0.0f64);
    for (s, h) in source.iter().zip(heard) {
        cross += f64::from(*s) * f64::from(*h);
        power += f64::from(*s) * f64::from(*s);
    }
    let gain = if power > 0.0 { cross / power } else { 1.0 };
    (snr_with_gain_db(source, heard, gain), gain)
}

fn snr_with_gain_db(source: &[f32], heard: &[f32], gain: f64) -> f64 {
    let (mut signal, mut noise) = (0.0f64, 0.0f64);
    for (s, h) in source.iter().zip(heard) {
        let s = f64::from(*s) * gain;
        let error = f64::from(*h) - s;
        signal += s * s;
        noise += error * error;
    }
    if noise == 0.0 {
        return f64::INFINITY;
    }
    10.0 * (signal / noise).log10()
}

/// The largest jump between neighbouring samples of one channel: a click shows here.
#[must_use]
pub fn largest_step(samples: &[f32]) -> f32 {
    let next = samples.iter().skip(CHANNELS);
    samples
        .iter()
        .zip(next)
        .fold(0.0, |top, (a, b)| top.max((b - a).abs()))
}

/// The longest run of sample frames in which both channels stay at or below `below` (linear).
#[must_use]
pub fn longest_quiet_frames(samples: &[f32], below: f32) -> usize {
    let (mut longest, mut run) = (0usize, 0usize);
    for frame in samples.chunks_exact(CHANNELS) {
        run = if frame.iter().all(|s| s.abs() <= below) {
            run + 1
        } else {
            0
        };
        longest = longest.max(run);
    }
    longest
}

/// The power of `samples` at one frequency (Goertzel), relative to a full-scale sine there, in dB.
///
/// `samples` is one channel at 48 kHz. Tests use it to find a tone, or the want of one.
#[must_use]
pub fn tone_db(samples: &[f32], hz: f64) -> f64 {
    if samples.is_empty() {
        return f64::NEG_INFINITY;
    }
    let step = std::f64::consts::TAU * hz / f64::from(crate::SAMPLE_RATE_HZ);
    let (mut re, mut im) = (0.0f64, 0.0f64);
    for (n, s) in samples.iter().enumerate() {
        let (sin, cos) = (step * n as f64).sin_cos();
        re += f64::from(*s) * cos;
        im += f64::from(*s) * sin;
    }
    let height = 2.0 * re.hypot(im) / samples.len() as f64;
    20.0 * height.log10()
}

#[cfg(test)]
mod tests;
