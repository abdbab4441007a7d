//! Conversations about speech, through the real program and the control API: every command and menu
//! entry, right, wrong, by somebody who may not, from elsewhere, by two at once, after a kill. What is
//! registered and was not tried fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mynah_testkit::Used::{AtOnce, Elsewhere, Refused, Restarted, Right, Wrong};
use mynah_testkit::{Bot, Control, Excuse, Program, Scene, Talk, Used, count, spoken, text};
use serde_json::{Value, json};
use std::sync::Mutex;

mod at_once;
mod settings;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");

/// Uses that there cannot be, and why.
const EXCUSES: &[Excuse<'_>] = &[
    (
        &[
            "say",
            "Speak",
            "tts join",
            "tts voice",
            "tts optout",
            "tts optin",
            "tts auto list",
            "tts dictionary list",
        ],
        &[Refused],
        "everybody may",
    ),
    (
        &[
            "tts optout",
            "tts optin",
            "tts auto list",
            "tts auto voice-chat",
            "tts join",
            "tts rules",
        ],
        &[Wrong],
        "there is nothing to get wrong",
    ),
    (
        &[
            "tts voice",
            "tts server-voice",
            "tts auto add",
            "tts auto remove",
            "tts auto list",
            "tts auto voice-chat",
            "tts dictionary add",
            "tts dictionary remove",
            "tts dictionary list",
            "tts optout",
            "tts optin",
            "tts rules",
        ],
        &[Elsewhere],
        "a setting does not depend on where one is",
    ),
];

/// One line: how, who, command, options, and what the answer says.
type Line<'a> = (Used, &'a str, &'a str, Value, &'a str);

struct Evening {
    talk: Talk,
    bot: Bot,
    _server: Program,
    /// Answers that were not as expected: all of them are shown at the end.
    wrong: Mutex<Vec<String>>,
}

impl Evening {
    async fn new(home: &Scene) -> Self {
        let server = Bot::server(MYNAH, home);
        let control = Control::of(&server);
        let settings = "[plugins.music]\nenabled = false\n[plugins.recorder]\nenabled = false\n\
             [plugins.soundboard]\nenabled = false\n\
             [plugins.tts]\nengine = \"espeak\"\nfallback = []\nsay_name = \"never\"\n";
        let mut bot = Bot::beside(&server, MYNAH, settings);
        let state = control.get("/state").await;
        // `boss` manages the server; `ann` and `bob` sit where the bot speaks, `eve` in another voice
        // channel, `dan` in none.
        let people = vec![
            ("boss", text(&state["guilds"][0], "owner_id")),
            ("ann", control.user_in_voice("ann").await),
            ("bob", control.user_in_voice("bob").await),
            ("eve", control.user("eve").await),
            ("dan", control.user("dan").await),
        ];
        let eve = people[3].1.clone();
        control
            .join(&eve, server.ready_text("/voice_channel_ids/1"))
            .await;
        bot.start();
        Self {
            talk: Talk::of(control, people, "tts", "tts:"),
            bot,
            _server: server,
            wrong: Mutex::default(),
        }
    }

