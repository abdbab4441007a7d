//! The handle: log in, join, play, leave, shut down.

mod broadcast;
mod ingest;
mod listen;
mod play;
mod sessions;
mod stage;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mynah_audio::EncoderPolicy;
use mynah_dave::group::Identity;
use mynah_pulse::{Pulse, PulseConfig, PulseHandle, SessionKey};
use mynah_session::gateway;
use mynah_wire::rng::Rng;
use mynah_wire::{ApplicationId, ChannelId, GuildId, UserId};
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::broadcasts::Broadcasts;
use crate::cache::Cache;
use crate::crypto::CryptoPool;
use crate::ear::Ears;
use crate::fetch::{self, Fetcher};
use crate::lanes::Lanes;
use crate::loudness::Loudness;
use crate::pool::Pool;
use crate::pump;
use crate::rest::Rest;
use crate::router::{self, Progress};
use crate::shard::{IdentifyPermits, ShardHandle};
use crate::tracks::Tracks;
use crate::voice::{Reasons, VoiceCommand};
use crate::{
    BotConfig, BroadcastId, Event, EventStream, File, Resolvers, RestError, StartError, TrackId,
    VoiceError, clock, connect,
};

/// Events waiting for the host (architecture.md B6 row 1).
const EVENTS: usize = 1024;
/// READY must arrive in this time. Discord hands out one identify per five seconds, so a large bot
/// needs longer: the time counts from the last progress.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// GUILD_CREATEs that do not arrive in this time are outages.
const GUILDS_TIMEOUT: Duration = Duration::from_secs(10);
/// Full channels and missing permissions get no answer at all (gateway.md section 9).
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// A session that is just ending (somebody said leave) cannot take a join; the next one can.
const JOIN_TRIES: u32 = 3;

/// A running bot. Cheap to clone; every clone is the same bot.
#[derive(Clone)]
pub struct Bot {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    config: BotConfig,
    pub(crate) user_id: UserId,
    application_id: ApplicationId,
    owner_id: Option<UserId>,
    rest: Rest,
    tls: Arc<ClientConfig>,
    pub(crate) cache: Cache,
    shards: tokio::sync::Mutex<Vec<ShardHandle>>,
    shard_commands: Vec<mpsc::Sender<gateway::Command>>,
    voice: Mutex<HashMap<GuildId, Voice>>,
    pulse: Mutex<Option<Pulse>>,
    mixes: PulseHandle,
    /// The threads that hear.
    ears: Ears,
    /// Encodes the bot's own lanes for those who listen to them.
    lanes: Arc<Lanes>,
    pub(crate) tracks: Tracks,
    /// Live tracks that are not open yet; gone from here, they were stopped before.
    coming: Mutex<HashSet<TrackId>>,
    broadcasts: Broadcasts,
    pool: Pool,
    crypto: Arc<CryptoPool>,
    /// One for the whole process (dave.md section 8); none without end-to-end encryption.
    identity: Option<Arc<Identity>>,
    fetcher: Fetcher,
    /// Sounds are made ready one at a time.
    ingests: tokio::sync::Semaphore,
    /// Brings tracks to one loudness, if the operator wants that.
    loudness: Option<Arc<Loudness>>,
    resolvers: Resolvers,
    pub(crate) events: mpsc::Sender<Event>,
    rng: Mutex<Rng>,
}

/// A bot that is logging in: its events, its progress, and how many shards have to come.
type Begun = (Bot, mpsc::Receiver<Event>, watch::Receiver<Progress>, u32);

#[derive(Clone)]
struct Voice {
    commands: mpsc::Sender<VoiceCommand>,
    key: SessionKey,
    /// How its mix is encoded.
    policy: EncoderPolicy,
    /// Why the bot is not deaf there.
    listens: Arc<watch::Sender<Reasons>>,
    /// What is heard there under its own tracks.
    tuned: Option<BroadcastId>,
}

#[derive(Deserialize)]
struct GatewayBot {
    url: String,
    #[serde(default)]
    shards: Option<u32>,
    #[serde(default)]
    session_start_limit: Option<StartLimit>,
}

