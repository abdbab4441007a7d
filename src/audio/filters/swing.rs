//! What swings slowly: a sine of the sample frame's number, cheap and without drift.

use crate::SAMPLE_RATE_HZ;

/// `sin` and `cos` of `2π hz n / fs` for the frames n = 0, 1, 2 ...
///
/// Between two points of the grid the pair is turned step by step; at each point of the grid it is
/// computed anew from the frame's number, so rounding cannot pile up.
pub(super) struct Swing {
    turns_per_frame: f64,
    frame: u64,
    sin: f64,
    cos: f64,
    step_sin: f64,
    step_cos: f64,
}

impl Swing {
    /// Begins with frame number `frame`.
    pub(super) fn new(hz: f32, frame: u64) -> Self {
        let turns_per_frame = f64::from(hz) / f64::from(SAMPLE_RATE_HZ);
        let (step_sin, step_cos) = (std::f64::consts::TAU * turns_per_frame).sin_cos();
        let mut swing = Self {
            turns_per_frame,
            frame,
            sin: 0.0,
            cos: 1.0,
            step_sin,
            step_cos,
        };
        swing.settle();
        swing
    }

    /// `(sin, cos)` of this frame; goes on to the next.
    #[inline(always)]
    pub(super) fn next(&mut self) -> (f64, f64) {
        let now = (self.sin, self.cos);
        self.sin = now.0 * self.step_cos + now.1 * self.step_sin;
        self.cos = now.1 * self.step_cos - now.0 * self.step_sin;
        self.frame += 1;
        now
    }

    /// Takes the rounding of the last steps out. Only at points of the grid.
    pub(super) fn settle(&mut self) {
        let turns = (self.frame as f64 * self.turns_per_frame).fract();
        (self.sin, self.cos) = (std::f64::consts::TAU * turns).sin_cos();
    }
}
