//! The host on a scripted bot, and short words for what tests do with it.

use super::ears::Taps;
use super::mouths::Lives;
use super::puppet::{NEIGHBOUR, PUPPET};
use crate::{
    BoxFuture, Call, Host, Listens, OpError, Options, Outcome, PluginSpec, PluginState, Runner,
};
use mynah_engine::{
    Event as Incoming, Live, PlayOptions, TrackEvent, TrackId, VoiceError, VoiceStatus, Want,
};
use mynah_wire::GuildId;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Shows every call to the test; answers REST itself, leaves the rest to the test.
pub(super) struct Script {
    calls: mpsc::UnboundedSender<(Call, Option<oneshot::Sender<Outcome>>)>,
    /// Leave REST to the test as well, except the registration of commands.
    slow_rest: bool,
    voice: Arc<Mutex<Voice>>,
    places: Arc<Mutex<Value>>,
    taps: Taps,
    lives: Lives,
}

/// What the bot says about its voice session in guild 1.
#[derive(Clone, Default)]
pub(super) enum Voice {
    #[default]
    Nowhere,
    In(Box<VoiceStatus>),
    /// It never says.
    Hangs,
}

impl Runner for Script {
    fn application_id(&self) -> u64 {
        9
    }

    fn run(&self, call: Call) -> BoxFuture<Outcome> {
        let registration = matches!(&call, Call::Rest { method, .. } if method == "PUT");
        if registration || (matches!(call, Call::Rest { .. }) && !self.slow_rest) {
            let _ = self.calls.send((call, None));
            return Box::pin(async { Ok(json!({ "id": "1", "channel_id": "3" })) });
        }
        if call.is_instant() {
            let answer = match &call {
                Call::State(..) => self.places.lock().unwrap().clone(),
                _ => Value::Null,
            };
            let _ = self.calls.send((call, None));
            return Box::pin(async { Ok(answer) });
        }
        let (answer, outcome) = oneshot::channel();
        let _ = self.calls.send((call, Some(answer)));
        Box::pin(async move {
            outcome
                .await
                .unwrap_or_else(|_| Err(OpError::Closed("the test is over".into())))
        })
    }

    fn voice_status(&self, guild: GuildId) -> BoxFuture<Option<VoiceStatus>> {
        let voice = self.voice.lock().unwrap().clone();
        Box::pin(async move {
            match voice {
                Voice::In(status) if guild == GuildId::new(1) => Some(*status),
                Voice::In(_) | Voice::Nowhere => None,
                Voice::Hangs => std::future::pending().await,
            }
        })
    }

    fn listen(&self, guild: GuildId, _: Want) -> Result<Box<dyn Listens>, OpError> {
        if guild != GuildId::new(2) {
            Ok(self.taps.open(guild.get()))
        } else {
            Err(OpError::Closed(VoiceError::NotConnected(guild).to_string()))
        }
    }

    fn play_live(&self, _: GuildId, live: Live, how: PlayOptions) -> Result<u64, OpError> {
        Ok(self.lives.play(live, how))
    }
}

pub(super) struct Bench {
    pub(super) host: Host,
    pub(super) voice: Arc<Mutex<Voice>>,
    /// Where people and the bot are.
    pub(super) places: Arc<Mutex<Value>>,
    pub(super) taps: Taps,
    pub(super) lives: Lives,
    events: mpsc::Sender<Incoming>,
    calls: mpsc::UnboundedReceiver<(Call, Option<oneshot::Sender<Outcome>>)>,
    next: u64,
}

pub(super) const ALL: [&str; 4] = ["commands", "voice.speak", "net.http:*", "chat.send"];

pub(super) fn puppet(grants: &[&str]) -> PluginSpec {
    PluginSpec::new(
        &PUPPET,
        json!({}),
        grants.iter().map(ToString::to_string).collect(),
    )
}

pub(super) fn neighbour() -> PluginSpec {
    PluginSpec::new(&NEIGHBOUR, json!({}), vec!["commands".into()])
}

pub(super) async fn bench(plugins: Vec<PluginSpec>, options: Options, slow_rest: bool) -> Bench {
    let (calls_tx, calls) = mpsc::unbounded_channel();
    let (events, receiver) = mpsc::channel(64);
    let voice = Arc::<Mutex<Voice>>::default();
    let (taps, lives) = (Taps::default(), Lives::default());
    let places = Arc::<Mutex<Value>>::default();
    let runner = Arc::new(Script {
        taps: taps.clone(),
        lives: lives.clone(),
        calls: calls_tx,
        slow_rest,
        voice: voice.clone(),
        places: places.clone(),
    });
    let host = Host::start_on(runner, receiver, plugins, options)
        .await
        .unwrap();
    Bench {
        host,
        voice,
        places,
        taps,
        lives,
        events,
        calls,
        next: 100,
    }
}

