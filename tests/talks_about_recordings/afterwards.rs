//! What was recorded, its exports, and after a kill.

use mynah_testkit::Used::{AtOnce, Elsewhere, Refused, Restarted, Right, Wrong};
use mynah_testkit::{check, count, spoken, text};
use serde_json::{Value, json};

use crate::evening::Evening;

pub async fn what_was_recorded(talk: &Evening, id: &str) {
    // What was kept while it ran is kept when it is over.
    let lines = r#"
        Right boss list | · kept
        Elsewhere scribe list | Stand\*up
        Right boss info {"id": "ID"} | 📌 0:0
        Elsewhere scribe info {"id": "ID"} | ann
        Refused ann info {"id": "ID"} | somebody else's
        Refused ann export {"id": "ID"} | somebody else's
        Refused ann keep {"id": "ID"} | somebody else's
        Refused ann delete {"id": "ID", "confirm": true} | somebody else's
        Wrong boss export {"id": "ID", "from": "soon"} | 1:02:03
        Wrong boss export {"id": "ID", "from": "9:00:00"} | nothing in it
        Wrong boss export {"id": "ID", "tracks": "nobody"} | nobody called `nobody`
        Wrong boss export {"id": "ID", "chapter": "never said"} | no chapter
        Wrong boss export {"id": "ID", "format": "opus", "mix": true} | choose flac
        Right boss export {"id": "ID", "format": "wav", "tracks": "ann"} | Here it is
        Right boss export {"id": "ID", "format": "opus"} | Here it is
        Elsewhere scribe export {"id": "ID", "chapter": "buy milk"} | Here it is
        Elsewhere scribe keep {"id": "ID"} | goes with age again
        Wrong boss delete {"id": "ID", "confirm": false} | Nothing was deleted
    "#;
    talk.script(id, "", lines).await;
    let offered = json!({
        "user_id": talk.id("boss"), "channel_id": talk.control.text_channel(),
        "command": "record export", "options": { "id": id, "chapter": "milk" },
        "focused": "chapter",
    });
    let offered = talk.control.post("/autocomplete", offered).await;
    assert_eq!(offered["choices"].as_array().unwrap().len(), 1, "{offered}");
    let both = ["boss", "scribe"];
    for (command, words) in [("info", "buy milk"), ("export", "Here it is")] {
        let said = talk.both(both, command, json!({ "id": id })).await;
        assert_eq!(count(&said, words), 2, "{command}: {said:?}");
    }
    // The same twice takes it back.
    let said = talk.both(both, "keep", json!({ "id": id })).await;
    let counts = (count(&said, "kept whatever"), count(&said, "goes with age"));
    assert_eq!(counts, (1, 1), "{said:?}");
    let sure = json!({ "id": id, "confirm": true });
    let said = talk.both(both, "delete", sure).await;
    let counts = (count(&said, "is gone"), count(&said, "no such"));
    assert_eq!(counts, (1, 1), "{said:?}");
    for how in [Right, Elsewhere] {
        talk.book.note("record delete", how);
    }
}

/// An export that takes a while: the message, the button's action, the answer as it is now.
async fn begun(talk: &Evening, who: &str) -> (String, String, Value) {
    let wav = json!({ "id": "long", "format": "wav" });
    let answer = talk
        .control
        .command(talk.id(who), "record export", wav)
        .await;
    let button = &answer["response"]["components"][0]["components"][0]["custom_id"];
    let action = button.as_str().and_then(|id| id.strip_prefix("recorder:"));
    let action = action
        .unwrap_or_else(|| panic!("no button: {answer}"))
        .to_owned();
    (text(&answer["response"], "id"), action, answer)
}

