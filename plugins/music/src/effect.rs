//! The effects of `/filter`: named presets, and speed and pitch on top.

use mynah_plugin::{Filters, Karaoke, LowPass, Rotation, Timescale, Tremolo};
use serde::{Deserialize, Serialize};

/// An effect with a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// None: the music as it is.
    #[default]
    Off,
    /// More of the low notes.
    Bassboost,
    /// More of the high notes.
    Treble,
    /// Faster and higher.
    Nightcore,
    /// Slower and lower.
    Slowed,
    /// Slower, lower and dull, as an old cassette.
    Vaporwave,
    /// Without the singer, mostly.
    Karaoke,
    /// The music turns around the listener.
    #[serde(rename = "8d")]
    EightD,
    /// A loudness that trembles.
    Tremolo,
}

/// The least and the most of speed and pitch.
pub const SCALE: (f64, f64) = (0.5, 2.0);

impl Preset {
    /// All of them, in the order they are offered.
    pub const ALL: [Self; 9] = [
        Self::Off,
        Self::Bassboost,
        Self::Treble,
        Self::Nightcore,
        Self::Slowed,
        Self::Vaporwave,
        Self::Karaoke,
        Self::EightD,
        Self::Tremolo,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Bassboost => "bassboost",
            Self::Treble => "treble",
            Self::Nightcore => "nightcore",
            Self::Slowed => "slowed",
            Self::Vaporwave => "vaporwave",
            Self::Karaoke => "karaoke",
            Self::EightD => "8d",
            Self::Tremolo => "tremolo",
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Off => "the music as it is",
            Self::Bassboost => "more bass",
            Self::Treble => "more of the high notes",
            Self::Nightcore => "faster and higher",
            Self::Slowed => "slower and lower",
            Self::Vaporwave => "slow, low and dull, as from an old cassette",
            Self::Karaoke => "mostly without the singer",
            Self::EightD => "turns around you; for headphones",
            Self::Tremolo => "trembles",
        }
    }

    /// The preset of that name; case, spaces and dashes do not matter.
    ///
    /// # Errors
    /// The name that was probably meant, if any.
    pub fn find(name: &str) -> Result<Self, Option<&'static str>> {
        let bare: String = name
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        let same = |preset: &Self| match bare.as_str() {
            "none" | "reset" => *preset == Self::Off,
            bare => preset.name() == bare,
        };
        Self::ALL.into_iter().find(same).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let meant = mynah_plugin::nearest(&bare, &names);
            names.into_iter().find(|name| {
                Some(*name) == meant.as_deref() || bare.len() > 2 && name.starts_with(&bare)
            })
        })
    }

    /// The presets that fit the letters typed so far.
    pub fn offers(typed: &str) -> impl Iterator<Item = Self> {
        let typed = typed.trim().to_lowercase();
        Self::ALL
            .into_iter()
            .filter(move |preset| preset.name().contains(&typed))
    }
}

/// What is done to the music of a server.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Effect {
    /// By name.
    pub preset: Preset,
    /// Times as fast, at the same pitch; within [`SCALE`].
    pub speed: f64,
    /// Times as high, at the same speed; within [`SCALE`].
    pub pitch: f64,
}

impl Default for Effect {
    fn default() -> Self {
        Self {
            preset: Preset::Off,
            speed: 1.0,
            pitch: 1.0,
        }
    }
}

impl Effect {
    /// The effect with every number within its range.
    #[must_use]
    pub fn bounded(self) -> Self {
        let (least, most) = SCALE;
        let within = |n: f64| {
            if n.is_nan() {
                1.0
            } else {
                n.clamp(least, most)
            }
        };
        Self {
            speed: within(self.speed),
            pitch: within(self.pitch),
            ..self
        }
    }

    /// In the engine's terms.
    #[must_use]
    pub fn filters(self) -> Filters {
        let mut filters = preset(self.preset);
        if self.speed != 1.0 || self.pitch != 1.0 {
            let scale = filters.timescale.get_or_insert_default();
            scale.speed *= self.speed;
            scale.pitch *= self.pitch;
        }
        filters
    }
}

