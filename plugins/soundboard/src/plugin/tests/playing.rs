//! Playing and stopping.

use super::*;
use crate::plugin::words;

/// A board with `horn`, `drum`, `bell` and `gong`, numbers 1 to 4.
fn board(folder: &Path) -> Board {
    let mut board = Board::with(folder, json!({ "upload": "everyone" }));
    for name in ["horn", "drum", "bell", "gong"] {
        assert!(
            board
                .adds(ANN, name, json!({ "tags": name }))
                .contains("is here")
        );
    }
    board
}

fn play(requests: &[Request]) -> &Value {
    &requests
        .iter()
        .find(|request| request.kind == "voice.play")
        .unwrap()
        .args
}

#[test]
fn a_sound_is_played_on_the_lane_of_effects_from_its_servers_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    let asked = board.asks(BOB, "play", json!({ "name": "HORN", "volume": 50 }));
    assert_eq!(kinds(&asked), ["voice.state", "voice.play", "rest"]);
    let how = play(&asked);
    assert_eq!(
        (&how["lane"], &how["gain"], &how["guild_id"]),
        (&json!("fx"), &json!(0.5), &json!("1"))
    );
    let path = Path::new(how["path"].as_str().unwrap());
    assert_eq!(path.parent(), Some(folder.path().join("1").as_path()));
    assert_eq!(last_words(&asked), "🔊 `horn`");
    assert!(
        board
            .says(BOB, "info", json!({ "name": "horn" }))
            .contains("played once")
    );
    assert!(
        board
            .says(BOB, "play", json!({ "name": "nothing" }))
            .contains("no sound called `nothing`")
    );
    board.end();
}

#[test]
fn the_bot_comes_to_whoever_plays_but_is_not_taken_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    board.host.borrow_mut().bot = None;
    let asked = board.asks(BOB, "play", json!({ "name": "horn" }));
    assert_eq!(
        kinds(&asked),
        ["voice.state", "rest", "voice.join", "voice.play", "rest"]
    );
    assert_eq!(
        answers(&asked),
        [5],
        "thinking first: joining may take a while"
    );
    assert_eq!(last_words(&asked), "🔊 `horn`");
    board.host.borrow_mut().bot = Some("21");
    let words = board.says(ANN, "play", json!({ "name": "horn" }));
    assert_eq!(words, "I am in <#21>. Come there to play sounds.");
    board.host.borrow_mut().people.remove(&ANN);
    assert_eq!(
        board.says(ANN, "play", json!({ "name": "horn" })),
        words::NO_CHANNEL
    );
    // What was refused does not count as played.
    board.host.borrow_mut().bot = None;
    board.host.borrow_mut().people.insert(ANN, "20");
    let asked = board.presses(ANN, "play:2");
    assert_eq!(
        (answers(&asked), last_words(&asked)),
        (vec![6], String::new())
    );
    board.end();
}

#[test]
fn of_two_in_two_channels_the_first_has_the_bot_and_the_other_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    board.host.borrow_mut().bot = None;
    board.host.borrow_mut().people.insert(BOB, "21");
    board.host.borrow_mut().hold = true;
    let first = board.asks(ANN, "play", json!({ "name": "horn" }));
    let join = first.last().unwrap();
    assert_eq!(
        (join.kind.as_str(), &join.args["channel_id"]),
        ("voice.join", &json!("20"))
    );
    let words = board.says(BOB, "play", json!({ "name": "drum" }));
    assert_eq!(words, "I am in <#20>. Come there to play sounds.");
    // Somebody beside Ann comes along.
    let third = board.presses(BOSS, "play:3");
    assert_eq!(third.last().unwrap().args["channel_id"], "20");
    board.stage.requests();
    board.host.borrow_mut().bot = Some("20");
    board.stage.answer(join.op, Ok(json!(null)));
    assert_eq!(board.stage.said(), ["🔊 `horn`"]);
    board
        .stage
        .answer(third.last().unwrap().op, Ok(json!(null)));
    assert_eq!(kinds(&board.stage.requests()), ["voice.play"]);
    // And if joining fails, the next one may try.
    board.later(60);
    board.host.borrow_mut().bot = None;
    let again = board.asks(ANN, "play", json!({ "name": "horn" }));
    let full = Err(Error::failed("the channel is full"));
    board.stage.answer(again.last().unwrap().op, full);
    let said = board.stage.said();
    assert_eq!(
        said,
        ["It cannot be played right now: the channel is full."]
    );
    let asked = board.asks(BOB, "play", json!({ "name": "drum" }));
    assert_eq!(asked.last().unwrap().args["channel_id"], "21");
    board.end();
}