pub async fn an_export_is_called_off(talk: &Evening) {
    let ((one, call_one, first), (other, call_other, second)) =
        tokio::join!(begun(talk, "boss"), begun(talk, "scribe"));
    // Nobody but who asked sees it, and so nobody else presses it.
    for (how, who) in [(Refused, "scribe"), (Elsewhere, "ann")] {
        let foreign = talk.presses(how, who, &one, &call_one).await;
        check(&foreign, how, "calloff", "404 ");
    }
    tokio::join!(
        talk.presses(AtOnce, "boss", &one, &call_one),
        talk.presses(AtOnce, "scribe", &other, &call_other),
    );
    for (who, answer) in [("boss", first), ("scribe", second)] {
        let answer = talk.filled(who, answer).await;
        check(&answer, Right, "calloff", "was called off");
    }
    talk.book.note("recorder:calloff", Right);
    let over = talk.presses(Wrong, "boss", &one, &call_one).await;
    check(&over, Wrong, "calloff", "404 ");
}

/// A button that outlives its export is answered, and nothing of the export is left once another one is
/// made.
async fn an_export_was_cut_off(talk: &Evening, message: &str, button: &str) {
    let late = talk.presses(Restarted, "boss", message, button).await;
    check(&late, Wrong, "calloff", "That export is over");
    let short = json!({ "id": "long", "format": "wav", "to": "1s" });
    let made = talk.asks(Restarted, "boss", "export", short).await;
    check(&made, Restarted, "export", "Here it is");
    let folder = talk.bot.scene.path().join("data/recordings");
    let folder = folder.join(talk.control.guild_id()).join("long/exports");
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

pub async fn after_a_kill(talk: &mut Evening) {
    let here = json!({ "channel": talk.control.voice_channel() });
    let started = talk.asks(Restarted, "scribe", "start", here).await;
    check(&started, Restarted, "start", "🔴 Recording <#");
    let (before, old_panel) = talk.running().await;
    talk.hums("bob").await;
    talk.asks(Right, "ann", "optout", json!({})).await;
    let (export, button, _) = begun(talk, "boss").await;
    talk.bot.start();
    an_export_was_cut_off(talk, &export, &button).await;
    talk.message(&["was cut off when I stopped", &before]).await;
    talk.message(&["goes on in a new part"]).await;
    let (now, panel) = talk.running().await;
    assert_ne!(before, now);
    let lines = r#"
        Restarted bob status | bob
        Restarted bob note {"text": "again"} | 📌 0:
        Restarted ann note {"text": "mine"} | by your own wish
        Restarted ann optin | may be recorded again
        Restarted ann optout | will not be recorded
        Right ann optin | may be recorded again
        Restarted bob pause | Paused by
        Restarted boss resume | goes on with
        Restarted boss list | All evening
        Restarted boss info {"id": "ID"} | goes on in
        Restarted boss keep {"id": "ID"} | kept whatever its age
        Restarted boss export {"id": "ID"} | Here it is
        Restarted scribe delete {"id": "ID", "confirm": true} | is gone
    "#;
    talk.script(&before, "", lines).await;
    talk.message(&[&panel, "recorder:pause"]).await;
    talk.script("", &panel, "Restarted bob [pause] | Paused by")
        .await;
    talk.message(&[&panel, "recorder:resume"]).await;
    let lines = r#"
        Restarted boss [resume] | goes on with
        Restarted ann [optout] | will not be recorded
    "#;
    talk.script("", &panel, lines).await;
    let (_, _, answer) = begun(talk, "boss").await;
    let all = r#"Restarted boss delete {"id": "long", "confirm": true} | is gone"#;
    talk.script("", "", all).await;
    let said = spoken(&talk.filled("boss", answer).await);
    let over = said.contains("called off") || said.contains("There is no file");
    assert!(over, "an export of what is gone: {said}");
    let said = talk.notes(Restarted, "bob", &panel, "after all that").await;
    assert!(spoken(&said).contains("after all that"), "{said}");
    // The panel from before has nothing left to press: its recording is over.
    talk.message(&[&old_panel, "The recording is over", &before])
        .await;
    talk.script("", &old_panel, "Wrong scribe [stop] | 404")
        .await;
    let lines = r#"
        Restarted scribe [stop] | ⏹️ Recorded 0:
        Restarted boss stop | Nothing is being recorded
    "#;
    talk.script("", &panel, lines).await;
}
