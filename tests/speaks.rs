//! The TTS bridge through the real program: `/say` with the real eSpeak NG, heard by somebody.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use mynah_audio::measure::tone_db;
use mynah_testkit::{Control, Program, Scene};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// Louder than this is speech, not the noise of an encoder.
const SPEECH: f32 = 0.02;
/// Stereo samples of a second.
const SECOND: usize = 2 * 48_000;

/// A scene whose engine is the real one, behind a script that writes down what it is told.
struct Case {
    _program: Program,
    control: Control,
    scene: Scene,
}

impl Case {
    fn new(more: &str) -> Self {
        Self::with(more, |_| {})
    }

    /// `prepare` puts songs into the scene.
    fn with(more: &str, prepare: impl FnOnce(&Scene)) -> Self {
        let found = std::process::Command::new("espeak-ng")
            .arg("--version")
            .output();
        assert!(
            found.is_ok(),
            "this test needs eSpeak NG: apt-get install espeak-ng"
        );
        let scene = Scene::new();
        prepare(&scene);
        let log = scene.path().join("told");
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in --voices*) exec espeak-ng \"$@\";; esac\n\
             tee -a '{}' | espeak-ng \"$@\"\n",
            log.display()
        );
        let engine = scene.write("engine", script.as_bytes());
        std::fs::set_permissions(&engine, std::fs::Permissions::from_mode(0o755)).unwrap();
        scene.config(&format!(
            "[plugins.tts]\nengine = \"espeak\"\nfallback = []\nespeak_path = '{}'\n{more}\n",
            engine.display()
        ));
        let (program, control) = scene.run(MYNAH);
        Self {
            _program: program,
            control,
            scene,
        }
    }

    /// Somebody says something; another one hears it. The samples begin when it was asked for.
    async fn say(&self, speaker: &str, listener: &str, options: Value) -> Vec<f32> {
        let ask = async {
            loop {
                let said = self.control.say(speaker, "say", options.clone()).await;
                // The voices are being listed while the program starts.
                if !said.contains("know no such voice") {
                    return said;
                }
            }
        };
        let (heard, said) = tokio::join!(self.control.hear(listener, 4.2, "wav", None), ask);
        assert!(said.contains("Said"), "{said}");
        heard.samples()
    }

    fn told(&self) -> String {
        let path: PathBuf = self.scene.path().join("told");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

/// The part that is speech, from its first sound to its last.
fn speech(samples: &[f32]) -> &[f32] {
    let first = samples.iter().position(|sample| sample.abs() > SPEECH);
    let last = samples.iter().rposition(|sample| sample.abs() > SPEECH);
    let (Some(first), Some(last)) = (first, last) else {
        panic!("nothing was heard");
    };
    &samples[first..=last]
}

/// How its energy is spread over three octaves of pitch and the first formants, in dB from the
/// mean.
fn spectrum(stereo: &[f32]) -> Vec<f64> {
    let samples: Vec<f32> = stereo.iter().copied().step_by(2).collect();
    let bands = (0..24).map(|band| 80.0 * 2.0_f64.powf(f64::from(band) / 4.0));
    let levels: Vec<f64> = bands.map(|hz| tone_db(&samples, hz).max(-90.0)).collect();
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    levels.iter().map(|level| level - mean).collect()
}

/// How far two of them are apart, in dB for each band.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
    sum / a.len() as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_heard_and_voices_differ() {
    let case = Case::new("say_name = \"never\"\ncache = \"off\"");
    let alice = case.control.user_in_voice("alice").await;
    let bob = case.control.user_in_voice("bob").await;
    let joined = case.control.say(&alice, "tts join", json!({})).await;
    assert!(joined.contains("I am in"), "{joined}");
    let text = "The quick brown fox jumps over the lazy dog.";
    let plain = case.say(&alice, &bob, json!({ "text": text })).await;
    let first = plain
        .iter()
        .position(|sample| sample.abs() > SPEECH)
        .unwrap_or(0);
    eprintln!("first sound {} ms after /say", first * 1_000 / SECOND);
    let seconds = speech(&plain).len() as f64 / SECOND as f64;
    assert!((1.5..4.5).contains(&seconds), "{seconds} s");
    let power = speech(&plain)
        .iter()
        .map(|sample| f64::from(sample * sample))
        .sum::<f64>();
    let rms = (power / speech(&plain).len() as f64).sqrt();
    assert!((0.02..0.5).contains(&rms), "{rms}");
    let mut again = case.say(&alice, &bob, json!({ "text": text })).await;
    let woman = json!({ "text": text, "voice": "espeak:en-us+f3" });
    let other = case.say(&alice, &bob, woman).await;
    let of = |samples: &[f32]| spectrum(speech(samples));
    let different = apart(&of(&plain), &of(&other));
    let mut same = apart(&of(&plain), &of(&again));
    let mut times = 3;
    if different <= 3.0 * same {
        // A busy machine tears a hole into speech now and then; not twice in the same place.
        again = case.say(&alice, &bob, json!({ "text": text })).await;
        same = same.min(apart(&of(&plain), &of(&again)));
        times += 1;
    }
    eprintln!("the same voice is {same:.1} dB apart, another one {different:.1} dB");
    assert!(
        different > 3.0 && different > 3.0 * same,
        "{same} {different}"
    );
    assert_eq!(case.told().matches("quick brown fox").count(), times);
}

/// `cargo nextest run -p mynah --test speaks --run-ignored only --no-capture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; on a quiet machine"]
async fn how_long_it_takes_from_say_to_the_first_sound() {
    let case = Case::new("say_name = \"never\"\ncache = \"off\"");
    let alice = case.control.user_in_voice("alice").await;
    let bob = case.control.user_in_voice("bob").await;
    case.control.say(&alice, "tts join", json!({})).await;
    let mut all = Vec::new();
    for round in 0..20 {
        let text = format!("Round {round}. The quick brown fox jumps over it.");
        let heard = case.say(&alice, &bob, json!({ "text": text })).await;
        let first = heard
            .iter()
            .position(|sample| sample.abs() > SPEECH)
            .unwrap();
        all.push(first * 1_000 / SECOND);
    }
    all.sort_unstable();
    eprintln!(
        "ms from /say to the first sound: p50 {}, p95 {}, max {}",
        all[10], all[18], all[19]
    );
    assert!(all[18] < 700, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_neither_spoken_nor_told_to_the_engine() {
    let case = Case::new("");
    let alice = case.control.user_in_voice("alice").await;
    let bob = case.control.user_in_voice("bob").await;
    let text = "The killer is ||zebra||, see `okapi` or https://quagga.org/tapir please";
    let heard = case.say(&alice, &bob, json!({ "text": text })).await;
    assert!(speech(&heard).len() > SECOND);
    let told = case.told();
    assert!(
        told.contains("alice said: The killer is spoiler, see code or a link please"),
        "{told}"
    );
    for secret in ["zebra", "okapi", "quagga", "tapir"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_read_aloud_and_music_steps_back_for_it() {
    const TONE_HZ: f32 = 440.0;
    let step = std::f32::consts::TAU * TONE_HZ / 48_000.0;
    let tone: Vec<f32> = (0..SECOND * 10)
        .map(|n| ((n / 2) as f32 * step).sin() * 0.2)
        .collect();
    let case = Case::with("", |scene| drop(scene.wav("steady tone.wav", &tone)));
    let control = &case.control;
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;
    let owner = owner(control).await;
    let refused = control.say(&alice, "tts auto add", json!({})).await;
    assert!(refused.contains("Only people who may manage"), "{refused}");
    let added = control.say(&owner, "tts auto add", json!({})).await;
    assert!(added.contains("is read from now on"), "{added}");
    let joined = control.say(&alice, "tts join", json!({})).await;
    assert!(
        joined.contains("I read the chat of my voice channel"),
        "{joined}"
    );
    let playing = control
        .say(&alice, "play", json!({ "query": "steady tone" }))
        .await;
    assert!(playing.contains("Now playing"), "{playing}");
    let message = json!({
        "user_id": alice, "channel_id": control.text_channel(), "content": "Good evening, ||zebra||!",
    });
    let (heard, _) = tokio::join!(
        control.hear(&bob, 6.0, "wav", None),
        control.post("/messages", message)
    );
    let heard: Vec<f32> = heard.samples().into_iter().step_by(2).collect();
    let levels: Vec<f64> = heard
        .chunks_exact(4_800)
        .map(|part| tone_db(part, TONE_HZ.into()))
        .collect();
    let loudest = levels.iter().copied().fold(f64::MIN, f64::max);
    let ducked = levels
        .iter()
        .filter(|level| **level < loudest - 8.0)
        .count();
    assert!(
        (8..50).contains(&ducked),
        "it steps back while somebody is read: {levels:.0?}"
    );
    let end = levels
        .iter()
        .rev()
        .skip(1)
        .take(5)
        .copied()
        .fold(f64::MAX, f64::min);
    assert!(end > loudest - 2.0, "and comes back: {levels:.0?}");
    let told = case.told();
    assert!(
        told.contains("alice said: Good evening, spoiler!"),
        "{told}"
    );
    assert!(!told.contains("zebra"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_answered_sensibly() {
    let case = Case::new("");
    let control = &case.control;
    let owner = owner(control).await;
    let alice = control.user("alice").await;
    let steps = [
        ("say", json!({ "text": "hi" }), "Join a voice channel"),
        ("say", json!({ "text": "\u{200b}" }), "nothing in it"),
        ("tts join", json!({}), "Join a voice channel"),
        ("tts leave", json!({}), "in no voice channel"),
        ("tts skip", json!({}), "Nothing is being read"),
        ("tts skip", json!({ "what": "mine" }), "Nothing of yours"),
        ("tts clear", json!({}), "Only people who may manage"),
        (
            "tts voice",
            json!({ "voice": "nobody at all" }),
            "no such voice",
        ),
        ("tts voice", json!({ "engine": "piper" }), "not set up"),
        (
            "tts voice",
            json!({ "speed": 150, "pitch": 90 }),
            "speed 150 %, pitch 90 %",
        ),
        (
            "tts server-voice",
            json!({ "speed": 150 }),
            "Only people who may manage",
        ),
        ("tts auto add", json!({}), "Only people who may manage"),
        ("tts auto list", json!({}), "the chat of my voice channel"),
        (
            "tts dictionary add",
            json!({ "word": "gg", "reading": "good game" }),
            "good game",
        ),
        (
            "tts dictionary add",
            json!({ "word": "a b", "reading": "x" }),
            "not one word",
        ),
        ("tts dictionary list", json!({}), "gg: good game"),
        ("tts optout", json!({}), "not read your messages"),
        ("tts optin", json!({}), "again"),
        ("tts rules", json!({}), "Longest text: 400"),
        (
            "tts rules",
            json!({ "links": "skip" }),
            "Only people who may manage",
        ),
    ];
    for (command, options, expected) in steps {
        let answer = control.command(&alice, command, options).await;
        assert!(answer.to_string().contains(expected), "{command}: {answer}");
        assert_eq!(answer["ephemeral"], true, "{command}: {answer}");
    }
    let managed = [
        ("tts auto add", json!({}), "is read from now on"),
        (
            "tts rules",
            json!({ "links": "host", "max-length": 100 }),
            "Longest text: 100",
        ),
        ("tts server-voice", json!({ "volume": 80 }), "volume 80 %"),
        ("tts clear", json!({}), "Nothing is being read"),
    ];
    for (command, options, expected) in managed {
        let said = control.say(&owner, command, options).await;
        assert!(said.contains(expected), "{command}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_is_there_after_a_restart() {
    let case = Case::new("");
    let owner = owner(&case.control).await;
    let rules = json!({ "links": "host", "max-length": 100 });
    case.control.say(&owner, "tts rules", rules).await;
    case.control
        .say(&owner, "tts server-voice", json!({ "volume": 80 }))
        .await;
    // The embedded server starts anew: other ids, but the same server, by its seed.
    let Case {
        _program,
        control,
        scene,
    } = case;
    drop((_program, control));
    let (_program, control) = scene.run(MYNAH);
    let owner = self::owner(&control).await;
    let said = control.say(&owner, "tts rules", json!({})).await;
    assert!(
        said.contains("Links: host") && said.contains("Longest text: 100"),
        "{said}"
    );
    let said = control.say(&owner, "tts server-voice", json!({})).await;
    assert!(said.contains("volume 80 %"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_at_once_are_both_heard_and_a_third_elsewhere_is_told_where() {
    let case = Case::new("");
    let control = &case.control;
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;
    let carol = control.user("carol").await;
    let elsewhere = control.get("/state").await["channels"][2]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    control.join(&carol, &elsewhere).await;
    let (first, second) = tokio::join!(
        control.say(&alice, "say", json!({ "text": "one and one is two" })),
        control.say(&bob, "say", json!({ "text": "two and two is four" })),
    );
    let waits = [&first, &second]
        .into_iter()
        .filter(|said| said.contains("comes first"))
        .count();
    assert!(waits <= 1, "{first} {second}");
    let refused = control.say(&carol, "say", json!({ "text": "three" })).await;
    assert!(refused.contains("I am with other people in"), "{refused}");
    let heard = control.hear(&alice, 7.0, "wav", None).await.samples();
    assert!(speech(&heard).len() > 2 * SECOND);
    let told = case.told();
    assert!(told.contains("alice said: one and one is two"), "{told}");
    assert!(told.contains("bob said: two and two is four"), "{told}");
    assert!(!told.contains("three"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_may_not_read_messages_says_so_and_speaks_all_the_same() {
    let home = Scene::new();
    let server = Program::start(
        MYNAH,
        home.path(),
        &["serve", "--tls", "--data", "server"],
        &[],
    );
    let control = Control::of(&server);
    let made = json!({ "name": "poor", "privileged_intents": false });
    let token = control.post("/bots", made).await["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let scene = Scene::new();
    scene.write("token", token.as_bytes());
    scene.config(&format!(
        "[discord]\napi = \"{}\"\ntoken_file = \"token\"\nca_file = \"{}\"\n[plugins.tts]\nengine = \"espeak\"\n",
        server.ready_text("/api"),
        server.ready_text("/ca_file"),
    ));
    let program = Program::start(MYNAH, scene.path(), &["run"], &[]);
    let alice = control.user_in_voice("alice").await;
    let joined = control.say(&alice, "tts join", json!({})).await;
    assert!(
        joined.contains("I cannot see what people write"),
        "{joined}"
    );
    let said = control.say(&alice, "say", json!({ "text": "hello" })).await;
    assert!(said.contains("Said"), "{said}");
    let ended = program.interrupt();
    assert!(
        ended.stderr.contains("does not let this bot read messages"),
        "{}",
        ended.stderr
    );
}

/// Who may do everything.
async fn owner(control: &Control) -> String {
    let state = control.get("/state").await;
    state["users"][0]["user_id"].as_str().unwrap().to_owned()
}
