//! Finding one recording in another by cross-correlation.

use rustfft::algorithm::Radix4;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftDirection};

use crate::CHANNELS;

/// Where the source begins in the recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// Sample frames by which the recording is late; negative when it began in mid-source.
    pub offset_frames: i64,
    /// Normalised correlation there: 1 is the same sound, near 0 is chance.
    pub correlation: f64,
}

/// At least this share of the shorter recording must overlap for a lag to count.
const LEAST_OVERLAP: f64 = 0.5;

/// Below this correlation two recordings are not called the same sound.
const LEAST_CORRELATION: f64 = 0.2;

/// Share of the whole power that a span must have to be compared.
const LEAST_POWER: f64 = 1e-6;

/// Correlations this close are the same likeness.
const ALIKE: f64 = 5e-5;

/// Finds the lag at which `heard` looks most like `source`, within ±`max_lag_frames`.
///
/// Both are interleaved stereo, mixed to mono here. Exact to one sample frame. `None` when either
/// is silent or empty, or nothing matches.
#[must_use]
pub fn align(source: &[f32], heard: &[f32], max_lag_frames: usize) -> Option<Alignment> {
    let (source, heard) = (mono(source), mono(heard));
    let shorter = source.len().min(heard.len());
    if shorter == 0 {
        return None;
    }
    let correlation = correlate(&source, &heard);
    let power_source = running_power(&source);
    let power_heard = running_power(&heard);
    let least = ((shorter as f64 * LEAST_OVERLAP) as i64).max(1);
    let reach = i64::try_from(max_lag_frames).ok()?;

    let overlap = |lag: i64| {
        let from = (-lag).max(0);
        from..(source.len() as i64).min(heard.len() as i64 - lag)
    };
    let values: Vec<f64> = (-reach..=reach)
        .map(|lag| {
            // heard[n + lag] lies over source[n]
            let both = overlap(lag);
            if both.end - both.start < least {
                return f64::NEG_INFINITY;
            }
            let energy = audible(&power_source, both.start, both.end)
                * audible(&power_heard, both.start + lag, both.end + lag);
            let at = lag.rem_euclid(correlation.len() as i64) as usize;
            match correlation.get(at) {
                Some(value) if energy > 0.0 => f64::from(*value) / energy.sqrt(),
                _ => f64::NEG_INFINITY,
            }
        })
        .collect();
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let value = |index: usize| values.get(index).copied().unwrap_or(f64::NEG_INFINITY);
    // A periodic sound looks the same a few periods on: of peaks that are alike the one counts that
    // leaves out least, or the onset would not be compared.
    let best = (0..values.len())
        .filter(|&at| value(at) >= most - ALIKE)
        .filter(|&at| at == 0 || value(at - 1) <= value(at))
        .filter(|&at| value(at + 1) <= value(at))
        .map(|at| (at as i64 - reach, value(at)))
        .max_by(|(a, like_a), (b, like_b)| {
            let long = |lag: i64| overlap(lag).end - overlap(lag).start;
            (long(*a).cmp(&long(*b))).then(like_a.total_cmp(like_b))
        })
        .map(|(offset_frames, correlation)| Alignment {
            offset_frames,
            correlation,
        });
    best.filter(|b| b.correlation >= LEAST_CORRELATION)
}

/// How much later the end of `heard` lies over the end of `source` than the start does.
///
/// Both must already be aligned. Compares the first and last second (or third, of a short piece)
/// with ±20 ms of play; `None` when shorter than 0.3 s or when an end does not match at all.
#[must_use]
pub fn drift_frames(source: &[f32], heard: &[f32]) -> Option<i64> {
    const PLAY: usize = 960;
    let frames = source.len().min(heard.len()) / CHANNELS;
    let window = (frames / 3).min(crate::SAMPLE_RATE_HZ as usize);
    if window < 5 * PLAY {
        return None;
    }
    let part = |of: &[f32], at: usize| {
        align(
            source.get(at * CHANNELS..(at + window) * CHANNELS)?,
            of.get(at * CHANNELS..(at + window) * CHANNELS)?,
            PLAY,
        )
    };
    let first = part(heard, 0)?;
    let last = part(heard, frames - window)?;
    Some(last.offset_frames - first.offset_frames)
}

fn mono(interleaved: &[f32]) -> Vec<f32> {
    interleaved
        .chunks_exact(CHANNELS)
        .map(|frame| {
            let sum: f32 = frame.iter().sum();
            if sum.is_finite() { sum } else { 0.0 }
        })
        .collect()
}

/// Circular cross-correlation, long enough that nothing wraps: entry `lag mod len` is the sum of
/// `source[n] · heard[n + lag]`.
///
/// One algorithm by name and no planner: a planner compiles every algorithm there is, twice.
fn correlate(source: &[f32], heard: &[f32]) -> Vec<f32> {
    let len = (source.len() + heard.len()).next_power_of_two();
    let forward = Radix4::new(len, FftDirection::Forward);
    let spectrum_of = |signal: &[f32]| {
        let mut spectrum = vec![Complex::new(0.0f32, 0.0); len];
        spectrum.iter_mut().zip(signal).for_each(|(p, s)| p.re = *s);
        forward.process(&mut spectrum);
        spectrum
    };
    let a = spectrum_of(source);
    let mut b = spectrum_of(heard);
    b.iter_mut().zip(&a).for_each(|(b, a)| *b *= a.conj());
    Radix4::new(len, FftDirection::Inverse).process(&mut b);
    b.iter().map(|v| v.re / len as f32).collect()
}

/// `out[n]` is the power of the first `n` samples.
fn running_power(signal: &[f32]) -> Vec<f64> {
    let mut sum = 0.0;
    std::iter::once(0.0)
        .chain(signal.iter().map(|s| {
            sum += f64::from(*s) * f64::from(*s);
            sum
        }))
        .collect()
}

/// The power of a span, or 0 where it is next to nothing of the whole: what is left there is
/// rounding, and would be alike to anything.
fn audible(running: &[f64], from: i64, to: i64) -> f64 {
    let power = span(running, from, to);
    let all = running.last().copied().unwrap_or(0.0);
    if power > all * LEAST_POWER {
        power
    } else {
        0.0
    }
}

fn span(running: &[f64], from: i64, to: i64) -> f64 {
    let at = |i: i64| {
        usize::try_from(i)
            .ok()
            .and_then(|i| running.get(i))
            .copied()
            .unwrap_or(0.0)
    };
    at(to) - at(from)
}
