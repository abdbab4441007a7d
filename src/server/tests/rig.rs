//! A realm without sockets, a clock that is moved by hand, and clients that are plain values.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mynah_wire::rng::Rng;
use mynah_wire::{ChannelId, GuildId, UserId};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::clock::{self, Clock};
use crate::config::{BotSpec, Limits};
use crate::gateway::{Input, Output, Peer, Query};
use crate::realm::{Realm, Start};
use crate::rest::{self, Reply};
use crate::store::Randomness;
use crate::voice::{DaveFault, DavePolicy, Flags, Grant, Scope, UdpFault};
use crate::voice_link::VoiceLink;

/// Every call to the voice server, in order.
#[derive(Clone, Debug, Default)]
pub struct VoiceLog(Arc<Mutex<Vec<String>>>);

impl VoiceLog {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    /// What was called since the last look.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl VoiceLink for VoiceLog {
    fn endpoint(&self) -> String {
        "localhost:4433".to_owned()
    }

    fn grant(&self, grant: Grant) {
        let dave = match grant.dave {
            DavePolicy::Off => String::new(),
            policy => format!(" {policy}"),
        };
        self.note(format!(
            "grant {} {}{dave}",
            grant.user_id, grant.channel_id
        ));
    }

    fn revoke(&self, _: GuildId, user_id: UserId, close_code: u16) {
        self.note(format!("revoke {user_id} {close_code}"));
    }

    fn set_flags(&self, _: GuildId, user_id: UserId, flags: Flags) {
        self.note(format!(
            "flags {user_id} mute={} deaf={}",
            flags.self_mute, flags.self_deaf
        ));
    }

    fn sessions(&self) -> Vec<Value> {
        Vec::new()
    }

    fn set_udp_fault(&self, fault_id: u64, _: Scope, _: UdpFault) {
        self.note(format!("fault {fault_id}"));
    }

    fn set_dave_fault(&self, fault_id: u64, _: Scope, fault: DaveFault) {
        self.note(format!("dave fault {fault_id} {fault:?}"));
    }

    fn set_hang(&self, fault_id: u64, _: Scope) {
        self.note(format!("hang {fault_id}"));
    }

    fn clear_fault(&self, fault_id: u64) {
        self.note(format!("clear {fault_id}"));
    }

    fn close_sockets(&self, _: Scope, code: u16, _: bool) {
        self.note(format!("close {code}"));
    }
}

/// The world of one test.
pub struct Rig {
    pub realm: Realm,
    pub now: Instant,
    pub voice: VoiceLog,
}

/// 2026-02-01T12:00:00Z
pub const NOON_UNIX_MS: u64 = 1_769_947_200_000;

impl Rig {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        let now = clock::now();
        let voice = VoiceLog::default();
        let start = Start {
            clock: Clock::new(now, NOON_UNIX_MS),
            now,
            seed: 7,
            random: Randomness::Seeded(Rng::new(7)),
            bot: BotSpec::default(),
            limits,
            base_url: "http://127.0.0.1:8080".to_owned(),
            dave: DavePolicy::Off,
        };
        Self {
            realm: Realm::new(start, Box::new(voice.clone())),
            now,
            voice,
        }
    }

    pub fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }

    pub fn bot(&self) -> UserId {
        self.realm.defaults.bot_id
    }

    pub fn guild(&self) -> GuildId {
        self.realm.defaults.guild_id
    }

    pub fn text(&self) -> ChannelId {
        self.realm.defaults.text_channel_id
    }

    pub fn voice_channel(&self, index: usize) -> ChannelId {
        self.realm.defaults.voice_channel_ids[index]
    }

    pub fn token(&self) -> String {
        self.realm
            .store
            .bot_token(self.bot())
            .unwrap()
            .expose()
            .to_owned()
    }

    pub fn person(&mut self, name: &str) -> UserId {
        self.realm.make_person(name, &[])
    }

    /// Opens a gateway connection.
    pub fn connect(&mut self) -> Client {
        self.connect_with("v=10&encoding=json")
    }

    pub fn connect_with(&mut self, query: &str) -> Client {
        let link = self.realm.open_link(Arc::new(Notify::new()));
        let mut client = Client {
            peer: Peer::new(link, self.now),
            closed: None,
            wait: None,
            seq: 0,
        };
        client.peer.handle(
            self.now,
            Input::Opened(&Query::parse(query)),
            &mut self.realm,
        );
        client
    }

    /// Connects and identifies with these intents; READY and GUILD_CREATE are already read.
    pub fn login(&mut self, intents: u64) -> Client {
        let mut client = self.connect();
        let identify = self.identify(intents);
        client.send(self, &identify);
        let events = client.take(self);
        assert!(events.iter().any(|e| e["t"] == "READY"), "{events:?}");
        client
    }

    pub fn identify(&self, intents: u64) -> Value {
        json!({"op": 2, "d": {"token": self.token(), "intents": intents, "properties": {}}})
    }

    /// A REST request of the default bot.
    pub fn rest(&mut self, method: &str, path: &str, body: Value) -> Reply {
        let token = self.token();
        self.rest_as(&token, method, path, body)
    }

    pub fn rest_as(&mut self, token: &str, method: &str, path: &str, body: Value) -> Reply {
        self.rest_with(token, method, path, body, Vec::new())
    }

    pub fn rest_with(
        &mut self,
        token: &str,
        method: &str,
        path: &str,
        json: Value,
        files: Vec<rest::Upload>,
    ) -> Reply {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = rest::Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            authorization: Some(format!("Bot {token}")),
            body: rest::Body { json, files },
        };
        rest::handle(self.now, &mut self.realm, &request)
    }
}

