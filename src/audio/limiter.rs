//! The last guard before the encoder: no true peak leaves above the ceiling.

use crate::level::gain_from_db;
use crate::{Block, CHANNELS, FRAMES, SAMPLES};

mod peak;

use peak::{GROUP, REACH};

/// The ceiling that EBU R128 sets for programmes (section "Maximum True Peak Level"): lossy coding
/// may overshoot by a decibel, and no listener's converter shall clip.
pub const CEILING_DBTP: f32 = -1.0;

/// A sample is worth looking at up to +120 dB; what is above counts as that much.
const LARGEST: f32 = 1e6;

/// What the interpolation and the moving gain can be off by, measured with the torture set of the
/// tests: 0.5 %, 0.04 dB.
const MARGIN: f32 = 0.995;

/// Groups of frames in a block; the limiter thinks once for each group of 8 frames.
const GROUPS: usize = FRAMES / GROUP;

/// Groups in the delay line.
const HELD_GROUPS: usize = Limiter::LATENCY_FRAMES / GROUP;

/// Groups in the delay line whose peak is known. That of the last one is not: it needs the frames
/// that follow it.
const KNOWN: usize = HELD_GROUPS - 1;

/// Samples in the delay line.
const HELD: usize = Limiter::LATENCY_FRAMES * CHANNELS;

/// How the gain moves: a triangle of 7 groups (1.2 ms), two boxes of 4 one after the other. Its
/// weights are sixteenths, so that a gain of 1 stays exactly 1.
const SMOOTH: [f32; 7] = [
    1.0 / 16.0,
    2.0 / 16.0,
    3.0 / 16.0,
    4.0 / 16.0,
    3.0 / 16.0,
    2.0 / 16.0,
    1.0 / 16.0,
];

/// The gain comes back with a time constant of 100 ms (4800 frames): fast enough not to leave a
/// hole after a drum, slow enough not to distort a bass note.
const RELEASE: f32 = GROUP as f32 / 4800.0;

/// The least the gain rises per group: below this the exponential would crawl (and, in f32, stop)
/// just short of unity, and the limiter would never be transparent again.
const LEAST_RELEASE: f32 = GROUP as f32 * 1e-6;

/// A look-ahead limiter for true peaks.
///
/// Everything comes out [`Limiter::LATENCY_FRAMES`] late, also at rest, so that its work never
/// shifts the sound; at rest it is late and otherwise the same bit for bit. Peaks are those of the
/// curve between the samples (ITU-R BS.1770-4 annex 2: four-fold oversampling), found 1.3 ms
/// before they leave; until then the gain has come down on a smooth curve, for both channels
/// together. Non-finite samples become silence.
#[derive(Debug, Clone)]
pub struct Limiter {
    ceiling: f32,
    /// The delay line: the frames that came in last.
    held: [f32; HELD],
    /// The gain that each group in the delay line must stay under, as far as known.
    needs: [f32; KNOWN],
    /// The last gains before smoothing, oldest first.
    gains: [f32; SMOOTH.len()],
    /// The block that came last was watched.
    watched: bool,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Limiter {
    /// How late everything comes out, in sample frames: 1.5 ms.
    pub const LATENCY_FRAMES: usize = 72;

    /// A limiter at rest, at [`CEILING_DBTP`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_ceiling_dbtp(CEILING_DBTP)
    }

    /// A limiter at rest whose ceiling is `dbtp` (true peak, dB relative to full scale).
    #[must_use]
    pub fn with_ceiling_dbtp(dbtp: f32) -> Self {
        Self {
            ceiling: gain_from_db(dbtp) * MARGIN,
            held: [0.0; HELD],
            needs: [1.0; KNOWN],
            gains: [1.0; SMOOTH.len()],
            watched: false,
        }
    }

    /// True while sound is turned down: something that was watched is too loud, or the gain has
    /// not recovered yet. *Tick-safe.*
    #[must_use]
    pub fn is_working(&self) -> bool {
        let down = |gain: &f32| *gain != 1.0;
        self.gains.iter().any(down) || self.needs.iter().any(down)
    }

    /// True when the delay line holds something that is not silent: one more block of silence has
    /// to be put in until all sound is out. *Tick-safe.*
    #[must_use]
    pub fn holds_sound(&self) -> bool {
        !crate::level::is_silent(&self.held)
    }

