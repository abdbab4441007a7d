//! Two people at once.

use mynah_testkit::Used::{AtOnce, Right};
use mynah_testkit::spoken;
use serde_json::{Value, json};

use super::Evening;

/// Two people at once: who depends on the other is told, everybody else gets what was asked for.
pub async fn all(evening: &Evening) {
    let none = json!({});
    let same = |options: Value| [("ann", options.clone()), ("bob", options)];
    let bosses = |options: Value| [("boss", options.clone()), ("boss", options)];
    let said = evening.both(same(none.clone()), "tts join").await;
    evening.expect_both("tts join", &said, "I am ", 2);
    let text = json!({ "text": "both of us" });
    let said = evening.both(same(text), "say").await;
    // One is said after the other, if it comes a moment later.
    evening.expect_both("say", &said, "Not now", 0);
    let message = evening.writes("ann", "twice").await;
    let body = || json!({ "target_id": message });
    let (one, other) = tokio::join!(
        evening.talk.uses(AtOnce, "ann", "Speak", body()),
        evening.talk.uses(AtOnce, "bob", "Speak", body()),
    );
    let said = [spoken(&one), spoken(&other)];
    evening.expect_both("Speak", &said, "Not now", 0);
    evening.uses(Right, "boss", "tts clear", &none).await;
    for (command, options, words, times) in [
        ("tts skip", none.clone(), "Nothing is being read", 2),
        ("tts voice", json!({ "speed": 150 }), "speed 150 %", 2),
        ("tts auto list", none.clone(), "<#", 2),
        (
            "tts dictionary add",
            json!({ "word": "gg", "reading": "good game" }),
            "good game",
            2,
        ),
        ("tts dictionary list", none.clone(), "gg: good game", 2),
        ("tts rules", none.clone(), "Longest text: 100", 2),
        ("tts optin", none.clone(), "again", 2),
        ("tts optout", none.clone(), "not read", 2),
    ] {
        let said = evening.both(same(options), command).await;
        evening.expect_both(command, &said, words, times);
    }
    for (command, options, words, times) in [
        ("tts clear", none.clone(), "Nothing is being read", 2),
        (
            "tts server-voice",
            json!({ "volume": 80 }),
            "volume 80 %",
            2,
        ),
        // One of them takes it off the list, the other finds it gone; and the same way back.
        ("tts auto remove", none.clone(), "not read any more", 1),
        ("tts auto add", none.clone(), "from now on", 1),
        (
            "tts auto voice-chat",
            json!({ "on": false }),
            "my voice channel: no",
            2,
        ),
    ] {
        let said = evening.both(bosses(options), command).await;
        evening.expect_both(command, &said, words, times);
    }
    let word = json!({ "word": "brb", "reading": "back soon", "scope": "server" });
    evening
        .uses(Right, "boss", "tts dictionary add", &word)
        .await;
    let gone = json!({ "word": "brb", "scope": "server" });
    let said = evening.both(bosses(gone), "tts dictionary remove").await;
    evening.expect_both("tts dictionary remove", &said, "as it is written", 1);
    let said = evening.both(same(none), "tts leave").await;
    evening.expect_both("tts leave", &said, "decide", 0);
}
