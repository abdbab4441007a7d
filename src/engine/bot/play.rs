//! What the bot is asked to play, and how its tracks are steered.

use std::sync::Arc;
use std::time::Duration;

use mynah_media::{MediaError, OpenOptions};
use mynah_pulse::{PulseHandle, SessionKey, TrackOptions};
use mynah_wire::GuildId;
use tokio::sync::oneshot;

use crate::decode::{Deck, Followed, Order, Sound};
use crate::fetch::Input;
use crate::tracks::Track;
use crate::{
    Bot, DuckMatrix, Fade, Info, PlayError, PlayOptions, PlayWhat, Query, Repeat, Target, TrackId,
    VoiceError,
};

impl Bot {
    /// Plays something into a guild's voice session, beside whatever plays there already. Returns
    /// when the file is open and the first blocks are decoded and handed to the tick.
    ///
    /// # Errors
    /// See [`PlayError`].
    pub async fn play(
        &self,
        guild: GuildId,
        what: PlayWhat,
        options: PlayOptions,
    ) -> Result<TrackId, PlayError> {
        let id = self.inner.tracks.name();
        let sound = self.sound(id, &what, options.start).await?;
        let opened = Deck::start(&self.inner.pool, sound, options.repeat).await;
        let opened = opened.map_err(|_| PlayError::DecoderGone)??;
        let voice = mynah_pulse::TrackId(id.0);
        let session = {
            // Asked after opening: a download may have taken a while. Under the lock, because a
            // session that ends forgets its tracks, and none may slip in after that.
            let sessions = self.inner.voice();
            let there = sessions.get(&guild);
            let session = there.ok_or(VoiceError::NotConnected(guild))?.key;
            let track = Track {
                guild_id: guild,
                session,
                voice,
                deck: opened.deck,
            };
            self.inner.tracks.insert(id, track);
            session
        };
        let with = TrackOptions {
            gain: options.gain,
            paused: options.paused,
            lane: options.lane,
            fade_in: options.fade_in,
        };
        self.inner.mixes.play(session, voice, opened.reader, with);
        Ok(id)
    }

    /// Plays something when `after` ends, without a gap: its first sample follows the last one of
    /// `after`. It is opened at once. Another call takes the place of what was to come before.
    ///
    /// Gain, lane and pause are those of `after`, of which the new track is the continuation.
    ///
    /// # Errors
    /// See [`PlayError`]; [`PlayError::UnknownTrack`] also when `after` has been read to its end,
    /// which is up to 320 ms before it is heard: then play it by itself.
    pub async fn play_next(
        &self,
        after: TrackId,
        what: PlayWhat,
        start: Duration,
    ) -> Result<TrackId, PlayError> {
        let known = self.inner.tracks.with(after, |track| track.followed_by());
        let track = known.ok_or(PlayError::UnknownTrack(after.0))?;
        let id = self.inner.tracks.name();
        let sound = self.sound(id, &what, start).await?;
        let deck = track.deck.clone();
        // Known before it can begin, or its beginning could be told of nobody.
        self.inner.tracks.insert(id, track);
        let (answer, taken) = oneshot::channel();
        deck.order(&self.inner.pool, Order::Next(Box::new(sound), answer));
        let outcome = match taken.await {
            Ok(Ok(Followed::Yes { instead_of })) => {
                if let Some(old) = instead_of {
                    self.inner.tracks.remove(old);
                }
                return Ok(id);
            }
            Ok(Ok(Followed::TooLate)) => PlayError::UnknownTrack(after.0),
            Ok(Err(error)) => error.into(),
            Err(_) => PlayError::DecoderGone,
        };
        self.inner.tracks.remove(id);
        Err(outcome)
    }

    /// Plays a track once, or again and again without a seam.
    ///
    /// # Errors
    /// The track is not playing any more.
    pub fn set_repeat(&self, track: TrackId, repeat: Repeat) -> Result<(), PlayError> {
        let deck = self.inner.tracks.with(track, |track| track.deck.clone());
        let deck = deck.ok_or(PlayError::UnknownTrack(track.0))?;
        deck.order(&self.inner.pool, Order::Repeat(repeat));
        Ok(())
    }

