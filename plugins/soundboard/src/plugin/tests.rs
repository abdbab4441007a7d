//! The plugin behind the real C table, with a scripted host and people who press buttons.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use mynah_plugin::testing::{Answer, Request, Stage};
use mynah_plugin::{Error, Why};
use serde_json::{Value, json};

use crate::ENTRY;

mod adding;
mod playing;
mod showing;

const ANN: u64 = 5;
const BOB: u64 = 6;
/// Manage Server.
const BOSS: u64 = 7;
/// A role of `upload_roles`, which Ann has.
const ROLE: &str = "44";

/// Where everybody is, and what the host makes of files.
#[derive(Default)]
struct Host {
    /// The voice channels of people; the bot is in `bot`.
    people: BTreeMap<u64, &'static str>,
    bot: Option<&'static str>,
    others: Vec<&'static str>,
    tracks: u64,
    ingest: Option<Error>,
    hold: bool,
    cut: bool,
    play: Option<Error>,
}

fn answer(host: &mut Host, request: &Request) -> Answer {
    let args = &request.args;
    Answer::Done(match request.kind.as_str() {
        "timer" => return Answer::Later,
        "voice.state" => {
            let user: u64 = args["user_id"].as_str().unwrap().parse().unwrap();
            json!({ "channel_id": host.people.get(&user), "bot_channel_id": host.bot })
        }
        "voice.people" => json!({ "user_ids": host.others, "bot_id": "9" }),
        "voice.join" if host.hold => return Answer::Later,
        "voice.join" => {
            host.bot = Some("20");
            json!(null)
        }
        "voice.play" => match &host.play {
            Some(error) => return Answer::Failed(error.clone()),
            None => {
                host.tracks += 1;
                json!({ "track": host.tracks })
            }
        },
        "media.ingest" if host.hold => return Answer::Later,
        "media.ingest" => match &host.ingest {
            Some(error) => return Answer::Failed(error.clone()),
            None => kept(args, host.cut),
        },
        "rest" if args["method"] == "GET" => json!({
            "id": "91", "attachments": [
                { "filename": "readme.txt", "url": "https://cdn/readme.txt" },
                { "filename": "linked.ogg", "url": "https://cdn/linked.ogg" },
            ],
        }),
        "rest" => json!({ "id": "91", "channel_id": "3" }),
        _ => json!(null),
    })
}

