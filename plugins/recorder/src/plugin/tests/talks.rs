//! Everything people can say to the recorder, right and wrong, with and without the right to.

use std::time::{Duration, Instant};

use mynah_plugin::testing::Stage;
use mynah_plugin::{Packet, UserId};
use serde_json::{Value, json};

use super::{ANN, BOB, GUILD, stage};
use crate::plugin::words;

/// Somebody who is neither staff nor the starter.
const EVE: u64 = 7;

/// A conversation with a plugin on stage.
struct Talk {
    stage: Stage,
    folder: tempfile::TempDir,
    timers: Vec<u64>,
    /// Everything it said since the last look.
    said: Vec<String>,
    requests: Vec<Value>,
    tick: u64,
}

impl Talk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (stage, host) = stage(folder.path());
        host.borrow_mut().may_nick = true;
        Self {
            stage,
            folder,
            timers: Vec::new(),
            said: Vec::new(),
            requests: Vec::new(),
            tick: 0,
        }
    }

    fn collect(&mut self) {
        self.stage.run();
        for request in self.stage.requests() {
            if request.kind == "timer" {
                self.timers.push(request.op);
                continue;
            }
            let body = &request.args["body"];
            let data = match body.get("data") {
                Some(data) => data,
                None => body,
            };
            if let Some(text) = data["content"].as_str() {
                self.said.push(text.to_owned());
            }
            self.requests.push(request.args);
        }
    }

    /// What was said to a command, a button or a dialog.
    fn heard(&mut self) -> String {
        self.collect();
        self.said.join("\n")
    }

    /// Lets time pass until something is said that contains `what`.
    fn until(&mut self, what: &str) -> String {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            self.collect();
            let said = self.said.join("\n");
            if said.contains(what) {
                self.said.clear();
                return said;
            }
            assert!(Instant::now() < limit, "never said `{what}`: {said}");
            for timer in std::mem::take(&mut self.timers) {
                self.stage.answer(timer, Ok(Value::Null));
            }
            std::thread::yield_now();
        }
    }

    fn asks(&mut self, user: u64, staff: bool, kind: u8, data: &Value) -> String {
        self.said.clear();
        self.requests.clear();
        let asked = json!({
            "id": "77", "token": "t", "application_id": "9", "type": kind, "guild_id": "1",
            "channel_id": "3", "data": data,
            "member": { "user": { "id": user.to_string(), "username": "x" },
                        "permissions": if staff { "32" } else { "0" } },
        });
        self.stage.event("INTERACTION_CREATE", &asked);
        self.heard()
    }

    /// A slash command; a text option that ends with `…` is being typed.
    fn says(&mut self, user: u64, staff: bool, command: &str, options: &Value) -> String {
        let data = command_data(command, options, None);
        self.asks(user, staff, 2, &data)
    }

    fn types(
        &mut self,
        user: u64,
        staff: bool,
        command: &str,
        options: &Value,
        focus: &str,
    ) -> String {
        let data = command_data(command, options, Some(focus));
        self.asks(user, staff, 4, &data);
        self.requests.iter().map(Value::to_string).collect()
    }

    fn presses(&mut self, user: u64, staff: bool, button: &str) -> String {
        let data = json!({ "custom_id": format!("recorder:{button}"), "component_type": 2 });
        self.asks(user, staff, 3, &data)
    }

    fn speaks(&mut self, users: &[u64], ticks: usize) {
        for _ in 0..ticks {
            self.tick += 1;
            self.stage.advance(20_000);
            let packets: Vec<Packet<'_>> = users
                .iter()
                .map(|user| Packet {
                    user: Some(UserId::new(*user)),
                    lane: None,
                    ssrc: *user as u32,
                    sequence: self.tick as u16,
                    timestamp: self.tick as u32 * 960,
                    arrival_us: self.tick * 20_000,
                    opus: b"\xfcwords",
                    unopened: false,
                })
                .collect();
            self.stage.hear(GUILD, self.tick, &packets, &[]);
        }
    }

    fn starts(&mut self, options: &Value) -> String {
        let said = self.says(ANN, true, "start", options);
        assert!(said.contains("Recording <#20>"), "{said}");
        let id = said.rsplit("(`").next().unwrap();
        id.split('`').next().unwrap().to_owned()
    }

    fn stops(&mut self) {
        self.says(ANN, true, "stop", &json!({}));
        self.until("⏹️ Recorded");
    }
}

