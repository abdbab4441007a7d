//! Every command, menu entry and button: right, wrong, by somebody who may not, from elsewhere, by two
//! at once, after a kill. What is registered or shown and was not tried fails the test.

use mynah_testkit::Used::{AtOnce, Elsewhere, Refused, Restarted, Right, Wrong};
use mynah_testkit::{Bot, Control, Excuse, Program, Scene, Talk, Used, check, count, spoken, text};
use serde_json::{Value, json};

use super::MYNAH;

/// Uses that there cannot be, and why.
const EXCUSES: &[Excuse<'_>] = &[
    (
        &[
            "sound play",
            "sound random",
            "sound board",
            "sound list",
            "sound info",
            "soundboard:play:",
            "soundboard:random",
            "soundboard:stop",
            "soundboard:page:",
            "soundboard:list::name",
        ],
        &[Refused],
        "everybody may",
    ),
    (
        &["soundboard:page:", "soundboard:list::name"],
        &[Wrong],
        "a button that leads nowhere cannot be pressed",
    ),
    (
        &["soundboard:random"],
        &[Wrong],
        "a board without sounds is none",
    ),
    (
        &["soundboard:list::name"],
        &[AtOnce],
        "only who asked sees the list",
    ),
];

/// Commands that are no plugin's.
const HOSTS_OWN: &[&str] = &["help", "voice", "bot"];

/// A server with people, and a bot that can be killed.
struct Evening {
    talk: Talk,
    bot: Bot,
    _server: Program,
    files: Scene,
}

impl Evening {
    async fn new(home: &Scene) -> Self {
        let server = Bot::server(MYNAH, home);
        let control = Control::of(&server);
        let body = json!({ "name": "dj", "roles": ["DJs"] });
        let dj = text(&control.post("/users", body).await, "user_id");
        let state = control.get("/state").await;
        let guild = &state["guilds"][0];
        let roles = guild["roles"].as_array().unwrap();
        let role = roles.iter().find(|role| role["name"] == "DJs").unwrap();
        let settings = format!(
            "[plugins.music]\nenabled = false\n[plugins.recorder]\nenabled = false\n\
             [plugins.tts]\nenabled = false\n[plugins.soundboard]\ncooldown = \"0\"\n\
             max_per_minute = 1000\nupload = \"role\"\nupload_roles = [{}]\n",
            role["id"],
        );
        let mut bot = Bot::beside(&server, MYNAH, &settings);
        // `boss` manages the server and `dj` adds sounds; `ann` and `bob` sit where the bot plays, `eve`
        // in another voice channel, `dan` in none.
        let people = vec![
            ("boss", text(guild, "owner_id")),
            ("dj", dj),
            ("ann", control.user_in_voice("ann").await),
            ("bob", control.user_in_voice("bob").await),
            ("eve", control.user("eve").await),
            ("dan", control.user("dan").await),
        ];
        let other = server.ready_text("/voice_channel_ids/1");
        control.join(&people[4].1, other).await;
        bot.start();
        let talk = Talk::of(control, people, "sound", "soundboard:");
        Self {
            talk,
            bot,
            _server: server,
            files: Scene::new(),
        }
    }

    /// `/sound add` with a tone that no other number has.
    async fn adds(&self, how: Used, who: &str, name: &str, tone: u32) -> String {
        let file = tone_file(&self.files, tone);
        let body = json!({ "options": { "name": name }, "attachments": { "file": file } });
        spoken(&self.talk.uses(how, who, "sound add", body).await)
    }

    /// Somebody attaches a file to a message; its id.
    async fn message(&self, tone: Option<u32>) -> Value {
        let file = tone
            .map(|tone| json!({ "name": "From Chat.wav", "path": tone_file(&self.files, tone) }));
        let body = json!({
            "user_id": self.talk.id("ann"), "channel_id": self.talk.control.text_channel(),
            "content": "listen", "attachments": file.into_iter().collect::<Vec<_>>(),
        });
        let posted = self.talk.control.post("/messages", body).await;
        posted["message_id"].clone()
    }

    async fn saves(&self, how: Used, who: &str, message: &Value) -> String {
        let body = json!({ "target_id": message });
        spoken(&self.talk.uses(how, who, "Save as sound", body).await)
    }
}

