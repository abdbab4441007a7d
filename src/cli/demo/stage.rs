//! The stage of a demonstration: embedded server, bot, one listening user.

use std::path::Path;
use std::time::{Duration, Instant};

use mynah_engine::{
    Bot, BotConfig, Event, EventStream, PlayOptions, PlayWhat, TickStats, TrackEvent,
};
use mynah_server::{ReadyFile, Server, ServerConfig};
use mynah_wire::{ChannelId, GuildId};
use serde_json::{Value, json};

use crate::cli::exit::Failure;
use crate::cli::serve;

/// Bitrate of the demonstration's voice channel: the most a guild without boosts has (rest.md section 9).
pub(super) const BITRATE_BPS: u32 = 96_000;
/// Encoder complexity of the demonstration.
pub(super) const COMPLEXITY: u8 = 10;

/// The listener listens this long before the music is asked for.
const LEAD: Duration = Duration::from_millis(300);

/// Everything set up, the bot and the listener in one voice channel.
pub(super) struct Stage {
    server: Server,
    bot: Bot,
    events: EventStream,
    control: Control,
    guild: GuildId,
    listener: String,
    joined_in: Duration,
    /// Encryption mode of the bot's voice session.
    mode: String,
}

/// What the listener brought home.
pub(super) struct Heard {
    pub bytes: Vec<u8>,
    /// `X-Voice-Stats` of the control API.
    pub stats: Value,
    pub joined_in: Duration,
    /// From the moment `play` was asked to its answer.
    pub accepted_in: Duration,
    /// From asking for `play` to the listener's first packet of sound.
    pub first_sound: Option<Duration>,
    pub mode: String,
}

struct Control {
    http: reqwest::Client,
    base: String,
}

impl Control {
    async fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        let failed = |error: reqwest::Error| stage_failed(&format!("POST {path}"), &error);
        let url = format!("{}{path}", self.base);
        let response = self
            .http
            .post(url)
            .json(&body)
            .send()
            .await
            .map_err(failed)?;
        let ok = response.status().is_success();
        let answer: Value = response.json().await.map_err(failed)?;
        if ok {
            Ok(answer)
        } else {
            Err(stage_failed(&format!("POST {path}"), &answer))
        }
    }
}

fn stage_failed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(
        format!("the demonstration could not be set up: {what}: {error}"),
        "run it again with RUST_LOG=debug",
    )
}

fn id<'a>(answer: &'a Value, field: &str) -> Result<&'a str, Failure> {
    let found = answer.get(field).and_then(Value::as_str);
    found.ok_or_else(|| stage_failed("an answer", &format!("has no {field}")))
}

impl Stage {
    /// Starts server, bot and listener; returns when both are in voice.
    pub(super) async fn set(dir: &Path) -> Result<Self, Failure> {
        let server = serve::start(ServerConfig::new(dir)).await?;
        let ready = server.ready();
        let ca_pem = server.voice().ca_pem().to_vec();
        let tls = mynah_engine::tls_config(None).map_err(|error| stage_failed("TLS", &error))?;
        let tls = std::sync::Arc::unwrap_or_clone(tls);
        let control = Control {
            // The client insists on TLS settings even where only plain HTTP is spoken.
            http: reqwest::Client::builder()
                .tls_backend_preconfigured(tls)
                .no_proxy()
                .build()
                .map_err(|error| stage_failed("control client", &error))?,
            base: ready.control.clone(),
        };
        let channel = control
            .post(
                "/channels",
                json!({
                    "guild_id": ready.guild_id, "name": "Demo", "kind": "voice",
                    "bitrate": BITRATE_BPS,
                }),
            )
            .await?;
        let channel: ChannelId = id(&channel, "channel_id")?
            .parse()
            .map_err(|error| stage_failed("channel id", &error))?;
        let listener = control
            .post("/users", json!({ "name": "listener" }))
            .await?;
        let listener = id(&listener, "user_id")?.to_owned();
        control
            .post(
                "/voice/join",
                json!({ "user_id": listener, "channel_id": channel }),
            )
            .await?;
        let (bot, events) = start_bot(&ready, ca_pem, dir).await?;
        let before = Instant::now();
        bot.join(ready.guild_id, channel)
            .await
            .map_err(|error| stage_failed("join", &error))?;
        let joined_in = before.elapsed();
        let mut stage = Self {
            server,
            bot,
            events,
            control,
            guild: ready.guild_id,
            listener,
            joined_in,
            mode: String::new(),
        };
        stage.mode = stage.bot_mode().await?;
        Ok(stage)
    }

