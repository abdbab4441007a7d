//! Gateway events to cache, voice sessions and host.

use std::sync::Arc;

use mynah_session::gateway::StopReason;
use mynah_wire::{ChannelId, GuildId, UserId};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use crate::Event;
use crate::bot::Inner;
use crate::shard::ShardEvent;
use crate::voice::VoiceCommand;

/// How far the login has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// READY of every shard has arrived.
    pub ready_shards: u32,
    /// Guilds promised by READY whose GUILD_CREATE is still to come.
    pub missing_guilds: usize,
    /// The gateway gave up.
    pub stopped: Option<StopReason>,
}

#[derive(Deserialize)]
struct ReadyGuilds {
    guilds: Vec<GuildStub>,
}

#[derive(Deserialize)]
struct GuildStub {
    id: GuildId,
}

#[derive(Deserialize)]
struct OfGuild {
    #[serde(default)]
    guild_id: Option<GuildId>,
}

#[derive(Deserialize)]
struct OwnVoiceState {
    guild_id: GuildId,
    channel_id: Option<ChannelId>,
    user_id: UserId,
    session_id: String,
}

#[derive(Deserialize)]
struct VoiceServerUpdate {
    guild_id: GuildId,
    token: String,
    endpoint: Option<String>,
}

/// Runs until every shard has ended and the host has gone.
pub async fn route_gateway(
    inner: Arc<Inner>,
    mut shards: mpsc::Receiver<ShardEvent>,
    progress: watch::Sender<Progress>,
) {
    let mut missing = Vec::new();
    while let Some(event) = shards.recv().await {
        match event {
            ShardEvent::Dispatch { name, data } => {
                inner.cache.learn(&name, &data);
                if name == "READY" {
                    forget_left(&inner, &data).await;
                }
                note_login(&name, &data, &mut missing, &progress);
                voice_signalling(&inner, &name, &data).await;
                let guild_id = serde_json::from_str::<OfGuild>(&data)
                    .ok()
                    .and_then(|of| of.guild_id);
                let event = Event::Dispatch {
                    name,
                    guild_id,
                    data: data.into(),
                };
                if inner.events.send(event).await.is_err() {
                    tracing::debug!("nobody listens to events any more");
                }
            }
            ShardEvent::Main { shard_id, main } => inner.tell_voice(shard_id, main).await,
            ShardEvent::Stopped(reason) => {
                progress.send_modify(|progress| progress.stopped = Some(reason));
                let _ = inner.events.send(Event::Stopped(reason)).await;
            }
        }
    }
}

/// Guilds left while we were away are gone, and so is our voice in them.
async fn forget_left(inner: &Inner, ready: &str) {
    for guild in inner.cache.forget_left(ready) {
        tracing::info!(%guild, "no longer a member");
        let nowhere = VoiceCommand::State {
            channel_id: None,
            session_id: String::new(),
        };
        inner.to_voice(guild, nowhere).await;
    }
}

fn note_login(
    name: &str,
    data: &str,
    missing: &mut Vec<GuildId>,
    progress: &watch::Sender<Progress>,
) {
    match name {
        "READY" => {
            if let Ok(ready) = serde_json::from_str::<ReadyGuilds>(data) {
                missing.extend(ready.guilds.into_iter().map(|guild| guild.id));
            }
            progress.send_modify(|progress| {
                progress.ready_shards += 1;
                progress.missing_guilds = missing.len();
            });
        }
        // An unavailable guild answers with GUILD_DELETE, which also counts as known.
        "GUILD_CREATE" | "GUILD_DELETE" => {
            if let Ok(GuildStub { id }) = serde_json::from_str(data) {
                missing.retain(|waiting| *waiting != id);
                progress.send_modify(|progress| progress.missing_guilds = missing.len());
            }
        }
        _ => {}
    }
}

async fn voice_signalling(inner: &Inner, name: &str, data: &str) {
    match name {
        "VOICE_STATE_UPDATE" => {
            let Ok(state) = serde_json::from_str::<OwnVoiceState>(data) else {
                return;
            };
            if state.user_id == inner.user_id {
                let OwnVoiceState {
                    channel_id,
                    session_id,
                    ..
                } = state;
                inner
                    .to_voice(
                        state.guild_id,
                        VoiceCommand::State {
                            channel_id,
                            session_id,
                        },
                    )
                    .await;
                // Another channel may have another bitrate.
                inner.refresh_bitrates();
            }
        }
        "VOICE_SERVER_UPDATE" => {
            let Ok(update) = serde_json::from_str::<VoiceServerUpdate>(data) else {
                return;
            };
            let VoiceServerUpdate {
                guild_id,
                token,
                endpoint,
            } = update;
            let token = token.into();
            inner
                .to_voice(guild_id, VoiceCommand::Server { token, endpoint })
                .await;
        }
        "CHANNEL_UPDATE" => inner.refresh_bitrates(),
        _ => {}
    }
}
