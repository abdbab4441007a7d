//! The plugin behind the real C table, with a scripted host and people who are heard.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use mynah_plugin::testing::{Answer, Request, Stage};
use mynah_plugin::{Error, GuildId, Packet, UserId, Why};
use serde_json::{Value, json};

use crate::ENTRY;

mod talks;

const GUILD: GuildId = GuildId::new(1);
const ANN: u64 = 5;
const BOB: u64 = 660_066_006_600;

/// Whether the host lets people know.
#[derive(Default)]
struct Host {
    may_nick: bool,
    may_play: bool,
}

fn answer(host: &Host, request: &Request) -> Answer {
    let path = request.args["path"].as_str().unwrap_or_default();
    let nick = request.args["method"] == "PATCH" && path.ends_with("/members/@me");
    Answer::Done(match request.kind.as_str() {
        "timer" => return Answer::Later,
        "voice.state" => json!({ "channel_id": "20", "bot_channel_id": null }),
        "voice.people" => json!({ "user_ids": ["5", BOB.to_string()] }),
        "voice.play" if host.may_play => json!({ "track": 1 }),
        "voice.play" => return Answer::Failed(Error::failed("no sound")),
        "rest" if nick && !host.may_nick => return Answer::Failed(Error::failed("no nick")),
        "rest" if path.contains("/members/") => {
            let id = path.rsplit('/').next().unwrap();
            json!({ "nick": null, "user": { "id": id, "username": format!("n{id}") } })
        }
        "rest" => json!({ "id": "9", "channel_id": "3", "username": "mynah" }),
        _ => json!(null),
    })
}

fn stage(folder: &Path) -> (Stage, Rc<RefCell<Host>>) {
    let config = json!({ "folder": folder, "warn_free": "0", "stop_free": "0" });
    let host = Rc::new(RefCell::new(Host::default()));
    let mut stage = Stage::start(&ENTRY, &config).unwrap();
    let script = host.clone();
    stage.script(move |request| answer(&script.borrow(), request));
    (stage, host)
}

/// Somebody with or without the right to record says a command.
fn says(stage: &mut Stage, user: u64, staff: bool, command: &str, options: Value) -> Vec<String> {
    stage.requests();
    stage.event(
        "INTERACTION_CREATE",
        &json!({
            "id": "77", "token": "t", "application_id": "9", "type": 2, "guild_id": "1", "channel_id": "3",
            "member": { "user": { "id": user.to_string(), "username": "x" },
                        "permissions": if staff { "32" } else { "0" } },
            "data": { "name": "record", "type": 1,
                      "options": [{ "name": command, "type": 1, "options": options }] },
        }),
    );
    stage.said()
}

/// Each of them speaks for a second, with a packet that can be found again.
fn speak(stage: &mut Stage, tick: &mut u64, speakers: &[(u64, &[u8])]) {
    for _ in 0..50 {
        *tick += 1;
        stage.advance(20_000);
        let packets: Vec<Packet<'_>> = speakers
            .iter()
            .map(|(user, opus)| Packet {
                user: Some(UserId::new(*user)),
                lane: None,
                ssrc: *user as u32,
                sequence: *tick as u16,
                timestamp: *tick as u32 * 960,
                arrival_us: *tick * 20_000,
                opus,
                unopened: opus.is_empty(),
            })
            .collect();
        stage.hear(GUILD, *tick, &packets, &[]);
    }
}

/// Everything below a folder, names and contents.
fn everything(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.extend(path.to_string_lossy().bytes());
        if path.is_dir() {
            all.extend(everything(&path));
        } else {
            all.extend(std::fs::read(&path).unwrap());
        }
    }
    all
}

fn holds(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[test]
fn nothing_is_written_when_nobody_can_be_told_and_one_way_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let (mut stage, host) = stage(folder.path());
    let said = says(&mut stage, ANN, false, "start", json!([]));
    assert_eq!(said, [super::words::NOT_ALLOWED]);
    let said = says(&mut stage, ANN, true, "start", json!([]));
    assert_eq!(said.last().unwrap(), super::words::NO_INDICATOR);
    assert!(stage.listenings().is_empty());
    assert!(!folder.path().join("1").exists(), "nothing was begun");
    host.borrow_mut().may_play = true;
    let said = says(&mut stage, ANN, true, "start", json!([]));
    assert!(said.last().unwrap().contains("Recording <#20>"), "{said:?}");
    assert_eq!(stage.listenings().len(), 1);
    let said = says(&mut stage, ANN, true, "start", json!([]));
    assert_eq!(said, [super::words::RUNS_ALREADY]);
    let unknown = json!([{ "name": "id", "type": 3, "value": "../.." }]);
    assert_eq!(
        says(&mut stage, ANN, true, "info", unknown),
        [super::words::NO_SUCH]
    );
    stage.stop(Why::Shutdown);
    assert_eq!(stage.failed(), None);
}