    /// Delays one block in place, and limits it when `watch` is set. *Tick-safe.*
    ///
    /// Peaks of a block that is not watched pass, however high; the gain still recovers evenly
    /// from peaks before it, and comes down for peaks of a watched block behind it.
    pub fn process(&mut self, block: &mut Block, watch: bool) {
        clean(block);
        let mut needs = [1.0; KNOWN + GROUPS];
        let (known, found) = needs.split_at_mut(KNOWN);
        known.copy_from_slice(&self.needs);
        if watch || self.watched {
            self.find(block, watch, found);
        }
        self.watched = watch;

        let mut next = [0.0; HELD];
        next.copy_from_slice(block.split_at(SAMPLES - HELD).1);
        block.copy_within(..SAMPLES - HELD, HELD);
        block.split_at_mut(HELD).0.copy_from_slice(&self.held);
        self.held = next;

        if self.is_working() || needs.iter().any(|need| *need != 1.0) {
            self.turn_down(block, &needs);
            self.needs.copy_from_slice(needs.split_at(GROUPS).1);
        }
    }

    /// What the last group of the delay line and all groups of `block` but the last need: those
    /// whose window is complete now.
    fn find(&self, block: &Block, watch: bool, needs: &mut [f32]) {
        // The end of the delay line and the beginning of the block in one piece, for the groups on
        // either side of the border: a window begins REACH - 1 frames before its group.
        const BEFORE: usize = (REACH - 1 + GROUP) * CHANNELS;
        const BEHIND: usize = (GROUP + REACH) * CHANNELS;
        let mut border = [0.0; BEFORE + BEHIND];
        let (before, behind) = border.split_at_mut(BEFORE);
        before.copy_from_slice(self.held.split_at(HELD - BEFORE).1);
        behind.copy_from_slice(block.split_at(BEHIND).0);

        let calm_block = || {
            peak::top(block) <= self.ceiling * peak::LEAST_TO_SAMPLES
                || peak::bound(block) <= self.ceiling
        };
        if peak::bound(&border) <= self.ceiling && (!watch || calm_block()) {
            return;
        }
        let step = GROUP * CHANNELS;
        let at_border = (0..).step_by(step).map(|at| border.get(at..)).take(2);
        let inside = (CHANNELS..).step_by(step).map(|at| block.get(at..));
        // Of the first group the block before was told whether it is watched.
        let (skip, all) = (
            usize::from(!self.watched),
            if watch { needs.len() } else { 1 },
        );
        let groups = needs.iter_mut().zip(at_border.chain(inside));
        for (need, window) in groups.take(all).skip(skip) {
            if let Some(window) = window.and_then(<[f32]>::first_chunk) {
                let peak = peak::of_group(window, self.ceiling);
                if peak > self.ceiling {
                    *need = self.ceiling / peak;
                }
            }
        }
    }

    /// Applies the gain that `needs` allow to what leaves.
    fn turn_down(&mut self, block: &mut Block, needs: &[f32; KNOWN + GROUPS]) {
        // A group's gain looks at the group before (whose last frames it still touches) and at
        // the 7 after it.
        let windows = needs.windows(KNOWN + 1);
        let frames = block.chunks_exact_mut(GROUP * CHANNELS);
        let mut from = self.smooth();
        for (window, group) in windows.zip(frames) {
            let allowed = window.iter().fold(1.0, |low: f32, need| low.min(*need));
            let last = self.gains.last().copied().unwrap_or(1.0);
            let back = last + ((1.0 - last) * RELEASE).max(LEAST_RELEASE);
            self.gains.rotate_left(1);
            if let Some(newest) = self.gains.last_mut() {
                *newest = back.min(allowed);
            }
            let to = self.smooth();
            let slope = (to - from) / GROUP as f32;
            for (i, frame) in (0u8..).zip(group.chunks_exact_mut(CHANNELS)) {
                let gain = from + slope * f32::from(i);
                frame.iter_mut().for_each(|s| *s *= gain);
            }
            from = to;
        }
    }

    fn smooth(&self) -> f32 {
        let weighed = self.gains.iter().zip(SMOOTH).map(|(gain, w)| gain * w);
        weighed.sum()
    }
}

/// Turns what is no sound into silence.
fn clean(block: &mut Block) {
    // `&` instead of `all`: without the early exit the loop runs in vectors.
    let sound = block.iter().fold(true, |ok, s| ok & (s.abs() <= LARGEST));
    if sound {
        return;
    }
    for sample in block.iter_mut() {
        *sample = if sample.is_finite() {
            sample.clamp(-LARGEST, LARGEST)
        } else {
            0.0
        };
    }
}

#[cfg(test)]
mod tests;
