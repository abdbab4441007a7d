//! A server with people, a bot that can be started again, and what they say to each other.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use mynah_testkit::{Book, Control, Finished, Program, Scene, Used, spoken, text};
use serde_json::{Value, json};

use crate::MYNAH;

/// Generous: CI machines are slow, and two cores are shared by many tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long that no song ends by itself while people talk about it.
const SONG_SECONDS: u32 = 1_200;
/// What every custom id of the music begins with.
const OWN: &str = "music:";
/// What people ask for.
const SONGS: [&str; 4] = ["alpha", "bravo", "charlie", "delta"];

/// A server with people, and a bot beside it.
pub struct Talk {
    pub control: Control,
    pub book: Book,
    scene: Scene,
    bot: Option<Program>,
    _server: Program,
    /// Names and ids. In the channel where music plays: `boss`, who manages the server, `dj`, who has the
    /// DJs' role, `ann` and `bob`, and `rude`, whom the bot does not serve. `eve` is a DJ in another voice
    /// channel, `dan` is in none.
    people: Vec<(&'static str, String)>,
}

impl Talk {
    pub async fn new(home: &Scene) -> Self {
        let free = ["--http-port", "0", "--voice-port", "0"];
        let args = [["serve", "--data", "server"].as_slice(), &free].concat();
        let server = Program::start(MYNAH, home.path(), &args, &[]);
        let control = Control::of(&server);
        let djs = async |name: &str| {
            let body = json!({ "name": name, "roles": ["DJs"] });
            text(&control.post("/users", body).await, "user_id")
        };
        let (dj, eve) = (djs("dj").await, djs("eve").await);
        let state = control.get("/state").await;
        let guild = &state["guilds"][0];
        let roles = guild["roles"].as_array().unwrap();
        let role = roles.iter().find(|role| role["name"] == "DJs").unwrap();
        let people = vec![
            ("boss", text(guild, "owner_id")),
            ("dj", dj),
            ("ann", control.user("ann").await),
            ("bob", control.user("bob").await),
            ("rude", control.user("rude").await),
            ("eve", eve),
            ("dan", control.user("dan").await),
        ];
        for (_, user) in &people[..5] {
            control.join(user, control.voice_channel()).await;
        }
        let other = server.ready_text("/voice_channel_ids/1");
        control.join(&people[5].1, other).await;
        let scene = Scene::new();
        scene.write("token", server.ready_text("/bots/0/token").as_bytes());
        // The music alone, so that all commands but the host's are its own. Two of five skip a track.
        scene.config(&format!(
            "[discord]\napi = \"{}\"\ntoken_file = \"token\"\nca_file = \"{}\"\n\
             [permissions]\ndj_roles = [{}]\nblocked_users = [\"{}\"]\n\
             [plugins.music]\nvote_skip_ratio = 0.4\n[plugins.recorder]\nenabled = false\n\
             [plugins.soundboard]\nenabled = false\n[plugins.tts]\nenabled = false\n",
            server.ready_text("/api"),
            server.ready_text("/ca_file"),
            role["id"],
            people[4].1,
        ));
        for name in SONGS {
            long_song(&scene.path().join(format!("music/{name}.wav")), 0);
        }
        scene.write("music/notes.mp3", b"These are notes, not music.\n");
        let bot = Program::start(MYNAH, scene.path(), &["run"], &[]);
        Self {
            control,
            book: Book::default(),
            scene,
            bot: Some(bot),
            _server: server,
            people,
        }
    }

    /// Somebody's Discord id.
    pub fn id(&self, who: &str) -> &str {
        let mut people = self.people.iter();
        let found = people.find(|(name, _)| *name == who);
        &found.unwrap_or_else(|| panic!("nobody is called {who}")).1
    }

    /// Ctrl-C, and another one. (What a kill leaves is tried in `goes_on.rs`.)
    pub fn restart(&mut self) {
        let ended = self.end();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        self.bot = Some(Program::start(MYNAH, self.scene.path(), &["run"], &[]));
    }

    /// Ctrl-C.
    pub fn end(&mut self) -> Finished {
        self.bot.take().unwrap().interrupt()
    }

