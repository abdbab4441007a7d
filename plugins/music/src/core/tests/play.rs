//! `/play` and its way to the first sound.

use super::*;
use crate::effect::Effect;

#[test]
fn the_first_play_joins_the_callers_channel_and_answers_when_sound_is_out() {
    let mut stage = stage(&["alpha.mp3", "beta.mp3"]);
    stage.willing = false;
    assert_eq!(stage.play("alpha"), ["defer"], "joining may take long");
    assert_eq!(stage.serve_one(), Call::Join(GUILD, LOUNGE));
    let (ticket, call) = stage.calls.pop_front().unwrap();
    let origin = Origin::File("/m/alpha.mp3".into());
    assert_eq!(
        call,
        Call::Play {
            guild: GUILD,
            origin,
            gain: 1.0,
            start: Duration::ZERO,
            paused: false,
            fade_in: None,
            repeat: false,
            effect: Effect::default(),
        }
    );
    stage.outcome(ticket, Outcome::Playing(Track::new(5)));
    assert_eq!(stage.seen, ["defer"], "accepted is not yet heard");
    stage.input(Input::Track(GUILD, Track::new(5), TrackNews::Started));
    assert_eq!(stage.seen, ["defer", "say Now playing **alpha** (2:00)."]);
}

#[test]
fn a_start_reported_before_the_tracks_number_is_not_lost() {
    let mut stage = stage(&["alpha.mp3"]);
    stage.bot = Some(LOUNGE);
    stage.willing = false;
    stage.play("alpha");
    let (ticket, _) = stage.calls.pop_front().unwrap();
    stage.input(Input::Track(GUILD, Track::new(4), TrackNews::Ended)); // somebody else's
    stage.input(Input::Track(GUILD, Track::new(5), TrackNews::Started));
    assert_eq!(stage.seen, <[&str; 0]>::default());
    stage.outcome(ticket, Outcome::Playing(Track::new(5)));
    assert_eq!(stage.seen, ["say Now playing **alpha** (2:00)."]);
}

#[test]
fn later_wishes_are_added_with_place_and_wait() {
    let mut stage = stage(&["a.mp3", "b.mp3", "c.mp3"]);
    stage.play("a.mp3");
    stage.now += Duration::from_secs(30);
    assert_eq!(
        stage.play("b.mp3"),
        ["say Added **b** (2:00): 1st in the queue, plays in about 2 min."]
    );
    assert_eq!(
        stage.play("c.mp3"),
        ["say Added **c** (2:00): 2nd in the queue, plays in about 4 min."]
    );
    assert_eq!(stage.played(), ["a.mp3"]);
}

#[test]
fn a_wish_during_the_join_is_added_behind() {
    let mut stage = stage(&["a.mp3", "b.mp3"]);
    stage.willing = false;
    stage.play("a.mp3");
    assert_eq!(stage.play("b.mp3").len(), 1);
    assert!(
        stage.seen[1].starts_with("say Added **b** (2:00): 1st in the queue"),
        "{:?}",
        stage.seen
    );
}

#[test]
fn an_upload_is_probed_before_anything_else_happens() {
    let mut stage = stage(&[]);
    assert_eq!(
        stage.upload("bad.txt"),
        ["whisper I cannot play **bad.txt**: it looks like text."]
    );
    assert_eq!(stage.asked, []);
    assert_eq!(
        stage.upload("tune.ogg"),
        ["defer", "say Now playing **tune** (2:00)."]
    );
}

#[test]
fn a_slow_probe_is_deferred_in_time_and_the_answer_still_comes() {
    let mut stage = stage(&[]);
    stage.willing = false;
    assert_eq!(stage.upload("tune.ogg"), <[&str; 0]>::default());
    assert_eq!(stage.wakes, [stage.now + Duration::from_millis(1500)]);
    assert_eq!(
        stage.pass(Duration::from_millis(1499)),
        <[&str; 0]>::default()
    );
    assert_eq!(stage.pass(Duration::from_millis(1)), ["defer"]);
    assert_eq!(
        stage.pass(Duration::from_secs(60)),
        <[&str; 0]>::default(),
        "deferred once only"
    );
    stage.fail_one("too large");
    assert_eq!(
        stage.seen.last().unwrap(),
        "whisper I cannot play **tune.ogg**: too large."
    );
}

