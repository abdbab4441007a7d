//! Before and while something is recorded.

use mynah_testkit::Used::{AtOnce, Elsewhere, Refused, Right, Wrong};
use mynah_testkit::{check, count, spoken};
use serde_json::json;

use crate::evening::Evening;

pub async fn nothing_runs(talk: &Evening) {
    let lines = r#"
        Refused ann start | manage the server
        Elsewhere boss start | Join a voice channel first
        Right boss start {"channel": "ID"} | I cannot join
        Wrong boss stop | Nothing is being recorded here
        Wrong boss pause | Nothing is being recorded here
        Wrong boss resume | Nothing is being recorded here
        Wrong boss note {"text": "x"} | Nothing is being recorded here
        Wrong boss status | Nothing is being recorded here
        Wrong ann optin | may be recorded again
        Right boss list | All evening
        Refused ann list | You have not recorded anything
    "#;
    talk.script(talk.control.text_channel(), "", lines).await;
    for id in ["../../etc", "nothing", ""] {
        let lines = r#"
            Wrong boss info {"id": "ID"} | no such recording
            Wrong boss export {"id": "ID"} | no such recording
            Wrong boss keep {"id": "ID"} | no such recording
            Wrong boss delete {"id": "ID", "confirm": true} | no such recording
        "#;
        talk.script(id, "", lines).await;
    }
}

/// Two want it at once; the id of what runs.
pub async fn it_begins(talk: &Evening) -> String {
    let here = json!({ "channel": talk.control.voice_channel(), "title": "Stand*up" });
    let said = talk.both(["boss", "scribe"], "start", here).await;
    assert_eq!(count(&said, "🔴 Recording <#"), 1, "{said:?}");
    let late = count(&said, "runs here already") + count(&said, "just being started");
    assert_eq!(late, 1, "{said:?}");
    talk.book.note("record start", Right);
    talk.running().await.0
}

/// The commands, meanwhile.
pub async fn it_runs(talk: &Evening, id: &str) {
    talk.hums("ann").await;
    let lines = r#"
        Wrong boss start | runs here already
        Right ann status | ann
        Elsewhere eve status | being recorded
        Right ann note {"text": "buy milk", "kind": "todo"} | 📌 0:0
        Wrong ann note {"text": "   "} | what is to be remembered
        Refused dan note {"text": "x"} | Only people in the recorded channel
        Elsewhere eve note {"text": "x"} | Only people in the recorded channel
        Elsewhere eve pause | Only people in the recorded channel
        Refused dan pause | Only people in the recorded channel
        Right ann pause | Paused by
        Wrong ann pause | paused already
        Refused ann resume | manage the server
        Elsewhere scribe resume | goes on with the recording
        Right boss resume | nothing to resume
        Wrong scribe resume | nothing to resume
        Refused ann stop | manage the server
        Wrong boss export {"id": "ID"} | still running; stop it first
        Wrong boss delete {"id": "ID", "confirm": true} | `/record stop` first
        Right boss keep {"id": "ID"} | kept whatever its age
        Right ann optout | will not be recorded
        Wrong ann optout | will not be recorded
        Wrong ann note {"text": "x"} | not recorded by your own wish
        Right ann optin | may be recorded again
        Elsewhere dan optout | will not be recorded
        Elsewhere dan optin | may be recorded again
    "#;
    talk.script(id, "", lines).await;
    for (who, command, once, other) in [
        (["ann", "bob"], "pause", "Paused by", "paused already"),
        (
            ["boss", "scribe"],
            "resume",
            "goes on with",
            "nothing to resume",
        ),
    ] {
        let said = talk.both(who, command, json!({})).await;
        let counts = (count(&said, once), count(&said, other));
        assert_eq!(counts, (1, 1), "{command}: {said:?}");
    }
    for (command, options, each) in [
        ("note", json!({ "text": "both" }), "📌"),
        ("status", json!({}), "being recorded"),
        ("optout", json!({}), "will not be recorded"),
        ("optin", json!({}), "may be recorded again"),
        ("list", json!({}), "have not recorded anything"),
    ] {
        let said = talk.both(["ann", "bob"], command, options).await;
        assert_eq!(count(&said, each), 2, "{command}: {said:?}");
    }
}

