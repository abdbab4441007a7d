//! What effects a track has: plain numbers, named and bounded as Lavalink v4 documents them.

use crate::CHANNELS;

/// How many bands the equalizer has.
pub const BANDS: usize = 15;

/// The centres of the equalizer's bands in Hz, 2/3 of an octave apart (Lavalink REST API, "Equalizer").
pub const BAND_HZ: [f32; BANDS] = [
    25.0, 40.0, 63.0, 100.0, 160.0, 250.0, 400.0, 630.0, 1000.0, 1600.0, 2500.0, 4000.0, 6300.0,
    10_000.0, 16_000.0,
];

/// The effects of one track. The default changes nothing.
///
/// Names, ranges and defaults are those of Lavalink v4 (<https://lavalink.dev/api/rest>, "Filters"),
/// so that presets made for it sound as their makers meant. Where Lavalink leaves a range open at the
/// top, or lets a value stop time (a speed of 0), the range here is closed; each field says so.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterSpec {
    /// Linear gain, 0.0 to 5.0; 1.0 leaves the level alone.
    pub volume: f32,
    /// Gain of each band of [`BAND_HZ`], -0.25 to 1.0: the band's amplitude is multiplied by
    /// `1 + 4 * gain`. -0.25 mutes it, 0.0 leaves it, 0.25 doubles it (+6.0 dB), 1.0 is +14.0 dB.
    pub equalizer: [f32; BANDS],
    /// Takes away what both channels share: the singer, mostly.
    pub karaoke: Option<Karaoke>,
    /// Speed and pitch.
    pub timescale: Option<Timescale>,
    /// Loudness that swings.
    pub tremolo: Option<Tremolo>,
    /// Sound that wanders from ear to ear.
    pub rotation: Option<Rotation>,
    /// How much of each channel goes where.
    pub channel_mix: Option<ChannelMix>,
    /// High notes are softened.
    pub low_pass: Option<LowPass>,
}

impl Default for FilterSpec {
    fn default() -> Self {
        Self {
            volume: 1.0,
            equalizer: [0.0; BANDS],
            karaoke: None,
            timescale: None,
            tremolo: None,
            rotation: None,
            channel_mix: None,
            low_pass: None,
        }
    }
}

/// Removes the middle of the stereo image and gives back the middle of one band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Karaoke {
    /// How much of the other channel is taken away, 0.0 (nothing) to 1.0 (all).
    pub level: f32,
    /// How much of the middle of the band comes back, 0.0 to 1.0.
    pub mono_level: f32,
    /// Centre of the band, 1 to 20 000 Hz.
    pub filter_band_hz: f32,
    /// Width of the band between its -3 dB points, 1 to 20 000 Hz.
    pub filter_width_hz: f32,
}

impl Default for Karaoke {
    fn default() -> Self {
        Self {
            level: 1.0,
            mono_level: 1.0,
            filter_band_hz: 220.0,
            filter_width_hz: 100.0,
        }
    }
}

/// Speed, pitch and rate, each 0.1 to 8.0; so are `speed * rate` and `pitch * rate`.
/// Lavalink allows 0 and any height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timescale {
    /// How much faster it plays, at the same pitch.
    pub speed: f64,
    /// How much higher it sounds, at the same speed.
    pub pitch: f64,
    /// Both at once, like a record player.
    pub rate: f64,
}

impl Default for Timescale {
    fn default() -> Self {
        Self {
            speed: 1.0,
            pitch: 1.0,
            rate: 1.0,
        }
    }
}

impl Timescale {
    /// Source frames that one frame of output takes: `speed * rate`.
    #[must_use]
    pub fn tempo(&self) -> f64 {
        self.speed * self.rate
    }

    /// What every frequency is multiplied by: `pitch * rate`.
    #[must_use]
    pub fn pitch_factor(&self) -> f64 {
        self.pitch * self.rate
    }
}

/// A loudness that swings between full and `1 - depth`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tremolo {
    /// Swings in one second, 0 (off) to 24 000 Hz.
    pub frequency_hz: f32,
    /// How deep, 0.0 (off) to 1.0 (down to silence).
    pub depth: f32,
}

