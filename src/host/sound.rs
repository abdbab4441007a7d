//! How a plugin says that something sounds, in the engine's terms.

use crate::OpError;
use mynah_engine::filters::{
    ChannelMix, FilterSpec, Karaoke, LowPass, Rotation, Timescale, Tremolo,
};
use mynah_engine::{Curve, Fade, Lane, Repeat};
use mynah_plugin as sdk;
use serde::Deserialize;
use std::time::Duration;

/// A gain beyond this is a mistake, not loudness (12 dB).
const MAX_GAIN: f32 = 4.0;
/// A fade beyond this is a mistake; a plugin can follow it with another one.
const MAX_FADE_MS: u64 = 60_000;

/// `FADE` of the header.
#[derive(Debug, Deserialize)]
pub(crate) struct FadeArg {
    ms: u64,
    #[serde(default)]
    curve: sdk::Curve,
}

impl FadeArg {
    pub(crate) fn checked(&self) -> Result<Fade, OpError> {
        if self.ms > MAX_FADE_MS {
            let ms = self.ms;
            return Err(OpError::Invalid(format!(
                "a fade takes 0 to {MAX_FADE_MS} ms, not {ms}"
            )));
        }
        let curve = match self.curve {
            sdk::Curve::Linear => Curve::Linear,
            sdk::Curve::EqualPower => Curve::EqualPower,
            sdk::Curve::Decibel => Curve::Decibel,
        };
        Ok(Fade::over(Duration::from_millis(self.ms), curve))
    }
}

pub(crate) fn checked_gain(gain: f32) -> Result<f32, OpError> {
    if (0.0..=MAX_GAIN).contains(&gain) {
        return Ok(gain);
    }
    Err(OpError::Invalid(format!(
        "a gain is 0 to {MAX_GAIN}, not {gain}"
    )))
}

pub(crate) fn lane(lane: sdk::Lane) -> Lane {
    match lane {
        sdk::Lane::Bed => Lane::Bed,
        sdk::Lane::Speech => Lane::Speech,
        sdk::Lane::Fx => Lane::Fx,
        sdk::Lane::Notice => Lane::Notice,
    }
}

/// The capability to be heard on a lane: music is what `voice.speak` alone is about; what turns
/// others down is granted by name.
pub(crate) fn lane_capability(lane: Lane) -> &'static str {
    match lane {
        Lane::Bed => "voice.speak",
        Lane::Speech => "voice.speak:speech",
        Lane::Fx => "voice.speak:fx",
        Lane::Notice => "voice.speak:notice",
    }
}

pub(crate) fn repeat(forever: bool) -> Repeat {
    if forever {
        Repeat::Forever
    } else {
        Repeat::Off
    }
}

/// The effects, every value within its range.
pub(crate) fn filters(asked: sdk::Filters) -> Result<FilterSpec, OpError> {
    let spec = FilterSpec {
        volume: asked.volume,
        equalizer: asked.equalizer,
        karaoke: asked.karaoke.map(|karaoke| Karaoke {
            level: karaoke.level,
            mono_level: karaoke.mono_level,
            filter_band_hz: karaoke.filter_band_hz,
            filter_width_hz: karaoke.filter_width_hz,
        }),
        timescale: asked.timescale.map(|scale| Timescale {
            speed: scale.speed,
            pitch: scale.pitch,
            rate: scale.rate,
        }),
        tremolo: asked.tremolo.map(|tremolo| Tremolo {
            frequency_hz: tremolo.frequency_hz,
            depth: tremolo.depth,
        }),
        rotation: asked.rotation.map(|rotation| Rotation {
            rotation_hz: rotation.rotation_hz,
        }),
        channel_mix: asked.channel_mix.map(|mix| ChannelMix {
            l_to_l: mix.l_to_l,
            l_to_r: mix.l_to_r,
            r_to_l: mix.r_to_l,
            r_to_r: mix.r_to_r,
        }),
        low_pass: asked.low_pass.map(|low| LowPass {
            smoothing: low.smoothing,
        }),
    };
    spec.check().map_err(|error| {
        let remedy = error.remedy();
        OpError::Invalid(format!("{error}: {remedy}"))
    })?;
    Ok(spec)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn effects_out_of_range_are_refused_with_the_range() {
        let filters = |json: &str| filters(serde_json::from_str(json).unwrap());
        let spec = filters(r#"{"timescale":{"speed":1.25},"low_pass":{}}"#).unwrap();
        assert_eq!(spec.timescale.unwrap().tempo(), 1.25);
        assert_eq!(spec.low_pass, Some(LowPass::default()));
        let words = filters(r#"{"timescale":{"speed":90}}"#).unwrap_err();
        let words = words.to_string();
        assert!(
            words.contains("timescale.speed") && words.contains("0.1 to 8"),
            "{words}"
        );
        assert!(serde_json::from_str::<sdk::Filters>(r#"{"equalizer":[1,2]}"#).is_err());
    }

    #[test]
    fn a_fade_of_hours_is_a_mistake() {
        let fade = |json: &str| serde_json::from_str::<FadeArg>(json).unwrap().checked();
        let second = fade(r#"{"ms":1000,"curve":"linear"}"#).unwrap();
        assert_eq!((second.frames, second.curve), (48_000, Curve::Linear));
        assert!(matches!(
            fade(r#"{"ms":3600000}"#),
            Err(OpError::Invalid(_))
        ));
    }

    #[test]
    fn every_filter_that_changes_nothing_is_the_identity_of_the_engine() {
        assert!(filters(sdk::Filters::default()).unwrap().is_identity());
    }
}
