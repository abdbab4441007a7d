//! The examples of plugins, each as a file of its own in the real program, tried as people would.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mynah_testkit::{Scene, built_plugin, run};
use serde_json::json;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// Those in Rust; the one in C is part of tests/loads_plugins.rs, and dice with it.
const EXAMPLES: [&str; 4] = ["dice", "hello", "own_source", "meeting_recorder"];

#[tokio::test(flavor = "multi_thread")]
async fn every_example_loads_from_its_file_and_does_what_it_says() {
    let scene = Scene::new();
    let tables = EXAMPLES.map(|name| {
        let made = built_plugin(MYNAH, &format!("examples/{name}"));
        made["bot_toml"].as_str().unwrap().to_owned()
    });
    scene.config(&tables.join("\n"));
    let (program, control) = scene.run(MYNAH);
    let state = control.get("/state").await;
    let owner = state["guilds"][0]["owner_id"].as_str().unwrap().to_owned();
    control.join(&owner, control.voice_channel()).await;
    let say = async |command: &str| control.say(&owner, command, json!({})).await;

    let said = say("hello").await;
    assert!(said.starts_with("Hello, "), "{said}");
    let said = say("dice").await;
    assert!(said.ends_with("(throw 1)"), "{said}");

    let said = say("minutes start").await;
    assert!(said.contains("is recorded"), "{said}");
    let card = control.command(&owner, "tune", json!({})).await;
    let message = card["response"]["id"].as_str().unwrap().to_owned();
    let choose = json!({
        "user_id": owner, "message_id": message, "custom_id": "own-source:note", "values": ["A2"],
    });
    let card = control.post("/components", choose).await;
    let heard = control.hear(&owner, 2.0, "wav", None).await;
    // The last second: what was on its way is over.
    let samples = heard.samples();
    let left: Vec<f32> = samples[samples.len() / 2..]
        .iter()
        .step_by(2)
        .copied()
        .collect();
    let level = |hz| mynah_audio::measure::tone_db(&left, hz);
    assert!(
        level(110.0) > -20.0,
        "110 Hz: {} dB in {card}",
        level(110.0)
    );
    assert!(level(440.0) < -40.0, "440 Hz: {} dB", level(440.0));

    // It sounds on while the plugin is exchanged, and its card still steers it.
    let reload = || {
        run(
            MYNAH,
            scene.path(),
            &["plugin", "reload", "own-source"],
            &[],
        )
    };
    let (heard, ()) = tokio::join!(control.hear(&owner, 3.0, "wav", None), async {
        let reloaded = tokio::task::block_in_place(reload);
        assert_eq!(reloaded.code(), 0, "{}", reloaded.stderr);
    });
    assert_eq!(heard.stat("lost"), 0.0, "{}", heard.stats);
    let left: Vec<f32> = heard.samples().into_iter().step_by(2).collect();
    let quietest = left[4_800..]
        .chunks_exact(4_800)
        .map(|part| mynah_audio::measure::tone_db(part, 110.0))
        .fold(0.0, f64::min);
    assert!(quietest > -20.0, "110 Hz all the time: {quietest} dB");
    let stop = json!({
        "user_id": owner, "message_id": message, "custom_id": "own-source:stop",
    });
    let stopped = control.post("/components", stop).await.to_string();
    assert!(
        stopped.contains("is silent.") && !stopped.contains("strikes"),
        "{stopped}"
    );

    let tone = json!({ "hz": 300, "seconds": 1, "dbfs": -12 });
    let words = json!({ "user_id": owner, "tone": tone });
    control.post("/voice/say", words).await;
    let said = say("minutes stop").await;
    assert!(
        said.contains("meeting-0001.wav") && !said.contains("not whole"),
        "{said}"
    );

    let said = say("bot plugins").await;
    for words in [
        "own-source counts `forks_struck 1`",
        "meeting-recorder counts `meetings 1`",
    ] {
        assert!(said.contains(words), "{words} in: {said}");
    }
    for name in ["dice", "hello", "own-source", "meeting-recorder"] {
        assert!(said.contains(&format!("**{name}** 🟢 runs")), "{said}");
    }
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(scene.path().join("minutes/meeting-0001.txt").exists());
}
