//! The soundboard through the real program: a file is uploaded as a person would, and heard over music,
//! before and after a restart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use mynah_audio::measure::tone_db;
use mynah_testkit::{Control, Program, Scene};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// What the music is, and what the sound.
const MUSIC_HZ: f64 = 440.0;
const HORN_HZ: f64 = 1_500.0;

/// A tone, with so many seconds of silence around it.
fn tone(hz: f64, height: f32, seconds: f64, around: f64) -> Vec<f32> {
    let step = std::f64::consts::TAU * hz / 48_000.0;
    let silence = std::iter::repeat_n(0.0, (around * 48_000.0) as usize * 2);
    let sound = (0..(seconds * 48_000.0) as usize)
        .flat_map(|n| [(n as f64 * step).sin() as f32 * height; 2]);
    silence.clone().chain(sound).chain(silence).collect()
}

/// The level of a tone in every 100 ms, dB.
fn levels(heard: &[f32], hz: f64) -> Vec<f64> {
    let left: Vec<f32> = heard.iter().copied().step_by(2).collect();
    left.chunks_exact(4_800)
        .map(|part| tone_db(part, hz))
        .collect()
}

/// `/sound add` with a file.
async fn add(control: &Control, user: &str, name: &str, file: &std::path::Path) -> String {
    let body = json!({
        "user_id": user, "channel_id": control.text_channel(), "command": "sound add",
        "options": { "name": name }, "attachments": { "file": file },
    });
    mynah_testkit::spoken(&control.post("/commands", body).await)
}

