//! What people and managers set.

use mynah_testkit::Used::{Refused, Right, Wrong};
use serde_json::json;

use super::Evening;

pub async fn all(evening: &Evening) {
    let none = json!({});
    let word = json!({ "word": "gg", "reading": "good game" });
    let server_word = json!({ "word": "afk", "reading": "away", "scope": "server" });
    evening
        .lines(&[
            (
                Wrong,
                "bob",
                "tts voice",
                json!({ "voice": "nobody at all" }),
                "no such voice",
            ),
            (
                Wrong,
                "bob",
                "tts voice",
                json!({ "engine": "piper" }),
                "not set up",
            ),
            (
                Right,
                "bob",
                "tts voice",
                json!({ "speed": 150 }),
                "speed 150 %",
            ),
            (
                Refused,
                "ann",
                "tts server-voice",
                json!({ "volume": 80 }),
                "may manage",
            ),
            (
                Wrong,
                "boss",
                "tts server-voice",
                json!({ "engine": "http" }),
                "not set up",
            ),
            (
                Right,
                "boss",
                "tts server-voice",
                json!({ "volume": 80 }),
                "volume 80 %",
            ),
            (Refused, "ann", "tts auto add", none.clone(), "may manage"),
            (
                Right,
                "boss",
                "tts auto add",
                none.clone(),
                "is read from now on",
            ),
            (
                Wrong,
                "boss",
                "tts auto add",
                none.clone(),
                "is read already",
            ),
            (Right, "ann", "tts auto list", none.clone(), "<#"),
            (
                Refused,
                "ann",
                "tts auto remove",
                none.clone(),
                "may manage",
            ),
            (
                Right,
                "boss",
                "tts auto remove",
                none.clone(),
                "not read any more",
            ),
            (
                Wrong,
                "boss",
                "tts auto remove",
                none.clone(),
                "is not read anyway",
            ),
            (
                Right,
                "boss",
                "tts auto add",
                none.clone(),
                "is read from now on",
            ),
            (
                Refused,
                "ann",
                "tts auto voice-chat",
                json!({ "on": false }),
                "may manage",
            ),
            (
                Right,
                "boss",
                "tts auto voice-chat",
                json!({ "on": false }),
                "",
            ),
            (
                Wrong,
                "bob",
                "tts dictionary list",
                none.clone(),
                "is empty",
            ),
            (
                Wrong,
                "bob",
                "tts dictionary add",
                json!({ "word": "a b", "reading": "x" }),
                "not one word",
            ),
            (Right, "bob", "tts dictionary add", word, "good game"),
            (
                Refused,
                "ann",
                "tts dictionary add",
                server_word.clone(),
                "may manage",
            ),
            (Right, "boss", "tts dictionary add", server_word, "away"),
            (
                Right,
                "bob",
                "tts dictionary list",
                none.clone(),
                "gg: good game",
            ),
            (
                Right,
                "ann",
                "tts dictionary list",
                json!({ "scope": "server" }),
                "afk: away",
            ),
            (
                Refused,
                "ann",
                "tts dictionary remove",
                json!({ "word": "afk", "scope": "server" }),
                "may manage",
            ),
            (
                Right,
                "boss",
                "tts dictionary remove",
                json!({ "word": "afk", "scope": "server" }),
                "as it is written",
            ),
            (
                Wrong,
                "bob",
                "tts dictionary remove",
                json!({ "word": "never" }),
                "not in the dictionary",
            ),
            (Right, "ann", "tts rules", none.clone(), "Longest text: 400"),
            (
                Refused,
                "ann",
                "tts rules",
                json!({ "links": "skip" }),
                "may manage",
            ),
            (
                Right,
                "boss",
                "tts rules",
                json!({ "links": "host", "max-length": 100 }),
                "Longest text: 100",
            ),
            (
                Right,
                "bob",
                "tts optout",
                none.clone(),
                "not read your messages",
            ),
            (Right, "bob", "tts optin", none.clone(), "again"),
        ])
        .await;
}