#[derive(Deserialize)]
struct StartLimit {
    remaining: u32,
    reset_after: u64,
    max_concurrency: u32,
}

#[derive(Deserialize)]
struct Me {
    id: UserId,
}

#[derive(Deserialize)]
struct Application {
    id: ApplicationId,
    #[serde(default)]
    owner: Option<Me>,
}

/// P-256 takes its time.
async fn identity(crypto: &CryptoPool) -> Result<Option<Arc<Identity>>, StartError> {
    let made = crypto.run(Identity::generate).await.transpose()?;
    Ok(made.map(Arc::new))
}

impl Bot {
    /// Logs in and waits until the gateway is ready and the guilds are known.
    ///
    /// # Errors
    /// See [`StartError`]; [`StartError::is_credentials`] tells whether trying again is pointless.
    pub async fn start(config: BotConfig) -> Result<(Self, EventStream), StartError> {
        match Self::start_unless(config, std::future::pending()).await? {
            Some(started) => Ok(started),
            None => unreachable!("it is stopped by a future that never ends"),
        }
    }

    /// The same, unless `stop` comes first: then what was begun is ended in order, the gateway with
    /// 1000, and there is no bot. Dropping the future of [`Bot::start`] could not wait for that.
    ///
    /// # Errors
    /// As [`Bot::start`].
    pub async fn start_unless(
        config: BotConfig,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<(Self, EventStream)>, StartError> {
        tokio::pin!(stop);
        // Until it has a gateway connection there is nothing to end.
        let (bot, stream, login, count) = tokio::select! {
            begun = Self::begin(config) => begun?,
            () = &mut stop => return Ok(None),
        };
        let mut stream = EventStream::new(stream);
        let logged_in = tokio::select! {
            logged_in = bot.wait_for_login(login, count) => Some(logged_in),
            () = &mut stop => None,
            never = stream.keep() => match never {},
        };
        match logged_in {
            Some(Ok(())) => Ok(Some((bot, stream))),
            Some(Err(error)) => {
                drop(stream);
                bot.shutdown().await;
                Err(error)
            }
            None => {
                drop(stream);
                bot.shutdown().await;
                Ok(None)
            }
        }
    }

    /// Asks what there is to know and starts the shards; the caller waits for them. The last await
    /// comes before the first shard: given up halfway, this leaves nothing running.
    async fn begin(config: BotConfig) -> Result<Begun, StartError> {
        let tls = connect::tls(config.ca_pem.as_deref())?;
        let rest = Rest::new(&config, &tls)?;
        let gateway: GatewayBot = rest.read("/gateway/bot").await?;
        let me: Me = rest.read("/users/@me").await?;
        let application: Application = rest.read("/oauth2/applications/@me").await?;
        let limit = gateway.session_start_limit.as_ref();
        if let Some(limit) = limit.filter(|limit| limit.remaining == 0) {
            let reset_after = Duration::from_millis(limit.reset_after);
            return Err(StartError::NoIdentifiesLeft { reset_after });
        }
        let permits = Arc::new(IdentifyPermits::new(
            limit.map_or(1, |limit| limit.max_concurrency),
        ));
        let count = config.shards.or(gateway.shards).unwrap_or(1).max(1);

        std::fs::create_dir_all(&config.cache_dir).map_err(|source| StartError::Cache {
            path: config.cache_dir.display().to_string(),
            source,
        })?;
        let measured = config.cache_dir.join("loudness");
        let loudness = config.loudness_lufs.and_then(|target| {
            let known = Loudness::new(target, measured);
            known
                .map(Arc::new)
                .map_err(|error| tracing::warn!(%error, "tracks play as loud as they are"))
                .ok()
        });
        let fetcher = Fetcher::new(
            &tls,
            config.cache_dir.clone(),
            config.max_fetch_bytes,
            config.fetch_origins.clone(),
            fetch::Limits {
                silence: config.fetch_timeout,
                redirects: config.fetch_redirects,
            },
        )
        .map_err(|error| StartError::Certificate(error.to_string()))?
        .with_asked_origins(config.request_origins.clone());
        let threads = config.tick_threads.max(1);
        let pulse = Pulse::start(PulseConfig {
            threads,
            fifo: config.fifo,
        })
        .map_err(StartError::Pulse)?;

        let crypto = CryptoPool::start().map_err(StartError::Crypto)?;
        let identity = match config.dave {
            true => identity(&crypto).await?,
            false => None,
        };

        let seed = config.seed.unwrap_or_else(clock::seed);
        let mut rng = Rng::new(seed);
        let (shard_events, from_shards) = mpsc::channel(EVENTS);
        let shards: Vec<ShardHandle> = (0..count)
            .map(|id| {
                let config = gateway::Config {
                    token: config.token.clone(),
                    intents: config.intents,
                    shard: (id, count),
                    gateway_url: gateway.url.clone(),
                    presence: config.presence.clone(),
                    resume: None,
                    seed: rng.next_u64(),
                };
                ShardHandle::start(config, tls.clone(), permits.clone(), shard_events.clone())
            })
            .collect();

        let (events, stream) = mpsc::channel(EVENTS);
        let mixes = pulse.handle();
        let tick_events = mixes.events();
        let inner = Arc::new(Inner {
            resolvers: config.resolvers.with_built_in(),
            config,
            user_id: me.id,
            application_id: application.id,
            owner_id: application.owner.map(|owner| owner.id),
            rest,
            tls,
            cache: Cache::new(me.id),
            shard_commands: shards.iter().map(ShardHandle::commands).collect(),
            shards: tokio::sync::Mutex::new(shards),
            voice: Mutex::default(),
            pulse: Mutex::new(Some(pulse)),
            mixes,
            ears: Ears::start(threads).map_err(StartError::Ears)?,
            lanes: Arc::new(Lanes::start().map_err(StartError::Ears)?),
            tracks: Tracks::default(),
            coming: Mutex::default(),
            broadcasts: Broadcasts::default(),
            pool: Pool::new(std::thread::available_parallelism().map_or(2, usize::from)),
            crypto: Arc::new(crypto),
            identity,
            fetcher,
            ingests: tokio::sync::Semaphore::new(1),
            loudness,
            events,
            rng: Mutex::new(rng),
        });
        let (progress, login) = watch::channel(Progress::default());
        tokio::spawn(router::route_gateway(inner.clone(), from_shards, progress));
        if let Some(tick_events) = tick_events {
            tokio::spawn(pump::tick_events(Arc::downgrade(&inner), tick_events));
        }
        Ok((Self { inner }, stream, login, count))
    }

    async fn wait_for_login(
        &self,
        mut login: watch::Receiver<Progress>,
        shards: u32,
    ) -> Result<(), StartError> {
        loop {
            let progress = login.borrow_and_update().clone();
            if let Some(reason) = progress.stopped {
                return Err(StartError::Gateway(reason));
            }
            let ready = progress.ready_shards >= shards;
            if ready && progress.missing_guilds == 0 {
                return Ok(());
            }
            let patience = if ready { GUILDS_TIMEOUT } else { LOGIN_TIMEOUT };
            match tokio::time::timeout(patience, login.changed()).await {
                Ok(Ok(())) => {}
                Err(_) if ready => {
                    tracing::warn!(
                        missing = progress.missing_guilds,
                        "some guilds are unavailable"
                    );
                    return Ok(());
                }
                Ok(Err(_)) | Err(_) => return Err(StartError::Timeout(patience)),
            }
        }
    }

    /// The bot's own user.
    pub fn user_id(&self) -> UserId {
        self.inner.user_id
    }

    /// The application, which commands belong to.
    pub fn application_id(&self) -> ApplicationId {
        self.inner.application_id
    }

    /// Who owns the application.
    pub fn owner_id(&self) -> Option<UserId> {
        self.inner.owner_id
    }

    /// One REST call, rate limits respected: `rest("POST", "/channels/1/messages", body, files)`.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn rest(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        files: Vec<File>,
    ) -> Result<Value, RestError> {
        self.inner.rest.call(method, path, body, files).await
    }

