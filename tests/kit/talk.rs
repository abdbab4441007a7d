//! Conversations: people by name, lines of a script, and a [`Book`] of what was tried.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Book, Control, Program, Scene, Used, spoken, text};

/// Generous: CI machines are slow, and two cores are shared by many tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// People who talk to one plugin.
#[derive(Debug)]
pub struct Talk {
    /// The server.
    pub control: Control,
    /// What was tried so far.
    pub book: Book,
    /// The plugin's first word, such as `record`.
    word: &'static str,
    /// What its custom ids begin with, such as `recorder:`.
    own: &'static str,
    /// Names and Discord ids.
    people: Vec<(&'static str, String)>,
}

impl Talk {
    /// People, and a plugin: its command's first word, and what its custom ids begin with.
    pub fn of(
        control: Control,
        people: Vec<(&'static str, String)>,
        word: &'static str,
        own: &'static str,
    ) -> Self {
        Self {
            control,
            book: Book::default(),
            word,
            own,
            people,
        }
    }

    /// Somebody's Discord id.
    ///
    /// # Panics
    /// Nobody is called so.
    pub fn id(&self, who: &str) -> &str {
        let mut people = self.people.iter();
        let found = people.find(|(name, _)| *name == who);
        &found.unwrap_or_else(|| panic!("nobody is called {who}")).1
    }

    /// A subcommand; the whole answer, once it is complete.
    pub async fn asks(&self, how: Used, who: &str, command: &str, options: Value) -> Value {
        let command = format!("{} {command}", self.word);
        self.uses(how, who, &command, json!({ "options": options }))
            .await
    }

    /// Any command by its whole name, with `options`, `attachments`, `target_id` as the control API takes
    /// them; the whole answer, once it is complete.
    pub async fn uses(&self, how: Used, who: &str, command: &str, mut body: Value) -> Value {
        self.book.note(command, how);
        body["user_id"] = json!(self.id(who));
        body["channel_id"] = json!(self.control.text_channel());
        body["command"] = json!(command);
        let answer = self.control.post("/commands", body).await;
        self.filled(who, answer).await
    }

    /// A button of a message; the whole answer. When Discord itself refuses, it says `404`.
    pub async fn presses(&self, how: Used, who: &str, message: &str, button: &str) -> Value {
        let id = format!("{}{button}", self.own);
        self.book.note(&id, how);
        let body = json!({ "user_id": self.id(who), "message_id": message, "custom_id": id });
        let (status, answer) = self.control.try_post("/components", body).await;
        match status {
            200..300 => answer,
            _ => json!({ "response": { "content": format!("{status} {answer}") } }),
        }
    }

    /// An answer that shows how far something is, once that is over.
    ///
    /// # Panics
    /// It is not over for a minute.
    pub async fn filled(&self, who: &str, mut answer: Value) -> Value {
        let limit = Instant::now() + PATIENCE;
        self.book.look(&answer, self.own);
        while spoken(&answer).starts_with("📦") {
            assert!(Instant::now() < limit, "{answer}");
            let id = text(&answer["response"], "id");
            let (channel, user) = (self.control.text_channel(), self.id(who));
            let after = id.parse::<u64>().map_or(0, |id| id - 1);
            let path = format!("/messages?channel_id={channel}&user_id={user}&after={after}");
            let shown = self.control.get(&path).await;
            answer["response"] = shown.get(0).cloned().unwrap_or_default();
        }
        answer
    }

    /// A conversation, a line each: how, who, what, and what the answer says. `[stop]` is a button of
    /// `message`, `{…}` are a command's options, and `ID` there is `id`. What goes wrong or is refused is
    /// for the asker's eyes alone.
    ///
    /// # Panics
    /// An answer does not say so.
    pub async fn script(&self, id: &str, message: &str, lines: &str) {
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let (asked, expected) = line.split_once(" | ").unwrap_or_else(|| panic!("{line}"));
            let mut words = asked.trim().splitn(4, ' ');
            let mut next = || words.next().unwrap_or_default();
            let (how, who, what) = (way(next()), next(), next());
            let options = match next() {
                "" => "{}".to_owned(),
                options => options.replace("ID", id),
            };
            let button = what
                .strip_prefix('[')
                .and_then(|what| what.strip_suffix(']'));
            let answer = match button {
                Some(button) => self.presses(how, who, message, button).await,
                None => {
                    let options = serde_json::from_str(&options);
                    let options = options.unwrap_or_else(|error| panic!("{line}: {error}"));
                    self.asks(how, who, what, options).await
                }
            };
            check(&answer, how, line, expected.trim());
        }
    }