#[test]
fn nobody_plays_too_fast_and_a_server_has_ten_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    assert_eq!(
        board.says(ANN, "play", json!({ "name": "horn" })),
        "🔊 `horn`"
    );
    let words = board.says(ANN, "play", json!({ "name": "drum" }));
    assert_eq!(words, "Not so fast: you may play again in 5 seconds.");
    assert_eq!(
        board.says(BOB, "play", json!({ "name": "horn" })),
        "🔊 `horn`"
    );
    for _ in 0..8 {
        board.later(5);
        assert_eq!(answers(&board.presses(ANN, "play:2")), [6]);
    }
    let words = last_words(&board.presses(BOSS, "play:2"));
    assert_eq!(
        words,
        "Enough sounds for this minute: the next one may be played in 20 seconds."
    );
    board.later(60);
    board.says(ANN, "edit", json!({ "name": "horn", "cooldown": 30 }));
    board.presses(ANN, "play:1");
    assert_eq!(
        last_words(&board.presses(BOB, "play:1")),
        "This sound rests for 30 seconds more."
    );
    board.end();
}

#[test]
fn a_fourth_sound_stops_the_oldest_and_people_stop_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    assert_eq!(board.says(ANN, "stop", json!({})), words::NOTHING_PLAYS);
    for sound in 1..=3 {
        let user = if sound == 2 { BOB } else { ANN };
        assert_eq!(
            kinds(&board.presses(user, &format!("play:{sound}"))),
            ["voice.state", "voice.play", "rest"]
        );
        board.later(5);
    }
    let asked = board.presses(ANN, "play:4");
    let stop = asked
        .iter()
        .find(|request| request.kind == "track.stop")
        .unwrap();
    assert_eq!(stop.args["track"], 1);
    assert_eq!(board.says(BOB, "stop", json!({})), "Stopped.");
    assert_eq!(
        board.says(BOB, "stop", json!({ "all": true })),
        words::NOT_ALL
    );
    board.host.borrow_mut().others = vec!["6", "9"];
    assert_eq!(
        board.says(BOB, "stop", json!({ "all": true })),
        "Stopped 2 sounds.",
        "he listens alone"
    );
    assert_eq!(
        board.says(BOSS, "stop", json!({ "all": true })),
        words::NOTHING_AT_ALL
    );
    board.end();
}

#[test]
fn a_sound_is_heard_again_as_often_as_asked_unless_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    assert_eq!(
        board.says(
            ANN,
            "play",
            json!({ "name": "horn", "repeat": 3, "volume": 70 })
        ),
        "🔊 `horn` ×3"
    );
    let again = board.track(1, "ended");
    assert_eq!(play(&again)["gain"].as_f64().unwrap() as f32, 0.7);
    assert_eq!(kinds(&board.track(2, "ended")), ["voice.play"]);
    assert!(
        board.track(3, "ended").is_empty(),
        "three times are three times"
    );
    assert!(
        board
            .says(BOB, "info", json!({ "name": "horn" }))
            .contains("played once")
    );
    board.later(5);
    board.asks(ANN, "play", json!({ "name": "horn", "repeat": 5 }));
    board.says(ANN, "stop", json!({}));
    assert!(board.track(4, "stopped").is_empty());
    assert!(board.track(99, "ended").is_empty(), "tracks of nobody");
    // What is deleted while it sounds is silent at once, and is not heard again.
    board.later(5);
    board.asks(ANN, "play", json!({ "name": "horn", "repeat": 5 }));
    let asked = board.asks(ANN, "delete", json!({ "name": "horn" }));
    assert!(kinds(&asked).contains(&"track.stop"));
    assert!(board.track(5, "ended").is_empty());
    board.end();
}

#[test]
fn what_cannot_be_played_is_told_to_the_one_who_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    board.host.borrow_mut().play = Some(Error::failed("the file is gone"));
    let asked = board.presses(ANN, "play:1");
    assert_eq!(
        last_words(&asked),
        "It cannot be played right now: the file is gone."
    );
    assert_eq!(asked.last().unwrap().args["body"]["data"]["flags"], 64);
    board.host.borrow_mut().bot = None;
    let words = last_words(&board.presses(BOB, "play:1"));
    assert_eq!(words, "It cannot be played right now: the file is gone.");
    for action in ["play:99", "play:x", "play"] {
        assert_eq!(
            last_words(&board.presses(BOB, action)),
            words::GONE,
            "{action}"
        );
    }
    assert_eq!(
        last_words(&board.presses(BOB, "unheard:of")),
        words::UNKNOWN
    );
    board.end();
}

#[test]
fn chance_plays_something_with_that_tag() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    assert_eq!(
        last_words(&board.asks(ANN, "random", json!({ "tag": "#nothing" }))),
        words::NONE_WITH_TAG
    );
    assert_eq!(
        board.says(ANN, "random", json!({ "tag": "gong" })),
        "🔊 `gong`"
    );
    assert_eq!(kinds(&board.presses(BOB, "random:bell"))[1], "voice.play");
    assert_eq!(
        board.says(BOSS, "random", json!({})).chars().next(),
        Some('🔊')
    );
    board.end();
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    assert_eq!(board.says(ANN, "random", json!({})), words::EMPTY);
    board.end();
}
