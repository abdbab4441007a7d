//! No mistake of a plugin hurts a neighbour: `tests/hostile` panics, spins, sleeps, floods and leaks in
//! every callback there is, while the music plugin plays. Two people listen all the time: not one packet
//! is missing, and not 100 ms are silent. The operator reads which callback it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::print_stderr)] // measurements, for whoever runs it by hand

use std::f32::consts::TAU;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mynah_audio::measure::tone_db;
use mynah_testkit::{Control, Heard, Lateness, Program, Scene, built_plugin};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");

/// What people hear: a tone that ends as it began, so that it can be played round and round.
const TONE_HZ: f32 = 500.0;
/// Every callback of the table. `seek` is not among them: the host never calls it.
const PLACES: [&str; 18] = [
    "create",
    "start",
    "event",
    "command",
    "voice",
    "track",
    "step",
    "then",
    "done",
    "save",
    "settings",
    "stop",
    "destroy",
    "check",
    "pull",
    "close-source",
    "heard",
    "close-sink",
];
/// Those that have no author's code in Rust; C has no panics.
const ONLY_IN_C: [&str; 3] = ["create", "done", "destroy"];
/// How long a spin or a sleep takes where it is not for ever.
const SHORT_MS: u64 = 150;

struct Town {
    scene: Scene,
    program: Program,
    control: Control,
    alice: String,
    bob: String,
    carol: String,
    owner: String,
    /// Its lines of bot.toml.
    table: String,
}

impl Town {
    async fn new() -> Self {
        let scene = Scene::new();
        let built = built_plugin(MYNAH, "tests/hostile");
        let table = built["bot_toml"].as_str().unwrap().to_owned();
        let tone = |frame: u32| 0.3 * (frame as f32 / 48_000.0 * TONE_HZ * TAU).sin();
        let tone: Vec<f32> = (0..48_000 * 30)
            .flat_map(|frame| [tone(frame); 2])
            .collect();
        scene.wav("Tone.wav", &tone);
        scene.config(&table);
        let (program, control) = scene.run(MYNAH);
        let alice = control.user_in_voice("alice").await;
        let bob = control.user_in_voice("bob").await;
        let carol = control.user("carol").await;
        let state = control.get("/state").await;
        let owner = state["guilds"][0]["owner_id"].as_str().unwrap().to_owned();
        let town = Self {
            scene,
            program,
            control,
            alice,
            bob,
            carol,
            owner,
            table,
        };
        town.say("play", json!({ "query": "tone" })).await;
        town.say("loop", json!({ "mode": "track" })).await;
        // It is on the air from here on.
        loop {
            let heard = town.control.hear(&town.alice, 0.5, "wav", None).await;
            if levels(&heard).iter().all(|level| *level > -20.0) {
                return town;
            }
        }
    }

    async fn say(&self, command: &str, options: Value) -> String {
        self.control.say(&self.alice, command, options).await
    }

    /// Something to do for the hostile one; its answer, or what is said in its place.
    async fn tell(&self, sub: &str) -> String {
        self.say(&format!("hostile {sub}"), json!({})).await
    }

    /// As `mynah plugin reload`, for one plugin or for all that has changed.
    async fn reload(&self, id: Option<&str>) -> Value {
        let socket = self.scene.path().join("data/mynah.sock");
        let order = json!({ "reload": id });
        let asked = tokio::task::spawn_blocking(move || {
            let mut stream = UnixStream::connect(socket).unwrap();
            writeln!(stream, "{order}").unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            serde_json::from_str(&line).unwrap()
        });
        asked.await.unwrap()
    }

    async fn arm(&self, place: &str, misdeed: &str, ms: u64) {
        let order = json!({ "place": place, "misdeed": misdeed, "ms": ms });
        let said = self.say("hostile arm", order).await;
        // In `done`, what comes first is the answer to this.
        assert!(said == "done" || place == "done", "{said}");
    }

