//! Two people give the same command at the same moment.

use mynah_testkit::Used::{AtOnce, Right};
use mynah_testkit::spoken;
use serde_json::{Value, json};

use crate::talk::{Talk, count};

/// Those who decide.
pub const DECIDE: [&str; 2] = ["dj", "boss"];

/// Exactly one gets the first words, and the other one of the rest.
async fn one_wins(talk: &Talk, who: [&str; 2], command: &str, options: Value, words: &[&str]) {
    let said = talk.both(who, command, options).await;
    judge(command, &said, words);
}

/// Exactly one of the two reads the first words, and the other one of the rest.
pub fn judge(what: &str, said: &[String; 2], words: &[&str]) {
    assert_eq!(count(said, words[0]), 1, "{what}: {said:?}");
    let late = words[1..].iter().map(|words| count(said, words));
    assert_eq!(late.sum::<usize>(), 1, "{what}: {said:?}");
}

pub async fn commands(talk: &Talk) {
    let (one, other) = tokio::join!(
        talk.asks(AtOnce, "ann", "play", json!({ "query": "alpha" })),
        talk.asks(AtOnce, "bob", "play", json!({ "query": "bravo" })),
    );
    let said = [spoken(&one), spoken(&other)];
    judge("play", &said, &["Now playing", "Added"]);
    let lines = r#"
        Right dj play {"query": "charlie"} | 2nd in the queue
        Right dj play {"query": "delta"} | 3rd in the queue
    "#;
    talk.script("", lines).await;
    let none = json!({});
    let track = json!({ "mode": "track" });
    let off = json!({ "mode": "off" });
    for (command, options, words) in [
        ("pause", &none, ["Paused", "already paused"]),
        ("resume", &none, ["Going on", "is playing already"]),
        ("loop", &track, ["again and again", "The track is looped."]),
        (
            "loop",
            &off,
            ["Nothing is looped any more", "Nothing is looped."],
        ),
    ] {
        one_wins(talk, DECIDE, command, options.clone(), &words).await;
    }
    for (command, options, each) in [
        ("volume", json!({ "percent": 60 }), "now 60 %"),
        ("filter", json!({ "speed": 1.5 }), "speed 1.5"),
        ("filter", json!({ "preset": "off" }), "as it is"),
        ("seek", json!({ "to": "1:00" }), "goes on at 1:0"),
        ("replay", none.clone(), "goes on at 0:0"),
        ("queue move", json!({ "from": 1, "to": 2 }), "is 2nd"),
        ("queue shuffle", none.clone(), "Shuffled 3 tracks"),
        ("queue show", none.clone(), "3 tracks"),
        ("nowplaying", none.clone(), "Playing **"),
        ("history", none.clone(), "goes back by one"),
    ] {
        let said = talk.both(DECIDE, command, options).await;
        assert_eq!(count(&said, each), 2, "{command}: {said:?}");
    }
    lists(talk).await;
    // Whoever comes later finds it done, or, once the first has been answered, does it again.
    let said = talk.both(DECIDE, "skip", none.clone()).await;
    let done = count(&said, "Skipped");
    let late = count(&said, "has just been changed");
    assert!(done >= 1 && done + late == 2, "{said:?}");
    let said = talk.both(DECIDE, "previous", none.clone()).await;
    let done = count(&said, "Now playing");
    let late = count(&said, "has just been changed");
    assert!(done >= 1 && done + late == 2, "{said:?}");
    ends(talk).await;
}

async fn lists(talk: &Talk) {
    let ours = json!({ "name": "ours" });
    let said = talk
        .both(["ann", "bob"], "playlist save", ours.clone())
        .await;
    judge("save", &said, &["Saved", "is a list of", "just changing"]);
    for (command, each) in [
        ("playlist list", "**ours**"),
        ("playlist show", "4 tracks"),
        ("playlist play", "Added 4 tracks"),
    ] {
        let options = match command {
            "playlist list" => json!({}),
            _ => ours.clone(),
        };
        let said = talk.both(DECIDE, command, options).await;
        assert_eq!(count(&said, each), 2, "{command}: {said:?}");
    }
    let said = talk.both(DECIDE, "playlist delete", ours).await;
    judge("delete", &said, &["is gone", "no list", "just changing"]);
}

async fn ends(talk: &Talk) {
    let none = json!({});
    let waits = json!({ "query": "delta" });
    one_wins(
        talk,
        DECIDE,
        "queue clear",
        none.clone(),
        &["Took", "Nothing waits"],
    )
    .await;
    talk.asks(Right, "dj", "play", waits.clone()).await;
    let first = json!({ "place": 1 });
    one_wins(
        talk,
        DECIDE,
        "queue remove",
        first,
        &["Took **delta**", "Nothing waits"],
    )
    .await;
    for (command, words) in [
        ("stop", ["Stopped", "Nothing is playing"]),
        ("leave", ["Left", "not in a voice channel"]),
    ] {
        one_wins(talk, DECIDE, command, none.clone(), &words).await;
    }
}
