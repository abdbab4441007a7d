//! Evenings with music as people spend them: what they hear, too.

use mynah_testkit::Scene;
use serde_json::json;

use crate::MYNAH;

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_are_known_and_an_unknown_one_lists_them() {
    let scene = Scene::new();
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user("alice").await;
    let body = json!({
        "user_id": alice, "channel_id": control.text_channel(), "command": "dance", "options": {},
    });
    let (status, answer) = control.try_post("/commands", body).await;
    assert_eq!(status, 404, "{answer}");
    let text = answer.to_string();
    for name in [
        "play",
        "pause",
        "resume",
        "skip",
        "stop",
        "queue",
        "nowplaying",
        "volume",
        "seek",
        "loop",
        "filter",
        "previous",
        "leave",
    ] {
        assert!(text.contains(name), "{name} is missing: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_uses_get_an_answer_that_only_the_asker_sees() {
    let scene = Scene::new();
    scene.song("sweep.wav", 10.0);
    std::fs::write(
        scene.path().join("music/notes.mp3"),
        "These are notes, not music.\n",
    )
    .unwrap();
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user("alice").await;
    let cases = [
        (
            "play",
            json!({ "query": "sweep" }),
            "not in a voice channel",
        ),
        ("leave", json!({}), "not in a voice channel"),
        ("pause", json!({}), "Nothing is playing"),
        ("queue show", json!({}), "empty"),
        ("seek", json!({ "to": "soon" }), "`1:02`"),
        (
            "filter",
            json!({ "preset": "nightcroe" }),
            "Did you mean `nightcore`?",
        ),
        ("nowplaying", json!({}), "Nothing is playing"),
    ];
    for (command, options, expected) in cases {
        let answer = control.command(&alice, command, options).await;
        assert!(answer.to_string().contains(expected), "{command}: {answer}");
        assert_eq!(answer["ephemeral"], true, "{command}: {answer}");
    }
    control.join(&alice, control.voice_channel()).await;
    let cases = [
        ("play", json!({}), "query"),
        (
            "play",
            json!({ "query": "no such thing at all" }),
            "Nothing in the library",
        ),
        ("play", json!({ "query": "notes" }), "cannot play"),
        ("skip", json!({}), "Nothing is playing"),
    ];
    for (command, options, expected) in cases {
        let answer = control.command(&alice, command, options).await;
        assert!(answer.to_string().contains(expected), "{command}: {answer}");
        assert_eq!(answer["ephemeral"], true, "{command}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_evening_of_commands_is_answered_sensibly() {
    let scene = Scene::new();
    // Short enough that the next one is made ready to follow while the commands come.
    scene.song("first song.wav", 14.0);
    scene.song("second song.wav", 14.0);
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let steps = [
        ("play", json!({ "query": "first" }), "Now playing"),
        ("play", json!({ "query": "second" }), "Added"),
        ("nowplaying", json!({}), "first song"),
        ("queue show", json!({}), "second song"),
        ("seek", json!({ "to": "+5" }), "goes on at 0:0"),
        ("seek", json!({ "to": "99:00" }), "only 0:14 long"),
        ("loop", json!({ "mode": "queue" }), "goes round"),
        ("filter", json!({ "preset": "nightcore" }), "now nightcore"),
        ("filter", json!({ "preset": "off" }), "as it is"),
        ("loop", json!({ "mode": "off" }), "Nothing is looped"),
        ("pause", json!({}), "Paused"),
        ("pause", json!({}), "already paused"),
        ("resume", json!({}), "Going on"),
        ("resume", json!({}), "not paused"),
        ("volume", json!({}), "100"),
        ("volume", json!({ "percent": 40 }), "40"),
        ("skip", json!({}), "second song"),
        ("previous", json!({}), "first song"),
        ("skip", json!({}), "second song"),
        ("stop", json!({}), "Stopped"),
        ("leave", json!({}), "Left"),
    ];
    for (command, options, expected) in steps {
        let said = control.say(&alice, command, options).await;
        assert!(said.contains(expected), "{command}: {said}");
    }
    let bob = control.user_in_voice("bob").await;
    let silence = control.hear(&bob, 0.5, "wav", None).await;
    assert_eq!(silence.stat("packets"), 0.0, "{}", silence.stats);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_file_is_played_and_a_text_file_is_refused_by_name() {
    let scene = Scene::new();
    let (song, _) = scene.song("mine.wav", 4.0);
    let upload = scene.path().join("upload.wav");
    std::fs::rename(song, &upload).unwrap();
    let text = scene.write("letter.mp3", b"Dear Alice, this is not a song.");
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let with = |path: &std::path::Path| {
        json!({
            "user_id": alice, "channel_id": control.text_channel(), "command": "play",
            "attachments": { "file": path },
        })
    };
    let refused = control.post("/commands", with(&text)).await;
    assert!(refused.to_string().contains("letter.mp3"), "{refused}");
    assert_eq!(refused["ephemeral"], true, "{refused}");
    let playing = control.post("/commands", with(&upload)).await;
    assert!(playing.to_string().contains("Now playing"), "{playing}");
    let heard = control.hear(&alice, 1.0, "wav", None).await;
    assert!(heard.stat("packets") > 30.0, "{}", heard.stats);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_is_offered_while_typing() {
    let scene = Scene::new();
    for name in ["blue moon.wav", "blue monday.wav", "red river.wav"] {
        scene.song(name, 1.0);
    }
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let body = json!({
        "user_id": alice, "channel_id": control.text_channel(), "command": "play",
        "options": { "query": "blu" }, "focused": "query",
    });
    let answer = control.post("/autocomplete", body).await;
    let names = answer["choices"].to_string();
    assert!(
        names.contains("blue moon") && names.contains("blue monday"),
        "{names}"
    );
    assert!(!names.contains("red river"), "{names}");
}

#[tokio::test(flavor = "multi_thread")]
async fn being_kicked_from_voice_is_noticed_and_play_brings_the_bot_back() {
    let scene = Scene::new();
    scene.song("song.wav", 20.0);
    let (program, control) = scene.run(MYNAH);
    let bot = program.ready_text("/bots/0/user_id").to_owned();
    let alice = control.user_in_voice("alice").await;
    let said = control
        .say(&alice, "play", json!({ "query": "song" }))
        .await;
    assert!(said.contains("Now playing"), "{said}");
    control.post("/voice/kick", json!({ "user_id": bot })).await;
    let mut noticed = false;
    for _ in 0..50 {
        let said = control.say(&alice, "nowplaying", json!({})).await;
        noticed = said.contains("Nothing is playing");
        if noticed {
            break;
        }
        // Listening for a moment is how time passes here.
        control.hear(&alice, 0.1, "wav", None).await;
    }
    assert!(noticed, "the kick went unnoticed");
    let said = control
        .say(&alice, "play", json!({ "query": "song" }))
        .await;
    assert!(said.contains("Now playing"), "{said}");
    let heard = control.hear(&alice, 1.0, "wav", None).await;
    assert!(heard.stat("packets") > 30.0, "{}", heard.stats);
}