impl Default for Tremolo {
    fn default() -> Self {
        Self {
            frequency_hz: 2.0,
            depth: 0.5,
        }
    }
}

/// Sound that turns around the listener.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rotation {
    /// Turns in one second, -100 to 100 Hz; 0 is off, negative turns the other way.
    pub rotation_hz: f32,
}

/// How much of each channel goes to which, each 0.0 to 1.0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelMix {
    /// Left to left.
    pub l_to_l: f32,
    /// Left to right.
    pub l_to_r: f32,
    /// Right to left.
    pub r_to_l: f32,
    /// Right to right.
    pub r_to_r: f32,
}

impl Default for ChannelMix {
    fn default() -> Self {
        Self {
            l_to_l: 1.0,
            l_to_r: 0.0,
            r_to_l: 0.0,
            r_to_r: 1.0,
        }
    }
}

/// A one-pole low pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowPass {
    /// The larger, the duller, 0 to 1 000 000; 1 and less are off.
    pub smoothing: f32,
}

impl Default for LowPass {
    fn default() -> Self {
        Self { smoothing: 20.0 }
    }
}

/// A value that no effect can have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// Outside of its range, or not a number.
    #[error("filter `{field}` is {value}, which is not between {lowest} and {highest}")]
    OutOfRange {
        /// The field as in [`FilterSpec`], for example `karaoke.level` or `equalizer[3]`.
        field: String,
        /// What it is.
        value: f64,
        /// The least it may be.
        lowest: f64,
        /// The most it may be.
        highest: f64,
    },
}

impl FilterError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let Self::OutOfRange {
            field,
            lowest,
            highest,
            ..
        } = self;
        format!("set `{field}` to a number from {lowest} to {highest}")
    }
}

const TIMESCALE: (f64, f64) = (0.1, 8.0);

impl FilterSpec {
    /// Looks whether every value is within its range.
    ///
    /// # Errors
    /// [`FilterError::OutOfRange`] for the first one that is not, with its field, range and value.
    pub fn check(&self) -> Result<(), FilterError> {
        let mut error = None;
        self.clone().visit(&mut |field, value, lowest, highest| {
            if error.is_none() && !(lowest..=highest).contains(value) {
                error = Some(FilterError::OutOfRange {
                    field: field.to_owned(),
                    value: *value,
                    lowest,
                    highest,
                });
            }
        });
        error.map_or(Ok(()), Err)
    }