    /// What a file says about itself, without playing it.
    ///
    /// # Errors
    /// See [`PlayError`].
    pub async fn probe(&self, what: PlayWhat) -> Result<Info, PlayError> {
        let input = self.input_of(&what).await?;
        let options = OpenOptions::default();
        let probed = tokio::task::spawn_blocking(move || {
            let media = input.open(&options)?;
            Ok::<_, MediaError>(media.info().clone())
        });
        Ok(probed.await.map_err(|_| PlayError::DecoderGone)??)
    }

    async fn sound(
        &self,
        id: TrackId,
        what: &PlayWhat,
        start: Duration,
    ) -> Result<Sound, PlayError> {
        Ok(Sound {
            id,
            input: self.input_of(what).await?,
            start,
        })
    }

    /// Where the bytes are: asks the resolvers, then fetches or opens what they name.
    async fn input_of(&self, what: &PlayWhat) -> Result<Input, PlayError> {
        let query = match what {
            PlayWhat::Path(path) => Query::Path(path),
            PlayWhat::Url(url) => Query::Text(url),
        };
        match self.inner.resolvers.resolve(query).await?.target {
            Target::File(path) => Ok(Input::File(Arc::new(path))),
            Target::Address(address) => Ok(self.inner.fetcher.open(&address).await?),
        }
    }

    /// Holds a track; it continues exactly where it stopped.
    ///
    /// # Errors
    /// The track is not playing any more.
    pub fn pause(&self, track: TrackId) -> Result<(), PlayError> {
        self.with_session(track, |mixes, key, id| mixes.pause(key, id))
    }

    /// Continues a paused track.
    ///
    /// # Errors
    /// The track is not playing any more.
    pub fn resume(&self, track: TrackId) -> Result<(), PlayError> {
        self.with_session(track, |mixes, key, id| mixes.resume(key, id))
    }

    /// Ends a track.
    ///
    /// # Errors
    /// The track is not playing any more.
    pub fn stop(&self, track: TrackId) -> Result<(), PlayError> {
        self.with_session(track, |mixes, key, id| mixes.stop(key, id))
    }

    /// Changes a track's gain (linear, 0 to 4) within 5 ms and without a click.
    ///
    /// # Errors
    /// The track is not playing any more.
    pub fn set_gain(&self, track: TrackId, gain: f32) -> Result<(), PlayError> {
        self.with_session(track, |mixes, key, id| {
            mixes.gain(key, id, gain.clamp(0.0, 4.0))
        })
    }

    /// Walks a track's gain (linear, 0 to 4) to another one over a longer time.
    ///
    /// # Errors
    /// The track is not playing any more.
    pub fn fade(&self, track: TrackId, gain: f32, fade: Fade) -> Result<(), PlayError> {
        self.with_session(track, |mixes, key, id| {
            mixes.fade(key, id, gain.clamp(0.0, 4.0), fade);
        })
    }

    /// Lets a track fade away and ends it. Together with another's `fade_in`, both over
    /// [`Curve::EqualPower`](crate::Curve), this is a crossfade.
    ///
    /// # Errors
    /// The track is not playing any more.
    pub fn stop_with(&self, track: TrackId, fade: Fade) -> Result<(), PlayError> {
        self.with_session(track, |mixes, key, id| mixes.stop_with(key, id, fade))
    }

    /// Which lane turns which down in a guild's session, by how much and how fast.
    ///
    /// # Errors
    /// The bot is not in voice there.
    pub fn duck(&self, guild: GuildId, matrix: DuckMatrix) -> Result<(), VoiceError> {
        let session = self.inner.voice().get(&guild).map(|voice| voice.key);
        let session = session.ok_or(VoiceError::NotConnected(guild))?;
        self.inner.mixes.duck(session, matrix);
        Ok(())
    }

    /// Position in the file.
    pub fn position(&self, track: TrackId) -> Option<Duration> {
        self.inner.tracks.with(track, |found| found.position(track))
    }

    fn with_session(
        &self,
        track: TrackId,
        act: impl FnOnce(&PulseHandle, SessionKey, mynah_pulse::TrackId),
    ) -> Result<(), PlayError> {
        let found = self
            .inner
            .tracks
            .with(track, |track| (track.session, track.voice));
        let (session, voice) = found.ok_or(PlayError::UnknownTrack(track.0))?;
        act(&self.inner.mixes, session, voice);
        Ok(())
    }
}
