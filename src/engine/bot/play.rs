//! What the bot is asked to play, and how its tracks are steered.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_media::{MediaError, OpenOptions};
use mynah_pulse::{PulseHandle, SessionKey, TrackOptions};
use mynah_wire::GuildId;
use tokio::sync::oneshot;

use super::Inner;
use crate::decode::{Deck, Followed, How, Order, Sound};
use crate::fetch::Input;
use crate::live::Live;
use crate::tracks::Track;
use crate::{
    Audience, Bot, DuckMatrix, Fade, FilterSpec, Info, PlayError, PlayOptions, PlayWhat, Query,
    Repeat, Target, TrackEvent, TrackId, VoiceError,
};

impl Inner {
    fn coming(&self) -> MutexGuard<'_, HashSet<TrackId>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        self.play_to(Audience::Guild(guild), what, options).await
    }

    /// Plays for a guild, or for all who listen to a broadcast.
    pub(super) async fn play_to(
        &self,
        audience: Audience,
        what: PlayWhat,
        options: PlayOptions,
    ) -> Result<TrackId, PlayError> {
        let id = self.inner.tracks.name();
        self.play_as(id, audience, what, options).await?;
        Ok(id)
    }

    /// Plays sound that somebody makes while it plays ([`live`](crate::live)). Returns at once, inside
    /// a tokio runtime; the track begins when the first blocks have come. When it cannot, it fails as
    /// any other track.
    ///
    /// # Errors
    /// [`VoiceError::NotConnected`] when the bot is not in voice there.
    pub fn play_live(
        &self,
        guild: GuildId,
        live: Live,
        options: PlayOptions,
    ) -> Result<TrackId, VoiceError> {
        if !self.inner.voice().contains_key(&guild) {
            return Err(VoiceError::NotConnected(guild));
        }
        let id = self.inner.tracks.name();
        self.inner.coming().insert(id);
        let (bot, audience) = (self.clone(), Audience::Guild(guild));
        tokio::spawn(async move {
            let what = PlayWhat::Live(live);
            let played = bot.play_as(id, audience, what, options).await;
            let was_stopped = !bot.inner.coming().remove(&id);
            let event = match played {
                // It says so itself.
                Ok(()) if was_stopped => return drop(bot.stop(id)),
                Ok(()) => return,
                Err(_) if was_stopped => TrackEvent::Stopped,
                Err(error) => TrackEvent::Failed(error.to_string()),
            };
            let _ = bot.inner.events.send(audience.event(id, event)).await;
        });
        Ok(id)
    }

    /// Plays something as the track of that name.
    async fn play_as(
        &self,
        id: TrackId,
        audience: Audience,
        what: PlayWhat,
        options: PlayOptions,
    ) -> Result<(), PlayError> {
        let sound = self.sound(id, &what, options.start).await?;
        let how = How {
            repeat: options.repeat,
            filters: options.filters,
        };
        let opened = Deck::start(&self.inner.pool, sound, how).await;
        let opened = opened.map_err(|_| PlayError::DecoderGone)??;
        let voice = mynah_pulse::TrackId(id.0);
        let session = {
            // Asked after opening: a download may have taken a while. Under the lock, because a
            // session that ends forgets its tracks, and none may slip in after that.
            let sessions = self.inner.voice();
            let session = self.inner.mix_of(audience, &sessions)?;
            let track = Track {
                audience,
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
        Ok(())
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
                    self.never_heard(old).await;
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

    /// Takes back a [`Bot::play_next`]: `next` ends as stopped before it is heard.
    ///
    /// # Errors
    /// [`PlayError::UnknownTrack`] when it has begun, or is about to and has been read already: then
    /// it will begin, and [`Bot::stop`] ends it.
    pub async fn cancel_next(&self, next: TrackId) -> Result<(), PlayError> {
        let unknown = PlayError::UnknownTrack(next.0);
        let deck = self.inner.tracks.with(next, |track| track.deck.clone());
        let Some(deck) = deck else {
            return Err(unknown);
        };
        let (answer, dropped) = oneshot::channel();
        deck.order(&self.inner.pool, Order::NotNext(next, answer));
        if !dropped.await.map_err(|_| PlayError::DecoderGone)? {
            return Err(unknown);
        }
        self.never_heard(next).await;
        Ok(())
    }

    /// Forgets a track that was to come next and will not, and says so.
    async fn never_heard(&self, id: TrackId) {
        if let Some(track) = self.inner.tracks.remove(id) {
            let event = track.audience.event(id, TrackEvent::Stopped);
            let _ = self.inner.events.send(event).await;
        }
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

    /// Changes the effects of a track, and of what follows it without a gap: heard within 40 ms,
    /// without a click and without leaving the place in the song. Values out of their range are
    /// moved into it. Nothing happens when the last 320 ms of the track are playing.
    ///
    /// # Errors
    /// The track is not playing any more.
    pub fn set_filters(&self, track: TrackId, filters: FilterSpec) -> Result<(), PlayError> {
        let known = self.inner.tracks.with(track, |track| {
            (track.deck.clone(), track.session, track.voice)
        });
        let (deck, session, voice) = known.ok_or(PlayError::UnknownTrack(track.0))?;
        let mixes = self.inner.mixes.clone();
        let hand_over = move |ring, at| mixes.swap(session, voice, ring, at);
        let order = Order::Filters(Box::new(filters), Box::new(hand_over));
        deck.order(&self.inner.pool, order);
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
            // What is made anew each time was never measured.
            loudness: match what {
                PlayWhat::Live(_) => None,
                PlayWhat::Path(_) | PlayWhat::Url(_) => self.inner.loudness.clone(),
            },
        })
    }

    /// Where the bytes are: asks the resolvers, then fetches or opens what they name.
    async fn input_of(&self, what: &PlayWhat) -> Result<Input, PlayError> {
        let query = match what {
            PlayWhat::Path(path) => Query::Path(path),
            PlayWhat::Url(url) => Query::Text(url),
            PlayWhat::Live(live) => return Ok(Input::Live(live.clone())),
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
        self.end(track, |mixes, key, id| mixes.stop(key, id))
    }

    /// Ends a track with `act`, or a live one before it began.
    fn end(
        &self,
        track: TrackId,
        act: impl FnOnce(&PulseHandle, SessionKey, mynah_pulse::TrackId),
    ) -> Result<(), PlayError> {
        let ended = self.with_session(track, act);
        if ended.is_err() && self.inner.coming().remove(&track) {
            return Ok(());
        }
        ended
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
        self.end(track, |mixes, key, id| mixes.stop_with(key, id, fade))
    }

    /// Which lane turns which down in a guild's session, by how much and how fast.
    ///
    /// # Errors
    /// The bot is not in voice there.
    pub fn duck(&self, guild: GuildId, matrix: DuckMatrix) -> Result<(), VoiceError> {
        let sessions = self.inner.voice();
        let there = sessions.get(&guild);
        let voice = there.ok_or(VoiceError::NotConnected(guild))?;
        self.inner.mixes.duck(voice.key, matrix);
        let heeds = matrix.heeds_humans();
        voice
            .listens
            .send_if_modified(|reasons| std::mem::replace(&mut reasons.talk, heeds) != heeds);
        Ok(())
    }

    /// The share of packets that listeners of a guild were found to miss, 0 to 1: the encoder arms
    /// itself against it.
    pub fn set_expected_loss(&self, guild: GuildId, share: f32) {
        self.inner.encode(guild, |policy| policy.loss = share);
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