    /// Goes where the plugin comes to a place.
    async fn go_to(&self, place: &str, misdeed: &str) {
        match place {
            "create" | "start" | "stop" | "destroy" => drop(self.reload(Some("hostile")).await),
            "event" => {
                for self_mute in [true, false] {
                    let state = json!({ "user_id": self.bob, "self_mute": self_mute });
                    self.control.post("/voice/state", state).await;
                }
            }
            "voice" => {
                self.tell("listen").await;
                // Who speaks is told once per stay.
                self.control
                    .join(&self.carol, self.control.voice_channel())
                    .await;
                let tone = json!({ "hz": 900, "seconds": 0.1, "dbfs": -60 });
                let says = json!({ "user_id": self.carol, "tone": tone, "wait": true });
                self.control.post("/voice/say", says).await;
                self.until_done().await;
                self.control
                    .post("/voice/leave", json!({ "user_id": self.carol }))
                    .await;
            }
            "step" | "then" | "done" => drop(self.tell("later").await),
            // Soon after anything.
            "save" => {}
            "settings" => {
                self.scene.config(&format!("{}ms = 7\n", self.table));
                self.reload(None).await;
                self.scene.config(&self.table);
                self.reload(None).await;
            }
            "check" => {
                let wrong =
                    format!("place = \"check\"\nmisdeed = \"{misdeed}\"\nms = {SHORT_MS}\n");
                self.scene.config(&format!("{}{wrong}", self.table));
                let answer = self.reload(Some("hostile")).await;
                let refused = answer["error"].as_str().unwrap_or_default();
                assert_eq!(refused.contains("panicked"), misdeed == "panic", "{answer}");
                self.scene.config(&self.table);
            }
            "track" | "pull" | "close-source" => {
                self.tell("sing").await;
                if place == "track" || place == "pull" {
                    self.until_done().await;
                }
                self.tell("hush").await;
            }
            "heard" | "close-sink" => {
                self.tell("listen").await;
                if place == "heard" {
                    self.until_done().await;
                }
                self.tell("deafen").await;
            }
            _ => drop(self.tell("go").await),
        }
        self.until_done().await;
    }

    /// Until nothing is armed any more.
    async fn until_done(&self) {
        let mut said = String::new();
        for _ in 0..500 {
            said = self.tell("state").await;
            if said.starts_with("0 armed") || !said.contains("armed") {
                return;
            }
        }
        panic!("it has not come to its place: {said}");
    }

