//! What comes next is ready before it is needed, and whatever changes meanwhile is heeded.

use super::*;
use crate::calls::Repeat;

const PRELOAD_AT: Duration = Duration::from_secs(105);

/// These files queued, the first one playing; two minutes each.
fn playing(files: &[&str]) -> Stage {
    playing_with(files, Duration::ZERO)
}

fn playing_with(files: &[&str], crossfade: Duration) -> Stage {
    let mut stage = stage_with(files, |rules| rules.crossfade = crossfade);
    for file in files {
        stage.play(file);
    }
    stage.seen.clear();
    stage.asked.clear();
    stage
}

/// … and the second one made ready to follow.
fn ready(files: &[&str]) -> Stage {
    let mut stage = playing(files);
    stage.pass(PRELOAD_AT);
    assert_eq!(stage.wants(), ["next 1 b"]);
    stage
}

#[test]
fn the_next_track_is_opened_shortly_before_the_end_and_joined_without_a_gap() {
    let mut stage = playing(&["a.mp3", "b.mp3", "c.mp3"]);
    let due = stage.now + PRELOAD_AT;
    assert_eq!(stage.wakes.last(), Some(&due), "the core asks to be woken");
    stage.pass(PRELOAD_AT - Duration::from_secs(1));
    assert_eq!(stage.wants(), <[&str; 0]>::default());
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.wants(), ["next 1 b"]);
    assert!(
        stage.control(Control::Queue)[0].contains("1. **b**"),
        "until its turn it waits"
    );
    stage.turn(1, 2);
    assert_eq!(stage.wants(), <[&str; 0]>::default(), "it sounds already");
    assert!(stage.control(Control::NowPlaying)[0].starts_with("say Playing **b**"));
    assert!(stage.control(Control::Queue)[0].contains("1. **c**"));
    // And so on: the clock of the next one began with it.
    stage.wants();
    stage.pass(PRELOAD_AT);
    assert_eq!(stage.wants(), ["next 2 c"]);
}

#[test]
fn a_track_without_a_known_length_has_its_follower_from_the_start() {
    let mut stage = playing(&["a.mp3"]);
    stage.control(Control::Stop { clear: true });
    stage.willing = false;
    stage.upload("tune.ogg");
    let (probe, _) = stage.calls.pop_front().unwrap();
    stage.outcome(probe, Outcome::Tags(Tags::default()));
    stage.willing = true;
    stage.serve_one();
    stage.wants();
    stage.play("a.mp3");
    assert_eq!(stage.wants(), ["next 2 a"]);
}

#[test]
fn a_changed_queue_changes_what_follows() {
    let mut stage = ready(&["a.mp3", "b.mp3", "c.mp3"]);
    // Another next one takes its place …
    stage.control(Control::Move { from: 2, to: 1 });
    assert_eq!(stage.wants(), ["next 1 c"]);
    // … and none is none.
    stage.control(Control::Clear);
    assert_eq!(stage.wants(), ["cancel 3"]);
    stage.track(1, TrackNews::Ended);
    assert_eq!(stage.wants(), <[&str; 0]>::default());
    assert!(stage.control(Control::NowPlaying)[0].starts_with("whisper Nothing is playing"));
}

#[test]
fn a_follower_that_can_not_be_taken_back_is_stopped_when_it_begins() {
    let mut stage = ready(&["a.mp3", "b.mp3"]);
    stage.willing = false;
    stage.control(Control::Clear);
    stage.fail_one("it is read already");
    stage.wants();
    stage.turn(1, 2);
    assert_eq!(stage.wants(), ["stop 2"]);
    assert!(stage.control(Control::NowPlaying)[0].starts_with("whisper Nothing is playing"));
}

#[test]
fn skip_and_stop_silence_the_follower_too() {
    // Its turn may have come a moment ago, unknown to us.
    let mut stage = ready(&["a.mp3", "b.mp3"]);
    stage.control(Control::Skip);
    assert_eq!(stage.wants(), ["stop 1", "stop 2", "play b"]);
    let mut stage = ready(&["a.mp3", "b.mp3"]);
    stage.control(Control::Stop { clear: false });
    assert_eq!(stage.wants(), ["stop 1", "stop 2"]);
    assert!(stage.control(Control::Queue)[0].contains("1. **b**"));
}

#[test]
fn a_follower_that_is_still_being_opened_at_the_end_is_waited_for() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.willing = false;
    stage.pass(PRELOAD_AT);
    let (ticket, call) = stage.calls.pop_front().unwrap();
    assert!(matches!(call, Call::Next { .. }), "{call:?}");
    stage.track(1, TrackNews::Ended);
    stage.track(2, TrackNews::Started);
    assert!(stage.calls.is_empty());
    stage.outcome(ticket, Outcome::Playing(Track::new(2)));
    assert!(
        stage.control(Control::NowPlaying).is_empty(),
        "its place is asked for"
    );
    assert!(
        matches!(stage.calls.pop_front(), Some((_, Call::Position(track))) if track.get() == 2)
    );
}

#[test]
fn a_follower_that_came_too_late_is_played_by_itself() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.willing = false;
    stage.pass(PRELOAD_AT);
    stage.track(1, TrackNews::Ended);
    stage.wants();
    stage.fail_one("track 1 is over");
    assert_eq!(stage.wants(), ["play b"]);
}