pub(super) async fn one(grants: &[&str]) -> Bench {
    let mut bench = bench(vec![puppet(grants)], Options::default(), false).await;
    bench.registration().await;
    bench
}

impl Bench {
    /// The next call to the bot, with the way to answer it.
    pub(super) async fn call(&mut self) -> (Call, Option<oneshot::Sender<Outcome>>) {
        let next = tokio::time::timeout(Duration::from_secs(20), self.calls.recv());
        next.await
            .expect("the host calls the bot")
            .expect("the bot is there")
    }

    pub(super) async fn rest(&mut self) -> (String, String, Value) {
        match self.call().await.0 {
            Call::Rest {
                method, path, body, ..
            } => (method, path, body.unwrap_or_default()),
            other => panic!("expected REST, got {other:?}"),
        }
    }

    pub(super) async fn registration(&mut self) -> (String, Vec<String>) {
        let (method, path, body) = self.rest().await;
        assert_eq!(method, "PUT");
        let names = body.as_array().unwrap().iter();
        (
            path,
            names
                .map(|command| command["name"].as_str().unwrap().to_owned())
                .collect(),
        )
    }

    /// The text of the next answer to a person.
    pub(super) async fn said(&mut self) -> String {
        let (_, path, body) = self.rest().await;
        assert!(
            path.starts_with("/interactions/") || path.contains("@original"),
            "{path}"
        );
        let message = body.get("data").unwrap_or(&body);
        message["content"].as_str().unwrap().to_owned()
    }

    pub(super) async fn send(&self, name: &str, data: Value) {
        let data = data.to_string().into();
        let event = Incoming::Dispatch {
            name: name.into(),
            guild_id: None,
            data,
        };
        self.events.send(event).await.unwrap();
    }

    pub(super) async fn interaction(&mut self, kind: u8, data: Value) -> u64 {
        let member = json!({ "user": { "id": "5", "username": "ann" } });
        self.interaction_of(member, kind, data).await
    }

    pub(super) async fn interaction_of(&mut self, member: Value, kind: u8, data: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        let interaction = json!({
            "id": id.to_string(), "token": format!("t{id}"), "application_id": "9", "type": kind,
            "guild_id": "1", "channel_id": "3",
            "member": member, "data": data,
        });
        self.send("INTERACTION_CREATE", interaction).await;
        id
    }

    /// `/count` is the puppet's own; every other word goes in as its subcommand.
    pub(super) async fn tell(&mut self, word: &str) -> u64 {
        self.tell_with(word, json!([])).await
    }

    pub(super) async fn tell_with(&mut self, word: &str, options: Value) -> u64 {
        // Routed by custom_id, read by the puppet as a command.
        let data =
            json!({ "custom_id": format!("puppet:{word}"), "name": word, "options": options });
        self.interaction(3, data).await
    }

    pub(super) async fn track(&self, track: u64, kind: TrackEvent) {
        let guild_id = mynah_wire::GuildId::new(1);
        let event = Incoming::Track {
            guild_id,
            track: TrackId(track),
            kind,
        };
        self.events.send(event).await.unwrap();
    }
}

pub(super) async fn playing(bench: &mut Bench, track: u64) {
    bench.tell_with("play", json!([])).await;
    let (_, answer) = bench.call().await;
    answer.unwrap().send(Ok(json!({ "track": track }))).unwrap();
    assert_eq!(bench.said().await, format!("play track {track}"));
}

/// With every file granted, so that "song.mp3" only has to exist.
pub(super) async fn player(dir: &tempfile::TempDir) -> Bench {
    std::fs::write(dir.path().join("song.mp3"), "x").unwrap();
    let options = Options {
        base_dir: dir.path().into(),
        ..Options::default()
    };
    let grants = ["commands", "voice.speak", "fs.read:*", "net.http:*"];
    let mut bench = bench(vec![puppet(&grants)], options, false).await;
    bench.registration().await;
    bench
}

pub(super) async fn until(bench: &Bench, state: PluginState) {
    let waiting = async {
        while bench.host.report()[0].state != state {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it changes");
}

pub(super) async fn saved(bench: &Bench) {
    let waiting = async {
        while bench.host.report()[0].saves == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it is saved");
}
