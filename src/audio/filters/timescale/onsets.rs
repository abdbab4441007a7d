//! Where the source strikes: drum hits, plucks, consonants. A jump must neither skip nor repeat one.
//!
//! The energy of the sound's slope (which lifts what is sharp over what is merely loud) in cells of
//! 0.7 ms; a strike is where three cells together are several times as strong as the 20 ms before.

use crate::CHANNELS;

/// Source frames in a cell.
const CELL: i64 = 32;

/// Cells that a strike is measured over, and cells before it that it is measured against: 20 ms, a
/// whole swing of the energy of every tone from 25 Hz up.
const NOW: usize = 3;
const BEFORE: usize = 30;

/// A strike is the strongest of the cells this far around it.
const APART: usize = 6;

/// Times as strong as before: a strike begins to count, counts in full.
const COUNTS_FROM: f32 = 4.0;
const COUNTS_FULLY: f32 = 12.0;

/// -100 dB: what rises out of less is not a strike.
const FLOOR: f32 = 1e-10 * CELL as f32;

/// Cells kept although nobody looks at them any more, so that forgetting is rare.
const SLACK: usize = 1024;

/// How many frames after the last one asked for must be there.
pub(super) const AHEAD: usize = (APART + NOW + 1) * CELL as usize;

pub(super) struct Onsets {
    /// Energy of the slope in each cell, from cell number `first` on.
    cells: Vec<f32>,
    first: i64,
    /// The cell that is being filled: its energy, the frames in it, the frame before.
    energy: f32,
    filled: i64,
    last: [f32; CHANNELS],
    rises: Vec<f32>,
    /// Sums of the strikes up to each cell of the range last looked at.
    sums: Vec<f32>,
    sums_from: i64,
}

impl Onsets {
    pub(super) fn new() -> Self {
        // Silence before the sound: its beginning is a strike. Room for all that is ever kept.
        let mut cells = Vec::with_capacity(2 * SLACK);
        cells.resize(BEFORE + APART, 0.0);
        Self {
            cells,
            first: -((BEFORE + APART) as i64),
            energy: 0.0,
            filled: 0,
            last: [0.0; CHANNELS],
            rises: Vec::new(),
            sums: Vec::new(),
            sums_from: 0,
        }
    }

    pub(super) fn push(&mut self, interleaved: &[f32]) {
        for frame in interleaved.as_chunks::<CHANNELS>().0 {
            for (now, last) in frame.iter().zip(&self.last) {
                self.energy += (now - last) * (now - last);
            }
            self.last = *frame;
            self.filled += 1;
            if self.filled == CELL {
                // A broken sample must not make every comparison false.
                self.cells.push(self.energy.min(f32::MAX));
                (self.energy, self.filled) = (0.0, 0);
            }
        }
    }

    /// Gets ready to be asked about the frames `from..to`.
    pub(super) fn look(&mut self, from: i64, to: i64) {
        let low = from
            .div_euclid(CELL)
            .max(self.first + (BEFORE + APART) as i64);
        let high = (to.div_euclid(CELL) + 1).max(low);
        self.rises.clear();
        for cell in low - APART as i64..high + APART as i64 {
            let rise = self.rise(cell);
            self.rises.push(rise);
        }
        self.sums.clear();
        self.sums.push(0.0);
        self.sums_from = low;
        let mut sum = 0.0;
        for around in self.rises.windows(2 * APART + 1) {
            let rise = around.get(APART).copied().unwrap_or_default();
            if rise > COUNTS_FROM && around.iter().all(|other| *other <= rise) {
                sum += ((rise - COUNTS_FROM) / (COUNTS_FULLY - COUNTS_FROM)).min(1.0);
            }
            self.sums.push(sum);
        }
    }

    /// How many strikes, weighted from 0 to 1 each, begin in the frames `from..to`.
    pub(super) fn strikes(&self, from: f64, to: f64) -> f32 {
        let up_to = |frame: f64| {
            let cell = (frame as i64).div_euclid(CELL) - self.sums_from;
            let at = usize::try_from(cell).unwrap_or(0);
            let sum = self.sums.get(at).or(self.sums.last());
            sum.copied().unwrap_or_default()
        };
        (up_to(to) - up_to(from)).max(0.0)
    }

    /// How many times as strong the sound is from `cell` on as before it.
    fn rise(&self, cell: i64) -> f32 {
        let Ok(at) = usize::try_from(cell - self.first) else {
            return 0.0;
        };
        let mean = |range: std::ops::Range<usize>| {
            let cells = self.cells.get(range).unwrap_or_default();
            cells.iter().sum::<f32>() / cells.len().max(1) as f32
        };
        mean(at..at + NOW) / (mean(at.saturating_sub(BEFORE)..at) + FLOOR)
    }

    pub(super) fn forget_before(&mut self, frame: i64) {
        let cell = frame.div_euclid(CELL) - (BEFORE + APART) as i64 - 1;
        let old = usize::try_from(cell - self.first).unwrap_or(0);
        let old = old.min(self.cells.len());
        if old > SLACK {
            self.cells.drain(..old);
            self.first += old as i64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_over_a_tone_is_a_strike_and_the_tone_is_none() {
        let mut onsets = Onsets::new();
        let samples: Vec<f32> = (0..48_000)
            .flat_map(|n| {
                let tone = 0.3 * (n as f32 * 0.01).sin();
                let click = if (30_000..30_100).contains(&n) {
                    0.2
                } else {
                    0.0
                };
                [tone + click * (n as f32).sin(); 2]
            })
            .collect();
        onsets.push(&samples);
        onsets.look(1000, 45_000);
        assert_eq!(onsets.strikes(1000.0, 29_800.0), 0.0);
        assert_eq!(onsets.strikes(29_800.0, 30_064.0), 1.0);
        assert_eq!(onsets.strikes(30_064.0, 45_000.0), 0.0);
    }
}