/// The same address is the same sound.
fn kept(args: &Value, cut: bool) -> Value {
    let sum = args["url"].as_str().unwrap().bytes();
    let sum = sum.fold(7u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
    let sha256 = format!("{sum:064x}");
    let path = format!("{}/{sha256}.opus", args["dir"].as_str().unwrap());
    json!({ "path": path, "sha256": sha256, "bytes": 9_000, "frames": 48_000, "is_cut": cut })
}

/// Stage, host and folder of one test.
struct Board {
    stage: Stage,
    host: Rc<RefCell<Host>>,
}

impl Board {
    fn new(folder: &Path) -> Self {
        Self::with(folder, json!({ "upload_roles": [ROLE] }))
    }

    fn with(folder: &Path, mut config: Value) -> Self {
        config["folder"] = json!(folder);
        let host = Rc::new(RefCell::new(Host::default()));
        let people = [(ANN, "20"), (BOB, "20"), (BOSS, "20")];
        host.borrow_mut().people.extend(people);
        host.borrow_mut().bot = Some("20");
        let mut stage = Stage::start(&ENTRY, &config).unwrap();
        let script = host.clone();
        stage.script(move |request| answer(&mut script.borrow_mut(), request));
        stage.set_now_us(1_000_000_000);
        let mut board = Self { stage, host };
        board.stage.requests();
        board
    }

    fn interact(&mut self, kind: u8, user: u64, data: Value) -> Vec<Request> {
        self.stage.requests();
        let roles = if user == ANN {
            json!([ROLE])
        } else {
            json!([])
        };
        self.stage.event(
            "INTERACTION_CREATE",
            &json!({
                "id": "77", "token": "t", "application_id": "9", "type": kind, "guild_id": "1",
                "channel_id": "3", "data": data,
                "member": {
                    "user": { "id": user.to_string(), "username": "x" }, "roles": roles,
                    "permissions": if user == BOSS { "32" } else { "0" },
                },
            }),
        );
        self.stage.requests()
    }

    /// Somebody uses a subcommand of `/sound`: what the plugin asked the host for.
    fn asks(&mut self, user: u64, command: &str, options: Value) -> Vec<Request> {
        self.interact(2, user, slash(command, &options, None))
    }

    /// The same: the last words of the answer.
    fn says(&mut self, user: u64, command: &str, options: Value) -> String {
        last_words(&self.asks(user, command, options))
    }

    fn presses(&mut self, user: u64, action: &str) -> Vec<Request> {
        let id = format!("soundboard:{action}");
        self.interact(3, user, json!({ "custom_id": id, "component_type": 2 }))
    }

    /// What is offered to somebody who types: the values.
    fn offers(&mut self, user: u64, command: &str, option: &str, typed: &str) -> Vec<String> {
        let data = slash(command, &json!({ option: typed }), Some(option));
        let requests = self.interact(4, user, data);
        let choices = requests.last().unwrap().args["body"]["data"]["choices"].clone();
        let choices = choices.as_array().unwrap().iter();
        choices
            .map(|choice| choice["value"].as_str().unwrap().to_owned())
            .collect()
    }

    fn adds(&mut self, user: u64, name: &str, more: Value) -> String {
        let mut options = json!({ "name": name, "file": format!("{name}.mp3") });
        let more = more.as_object().unwrap().clone();
        options.as_object_mut().unwrap().extend(more);
        self.says(user, "add", options)
    }

    fn later(&mut self, seconds: u64) {
        let now = self.stage_now() + seconds * 1_000_000;
        self.stage.set_now_us(now);
        NOW.with(|at| at.set(now));
    }

    fn stage_now(&self) -> u64 {
        NOW.with(std::cell::Cell::get)
    }

    fn track(&mut self, track: u64, kind: &str) -> Vec<Request> {
        self.stage.requests();
        let event = json!({ "guild_id": "1", "track": track, "kind": kind });
        self.stage.event("mynah.track", &event);
        self.stage.requests()
    }

    fn end(mut self) {
        self.stage.stop(Why::Shutdown);
        assert_eq!(self.stage.failed(), None);
    }
}

thread_local! {
    /// The clock of the one stage of a test.
    static NOW: std::cell::Cell<u64> = const { std::cell::Cell::new(1_000_000_000) };
}

/// An option called `file` is an attachment of that name.
fn slash(command: &str, options: &Value, focused: Option<&str>) -> Value {
    let mut files = serde_json::Map::new();
    let options: Vec<Value> = options
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let kind = match value {
                Value::Bool(_) => 5,
                Value::Number(number) if number.is_f64() => 10,
                Value::Number(_) => 4,
                _ if name == "file" => 11,
                _ => 3,
            };
            if name == "file" {
                files.insert("50".into(), file(value.as_str().unwrap()));
            }
            let value = if name == "file" {
                json!("50")
            } else {
                value.clone()
            };
            let focused = focused == Some(name);
            json!({ "name": name, "type": kind, "value": value, "focused": focused })
        })
        .collect();
    let options = json!([{ "name": command, "type": 1, "options": options }]);
    json!({ "name": "sound", "type": 1, "options": options, "resolved": { "attachments": files } })
}

fn file(name: &str) -> Value {
    json!({ "id": "50", "filename": name, "url": format!("https://cdn/{name}"), "size": 1_000 })
}

/// The last text that was said.
fn last_words(requests: &[Request]) -> String {
    let words = requests.iter().rev().find_map(|request| {
        let body = request.args.get("body")?;
        let message = body
            .get("data")
            .filter(|data| !data.is_null())
            .unwrap_or(body);
        Some(message.get("content")?.as_str()?.to_owned())
    });
    words.unwrap_or_default()
}

fn kinds(requests: &[Request]) -> Vec<&str> {
    requests
        .iter()
        .map(|request| request.kind.as_str())
        .collect()
}

/// The kinds of the answers to interactions: 4 is a message, 5 and 6 defer, 7 changes the message.
fn answers(requests: &[Request]) -> Vec<u64> {
    let callbacks = requests.iter().filter(|request| {
        let path = request.args["path"].as_str().unwrap_or_default();
        path.ends_with("/callback")
    });
    callbacks
        .filter_map(|request| request.args["body"]["type"].as_u64())
        .collect()
}
