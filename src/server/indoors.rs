//! The server without sockets, threads and a clock of its own: the same realm, REST, gateway and
//! control API, called as functions. For tests of bots in virtual time (`mynah_testkit::Town`).
//!
//! Time is tokio's: in a runtime whose clock is paused, nothing here waits in earnest. Voice is not
//! here: people and bots are listed in channels, and nobody gets a media session.

use std::sync::Arc;

use mynah_wire::rng::Rng;
use mynah_wire::{ApplicationId, ChannelId, GuildId, UserId};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::clock::{self, Clock};
use crate::config::{BotSpec, Limits};
use crate::control::{self, Answer, Ask};
use crate::crowd::Crowd;
use crate::gateway::{Input, Output, Peer, Query};
use crate::realm::{Realm, Start};
use crate::rest::{self, Body, Request, Upload};
use crate::server::Shared;
use crate::store::Randomness;
use crate::voice::{DaveFault, DavePolicy, Flags, Grant, Scope, UdpFault};
use crate::voice_link::VoiceLink;

/// The base address that texts of the server name; nobody listens there.
const BASE_URL: &str = "http://town.invalid";

/// A file that goes with a REST request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentFile {
    /// As people see it.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// What a REST request came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Replied {
    /// HTTP status.
    pub status: u16,
    /// The body; null without one.
    pub body: Value,
}

/// An embedded server that is called instead of connected to.
#[derive(Clone)]
pub struct Indoors {
    shared: Arc<Shared>,
    bot: UserId,
    token: String,
}

impl Indoors {
    /// The default world, with everything random from `seed`. The clock begins at `unix_ms`
    /// (milliseconds since 1970). Inside a tokio runtime.
    #[must_use]
    pub fn open(seed: u64, unix_ms: u64) -> Self {
        let now = clock::now();
        let start = Start {
            clock: Clock::new(now, unix_ms),
            now,
            seed,
            random: Randomness::Seeded(Rng::new(seed)),
            bot: BotSpec::default(),
            limits: Limits::default(),
            base_url: BASE_URL.to_owned(),
            dave: DavePolicy::Off,
        };
        let realm = Realm::new(start, Box::new(Nobody));
        let bot = realm.store.bots.values().next();
        let (bot, token) = bot.map_or((UserId::new(0), String::new()), |bot| {
            (bot.user_id, bot.token.expose().to_owned())
        });
        Self {
            shared: Shared::indoors(realm),
            bot,
            token,
        }
    }

    /// Lets people have voice clients: [`Crowd::join`] is called when one joins.
    pub fn set_crowd(&self, crowd: Arc<dyn Crowd>) {
        self.shared.set_crowd(crowd);
    }

    /// The one bot of the default world.
    #[must_use]
    pub fn bot(&self) -> UserId {
        self.bot
    }

    /// Its application.
    #[must_use]
    pub fn application(&self) -> ApplicationId {
        ApplicationId::new(self.bot.get())
    }

    /// The guild of the default world, its text channel and its voice channels.
    #[must_use]
    pub fn places(&self) -> (GuildId, ChannelId, Vec<ChannelId>) {
        let realm = self.shared.realm();
        let known = &realm.defaults;
        (
            known.guild_id,
            known.text_channel_id,
            known.voice_channel_ids.clone(),
        )
    }

    /// The voice channel in which somebody is listed.
    #[must_use]
    pub fn voice_channel_of(&self, guild: GuildId, user: UserId) -> Option<ChannelId> {
        let realm = self.shared.realm();
        let state = realm.store.voice_state(guild, user);
        state.map(|state| state.channel_id)
    }

    /// Everybody listed in a voice channel, in order of their ids.
    #[must_use]
    pub fn people_in(&self, guild: GuildId, channel: ChannelId) -> Vec<UserId> {
        let realm = self.shared.realm();
        let Some(guild) = realm.store.guilds.get(&guild) else {
            return Vec::new();
        };
        let members: Vec<UserId> = guild.members.keys().copied().collect();
        let is_there = |user: &UserId| {
            let state = realm.store.voice_state(guild.id, *user);
            state.is_some_and(|state| state.channel_id == channel)
        };
        members.into_iter().filter(is_there).collect()
    }

