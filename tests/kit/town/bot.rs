//! Who carries out what plugins ask for: the embedded server and the town's voice.

use std::time::Duration;

use mynah_engine::{Live, PlayOptions, VoiceStatus, Want};
use mynah_host::{BoxFuture, Call, Listens, OpError, Outcome, Runner, What};
use mynah_server::indoors::{Indoors, Replied, SentFile};
use mynah_wire::{ChannelId, GuildId};
use serde_json::{Value, json};

use super::line::Orders;
use super::voice::Shared;

/// How often a request is tried that is told to come later, or that the server failed at.
const TRIES: u32 = 5;
/// The bot is in a channel by then, or was not let in.
const JOIN: Duration = Duration::from_secs(10);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub(super) struct TownBot {
    server: Indoors,
    orders: Orders,
    voice: Shared,
}

impl TownBot {
    pub(super) fn new(server: Indoors, orders: Orders, voice: Shared) -> Self {
        Self {
            server,
            orders,
            voice,
        }
    }

    fn ask_voice(&self, guild: GuildId, channel: Option<ChannelId>) {
        let body = json!({
            "guild_id": guild, "channel_id": channel, "self_mute": false, "self_deaf": false,
        });
        self.orders.send(json!({"op": 4, "d": body}));
    }

    fn is_in(&self, guild: GuildId) -> Option<ChannelId> {
        self.server.voice_channel_of(guild, self.server.bot())
    }

    async fn join(&self, guild: GuildId, channel: ChannelId) -> Outcome {
        self.ask_voice(guild, Some(channel));
        let mut waited = Duration::ZERO;
        while self.is_in(guild) != Some(channel) || !self.voice.is_in(guild) {
            if waited >= JOIN {
                let words = "the bot was not let into that channel; it needs Connect there";
                return Err(OpError::Failed(words.into()));
            }
            tokio::time::sleep(LOOK).await;
            waited += LOOK;
        }
        Ok(json!({ "unheard": Value::Null }))
    }

    async fn leave(&self, guild: GuildId) -> Outcome {
        self.ask_voice(guild, None);
        let mut waited = Duration::ZERO;
        while (self.is_in(guild).is_some() || self.voice.is_in(guild)) && waited < JOIN {
            tokio::time::sleep(LOOK).await;
            waited += LOOK;
        }
        Ok(Value::Null)
    }

    /// As the real client does: waits for 429, tries a 5xx of a harmless request again.
    async fn rest(&self, method: &str, path: &str, body: Value, files: Vec<SentFile>) -> Outcome {
        let harmless = method != "POST";
        for attempt in 0..TRIES {
            let Replied { status, body } =
                self.server.rest(method, path, body.clone(), files.clone());
            let last = attempt + 1 == TRIES;
            match status {
                200..=299 => return Ok(body),
                429 if last => return Err(OpError::Busy("the server asks to slow down".into())),
                429 => {
                    let after = body.get("retry_after").and_then(Value::as_f64);
                    let after = after.unwrap_or(1.0).clamp(0.0, 60.0);
                    tokio::time::sleep(Duration::from_secs_f64(after)).await;
                }
                500.. if harmless && !last => {
                    tokio::time::sleep(Duration::from_millis(250 << attempt)).await;
                }
                http => {
                    let code = body.get("code").and_then(Value::as_u64).unwrap_or(0);
                    let message = body.get("message").and_then(Value::as_str);
                    let message = message.map_or_else(|| format!("HTTP {http}"), str::to_owned);
                    return Err(OpError::Discord {
                        http,
                        code,
                        message,
                    });
                }
            }
        }
        Err(OpError::Failed("the server does not answer".into()))
    }

    async fn carry_out(self, call: Call) -> Outcome {
        match call {
            Call::Rest {
                method,
                path,
                body,
                files,
            } => {
                let files = files.into_iter().map(|file| SentFile {
                    name: file.name,
                    content_type: file.content_type,
                    bytes: file.bytes,
                });
                let body = body.unwrap_or_default();
                self.rest(&method, &path, body, files.collect()).await
            }
            Call::Join(guild, channel) => self.join(guild, channel).await,
            Call::Leave(guild) => self.leave(guild).await,
            Call::State(guild, user) => Ok(json!({
                "channel_id": self.server.voice_channel_of(guild, user),
                "bot_channel_id": self.is_in(guild),
            })),
            Call::People(guild, channel) => Ok(json!({
                "user_ids": self.server.people_in(guild, channel), "bot_id": self.server.bot(),
            })),
            Call::Play(play) => {
                let path = path_of(play.what)?;
                let track = self.voice.play(play.guild, &path, play.options)?;
                Ok(json!({ "track": track }))
            }
            Call::Next(after, what, start) => {
                let path = path_of(what)?;
                let track = self.voice.play_next(after, &path, start)?;
                Ok(json!({ "track": track }))
            }
            Call::Probe(what) => {
                let info = mynah_media::probe(path_of(what)?.as_ref());
                let info = info.map_err(|error| OpError::Failed(error.to_string()))?;
                let ms = info.duration.map(|time| time.as_millis() as u64);
                Ok(json!({
                    "title": info.title, "artist": info.artist, "album": info.album,
                    "duration_ms": ms, "codec": info.codec, "container": info.container,
                    "sample_rate_hz": info.sample_rate_hz, "channels": info.channels,
                }))
            }
            other => self.voice.track_call(other),
        }
    }
}

fn path_of(what: What) -> Result<String, OpError> {
    match what {
        What::Path(path) => Ok(path),
        What::Url(_) => Err(OpError::Failed("the town has no web: use a file".into())),
    }
}

impl Runner for TownBot {
    fn application_id(&self) -> u64 {
        self.server.application().get()
    }

    fn run(&self, call: Call) -> BoxFuture<Outcome> {
        Box::pin(self.clone().carry_out(call))
    }

    fn voice_status(&self, guild: GuildId) -> BoxFuture<Option<VoiceStatus>> {
        let status = self.is_in(guild).filter(|_| self.voice.is_in(guild));
        let user_id = self.server.bot();
        Box::pin(async move { status.map(|channel| super::voice::status(channel, user_id)) })
    }

    fn listen(&self, guild: GuildId, want: Want) -> Result<Box<dyn Listens>, OpError> {
        self.voice.listen(guild, want)
    }

    fn play_live(&self, guild: GuildId, live: Live, how: PlayOptions) -> Result<u64, OpError> {
        self.voice.play_live(guild, live, how)
    }
}
