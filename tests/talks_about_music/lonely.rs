//! Nobody listens: the music waits, and goes on when somebody comes.

use std::time::{Duration, Instant};

use mynah_testkit::{Control, Program, Scene};
use serde_json::json;

use crate::MYNAH;
use crate::talk::long_song;

/// Generous: CI machines are slow, and two cores are shared by many tests.
const PATIENCE: Duration = Duration::from_secs(60);

async fn until(control: &Control, user: &str, expected: &str) -> String {
    let limit = Instant::now() + PATIENCE;
    loop {
        let said = control.say(user, "nowplaying", json!({})).await;
        if said.contains(expected) {
            return said;
        }
        assert!(Instant::now() < limit, "{expected}: {said}");
        // Listening for a moment is how time passes here.
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn music_waits_while_nobody_listens_and_over_a_restart_too() {
    let home = Scene::new();
    let free = ["--http-port", "0", "--voice-port", "0"];
    let args = [["serve", "--data", "server"].as_slice(), &free].concat();
    let server = Program::start(MYNAH, home.path(), &args, &[]);
    let control = Control::of(&server);
    let scene = Scene::new();
    long_song(&scene.path().join("music/song.wav"), 300);
    scene.write("token", server.ready_text("/bots/0/token").as_bytes());
    scene.config(&format!(
        "[discord]\napi = \"{}\"\ntoken_file = \"token\"\nca_file = \"{}\"\n\
         [plugins.music]\nempty_pause = \"1s\"\n",
        server.ready_text("/api"),
        server.ready_text("/ca_file"),
    ));
    let start = || Program::start(MYNAH, scene.path(), &["run"], &[]);
    let program = start();
    let ann = control.user_in_voice("ann").await;
    let dan = control.user("dan").await;
    let leave = async || {
        let body = json!({ "user_id": ann });
        control.post("/voice/leave", body).await
    };
    let play = json!({ "query": "song" });
    let said = control.say(&ann, "play", play).await;
    assert!(said.contains("Now playing"), "{said}");

    leave().await;
    let waits = until(&control, &dan, "until somebody listens").await;
    assert!(waits.contains("Paused: **song**"), "{waits}");
    control.join(&ann, control.voice_channel()).await;
    until(&control, &dan, "Playing **song**").await;
    let heard = control.hear(&ann, 0.5, "wav", None).await;
    assert!(heard.stat("packets") > 10.0, "{}", heard.stats);

    leave().await;
    until(&control, &dan, "until somebody listens").await;
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let program = start();
    until(&control, &dan, "Paused: **song**").await;
    control.join(&ann, control.voice_channel()).await;
    until(&control, &dan, "Playing **song**").await;
    let heard = control.hear(&ann, 0.5, "wav", None).await;
    assert!(heard.stat("packets") > 10.0, "{}", heard.stats);

    // What a person paused stays so.
    let said = control.say(&ann, "pause", json!({})).await;
    assert!(said.contains("Paused"), "{said}");
    leave().await;
    control.join(&ann, control.voice_channel()).await;
    let said = control.say(&ann, "resume", json!({})).await;
    assert!(said.contains("Going on"), "{said}");
    assert_eq!(program.interrupt().code(), 0);
}
