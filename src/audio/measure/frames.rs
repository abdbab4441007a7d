//! Accounting of 20 ms frames: which were lost, repeated, reordered or damaged on the way.

use crate::SAMPLES;

/// What became of each 20 ms frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrameReport {
    /// Frames compared (of the recording).
    pub compared: usize,
    /// Frames that are what they should be, where they should be.
    pub matched: usize,
    /// Source frames that are nowhere in the recording, by index into the compared part.
    pub lost: Vec<usize>,
    /// Source frames heard more than once.
    pub repeated: Vec<usize>,
    /// Source frames heard after a later one.
    pub reordered: Vec<usize>,
    /// Recorded frames that are silent although the source is not.
    pub silent: Vec<usize>,
    /// Recorded frames that sound, but like nothing near in the source.
    pub damaged: Vec<usize>,
}

impl FrameReport {
    /// True when every frame arrived once, in order and recognisable.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.compared == self.matched && self.lost.is_empty() && self.repeated.is_empty()
    }
}

/// Correlation above which a recorded frame is the source frame. Opus music at 64 kbit/s
/// measures 0.9 and more; unrelated frames of the same song mostly below 0.3.
const SAME: f64 = 0.6;

/// Correlation that is enough where the frame belongs, if it is no other: a burst of noise (a snare
/// drum) comes out of the codec with only its colour and loudness kept.
const SAME_IN_PLACE: f64 = 0.25;

/// What differs by so little of the power just around it (7 dB below) is covered by that: the codec
/// smears a loud frame's noise into a quiet or silent one beside it.
const COVERED: f64 = 0.2;

/// Below this RMS (−70 dBFS) a frame counts as silent; coding noise lives there.
const SILENT_RMS: f64 = 3.2e-4;

/// How far around its place a stray frame is searched: one second either way.
const SEARCH: usize = 50;

/// Compares two already aligned recordings frame by frame.
#[must_use]
pub fn compare_frames(source: &[f32], heard: &[f32]) -> FrameReport {
    let source: Vec<&[f32]> = source.chunks_exact(SAMPLES).collect();
    let heard: Vec<&[f32]> = heard.chunks_exact(SAMPLES).collect();
    let count = source.len().min(heard.len());
    let mut report = FrameReport {
        compared: count,
        ..FrameReport::default()
    };

    // Which source frame each recorded frame is. `shift` follows a recording that slips.
    let mut placed: Vec<Option<usize>> = Vec::with_capacity(count);
    let mut shift = 0i64;
    for (at, frame) in heard.iter().take(count).enumerate() {
        let expected = at as i64 + shift;
        let found = place(&source, frame, expected);
        match found {
            Place::Here(index) => {
                shift = index as i64 - at as i64;
                placed.push(Some(index));
            }
            Place::Silent => {
                report.silent.push(at);
                placed.push(None);
            }
            Place::Nowhere => {
                report.damaged.push(at);
                placed.push(None);
            }
        }
    }
    report.matched = (0..)
        .zip(&placed)
        .filter(|(at, p)| **p == Some(*at))
        .count();
    account(&source, &placed, &mut report);
    report
}

enum Place {
    Here(usize),
    Silent,
    Nowhere,
}

fn place(source: &[&[f32]], frame: &[f32], expected: i64) -> Place {
    let quiet = power(frame).sqrt() < SILENT_RMS;
    let here = usize::try_from(expected).ok().filter(|i| *i < source.len());
    if let Some(index) = here
        && let Some(wanted) = source.get(index)
    {
        let wanted_quiet = power(wanted).sqrt() < SILENT_RMS;
        if (quiet && wanted_quiet)
            || (!quiet && similarity(wanted, frame) >= SAME)
            || is_covered(source, index, frame)
        {
            return Place::Here(index);
        }
    }
    if quiet {
        return Place::Silent;
    }
    let from = usize::try_from(expected - SEARCH as i64).unwrap_or(0);
    let best = (from..source.len().min(from + 2 * SEARCH + 1))
        .filter_map(|i| Some((i, similarity(source.get(i)?, frame))))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((index, _)) = best.filter(|(_, score)| *score >= SAME) {
        return Place::Here(index);
    }
    let in_place = here.filter(|index| {
        let wanted = source.get(*index);
        wanted.is_some_and(|wanted| similarity(wanted, frame) >= SAME_IN_PLACE)
    });
    in_place.map_or(Place::Nowhere, Place::Here)
}

/// True when `frame` differs from the source frame there by less than the neighbours hide.
fn is_covered(source: &[&[f32]], index: usize, frame: &[f32]) -> bool {
    let around = source.iter().take(index + 2).skip(index.saturating_sub(1));
    let loudest = around.map(|near| power(near)).fold(0.0, f64::max);
    let wanted = source.get(index).into_iter().copied().flatten();
    let error: f64 = wanted
        .zip(frame)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum();
    error / frame.len().max(1) as f64 <= loudest * COVERED
}

/// Turns the placing into lost, repeated and reordered source frames.
fn account(source: &[&[f32]], placed: &[Option<usize>], report: &mut FrameReport) {
    let mut times = vec![0usize; source.len()];
    let mut latest: Option<usize> = None;
    for index in placed.iter().flatten() {
        let Some(count) = times.get_mut(*index) else {
            continue;
        };
        *count += 1;
        if *count == 2 {
            report.repeated.push(*index);
        } else if *count == 1 && latest.is_some_and(|l| *index < l) {
            report.reordered.push(*index);
        }
        latest = Some(latest.map_or(*index, |l| l.max(*index)));
    }
    // Frames past the last one heard are not lost, the recording just ended.
    let end = latest.map_or(0, |l| l + 1);
    for (index, frame) in source.iter().enumerate().take(end) {
        let unheard = times.get(index) == Some(&0);
        if unheard && power(frame).sqrt() >= SILENT_RMS {
            report.lost.push(index);
        }
    }
}

fn power(frame: &[f32]) -> f64 {
    let sum: f64 = frame.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    sum / frame.len().max(1) as f64
}

/// Normalised correlation of two frames, −1..=1.
fn similarity(a: &[f32], b: &[f32]) -> f64 {
    let (mut ab, mut aa, mut bb) = (0.0f64, 0.0f64, 0.0f64);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let norm = (aa * bb).sqrt();
    if norm > 0.0 { ab / norm } else { 0.0 }
}
