//! Music goes on after a restart where it was, and the card that people see still works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use mynah_testkit::{Control, Program, Scene};
use serde_json::json;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// Generous: CI machines are slow, and two cores are shared by many tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of its own, and a bot beside it that can end without it.
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

/// Asks until the answer contains what is expected.
async fn until(control: &Control, user: &str, command: &str, expected: &str) -> String {
    let limit = Instant::now() + PATIENCE;
    loop {
        let answer = control.say(user, command, json!({})).await;
        if answer.contains(expected) {
            return answer;
        }
        assert!(Instant::now() < limit, "{command}: {answer}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_place_volume_loop_and_pause_outlive_the_bot() {
    let home = Scene::new();
    let (server, scene) = bot(&home);
    scene.song("first.wav", 60.0);
    scene.song("second.wav", 60.0);
    let control = Control::of(&server);
    let program = Program::start(MYNAH, scene.path(), &["run"], &[]);
    let ann = control.user_in_voice("ann").await;
    control
        .command(&ann, "play", json!({ "query": "first" }))
        .await;
    control
        .command(&ann, "play", json!({ "query": "second" }))
        .await;
    control
        .command(&ann, "volume", json!({ "percent": 60 }))
        .await;
    control
        .command(&ann, "loop", json!({ "mode": "queue" }))
        .await;
    control.command(&ann, "seek", json!({ "to": "0:30" })).await;
    let saved = control
        .command(&ann, "playlist save", json!({ "name": "both" }))
        .await;
    assert!(saved.to_string().contains("2 tracks"), "{saved}");
    let card = control.command(&ann, "nowplaying", json!({})).await;
    let card = card["response"]["id"].as_str().unwrap().to_owned();
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);

    // It comes back by itself, because somebody still listens.
    let program = Program::start(MYNAH, scene.path(), &["run"], &[]);
    let playing = until(&control, &ann, "nowplaying", "Playing").await;
    assert!(
        playing.contains("first") && playing.contains("0:3"),
        "{playing}"
    );
    assert!(playing.contains("60 %"), "{playing}");
    let queue = control.say(&ann, "queue show", json!({})).await;
    assert!(queue.contains("1. **second**"), "{queue}");
    let heard = control.hear(&ann, 1.0, "wav", None).await;
    assert!(heard.stat("packets") > 20.0, "it can be heard");

    // Killed while it is paused: paused it comes back, silent, at the same place. The button that pauses it
    // sits on a card from before the restart.
    let press = json!({ "user_id": ann, "message_id": card, "custom_id": "music:pause" });
    let pressed = control.post("/components", press).await;
    assert!(
        pressed.to_string().contains("Paused: **first**"),
        "{pressed}"
    );
    let limit = Instant::now() + PATIENCE;
    let state = scene.path().join("data/plugins/music.sqlite-wal");
    let holds_pause = || {
        let bytes = std::fs::read(&state).unwrap_or_default();
        let paused = br#""paused":true"#;
        bytes.windows(paused.len()).any(|part| part == paused)
    };
    while !holds_pause() {
        assert!(Instant::now() < limit, "the pause is never saved");
        tokio::task::yield_now().await;
    }
    program.signal("KILL");
    program.wait();
    let program = Program::start(MYNAH, scene.path(), &["run"], &[]);
    let paused = until(&control, &ann, "nowplaying", "Paused: **first**").await;
    assert!(paused.contains("0:3"), "{paused}");
    let resumed = control.say(&ann, "resume", json!({})).await;
    assert!(
        resumed.contains("Going on with **first** at 0:3"),
        "{resumed}"
    );
    let lists = control.say(&ann, "playlist list", json!({})).await;
    assert!(lists.contains("**both**"), "{lists}");
    assert_eq!(program.interrupt().code(), 0);
}
