//! How loud a recording is to the ear, and the gain that brings it to a wanted loudness.
//!
//! EBU R128: integrated loudness with the gates of ITU-R BS.1770-4, and true peak. For the media
//! threads, never for the tick.

use ebur128::{EbuR128, Mode};

use crate::level::{db_from_gain, gain_from_db};
use crate::{CHANNELS, SAMPLE_RATE_HZ};

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loudness {
    /// Integrated loudness, LUFS. −∞ for silence and for what is shorter than 400 ms.
    pub lufs: f64,
    /// The highest true peak of both channels, dBTP. −∞ for silence.
    pub true_peak_db: f64,
}

/// What a meter listens to: a day of sample frames. It then holds 7 MB.
pub const LONGEST_FRAMES: u64 = 24 * 3600 * SAMPLE_RATE_HZ as u64;

/// Measures the loudness of a whole recording, piece by piece.
pub struct Meter {
    inner: EbuR128,
    /// Frames heard.
    frames: u64,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl Meter {
    /// A meter that has heard nothing. Grows by 80 bytes for every second heard, up to
    /// [`LONGEST_FRAMES`]; what comes later is not heard.
    ///
    /// `None` when there is no memory for it.
    #[must_use]
    pub fn new() -> Option<Self> {
        let channels = u32::try_from(CHANNELS).ok()?;
        // Not limited by `set_max_history`: in ebur128 0.1.11 that fills the history with silence,
        // which then counts (tests: EBU Tech 3341, signal 3).
        let inner = EbuR128::new(channels, SAMPLE_RATE_HZ, Mode::I | Mode::TRUE_PEAK).ok()?;
        Some(Self { inner, frames: 0 })
    }

    /// Hears more: interleaved stereo at 48 kHz, whole frames; samples that are not finite count
    /// as silence.
    pub fn add(&mut self, stereo: &[f32]) {
        let frames = stereo.len() / CHANNELS;
        if self.frames >= LONGEST_FRAMES {
            return;
        }
        self.frames += frames as u64;
        let whole = frames * CHANNELS;
        let stereo = stereo.get(..whole).unwrap_or_default();
        let added = if stereo.iter().all(|s| s.is_finite()) {
            self.inner.add_frames_f32(stereo)
        } else {
            // One NaN would stay in the filters for good.
            let clean: Vec<f32> = stereo
                .iter()
                .map(|s| if s.is_finite() { *s } else { 0.0 })
                .collect();
            self.inner.add_frames_f32(&clean)
        };
        debug_assert!(added.is_ok(), "whole stereo frames are always taken");
    }

    /// The loudness of all that was heard so far.
    #[must_use]
    pub fn loudness(&self) -> Loudness {
        let peak = (0u32..)
            .take(CHANNELS)
            .filter_map(|channel| self.inner.true_peak(channel).ok())
            .fold(0.0, f64::max);
        Loudness {
            lufs: self.inner.loudness_global().unwrap_or(f64::NEG_INFINITY),
            true_peak_db: 20.0 * peak.log10(),
        }
    }
}

/// The quietest target and recording that make sense, LUFS; quieter ones (a recording of next to
/// nothing) are taken for this loud, lest their noise be raised without end.
const QUIETEST_LUFS: f64 = -70.0;

/// The most a recording is raised: +12 dB, linear.
const MOST_GAIN_DB: f32 = 12.0;

/// The linear gain that brings a recording of `lufs` to `target_lufs` without its true peak
/// (`true_peak_db`, dBTP) going above `ceiling_db`; at most +12 dB. What is not known (not finite)
/// changes nothing: 1.0 without a loudness, no care for the peak without a peak.
#[must_use]
pub fn gain_for(lufs: f64, true_peak_db: f64, target_lufs: f64, ceiling_db: f64) -> f32 {
    if !lufs.is_finite() || !target_lufs.is_finite() {
        return 1.0;
    }
    let mut gain_db = (target_lufs.max(QUIETEST_LUFS) - lufs.max(QUIETEST_LUFS)) as f32;
    if true_peak_db.is_finite() && ceiling_db.is_finite() && gain_db > 0.0 {
        // Only raising is limited: a recording whose peaks are too high as it is was mastered so.
        gain_db = gain_db.min((ceiling_db - true_peak_db).max(0.0) as f32);
    }
    gain_from_db(gain_db.min(MOST_GAIN_DB))
}

impl Loudness {
    /// [`gain_for`] this recording.
    #[must_use]
    pub fn gain_to(&self, target_lufs: f64, ceiling_db: f64) -> f32 {
        gain_for(self.lufs, self.true_peak_db, target_lufs, ceiling_db)
    }

    /// The same recording after a linear gain.
    #[must_use]
    pub fn after_gain(&self, gain: f32) -> Self {
        let db = f64::from(db_from_gain(gain));
        Self {
            lufs: self.lufs + db,
            true_peak_db: self.true_peak_db + db,
        }
    }
}

#[cfg(test)]
mod tests;