    /// A REST request of the bot. `path` may have a query.
    #[must_use]
    pub fn rest(&self, method: &str, path: &str, body: Value, files: Vec<SentFile>) -> Replied {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let files = files.into_iter().enumerate().map(|(index, file)| Upload {
            index: Some(index as u64),
            filename: file.name,
            content_type: file.content_type,
            bytes: file.bytes.into(),
        });
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            authorization: Some(format!("Bot {}", self.token)),
            body: Body {
                json: body,
                files: files.collect(),
            },
        };
        let reply = rest::handle(clock::now(), &mut self.shared.realm(), &request);
        Replied {
            status: reply.status,
            body: reply.body.unwrap_or_default(),
        }
    }

    /// A call of the control API; `path` begins after `/control` and may have a query.
    ///
    /// # Errors
    /// What went wrong: `status`, `error` and `hint`.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> Result<Value, Value> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let ask = Ask {
            method: method.to_owned(),
            path: path.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            body,
        };
        match control::handle(&self.shared, ask).await {
            Ok(Answer::Json(value)) => Ok(value),
            Ok(Answer::Sound { .. }) => Ok(Value::Null),
            Err(problem) => {
                let mut words = problem.body();
                if let Some(words) = words.as_object_mut() {
                    words.insert("status".to_owned(), json!(problem.status));
                }
                Err(words)
            }
        }
    }

    /// A gateway connection of the bot, before its Identify.
    #[must_use]
    pub fn connect(&self) -> Line {
        let wake = Arc::new(Notify::new());
        let now = clock::now();
        let mut realm = self.shared.realm();
        let link = realm.open_link(Arc::clone(&wake));
        let mut peer = Peer::new(link, now);
        peer.handle(now, Input::Opened(&Query::parse("v=10")), &mut realm);
        drop(realm);
        Line {
            peer,
            wake,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Op 2 with the bot's token.
    #[must_use]
    pub fn identify(&self, intents: u64) -> Value {
        json!({"op": 2, "d": {
            "token": self.token, "intents": intents,
            "properties": {"os": "town", "browser": "mynah", "device": "mynah"},
        }})
    }

    /// Op 6 with the bot's token.
    #[must_use]
    pub fn resume(&self, session: &str, seq: u64) -> Value {
        json!({"op": 6, "d": {"token": self.token, "session_id": session, "seq": seq}})
    }
}

/// One gateway connection.
pub struct Line {
    peer: Peer,
    wake: Arc<Notify>,
    shared: Arc<Shared>,
}

impl Line {
    /// The bot sends a payload.
    pub fn send(&mut self, payload: &Value) {
        let text = payload.to_string();
        let mut realm = self.shared.realm();
        self.peer
            .handle(clock::now(), Input::Text(&text), &mut realm);
    }

    /// The next payload of the server; the close code once the server has hung up. May be dropped
    /// half-way.
    ///
    /// # Errors
    /// The close code.
    pub async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let output = self.peer.poll(&mut self.shared.realm());
            let until = match output {
                Output::Send(text) => return Ok(serde_json::from_str(&text).unwrap_or_default()),
                Output::Close { code, .. } => return Err(code),
                Output::Wait(until) => until,
            };
            let later = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = later => {}
            }
            let mut realm = self.shared.realm();
            self.peer.handle(clock::now(), Input::Tick, &mut realm);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut realm = self.shared.realm();
        self.peer
            .handle(clock::now(), Input::Closed(None), &mut realm);
    }
}

/// No voice server at all.
struct Nobody;

impl VoiceLink for Nobody {
    fn endpoint(&self) -> String {
        "town.invalid:443".to_owned()
    }

    fn grant(&self, _: Grant) {}

    fn revoke(&self, _: GuildId, _: UserId, _: u16) {}

    fn set_flags(&self, _: GuildId, _: UserId, _: Flags) {}

    fn sessions(&self) -> Vec<Value> {
        Vec::new()
    }

    fn set_udp_fault(&self, _: u64, _: Scope, _: UdpFault) {}

    fn set_dave_fault(&self, _: u64, _: Scope, _: DaveFault) {}

    fn set_hang(&self, _: u64, _: Scope) {}

    fn clear_fault(&self, _: u64) {}

    fn close_sockets(&self, _: Scope, _: u16, _: bool) {}
}