    async fn lines(&self, lines: &[Line<'_>]) {
        for (how, who, command, options, expected) in lines {
            let answer = self.uses(*how, who, command, options).await;
            self.expect(
                &answer,
                *how,
                &format!("{who}: {command} {options}"),
                expected,
            );
        }
    }

    fn expect(&self, answer: &Value, how: Used, asked: &str, expected: &str) {
        let said = spoken(answer);
        let for_one = !matches!(how, Wrong | Refused) || answer["ephemeral"] == true;
        if !said.contains(expected) || !for_one {
            let line = format!("{how:?} {asked}: {said} (expected: {expected})");
            self.wrong.lock().unwrap().push(line);
        }
    }

    /// So many of two answers say this.
    fn expect_both(&self, command: &str, said: &[String; 2], words: &str, times: usize) {
        if count(said, words) != times {
            let line = format!("AtOnce {command}: {said:?} (expected {times} times: {words})");
            self.wrong.lock().unwrap().push(line);
        }
    }

    async fn uses(&self, how: Used, who: &str, command: &str, options: &Value) -> Value {
        let body = json!({ "options": options });
        self.talk.uses(how, who, command, body).await
    }

    /// "Speak" in the menu of a message.
    async fn speak(&self, how: Used, who: &str, message: &str, expected: &str) {
        let body = json!({ "target_id": message });
        let answer = self.talk.uses(how, who, "Speak", body).await;
        self.expect(&answer, how, &format!("{who}: Speak"), expected);
    }

    async fn writes(&self, who: &str, content: &str) -> String {
        let control = &self.talk.control;
        let body = json!({
            "user_id": self.talk.id(who), "channel_id": control.text_channel(), "content": content,
        });
        text(&control.post("/messages", body).await, "message_id")
    }

    /// Two people at once; what they read.
    async fn both(&self, [one, other]: [(&str, Value); 2], command: &str) -> [String; 2] {
        let (one, other) = tokio::join!(
            self.uses(AtOnce, one.0, command, &one.1),
            self.uses(AtOnce, other.0, command, &other.1),
        );
        [spoken(&one), spoken(&other)]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_in_every_way() {
    let home = Scene::new();
    let mut evening = Evening::new(&home).await;
    let none = json!({});
    // Before the bot is anywhere.
    evening
        .lines(&[
            (
                Elsewhere,
                "dan",
                "say",
                json!({ "text": "hi" }),
                "Join a voice channel",
            ),
            (
                Elsewhere,
                "dan",
                "tts join",
                none.clone(),
                "Join a voice channel",
            ),
            (
                Wrong,
                "ann",
                "say",
                json!({ "text": "\u{200b}" }),
                "nothing in it",
            ),
            (
                Wrong,
                "ann",
                "say",
                json!({ "text": "a", "voice": "nobody" }),
                "no such voice",
            ),
            (
                Wrong,
                "ann",
                "tts leave",
                none.clone(),
                "in no voice channel",
            ),
            (
                Wrong,
                "ann",
                "tts skip",
                none.clone(),
                "Nothing is being read",
            ),
            (
                Wrong,
                "boss",
                "tts clear",
                none.clone(),
                "Nothing is being read",
            ),
            (Refused, "ann", "tts clear", none.clone(), "may manage"),
            (Right, "ann", "tts join", none.clone(), "I am in"),
        ])
        .await;
    commands_of_a_room(&evening).await;
    settings::all(&evening).await;
    at_once::all(&evening).await;

    evening.bot.start();
    evening
        .lines(&[
            (Restarted, "ann", "tts join", none.clone(), "I am in"),
            (Restarted, "ann", "say", json!({ "text": "again" }), "Said"),
            (Restarted, "ann", "tts skip", none.clone(), "Skipped"),
            (
                Restarted,
                "boss",
                "tts clear",
                none.clone(),
                "Nothing is being read",
            ),
            (Restarted, "bob", "tts voice", none.clone(), "speed 150 %"),
            (
                Restarted,
                "boss",
                "tts server-voice",
                none.clone(),
                "volume 80 %",
            ),
            (
                Restarted,
                "boss",
                "tts auto add",
                none.clone(),
                "is read already",
            ),
            (Restarted, "ann", "tts auto list", none.clone(), "<#"),
            (
                Restarted,
                "boss",
                "tts auto remove",
                none.clone(),
                "not read any more",
            ),
            (
                Restarted,
                "boss",
                "tts auto voice-chat",
                json!({ "on": true }),
                "voice channel",
            ),
            (
                Restarted,
                "bob",
                "tts dictionary list",
                none.clone(),
                "gg: good game",
            ),
            (
                Restarted,
                "bob",
                "tts dictionary remove",
                json!({ "word": "gg" }),
                "as it is written",
            ),
            (
                Restarted,
                "bob",
                "tts dictionary add",
                json!({ "word": "gg", "reading": "giga" }),
                "giga",
            ),
            (
                Restarted,
                "ann",
                "tts rules",
                none.clone(),
                "Longest text: 100",
            ),
            (Restarted, "bob", "tts optin", none.clone(), "again"),
            (Restarted, "bob", "tts optout", none.clone(), "not read"),
        ])
        .await;
    let message = evening.writes("bob", "hello there").await;
    evening
        .speak(Restarted, "ann", &message, "does not want it")
        .await;
    evening
        .lines(&[(Restarted, "ann", "tts leave", none, "I have left")])
        .await;
    let control = &evening.talk.control;
    let but = ["help", "voice", "bot"];
    let registered = control.registered(evening.talk.id("ann"), &but).await;
    evening.bot.end();
    let wrong = evening.wrong.lock().unwrap().join("\n");
    assert!(wrong.is_empty(), "{wrong}");

    assert!(registered.len() >= 16, "{registered:?}");
    let gaps = evening.talk.book.gaps(&registered, EXCUSES);
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}

/// What concerns the moment: who is where decides.
async fn commands_of_a_room(evening: &Evening) {
    let none = json!({});
    let long = "one two three four five six seven eight nine ten ".repeat(4);
    let message = evening.writes("bob", "a word from bob").await;
    let spoiler = evening.writes("bob", "\u{200b}").await;
    evening.speak(Right, "ann", &message, "Said").await;
    evening.speak(Wrong, "ann", &spoiler, "nothing in it").await;
    evening
        .speak(Elsewhere, "eve", &message, "I am with other people")
        .await;
    evening
        .lines(&[
            (Right, "ann", "say", json!({ "text": "good evening" }), ""),
            (
                Elsewhere,
                "eve",
                "say",
                json!({ "text": "hi" }),
                "I am with other people",
            ),
            (
                Elsewhere,
                "eve",
                "tts join",
                none.clone(),
                "I am with other people",
            ),
            (Refused, "eve", "tts leave", none.clone(), "they decide"),
            (Elsewhere, "eve", "tts leave", none.clone(), "they decide"),
        ])
        .await;
    // Somebody speaks for long: others do not end that, and managers do.
    let control = &evening.talk.control;
    let long = json!({ "text": long });
    let heard = || control.hear(evening.talk.id("bob"), 0.6, "ogg", None);
    let others = async {
        heard().await;
        evening
            .lines(&[
                (
                    Refused,
                    "bob",
                    "tts skip",
                    none.clone(),
                    "Somebody else is being read",
                ),
                (
                    Elsewhere,
                    "eve",
                    "tts skip",
                    none.clone(),
                    "Somebody else is being read",
                ),
                (Elsewhere, "eve", "tts clear", none.clone(), "may manage"),
                (Right, "ann", "tts skip", none.clone(), "Skipped"),
            ])
            .await;
    };
    tokio::join!(evening.uses(Right, "ann", "say", &long), others);
    let manager = async {
        heard().await;
        let clear = (Right, "boss", "tts clear", none.clone(), "will not be read");
        evening.lines(&[clear]).await;
    };
    tokio::join!(evening.uses(Right, "ann", "say", &long), manager);
    let leave = (Right, "ann", "tts leave", none.clone(), "I have left");
    evening.lines(&[leave]).await;
}
