//! Conversations with the soundboard, through the real program and the control API: every command and
//! button, used right, used wrong, without permission, from the wrong channel, by two people at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mynah_testkit::{Control, Program, Scene, spoken};
use serde_json::{Value, json};

mod everything;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");

/// The number of a file of 12 s; the others have half a second.
const LONG: u32 = 99;

/// A running bot, its owner, and a member who sits in voice.
struct Talk {
    _program: Program,
    control: Control,
    scene: Scene,
    owner: String,
    ann: String,
    other_channel: String,
}

impl Talk {
    async fn new(settings: &str) -> Self {
        let scene = Scene::new();
        scene.config(&format!("[plugins.soundboard]\n{settings}\n"));
        let (program, control) = scene.run(MYNAH);
        let owner = control.get("/state").await["users"][0]["user_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let ann = control.user_in_voice("ann").await;
        let other_channel = program.ready_text("/voice_channel_ids/1").to_owned();
        Self {
            _program: program,
            control,
            scene,
            owner,
            ann,
            other_channel,
        }
    }

    /// A WAV file with another tone for each number.
    fn file(&self, number: u32) -> std::path::PathBuf {
        let step = (300.0 + 50.0 * number as f32) * std::f32::consts::TAU / 48_000.0;
        let frames = if number == LONG { 12 * 48_000 } else { 24_000 };
        let samples: Vec<f32> = (0..frames)
            .flat_map(|n| [(n as f32 * step).sin() * 0.2; 2])
            .collect();
        self.scene.wav(&format!("{number}.wav"), &samples)
    }

    async fn add(&self, user: &str, options: Value, file: Option<u32>) -> Value {
        let files = file.map(|number| json!({ "file": self.file(number) }));
        let body = json!({
            "user_id": user, "channel_id": self.control.text_channel(), "command": "sound add",
            "options": options, "attachments": files.unwrap_or(json!({})),
        });
        self.control.post("/commands", body).await
    }

    async fn says(&self, user: &str, command: &str, options: Value) -> String {
        self.control
            .say(user, &format!("sound {command}"), options)
            .await
    }

    async fn presses(&self, user: &str, message: &Value, action: &str) -> Value {
        let body = json!({
            "user_id": user, "message_id": message["response"]["id"],
            "custom_id": format!("soundboard:{action}"),
        });
        self.control.post("/components", body).await
    }

    /// Each command with what the answer says; answers that refuse are for the asker alone.
    async fn script(&self, user: &str, steps: &[(&str, Value, &str)]) {
        for (command, options, expected) in steps {
            let said = self.says(user, command, options.clone()).await;
            assert!(said.contains(expected), "{command} {options}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_named_roles_managers_add_and_everybody_plays() {
    let talk = Talk::new("cooldown = \"60m\"").await;
    let named = |name: &str| json!({ "name": name });
    let refused = talk.add(&talk.ann, named("horn"), Some(1)).await;
    assert!(spoken(&refused).contains("upload_roles"), "{refused}");
    assert_eq!(refused["ephemeral"], true, "{refused}");
    let added = talk.add(&talk.owner, named("horn"), Some(1)).await;
    assert!(spoken(&added).contains("`horn` is here, 0.5 s"), "{added}");
    talk.script(
        &talk.ann,
        &[
            ("play", named("Horn"), "`horn`"),
            ("play", named("horn"), "Not so fast"),
            ("info", named("horn"), "played once"),
            (
                "edit",
                json!({ "name": "horn", "volume": 20 }),
                "somebody else's",
            ),
            ("delete", named("horn"), "somebody else's"),
            ("restore", named("horn"), "no such sound"),
            ("stop", json!({}), ""),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_is_added_changed_played_and_deleted_and_every_mistake_is_explained() {
    let talk = Talk::new("upload = \"everyone\"\ncooldown = \"0\"\nmax_per_minute = 100").await;
    let named = |name: &str| json!({ "name": name });
    for (options, file, expected) in [
        (named("../../etc"), Some(1), "not possible in a name"),
        (named("horn"), None, "Attach a file"),
        (
            json!({ "name": "horn", "emoji": "horn" }),
            Some(1),
            "no emoji",
        ),
        (
            json!({ "name": "horn", "message": "https://x/y" }),
            None,
            "does not lead to a message",
        ),
        (
            json!({ "name": "horn", "start": 2.0 }),
            Some(1),
            "choose another part",
        ),
        (
            json!({ "name": "horn", "start": 0.2, "end": 0.1 }),
            Some(1),
            "before it begins",
        ),
        (
            json!({ "name": "horn", "tags": "loud, brass", "emoji": "📯" }),
            Some(1),
            "📯 `horn` is here",
        ),
        (named("HORN"), Some(2), "taken already"),
        (named("copy"), Some(1), "it is called `horn`"),
        (
            json!({ "name": "drum", "end": 0.3 }),
            Some(2),
            "`drum` is here, 0.3 s",
        ),
        (
            json!({ "name": "gong", "tags": "long" }),
            Some(LONG),
            "`gong` is here, 12.0 s",
        ),
    ] {
        let said = spoken(&talk.add(&talk.ann, options.clone(), file).await);
        assert!(said.contains(expected), "{options}: {said}");
    }
    talk.script(
        &talk.ann,
        &[
            ("list", json!({}), "3 sounds"),
            (
                "list",
                json!({ "tag": "brass", "sort": "newest" }),
                "1 sound",
            ),
            ("list", json!({ "tag": "wood" }), "no sounds with this tag"),
            ("info", named("trumpet"), "no sound called `trumpet`"),
            (
                "edit",
                json!({ "name": "horn", "aliases": "trumpet", "volume": 50, "cooldown": 60 }),
                "was changed",
            ),
            (
                "edit",
                json!({ "name": "drum", "rename": "Trumpet" }),
                "taken already",
            ),
            ("edit", named("drum"), "Nothing to change"),
            (
                "play",
                json!({ "name": "trumpet", "repeat": 2, "volume": 10 }),
                "`horn` ×2",
            ),
            ("play", named("horn"), "This sound rests for"),
            (
                "random",
                json!({ "tag": "wood" }),
                "no sounds with this tag",
            ),
            ("play", json!({ "name": "gong", "repeat": 5 }), "`gong` ×5"),
            ("stop", json!({}), "Stopped"),
            ("stop", json!({}), "No sound of yours is playing"),
            ("stop", json!({ "all": true }), "No sound is playing"),
            ("delete", named("drum"), "For 7 days"),
            ("play", named("drum"), "no sound called"),
            ("restore", named("drum"), "`drum` is back"),
            ("random", json!({ "tag": "#LONG" }), "`gong`"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sounds_are_played_where_the_bot_is_and_by_two_people_at_once() {
    let talk = Talk::new("upload = \"everyone\"\ncooldown = \"0\"\nmax_per_minute = 100").await;
    let named = |name: &str| json!({ "name": name });
    let control = &talk.control;
    let bob = control.user("bob").await;
    for (number, name) in ["horn", "drum", "bell", "gong"].into_iter().enumerate() {
        let added = spoken(&talk.add(&bob, named(name), Some(number as u32)).await);
        assert!(added.contains("is here"), "{added}");
    }
    let said = talk.says(&bob, "play", named("horn")).await;
    assert!(said.contains("Join a voice channel first"), "{said}");
    // Two at once, in two channels: the first one has the bot, the other is told where it is.
    control.join(&bob, &talk.other_channel).await;
    let (ann, other) = tokio::join!(
        talk.says(&talk.ann, "play", named("horn")),
        talk.says(&bob, "play", named("drum"))
    );
    let mut said = [ann.contains("🔊"), other.contains("🔊")];
    said.sort_unstable();
    assert_eq!(said, [false, true], "{ann} / {other}");
    assert!(
        format!("{ann}{other}").contains("I am in"),
        "{ann} / {other}"
    );
    control.join(&bob, control.voice_channel()).await;
    control.join(&talk.ann, control.voice_channel()).await;
    // Wherever it is, it is fetched with /leave and comes again.
    control.say(&talk.owner, "leave", json!({})).await;
    let mut said = String::new();
    for _ in 0..50 {
        said = talk.says(&bob, "play", named("bell")).await;
        if said.contains("🔊") {
            break;
        }
        control.hear(&bob, 0.1, "wav", None).await;
    }
    assert!(said.contains("`bell`"), "{said}");
    control.join(&talk.ann, &talk.other_channel).await;
    let said = talk.says(&talk.ann, "play", named("gong")).await;
    assert!(
        said.contains("I am in") && said.contains("Come there"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_plays_turns_pages_and_stops() {
    let talk = Talk::new("upload = \"everyone\"\ncooldown = \"0\"\nmax_per_minute = 100").await;
    let control = &talk.control;
    let empty = control.command(&talk.ann, "sound board", json!({})).await;
    assert!(spoken(&empty).contains("no sounds here yet"), "{empty}");
    for number in 1..=22 {
        let options = json!({ "name": format!("sound {number:02}"), "tags": if number > 20 { "late" } else { "" } });
        let added = spoken(&talk.add(&talk.ann, options, Some(number)).await);
        assert!(added.contains("is here"), "{added}");
    }
    let board = control.command(&talk.ann, "sound board", json!({})).await;
    assert!(spoken(&board).contains("page 1 of 2"), "{board}");
    assert_eq!(board["response"]["components"].as_array().unwrap().len(), 5);
    let bob = control.user("bob").await;
    let refused = talk.presses(&bob, &board, "play:1").await;
    assert!(
        refused.to_string().contains("Join a voice channel first"),
        "{refused}"
    );
    talk.presses(&talk.ann, &board, "play:3").await;
    let about = talk
        .says(&talk.ann, "info", json!({ "name": "sound 03" }))
        .await;
    assert!(about.contains("played once"), "{about}");
    talk.presses(&talk.ann, &board, "stop").await;
    let turned = talk.presses(&bob, &board, "page:1").await;
    assert!(turned.to_string().contains("page 2 of 2"), "{turned}");
    // The message is another one now: the first page's buttons are gone from it, its own are there.
    talk.presses(&talk.ann, &board, "play:22").await;
    talk.presses(&talk.ann, &board, "random").await;
    let said = talk
        .says(&talk.ann, "delete", json!({ "name": "sound 22" }))
        .await;
    assert!(said.contains("was deleted"), "{said}");
    let gone = talk.presses(&talk.ann, &board, "play:22").await;
    assert!(gone.to_string().contains("This sound is gone"), "{gone}");
    let late = control
        .command(&talk.ann, "sound board", json!({ "tag": "late" }))
        .await;
    assert!(spoken(&late).contains("#late"), "{late}");
    let list = control.command(&talk.ann, "sound list", json!({})).await;
    assert!(
        spoken(&list).contains("21 sounds") && list["ephemeral"] == true,
        "{list}"
    );
    let offers = json!({
        "user_id": talk.ann, "channel_id": control.text_channel(), "command": "sound play",
        "options": { "name": "" }, "focused": "name",
    });
    let offers = control.post("/autocomplete", offers).await;
    assert_eq!(offers["choices"].as_array().unwrap().len(), 21, "{offers}");
}