fn command_data(command: &str, options: &Value, focus: Option<&str>) -> Value {
    let options: Vec<Value> = options
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let kind = if value.is_boolean() { 5 } else { 3 };
            json!({ "name": name, "type": kind, "value": value, "focused": focus == Some(name) })
        })
        .collect();
    json!({ "name": "record", "type": 1,
            "options": [{ "name": command, "type": 1, "options": options }] })
}

#[test]
fn the_buttons_of_the_panel_do_what_the_commands_do() {
    let mut talk = Talk::new();
    for button in ["pause", "resume", "stop"] {
        let said = talk.presses(ANN, true, button);
        assert_eq!(said, words::NOTHING_RUNS, "{button}: nothing runs");
    }
    talk.starts(&json!({}));
    // Somebody elsewhere may nothing, somebody in the channel may pause and write notes.
    assert_eq!(talk.presses(EVE, false, "pause"), words::NOT_IN_CHANNEL);
    assert!(
        talk.presses(BOB, false, "pause")
            .contains("⏸️ Paused by <@660066006600>")
    );
    assert!(talk.presses(BOB, false, "pause").contains("paused already"));
    assert_eq!(talk.presses(BOB, false, "resume"), words::NOT_ALLOWED);
    assert!(talk.presses(ANN, true, "resume").contains("goes on"));
    assert!(
        talk.presses(ANN, true, "resume")
            .contains("nothing to resume")
    );
    talk.presses(BOB, false, "note");
    let dialog = talk.requests.iter().any(|args| args["body"]["type"] == 9);
    assert!(dialog, "a dialog opens: {:?}", talk.requests);
    let field = json!({ "custom_id": "recorder:note", "components": [
        { "type": 1, "components": [{ "type": 4, "custom_id": "text", "value": "  decided *it* " }] },
    ] });
    assert!(
        talk.asks(BOB, false, 5, &field)
            .contains("📌 0:00 · decided \\*it\\*")
    );
    let empty = json!({ "custom_id": "recorder:note", "components": [] });
    assert!(
        talk.asks(BOB, false, 5, &empty)
            .contains("Say what is to be remembered")
    );
    assert_eq!(talk.presses(BOB, false, "stop"), words::NOT_ALLOWED);
    assert!(talk.presses(ANN, true, "dance").contains("do not know"));
    assert!(
        talk.presses(BOB, false, "optout")
            .starts_with(words::OPTED_OUT)
    );
    let said = talk.says(BOB, false, "note", &json!({ "text": "me" }));
    assert!(said.contains("by your own wish"), "{said}");
    assert!(
        talk.says(BOB, false, "status", &json!({}))
            .contains("by their own wish: 1")
    );
    assert!(
        talk.says(BOB, false, "optin", &json!({}))
            .starts_with(words::OPTED_IN)
    );
    talk.presses(ANN, false, "stop");
    talk.until("⏹️ Recorded");
    assert_eq!(
        talk.says(ANN, true, "status", &json!({})),
        words::NOTHING_RUNS
    );
}