    /// True when the sound comes out bit for bit as it goes in.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        let calm = self.clone().clamped();
        calm.volume == 1.0
            && calm.equalizer.iter().all(|gain| *gain == 0.0)
            && calm.karaoke.is_none_or(|k| k.level == 0.0)
            && calm
                .timescale
                .is_none_or(|t| t.tempo() == 1.0 && t.pitch_factor() == 1.0)
            && calm
                .tremolo
                .is_none_or(|t| t.frequency_hz == 0.0 || t.depth == 0.0)
            && calm.rotation.is_none_or(|r| r.rotation_hz == 0.0)
            && calm.channel_mix.is_none_or(|m| m == ChannelMix::default())
            && calm.low_pass.is_none_or(|l| l.smoothing <= 1.0)
    }

    /// The same with every value moved into its range: a chain is built from this, so that one that
    /// was never checked cannot make it run away.
    pub(super) fn clamped(mut self) -> Self {
        self.visit(&mut |_, value, lowest, highest| {
            *value = if value.is_nan() {
                1.0f64.clamp(lowest, highest)
            } else {
                value.clamp(lowest, highest)
            };
        });
        // The two products, by giving way in speed and in pitch.
        if let Some(t) = &mut self.timescale {
            t.speed = t.tempo().clamp(TIMESCALE.0, TIMESCALE.1) / t.rate;
            t.pitch = t.pitch_factor().clamp(TIMESCALE.0, TIMESCALE.1) / t.rate;
        }
        self
    }

    /// Shows each value with its name and range; what the visitor writes is kept.
    fn visit(&mut self, each: &mut dyn FnMut(&str, &mut f64, f64, f64)) {
        let mut see = |field: &str, value: &mut f32, lowest: f64, highest: f64| {
            let mut wide = f64::from(*value);
            each(field, &mut wide, lowest, highest);
            *value = wide as f32;
        };
        see("volume", &mut self.volume, 0.0, 5.0);
        for (band, gain) in self.equalizer.iter_mut().enumerate() {
            see(&format!("equalizer[{band}]"), gain, -0.25, 1.0);
        }
        if let Some(k) = &mut self.karaoke {
            see("karaoke.level", &mut k.level, 0.0, 1.0);
            see("karaoke.mono_level", &mut k.mono_level, 0.0, 1.0);
            see("karaoke.filter_band_hz", &mut k.filter_band_hz, 1.0, 2e4);
            see("karaoke.filter_width_hz", &mut k.filter_width_hz, 1.0, 2e4);
        }
        if let Some(t) = &mut self.tremolo {
            see("tremolo.frequency_hz", &mut t.frequency_hz, 0.0, 24e3);
            see("tremolo.depth", &mut t.depth, 0.0, 1.0);
        }
        if let Some(r) = &mut self.rotation {
            see("rotation.rotation_hz", &mut r.rotation_hz, -100.0, 100.0);
        }
        if let Some(m) = &mut self.channel_mix {
            see("channel_mix.l_to_l", &mut m.l_to_l, 0.0, 1.0);
            see("channel_mix.l_to_r", &mut m.l_to_r, 0.0, 1.0);
            see("channel_mix.r_to_l", &mut m.r_to_l, 0.0, 1.0);
            see("channel_mix.r_to_r", &mut m.r_to_r, 0.0, 1.0);
        }
        if let Some(l) = &mut self.low_pass {
            see("low_pass.smoothing", &mut l.smoothing, 0.0, 1e6);
        }
        if let Some(t) = &mut self.timescale {
            let (lowest, highest) = TIMESCALE;
            each("timescale.speed", &mut t.speed, lowest, highest);
            each("timescale.pitch", &mut t.pitch, lowest, highest);
            each("timescale.rate", &mut t.rate, lowest, highest);
            let (mut tempo, mut pitch) = (t.tempo(), t.pitch_factor());
            each("timescale.speed * rate", &mut tempo, lowest, highest);
            each("timescale.pitch * rate", &mut pitch, lowest, highest);
        }
    }
}

/// The part of `samples` that is whole frames.
pub(super) fn whole_frames(samples: &[f32]) -> &[f32] {
    let whole = samples.len() / CHANNELS * CHANNELS;
    samples.get(..whole).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_identity_and_within_its_ranges() {
        let spec = FilterSpec::default();
        assert_eq!(spec.check(), Ok(()));
        assert!(spec.is_identity());
        assert_eq!(spec.clone().clamped(), spec);
    }

    #[test]
    fn effects_that_are_switched_off_by_their_numbers_are_the_identity() {
        let spec = FilterSpec {
            karaoke: Some(Karaoke {
                level: 0.0,
                ..Default::default()
            }),
            timescale: Some(Timescale {
                speed: 0.5,
                pitch: 0.5,
                rate: 2.0,
            }),
            tremolo: Some(Tremolo {
                frequency_hz: 3.0,
                depth: 0.0,
            }),
            rotation: Some(Rotation::default()),
            channel_mix: Some(ChannelMix::default()),
            low_pass: Some(LowPass { smoothing: 1.0 }),
            ..Default::default()
        };
        assert_eq!(spec.check(), Ok(()));
        assert!(spec.is_identity());
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_range() {
        let mut spec = FilterSpec::default();
        spec.equalizer[3] = 1.5;
        let error = spec.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "filter `equalizer[3]` is 1.5, which is not between -0.25 and 1"
        );
        assert_eq!(
            error.remedy(),
            "set `equalizer[3]` to a number from -0.25 to 1"
        );
        let spec = FilterSpec {
            timescale: Some(Timescale {
                speed: 6.0,
                rate: 2.0,
                pitch: f64::NAN,
            }),
            ..Default::default()
        };
        let error = spec.check().unwrap_err().to_string();
        assert!(error.contains("timescale.pitch` is NaN"), "{error}");
        let calm = spec.clamped();
        assert_eq!(calm.check(), Ok(()));
        assert_eq!(calm.timescale.unwrap().tempo(), 8.0);
    }
}
