//! How somebody sounds: engine, voice, speed, pitch, volume.

use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// The longest name of a voice, in characters.
pub const MAX_NAME_CHARS: usize = 80;
/// Speed and pitch, in percent of the voice's own.
pub const PERCENT: RangeInclusive<u16> = 50..=200;
/// Volume in percent; 100 leaves it as it is.
pub const VOLUME_PERCENT: RangeInclusive<u16> = 10..=150;

/// What somebody chose; what is `None` is as on the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// The engine's id.
    pub engine: Option<String>,
    /// The engine's name of the voice.
    pub voice: Option<String>,
    /// Of [`PERCENT`].
    pub speed: Option<u16>,
    /// Of [`PERCENT`].
    pub pitch: Option<u16>,
    /// Of [`VOLUME_PERCENT`].
    pub volume: Option<u16>,
}

/// How something is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// The engine that is asked first; `None` for the first of the chain.
    pub engine: Option<String>,
    /// The engine's name of the voice; `None` for its own.
    pub name: Option<String>,
    /// Percent of the voice's own speed.
    pub speed: u16,
    /// Percent of the voice's own pitch.
    pub pitch: u16,
    /// Percent of the voice's own volume.
    pub volume: u16,
}

impl Default for Voice {
    fn default() -> Self {
        Choice::default().over(&Choice::default())
    }
}

impl Choice {
    /// True if nothing was chosen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over what `other` chose. Another engine without a voice takes the voice away, which
    /// was the old engine's.
    pub fn change(&mut self, other: Self) {
        if other.engine.is_some() && other.engine != self.engine {
            self.voice = None;
        }
        self.engine = other.engine.or(self.engine.take());
        self.voice = other.voice.or(self.voice.take());
        self.speed = other.speed.or(self.speed);
        self.pitch = other.pitch.or(self.pitch);
        self.volume = other.volume.or(self.volume);
    }

    /// Mine over the server's, within the limits whatever was stored.
    #[must_use]
    pub fn over(&self, server: &Self) -> Voice {
        let within = |mine: Option<u16>, theirs: Option<u16>, range: &RangeInclusive<u16>| {
            mine.or(theirs)
                .unwrap_or(100)
                .clamp(*range.start(), *range.end())
        };
        // A voice belongs to its engine: never mine of one and the server's of another.
        let mine = self.engine.is_some() || self.voice.is_some();
        Voice {
            engine: self.engine.clone().or_else(|| server.engine.clone()),
            name: if mine { &self.voice } else { &server.voice }.clone(),
            speed: within(self.speed, server.speed, &PERCENT),
            pitch: within(self.pitch, server.pitch, &PERCENT),
            volume: within(self.volume, server.volume, &VOLUME_PERCENT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(engine: Option<&str>, voice: Option<&str>) -> Choice {
        Choice {
            engine: engine.map(Into::into),
            voice: voice.map(Into::into),
            ..Choice::default()
        }
    }

    #[test]
    fn mine_wins_over_the_servers_and_a_voice_stays_with_its_engine() {
        let server = choice(Some("piper"), Some("lessac"));
        let voice = Choice::default().over(&server);
        assert_eq!(
            (voice.engine.as_deref(), voice.name.as_deref()),
            (Some("piper"), Some("lessac"))
        );
        let voice = choice(Some("espeak"), None).over(&server);
        assert_eq!(
            (voice.engine.as_deref(), voice.name.as_deref()),
            (Some("espeak"), None)
        );
        let voice = choice(None, Some("amy")).over(&server);
        assert_eq!(
            (voice.engine.as_deref(), voice.name.as_deref()),
            (Some("piper"), Some("amy"))
        );
    }

    #[test]
    fn another_engine_takes_the_old_voice_away() {
        let mut mine = choice(Some("espeak"), Some("de"));
        mine.speed = Some(120);
        mine.change(choice(Some("piper"), None));
        assert_eq!((mine.voice.as_deref(), mine.speed), (None, Some(120)));
        mine.change(Choice {
            volume: Some(90),
            ..Choice::default()
        });
        assert_eq!(
            (mine.engine.as_deref(), mine.volume),
            (Some("piper"), Some(90))
        );
    }

    #[test]
    fn numbers_stay_within_their_limits() {
        let wild = Choice {
            speed: Some(9_999),
            pitch: Some(0),
            volume: Some(0),
            ..Choice::default()
        };
        let voice = wild.over(&Choice::default());
        assert_eq!((voice.speed, voice.pitch, voice.volume), (200, 50, 10));
        assert_eq!(Voice::default().speed, 100);
    }
}