#[test]
fn who_opted_out_reaches_the_disk_with_neither_a_packet_nor_an_id() {
    let folder = tempfile::tempdir().unwrap();
    let (mut stage, host) = stage(folder.path());
    host.borrow_mut().may_nick = true;
    let said = says(&mut stage, BOB, false, "optout", json!([]));
    assert_eq!(said, [super::words::OPTED_OUT]);
    // Who opted out may record others, and is named nowhere even so.
    says(&mut stage, BOB, true, "start", json!([]));
    for command in ["pause", "resume"] {
        says(&mut stage, BOB, true, command, json!([]));
    }
    let (ann, bob, late) = (b"\xfcann's voice", b"\xfcbob's voice", b"\xfcafterwards");
    let mut tick = 0;
    speak(&mut stage, &mut tick, &[(ANN, ann), (BOB, bob)]);
    // Ann goes on unheard from here.
    says(&mut stage, ANN, false, "optout", json!([]));
    speak(&mut stage, &mut tick, &[(ANN, late), (BOB, bob)]);
    says(&mut stage, BOB, true, "stop", json!([]));
    stage.stop(Why::Shutdown);
    assert_eq!(stage.failed(), None);
    let all = everything(folder.path());
    assert!(holds(&all, b"stopped by somebody"));
    assert!(holds(&all, ann), "what Ann said before is there");
    assert!(!holds(&all, late), "and nothing after");
    assert!(!holds(&all, bob));
    assert!(!holds(&all, BOB.to_string().as_bytes()));
    assert!(!holds(&all, &BOB.to_le_bytes()));
    assert!(holds(&all, b"\"state\": \"stopped\"") || holds(&all, b"\"state\":\"stopped\""));
}

#[test]
fn what_could_not_be_decrypted_is_counted_for_whoever_said_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut stage, host) = stage(folder.path());
    host.borrow_mut().may_nick = true;
    says(&mut stage, ANN, true, "start", json!([]));
    let (ann, bob) = (b"\xfcann's voice", b"\xfcbob's voice");
    let mut tick = 0;
    speak(&mut stage, &mut tick, &[(ANN, ann), (BOB, bob)]);
    speak(&mut stage, &mut tick, &[(ANN, ann), (BOB, b"")]);
    speak(&mut stage, &mut tick, &[(ANN, ann), (BOB, bob)]);
    says(&mut stage, ANN, true, "stop", json!([]));
    stage.stop(Why::Shutdown);
    assert_eq!(stage.failed(), None);
    let guild = folder.path().join("1");
    let recording = std::fs::read_dir(guild)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    let manifest = crate::core::manifest::Manifest::read(&recording).unwrap();
    let of = |user: u64| {
        let mut tracks = manifest.tracks.iter();
        tracks.find(|track| track.user == user.to_string()).unwrap()
    };
    assert_eq!((of(ANN).unusable, of(ANN).lost), (0, 0));
    assert_eq!((of(BOB).unusable, of(BOB).lost), (50, 0));
    assert_eq!(of(ANN).packets, of(BOB).packets + 50);
    assert_eq!(crate::core::repair::verify(&recording).unwrap(), []);
}

#[test]
fn new_settings_count_for_a_recording_that_runs_and_another_folder_needs_a_new_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mut stage, host) = stage(folder.path());
    host.borrow_mut().may_nick = true;
    says(&mut stage, ANN, true, "start", json!([]));
    let mut tick = 0;
    speak(&mut stage, &mut tick, &[(BOB, b"\xfcone")]);
    let mut config = json!({
        "folder": folder.path(), "warn_free": "0", "stop_free": "0", "participant_pause": false,
    });
    stage.reconfigure(&config).unwrap();
    let said = says(&mut stage, BOB, false, "pause", json!([])).join(" ");
    assert!(said.contains("Only those who may record"), "{said}");
    speak(&mut stage, &mut tick, &[(BOB, b"\xfctwo")]);
    config["folder"] = json!(folder.path().join("other"));
    let refused = stage.reconfigure(&config);
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
    says(&mut stage, ANN, true, "stop", json!([]));
    stage.stop(Why::Shutdown);
    let all = everything(folder.path());
    assert!(holds(&all, b"\xfcone") && holds(&all, b"\xfctwo"));
}

/// The question who it is, asked before anything else, is answered.
fn knows_itself(stage: &mut Stage) {
    let me = stage.requests().remove(0);
    assert_eq!(me.args["path"], "/users/@me");
    stage.answer(me.op, Ok(json!({ "id": "9" })));
}

