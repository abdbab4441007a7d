//! Meetings are recorded through the real program: `/record`, people who speak, and what lies on the
//! disk afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mynah_recorder::core::manifest::{Manifest, State};
use mynah_recorder::core::{checker, events, export, shelf};
use mynah_testkit::{Control, Program, Scene};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// Generous: CI machines are slow, and two cores are shared by many tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who may record.
async fn owner(control: &Control) -> String {
    let state = control.get("/state").await;
    state["guilds"][0]["owner_id"].as_str().unwrap().to_owned()
}

/// Speaks a tone to its end.
async fn tone(control: &Control, user: &str, hz: u32, seconds: f64) {
    let tone = json!({ "hz": hz, "seconds": seconds, "dbfs": -12 });
    let body = json!({ "user_id": user, "tone": tone, "wait": true });
    control.post("/voice/say", body).await;
}

async fn start(control: &Control, who: &str) -> Value {
    let options = json!({ "channel": control.voice_channel(), "title": "Standup" });
    let answer = control.command(who, "record start", options).await;
    assert!(answer.to_string().contains("Recording"), "{answer}");
    answer
}

/// The message that shows how the recording goes; it comes a moment after the answer.
async fn panel(control: &Control) -> String {
    let path = format!("/messages?channel_id={}", control.text_channel());
    let limit = Instant::now() + PATIENCE;
    loop {
        let messages = control.get(&path).await;
        let all = messages
            .as_array()
            .or_else(|| messages["messages"].as_array());
        let shows = |message: &&Value| message.to_string().contains("is being recorded");
        if let Some(found) = all.unwrap().iter().find(shows) {
            return found["id"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < limit, "{messages}");
        tokio::task::yield_now().await;
    }
}

/// A voice channel where nobody is recorded.
async fn other_channel(control: &Control) -> String {
    let state = control.get("/state").await;
    let channels = state["channels"].as_array().unwrap().iter();
    let voice = channels.filter(|channel| channel["kind"] == "voice");
    let mut ids = voice.map(|channel| channel["id"].as_str().unwrap().to_owned());
    ids.find(|id| id != control.voice_channel()).unwrap()
}

fn recordings(data: &Path) -> Vec<(PathBuf, Manifest)> {
    let all = shelf::list(&data.join("data/recordings")).unwrap();
    // One that has just begun may have no manifest yet.
    all.into_iter()
        .filter_map(|one| Some((one.folder, one.manifest.ok()?)))
        .collect()
}

/// How much of a track, in 20 ms, is a tone of `hz`.
fn ticks_of(track: &Path, hz: f32) -> usize {
    let (mut ticks, mut rest) = (0, Vec::<f32>::new());
    export::decode(track, 0..u64::MAX / 2, |block| {
        rest.extend(block);
        while rest.len() >= 1_920 {
            let tick: Vec<f32> = rest.drain(..1_920).step_by(2).collect();
            let step = std::f32::consts::TAU * hz / 48_000.0;
            let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
            for (at, sample) in tick.iter().enumerate() {
                re += sample * (step * at as f32).cos();
                im += sample * (step * at as f32).sin();
                all += sample * sample;
            }
            let own = (re * re + im * im) * 2.0 / 960.0;
            ticks += usize::from(all > 1.0 && own > 0.9 * all);
        }
        Ok(())
    })
    .unwrap();
    ticks
}

fn track(folder: &Path, manifest: &Manifest, user: &str) -> PathBuf {
    let entry = manifest.tracks.iter().find(|entry| entry.user == user);
    folder.join(
        &entry
            .unwrap_or_else(|| panic!("no track of {user}: {manifest:?}"))
            .file,
    )
}

/// Everything below a folder, as bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => found.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    found
}