#[test]
fn every_wrong_use_of_play_is_answered_for_the_caller_alone() {
    let mut stage = stage(&["alpha.mp3", "alphabet.mp3"]);
    let file = Some(Upload {
        url: "u".into(),
        name: "n.mp3".into(),
    });
    let both = Ask::Play {
        query: Some("alpha".into()),
        file: file.clone(),
    };
    let none = Ask::Play {
        query: Some("  ".into()),
        file: None,
    };
    assert!(stage.ask(none)[0].starts_with("whisper Tell me what to play"));
    assert!(stage.ask(both)[0].starts_with("whisper You gave both"));
    assert!(
        stage.ask_from(None, query_of("alpha"))[0]
            .starts_with("whisper You are not in a voice channel")
    );
    let mut direct = stage.caller(None);
    direct.guild = None;
    stage.input(Input::Command(direct, query_of("alpha")));
    assert!(stage.seen.last().unwrap().contains("direct message"));
    assert_eq!(
        stage.play("alphabit song"),
        ["whisper Nothing in the library fits “alphabit song”. Did you mean:\n• alphabet\n• alpha"]
    );
    assert_eq!(stage.asked, [], "no wrong use made the bot do anything");
}

#[test]
fn a_playing_bot_is_not_taken_away_but_an_idle_one_follows() {
    let mut stage = stage(&["a.mp3"]);
    stage.play("a.mp3");
    let refused = stage.ask_from(Some(STAGE), query_of("a.mp3"));
    assert_eq!(
        refused,
        [
            "whisper I am playing in <#20>, and you are in another voice channel. Join me there, then try again."
        ]
    );
    stage.news(TrackNews::Ended);
    let followed = stage.ask_from(Some(STAGE), query_of("a.mp3"));
    assert_eq!(followed, ["defer", "say Now playing **a** (2:00)."]);
    assert_eq!(stage.bot, Some(STAGE));
}

#[test]
fn a_file_that_has_just_been_copied_in_is_found() {
    let mut stage = stage(&["old.mp3"]);
    stage.now += Duration::from_secs(5);
    stage.files.push("brand new.mp3".to_owned());
    assert_eq!(
        stage.play("brand"),
        ["defer", "say Now playing **brand new** (2:00)."]
    );
}

#[test]
fn an_empty_library_says_so() {
    let mut stage = stage(&[]);
    assert!(stage.play("anything")[0].starts_with("whisper The library has no music in it yet"));
}

#[test]
fn a_query_during_the_first_scan_waits_for_it() {
    let (core, actions) = Core::new(
        Duration::ZERO,
        stage(&[]).core.rules.clone(),
        vec!["/m".into()],
    );
    let mut stage = stage(&["alpha.mp3"]);
    (stage.core, stage.willing) = (core, false);
    stage.calls.clear();
    stage.perform(actions);
    assert_eq!(stage.play("alpha"), <[&str; 0]>::default());
    stage.willing = true;
    stage.serve_one();
    assert_eq!(stage.seen, ["defer", "say Now playing **alpha** (2:00)."]);
}

#[test]
fn too_long_and_too_many_are_refused() {
    let mut stage = stage_with(&["a.mp3", "epic.mp3"], |rules| rules.max_queue = 1);
    assert!(stage.play("epic")[0].contains("is 2:00:00 long, and the limit here is 1:00:00"));
    stage.play("a.mp3");
    stage.play("a.mp3");
    assert!(stage.play("a.mp3")[0].starts_with("whisper The queue is full: 1 track waits already"));
}

#[test]
fn a_refused_join_is_told_and_the_next_play_starts_afresh() {
    let mut stage = stage(&["a.mp3"]);
    stage.willing = false;
    stage.play("a.mp3");
    stage.fail_one("the channel is full");
    assert!(stage.seen[1].starts_with("whisper I could not join <#20>: the channel is full."));
    stage.willing = true;
    assert_eq!(
        stage.play("a.mp3"),
        ["defer", "say Now playing **a** (2:00)."]
    );
}

#[test]
fn offers_are_few_distinct_and_begin_with_what_was_played_lately() {
    let files: Vec<String> = (0..40).map(|n| format!("song {n:02}.mp3")).collect();
    let mut stage = stage(&files.iter().map(String::as_str).collect::<Vec<_>>());
    stage.play("song 33");
    stage.control(Control::Skip);
    let offers = stage.core.offers(Some(GUILD), "");
    assert_eq!(offers.len(), 25);
    assert_eq!(
        (offers[0].label.as_str(), offers[1].label.as_str()),
        ("song 33", "song 00")
    );
    let typed = stage.core.offers(Some(GUILD), "ng 12");
    assert_eq!(typed[0].label, "song 12");
    assert!(
        stage.play(&typed[0].id)[0].contains("**song 12**"),
        "an offer's id plays its file"
    );
}
