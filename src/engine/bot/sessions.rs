//! The voice sessions of a bot: opened, told what happens, forgotten.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_audio::EncoderPolicy;
use mynah_pulse::{MixConfig, SessionKey};
use mynah_session::voice as voice_machine;
use mynah_wire::{ChannelId, GuildId};
use tokio::sync::{oneshot, watch};

use super::{Inner, Voice};
use crate::voice::{self, Reasons, VoiceCommand, VoiceSetup};
use crate::{Bitrate, Bot, Event, TrackEvent, VoiceError, VoiceStatus};

/// Discord's own range for voice bitrates, and libopus' lower end.
const BITRATES: std::ops::RangeInclusive<u32> = 8_000..=384_000;
/// A voice channel's bitrate when the gateway did not say (rest.md section 9).
const DEFAULT_BITRATE: u32 = 64_000;

/// A session that is just saying its last silence answers after that.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

impl Bot {
    /// How the voice session in a guild is doing; `None` when there is none, or it is not connected.
    pub async fn voice_status(&self, guild: GuildId) -> Option<VoiceStatus> {
        let (done, status) = oneshot::channel();
        let ask = async {
            self.inner
                .to_voice(guild, VoiceCommand::Status { done })
                .await;
            status.await.ok()
        };
        let mut status = tokio::time::timeout(STATUS_TIMEOUT, ask).await.ok()??;
        status.unheard = self.unheard(guild);
        Some(status)
    }
}

impl Inner {
    pub(super) fn voice(&self) -> MutexGuard<'_, HashMap<GuildId, Voice>> {
        self.voice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_seed(&self) -> u64 {
        self.rng
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next_u64()
    }

    /// What the encoder may use: that of the channel, or what the operator wants instead.
    fn bitrate(&self, guild: GuildId, channel: ChannelId) -> u32 {
        let wanted = match self.config.bitrate {
            Bitrate::Fixed(bits) => bits,
            Bitrate::Auto => self
                .cache
                .channel(guild, channel)
                .and_then(|channel| channel.bitrate)
                .unwrap_or(DEFAULT_BITRATE),
        };
        wanted.clamp(*BITRATES.start(), *BITRATES.end())
    }

    /// After CHANNEL_UPDATE: the encoder follows the channel (gateway.md section 9).
    pub(crate) fn refresh_bitrates(&self) {
        let guilds: Vec<_> = self.voice().keys().copied().collect();
        for guild in guilds {
            if let Some(channel) = self.cache.voice_channel_of(guild, self.user_id) {
                let bitrate_bps = self.bitrate(guild, channel);
                self.encode(guild, |policy| policy.channel_bps = bitrate_bps);
            }
        }
    }

    /// Something is known anew about the way to a guild's listeners: the policy decides, and the
    /// encoder is told if that changes anything.
    pub(super) fn encode(&self, guild: GuildId, learn: impl FnOnce(&mut EncoderPolicy)) {
        if let Some(voice) = self.voice().get_mut(&guild) {
            let before = voice.policy.decide();
            learn(&mut voice.policy);
            let settings = voice.policy.decide();
            if settings != before {
                self.mixes.encoder(voice.key, settings);
            }
        }
    }

    pub(crate) async fn to_voice(&self, guild: GuildId, command: VoiceCommand) {
        let commands = self.voice().get(&guild).map(|voice| voice.commands.clone());
        if let Some(commands) = commands {
            let _ = commands.send(command).await;
        }
    }

    fn shard_of(&self, guild: GuildId) -> u64 {
        (guild.get() >> 22) % self.shard_commands.len().max(1) as u64
    }

    /// A shard's connection changed: its guilds' voice sessions must know.
    pub(crate) async fn tell_voice(&self, shard_id: u32, main: voice_machine::Main) {
        let guilds: Vec<GuildId> = self.voice().keys().copied().collect();
        for guild in guilds {
            if self.shard_of(guild) == u64::from(shard_id) {
                self.to_voice(guild, VoiceCommand::Main(main)).await;
            }
        }
    }

    pub(super) fn open_voice(
        self: &Arc<Self>,
        guild: GuildId,
        channel: ChannelId,
    ) -> Result<Voice, VoiceError> {
        let mut sessions = self.voice();
        if let Some(voice) = sessions
            .get(&guild)
            .filter(|voice| !voice.commands.is_closed())
        {
            return Ok(voice.clone());
        }
        let main = self
            .shard_commands
            .get(self.shard_of(guild) as usize)
            .cloned()
            .ok_or(VoiceError::Closing)?;
        let mut policy = EncoderPolicy::new(self.bitrate(guild, channel));
        policy.cpu_complexity_cap = self.config.complexity;
        let settings = policy.decide();
        let mix = MixConfig {
            bitrate_bps: settings.bitrate_bps,
            complexity: settings.complexity,
        };
        let key = self
            .mixes
            .open(mix)
            .map_err(|_| VoiceError::Ended("too many voice sessions on this machine".to_owned()))?;
        self.mixes.encoder(key, settings);
        self.mixes.duck(key, self.config.duck);
        let (listens, heeds) = watch::channel(Reasons {
            talk: self.config.duck.heeds_humans(),
            ..Reasons::default()
        });
        let weak = Arc::downgrade(self);
        let commands = voice::start(VoiceSetup {
            guild_id: guild,
            config: voice_machine::Config {
                guild_id: guild,
                user_id: self.user_id,
                channel_id: channel,
                allow_legacy_modes: self.config.allow_legacy_modes,
                max_dave_version: mynah_dave::VERSION,
                identity: self.identity.clone(),
                give_up_after: self.config.reconnect_give_up,
                seed: self.next_seed(),
            },
            tls: self.tls.clone(),
            main,
            listens: heeds,
            ears: self.ears.handle(),
            lanes: self.lanes.clone(),
            pulse: self.mixes.clone(),
            key,
            crypto: self.crypto.clone(),
            events: self.events.clone(),
            seed: self.next_seed(),
            on_end: Box::new(move || {
                let inner = weak.upgrade();
                inner.map_or_else(Vec::new, |inner| inner.forget_voice(guild, key))
            }),
        });
        let voice = Voice {
            commands,
            key,
            policy,
            listens: Arc::new(listens),
            tuned: None,
        };
        sessions.insert(guild, voice.clone());
        Ok(voice)
    }

    /// The session is over, and so are its tracks: what there is to tell.
    fn forget_voice(&self, guild: GuildId, key: SessionKey) -> Vec<Event> {
        {
            let mut sessions = self.voice();
            if sessions.get(&guild).is_some_and(|voice| voice.key == key) {
                sessions.remove(&guild);
            }
        }
        let stopped = |(track, _)| Event::Track {
            guild_id: guild,
            track,
            kind: TrackEvent::Stopped,
        };
        let gone = self.tracks.remove_session(key);
        gone.into_iter().map(stopped).collect()
    }
}
