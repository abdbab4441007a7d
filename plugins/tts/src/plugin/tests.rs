//! The plugin behind the real C table, with a scripted host and a shell script for an engine.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mynah_plugin::testing::{Answer, Request, Stage};
use mynah_plugin::{GuildId, Saved, Track};
use serde_json::{Value, json};

use super::words;
use crate::ENTRY;

mod reads;
mod says;
mod sets;

const GUILD: GuildId = GuildId::new(1);
const ME: u64 = 99;
const ANN: u64 = 5;
const BOB: u64 = 6;
/// Text channels and voice channels.
const CHAT: u64 = 3;
const ROOM: u64 = 20;
const OTHER_ROOM: u64 = 21;
/// Manage Server.
const STAFF: u64 = 1 << 5;

/// What the host knows of who is where.
#[derive(Default)]
struct Host {
    bot: Option<u64>,
    people: Vec<(u64, u64)>,
    may_read: bool,
}

fn answer(host: &Host, request: &Request) -> Answer {
    let path = request.args["path"].as_str().unwrap_or_default();
    Answer::Done(match request.kind.as_str() {
        "timer" => return Answer::Later,
        "voice.state" => {
            let user: u64 = request.args["user_id"].as_str().unwrap().parse().unwrap();
            let at = host.people.iter().find(|(who, _)| *who == user);
            let id = |id: Option<u64>| id.map(|id| id.to_string());
            json!({ "channel_id": id(at.map(|(_, at)| *at)), "bot_channel_id": id(host.bot) })
        }
        "voice.people" => {
            let channel: u64 = request.args["channel_id"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap();
            let there = host.people.iter().filter(|(_, at)| *at == channel);
            let mut ids: Vec<String> = there.map(|(who, _)| who.to_string()).collect();
            ids.extend((host.bot == Some(channel)).then(|| ME.to_string()));
            json!({ "user_ids": ids })
        }
        "rest" if path == "/users/@me" => json!({ "id": ME.to_string() }),
        "rest" if path == "/applications/@me" => {
            json!({ "id": "9", "flags": if host.may_read { 1 << 19 } else { 0 } })
        }
        "rest" => json!({ "id": "9", "channel_id": "3" }),
        _ => json!(null),
    })
}

/// A plugin on stage, and the folder of everything.
struct Case {
    stage: Stage,
    host: Rc<RefCell<Host>>,
    folder: tempfile::TempDir,
    messages: u64,
}

/// 0.1 s of a square wave at 16 kHz.
fn sound() -> Vec<u8> {
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    wav.extend(16_000_u32.to_le_bytes());
    wav.extend([0, 0, 0, 0, 2, 0, 16, 0]);
    wav.extend(b"data\0\0\0\0");
    for n in 0..1_600 {
        let sample: i16 = if n / 20 % 2 == 0 { 8_000 } else { -8_000 };
        wav.extend(sample.to_le_bytes());
    }
    wav
}

/// An engine that writes down what it is told, options on one line, words on the next.
fn engine(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(folder.join("sound.wav"), sound()).unwrap();
    let here = folder.display();
    let script = format!(
        "#!/bin/sh\n\
         case \"$1\" in\n\
         --voices) printf 'Pty Language Age/Gender VoiceName File\\n 5 de --/M German gmw/de\\n 5 en-us --/M English gmw/en\\n'; exit;;\n\
         --voices=*) printf 'Pty Language Age/Gender VoiceName File\\n 5 variant --/F Female !v/f1\\n'; exit;;\n\
         esac\n\
         text=$(cat)\n\
         {{ echo \"args $*\"; echo \"$text\"; }} >> {here}/log\n\
         case \"$text\" in *hang*) sleep 1000;; esac\n\
         cat {here}/sound.wav\n"
    );
    let path = folder.join("espeak");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

impl Case {
    fn new() -> Self {
        Self::with(json!({}), true)
    }

    /// A plugin that follows another one, with the bot somewhere.
    fn from_saved(saved: &Saved, bot: Option<u64>) -> Self {
        Self::made(json!({}), true, saved, bot)
    }

    /// `config` over what all tests have.
    fn with(config: Value, may_read: bool) -> Self {
        let mut case = Self::made(config, may_read, &Saved::empty(), None);
        case.stage.event(
            "GUILD_CREATE",
            &json!({
                "id": "1", "guild_id": "1",
                "channels": [{ "id": "3", "name": "chat" }], "roles": [{ "id": "7", "name": "crew" }],
            }),
        );
        case.comes(ANN, Some(ROOM));
        case
    }

    fn made(config: Value, may_read: bool, saved: &Saved, bot: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut all = json!({
            "folder": folder.path().join("tts"), "engine": "espeak", "fallback": [],
            "espeak_path": engine(folder.path()),
        });
        for (key, value) in config.as_object().unwrap() {
            all[key] = value.clone();
        }
        let host = Rc::new(RefCell::new(Host {
            bot,
            people: vec![(ANN, ROOM)],
            may_read,
        }));
        let mut stage = Stage::start_from(&ENTRY, &all, saved).unwrap();
        let script = host.clone();
        stage.script(move |request| answer(&script.borrow(), request));
        for request in stage.requests() {
            // What it asked while it started waits: there was no script yet.
            if let Answer::Done(body) = answer(&host.borrow(), &request) {
                stage.answer(request.op, Ok(body));
            }
        }
        Self {
            stage,
            host,
            folder,
            messages: 1_000,
        }
    }

    /// Somebody comes to a voice channel, or leaves.
    fn comes(&mut self, user: u64, channel: Option<u64>) {
        let mut host = self.host.borrow_mut();
        host.people.retain(|(who, _)| *who != user);
        if user == ME {
            host.bot = channel;
        } else if let Some(channel) = channel {
            host.people.push((user, channel));
        }
        drop(host);
        let name = format!("n{user}");
        self.stage.event("VOICE_STATE_UPDATE", &json!({
            "guild_id": "1", "channel_id": channel.map(|id| id.to_string()), "user_id": user.to_string(),
            "member": { "user": { "id": user.to_string(), "username": name }, "nick": null, "roles": [] },
        }));
    }

    /// Somebody uses a command; what they are told.
    fn asks(&mut self, user: u64, permissions: u64, command: &str, options: Value) -> Vec<String> {
        self.asks_at(user, permissions, command, options);
        self.stage.said()
    }

    fn asks_at(&mut self, user: u64, permissions: u64, command: &str, options: Value) {
        self.stage.requests();
        let mut list: Vec<Value> = options
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| json!({ "name": name, "type": 3, "value": value }))
            .collect();
        let mut path = command.split(' ');
        let name = path.next().unwrap();
        for sub in path.rev() {
            list = vec![json!({ "name": sub, "type": 1, "options": list })];
        }
        self.stage.event(
            "INTERACTION_CREATE",
            &json!({
                "id": "77", "token": "t", "application_id": "9", "type": 2, "guild_id": "1",
                "channel_id": CHAT.to_string(),
                "member": { "user": { "id": user.to_string(), "username": format!("n{user}") },
                            "permissions": permissions.to_string() },
                "data": { "name": name, "type": 1, "options": list },
            }),
        );
    }

    /// Ann uses "Speak" in the menu of a message of Bob's; what she is told.
    fn speaks(&mut self, content: &str) -> Vec<String> {
        self.stage.requests();
        self.stage.event(
            "INTERACTION_CREATE",
            &json!({
                "id": "77", "token": "t", "application_id": "9", "type": 2, "guild_id": "1",
                "channel_id": CHAT.to_string(),
                "member": { "user": { "id": ANN.to_string(), "username": "n5" }, "permissions": "0" },
                "data": { "name": "Speak", "type": 3, "target_id": "50", "resolved": { "messages": { "50": {
                    "id": "50", "channel_id": CHAT.to_string(), "content": content,
                    "author": { "id": BOB.to_string(), "username": "n6" },
                } } } },
            }),
        );
        self.stage.said()
    }

    /// Somebody writes; the message's number.
    fn writes(&mut self, user: u64, channel: u64, content: &str) -> u64 {
        self.messages += 1;
        let id = self.messages;
        self.stage.event(
            "MESSAGE_CREATE",
            &json!({
                "id": id.to_string(), "channel_id": channel.to_string(), "guild_id": "1", "type": 0,
                "author": { "id": user.to_string(), "username": format!("n{user}") },
                "member": { "nick": null, "roles": [] },
                "content": content, "mentions": [], "attachments": [],
            }),
        );
        id
    }

    /// Waits for the engine's threads: until something is so.
    fn until<T>(&mut self, what: &str, so: impl Fn(&mut Stage) -> Option<T>) -> T {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            self.stage.run();
            if let Some(found) = so(&mut self.stage) {
                return found;
            }
            assert!(
                Instant::now() < limit,
                "{what} never came; log: {:?}",
                self.stage.log()
            );
            std::thread::yield_now();
        }
    }

    /// The source that begins to play, with its options.
    fn plays(&mut self) -> (Track, Value) {
        self.until("a source", |stage| {
            let (track, guild, options) = stage.sources().into_iter().next()?;
            assert_eq!(guild, GUILD);
            Some((track, options))
        })
    }

    /// Hears it to its end, and lets the plugin know; its samples.
    fn hears(&mut self) -> Vec<f32> {
        let (track, _) = self.plays();
        let mut all = Vec::new();
        while let Some(block) = self.stage.pull(track) {
            all.extend(block);
        }
        self.over(track, "ended");
        all
    }

    fn over(&mut self, track: Track, kind: &str) {
        self.stage.stop_source(track);
        let track = json!({ "guild_id": "1", "track": track, "kind": kind });
        self.stage.event("mynah.track", &track);
    }

    /// The voices are listed by a thread.
    fn knows_voices(&mut self) {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            self.stage.requests();
            self.stage
                .autocomplete("say", json!({ "text": "x", "voice": "" }), "voice");
            let asked = self.stage.requests();
            let choices = &asked.last().unwrap().args["body"]["data"]["choices"];
            if choices
                .as_array()
                .is_some_and(|choices| !choices.is_empty())
            {
                return;
            }
            assert!(Instant::now() < limit, "no voices");
            std::thread::yield_now();
        }
    }

    /// The words the engine was told, without its options.
    fn told(&self) -> Vec<String> {
        let lines = self.log();
        lines
            .into_iter()
            .filter(|line| !line.starts_with("args ") && !line.is_empty())
            .collect()
    }

    fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}