/// Body of a reply that must have this status.
#[track_caller]
pub fn body(reply: Reply, status: u16) -> Value {
    assert_eq!(reply.status, status, "{:?}", reply.body);
    reply.body.unwrap_or_default()
}

/// The one header of that name.
pub fn header(reply: &Reply, name: &str) -> Option<String> {
    let mut values = reply.headers.iter().filter(|(key, _)| *key == name);
    let value = values.next().map(|(_, value)| value.clone());
    assert!(values.next().is_none(), "{name} twice");
    value
}

/// A gateway client without a socket.
pub struct Client {
    pub peer: Peer,
    /// The close code it got.
    pub closed: Option<u16>,
    /// When the peer wants to be woken.
    pub wait: Option<Instant>,
    /// Last dispatch seen.
    pub seq: u64,
}

impl Client {
    pub fn send(&mut self, rig: &mut Rig, payload: &Value) {
        self.peer
            .handle(rig.now, Input::Text(&payload.to_string()), &mut rig.realm);
    }

    /// Everything the server has to say now.
    pub fn take(&mut self, rig: &mut Rig) -> Vec<Value> {
        self.peer.handle(rig.now, Input::Tick, &mut rig.realm);
        let mut payloads = Vec::new();
        loop {
            match self.peer.poll(&mut rig.realm) {
                Output::Send(text) => {
                    let payload: Value = serde_json::from_str(&text).unwrap();
                    if let Some(seq) = payload["s"].as_u64() {
                        assert_eq!(seq, self.seq + 1, "a gap in the sequence");
                        self.seq = seq;
                    }
                    payloads.push(payload);
                }
                Output::Close { code, .. } => self.closed = Some(code),
                Output::Wait(until) => {
                    self.wait = until;
                    return payloads;
                }
            }
        }
    }

    /// Names of the dispatches the server has to send now.
    pub fn names(&mut self, rig: &mut Rig) -> Vec<String> {
        let events = self.take(rig);
        events
            .iter()
            .filter_map(|e| e["t"].as_str().map(str::to_owned))
            .collect()
    }

    /// The body of the only dispatch of that name.
    #[track_caller]
    pub fn one(&mut self, rig: &mut Rig, name: &str) -> Value {
        let events = self.take(rig);
        let mut found = events.iter().filter(|e| e["t"] == name);
        let first = found
            .next()
            .unwrap_or_else(|| panic!("no {name} in {events:?}"));
        assert!(found.next().is_none(), "{name} twice");
        first["d"].clone()
    }

    pub fn close(&mut self, rig: &mut Rig, code: Option<u16>) {
        self.peer
            .handle(rig.now, Input::Closed(code), &mut rig.realm);
    }
}

/// GUILDS, GUILD_VOICE_STATES, GUILD_MESSAGES, DIRECT_MESSAGES.
pub const USUAL: u64 = 1 | 1 << 7 | 1 << 9 | 1 << 12;