    /// A command; the whole answer.
    pub async fn asks(&self, how: Used, who: &str, command: &str, options: Value) -> Value {
        self.book.note(command, how);
        let answer = self.control.command(self.id(who), command, options).await;
        self.book.look(&answer, OWN);
        answer
    }

    /// A button of a message; the whole answer. When Discord itself refuses, it says the status.
    pub async fn presses(&self, how: Used, who: &str, card: &str, button: &str) -> Value {
        let id = format!("{OWN}{button}");
        self.book.note(&id, how);
        let limit = Instant::now() + PATIENCE;
        loop {
            if how != Used::Wrong {
                self.button(card, &id).await;
            }
            let (status, answer) = self.press(who, card, &id).await;
            self.book.look(&answer, OWN);
            // What was there a moment ago may be about to change still: a person looks once more.
            let is_gone = status == 404 && how != Used::Wrong;
            assert!(!is_gone || Instant::now() < limit, "{button}: {answer}");
            match status {
                200..300 => return answer,
                _ if is_gone => {}
                _ => return json!({ "response": { "content": format!("{status} {answer}") } }),
            }
        }
    }

    async fn press(&self, who: &str, card: &str, custom_id: &str) -> (u16, Value) {
        let body = json!({ "user_id": self.id(who), "message_id": card, "custom_id": custom_id });
        self.control.try_post("/components", body).await
    }

    /// Waits until a card offers a button: it is changed a moment after what it shows.
    pub async fn button(&self, card: &str, custom_id: &str) {
        let offers = |message: &Value| {
            let rows = message["components"].as_array().into_iter().flatten();
            let mut buttons = rows.flat_map(|row| row["components"].as_array().unwrap());
            buttons.any(|button| button["custom_id"] == custom_id && button["disabled"] != true)
        };
        self.shows(card, custom_id, offers).await;
    }

    /// Waits until a message is as it should be; what it is then.
    pub async fn shows(&self, id: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/messages?channel_id={}", self.control.text_channel());
        let limit = Instant::now() + PATIENCE;
        loop {
            let messages = self.control.get(&path).await;
            self.book.look(&messages, OWN);
            let mut all = messages.as_array().unwrap().iter();
            let message = all.find(|message| message["id"] == id);
            if let Some(message) = message.filter(|message| fits(message)) {
                return message.clone();
            }
            assert!(Instant::now() < limit, "{what}: {message:?}");
            tokio::task::yield_now().await;
        }
    }

    /// A fresh card of what plays; its message.
    pub async fn card(&self) -> String {
        let answer = self
            .control
            .command(self.id("ann"), "nowplaying", json!({}))
            .await;
        self.book.look(&answer, OWN);
        text(&answer["response"], "id")
    }

    /// Asks until the answer says this.
    pub async fn until(&self, who: &str, command: &str, expected: &str) {
        let limit = Instant::now() + PATIENCE;
        loop {
            let said = self.control.say(self.id(who), command, json!({})).await;
            if said.contains(expected) {
                return;
            }
            assert!(Instant::now() < limit, "{command}: {said}");
            tokio::task::yield_now().await;
        }
    }

    /// A conversation, a line each: how, who, what, and what the answer says. `[stop]` is a button of the
    /// card, `{…}` are a command's options. What goes wrong or is refused is for the asker's eyes alone.
    pub async fn script(&self, card: &str, lines: &str) {
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let (asked, expected) = line.split_once(" | ").unwrap_or_else(|| panic!("{line}"));
            let mut words = asked.trim().splitn(3, ' ');
            let how = way(words.next().unwrap());
            let (who, what) = (words.next().unwrap(), words.next().unwrap());
            let button = what
                .strip_prefix('[')
                .and_then(|what| what.strip_suffix(']'));
            let answer = match button {
                Some(button) => {
                    let answer = self.presses(how, who, card, button).await;
                    self.settled(card, answer, expected.trim()).await
                }
                None => {
                    let (command, options) = match what.find('{') {
                        Some(from) => what.split_at(from),
                        None => (what, "{}"),
                    };
                    let options = serde_json::from_str(options);
                    let options = options.unwrap_or_else(|error| panic!("{line}: {error}"));
                    self.asks(how, who, command.trim(), options).await
                }
            };
            if !spoken(&answer).contains(expected.trim()) {
                let path = format!("/messages?channel_id={}", self.control.text_channel());
                let messages = self.control.get(&path).await;
                let said = messages
                    .as_array()
                    .unwrap()
                    .iter()
                    .rev()
                    .take(3)
                    .map(spoken);
                let said: Vec<String> = said.collect();
                panic!(
                    "{line}: {}\nLast in the channel: {said:#?}",
                    spoken(&answer)
                );
            }
            check(&answer, how, line, expected.trim());
        }
    }