fn contains(bytes: &[u8], what: &str) -> bool {
    bytes
        .windows(what.len())
        .any(|part| part == what.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_has_a_track_of_their_own_and_who_opted_out_has_none() {
    let scene = Scene::new();
    scene.song("sweep.wav", 5.0);
    let (program, control) = scene.run(MYNAH);
    let (boss, ann, bob) = (
        owner(&control).await,
        control.user_in_voice("ann").await,
        control.user_in_voice("bob").await,
    );
    let quiet = control.user_in_voice("quiet").await;
    let optout = control.command(&quiet, "record optout", json!({})).await;
    assert!(
        optout.to_string().contains("will not be recorded"),
        "{optout}"
    );
    let refused = control.command(&ann, "record start", json!({})).await;
    assert!(
        refused.to_string().contains("manage the server"),
        "{refused}"
    );
    start(&control, &boss).await;
    let twice = control.command(&boss, "record start", json!({})).await;
    assert!(twice.to_string().contains("runs here already"), "{twice}");

    // Others play where people are recorded, and do not take the bot away from them.
    let eve = control.user("eve").await;
    control.join(&eve, &other_channel(&control).await).await;
    let refused = control.say(&eve, "play", json!({ "query": "sweep" })).await;
    assert!(refused.contains("a recording runs here"), "{refused}");
    for (who, command) in [(&eve, "voice join"), (&ann, "voice leave")] {
        let refused = control.say(who, command, json!({})).await;
        assert!(refused.contains("I "), "{command}: {refused}");
    }
    let refused = control.say(&ann, "voice leave", json!({})).await;
    assert!(refused.contains("a recording runs here"), "{refused}");

    // The buttons of the panel; who came later, and who is elsewhere, press them as well.
    let panel = panel(&control).await;
    let press = async |who: &str, button: &str| {
        let custom_id = format!("recorder:{button}");
        let press = json!({ "user_id": who, "message_id": panel, "custom_id": custom_id });
        control.post("/components", press).await.to_string()
    };
    for (who, button, words) in [
        (&eve, "pause", "Only people in the recorded channel"),
        (&ann, "pause", "Paused by"),
        (&ann, "resume", "may not do this"),
        (&boss, "resume", "goes on with the recording"),
        (&ann, "stop", "may not do this"),
        (&ann, "note", "Mark this moment"),
    ] {
        let answer = press(who, button).await;
        assert!(answer.contains(words), "{button}: {answer}");
    }

    tokio::join!(
        tone(&control, &ann, 440, 1.5),
        tone(&control, &bob, 1_000, 1.0),
        tone(&control, &quiet, 3_000, 1.0),
    );
    let note = json!({ "text": "decided", "kind": "highlight" });
    control.command(&ann, "record note", note).await;
    let status = control.command(&ann, "record status", json!({})).await;
    let status = status.to_string();
    assert!(
        status.contains("ann") && !status.contains("quiet"),
        "{status}"
    );
    let late = control.user_in_voice("late").await;
    tone(&control, &late, 600, 0.5).await;
    let stopped = control.command(&boss, "record stop", json!({})).await;
    let stopped = stopped.to_string();
    assert!(stopped.contains("from 3 people"), "{stopped}");

    let (folder, manifest) = recordings(scene.path()).remove(0);
    assert_eq!(manifest.state, State::Stopped);
    assert_eq!(manifest.title, "Standup");
    for (user, hz, least) in [(&ann, 440.0, 70), (&bob, 1_000.0, 45), (&late, 600.0, 20)] {
        let track = track(&folder, &manifest, user);
        let report = checker::check(&track).unwrap();
        assert!(report.is_legal(), "{:?}", report.faults);
        let ticks = ticks_of(&track, hz);
        assert!(ticks >= least, "{user}: {ticks} ticks of {hz} Hz");
        // Nobody else is heard on it.
        for other in [440.0, 1_000.0, 600.0, 3_000.0] {
            assert!(
                other == hz || ticks_of(&track, other) == 0,
                "{user} {other}"
            );
        }
    }
    // What the bot itself played is a track, too: the notes at the start.
    let lane = manifest
        .tracks
        .iter()
        .find(|entry| entry.file.starts_with("lanes/"));
    assert!(lane.is_some_and(|lane| lane.frames > 0), "{manifest:?}");
    let (lines, strange) = events::read(&folder).unwrap();
    assert_eq!(strange, 0);
    let kinds = format!("{lines:?}");
    for kind in ["Start", "Join", "Consent", "decided", "Stop"] {
        assert!(kinds.contains(kind), "{kind}: {kinds}");
    }
    // Of whoever opted out there is nothing: no id, no name, no sound.
    for (path, bytes) in contents(&folder) {
        for trace in [quiet.as_str(), "quiet"] {
            assert!(!contains(&bytes, trace), "{trace} in {}", path.display());
        }
    }
    // Deleting leaves nothing.
    let gone = json!({ "id": manifest.id, "confirm": true });
    let gone = control.command(&boss, "record delete", gone).await;
    assert!(gone.to_string().contains("is gone"), "{gone}");
    assert!(!folder.exists());
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_attached_and_ctrl_c_finishes_what_runs() {
    let scene = Scene::new();
    let (program, control) = scene.run(MYNAH);
    let (boss, ann) = (owner(&control).await, control.user_in_voice("ann").await);
    start(&control, &boss).await;
    let paused = control.command(&ann, "record pause", json!({})).await;
    assert!(paused.to_string().contains("Paused"), "{paused}");
    tone(&control, &ann, 440, 0.5).await;
    let refused = control.command(&ann, "record resume", json!({})).await;
    assert!(refused.to_string().contains("may not"), "{refused}");
    control.command(&boss, "record resume", json!({})).await;
    tone(&control, &ann, 800, 0.5).await;
    control.command(&boss, "record stop", json!({})).await;
    let (folder, manifest) = recordings(scene.path()).remove(0);
    let sound = track(&folder, &manifest, &ann);
    assert_eq!(ticks_of(&sound, 440.0), 0, "a pause is silence");
    assert!(ticks_of(&sound, 800.0) >= 20);

    let export = json!({ "id": manifest.id, "format": "flac", "mix": true });
    control.command(&boss, "record export", export).await;
    let limit = Instant::now() + PATIENCE;
    let path = format!("/messages?channel_id={}", control.text_channel());
    let attached = loop {
        let messages = control.get(&path).await.to_string();
        if messages.contains("-flac-mix.flac") {
            break messages;
        }
        assert!(Instant::now() < limit, "{messages}");
        tokio::task::yield_now().await;
    };
    assert!(attached.contains("attachments"), "{attached}");

    // The command line finds it as well, while the bot runs.
    let mynah = |args: &[&str]| {
        let all = [&["recording"], args].concat();
        mynah_testkit::run(MYNAH, scene.path(), &all, &[])
    };
    let listed = mynah(&["list", "--json"]);
    assert!(listed.stdout.contains(&manifest.id), "{}", listed.stderr);
    assert_eq!(mynah(&["verify", &manifest.id]).code(), 0);
    let made = mynah(&[
        "export",
        &manifest.id,
        "--format",
        "wav",
        "--mix",
        "--out",
        "files",
    ]);
    let made = scene.path().join(made.stdout.trim());
    assert!(std::fs::read(&made).unwrap().starts_with(b"RIFF"));
    assert_eq!(mynah(&["export", "nothing"]).code(), 1);
    assert_eq!(mynah(&["export", &manifest.id, "--from", "soon"]).code(), 2);
    // What would change files waits for the bot to end.
    let refused = mynah(&["repair"]);
    assert_eq!(refused.code(), 1);
    assert!(refused.stderr.contains("is running"), "{}", refused.stderr);

    // Another one is left running: Ctrl-C ends it in order.
    start(&control, &boss).await;
    tone(&control, &ann, 440, 0.5).await;
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let (folder, manifest) = recordings(scene.path()).pop().unwrap();
    assert_eq!(manifest.state, State::Stopped);
    assert!(ticks_of(&track(&folder, &manifest, &ann), 440.0) >= 20);
}

/// A server of its own, and a bot that can be killed without it.
fn bot(home: &Scene) -> (Program, Scene) {
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
        "[discord]\napi = \"{}\"\ntoken_file = \"token\"\nca_file = \"{}\"\n",
        server.ready_text("/api"),
        server.ready_text("/ca_file"),
    ));
    (server, scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bot_makes_the_recording_whole_and_goes_on_in_a_linked_part() {
    let home = Scene::new();
    let (server, scene) = bot(&home);
    let control = Control::of(&server);
    let program = Program::start(MYNAH, scene.path(), &["run"], &[]);
    let (boss, ann) = (owner(&control).await, control.user_in_voice("ann").await);
    start(&control, &boss).await;
    tone(&control, &ann, 440, 2.5).await;
    program.signal("KILL");
    program.wait();
    let program = Program::start(MYNAH, scene.path(), &["run"], &[]);
    let limit = Instant::now() + PATIENCE;
    loop {
        let all = recordings(scene.path());
        if all.len() == 2 && all.iter().any(|(_, part)| part.state == State::Recording) {
            break;
        }
        assert!(Instant::now() < limit, "{all:?}");
        tokio::task::yield_now().await;
    }
    tone(&control, &ann, 800, 1.0).await;
    control.command(&boss, "record stop", json!({})).await;
    let all = recordings(scene.path());
    let part = |state| all.iter().find(|(_, part)| part.state == state).unwrap();
    let ((first, before), (second, after)) = (part(State::Recovered), part(State::Stopped));
    assert_eq!(before.next.as_deref(), Some(after.id.as_str()));
    assert_eq!(after.previous.as_deref(), Some(before.id.as_str()));
    // 2.5 s were said, and at most the last second is gone.
    let sound = track(first, before, &ann);
    assert!(checker::check(&sound).unwrap().is_legal());
    assert!(ticks_of(&sound, 440.0) >= 65, "{}", ticks_of(&sound, 440.0));
    assert!(ticks_of(&track(second, after, &ann), 800.0) >= 45);
    assert_eq!(program.interrupt().code(), 0);
}
