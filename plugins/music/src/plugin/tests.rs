//! The plugin behind the real C table, with a scripted host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::cell::RefCell;
use std::rc::Rc;

use mynah_plugin::testing::{Answer, Request, Stage};
use mynah_plugin::{Error, Saved};
use serde_json::{Value, json};

use crate::ENTRY;

mod cards;

/// What the scripted host knows and does.
struct Host {
    bot: Option<&'static str>,
    ann: Option<&'static str>,
    track: u64,
    hold: &'static [&'static str],
}

fn answer(host: &mut Host, request: &Request) -> Answer {
    if host.hold.contains(&request.kind.as_str()) {
        return Answer::Later;
    }
    Answer::Done(match request.kind.as_str() {
        "fs.list" => json!({ "files": [
            { "path": "media/alpha.mp3", "bytes": 1, "modified_s": 1 },
            { "path": "media/deep/beta.ogg", "bytes": 2 },
            { "path": "media/cover.png", "bytes": 3 },
        ] }),
        "media.probe" if request.args["url"] == "https://cdn/notes.mp3" => {
            return Answer::Failed(Error::failed(
                "\"notes.mp3\" is not audio Mynah can play: it looks like text",
            ));
        }
        "media.probe" if request.args["path"] == "media/alpha.mp3" => json!({ "codec": "mp3" }),
        "media.probe" => json!({ "title": "Beta", "artist": "Bee", "duration_ms": 61_000 }),
        "voice.state" => json!({ "channel_id": host.ann, "bot_channel_id": host.bot }),
        "voice.join" => {
            host.bot = Some("20");
            json!(null)
        }
        "voice.play" => {
            host.track += 1;
            json!({ "track": host.track })
        }
        "track.position" if request.args["track"].as_u64() > Some(host.track) => {
            return Answer::Failed(Error::failed("it is over, or not this plugin's"));
        }
        "track.position" => json!({ "position_ms": 30_500 }),
        "rest" => json!({ "id": "1", "channel_id": "3" }),
        "timer" => return Answer::Later,
        _ => json!(null),
    })
}

fn stage() -> (Stage, Rc<RefCell<Host>>) {
    stage_from(&Saved::empty())
}

fn stage_from(saved: &Saved) -> (Stage, Rc<RefCell<Host>>) {
    let host = Rc::new(RefCell::new(Host {
        bot: None,
        ann: Some("20"),
        track: 0,
        hold: &[],
    }));
    let mut stage = Stage::start_from(&ENTRY, &json!({ "library": ["media"] }), saved).unwrap();
    let script = host.clone();
    stage.script(move |request| answer(&mut script.borrow_mut(), request));
    for early in stage.requests() {
        // Asked for during the start, when there was no script yet.
        let late = answer(&mut host.borrow_mut(), &early);
        if let Answer::Done(body) = late {
            stage.answer(early.op, Ok(body));
        }
    }
    stage.requests();
    (stage, host)
}

fn track(stage: &mut Stage, track: u64, kind: &str) {
    stage.event(
        "mynah.track",
        &json!({ "guild_id": "1", "track": track, "kind": kind }),
    );
}

/// The Discord requests since the last look: `POST callback 5`, `PATCH @original`, `POST messages`.
fn rest(stage: &mut Stage) -> Vec<(String, Value)> {
    let requests = stage
        .requests()
        .into_iter()
        .filter(|request| request.kind == "rest");
    let line = |request: Request| {
        let path = request.args["path"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        let body = request.args["body"].clone();
        (
            format!(
                "{} {path}{}",
                request.args["method"].as_str().unwrap(),
                body["type"]
            )
            .replace("null", ""),
            body,
        )
    };
    requests.map(line).collect()
}

#[test]
fn all_commands_are_registered_and_play_completes_its_query() {
    let (stage, _) = stage();
    let commands = stage.commands();
    let names: Vec<_> = commands
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "play",
            "pause",
            "resume",
            "skip",
            "stop",
            "queue",
            "nowplaying",
            "volume",
            "seek",
            "loop",
            "filter",
            "history",
            "playlist",
            "previous",
            "replay",
            "leave"
        ]
    );
    assert_eq!(commands[0]["options"][0]["autocomplete"], true);
    assert_eq!(commands[0]["options"][1]["type"], 11);
}