#[test]
fn a_follower_nobody_wants_any_more_is_stopped_when_its_number_comes() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.willing = false;
    stage.pass(PRELOAD_AT);
    let (next, _) = stage.calls.pop_front().unwrap();
    stage.control(Control::Stop { clear: true });
    stage.wants();
    stage.outcome(next, Outcome::Playing(Track::new(2)));
    assert_eq!(stage.wants(), ["stop 2"]);
}

#[test]
fn a_follower_that_can_not_be_opened_is_named_in_its_turn_only() {
    let mut stage = playing(&["a.mp3", "broken.mp3", "c.mp3"]);
    assert_eq!(stage.pass(PRELOAD_AT), <[&str; 0]>::default());
    assert_eq!(stage.pass(Duration::from_secs(1)), <[&str; 0]>::default());
    assert_eq!(stage.wants(), ["next 1 broken"], "not again and again");
    let seen = stage.track(1, TrackNews::Ended);
    assert!(
        seen[0].starts_with("post I could not play **broken**"),
        "{seen:?}"
    );
    assert_eq!(stage.wants(), ["play broken", "play c"]);
}

#[test]
fn a_follower_that_goes_down_with_a_broken_track_is_played_by_itself() {
    let mut stage = ready(&["a.mp3", "b.mp3"]);
    stage.track(1, TrackNews::Failed("the decoder gave up".to_owned()));
    stage.track(2, TrackNews::Stopped);
    assert_eq!(stage.wants(), ["play b"]);
    assert!(stage.control(Control::NowPlaying)[0].starts_with("say Playing **b**"));
}

#[test]
fn a_looped_track_has_no_follower_and_its_clock_begins_again() {
    let mut stage = ready(&["a.mp3", "b.mp3"]);
    stage.control(Control::Repeat(Some(Repeat::Track)));
    assert_eq!(stage.wants(), ["repeat 1 true", "cancel 2"]);
    stage.pass(Duration::from_secs(300));
    assert_eq!(stage.wants(), <[&str; 0]>::default());
    // 405 s into a track of 120.
    assert!(stage.control(Control::Queue)[0].contains("at 0:45"));
    stage.control(Control::Repeat(Some(Repeat::Off)));
    assert_eq!(stage.wants(), ["repeat 1 false"]);
    stage.pass(Duration::from_secs(60));
    assert_eq!(stage.wants(), ["next 1 b"]);
}

#[test]
fn a_loop_that_came_too_late_begins_the_track_again() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.control(Control::Repeat(Some(Repeat::Track)));
    stage.wants();
    stage.track(1, TrackNews::Ended);
    assert_eq!(stage.wants(), ["play a"]);
    let repeats = |call: &Call| matches!(call, Call::Play { repeat: true, .. });
    stage.control(Control::Skip);
    assert!(
        stage.asked.iter().any(repeats),
        "the loop stays for the next one"
    );
}

#[test]
fn a_looped_queue_goes_round_even_with_one_track() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.control(Control::Repeat(Some(Repeat::Queue)));
    stage.pass(PRELOAD_AT);
    assert_eq!(stage.wants(), ["next 1 b"]);
    stage.turn(1, 2);
    assert!(stage.control(Control::Queue)[0].contains("1. **a**"));
    let mut stage = playing(&["a.mp3"]);
    stage.control(Control::Repeat(Some(Repeat::Queue)));
    stage.pass(PRELOAD_AT);
    assert_eq!(stage.wants(), ["next 1 a"]);
    stage.turn(1, 2);
    assert!(stage.control(Control::NowPlaying)[0].starts_with("say Playing **a**"));
}

#[test]
fn a_crossfade_begins_the_next_track_before_the_end_and_lets_the_old_one_fade() {
    let fade = Duration::from_secs(6);
    let mut stage = playing_with(&["a.mp3", "b.mp3"], fade);
    stage.pass(Duration::from_secs(113));
    assert_eq!(stage.wants(), <[&str; 0]>::default());
    stage.pass(Duration::from_secs(1));
    let rises = |call: &Call| matches!(call, Call::Play { fade_in: Some(f), .. } if *f == fade);
    assert!(stage.asked.iter().any(rises), "{:?}", stage.asked);
    assert_eq!(stage.wants(), ["play b", "fade 1 6 s"]);
    stage.track(1, TrackNews::Stopped);
    assert!(stage.control(Control::NowPlaying)[0].starts_with("say Playing **b**"));
    assert_eq!(
        stage.seen,
        ["say Playing **b**, asked for by <@100>\n1:01 of 2:00\n▰▰▰▰▰▰▰▱▱▱▱▱▱▱▱"]
    );
}

#[test]
fn a_crossfade_nobody_wants_any_more_leaves_the_old_track_alone() {
    let mut stage = playing_with(&["a.mp3", "b.mp3"], Duration::from_secs(6));
    stage.willing = false;
    stage.pass(Duration::from_secs(114));
    stage.wants();
    let (play, _) = stage.calls.pop_front().unwrap();
    stage.control(Control::Clear);
    stage.outcome(play, Outcome::Playing(Track::new(2)));
    assert_eq!(stage.wants(), ["stop 2"]);
}
