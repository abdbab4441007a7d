//! Whether somebody says words: a small neural detector behind a gate for what is too quiet.

use std::f32::consts::PI;

use crate::{Block, CHANNELS};

/// The detector hears 16 kHz, a third of our rate, …
const THIRD: usize = 3;
/// … 16 ms at a time.
const WINDOW: usize = 256;
/// Quieter than this is no speech, whatever it sounds like.
const GATE_DBFS: f32 = -60.0;
/// The threshold that earshot recommends.
const SPEECH: f32 = 0.5;
/// Words have gaps: so many turns (200 ms) count as speech after the last that was.
const HANG_TURNS: u32 = 10;

/// Taps of the filter in front of the detector; a multiple of the decimation less one, so that its
/// delay is a whole number of frames.
const TAPS: usize = 47;
/// Where it cuts, as a share of our rate: 7.2 kHz, below half of 16 kHz.
const CUT: f32 = 0.15;

pub(super) struct Detector {
    net: Box<earshot::Detector>,
    taps: [f32; TAPS],
    /// The last frames of the turn before, one channel.
    past: [f32; TAPS - 1],
    window: [f32; WINDOW],
    filled: usize,
    /// Turns for which it still counts as speech.
    hang: u32,
    /// The gate was closed: the net knows nothing of what is around it.
    fresh: bool,
}

impl Detector {
    pub(super) fn new() -> Self {
        Self {
            net: earshot::Detector::default_boxed(),
            taps: low_pass(),
            past: [0.0; TAPS - 1],
            window: [0.0; WINDOW],
            filled: 0,
            hang: 0,
            fresh: true,
        }
    }

    /// Nobody speaks.
    pub(super) fn rest(&mut self) {
        self.hang = 0;
        self.forget();
    }

    fn forget(&mut self) {
        if !self.fresh {
            self.net.reset();
            self.past.fill(0.0);
            self.filled = 0;
            self.fresh = true;
        }
    }

    /// True when the turn is speech, or one shortly before was.
    pub(super) fn hears(&mut self, block: &Block, level_dbfs: f32) -> bool {
        self.hang = self.hang.saturating_sub(1);
        if level_dbfs < GATE_DBFS {
            if self.hang == 0 {
                self.forget();
            }
        } else if self.is_speech(block) {
            self.hang = HANG_TURNS;
        }
        self.hang > 0
    }

    fn is_speech(&mut self, block: &Block) -> bool {
        self.fresh = false;
        let mut mono = [0.0; TAPS - 1 + crate::FRAMES];
        let (past, now) = mono.split_at_mut(TAPS - 1);
        past.copy_from_slice(&self.past);
        for (mono, frame) in now.iter_mut().zip(block.chunks_exact(CHANNELS)) {
            *mono = frame.iter().sum::<f32>() / CHANNELS as f32;
        }
        let mut speech = false;
        for near in mono.windows(TAPS).step_by(THIRD) {
            let sum: f32 = near.iter().zip(&self.taps).map(|(a, b)| a * b).sum();
            if let Some(place) = self.window.get_mut(self.filled) {
                *place = if sum.is_finite() {
                    sum.clamp(-1.0, 1.0)
                } else {
                    0.0
                };
            }
            self.filled += 1;
            if self.filled == WINDOW {
                self.filled = 0;
                speech |= self.net.predict_f32(&self.window) >= SPEECH;
            }
        }
        if let Some(last) = mono.last_chunk() {
            self.past = *last;
        }
        speech
    }
}

/// A windowed sinc (Hann) whose taps sum to 1.
fn low_pass() -> [f32; TAPS] {
    let middle = (TAPS / 2) as f32;
    let mut taps = [0.0; TAPS];
    for (at, tap) in taps.iter_mut().enumerate() {
        let x = at as f32 - middle;
        let sinc = match x == 0.0 {
            true => 2.0 * CUT,
            false => (2.0 * PI * CUT * x).sin() / (PI * x),
        };
        let hann = 0.5 + 0.5 * (PI * x / (middle + 1.0)).cos();
        *tap = sinc * hann;
    }
    let sum: f32 = taps.iter().sum();
    taps.map(|tap| tap / sum)
}
