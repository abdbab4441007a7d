//! The card and its buttons, playlists, DJs, and what a restart leaves of all that.

use mynah_plugin::Saved;
use mynah_plugin::testing::{Answer, Request, Stage};
use serde_json::{Value, json};

use super::{rest, stage, stage_from, track};

/// Somebody presses a button of the card, which is message 1.
fn press(stage: &mut Stage, action: &str) -> Vec<(String, Value)> {
    stage.requests();
    stage.event(
        "INTERACTION_CREATE",
        &json!({
            "id": "50", "token": "t", "application_id": "9", "type": 3, "guild_id": "1", "channel_id": "3",
            "message": { "id": "1" }, "member": { "user": { "id": "5", "username": "ann" }, "permissions": "0" },
            "data": { "custom_id": format!("music:{action}"), "component_type": 2 },
        }),
    );
    rest(stage)
}

fn playing() -> Stage {
    let (mut stage, _) = stage();
    stage.command("play", json!({ "query": "beta" }));
    track(&mut stage, 1, "started");
    stage.command("play", json!({ "query": "alpha" }));
    stage.requests();
    stage
}

fn labels(body: &Value) -> String {
    let rows = body["components"].as_array().unwrap().iter();
    let buttons = rows.flat_map(|row| row["components"].as_array().unwrap().clone());
    let labels = buttons.map(|button| button["label"].as_str().unwrap().to_owned());
    labels.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_card_has_buttons_and_is_changed_when_something_changes() {
    let mut stage = playing();
    stage.command("nowplaying", json!({}));
    let seen = rest(&mut stage);
    let posted = &seen[0].1["data"];
    let text = posted["content"].as_str().unwrap();
    assert!(
        text.contains("**Bee – Beta**") && text.contains("0:30 of 1:01"),
        "{text}"
    );
    assert!(text.ends_with("Next: **alpha**"), "{text}");
    assert_eq!(
        labels(posted),
        "Back Pause Skip Stop Queue Quieter Louder Loop: off Shuffle"
    );
    // A command changes the card, without a word from anybody.
    stage.command("pause", json!({}));
    let seen = rest(&mut stage);
    let (what, edit) = seen
        .iter()
        .find(|(what, _)| what.starts_with("PATCH"))
        .unwrap();
    assert_eq!(what, "PATCH 1");
    assert!(
        edit["content"].as_str().unwrap().starts_with("Paused:"),
        "{edit}"
    );
    assert!(labels(edit).contains("Play"));
    // A button changes the very message it sits on.
    let seen = press(&mut stage, "toggle");
    assert_eq!(seen[0].0, "POST callback7");
    assert!(
        seen[0].1["data"]["content"]
            .as_str()
            .unwrap()
            .starts_with("Playing")
    );
    let seen = press(&mut stage, "louder");
    assert!(
        seen[0].1["data"]["content"]
            .as_str()
            .unwrap()
            .contains("110 %"),
        "{seen:?}"
    );
    assert!(press(&mut stage, "quieter")[0].0 == "POST callback7");
    let seen = press(&mut stage, "repeat");
    assert!(labels(&seen[0].1["data"]).contains("Loop: track"));
    let seen = press(&mut stage, "shuffle");
    assert_eq!(seen[0].0, "POST callback7");
    // What is for one pair of eyes stays that.
    for action in ["queue", "dance"] {
        let seen = press(&mut stage, action);
        assert_eq!(seen[0].0, "POST callback4", "{action}");
        assert_eq!(seen[0].1["data"]["flags"], 64, "{action}");
    }
    let seen = press(&mut stage, "stop");
    assert!(
        seen[0].1["data"]["content"]
            .as_str()
            .unwrap()
            .contains("Nothing is playing"),
        "{seen:?}"
    );
    // Twice in a second is too often: the other change waits for its time.
    stage.command("queue clear", json!({}));
    let requests = stage.requests();
    let is_edit = |request: &Request| request.args["method"] == "PATCH";
    assert!(!requests.iter().any(is_edit), "{requests:?}");
    let mut timers = requests
        .iter()
        .filter(|request| request.args["ms"] == 1_250);
    let timer = timers.next().unwrap_or_else(|| panic!("{requests:?}"));
    stage.set_now_us(1_250_000);
    stage.answer(timer.op, Ok(json!(null)));
    let seen = rest(&mut stage);
    let edit = seen.iter().find(|(what, _)| what == "PATCH 1");
    assert!(edit.is_some(), "{seen:?}");
    assert_eq!(
        edit.unwrap().1["components"],
        json!([]),
        "an empty card has no buttons"
    );
}

#[test]
fn a_restart_goes_on_where_it_was_and_the_old_card_works() {
    let mut stage = playing();
    stage.command("nowplaying", json!({}));
    stage.command("volume", json!({ "percent": 50 }));
    stage.command("loop", json!({ "mode": "queue" }));
    stage.command("pause", json!({}));
    let saved = stage.save().unwrap();
    drop(stage);
    let (mut stage, host) = stage_from(&saved);
    // Somebody is there; the stage's host says so only when it is asked again.
    let _ = host;
    let back =
        crate::plugin::tests::requests_of(&saved, json!({ "user_ids": ["5"], "bot_id": "9" }), 0);
    let play = back
        .iter()
        .find(|request| request.kind == "voice.play")
        .unwrap();
    assert_eq!(play.args["paused"], true);
    assert_eq!(play.args["gain"], 0.5);
    let join = back
        .iter()
        .find(|request| request.kind == "voice.join")
        .unwrap();
    assert_eq!(join.args["channel_id"], "20");
    let alone =
        crate::plugin::tests::requests_of(&saved, json!({ "user_ids": ["9"], "bot_id": "9" }), 0);
    assert!(alone.iter().all(|request| request.kind != "voice.play"));
    let seen = press(&mut stage, "repeat");
    assert!(labels(&seen[0].1["data"]).contains("Loop: off"), "{seen:?}");
}

#[test]
fn lists_are_kept_played_shown_and_deleted_by_who_may() {
    let mut stage = playing();
    stage.command("playlist list", json!({}));
    assert!(stage.said()[0].contains("keeps no lists yet"));
    stage.command("playlist play", json!({ "name": "Party" }));
    assert!(stage.said()[0].contains("no list called “Party”"));
    stage.command("playlist save", json!({ "name": " Party " }));
    assert!(stage.said()[0].contains("Saved **Party** with 2 tracks"));
    assert_eq!(stage.kept().len(), 1);
    for (command, what) in [
        ("list", "**Party** · 2 tracks"),
        ("show", "1. **Bee – Beta**"),
    ] {
        stage.command(&format!("playlist {command}"), json!({ "name": "PARTY" }));
        let said = stage.said();
        assert!(said[0].contains(what), "{said:?}");
    }
    stage.autocomplete("playlist play", json!({ "name": "par" }), "name");
    assert_eq!(
        rest(&mut stage)[0].1["data"]["choices"][0]["value"],
        "Party"
    );
    stage.command("playlist play", json!({ "name": "party" }));
    assert_eq!(stage.said()[0], "Added 2 tracks of **Party**.");
    // Another person's list is theirs.
    let mut list = stage.kept()["playlist/1/party"].clone();
    list["by"] = json!("6");
    stage.keep("playlist/1/party", list);
    for command in ["save", "delete"] {
        stage.command(&format!("playlist {command}"), json!({ "name": "party" }));
        assert!(stage.said()[0].contains("a list of <@6>"), "{command}");
    }
    stage.keep(
        "playlist/1/mine",
        json!({ "name": "mine", "by": "5", "items": [] }),
    );
    stage.command("playlist delete", json!({ "name": "mine" }));
    assert!(stage.said()[0].contains("is gone"));
    assert_eq!(stage.kept().len(), 1);
    stage.command("history", json!({}));
    assert!(stage.said()[0].contains("Nothing has been played here yet"));
}

#[test]
fn a_state_of_an_older_version_is_read() {
    let old = Saved::bytes(*br#"{"servers":[{"guild":"1","volume":30,"waiting":[]}]}"#);
    let (mut stage, _) = stage_from(&old);
    stage.command("volume", json!({}));
    assert!(stage.said()[0].contains("30 %"));
}

/// The channel of the bot has these people, and somebody comes, goes or mutes.
fn people(stage: &mut Stage, now_s: u64, users: &[&str]) -> Vec<String> {
    stage.set_now_us(now_s * 1_000_000);
    stage.event("VOICE_STATE_UPDATE", &json!({ "guild_id": "1" }));
    let mut wanted = Vec::new();
    let mut look = stage.requests();
    while let Some(request) = look.pop() {
        if request.kind == "voice.people" {
            let people = json!({ "user_ids": users, "bot_id": "9" });
            stage.answer(request.op, Ok(people));
        } else if request.kind.starts_with("track.") {
            wanted.push(request.kind);
        }
        look.extend(stage.requests());
    }
    wanted
}

#[test]
fn an_empty_channel_is_noticed_and_so_is_the_first_one_who_comes() {
    let (mut stage, host) = stage();
    stage.command("play", json!({ "query": "beta" }));
    track(&mut stage, 1, "started");
    host.borrow_mut().hold = &["voice.people"];
    let nothing: [&str; 0] = [];
    assert_eq!(people(&mut stage, 100, &["5", "9"]), nothing);
    assert_eq!(people(&mut stage, 200, &["9"]), nothing);
    assert_eq!(people(&mut stage, 229, &["9"]), nothing);
    assert_eq!(people(&mut stage, 230, &["9"]), ["track.pause"]);
    assert_eq!(people(&mut stage, 900, &["9"]), nothing);
    assert_eq!(people(&mut stage, 901, &["5", "9"]), ["track.resume"]);
}

#[test]
fn a_card_is_changed_by_one_at_a_time_and_whoever_presses_meanwhile_is_answered_after() {
    let mut stage = playing();
    stage.command("nowplaying", json!({}));
    stage.requests();
    // The change that a command brings about is on its way …
    stage.script(|request| match request.kind.as_str() {
        "rest" if request.args["method"] == "PATCH" => Answer::Later,
        "voice.state" => Answer::Done(json!({ "channel_id": "20", "bot_channel_id": "20" })),
        "timer" => Answer::Later,
        _ => Answer::Done(json!(null)),
    });
    stage.command("pause", json!({}));
    let requests = stage.requests();
    let is_edit = |request: &&Request| request.args["method"] == "PATCH";
    let edit = requests.iter().find(is_edit).unwrap().op;
    // … and so the press is only acknowledged, though it has its effect.
    let seen = press(&mut stage, "resume");
    assert_eq!(
        seen.iter()
            .map(|(what, _)| what.as_str())
            .collect::<Vec<_>>(),
        ["POST callback6"]
    );
    let message = json!({ "id": "1", "channel_id": "3" });
    stage.answer(edit, Ok(message));
    let seen = rest(&mut stage);
    assert_eq!(seen[0].0, "PATCH @original");
    let text = seen[0].1["content"].as_str().unwrap();
    assert!(text.starts_with("Playing"), "{text}");
    assert_eq!(seen.len(), 1);
}