    /// The answer to a button; of a card that is just being changed it may come a little later.
    async fn settled(&self, card: &str, answer: Value, expected: &str) -> Value {
        let is_card = answer["response"]["id"] == card;
        if !is_card || spoken(&answer).contains(expected) {
            return answer;
        }
        let fits = |message: &Value| spoken(message).contains(expected);
        json!({ "response": self.shows(card, expected, fits).await })
    }

    /// The same command by two people at once; what they read.
    pub async fn both(&self, who: [&str; 2], command: &str, options: Value) -> [String; 2] {
        let (one, other) = tokio::join!(
            self.asks(Used::AtOnce, who[0], command, options.clone()),
            self.asks(Used::AtOnce, who[1], command, options.clone()),
        );
        [spoken(&one), spoken(&other)]
    }

    /// The same button by two people at once; what they read.
    pub async fn both_press(&self, who: [&str; 2], card: &str, button: &str) -> [String; 2] {
        let id = format!("{OWN}{button}");
        self.book.note(&id, Used::AtOnce);
        let limit = Instant::now() + PATIENCE;
        loop {
            self.button(card, &id).await;
            let (one, other) =
                tokio::join!(self.press(who[0], card, &id), self.press(who[1], card, &id));
            // As above; and it takes two.
            if (one.0, other.0) != (404, 404) {
                return [one, other].map(|(status, answer)| match status {
                    200..300 => spoken(&answer),
                    _ => format!("{status} {answer}"),
                });
            }
            assert!(Instant::now() < limit, "{button}: {one:?}");
        }
    }
}

fn way(word: &str) -> Used {
    let mut all = Used::ALL.into_iter();
    let found = all.find(|how| format!("{how:?}") == word);
    found.unwrap_or_else(|| panic!("`{word}` is no way to use something"))
}

/// The answer says what it should.
pub fn check(answer: &Value, how: Used, asked: &str, expected: &str) {
    let said = spoken(answer);
    assert!(said.contains(expected), "{asked}: {said}");
    let by_discord = said.starts_with("40");
    if matches!(how, Used::Wrong | Used::Refused) && !by_discord {
        assert_eq!(answer["ephemeral"], true, "{asked}: {answer}");
    }
}

/// How many of the two say this.
pub fn count(said: &[String; 2], words: &str) -> usize {
    said.iter().filter(|said| said.contains(words)).count()
}

/// A WAV file (8 kHz, one channel, 16 bit) of so many seconds of a square wave and then silence, which
/// takes no room on the disk: RIFF, WAVE and the chunks `fmt ` and `data`, as the format's own paper has
/// them.
pub fn long_song(path: &Path, sounds_seconds: usize) {
    let hz = 8_000_u32;
    let bytes = SONG_SECONDS * hz * 2;
    let mut head = Vec::new();
    head.extend(b"RIFF");
    head.extend((bytes + 36).to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(16_u32.to_le_bytes());
    for short in [1_u16, 1] {
        head.extend(short.to_le_bytes());
    }
    head.extend(hz.to_le_bytes());
    head.extend((hz * 2).to_le_bytes());
    for short in [2_u16, 16] {
        head.extend(short.to_le_bytes());
    }
    head.extend(b"data");
    head.extend(bytes.to_le_bytes());
    let mut file = File::create(path).unwrap();
    file.write_all(&head).unwrap();
    let wave = [8_000_i16, 8_000, -8_000, -8_000].map(i16::to_le_bytes);
    let sound = wave
        .concat()
        .repeat(sounds_seconds * hz as usize / wave.len());
    file.write_all(&sound).unwrap();
    file.set_len(u64::from(bytes) + 44).unwrap();
}