    async fn bot_mode(&self) -> Result<String, Failure> {
        let url = format!("{}/state", self.control.base);
        let state: Value = async { self.control.http.get(url).send().await?.json().await }
            .await
            .map_err(|error: reqwest::Error| stage_failed("GET /state", &error))?;
        let me = self.bot.user_id().to_string();
        let sessions = state.get("voice_sessions").or_else(|| state.get("voice"));
        let mine = sessions.and_then(Value::as_array).and_then(|sessions| {
            sessions
                .iter()
                .find(|session| session.get("user_id").and_then(Value::as_str) == Some(&me))
        });
        let mode = mine
            .and_then(|session| session.get("mode"))
            .and_then(Value::as_str);
        Ok(mode.unwrap_or("unknown mode").to_owned())
    }

    /// Plays the file to its end while the listener listens.
    pub(super) async fn play(
        &self,
        path: &Path,
        length: Duration,
        margin: Duration,
        out: &Path,
    ) -> Result<Heard, Failure> {
        let wav = out
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wav"));
        let format = if wav { "wav" } else { "ogg" };
        let seconds = (length + margin).as_secs_f64();
        let (me, listener) = (self.bot.user_id(), &self.listener);
        let url = format!(
            "{}/voice/hear?user_id={listener}&seconds={seconds}&from={me}&format={format}",
            self.control.base
        );
        let listening_since = Instant::now();
        let hearing = tokio::spawn(self.control.http.get(url).send());
        // The ears are open well before the music starts; the margin of the recording covers it.
        tokio::time::sleep(LEAD).await;
        let asked = Instant::now();
        self.bot
            .play(
                self.guild,
                PlayWhat::Path(path.to_owned()),
                PlayOptions::default(),
            )
            .await
            .map_err(|error| Failure::failed(error.to_string(), ""))?;
        let accepted_in = asked.elapsed();
        let failed = |error: &dyn std::fmt::Display| stage_failed("GET /voice/hear", error);
        let response = hearing
            .await
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&error))?;
        let ok = response.status().is_success();
        let stats = response
            .headers()
            .get("x-voice-stats")
            .and_then(|value| value.to_str().ok());
        let stats = stats
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(Value::Null);
        let bytes = response
            .bytes()
            .await
            .map_err(|error| failed(&error))?
            .to_vec();
        if !ok {
            return Err(failed(&String::from_utf8_lossy(&bytes)));
        }
        let first_sound = stats
            .get("first_packet_us")
            .and_then(Value::as_u64)
            .map(|first| {
                (listening_since + Duration::from_micros(first)).saturating_duration_since(asked)
            });
        Ok(Heard {
            bytes,
            stats,
            joined_in: self.joined_in,
            accepted_in,
            first_sound,
            mode: self.mode.clone(),
        })
    }

    /// Leaves voice, logs out, stops the server; the tick's statistics.
    pub(super) async fn close(self) -> Closing {
        let Self {
            server,
            bot,
            mut events,
            ..
        } = self;
        let stats = bot.tick_stats();
        bot.shutdown().await;
        server.stop().await;
        // The stream ends with the last handle.
        drop(bot);
        let mut stalls = 0;
        while let Some(event) = events.next().await {
            if let Event::Track {
                kind: TrackEvent::Stalled,
                ..
            } = event
            {
                stalls += 1;
            }
        }
        Closing { stats, stalls }
    }
}

/// What is known after the curtain.
pub(super) struct Closing {
    /// Counters and histograms of the tick thread.
    pub stats: TickStats,
    /// Times the music ran dry.
    pub stalls: usize,
}

async fn start_bot(
    ready: &ReadyFile,
    ca_pem: Vec<u8>,
    dir: &Path,
) -> Result<(Bot, EventStream), Failure> {
    let bot = ready
        .bots
        .first()
        .ok_or_else(|| stage_failed("bot", &"the server has none"))?;
    let mut config = BotConfig::new(bot.token.clone(), ready.api.clone());
    config.ca_pem = Some(ca_pem);
    config.complexity = COMPLEXITY;
    config.cache_dir = dir.join("cache");
    Bot::start(config)
        .await
        .map_err(|error| stage_failed("bot", &error))
}