#[test]
fn play_defers_joins_plays_and_completes_the_answer_when_the_music_sounds() {
    let (mut stage, _) = stage();
    stage.command("play", json!({ "query": "beta" }));
    let requests = stage.requests();
    let kinds: Vec<_> = requests
        .iter()
        .map(|r| r.kind.as_str())
        .filter(|k| *k != "timer")
        .collect();
    assert_eq!(kinds, ["voice.state", "rest", "voice.join", "voice.play"]);
    assert_eq!(requests[1].args["body"]["type"], 5);
    let play = &requests.last().unwrap().args;
    assert_eq!(
        (&play["path"], &play["gain"]),
        (&json!("media/deep/beta.ogg"), &json!(1.0))
    );
    track(&mut stage, 1, "started");
    let seen = rest(&mut stage);
    assert_eq!(seen[0].0, "PATCH @original");
    assert_eq!(seen[0].1["content"], "Now playing **Bee – Beta** (1:01).");
    assert_eq!(seen[0].1["allowed_mentions"], json!({ "parse": [] }));
}

#[test]
fn an_answer_never_overtakes_its_own_deferral() {
    let (mut stage, host) = stage();
    host.borrow_mut().hold = &["rest"];
    stage.command("play", json!({ "query": "beta" }));
    let defer = stage
        .requests()
        .into_iter()
        .find(|r| r.kind == "rest")
        .unwrap();
    track(&mut stage, 1, "started");
    assert_eq!(rest(&mut stage), []);
    stage.answer(defer.op, Ok(json!(null)));
    assert_eq!(rest(&mut stage)[0].0, "PATCH @original");
}

#[test]
fn an_upload_that_is_no_sound_is_refused_in_the_engines_words() {
    let (mut stage, _) = stage();
    let file = json!({ "filename": "notes.mp3", "url": "https://cdn/notes.mp3", "size": 10 });
    let data = json!({
        "name": "play", "type": 1, "options": [{ "name": "file", "type": 11, "value": "77" }],
        "resolved": { "attachments": { "77": file } },
    });
    stage.raw_interaction(2, data);
    let seen = rest(&mut stage);
    assert_eq!(seen[0].0, "POST callback4");
    assert_eq!(seen[0].1["data"]["flags"], 64);
    let text = "I cannot play **notes.mp3**: \"notes.mp3\" is not audio Mynah can play: it looks like text.";
    assert_eq!(seen[0].1["data"]["content"], text);
}

#[test]
fn controls_reach_the_engine_and_their_answers_are_immediate() {
    let (mut stage, _) = stage();
    stage.command("play", json!({ "query": "alpha" }));
    track(&mut stage, 1, "started");
    stage.requests();
    stage.command("pause", json!({}));
    stage.command("resume", json!({}));
    stage.command("volume", json!({ "percent": 50 }));
    stage.command("nowplaying", json!({}));
    stage.command("queue show", json!({}));
    stage.command("stop", json!({ "clear": true }));
    stage.command("leave", json!({}));
    let requests = stage.requests();
    let kinds: Vec<_> = requests
        .iter()
        .map(|r| r.kind.as_str())
        .filter(|k| !matches!(*k, "voice.state" | "timer"))
        .collect();
    assert_eq!(
        kinds,
        [
            "track.pause",
            "rest",
            "track.resume",
            "rest",
            "track.gain",
            "rest",
            "track.position",
            "rest", // the card
            "rest", // which message it is
            "rest",
            "track.stop",
            "rest",
            "rest", // the card tells that nothing plays
            "voice.leave",
            "rest"
        ]
    );
    let gain = requests.iter().find(|r| r.kind == "track.gain").unwrap();
    assert_eq!(gain.args, json!({ "track": 1, "gain": 0.5 }));
}

#[test]
fn a_direct_message_is_answered_without_asking_for_a_server() {
    let (mut stage, _) = stage();
    stage.event(
        "INTERACTION_CREATE",
        &json!({
            "id": "1", "token": "t", "application_id": "9", "type": 2, "channel_id": "3",
            "user": { "id": "5", "username": "ann" }, "data": { "name": "skip", "type": 1 },
        }),
    );
    let seen = rest(&mut stage);
    assert_eq!((seen.len(), &seen[0].1["data"]["flags"]), (1, &json!(64)));
    assert!(
        seen[0].1["data"]["content"]
            .as_str()
            .unwrap()
            .contains("direct message")
    );
}

#[test]
fn typing_offers_titles_with_ids_that_play() {
    let (mut stage, _) = stage();
    stage.autocomplete("play", json!({ "query": "al" }), "query");
    let seen = rest(&mut stage);
    assert_eq!(seen[0].0, "POST callback8");
    let choices = seen[0].1["data"]["choices"].as_array().unwrap().clone();
    assert_eq!(
        (choices.len(), choices[0]["name"].as_str()),
        (1, Some("alpha"))
    );
    let id = choices[0]["value"].as_str().unwrap();
    assert!(id.starts_with("lib:") && !id.contains("alpha"));
    stage.command("play", json!({ "query": id }));
    let play = stage
        .requests()
        .into_iter()
        .find(|r| r.kind == "voice.play")
        .unwrap();
    assert_eq!(play.args["path"], "media/alpha.mp3");
}