#[test]
fn what_people_saw_of_a_recording_that_ended_without_a_word_is_taken_back_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, host) = stage(folder.path());
    host.borrow_mut().may_nick = true;
    says(&mut first, ANN, true, "start", json!([]));
    first.stop(Why::Shutdown);
    let (mut second, host) = stage(folder.path());
    host.borrow_mut().may_nick = true;
    knows_itself(&mut second);
    let asked = |stage: &mut Stage| -> Vec<Value> {
        let requests = stage.requests().into_iter();
        let patches = requests.filter(|request| request.args["method"] == "PATCH");
        patches.map(|request| request.args).collect()
    };
    let patches = asked(&mut second);
    let to = |path: &str| patches.iter().find(|args| args["path"] == path);
    let panel = to("/channels/3/messages/9").unwrap();
    assert!(
        panel["body"]["content"].as_str().unwrap().contains("over"),
        "{panel}"
    );
    assert_eq!(panel["body"]["components"], json!([]));
    let nick = to("/guilds/1/members/@me").unwrap();
    assert_eq!(nick["body"]["nick"], json!(null), "{nick}");
    // Once is enough.
    second.stop(Why::Shutdown);
    let (mut third, _) = stage(folder.path());
    knows_itself(&mut third);
    assert_eq!(asked(&mut third), Vec::<Value>::new());
}

#[test]
fn what_is_kept_while_it_runs_is_kept_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let (mut stage, host) = stage(folder.path());
    host.borrow_mut().may_nick = true;
    says(&mut stage, ANN, true, "start", json!([]));
    let mut recordings = std::fs::read_dir(folder.path().join("1")).unwrap();
    let recording = recordings.next().unwrap().unwrap().path();
    let id = recording
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let this = json!([{ "name": "id", "type": 3, "value": id }]);
    let said = says(&mut stage, ANN, true, "keep", this.clone());
    assert!(said[0].contains("kept whatever"), "{said:?}");
    let said = says(&mut stage, ANN, true, "keep", this.clone());
    assert!(said[0].contains("goes with age"), "{said:?}");
    says(&mut stage, ANN, true, "keep", this);
    says(&mut stage, ANN, true, "stop", json!([]));
    stage.stop(Why::Shutdown);
    assert!(
        crate::core::manifest::Manifest::read(&recording)
            .unwrap()
            .keep
    );
}

#[test]
fn one_edit_of_the_panel_is_under_way_at_a_time_and_the_end_is_shown_last() {
    let folder = tempfile::tempdir().unwrap();
    let (mut stage, host) = stage(folder.path());
    host.borrow_mut().may_nick = true;
    let (edits, timers) = (Rc::new(RefCell::new(Vec::new())), Rc::default());
    let holds = Rc::new(std::cell::Cell::new(false));
    let (seen, waiting): (_, Rc<RefCell<Vec<u64>>>) = (edits.clone(), Rc::clone(&timers));
    let held = holds.clone();
    stage.script(move |request| {
        if held.get() && request.args["path"] == "/channels/3/messages/9" {
            let words = request.args["body"]["content"].to_string();
            seen.borrow_mut().push((request.op, words));
            return Answer::Later;
        }
        if request.kind == "timer" {
            waiting.borrow_mut().push(request.op);
        }
        answer(&host.borrow(), request)
    });
    says(&mut stage, ANN, true, "start", json!([]));
    holds.set(true);
    for command in ["pause", "resume", "pause", "resume"] {
        says(&mut stage, ANN, true, command, json!([]));
    }
    assert_eq!(edits.borrow().len(), 1, "{edits:?}");
    let first = edits.borrow()[0].0;
    stage.answer(first, Ok(json!(null)));
    // What happened meanwhile is in one edit, not in two.
    assert_eq!(edits.borrow().len(), 2, "{edits:?}");
    assert!(edits.borrow()[1].1.contains("being recorded"), "{edits:?}");
    says(&mut stage, ANN, true, "pause", json!([]));
    stage.advance(1_000_000);
    says(&mut stage, ANN, true, "stop", json!([]));
    // The disk thread ends, and the plugin looks at it once a second.
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let mut said = Vec::new();
    while !said.iter().any(|said: &String| said.contains("Recorded")) {
        assert!(std::time::Instant::now() < limit, "{said:?}");
        for timer in timers.take() {
            stage.answer(timer, Ok(json!(null)));
        }
        said = stage.said();
        std::thread::yield_now();
    }
    assert_eq!(edits.borrow().len(), 2, "{edits:?}");
    let second = edits.borrow()[1].0;
    stage.answer(second, Ok(json!(null)));
    assert_eq!(edits.borrow().len(), 3, "{edits:?}");
    assert!(edits.borrow()[2].1.contains("is over"), "{edits:?}");
}
