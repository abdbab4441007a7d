//! What the listener heard, in numbers.

use std::fmt::Write;
use std::path::Path;

use mynah_audio::measure::{self, Comparison};
use serde_json::Value;

use super::Source;
use super::reference::heard_at_best;
use super::stage::{BITRATE_BPS, COMPLEXITY, Closing, Heard};
use crate::cli::exit::Failure;

/// The listener starts at most this much before the music.
const MAX_LAG_FRAMES: usize = 3 * 48_000;
/// Worse than the codec alone by more than this, something else has touched the sound.
const SNR_TOLERANCE_DB: f64 = 0.5;

/// The report of one demonstration.
pub(super) struct Report<'a> {
    source: &'a Source,
    heard: &'a Heard,
    closing: &'a Closing,
    comparison: Option<Comparison>,
    /// SNR of the same sound on the same way without any network.
    codec_snr_db: Option<f64>,
}

impl<'a> Report<'a> {
    /// Compares what was heard with what was played.
    pub(super) fn new(
        source: &'a Source,
        heard: &'a Heard,
        recording: &[f32],
        closing: &'a Closing,
    ) -> Self {
        let best = heard_at_best(&source.path);
        let best = best.and_then(|best| measure::compare(&source.samples, &best, MAX_LAG_FRAMES));
        Self {
            source,
            heard,
            closing,
            comparison: measure::compare(&source.samples, recording, MAX_LAG_FRAMES),
            codec_snr_db: best.map(|best| best.snr_db),
        }
    }

    fn stat(&self, name: &str) -> f64 {
        self.heard
            .stats
            .get(name)
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    }

    /// The report for people.
    pub(super) fn text(&self, out: &Path) -> String {
        let mut text = String::new();
        self.write(&mut text, out)
            .unwrap_or_else(|_| unreachable!("a String takes all text"));
        text
    }

    fn write(&self, to: &mut String, out: &Path) -> std::fmt::Result {
        let stats = &self.closing.stats;
        writeln!(
            to,
            "played        {} ({})",
            self.source.shown, self.source.about
        )?;
        writeln!(to, "sent as       {}, {}", self.sent_as(), self.heard.mode)?;
        writeln!(to, "joined in     {:.0} ms", ms(self.heard.joined_in))?;
        match self.heard.first_sound {
            Some(first) => writeln!(
                to,
                "first sound   {:.0} ms after play was asked (accepted after {:.0} ms)",
                ms(first),
                ms(self.heard.accepted_in)
            )?,
            None => writeln!(to, "first sound   never")?,
        }
        writeln!(
            to,
            "packets       {} sent, {:.0} heard, {:.0} lost, {:.0} late, jitter {:.2} ms",
            stats.packets_sent,
            self.stat("packets"),
            self.stat("lost"),
            self.stat("late"),
            self.stat("jitter_ms")
        )?;
        let class = if stats.is_real_time() {
            "SCHED_FIFO"
        } else {
            "normal scheduling"
        };
        writeln!(to, "lateness      {} ({class})", stats.lateness)?;
        writeln!(
            to,
            "tick          {} skipped frames, {} stalls",
            stats.skipped_frames, self.closing.stalls
        )?;
        match &self.comparison {
            Some(comparison) => self.write_comparison(to, comparison)?,
            None => writeln!(to, "sound         what was heard is not what was played")?,
        }
        write!(to, "recording     {}", out.display())
    }

    fn sent_as(&self) -> String {
        let stats = &self.closing.stats;
        if stats.frames_passed > stats.frames_encoded {
            let (passed, encoded) = (stats.frames_passed, stats.frames_encoded);
            return format!("{passed} Opus packets of the file as they are, {encoded} encoded");
        }
        let kbit = BITRATE_BPS / 1000;
        format!("Opus {kbit} kbit/s, complexity {COMPLEXITY}")
    }

    fn write_comparison(&self, to: &mut String, heard: &Comparison) -> std::fmt::Result {
        let frames = &heard.frames;
        writeln!(
            to,
            "frames        {} compared: {} lost, {} repeated, {} reordered, {} silent, {} damaged",
            frames.compared,
            frames.lost.len(),
            frames.repeated.len(),
            frames.reordered.len(),
            frames.silent.len(),
            frames.damaged.len()
        )?;
        write!(
            to,
            "snr           {:.2} dB against the source",
            heard.snr_db
        )?;
        if let Some(codec) = self.codec_snr_db {
            write!(to, "; without a network {codec:.2} dB")?;
        }
        writeln!(to, " (gain {:.3})", heard.fitted_gain)?;
        writeln!(
            to,
            "peak          {:.2} dBFS played, {:.2} dBFS heard",
            dbfs(heard.peak_source),
            dbfs(heard.peak_heard)
        )?;
        match heard.drift_frames {
            Some(drift) => writeln!(to, "clock drift   {drift} samples"),
            None => writeln!(to, "clock drift   too short to tell"),
        }
    }

    /// Good, or a failure that says what was not.
    ///
    /// # Errors
    /// The listener heard something else than was played.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let help = "a busy machine can cause this; run it again, and see the lateness above";
        let Some(heard) = &self.comparison else {
            return Err(Failure::failed("the listener did not hear the music", help));
        };
        if !heard.frames.lost.is_empty() || !heard.frames.repeated.is_empty() {
            return Err(Failure::failed(
                "20 ms frames were lost or repeated on the way",
                help,
            ));
        }
        if self
            .codec_snr_db
            .is_some_and(|codec| heard.snr_db < codec - SNR_TOLERANCE_DB)
        {
            return Err(Failure::failed(
                "the sound is worse than the codec makes it",
                help,
            ));
        }
        Ok(())
    }
}

fn ms(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn dbfs(peak: f32) -> f32 {
    20.0 * peak.max(1e-9).log10()
}
