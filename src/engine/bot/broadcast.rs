//! One sound for many guilds: mixed once, encoded once.

use std::collections::HashMap;
use std::sync::MutexGuard;

use mynah_pulse::{MixConfig, SessionKey};
use mynah_wire::GuildId;

use super::{Inner, Voice};
use crate::broadcasts::Audience;
use crate::{
    Alone, Bitrate, Bot, BroadcastId, BroadcastOptions, DuckMatrix, Event, PlayError, PlayOptions,
    PlayWhat, TrackEvent, TrackId, VoiceError,
};

/// What stereo music needs to be beyond reproach.
const BITRATE_BPS: u32 = 128_000;

impl Bot {
    /// Puts something on the air, with [`BroadcastOptions::default`]: the same as
    /// [`open_broadcast`](Self::open_broadcast) and [`play_on`](Self::play_on). The first track of
    /// [`broadcast_tracks`](Self::broadcast_tracks) is the one that was begun.
    ///
    /// It is heard where [`tune`](Self::tune) lets it in, and lives until
    /// [`end_broadcast`](Self::end_broadcast), even when its tracks have ended.
    ///
    /// # Errors
    /// See [`PlayError`]. There is no broadcast then.
    pub async fn broadcast(
        &self,
        what: PlayWhat,
        options: PlayOptions,
    ) -> Result<BroadcastId, PlayError> {
        let broadcast = self.open_broadcast(BroadcastOptions::default())?;
        match self.play_on(broadcast, what, options).await {
            Ok(_) => Ok(broadcast),
            Err(error) => {
                // Somebody else may have ended it meanwhile, which comes to the same.
                let _ = self.end_broadcast(broadcast);
                Err(error)
            }
        }
    }

    /// Opens a broadcast in which nothing plays yet.
    ///
    /// # Errors
    /// [`PlayError::Busy`] when the machine has no room for one more mix.
    pub fn open_broadcast(&self, options: BroadcastOptions) -> Result<BroadcastId, PlayError> {
        let bitrate_bps = match options.bitrate {
            Bitrate::Fixed(bits) => bits,
            Bitrate::Auto => BITRATE_BPS,
        };
        let mixes = &self.inner.mixes;
        let bus = mixes.open_bus(MixConfig {
            bitrate_bps,
            complexity: self.inner.config.complexity,
        });
        let bus = bus.map_err(|error| {
            tracing::warn!(%error, "no broadcast can be opened");
            PlayError::Busy
        })?;
        bus.wait_alone(options.alone == Alone::Wait);
        mixes.duck(bus.key(), options.duck);
        Ok(self.inner.broadcasts.insert(bus))
    }

    /// Adds a track to a broadcast, beside whatever plays there: speech over music, say. It is
    /// paused, resumed, faded and stopped like the tracks of a guild.
    ///
    /// # Errors
    /// See [`PlayError`].
    pub async fn play_on(
        &self,
        broadcast: BroadcastId,
        what: PlayWhat,
        options: PlayOptions,
    ) -> Result<TrackId, PlayError> {
        let audience = Audience::Broadcast(broadcast);
        self.play_to(audience, what, options).await
    }

    /// Lets a guild listen to a broadcast instead of the one it listened to; `None` ends that. The
    /// bot must be in voice there; a guild that leaves voice listens to nothing any more.
    ///
    /// Tracks of the guild itself lie over the broadcast, which is turned down for them like music:
    /// meanwhile the guild's mix is encoded for itself. It begins to be heard within 240 ms.
    ///
    /// # Errors
    /// [`PlayError::UnknownBroadcast`], or [`PlayError::Voice`] when the bot is not in voice there.
    pub fn tune(&self, guild: GuildId, broadcast: Option<BroadcastId>) -> Result<(), PlayError> {
        // Held until the order is sent: a broadcast that ends meanwhile takes its listeners off
        // under the same lock, and two callers' orders come in the order of what is noted here.
        let mut sessions = self.inner.voice();
        let bus = broadcast.map(|id| self.inner.broadcasts.bus(id));
        let bus = bus.transpose()?;
        let voice = sessions.get_mut(&guild);
        let voice = voice.ok_or(VoiceError::NotConnected(guild))?;
        if voice.tuned != broadcast {
            voice.tuned = broadcast;
            self.inner.mixes.subscribe(voice.key, bus.as_ref());
        }
        Ok(())
    }

    /// What a guild listens to.
    #[must_use]
    pub fn tuned(&self, guild: GuildId) -> Option<BroadcastId> {
        self.inner.voice().get(&guild)?.tuned
    }

    /// The guilds that listen to a broadcast, in no order.
    #[must_use]
    pub fn listeners(&self, broadcast: BroadcastId) -> Vec<GuildId> {
        let sessions = self.inner.voice();
        let tuned = sessions.iter().filter(|(_, v)| v.tuned == Some(broadcast));
        tuned.map(|(guild, _)| *guild).collect()
    }

    /// The tracks that play in a broadcast, the oldest first.
    #[must_use]
    pub fn broadcast_tracks(&self, broadcast: BroadcastId) -> Vec<TrackId> {
        self.inner
            .tracks
            .of_audience(Audience::Broadcast(broadcast))
    }

    /// Which lane turns which down in a broadcast, by how much and how fast.
    ///
    /// # Errors
    /// [`PlayError::UnknownBroadcast`].
    pub fn duck_broadcast(
        &self,
        broadcast: BroadcastId,
        matrix: DuckMatrix,
    ) -> Result<(), PlayError> {
        let bus = self.inner.broadcasts.bus(broadcast)?;
        self.inner.mixes.duck(bus.key(), matrix);
        Ok(())
    }

    /// Ends a broadcast: it fades out over 5 ms everywhere, and its listeners listen to nothing.
    ///
    /// # Errors
    /// [`PlayError::UnknownBroadcast`].
    pub fn end_broadcast(&self, broadcast: BroadcastId) -> Result<(), PlayError> {
        let bus = self.inner.broadcasts.end(broadcast)?;
        self.inner.mixes.close(bus.key());
        Ok(())
    }
}

impl Inner {
    /// The mix that plays for an audience.
    pub(super) fn mix_of(
        &self,
        audience: Audience,
        sessions: &MutexGuard<'_, HashMap<GuildId, Voice>>,
    ) -> Result<SessionKey, PlayError> {
        match audience {
            Audience::Guild(guild) => {
                let there = sessions.get(&guild);
                Ok(there.ok_or(VoiceError::NotConnected(guild))?.key)
            }
            Audience::Broadcast(id) => Ok(self.broadcasts.bus(id)?.key()),
        }
    }

    /// A mix is gone. If it was a broadcast, so are its listeners and its tracks: what there is to
    /// tell.
    pub(crate) fn forget_broadcast(&self, mix: SessionKey) -> Vec<Event> {
        let mut sessions = self.voice();
        let Some(broadcast) = self.broadcasts.remove(mix) else {
            return Vec::new();
        };
        for voice in sessions.values_mut() {
            if voice.tuned == Some(broadcast) {
                voice.tuned = None;
                self.mixes.subscribe(voice.key, None);
            }
        }
        let gone = self.tracks.remove_session(mix).into_iter();
        let audience = Audience::Broadcast(broadcast);
        gone.map(|(track, _)| audience.event(track, TrackEvent::Stopped))
            .collect()
    }
}