    /// Every guild the bot is in.
    pub fn guilds(&self) -> Vec<GuildId> {
        self.inner.cache.guilds()
    }

    /// Where a user is in voice.
    pub fn voice_channel_of(&self, guild: GuildId, user: UserId) -> Option<ChannelId> {
        self.inner.cache.voice_channel_of(guild, user)
    }

    /// Who is in a voice channel, the bot included.
    pub fn users_in(&self, guild: GuildId, channel: ChannelId) -> Vec<UserId> {
        self.inner.cache.users_in(guild, channel)
    }

    /// A channel's name.
    pub fn channel_name(&self, guild: GuildId, channel: ChannelId) -> Option<String> {
        self.inner
            .cache
            .channel(guild, channel)
            .map(|channel| channel.name)
    }

    /// The voice channel the bot is in, as the gateway sees it.
    pub fn connected_channel(&self, guild: GuildId) -> Option<ChannelId> {
        self.inner.voice().get(&guild)?;
        self.inner.cache.voice_channel_of(guild, self.inner.user_id)
    }

    /// Joins a voice channel, or moves there; done when sound can flow.
    ///
    /// # Errors
    /// See [`VoiceError`].
    pub async fn join(&self, guild: GuildId, channel: ChannelId) -> Result<(), VoiceError> {
        if !self.inner.cache.has_guild(guild) {
            return Err(VoiceError::UnknownGuild(guild));
        }
        let cache = &self.inner.cache;
        let is_there = self.connected_channel(guild) == Some(channel);
        if let Some(denied) = cache.denies(guild, channel, clock::unix_s())
            && !is_there
        {
            return Err(VoiceError::Denied(channel, denied));
        }
        for _ in 0..JOIN_TRIES {
            let (done, joined) = oneshot::channel();
            let command = VoiceCommand::Join {
                channel_id: channel,
                done,
            };
            let voice = self.inner.open_voice(guild, channel)?;
            if voice.commands.send(command).await.is_err() {
                continue;
            }
            match tokio::time::timeout(JOIN_TIMEOUT, joined).await {
                Ok(Ok(result)) => return result,
                Ok(Err(_)) => {}
                Err(_) => {
                    // A denied move leaves the bot where it is, with all that plays there.
                    let at = self.connected_channel(guild);
                    if at.is_none_or(|at| at == channel) {
                        self.leave(guild).await;
                    }
                    return Err(VoiceError::NoAnswer(channel));
                }
            }
        }
        Err(VoiceError::Ended("the session had just ended".to_owned()))
    }