#[test]
fn a_failing_track_is_named_in_the_channel_where_play_was_used() {
    let (mut stage, _) = stage();
    stage.command("play", json!({ "query": "alpha" }));
    track(&mut stage, 1, "started");
    stage.requests();
    stage.event(
        "mynah.track",
        &json!({ "guild_id": "1", "track": 1, "kind": "failed", "reason": "damaged" }),
    );
    let seen = rest(&mut stage);
    assert_eq!(seen[0].0, "POST messages");
    assert!(seen[0].1["content"].as_str().unwrap().contains("damaged"));
}

#[test]
fn the_deferral_timer_is_set_for_slow_requests_and_keeps_its_time() {
    let (mut stage, host) = stage();
    host.borrow_mut().hold = &["media.probe"];
    let file = json!({ "filename": "slow.mp3", "url": "https://cdn/slow.mp3" });
    let data = json!({
        "name": "play", "type": 1, "options": [{ "name": "file", "type": 11, "value": "77" }],
        "resolved": { "attachments": { "77": file } },
    });
    stage.raw_interaction(2, data);
    let timer = stage
        .requests()
        .into_iter()
        .find(|r| r.kind == "timer")
        .unwrap();
    assert_eq!(timer.args["ms"], 1500);
    stage.set_now_us(1_500_000);
    stage.answer(timer.op, Ok(json!(null)));
    assert_eq!(rest(&mut stage)[0].0, "POST callback5");
}

#[test]
fn queue_and_volume_survive_a_restart() {
    let (mut stage, _) = stage();
    stage.command("play", json!({ "query": "alpha" }));
    track(&mut stage, 1, "started");
    stage.command("play", json!({ "query": "beta" }));
    stage.command("volume", json!({ "percent": 70 }));
    let saved = stage.save().unwrap();
    let (mut again, _) = stage_from(&saved);
    again.command("resume", json!({}));
    let play = again
        .requests()
        .into_iter()
        .find(|r| r.kind == "voice.play")
        .unwrap();
    assert_eq!(play.args["path"], "media/alpha.mp3");
    assert!((play.args["gain"].as_f64().unwrap() - 0.7).abs() < 1e-6);
    track(&mut again, 1, "started");
    again.command("queue show", json!({}));
    assert!(again.said().last().unwrap().contains("1. **Bee – Beta**"));
}

#[test]
fn a_reload_takes_up_what_plays_instead_of_playing_it_anew() {
    let (mut stage, host) = stage();
    stage.command("play", json!({ "query": "alpha" }));
    track(&mut stage, 1, "started");
    let saved = stage.save().unwrap();
    let people = json!({ "user_ids": ["9", "20"], "bot_id": "9" });
    let plays = |requests: &[Request]| requests.iter().any(|r| r.kind == "voice.play");
    // A new run: the host has no track of that number.
    assert!(plays(&requests_of(&saved, people.clone(), 0)));
    assert!(!plays(&requests_of(&saved, people, host.borrow().track)));
    let nobody = json!({ "user_ids": ["9"], "bot_id": "9" });
    let requests = requests_of(&saved, nobody, host.borrow().track);
    let stop = requests.iter().find(|r| r.kind == "track.stop");
    assert_eq!(stop.map(|r| &r.args["track"]), Some(&json!(1)));
}

#[test]
fn wrong_values_and_unknown_keys_are_all_reported_before_the_start() {
    let wrong = json!({ "libary": [], "max_volume": 400, "max_track": "long" });
    assert!(Stage::start(&ENTRY, &wrong).is_err());
    assert!(Stage::start(&ENTRY, &json!({})).is_ok());
}

#[test]
fn skip_asks_for_silence_before_it_asks_for_the_next_track() {
    let (mut stage, _) = stage();
    stage.command("play", json!({ "query": "alpha" }));
    track(&mut stage, 1, "started");
    stage.command("play", json!({ "query": "beta" }));
    stage.requests();
    stage.command("skip", json!({}));
    track(&mut stage, 1, "stopped");
    track(&mut stage, 2, "started");
    let requests = stage.requests();
    let kinds: Vec<_> = requests
        .iter()
        .map(|r| r.kind.as_str())
        .filter(|k| *k != "timer")
        .collect();
    assert_eq!(kinds, ["voice.state", "track.stop", "voice.play", "rest"]);
    let text = &requests.last().unwrap().args["body"]["data"]["content"];
    assert_eq!(
        text,
        "Skipped **alpha**. Now playing **Bee – Beta** (1:01)."
    );
}

