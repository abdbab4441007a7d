//! Where to jump: the place in the source that looks most like what would have come next.

use super::onsets::Onsets;
use super::source::Source;
use rustfft::algorithm::Radix4;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftDirection};

/// How far from its place a jump may land, in source frames: 12.5 ms, so that one period of every
/// tone from 40 Hz up lies within, and that at a speed of 2 every strike can be kept.
pub(super) const REACH: usize = 600;

/// Source frames that are compared: 18 ms.
pub(super) const LOOKS: usize = 848;

/// [`LOOKS`] + 2 [`REACH`] just fit, so the circular correlation does not wrap around.
const SIZE: usize = 2048;

/// What being [`REACH`] away from the right place costs, in correlation (1 is alike).
const AWAY: f32 = 0.02;

/// What skipping or repeating a strike costs, likewise: more than any likeness can make good.
const STRIKE: f32 = 1.2;

/// A jump to be made: all in source frames.
pub(super) struct Jump {
    /// Where reading would go on without it.
    pub(super) goes_on: f64,
    /// Where reading should go on.
    pub(super) place: f64,
    /// How far reading runs during one hop, and during one fade.
    pub(super) hop: f64,
    pub(super) fade: f64,
    /// How far the place moves in one hop.
    pub(super) moves: f64,
}

impl Jump {
    /// Where the source is searched from: it begins with frame 0.
    fn searched_from(&self) -> i64 {
        (self.place.round() as i64 - REACH as i64).max(0)
    }

    /// The frame after the last one that is compared.
    pub(super) fn compares_to(&self) -> f64 {
        let region = self.searched_from() as f64 + (LOOKS + 2 * REACH) as f64;
        region.max(self.goes_on + LOOKS as f64)
    }

    /// The last frame about which [`Jump::strikes`] asks.
    pub(super) fn looks_to(&self) -> f64 {
        let furthest = (self.place + REACH as f64).max(self.goes_on);
        let next = (self.place + self.moves).max(furthest + self.hop);
        next + REACH as f64 + self.fade
    }

    /// How many strikes are lost or repeated by going on from `to`: in this jump, and in the next
    /// one if that cannot avoid it.
    fn strikes(&self, onsets: &Onsets, to: f64) -> f32 {
        // Between its quarters the fade takes from both; before and after it is nearly one of them.
        let between = |a: f64, b: f64| {
            let (early, late) = (0.25 * self.fade, 0.75 * self.fade);
            onsets.strikes(a.min(b) + early, a.max(b) + late)
        };
        let now = if (to - self.goes_on).abs() < 0.5 {
            0.0
        } else {
            between(self.goes_on, to)
        };
        let (next, place) = (to + self.hop, self.place + self.moves);
        let nearest = next.clamp(place - REACH as f64, place + REACH as f64);
        let then = if nearest == next {
            0.0
        } else {
            between(next, nearest)
        };
        now + then
    }
}

/// Energy of [`LOOKS`] frames that are as good as silent: nothing to align, -120 dB.
const SILENT: f32 = 1e-12 * LOOKS as f32;

pub(super) struct Alignment {
    forward: Radix4<f32>,
    inverse: Radix4<f32>,
    wanted: Vec<Complex<f32>>,
    region: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    energies: Vec<f32>,
    likeness: Vec<f32>,
}

impl Alignment {
    pub(super) fn new() -> Self {
        // One algorithm by name: a planner would compile every algorithm there is.
        let forward = Radix4::new(SIZE, FftDirection::Forward);
        let inverse = Radix4::new(SIZE, FftDirection::Inverse);
        let scratch = forward
            .get_inplace_scratch_len()
            .max(inverse.get_inplace_scratch_len());
        let zero = Complex::new(0.0, 0.0);
        Self {
            forward,
            inverse,
            wanted: vec![zero; SIZE],
            region: vec![zero; SIZE],
            scratch: vec![zero; scratch],
            energies: Vec::with_capacity(2 * REACH + 1),
            likeness: Vec::with_capacity(2 * REACH + 1),
        }
    }

