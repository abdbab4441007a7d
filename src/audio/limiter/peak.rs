//! True peaks: how high the curve between the samples goes.

use crate::CHANNELS;

/// Frames whose peak is looked for at once.
pub(super) const GROUP: usize = 8;

/// Samples on either side that a value between two samples is made of.
pub(super) const REACH: usize = 8;

/// Samples of a group, both channels.
const LANES: usize = GROUP * CHANNELS;

/// What is worked on at once.
const HALF_LANES: usize = LANES / 2;

/// How much higher than the points of the four-fold grid the curve can be: 0.7 dB at the edge of
/// the band (BS.1770-4 annex 2), which a parabola may overdo a little.
const MOST_BETWEEN_POINTS: f32 = 1.1;

/// Samples that a group's peak depends on: 7 frames before it to 8 behind it.
pub(super) const WINDOW: usize = LANES + (2 * REACH - 1) * CHANNELS;

/// The value half way between two samples: weights of the samples 1, 2, … 8 away on either side.
///
/// These and the next two are the least-squares fit of a pure delay by 1/2, 1/4 and 3/4 sample over
/// 0 to 21 kHz with 16 samples, under the conditions that constants and straight lines come out
/// exactly: within 0.6 % up to 18 kHz and 1.5 % at 20 kHz, where Opus ends. (The 12 samples of
/// BS.1770-4 annex 2 lose several percent there.)
const HALF: [f32; REACH] = [
    0.633_436_1,
    -0.201_486_37,
    0.110_882_93,
    -0.068_210_99,
    0.044_023_61,
    -0.026_981_38,
    0.016_426_21,
    -0.008_090_1,
];

/// The values a quarter and three quarters on the way are the sum and the difference of these two,
/// applied to the sums and the differences of the samples that lie equally far away.
const EVEN: [f32; REACH] = [
    0.597_957_85,
    -0.146_752_25,
    0.079_305_04,
    -0.048_547_33,
    0.031_267_72,
    -0.019_144_23,
    0.011_647_47,
    -0.005_734_26,
];

const ODD: [f32; REACH] = [
    -0.298_631_24,
    0.024_273_79,
    -0.007_704_25,
    0.003_295_11,
    -0.001_573_28,
    0.000_745,
    -0.000_351_22,
    0.000_119_72,
];

/// How much sound there is at the edge of the band, 21 to 24 kHz, where the fit ends and values
/// between samples come out too low: a Hann window of 16 samples, moved up to 24 kHz. Applied to
/// the differences; what it finds is added to the peak. (Clipped white noise would come out 1 dB too
/// loud without it; squares come out up to 1 dB too quiet with it, music has next to nothing there.)
const EDGE: [f32; REACH] = [
    0.116_645_48,
    -0.108_836_3,
    0.094_272_63,
    -0.074_921_35,
    0.053_395_98,
    -0.032_603_63,
    0.015_352_42,
    -0.003_972_22,
];

/// What a peak between samples can exceed a straight line by, for each unit that neighbouring
/// samples bend (second difference): the sum of the weights' second integral, largest half way
/// (0.41), half of that at most for the parabola through such points, and what [`EDGE`] adds.
const BEND: f32 = 0.87;

/// While no sample is higher than this share of the ceiling, no value between samples can be: the
/// weights' absolute values add up to 2.22 at most, a parabola through such points rises above them
/// by at most half of that, and [`EDGE`] adds 1 at most.
pub(super) const LEAST_TO_SAMPLES: f32 = 0.23;

fn larger(a: f32, b: f32) -> f32 {
    // `f32::max` takes care of NaN, which costs vectors twice the time.
    if a > b { a } else { b }
}

/// The largest absolute sample.
pub(super) fn top(samples: &[f32]) -> f32 {
    let (chunks, rest) = samples.as_chunks::<LANES>();
    let mut tops = [0.0f32; LANES];
    for chunk in chunks {
        for (top, s) in tops.iter_mut().zip(chunk) {
            *top = larger(*top, s.abs());
        }
    }
    let all = tops.iter().chain(rest);
    all.fold(0.0, |top, s| larger(top, s.abs()))
}

/// A height that no peak within interleaved `samples` can exceed, at a fraction of the cost of
/// looking for it: their top, and what the curve may bend beyond it.
pub(super) fn bound(samples: &[f32]) -> f32 {
    let ahead = samples.get(CHANNELS..).unwrap_or_default();
    let two_ahead = samples.get(2 * CHANNELS..).unwrap_or_default();
    let (a, _) = samples.as_chunks::<LANES>();
    let (b, _) = ahead.as_chunks::<LANES>();
    let (c, _) = two_ahead.as_chunks::<LANES>();
    let mut bends = [0.0f32; LANES];
    let mut bend = |a: &[f32], b: &[f32], c: &[f32]| {
        for (bend, ((a, b), c)) in bends.iter_mut().zip(a.iter().zip(b).zip(c)) {
            *bend = larger(*bend, (a - 2.0 * b + c).abs());
        }
    };
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        bend(a, b, c);
    }
    // What is left over: the last, possibly half-filled chunk.
    let done = c.len() * LANES;
    let last = |samples: &'_ [f32]| done.min(samples.len());
    bend(
        samples.split_at(last(samples)).1,
        ahead.split_at(last(ahead)).1,
        two_ahead.split_at(last(two_ahead)).1,
    );
    let bend = bends.iter().fold(0.0, |top, s| larger(top, *s));
    top(samples) + BEND * bend
}

