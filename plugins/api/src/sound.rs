//! How something sounds: lanes, fades, effects. Plain numbers, written into the ops' arguments.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which lane a track is heard on; a lane turns others down while it sounds (`[voice.mix]`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Music and everything that goes on and on. Needs `voice.speak`.
    #[default]
    Bed,
    /// Words, such as text to speech. Needs `voice.speak:speech`.
    Speech,
    /// Short effects. Needs `voice.speak:fx`.
    Fx,
    /// Announcements; everything else steps back. Needs `voice.speak:notice`.
    Notice,
}

/// The way of a fade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// The gain moves evenly.
    Linear,
    /// Two of these, one up and one down, keep the power: a crossfade without a dip.
    #[default]
    EqualPower,
    /// As many decibels in every moment.
    Decibel,
}

/// A change of gain over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fade {
    /// How long it takes, up to a minute.
    pub time: Duration,
    /// Its way.
    pub curve: Curve,
}

impl Fade {
    /// A fade of equal power.
    #[must_use]
    pub const fn over(time: Duration) -> Self {
        Self {
            time,
            curve: Curve::EqualPower,
        }
    }

    pub(crate) fn to_json(self) -> serde_json::Value {
        let ms = u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX);
        serde_json::json!({ "ms": ms, "curve": self.curve })
    }
}

/// How many bands the equalizer has: 25, 40, 63, 100, 160, 250, 400, 630 Hz and 1, 1.6, 2.5, 4,
/// 6.3, 10, 16 kHz.
pub const BANDS: usize = 15;

/// The effects of a track. The default changes nothing. Names and ranges are those of Lavalink v4
/// ("Filters"); a value out of its range is refused with the range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filters {
    /// Linear gain, 0.0 to 5.0.
    pub volume: f32,
    /// Gain of each band, -0.25 (silent) to 1.0 (+14 dB); 0.25 doubles it.
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

impl Default for Filters {
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

impl Filters {
    /// How many seconds of the file are heard in one second.
    #[must_use]
    pub fn tempo(&self) -> f64 {
        self.timescale.map_or(1.0, |scale| scale.speed * scale.rate)
    }
}

/// Removes the middle of the stereo image and gives back the middle of one band.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Karaoke {
    /// How much of the other channel is taken away, 0.0 to 1.0.
    pub level: f32,
    /// How much of the middle of the band comes back, 0.0 to 1.0.
    pub mono_level: f32,
    /// Centre of the band, 1 to 20 000 Hz.
    pub filter_band_hz: f32,
    /// Width of the band, 1 to 20 000 Hz.
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

/// Speed, pitch and both at once, each 0.1 to 8.0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timescale {
    /// How much faster it plays, at the same pitch.
    pub speed: f64,
    /// How much higher it sounds, at the same speed.
    pub pitch: f64,
    /// Both, like a record player.
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

/// A loudness that swings between full and `1 - depth`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tremolo {
    /// Swings in one second, 0 (off) to 24 000 Hz.
    pub frequency_hz: f32,
    /// How deep, 0.0 (off) to 1.0.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rotation {
    /// Turns in one second, -100 to 100 Hz; 0 is off.
    pub rotation_hz: f32,
}

/// How much of each channel goes to which, each 0.0 to 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LowPass {
    /// The larger, the duller, 0 to 1 000 000; 1 and less are off.
    pub smoothing: f32,
}

impl Default for LowPass {
    fn default() -> Self {
        Self { smoothing: 20.0 }
    }
}