    /// The position near `jump.place` to go on from, in source frames. It is `jump.goes_on` itself
    /// if that is as good as any, and next to `jump.place` where the source is silent.
    pub(super) fn find(&mut self, source: &Source, onsets: &mut Onsets, jump: &Jump) -> f64 {
        let here = jump.goes_on.floor();
        let from = jump.searched_from();
        let wanted = source.frames(here as i64, LOOKS);
        let region = source.frames(from, LOOKS + 2 * REACH);
        let energy = self.load(wanted, region);
        self.correlate(energy);
        let looks_from = jump.goes_on.min(from as f64);
        onsets.look(looks_from as i64, jump.looks_to() as i64);
        let (mut best, mut top) = (None, f32::NEG_INFINITY);
        for (lag, likeness) in self.summits() {
            let to = (from + lag as i64) as f64 + jump.goes_on - here;
            let away = ((to - jump.place) / REACH as f64) as f32;
            if away > 1.01 {
                break; // only near the beginning
            }
            let worth = likeness - AWAY * away * away - STRIKE * jump.strikes(onsets, to);
            if worth > top {
                (best, top) = (Some(lag), worth);
            }
        }
        let Some(lag) = best else { return jump.place };
        let frames = from + lag as i64 - here as i64;
        if frames == 0 {
            return jump.goes_on;
        }
        jump.goes_on + frames as f64 + f64::from(self.beside(lag))
    }

    /// Fills the buffers; the two channels are the two parts of a complex number, so that the real
    /// part of the correlation is the sum of both channels'. Returns the energy of `wanted`.
    fn load(&mut self, wanted: (&[f32], &[f32]), region: (&[f32], &[f32])) -> f32 {
        for (into, (left, right)) in [(&mut self.wanted, wanted), (&mut self.region, region)] {
            into.clear();
            into.extend(left.iter().zip(right).map(|(l, r)| Complex::new(*l, *r)));
            into.resize(SIZE, Complex::new(0.0, 0.0));
        }
        // The energy under the window, as it slides; in f64, for it is a long running sum.
        let power = |z: &Complex<f32>| {
            f64::from(z.re) * f64::from(z.re) + f64::from(z.im) * f64::from(z.im)
        };
        let mut sum: f64 = self.region.iter().take(LOOKS).map(power).sum();
        self.energies.clear();
        let (leaving, coming) = (self.region.iter(), self.region.iter().skip(LOOKS));
        for (old, new) in leaving.zip(coming).take(2 * REACH + 1) {
            self.energies.push(sum.max(0.0) as f32);
            sum += power(new) - power(old);
        }
        self.wanted.iter().map(power).sum::<f64>() as f32
    }

    /// The likeness at each lag, `2 Σ ab / (Σ a² + Σ b²)`: 1 only where both are the same.
    fn correlate(&mut self, energy: f32) {
        self.forward
            .process_with_scratch(&mut self.wanted, &mut self.scratch);
        self.forward
            .process_with_scratch(&mut self.region, &mut self.scratch);
        for (x, w) in self.region.iter_mut().zip(&self.wanted) {
            *x *= w.conj();
        }
        self.inverse
            .process_with_scratch(&mut self.region, &mut self.scratch);
        self.likeness.clear();
        if energy < SILENT {
            self.likeness.resize(2 * REACH + 1, 0.0); // then only the strikes count
            return;
        }
        let sums = self.region.iter().zip(&self.energies);
        self.likeness
            .extend(sums.map(|(x, here)| 2.0 * x.re / SIZE as f32 / (energy + here)));
    }

    /// The lags at which the likeness is no less than on both sides, with it.
    fn summits(&self) -> impl Iterator<Item = (usize, f32)> {
        let below = std::iter::once(f32::NEG_INFINITY).chain(self.likeness.iter().copied());
        let above = self.likeness.iter().skip(1).copied();
        let above = above.chain(std::iter::once(f32::NEG_INFINITY));
        let all = self.likeness.iter().copied().enumerate();
        all.zip(below.zip(above))
            .filter(|((_, here), (below, above))| here >= below && here >= above)
            .map(|(summit, _)| summit)
    }

    /// How far beside `lag` a parabola through it and its neighbours has its top, -0.5 to 0.5.
    fn beside(&self, lag: usize) -> f32 {
        let at = |lag: Option<usize>| lag.and_then(|lag| self.likeness.get(lag)).copied();
        let (below, here, above) = (
            at(lag.checked_sub(1)),
            at(Some(lag)),
            at(lag.checked_add(1)),
        );
        let (Some(below), Some(here), Some(above)) = (below, here, above) else {
            return 0.0;
        };
        let bend = below - 2.0 * here + above;
        if bend >= 0.0 {
            return 0.0;
        }
        (0.5 * (below - above) / bend).clamp(-0.5, 0.5)
    }
}
