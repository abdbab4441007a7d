//! The bot hears people: packet for packet, end-to-end encrypted, through everything that happens to a
//! voice connection. The bot is in this process, everybody else in `mynah serve`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mynah_engine::ear::Packet;
use mynah_engine::{Bot, BotConfig, EventStream, Listening, Want};
use mynah_host::{Host, Options, PluginSpec};
use mynah_plugin::audio::{Block, Pull};
use mynah_plugin::{self as sdk, About, Cx, Plugin, Saved, Sink, Source};
use mynah_testkit::{Control, Program, Scene};
use mynah_wire::{ChannelId, GuildId, UserId};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// Generous: CI machines are slow, and two cores are shared by many tests.
const PATIENCE: Duration = Duration::from_secs(60);
const PACKETS: Want = Want {
    packets: true,
    pcm: false,
    mix: false,
    lanes: false,
};

/// A server, people and a bot.
struct House {
    control: Control,
    bot: Bot,
    guild: GuildId,
    bot_id: String,
    _program: Program,
    _scene: Scene,
}

impl House {
    async fn new() -> Self {
        let (house, events) = Self::with_events().await;
        tokio::spawn(ignore(events));
        house
    }

    async fn with_events() -> (Self, EventStream) {
        let scene = Scene::new();
        let args = [
            "serve",
            "--data",
            "server",
            "--http-port",
            "0",
            "--voice-port",
            "0",
        ];
        let program = Program::start(MYNAH, scene.path(), &args, &[]);
        let control = Control::of(&program);
        let token = program.ready_text("/bots/0/token").to_owned();
        let mut config = BotConfig::new(token.into(), program.ready_text("/api"));
        config.ca_pem = std::fs::read(program.ready_text("/ca_file")).ok();
        config.cache_dir = scene.path().join("cache");
        config.fifo = false;
        let (bot, events) = Bot::start(config).await.unwrap();
        let house = Self {
            guild: control.guild_id().parse().unwrap(),
            bot_id: bot.user_id().to_string(),
            control,
            bot,
            _program: program,
            _scene: scene,
        };
        (house, events)
    }

    /// A room with end-to-end encryption.
    async fn room(&self, name: &str) -> String {
        let guild = self.control.guild_id();
        let body = json!({ "guild_id": guild, "name": name, "kind": "voice", "dave": "required" });
        let made = self.control.post("/channels", body).await;
        made["channel_id"].as_str().unwrap().to_owned()
    }

    /// Somebody who sits there and talks without end, at a pitch of their own.
    async fn talker(&self, name: &str, room: &str, hz: f64) -> String {
        let user = self.listener(name, room).await;
        let tone = json!({ "hz": hz, "seconds": 60.0 });
        let say = json!({ "user_id": user, "tone": tone, "loop": true });
        self.control.post("/voice/say", say).await;
        user
    }

    async fn listener(&self, name: &str, room: &str) -> String {
        let user = self.control.user(name).await;
        self.control.join(&user, room).await;
        user
    }

    async fn join(&self, room: &str) {
        let room: ChannelId = room.parse().unwrap();
        self.bot.join(self.guild, room).await.unwrap();
    }

    async fn fault(&self, mut fault: Value) {
        fault["scope"] = json!({ "user_id": self.bot_id });
        self.control.fault(fault).await;
    }

    /// What everybody sees of the bot.
    async fn is_deaf(&self) -> bool {
        let state = self.control.get("/state").await;
        let states = state["voice_states"].as_array().unwrap();
        let own = states
            .iter()
            .find(|one| one["user_id"] == self.bot_id.as_str());
        own.unwrap()["self_deaf"].as_bool().unwrap()
    }

    async fn until_deaf(&self, deaf: bool) {
        let waiting = async { while self.is_deaf().await != deaf {} };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("it changes");
    }
}

async fn ignore(mut events: EventStream) {
    while events.next().await.is_some() {}
}

/// Reads a [`Listening`] beside the test.
#[derive(Clone, Default)]
struct Ear {
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    packets: Vec<Packet>,
    ticks: Vec<u64>,
    lost: u32,
    over: bool,
}