/// The true peak of the group in the middle of `window` (interleaved stereo), over both channels.
/// Below `ceiling` it may be any value up to it: then it is not worth knowing exactly.
pub(super) fn of_group(window: &[f32; WINDOW], ceiling: f32) -> f32 {
    let within = bound(window);
    if within <= ceiling {
        return within;
    }
    // In two halves: the sums of one fit into the sixteen vector registers of every x86-64.
    let (first, first_edge) = of_half(window, 0, ceiling);
    let (second, second_edge) = of_half(window, HALF_LANES, ceiling);
    larger(first, second) + larger(first_edge, second_edge)
}

/// The samples `frames` after the window's first, of the half group that begins at `lane`.
fn lanes(window: &[f32; WINDOW], lane: usize, frames: usize) -> [f32; HALF_LANES] {
    let from = window.get(lane + frames * CHANNELS..).unwrap_or_default();
    from.first_chunk().copied().unwrap_or([0.0; HALF_LANES])
}

/// The peak of the half group that begins at `lane` (not exact while nothing comes near `ceiling`),
/// and what there is at the edge of the band.
fn of_half(window: &[f32; WINDOW], lane: usize, ceiling: f32) -> (f32, f32) {
    let zero = [0.0f32; HALF_LANES];
    let (mut half, mut even, mut odd, mut edge) = (zero, zero, zero, zero);
    for k in 0..REACH {
        let (left, right) = (
            lanes(window, lane, REACH - 1 - k),
            lanes(window, lane, REACH + k),
        );
        let weight = |of: &[f32; REACH]| of.get(k).copied().unwrap_or(0.0);
        let (h, e, o, d) = (weight(&HALF), weight(&EVEN), weight(&ODD), weight(&EDGE));
        let sums = half
            .iter_mut()
            .zip(&mut even)
            .zip(odd.iter_mut().zip(&mut edge));
        for (((half, even), (odd, edge)), (l, r)) in sums.zip(left.iter().zip(right)) {
            *half += h * (l + r);
            *even += e * (l + r);
            *odd += o * (r - l);
            *edge += d * (r - l);
        }
    }
    let (here, next) = (lanes(window, lane, REACH - 1), lanes(window, lane, REACH));
    let points = || here.iter().zip(next).zip(half.iter().zip(even).zip(odd));
    let mut tops = zero;
    for (top, ((y0, y4), ((y2, even), odd))) in tops.iter_mut().zip(points()) {
        let ends = larger(y0.abs(), y4.abs());
        // The higher of |even + odd| and |even - odd|.
        *top = larger(larger(ends, y2.abs()), even.abs() + odd.abs());
    }
    let largest =
        |values: [f32; HALF_LANES]| values.iter().fold(0.0, |top, s| larger(top, s.abs()));
    let (grid, edge) = (largest(tops), largest(edge));
    if grid * MOST_BETWEEN_POINTS + edge <= ceiling {
        return (grid * MOST_BETWEEN_POINTS, edge);
    }
    for (top, ((y0, y4), ((y2, even), odd))) in tops.iter_mut().zip(points()) {
        let (y1, y3) = (even + odd, even - odd);
        for (before, middle, after) in [(*y0, y1, *y2), (y1, *y2, y3), (*y2, y3, y4)] {
            *top = larger(*top, vertex(before, middle, after));
        }
    }
    (largest(tops), edge)
}

/// The height of the parabola through three neighbouring points, if it turns between them, else
/// of the middle one. Four-fold oversampling alone reads up to 0.7 dB low (BS.1770-4 annex 2).
fn vertex(before: f32, middle: f32, after: f32) -> f32 {
    let bend = before - 2.0 * middle + after;
    let lean = after - before;
    let turned = (middle - lean * lean / (8.0 * bend)).abs();
    if lean.abs() < 2.0 * bend.abs() {
        turned
    } else {
        middle.abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three values between the 8th and the 9th of 16 samples.
    fn between(samples: impl Fn(f32) -> f32) -> [f32; 3] {
        let mut y = [0.0; 3];
        for k in 0..REACH {
            let (l, r) = (samples(-(k as f32)), samples(k as f32 + 1.0));
            let (even, odd) = (EVEN[k] * (l + r), ODD[k] * (r - l));
            y[0] += even + odd;
            y[1] += HALF[k] * (l + r);
            y[2] += even - odd;
        }
        y
    }

    #[test]
    fn values_between_samples_are_exact_for_lines_and_close_for_tones() {
        for (n, y) in between(|t| 3.0 + 0.5 * t).into_iter().enumerate() {
            let truth = 3.0 + 0.5 * (n as f32 + 1.0) / 4.0;
            assert!((y - truth).abs() < 1e-5, "{n}: {y} for {truth}");
        }
        for hz in [100.0f32, 5_000.0, 12_000.0, 18_000.0, 20_000.0] {
            for phase in 0..8 {
                let wave =
                    |t: f32| (std::f32::consts::TAU * hz / 48_000.0 * t + phase as f32).sin();
                for (n, y) in between(wave).into_iter().enumerate() {
                    let truth = wave((n as f32 + 1.0) / 4.0);
                    assert!((y - truth).abs() < 0.055, "{hz} Hz: {y} for {truth}");
                }
            }
        }
    }

    #[test]
    fn the_bound_is_never_below_the_peak() {
        let mut seed = 5u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 8_388_608.0 - 1.0
        };
        for round in 0..2000 {
            let smooth = round % 5;
            let mut window = [0.0f32; WINDOW];
            window.iter_mut().for_each(|s| *s = next());
            for _ in 0..smooth {
                for i in 2..WINDOW {
                    window[i] = 0.5 * (window[i] + window[i - 2]);
                }
            }
            let peak = of_group(&window, 0.0);
            assert!(bound(&window) >= peak, "{} < {peak}", bound(&window));
            assert!(top(&window) / LEAST_TO_SAMPLES >= peak);
        }
    }
}