/// A server of its own, and a bot beside it that can end without it.
fn server(home: &Scene) -> (Program, Scene) {
    let args = [
        "serve",
        "--data",
        "server",
        "--http-port",
        "0",
        "--voice-port",
        "0",
    ];
    let server = Program::start(MYNAH, home.path(), &args, &[]);
    let scene = Scene::new();
    scene.write("token", server.ready_text("/bots/0/token").as_bytes());
    scene.config(&format!(
        "[discord]\napi = \"{}\"\ntoken_file = \"token\"\nca_file = \"{}\"\n\
         [plugins.soundboard]\nupload = \"everyone\"\ncooldown = \"0\"\n",
        server.ready_text("/api"),
        server.ready_text("/ca_file"),
    ));
    (server, scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_that_was_uploaded_is_heard_over_music_and_its_button_works_after_a_restart() {
    let home = Scene::new();
    let (server, scene) = server(&home);
    let horn = scene.wav("horn.wav", &tone(HORN_HZ, 0.05, 1.0, 1.0));
    let upload = scene.write("horn upload.wav", &std::fs::read(&horn).unwrap());
    std::fs::remove_file(horn).unwrap();
    scene.wav("steady tone.wav", &tone(MUSIC_HZ, 0.1, 40.0, 0.0));
    let control = Control::of(&server);
    let program = Program::start(MYNAH, scene.path(), &["run"], &[]);
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;

    let said = add(&control, &alice, "Air Horn", &upload).await;
    assert!(
        said.contains("`Air Horn` is here, 1.0 s"),
        "silence is gone: {said}"
    );
    let again = add(&control, &bob, "twin", &upload).await;
    assert!(again.contains("it is called `Air Horn`"), "{again}");
    let kept = std::fs::read_dir(scene.path().join("data/sounds")).unwrap();
    let kept: Vec<_> = kept
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .collect();
    let files: Vec<_> = std::fs::read_dir(kept[0].path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!((kept.len(), files.len()), (1, 1), "one file for one sound");

    let playing = control
        .say(&alice, "play", json!({ "query": "steady tone" }))
        .await;
    assert!(playing.contains("Now playing"), "{playing}");
    let (heard, said) = tokio::join!(
        control.hear(&bob, 2.5, "wav", None),
        control.say(&alice, "sound play", json!({ "name": "air horn" }))
    );
    assert!(said.contains("`Air Horn`"), "{said}");
    over_music(&heard.samples(), "/sound play");

    let board = control.command(&bob, "sound board", json!({})).await;
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let program = Program::start(MYNAH, scene.path(), &["run"], &[]);
    let about = control
        .say(&alice, "sound info", json!({ "name": "air horn" }))
        .await;
    assert!(about.contains("played once"), "{about}");
    // The old board still works, and the bot is brought to whoever presses.
    let press = json!({
        "user_id": alice, "message_id": message_id(&board), "custom_id": "soundboard:play:1",
    });
    let (heard, pressed) = tokio::join!(
        control.hear(&bob, 2.5, "wav", None),
        control.post("/components", press)
    );
    let horn = levels(&heard.samples(), HORN_HZ);
    assert!(
        horn.iter().any(|level| *level > -30.0),
        "{pressed}: {horn:.0?}"
    );
    assert_eq!(program.interrupt().code(), 0);
}

fn message_id(answer: &Value) -> String {
    let found = answer
        .pointer("/response/id")
        .or_else(|| answer.pointer("/messages/0/id"));
    found
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no message in {answer}"))
        .to_owned()
}

/// Both are heard at once, and the music steps back.
fn over_music(heard: &[f32], asked: &str) {
    let left: Vec<f32> = heard.iter().copied().step_by(2).collect();
    let first = left
        .chunks_exact(480)
        .position(|part| tone_db(part, HORN_HZ) > -30.0);
    eprintln!("first sound {} ms after {asked}", first.unwrap_or(0) * 10);
    let (horn, music) = (levels(heard, HORN_HZ), levels(heard, MUSIC_HZ));
    let sounding: Vec<usize> = (0..horn.len()).filter(|at| horn[*at] > -30.0).collect();
    assert!((8..=12).contains(&sounding.len()), "one second: {horn:.0?}");
    let middle = sounding[sounding.len() / 2];
    let before = music[..sounding[0]]
        .iter()
        .copied()
        .fold(f64::MIN, f64::max);
    let after = music.iter().copied().fold(f64::MIN, f64::max);
    let loud = before.max(after);
    assert!(music[middle] > loud - 12.0, "it goes on: {music:.0?}");
    assert!(music[middle] < loud - 3.0, "and steps back: {music:.0?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_mean_harm_are_refused_with_words_and_the_bot_goes_on() {
    let scene = Scene::new();
    scene.config("[plugins.soundboard]\nupload = \"everyone\"\ncooldown = \"0\"\n");
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let good = scene.wav("good.wav", &tone(HORN_HZ, 0.3, 0.2, 0.0));
    let whole = std::fs::read(&good).unwrap();
    let cases: [(&str, &[u8], &str); 3] = [
        (
            "archive.mp3",
            b"PK\x03\x04\x14\x00\x00\x00\x08\x00inner.zip",
            "not audio",
        ),
        (
            "letter.wav",
            b"Dear Alice, this is not a sound.",
            "not audio",
        ),
        ("cut.wav", &whole[..50], "could not add it"),
    ];
    for (name, bytes, expected) in cases {
        let file = scene.write(name, bytes);
        let said = add(&control, &alice, "bad", &file).await;
        assert!(
            said.contains(expected) && said.contains("could not add it"),
            "{name}: {said}"
        );
    }
    let silence = scene.wav("silence.wav", &tone(HORN_HZ, 0.0, 3.0, 0.0));
    let said = add(&control, &alice, "bad", &silence).await;
    assert!(said.contains("nothing is heard in it"), "{said}");
    let said = add(&control, &alice, "../../bad", &good).await;
    assert!(said.contains("is not possible in a name"), "{said}");
    let said = control.say(&alice, "sound list", json!({})).await;
    assert!(said.contains("no sounds here yet"), "{said}");

    // What is well is taken, from a message, too.
    let message = control
        .post(
            "/messages",
            json!({
                "user_id": alice, "channel_id": control.text_channel(), "content": "listen",
                "attachments": [{ "name": "My Horn.wav", "path": good }],
            }),
        )
        .await;
    let body = json!({
        "user_id": alice, "channel_id": control.text_channel(), "command": "Save as sound",
        "target_id": message["message_id"],
    });
    let said = mynah_testkit::spoken(&control.post("/commands", body).await);
    assert!(said.contains("is here, 0.2 s"), "{said}");
    let offered = json!({
        "user_id": alice, "channel_id": control.text_channel(), "command": "sound play",
        "options": { "name": "horn" }, "focused": "name",
    });
    let offered = control.post("/autocomplete", offered).await;
    assert!(
        offered["choices"].to_string().contains("Horn (0.2 s)"),
        "{offered}"
    );
}