#[test]
fn recordings_are_shown_to_staff_and_to_who_started_them_and_to_nobody_else() {
    let mut talk = Talk::new();
    assert!(
        talk.says(ANN, true, "list", &json!({}))
            .contains("Nothing has been recorded")
    );
    assert_eq!(
        talk.says(EVE, false, "list", &json!({})),
        words::NOTHING_OF_YOURS
    );
    let id = talk.starts(&json!({ "title": "Budget" }));
    talk.speaks(&[ANN, BOB], 50);
    talk.says(ANN, true, "note", &json!({ "text": "numbers" }));
    let listed = talk.says(ANN, false, "list", &json!({}));
    assert!(
        listed.contains("Budget") && listed.contains("running"),
        "{listed}"
    );
    let early = talk.says(ANN, true, "delete", &json!({ "id": id, "confirm": true }));
    assert!(early.contains("`/record stop` first"), "{early}");
    talk.stops();
    for (user, staff) in [(ANN, false), (EVE, true)] {
        let shown = talk.says(user, staff, "info", &json!({ "id": id }));
        assert!(
            shown.contains("Budget") && shown.contains("📌 0:01 numbers"),
            "{shown}"
        );
        assert!(
            talk.types(user, staff, "info", &json!({ "id": "bud" }), "id")
                .contains(&id)
        );
    }
    for command in ["info", "export", "keep", "delete"] {
        let options = json!({ "id": id, "confirm": true });
        assert_eq!(
            talk.says(EVE, false, command, &options),
            words::NOT_YOURS,
            "{command}"
        );
        let other = json!({ "id": "../1", "confirm": true });
        assert_eq!(
            talk.says(EVE, true, command, &other),
            words::NO_SUCH,
            "{command}"
        );
    }
    assert!(
        !talk
            .types(EVE, false, "info", &json!({ "id": "" }), "id")
            .contains(&id)
    );
    assert!(
        !talk
            .types(
                EVE,
                false,
                "export",
                &json!({ "id": id, "chapter": "" }),
                "chapter"
            )
            .contains("numbers")
    );
    assert!(
        talk.types(
            ANN,
            false,
            "export",
            &json!({ "id": id, "chapter": "" }),
            "chapter"
        )
        .contains("numbers")
    );

    let one = json!({ "id": id });
    assert!(
        talk.says(ANN, false, "keep", &one)
            .contains("whatever its age")
    );
    assert!(talk.says(ANN, false, "list", &json!({})).contains("kept"));
    assert!(
        talk.says(ANN, false, "keep", &one)
            .contains("goes with age again")
    );
    assert_eq!(
        talk.says(ANN, false, "delete", &json!({ "id": id, "confirm": false })),
        words::CONFIRM
    );
    let gone = talk.says(ANN, false, "delete", &json!({ "id": id, "confirm": true }));
    assert!(gone.contains("is gone"), "{gone}");
    assert!(!talk.folder.path().join("1").join(&id).exists());
    assert_eq!(talk.says(ANN, true, "info", &one), words::NO_SUCH);
}

#[test]
fn exports_show_a_bar_can_be_called_off_and_name_what_they_lack() {
    let mut talk = Talk::new();
    let id = talk.starts(&json!({}));
    let running = talk.says(ANN, true, "export", &json!({ "id": id }));
    assert!(running.is_empty() || running.contains("📦"), "{running}");
    talk.until("is still running");
    talk.speaks(&[ANN, BOB], 100);
    talk.says(ANN, true, "note", &json!({ "text": "numbers" }));
    talk.speaks(&[ANN], 50);
    talk.stops();
    let wrong = [
        (json!({ "from": "soon" }), "Write a moment"),
        (
            json!({ "tracks": "nobody" }),
            "nobody called `nobody` has a track; there are",
        ),
        (
            json!({ "chapter": "lunch" }),
            "no chapter is called `lunch`",
        ),
        (json!({ "format": "opus", "mix": true }), "Opus is copied"),
        (json!({ "from": "90s" }), "nothing in it"),
    ];
    for (options, words) in wrong {
        let mut options = options;
        options["id"] = json!(id);
        talk.says(ANN, true, "export", &options);
        talk.until(words);
    }
    let options = json!({ "id": id, "format": "wav", "chapter": "numbers", "tracks": "1" });
    talk.says(ANN, true, "export", &options);
    let said = talk.until("It lies on the bot's machine");
    let file = said.split('`').find(|part| part.ends_with(".wav"));
    let file = file.unwrap_or_else(|| panic!("{said}"));
    assert!(file.contains("-1-numbers.wav"), "{file}");
    let bytes = std::fs::read(file).unwrap();
    assert!(bytes.starts_with(b"RIFF"));
    // From the note to the end: a second of two, and what was heard of the end.
    let seconds = bytes.len() as f64 / 192_000.0;
    assert!((0.9..1.3).contains(&seconds), "{seconds}");
    assert!(talk.presses(ANN, true, "calloff1").contains("is over"));
    assert!(talk.presses(ANN, true, "calloffx").contains("is over"));
}