    /// The same command by two people at once; what they read.
    pub async fn both(
        &self,
        [one, other]: [&str; 2],
        command: &str,
        options: Value,
    ) -> [String; 2] {
        let (one, other) = tokio::join!(
            self.asks(Used::AtOnce, one, command, options.clone()),
            self.asks(Used::AtOnce, other, command, options.clone()),
        );
        [spoken(&one), spoken(&other)]
    }

    /// The same button by two people at once; what they read.
    pub async fn both_press(
        &self,
        [one, other]: [&str; 2],
        message: &str,
        button: &str,
    ) -> [String; 2] {
        let (one, other) = tokio::join!(
            self.presses(Used::AtOnce, one, message, button),
            self.presses(Used::AtOnce, other, message, button),
        );
        [spoken(&one), spoken(&other)]
    }

    /// A message of the text channel with these words; it may come a moment after the answer.
    ///
    /// # Panics
    /// There is none for a minute.
    pub async fn message(&self, words: &[&str]) -> Value {
        let path = format!("/messages?channel_id={}", self.control.text_channel());
        let limit = Instant::now() + PATIENCE;
        loop {
            let messages = self.control.get(&path).await;
            self.book.look(&messages, self.own);
            let shows = |message: &&Value| {
                let message = message.to_string();
                words.iter().all(|word| message.contains(word))
            };
            let found = messages.as_array().into_iter().flatten().find(shows);
            if let Some(found) = found {
                return found.clone();
            }
            assert!(Instant::now() < limit, "{words:?}: {messages}");
        }
    }
}

fn way(word: &str) -> Used {
    let mut all = Used::ALL.into_iter();
    let found = all.find(|how| format!("{how:?}") == word);
    found.unwrap_or_else(|| panic!("`{word}` is no way to use something"))
}

/// The answer says what it should; to the asker alone when it is about a mistake.
///
/// # Panics
/// It does not.
pub fn check(answer: &Value, how: Used, asked: &str, expected: &str) {
    let said = spoken(answer);
    assert!(said.contains(expected), "{asked}: {said}");
    let by_discord = said.starts_with("404 ");
    if matches!(how, Used::Wrong | Used::Refused) && !by_discord {
        assert_eq!(answer["ephemeral"], true, "{asked}: {answer}");
    }
}

/// How many of the two say this.
pub fn count(said: &[String; 2], words: &str) -> usize {
    said.iter().filter(|said| said.contains(words)).count()
}

/// A bot beside a server of its own, which can be killed without it.
pub struct Bot {
    /// Where it lives.
    pub scene: Scene,
    binary: &'static str,
    running: Option<Program>,
}

impl Bot {
    /// A server, which stays up.
    ///
    /// # Panics
    /// It does not come up.
    pub fn server(binary: &str, home: &Scene) -> Program {
        let args = [
            "serve",
            "--data",
            "server",
            "--http-port",
            "0",
            "--voice-port",
            "0",
        ];
        Program::start(binary, home.path(), &args, &[])
    }

    /// A bot of that server, not started yet; `more` goes to its bot.toml.
    ///
    /// # Panics
    /// Its folder cannot be written.
    pub fn beside(server: &Program, binary: &'static str, more: &str) -> Self {
        let scene = Scene::new();
        scene.write("token", server.ready_text("/bots/0/token").as_bytes());
        scene.config(&format!(
            "[discord]\napi = \"{}\"\ntoken_file = \"token\"\nca_file = \"{}\"\n{more}",
            server.ready_text("/api"),
            server.ready_text("/ca_file"),
        ));
        Self {
            scene,
            binary,
            running: None,
        }
    }

    /// Starts it; after a `kill -9` when it runs.
    ///
    /// # Panics
    /// It does not come up.
    pub fn start(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal("KILL");
            running.wait();
        }
        let program = Program::start(self.binary, self.scene.path(), &["run"], &[]);
        self.running = Some(program);
    }

    /// Ctrl-C, which has to end it in order.
    ///
    /// # Panics
    /// It ended by an error, or somebody panicked in it.
    pub fn end(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let ended = running.interrupt();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}
