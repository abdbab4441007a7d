//! What is heard right now in one server: so many sounds at once, the oldest makes room.

use std::collections::VecDeque;

/// One sound that is being heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Playing {
    /// The host's number of the track.
    pub track: u64,
    /// Which sound.
    pub sound: i64,
    /// Who asked for it.
    pub user: u64,
    /// How often it is heard again after this time.
    pub again: u8,
    /// Percent.
    pub volume: u16,
}

/// The sounds that are being heard, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Voices {
    playing: VecDeque<Playing>,
}

impl Voices {
    /// One begins; whoever has to make room for it, so that no more than `most` are heard.
    pub fn begin(&mut self, playing: Playing, most: usize) -> Vec<Playing> {
        self.playing.push_back(playing);
        let over = self.playing.len().saturating_sub(most.max(1));
        self.playing.drain(..over).collect()
    }

    /// A track is over: which one it was, unless it was stopped before.
    pub fn ended(&mut self, track: u64) -> Option<Playing> {
        let at = self
            .playing
            .iter()
            .position(|playing| playing.track == track)?;
        self.playing.remove(at)
    }

    /// Takes out all of one person, or of everybody.
    pub fn take(&mut self, user: Option<u64>) -> Vec<Playing> {
        let all = std::mem::take(&mut self.playing);
        let (out, stay) = all
            .into_iter()
            .partition(|playing| user.is_none_or(|user| user == playing.user));
        self.playing = stay;
        out.into()
    }

    /// Takes out what plays a sound that is gone.
    pub fn take_sound(&mut self, sound: i64) -> Vec<Playing> {
        let all = std::mem::take(&mut self.playing);
        let (out, stay) = all.into_iter().partition(|playing| playing.sound == sound);
        self.playing = stay;
        out.into()
    }

    /// How many are heard.
    #[must_use]
    pub fn len(&self) -> usize {
        self.playing.len()
    }

    /// True when none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.playing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playing(track: u64, user: u64) -> Playing {
        Playing {
            track,
            sound: track as i64,
            user,
            again: 0,
            volume: 100,
        }
    }

    #[test]
    fn a_fourth_sound_stops_the_oldest() {
        let mut voices = Voices::default();
        for track in 1..=3 {
            assert_eq!(voices.begin(playing(track, 1), 3), []);
        }
        assert_eq!(voices.begin(playing(4, 2), 3), [playing(1, 1)]);
        assert_eq!(
            voices.ended(1),
            None,
            "it was stopped, nothing of it is repeated"
        );
        assert_eq!(voices.ended(2), Some(playing(2, 1)));
        assert_eq!(voices.len(), 2);
    }

    #[test]
    fn people_stop_their_own_and_a_deleted_sound_is_silent() {
        let mut voices = Voices::default();
        for (track, user) in [(1, 1), (2, 2), (3, 1)] {
            voices.begin(playing(track, user), 3);
        }
        assert_eq!(voices.take(Some(1)), [playing(1, 1), playing(3, 1)]);
        assert_eq!(voices.take_sound(2), [playing(2, 2)]);
        assert!(voices.take(None).is_empty() && voices.is_empty());
    }
}