#[test]
fn who_comes_late_hears_of_it_and_who_is_not_received_is_shown() {
    let mut talk = Talk::new();
    talk.starts(&json!({}));
    let come = json!({ "guild_id": "1", "channel_id": "20", "user_id": "7",
        "member": { "user": { "id": "7", "username": "eve" } } });
    talk.stage.event("VOICE_STATE_UPDATE", &come);
    talk.collect();
    let chime = talk.requests.iter().any(|args| args["lane"] == "notice");
    assert!(chime, "a note is played: {:?}", talk.requests);
    talk.speaks(&[ANN], 50);
    let speaking = json!({ "guild_id": "1", "kind": "speaking", "user_id": "7", "speaks": true });
    talk.stage.event("mynah.voice", &speaking);
    talk.speaks(&[ANN], 100);
    let status = talk.says(ANN, true, "status", &json!({}));
    assert!(
        !status.contains("receive nothing"),
        "two seconds may pass: {status}"
    );
    talk.speaks(&[ANN], 60);
    let status = talk.says(ANN, true, "status", &json!({}));
    assert!(
        status.contains("eve · ⚠️ I receive nothing of them"),
        "{status}"
    );
    talk.speaks(&[ANN, EVE], 1);
    let status = talk.says(ANN, true, "status", &json!({}));
    assert!(!status.contains("receive nothing"), "{status}");
}

#[test]
fn what_becomes_of_the_connection_is_told_and_written_down() {
    let mut talk = Talk::new();
    let id = talk.starts(&json!({ "post": "30" }));
    let voice = |kind: &str| json!({ "guild_id": "1", "kind": kind, "channel_id": "21", "reason": "kicked" });
    talk.speaks(&[ANN], 50);
    talk.stage.event("mynah.voice", &voice("lost"));
    let status = talk.says(ANN, true, "status", &json!({}));
    assert!(status.contains("being mended"), "{status}");
    talk.speaks(&[ANN], 50);
    talk.stage.event("mynah.voice", &voice("resumed"));
    talk.stage.event(
        "mynah.voice",
        &json!({ "guild_id": "1", "kind": "epoch", "version": 1, "epoch": 5 }),
    );
    talk.stage.event("mynah.voice", &voice("moved"));
    let status = talk.says(ANN, true, "status", &json!({}));
    assert!(
        status.contains("<#21>") && !status.contains("being mended"),
        "{status}"
    );
    talk.requests.clear();
    talk.stage.event("mynah.voice", &voice("ended"));
    talk.stage.stop_hearing(GUILD);
    talk.until("⏹️ Recorded");
    let posted = |args: &Value| args["path"] == "/channels/30/messages";
    assert!(
        talk.requests.iter().any(posted),
        "where this server wants it: {:?}",
        talk.requests
    );
    let folder = talk.folder.path().join("1").join(&id);
    let (lines, _) = crate::core::events::read(&folder).unwrap();
    let written = format!("{lines:?}");
    for what in [
        "Outage { length_us: 1000000",
        "Dave { version: 1, epoch: 5",
        "left the voice channel: kicked",
    ] {
        assert!(written.contains(what), "{what}: {written}");
    }
    // The channel is remembered for the next one.
    talk.says(ANN, true, "start", &json!({}));
    talk.collect();
    assert!(talk.requests.iter().any(posted), "{:?}", talk.requests);
}

#[test]
fn a_recording_ends_when_everybody_has_been_gone_for_long_enough() {
    let mut talk = Talk::new();
    let id = talk.starts(&json!({}));
    talk.speaks(&[ANN], 50);
    for user in [ANN, BOB] {
        let gone = json!({ "guild_id": "1", "channel_id": null, "user_id": user.to_string(),
            "member": { "user": { "id": user.to_string(), "username": "x" } } });
        talk.stage.event("VOICE_STATE_UPDATE", &gone);
    }
    let look = |talk: &mut Talk, seconds: u64| {
        talk.stage.advance(seconds * 1_000_000);
        talk.collect();
        for timer in std::mem::take(&mut talk.timers) {
            talk.stage.answer(timer, Ok(Value::Null));
        }
        talk.heard()
    };
    look(&mut talk, 1);
    assert!(!look(&mut talk, 118).contains("everybody has left"));
    assert!(look(&mut talk, 2).contains("everybody has left"));
    talk.until("⏹️ Recorded");
    let (lines, _) = crate::core::events::read(&talk.folder.path().join("1").join(id)).unwrap();
    assert!(format!("{lines:?}").contains("everybody has left"));
}