pub async fn the_panel(talk: &Evening) {
    let (_, panel) = talk.running().await;
    let lines = r#"
        Elsewhere eve [pause] | Only people in the recorded channel
        Refused dan [pause] | Only people in the recorded channel
        Right ann [pause] | Paused by
    "#;
    talk.script("", &panel, lines).await;
    talk.message(&[&panel, "recorder:resume"]).await;
    let lines = r#"
        Refused bob [resume] | manage the server
        Elsewhere scribe [resume] | goes on with the recording
        Refused ann [stop] | manage the server
    "#;
    talk.script("", &panel, lines).await;
    // The panel shows either of the two: whoever is later finds that there is nothing left to do.
    for (who, button, once, other) in [
        (["ann", "bob"], "pause", "Paused by", "paused already"),
        (
            ["boss", "scribe"],
            "resume",
            "goes on with",
            "nothing to resume",
        ),
    ] {
        let action = format!("recorder:{button}");
        talk.message(&[&panel, &action]).await;
        let said = talk.both_press(who, &panel, button).await;
        let late = count(&said, other) + count(&said, "404 ");
        assert_eq!((count(&said, once), late), (1, 1), "{button}: {said:?}");
        for how in [Right, Wrong] {
            talk.book.note(&action, how);
        }
    }
    let said = talk.both_press(["ann", "bob"], &panel, "optout").await;
    assert_eq!(count(&said, "will not be recorded"), 2, "{said:?}");
    let lines = r#"
        Right bob [optout] | will not be recorded
        Wrong bob [optout] | will not be recorded
        Elsewhere dan [optout] | will not be recorded
        Right bob optin | may be recorded again
        Right dan optin | may be recorded again
        Right ann optin | may be recorded again
    "#;
    talk.script("", &panel, lines).await;
    for (how, who, words, expected) in [
        (Right, "ann", "over the panel", "over the panel"),
        (Wrong, "ann", "  ", "what is to be remembered"),
        (Refused, "dan", "x", "Only people in the recorded channel"),
        (Elsewhere, "eve", "x", "Only people in the recorded channel"),
    ] {
        let answer = talk.notes(how, who, &panel, words).await;
        check(&answer, how, "the note's dialog", expected);
    }
    let (one, other) = tokio::join!(
        talk.notes(AtOnce, "ann", &panel, "ann's"),
        talk.notes(AtOnce, "bob", &panel, "bob's"),
    );
    let (one, other) = (spoken(&one), spoken(&other));
    assert!(
        one.contains("ann's") && other.contains("bob's"),
        "{one} {other}"
    );
}

pub async fn it_ends(talk: &Evening, id: &str) {
    let (_, panel) = talk.running().await;
    // Whoever may record ends it from wherever they are; of two one is enough.
    let (one, other) = tokio::join!(
        talk.asks(AtOnce, "boss", "stop", json!({})),
        talk.presses(AtOnce, "scribe", &panel, "stop"),
    );
    let said = [spoken(&one), spoken(&other)];
    let ended = count(&said, "⏹️ Recorded 0:");
    let late = count(&said, "just being ended") + count(&said, "Nothing is being recorded");
    assert!(ended >= 1 && ended + late == 2, "{said:?}");
    for how in [Right, Elsewhere] {
        talk.book.note("record stop", how);
        talk.book.note("recorder:stop", how);
    }
    talk.message(&[id, "The recording is over"]).await;
    let lines = r#"
        Wrong ann [pause] | 404
        Wrong ann [note] | 404
        Wrong ann [stop] | 404
        Wrong ann [optout] | 404
    "#;
    talk.script("", &panel, lines).await;
}