    /// Leaves voice in a guild: five silence frames, then gone. Nothing happens when not in voice.
    pub async fn leave(&self, guild: GuildId) {
        let Some(voice) = self.inner.voice().get(&guild).cloned() else {
            return;
        };
        let (done, left) = oneshot::channel();
        if voice
            .commands
            .send(VoiceCommand::Leave { done })
            .await
            .is_ok()
        {
            let _ = tokio::time::timeout(Duration::from_secs(5), left).await;
        }
    }

    /// Counters of the tick threads.
    pub fn tick_stats(&self) -> crate::TickStats {
        self.inner.mixes.stats()
    }

    /// Leaves every voice channel, closes the gateway with 1000, stops the tick threads.
    pub async fn shutdown(&self) {
        let guilds: Vec<GuildId> = self.inner.voice().keys().copied().collect();
        futures_util::future::join_all(guilds.into_iter().map(|guild| self.leave(guild))).await;
        let mut shards = std::mem::take(&mut *self.inner.shards.lock().await);
        futures_util::future::join_all(shards.iter_mut().map(ShardHandle::stop)).await;
        let pulse = self
            .inner
            .pulse
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(pulse) = pulse {
            let _ = tokio::task::spawn_blocking(move || pulse.stop()).await;
        }
    }
}

pub use listen::{Listening, Want};

#[cfg(test)]
mod tests;