    /// What `work` does to the music: nothing.
    async fn while_music_plays(&self, work: impl Future<Output = ()>) {
        let over = AtomicBool::new(false);
        let lateness = Lateness::start();
        let (judged, all) = (AtomicU64::new(0), AtomicU64::new(0));
        // Their pieces end at different times, so one of them always listens.
        let hears = async |who: usize, user: &str, seconds: f64| {
            while !over.load(Ordering::Relaxed) {
                lateness.was_too_late(who);
                let heard = self.control.hear(user, seconds, "wav", None).await;
                assert_eq!(heard.stat("lost"), 0.0, "{}", heard.stats);
                all.fetch_add(1, Ordering::Relaxed);
                // A machine that lets a thread wait so long lets the sound's wait as well.
                if !lateness.was_too_late(who) {
                    is_whole(&heard);
                    judged.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let works = async {
            work.await;
            over.store(true, Ordering::Relaxed);
        };
        tokio::join!(works, hears(0, &self.alice, 1.7), hears(1, &self.bob, 2.3));
        let (judged, all) = (judged.into_inner(), all.into_inner());
        eprintln!("{judged} of {all} pieces were judged");
        assert!(judged * 2 >= all, "this machine is too busy to judge sound");
    }

    /// One after the other, and after each of them everybody is well.
    async fn every(&self, misdeed: &str, places: &[&str], ms: u64) {
        for place in places {
            if misdeed == "panic" && ONLY_IN_C.contains(place) {
                continue;
            }
            if *place != "check" {
                self.arm(place, misdeed, ms).await;
            }
            self.go_to(place, misdeed).await;
            let playing = self.say("nowplaying", json!({})).await;
            assert!(playing.contains("Tone"), "{misdeed} in {place}: {playing}");
            let back = self.reload(Some("hostile")).await;
            assert_eq!(back["id"], "hostile", "{misdeed} in {place}: {back}");
            let state = self.tell("state").await;
            assert!(
                state.starts_with("0 armed"),
                "{misdeed} in {place}: {state}"
            );
        }
    }
}

/// The level of the tone in every 100 ms, dB.
fn levels(heard: &Heard) -> Vec<f64> {
    let options = mynah_media::OpenOptions::default();
    let mut media = mynah_media::open_bytes("heard.wav", heard.bytes.clone(), &options).unwrap();
    let mut left: Vec<f32> = Vec::new();
    let mut block = [0.0; mynah_audio::SAMPLES];
    while let mynah_media::Read::Full = media.read(&mut block).unwrap() {
        left.extend(block.iter().step_by(2));
    }
    let level = |part: &[f32]| tone_db(part, f64::from(TONE_HZ));
    left.chunks_exact(4_800).map(level).collect()
}

/// Nothing is missing in what somebody heard.
fn is_whole(heard: &Heard) {
    // Its ends are cut wherever they fall, with packets on their way; somebody else hears those.
    let levels = levels(heard);
    let inner = levels.len().saturating_sub(2);
    for (at, level) in levels.into_iter().enumerate().take(inner).skip(2) {
        assert!(level > -20.0, "{level} dB after {at}00 ms: {}", heard.stats);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mistake_in_any_callback_is_heard_by_anybody_and_each_is_named() {
    let town = Town::new().await;
    town.while_music_plays(async {
        for misdeed in ["panic", "sleep", "spin", "flood", "leak"] {
            town.every(misdeed, &PLACES, SHORT_MS).await;
        }
        let said = town
            .control
            .say(&town.owner, "bot plugins", json!({}))
            .await;
        assert!(said.contains("**hostile** 🟢 runs"), "{said}");
        assert!(
            said.contains("> in its sound: it panicked while it listened"),
            "{said}"
        );
        // Its own copy of tokio has run on its own threads, stopped and begun again all the while.
        let state = town.tell("state").await;
        assert!(!state.ends_with(" 0 ticks"), "{state}");
    })
    .await;
    let ended = town.program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let log = &ended.stderr;
    let panics = PLACES.iter().filter(|place| !ONLY_IN_C.contains(place));
    for place in panics.filter(|place| **place != "check") {
        let words = format!("on request, in {place}`");
        assert!(log.contains(&words), "{place} is not named: {log}");
    }
    for callback in [
        "start",
        "VOICE_STATE_UPDATE",
        "INTERACTION_CREATE",
        "mynah.voice",
        "mynah.track",
        "an async step",
        "save",
        "new settings",
        "stop",
    ] {
        let panicked = format!("in {callback}: plugin hostile panicked with");
        assert!(log.contains(&panicked), "no panic in {callback}: {log}");
        let slow = format!("{callback} took ");
        assert!(log.contains(&slow), "{callback} was not slow: {log}");
    }
    let lines = log.matches("of a flood").count();
    assert!((200..20_000).contains(&lines), "{lines} lines of 260,000");
    assert!(log.contains("lines of it were left out"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_comes_back_keeps_nobody_waiting_not_even_the_end() {
    let town = Town::new().await;
    town.while_music_plays(async {
        town.tell("sing").await;
        town.tell("listen").await;
        town.arm("pull", "sleep", 0).await;
        town.arm("heard", "sleep", 0).await;
        town.until_done().await;
        town.arm("command", "spin", 0).await;
        let said = town.tell("go").await;
        assert!(said.contains("`hostile` plugin"), "{said}");
        loop {
            let said = town
                .control
                .say(&town.owner, "bot plugins", json!({}))
                .await;
            // Of three calls the oldest is told.
            if said.contains("stuck in a s") {
                break;
            }
            let playing = town.say("nowplaying", json!({})).await;
            assert!(playing.contains("Tone"), "{playing}");
        }
        let answer = town.reload(Some("hostile")).await;
        let refused = answer["error"].as_str().unwrap_or_default();
        assert!(refused.contains("has not come to it"), "{answer}");
    })
    .await;
    let ended = town.program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    for words in [
        "it is stuck in a s",
        "it did not stop in time and is left behind",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_comes_back_from_its_start_keeps_the_bot_from_nothing_for_long() {
    let scene = Scene::new();
    let built = built_plugin(MYNAH, "tests/hostile");
    let table = built["bot_toml"].as_str().unwrap();
    let waits = "place = \"start\"\nmisdeed = \"sleep\"\nms = 0\n";
    scene.config(&format!("{table}{waits}"));
    scene.song("A Song.wav", 20.0);
    let (program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let play = json!({ "query": "a song" });
    let said = control.say(&alice, "play", play).await;
    assert!(said.contains("Now playing"), "{said}");
    let state = control.get("/state").await;
    let owner = state["guilds"][0]["owner_id"].as_str().unwrap();
    let said = control.say(owner, "bot plugins", json!({})).await;
    for words in ["**hostile** 🟡 starts", "stuck in start for"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    for words in [
        "it has not started within 10 s; going on",
        "it is stuck in start for more than 5 s",
        "it did not stop in time and is left behind",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
}

/// Ten seconds in every callback, once standing still and once keeping a processor busy.
///
/// ```sh
/// cargo test -p mynah --test hurts_nobody -- --ignored
/// ```
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes"]
async fn ten_seconds_in_every_callback_are_heard_by_nobody() {
    let town = Town::new().await;
    town.while_music_plays(async {
        for misdeed in ["sleep", "spin"] {
            town.every(misdeed, &PLACES, 10_000).await;
        }
    })
    .await;
    assert_eq!(town.program.interrupt().code(), 0);
}