fn tone_file(files: &Scene, tone: u32) -> std::path::PathBuf {
    let step = (300.0 + 40.0 * tone as f32) * std::f32::consts::TAU / 48_000.0;
    // The first one is still heard when somebody stops it.
    let frames = if tone == 0 { 15 * 48_000 } else { 12_000 };
    let samples: Vec<f32> = (0..frames)
        .flat_map(|n| [(n as f32 * step).sin() * 0.2; 2])
        .collect();
    files.wav(&format!("{tone}.wav"), &samples)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_menu_entry_and_button_of_the_soundboard_is_answered_sensibly() {
    let home = Scene::new();
    let mut evening = Evening::new(&home).await;
    nothing_is_there(&evening).await;
    sounds_are_added(&evening).await;
    the_commands(&evening).await;
    two_at_once(&evening).await;
    let board = the_board(&evening).await;
    after_a_kill(&mut evening, &board).await;
    let talk = &evening.talk;
    let registered = talk.control.registered(talk.id("boss"), HOSTS_OWN).await;
    assert!(registered.len() >= 11, "{registered:?}");
    let gaps = talk.book.gaps(&registered, EXCUSES);
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    evening.bot.end();
}

async fn nothing_is_there(evening: &Evening) {
    let lines = r#"
        Wrong ann play {"name": "horn"} | no sound called `horn`
        Wrong ann random | no sounds here yet
        Wrong ann stop | No sound of yours is playing
        Wrong ann board | no sounds here yet
        Wrong ann list | no sounds here yet
        Wrong ann info {"name": "`horn"} | no sound called `horn`
        Wrong boss edit {"name": "horn", "volume": 20} | no sound called `horn`
        Wrong boss delete {"name": "horn"} | no sound called `horn`
        Wrong boss restore {"name": "horn"} | no such sound among those
        Wrong dj add {"name": "horn"} | Attach a file
        Refused ann add {"name": "horn"} | upload_roles
    "#;
    evening.talk.script("", "", lines).await;
    let empty = evening.message(None).await;
    let said = evening.saves(Wrong, "dj", &empty).await;
    assert!(said.contains("No sound file"), "{said}");
}

async fn sounds_are_added(evening: &Evening) {
    let said = evening.adds(Refused, "ann", "horn", 1).await;
    assert!(said.contains("upload_roles"), "{said}");
    // Where somebody is does not matter: `dj` and `boss` are in no voice channel.
    for how in [Right, Elsewhere] {
        let name = format!("{how:?}");
        let said = evening.adds(how, "dj", &name, how as u32).await;
        assert!(said.contains("is here"), "{said}");
    }
    let said = evening.adds(Wrong, "dj", "Again", 0).await;
    assert!(said.contains("it is called `Right`"), "{said}");
    // Of two with one name one is first.
    let (one, other) = tokio::join!(
        evening.adds(AtOnce, "dj", "horn", 10),
        evening.adds(AtOnce, "boss", "Horn", 11),
    );
    let said = [one, other];
    let counts = (count(&said, "is here"), count(&said, "taken already"));
    assert_eq!(counts, (1, 1), "{said:?}");
    let message = evening.message(Some(12)).await;
    let said = evening.saves(Refused, "ann", &message).await;
    assert!(said.contains("upload_roles"), "{said}");
    let (one, other) = tokio::join!(
        evening.saves(AtOnce, "dj", &message),
        evening.saves(AtOnce, "boss", &message),
    );
    let said = [one, other];
    let late = count(&said, "it is called") + count(&said, "taken already");
    assert_eq!((count(&said, "is here"), late), (1, 1), "{said:?}");
    let message = evening.message(Some(13)).await;
    let said = evening.saves(Right, "dj", &message).await;
    assert!(said.contains("`From_Chat 2` is here"), "{said}");
    evening.talk.book.note("Save as sound", Elsewhere);
    // Two pages of a board and three of a list.
    for tone in 20..40 {
        let said = evening
            .adds(Right, "boss", &format!("s {tone}"), tone)
            .await;
        assert!(said.contains("is here"), "{said}");
    }
}

async fn the_commands(evening: &Evening) {
    let lines = r#"
        Elsewhere dan play {"name": "right"} | Join a voice channel first
        Elsewhere dan random | Join a voice channel first
        Right ann play {"name": "right"} | 🔊 `Right`
        Elsewhere eve play {"name": "right"} | I am in
        Elsewhere eve random | I am in
        Right bob random | 🔊 `
        Right ann play {"name": "right", "repeat": 5} | ×5
        Refused bob stop {"all": true} | whoever listens alone
        Elsewhere eve stop | No sound of yours
        Right ann stop | Stopped
        Right ann board | page 1 of 2
        Elsewhere eve board {"page": 2} | page 2 of 2
        Right ann list | **25 sounds**, page 1 of 3
        Elsewhere eve list {"sort": "name"} | `Right` 15.0 s, played
        Right ann info {"name": "right"} | played
        Elsewhere eve info {"name": "right"} | played
        Refused ann edit {"name": "right", "volume": 20} | somebody else's
        Refused ann delete {"name": "right"} | somebody else's
        Right dj edit {"name": "right", "tags": "loud", "hidden": false} | was changed
        Elsewhere boss edit {"name": "elsewhere", "volume": 50} | was changed
        Right dj delete {"name": "right"} | For 7 days
        Elsewhere boss delete {"name": "elsewhere"} | For 7 days
        Refused ann restore {"name": "right"} | somebody else's
        Right dj restore {"name": "right"} | `Right` is back
        Elsewhere boss restore {"name": "elsewhere"} | `Elsewhere` is back
        Wrong boss restore {"name": "right"} | no such sound among those
        Wrong ann stop | No sound of yours is playing
    "#;
    evening.talk.script("", "", lines).await;
}

async fn two_at_once(evening: &Evening) {
    let (talk, right) = (&evening.talk, json!({ "name": "right" }));
    for (command, options, words) in [
        ("play", right.clone(), "`Right`"),
        ("random", json!({}), "🔊"),
        ("stop", json!({}), "Stopped"),
        ("board", json!({}), "page 1 of 2"),
        ("list", json!({}), "25 sounds"),
        ("info", right.clone(), "played"),
    ] {
        // What `stop` is to stop must not have ended by itself.
        if command == "stop" {
            let five = json!({ "name": "right", "repeat": 5 });
            talk.both(["ann", "bob"], "play", five).await;
        }
        let said = talk.both(["ann", "bob"], command, options).await;
        assert_eq!(count(&said, words), 2, "{command}: {said:?}");
    }
    let both = ["boss", "dj"];
    let edit = json!({ "name": "right", "rename": "All right" });
    for (command, options, once, other) in [
        ("edit", edit, "was changed", "no sound called"),
        (
            "delete",
            json!({ "name": "all right" }),
            "For 7 days",
            "no sound called",
        ),
        (
            "restore",
            json!({ "name": "all right" }),
            "is back",
            "no such sound",
        ),
    ] {
        let said = talk.both(both, command, options).await;
        let counts = (count(&said, once), count(&said, other));
        assert_eq!(counts, (1, 1), "{command}: {said:?}");
    }
}

/// Its buttons; the board's message.
async fn the_board(evening: &Evening) -> String {
    let talk = &evening.talk;
    let board = talk.asks(Right, "ann", "board", json!({})).await;
    let board = text(&board["response"], "id");
    let lines = r#"
        Elsewhere dan [play:1] | Join a voice channel first
        Elsewhere eve [play:1] | I am in
        Right ann [play:1] | page 1 of 2
        Elsewhere eve [random] | I am in
        Right ann [random] | page 1 of 2
        Right ann [stop] | page 1 of 2
        Wrong ann [stop] | No sound of yours is playing
        Elsewhere dan [stop] | No sound of yours is playing
        Right ann [page:1] | page 2 of 2
        Elsewhere dan [page:0] | page 1 of 2
    "#;
    talk.script("", &board, lines).await;
    for (button, words) in [
        ("play:1", "page 1"),
        ("random", "page 1"),
        ("stop", ""),
        ("page:1", "page"),
    ] {
        let said = talk.both_press(["ann", "bob"], &board, button).await;
        assert_eq!(count(&said, words), 2, "{button}: {said:?}");
    }
    let gone = r#"
        Right ann [page:0] | page 1 of 2
        Right boss delete {"name": "horn"} | For 7 days
        Wrong ann [play:3] | This sound is gone
    "#;
    talk.script("", &board, gone).await;
    let list = talk.asks(Right, "ann", "list", json!({})).await;
    let list = text(&list["response"], "id");
    let lines = r#"
        Right ann [list:1:name] | page 2 of 3
        Right ann [list:2:name] | page 3 of 3
        Right ann [list:1:name] | page 2 of 3
        Elsewhere bob [list:0:name] | 404
    "#;
    talk.script("", &list, lines).await;
    board
}

async fn after_a_kill(evening: &mut Evening, board: &str) {
    evening.bot.start();
    let talk = &evening.talk;
    let list = talk.asks(Restarted, "ann", "list", json!({})).await;
    let list = text(&list["response"], "id");
    let lines = r#"
        Restarted ann info {"name": "all right"} | played
        Restarted boss edit {"name": "all right", "rename": "Right"} | was changed
        Restarted boss delete {"name": "right"} | For 7 days
        Restarted boss restore {"name": "right"} | is back
        Restarted ann play {"name": "right", "repeat": 5} | `Right` ×5
        Restarted bob random | 🔊
        Restarted ann stop | Stopped
        Restarted ann board | page 1 of 2
        Restarted bob [page:1] | page 2 of 2
        Restarted bob [page:0] | page 1 of 2
        Restarted ann [play:1] | page 1 of 2
        Restarted ann [stop] | page 1 of 2
        Restarted bob [random] | page 1 of 2
    "#;
    talk.script("", board, lines).await;
    let turned = talk.presses(Restarted, "ann", &list, "list:1:name").await;
    check(&turned, Restarted, "the list", "page 2 of 3");
    let said = evening.adds(Restarted, "dj", "late", 50).await;
    assert!(said.contains("is here"), "{said}");
    let message = evening.message(Some(51)).await;
    let said = evening.saves(Restarted, "dj", &message).await;
    assert!(said.contains("is here"), "{said}");
}