#[test]
fn what_changes_the_sound_reaches_the_engine_in_its_own_terms() {
    let (mut stage, _) = stage();
    stage.command("play", json!({ "query": "beta" }));
    track(&mut stage, 1, "started");
    stage.requests();
    stage.command("loop", json!({ "mode": "track" }));
    stage.command("filter", json!({ "preset": "8D", "speed": 2 }));
    stage.command("seek", json!({ "to": "0:30" }));
    let requests = stage.requests();
    let ops: Vec<&Request> = requests
        .iter()
        .filter(|r| !matches!(r.kind.as_str(), "voice.state" | "timer" | "rest"))
        .collect();
    let kinds: Vec<_> = ops.iter().map(|r| r.kind.as_str()).collect();
    let expected = ["track.repeat", "track.filters", "voice.play", "track.stop"];
    assert_eq!(kinds, expected);
    assert_eq!(ops[0].args, json!({ "track": 1, "repeat": true }));
    let filters = &ops[1].args["filters"];
    assert_eq!(filters["rotation"]["rotation_hz"], 0.125);
    assert_eq!(filters["timescale"]["speed"], 2.0);
    let play = &ops[2].args;
    assert_eq!(
        (&play["start_ms"], &play["repeat"], &play["filters"]),
        (&json!(30_000), &json!(true), filters)
    );
    assert_eq!(
        play["fade_in"],
        json!({ "ms": 10, "curve": "equal_power" }),
        "a jump does not click"
    );
    assert!(play.get("lane").is_none(), "music needs no lane of its own");
    track(&mut stage, 2, "started");
    assert_eq!(stage.said(), ["**Bee – Beta** goes on at 0:30."]);
}

#[test]
fn wrong_options_are_answered_with_examples_and_suggestions() {
    let (mut stage, _) = stage();
    for (command, options, expected) in [
        ("seek", json!({ "to": "later" }), "`1h10m`, `+30`"),
        (
            "loop",
            json!({ "mode": "all" }),
            "`off`, `track` or `queue`",
        ),
        (
            "filter",
            json!({ "preset": "nigtcore" }),
            "Did you mean `nightcore`?",
        ),
        ("filter", json!({ "speed": 3 }), "from 0.5 to 2"),
        ("queue move", json!({ "from": 1, "to": 2 }), "Nothing waits"),
        ("queue remove", json!({ "place": 1 }), "Nothing waits"),
        ("queue shuffle", json!({}), "Nothing waits"),
        ("queue clear", json!({}), "Nothing waits"),
        ("previous", json!({}), "Nothing has played"),
        ("replay", json!({}), "Nothing has played"),
    ] {
        stage.command(command, options);
        let (_, body) = rest(&mut stage).pop().unwrap();
        let said = body["data"]["content"].as_str().unwrap();
        assert!(said.contains(expected), "{command}: {said}");
        assert_eq!(body["data"]["flags"], 64, "{command}");
    }
}

#[test]
fn presets_are_offered_with_what_they_do() {
    let (mut stage, _) = stage();
    stage.autocomplete("filter", json!({ "preset": "bo" }), "preset");
    let seen = rest(&mut stage);
    let choices = &seen[0].1["data"]["choices"];
    assert_eq!(
        choices,
        &json!([{ "name": "bassboost: more bass", "value": "bassboost" }])
    );
}

/// What a plugin that starts from `saved` asks for, when the host says who is in the voice channel and
/// has so many tracks of it.
fn requests_of(saved: &Saved, people: Value, track: u64) -> Vec<Request> {
    let mut stage = Stage::start_from(&ENTRY, &json!({ "library": ["media"] }), saved).unwrap();
    let mut host = Host {
        bot: None,
        ann: Some("20"),
        track,
        hold: &[],
    };
    let said = people.clone();
    stage.script(move |request| match request.kind.as_str() {
        "voice.people" => Answer::Done(people.clone()),
        _ => answer(&mut host, request),
    });
    for early in stage.requests() {
        let late = match early.kind.as_str() {
            "voice.people" => said.clone(),
            "track.position" if track == 0 => {
                stage.answer(early.op, Err(Error::failed("not this plugin's")));
                continue;
            }
            "track.position" => json!({ "position_ms": 30_500 }),
            _ => json!({ "files": [] }),
        };
        stage.answer(early.op, Ok(late));
    }
    stage.requests()
}