impl Ear {
    fn of(house: &House, want: Want) -> (Self, tokio::task::JoinHandle<()>) {
        let listening = house.bot.listen(house.guild, want).unwrap();
        let ear = Self::default();
        let task = tokio::spawn(ear.clone().read(listening));
        (ear, task)
    }

    async fn read(self, mut listening: Listening) {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        loop {
            look.tick().await;
            let over = listening.is_over();
            while let Some(tick) = listening.next() {
                let mut heard = self.heard.lock().unwrap();
                heard.packets.extend(tick.packets);
                heard.ticks.push(tick.tick);
                heard.lost += tick.lost_before;
            }
            if over {
                self.heard.lock().unwrap().over = true;
                return;
            }
        }
    }

    /// Waits until what was heard is as it should be.
    async fn until(&self, what: &str, is: impl Fn(&Heard) -> bool) {
        let waiting = async {
            while !is(&self.heard.lock().unwrap()) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Waits until somebody is heard from now on.
    async fn until_heard(&self, user: &str) {
        let user: UserId = user.parse().unwrap();
        let before = self.heard.lock().unwrap().packets.len();
        let new = |packet: &Packet| packet.user == Some(user);
        self.until("somebody is heard", |heard| {
            heard.packets[before..].iter().any(new)
        })
        .await;
    }

    /// Waits for the last packet of `expected`, then compares all.
    async fn has_heard_all(&self, expected: &BTreeMap<u16, Value>) {
        assert!(expected.len() > 50, "a second at least: {}", expected.len());
        let (last, line) = expected.iter().next_back().unwrap();
        let ssrc = line["ssrc"].as_u64().unwrap();
        let same = |packet: &Packet, sequence: u16| {
            u64::from(packet.ssrc.0) == ssrc && packet.sequence == sequence
        };
        self.until("the last packet comes", |heard| {
            heard.packets.iter().any(|packet| same(packet, *last))
        })
        .await;
        let heard = self.heard.lock().unwrap();
        for (sequence, line) in expected {
            let mut found = heard
                .packets
                .iter()
                .filter(|packet| same(packet, *sequence));
            let packet = found
                .next()
                .unwrap_or_else(|| panic!("{sequence} is missing"));
            assert_eq!(hex(&packet.payload), line["opus"], "{sequence}");
            assert_eq!(packet.timestamp, line["timestamp"]);
            assert_eq!(packet.user.unwrap().to_string(), line["from"]);
            assert!(found.next().is_none(), "{sequence} came twice");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `listener` hears of `from` in that time, by sequence.
async fn heard_by(house: &House, listener: &str, from: &str, s: f64) -> BTreeMap<u16, Value> {
    let heard = house.control.hear(listener, s, "packets", Some(from)).await;
    let document: Value = serde_json::from_slice(&heard.bytes).unwrap();
    let lines = document["packets"].as_array().unwrap().iter();
    let in_time = lines.filter(|line| line["arrival_us"].as_i64().unwrap() >= 0);
    let number = |line: &Value| line["sequence"].as_u64().unwrap() as u16;
    in_time.map(|line| (number(line), line.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_to_listen_in_mid_call_hears_every_packet_through_resumes_of_both_gateways() {
    let house = House::new().await;
    let room = house.room("room").await;
    let alice = house.talker("alice", &room, 440.0).await;
    let bob = house.listener("bob", &room).await;
    house.join(&room).await;
    // The call has been going on for a while, and nobody listens.
    heard_by(&house, &bob, &alice, 0.5).await;
    assert!(house.is_deaf().await);
    let (ear, task) = Ear::of(&house, PACKETS);
    ear.until_heard(&alice).await;
    assert!(!house.is_deaf().await, "people see that they are heard");
    let trouble = async {
        heard_by(&house, &bob, &alice, 0.5).await;
        house.fault(json!({ "voice": { "close": 4015 } })).await;
        heard_by(&house, &bob, &alice, 0.5).await;
        house.fault(json!({ "gateway": { "close": 4000 } })).await;
    };
    let (expected, ()) = tokio::join!(heard_by(&house, &bob, &alice, 4.0), trouble);
    ear.has_heard_all(&expected).await;
    {
        let heard = ear.heard.lock().unwrap();
        assert_eq!(heard.lost, 0);
        let all_in_a_row = heard.ticks.windows(2).all(|two| two[1] == two[0] + 1);
        assert!(all_in_a_row, "{:?}", heard.ticks);
    }
    // The ear counts once a second.
    let limit = std::time::Instant::now() + PATIENCE;
    let status = loop {
        let status = house.bot.voice_status(house.guild).await.unwrap();
        if status.received as usize >= expected.len() {
            break status;
        }
        assert!(std::time::Instant::now() < limit, "{status:?}");
        tokio::task::yield_now().await;
    };
    assert_eq!(status.lost, 0, "{status:?}");
    assert!(
        status.rtt.is_some(),
        "pings are answered through the ear: {status:?}"
    );
    // A second listener, then none.
    let (second, second_task) = Ear::of(&house, PACKETS);
    second.until_heard(&alice).await;
    task.abort();
    let _ = task.await;
    second.until_heard(&alice).await;
    assert!(!house.is_deaf().await);
    second_task.abort();
    let _ = second_task.await;
    house.until_deaf(true).await;
    // And again, with keys and streams that were said long ago.
    let (again, _task) = Ear::of(&house, PACKETS);
    again.until_heard(&alice).await;
    house.bot.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listening_goes_on_through_a_migration_a_lost_session_and_a_move_and_ends_with_the_stay() {
    let house = House::new().await;
    let (here, there) = (house.room("here").await, house.room("there").await);
    let alice = house.talker("alice", &here, 440.0).await;
    let carol = house.talker("carol", &there, 660.0).await;
    let dave = house.listener("dave", &there).await;
    house.join(&here).await;
    let (ear, _task) = Ear::of(&house, PACKETS);
    ear.until_heard(&alice).await;
    for fault in [
        json!({ "voice": { "migrate": true } }),
        // Resuming is refused with 4006: a new Identify, a new group.
        json!({ "voice": { "forget_session": true, "close": 4015 } }),
    ] {
        let before = house
            .bot
            .voice_status(house.guild)
            .await
            .map(|status| status.ssrc);
        house.fault(fault).await;
        let renewed = async {
            loop {
                let now = house.bot.voice_status(house.guild).await;
                if now.is_some_and(|now| Some(now.ssrc) != before && now.epoch.is_some()) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, renewed)
            .await
            .expect("it comes back");
        ear.until_heard(&alice).await;
        assert!(!house.is_deaf().await);
    }
    house.join(&there).await;
    ear.until_heard(&carol).await;
    let expected = heard_by(&house, &dave, &carol, 2.0).await;
    ear.has_heard_all(&expected).await;
    let pcm = Want {
        pcm: true,
        ..Want::default()
    };
    let mut sound = house.bot.listen(house.guild, pcm).unwrap();
    let loud = async {
        loop {
            let voices = sound.next().map_or_else(Vec::new, |tick| tick.voices);
            if voices
                .iter()
                .any(|voice| voice.pcm.is_some() && voice.level_dbfs > -40.0)
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, loud)
        .await
        .expect("samples come");
    house.bot.leave(house.guild).await;
    ear.until("it is over", |heard| heard.over).await;
    let refused = house.bot.listen(house.guild, PACKETS).unwrap_err();
    assert!(
        refused.to_string().contains("no voice channel"),
        "{refused}"
    );
    house.bot.shutdown().await;
}

/// A plugin that hears and sings.
struct Echo {
    song: sdk::Track,
}

/// Packets of people, by user; of the bot's own music under 0.
static HEARD: Mutex<BTreeMap<u64, u32>> = Mutex::new(BTreeMap::new());
/// The events of its song.
static TRACK: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Counts;

impl Sink for Counts {
    fn heard(&mut self, heard: &sdk::Heard<'_>) {
        let mut counts = HEARD.lock().unwrap();
        for packet in heard.packets() {
            let own = packet.lane == Some(sdk::Lane::Bed);
            let user = packet.user.map(sdk::UserId::get);
            if let Some(who) = user.or(own.then_some(0)) {
                *counts.entry(who).or_default() += 1;
            }
        }
    }
}

/// 660 Hz for three seconds.
struct Tone;

impl Source for Tone {
    fn pull(&mut self, out: &mut Block<'_>) -> sdk::Result<Pull> {
        let first = out.frame();
        if first >= 3 * 48_000 {
            return Ok(Pull::End);
        }
        for (at, frame) in out.samples().chunks_exact_mut(2).enumerate() {
            let time_s = (first + at as u64) as f32 / 48_000.0;
            frame.fill(0.2 * (time_s * 660.0 * std::f32::consts::TAU).sin());
        }
        Ok(Pull::More)
    }
}

impl Plugin for Echo {
    const ABOUT: About = About::new("echo", "Echo", "1.0.0", "Hears and sings.");
    type Config = Value;

    fn start(cx: &mut Cx<'_, Self>, config: Value, _: Option<Saved>) -> sdk::Result<Self> {
        let guild = sdk::GuildId::new(config["guild"].as_u64().unwrap());
        let want = sdk::Want {
            packets: true,
            lanes: true,
            ..sdk::Want::default()
        };
        cx.listen(guild, want, Counts)?;
        let never = cx.play_source(guild, Tone, sdk::PlayOptions::default())?;
        cx.detach("stop", cx.voice().stop(never));
        let song = cx.play_source(guild, Tone, sdk::PlayOptions::default())?;
        Ok(Self { song })
    }

    fn event(&mut self, _: &mut Cx<'_, Self>, event: sdk::Event<'_>) -> sdk::Result<()> {
        if let sdk::Event::Track(event) = event {
            // The other one was stopped before it could begin, or just after.
            if event.track == self.song {
                TRACK.lock().unwrap().push(format!("{:?}", event.kind));
            }
        }
        Ok(())
    }
}

static ECHO: sdk::abi::Entry = mynah_plugin::entry!(Echo);

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_hears_people_and_is_heard_with_sound_of_its_own_making() {
    let (house, events) = House::with_events().await;
    let room = house.room("room").await;
    let alice = house.talker("alice", &room, 440.0).await;
    let bob = house.listener("bob", &room).await;
    house.join(&room).await;
    let listening = house.control.hear(&bob, 5.0, "wav", Some(&house.bot_id));
    let plugin = async {
        let config = json!({ "guild": house.guild.get() });
        let grants = ["voice.opus", "voice.speak"].map(str::to_owned).to_vec();
        let plugin = PluginSpec::new(&ECHO, config, grants);
        let bot = house.bot.clone();
        Host::start(bot, events, vec![plugin], Options::default()).await
    };
    let (heard, host) = tokio::join!(listening, plugin);
    let host = host.unwrap();
    let samples = mynah_media::wav::read(&heard.bytes).unwrap().samples;
    let loud = samples.iter().filter(|sample| sample.abs() > 0.05).count();
    // Of a sine of 0.2, five sixths of the samples are above 0.05.
    let seconds = loud as f64 / 96_000.0 / 0.84;
    assert!((2.7..3.1).contains(&seconds), "{seconds} s of tone");
    let over = async {
        while TRACK.lock().unwrap().last().map(String::as_str) != Some("Ended") {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, over).await;
    ended.unwrap_or_else(|_| panic!("{:?}", TRACK.lock().unwrap()));
    assert_eq!(TRACK.lock().unwrap()[0], "Started");
    host.stop().await;
    let alice: u64 = alice.parse().unwrap();
    let heard = HEARD.lock().unwrap().clone();
    assert!(heard[&alice] > 100, "{heard:?}");
    // Three seconds of its own, and what little came of the one that was stopped.
    assert!((145..170).contains(&heard[&0]), "{heard:?}");
    house.until_deaf(true).await;
    house.bot.shutdown().await;
}