fn preset(preset: Preset) -> Filters {
    let plain = Filters::default();
    let rate = |rate| {
        Some(Timescale {
            rate,
            ..Timescale::default()
        })
    };
    match preset {
        Preset::Off => plain,
        // Six decibels more at the bottom; a little less overall, so that the limiter rarely acts.
        Preset::Bassboost => Filters {
            volume: 0.85,
            equalizer: bands(&[0.25, 0.25, 0.2, 0.15, 0.08, 0.03]),
            ..plain
        },
        Preset::Treble => {
            let mut equalizer = bands(&[0.2, 0.2, 0.18, 0.14, 0.08, 0.03]);
            equalizer.reverse();
            Filters {
                volume: 0.9,
                equalizer,
                ..plain
            }
        }
        Preset::Nightcore => Filters {
            timescale: rate(1.25),
            ..plain
        },
        Preset::Slowed => Filters {
            timescale: rate(0.85),
            ..plain
        },
        Preset::Vaporwave => Filters {
            timescale: rate(0.8),
            low_pass: Some(LowPass { smoothing: 4.0 }),
            ..plain
        },
        Preset::Karaoke => Filters {
            karaoke: Some(Karaoke::default()),
            ..plain
        },
        // One turn in eight seconds.
        Preset::EightD => Filters {
            rotation: Some(Rotation { rotation_hz: 0.125 }),
            ..plain
        },
        Preset::Tremolo => Filters {
            tremolo: Some(Tremolo {
                frequency_hz: 4.0,
                depth: 0.6,
            }),
            ..plain
        },
    }
}

/// The lowest bands; those above stay as they are.
fn bands(lowest: &[f32]) -> [f32; mynah_plugin::BANDS] {
    let mut bands = [0.0; mynah_plugin::BANDS];
    for (band, gain) in bands.iter_mut().zip(lowest) {
        *band = *gain;
    }
    bands
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn presets_are_found_by_name_and_near_misses_are_suggested() {
        for preset in Preset::ALL {
            assert_eq!(Preset::find(preset.name()), Ok(preset));
        }
        assert_eq!(Preset::find(" Bass Boost "), Ok(Preset::Bassboost));
        assert_eq!(Preset::find("8-D"), Ok(Preset::EightD));
        assert_eq!(Preset::find("nightcroe"), Err(Some("nightcore")));
        assert_eq!(Preset::find("bass"), Err(Some("bassboost")));
        assert_eq!(Preset::find("reverb"), Err(None));
    }

    #[test]
    fn only_off_at_its_own_speed_leaves_the_music_alone() {
        for preset in Preset::ALL {
            let effect = Effect {
                preset,
                ..Effect::default()
            };
            let untouched = effect.filters() == Filters::default();
            assert_eq!(untouched, preset == Preset::Off, "{preset:?}");
        }
    }

    #[test]
    fn speed_and_pitch_come_on_top_of_the_preset() {
        let effect = Effect {
            preset: Preset::Nightcore,
            speed: 2.0,
            pitch: 0.5,
        };
        let scale = effect.filters().timescale.unwrap();
        assert_eq!((scale.speed, scale.pitch, scale.rate), (2.0, 0.5, 1.25));
        assert_eq!(effect.filters().tempo(), 2.5);
        let wild = Effect {
            speed: 99.0,
            pitch: f64::NAN,
            ..effect
        };
        assert_eq!((wild.bounded().speed, wild.bounded().pitch), (2.0, 1.0));
    }

    #[test]
    fn an_effect_is_written_down_by_name() {
        let effect = Effect {
            preset: Preset::EightD,
            ..Effect::default()
        };
        let json = serde_json::to_string(&effect).unwrap();
        assert_eq!(json, r#"{"preset":"8d","speed":1.0,"pitch":1.0}"#);
        assert_eq!(serde_json::from_str::<Effect>(&json).unwrap(), effect);
    }
}
