//! `/seek`, `/loop`, `/filter`, `/previous`, `/replay` and the order of the queue.

use super::*;
use crate::calls::{Repeat, Tweak};
use crate::effect::{Effect, Preset};
use crate::moment::Moment;

fn playing(files: &[&str]) -> Stage {
    let mut stage = stage(files);
    for file in files {
        stage.play(file);
    }
    stage.seen.clear();
    stage.asked.clear();
    stage
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn preset(preset: Preset) -> Control {
    Control::Filter(Tweak {
        preset: Some(preset),
        ..Tweak::default()
    })
}

#[test]
fn seek_opens_the_place_first_and_only_then_ends_the_old_sound() {
    let mut stage = playing(&["a.mp3"]);
    stage.now += s(30);
    stage.willing = false;
    assert_eq!(
        stage.control(Control::Seek(Moment::Forward(s(30)))),
        <[&str; 0]>::default()
    );
    assert_eq!(
        stage.wants(),
        ["play a at 60"],
        "the old one plays meanwhile"
    );
    stage.willing = true;
    stage.serve_one();
    assert_eq!(stage.seen, ["say **a** goes on at 1:00."]);
    assert_eq!(stage.wants(), ["stop 1"]);
    stage.track(1, TrackNews::Stopped);
    stage.now += s(5);
    assert!(stage.control(Control::Pause)[0].contains("at 1:05"));
}

#[test]
fn seeking_while_paused_stays_paused() {
    let mut stage = playing(&["a.mp3"]);
    stage.control(Control::Pause);
    assert_eq!(
        stage.control(Control::Seek(Moment::Share(0.5))),
        ["say **a** goes on at 1:00. It is still paused: `/resume` goes on."]
    );
    assert!(
        stage
            .asked
            .iter()
            .any(|call| matches!(call, Call::Play { paused: true, .. }))
    );
    assert_eq!(
        stage.control(Control::Resume),
        ["say Going on with **a** at 1:00."]
    );
}

#[test]
fn a_seek_behind_the_end_or_one_the_engine_refuses_changes_nothing() {
    let mut stage = playing(&["a.mp3"]);
    let seen = stage.control(Control::Seek(Moment::At(s(500))));
    assert!(
        seen[0].starts_with("whisper **a** is only 2:00 long."),
        "{seen:?}"
    );
    assert_eq!(stage.asked, []);
    stage.willing = false;
    stage.control(Control::Seek(Moment::At(s(60))));
    stage.fail_one("the file is gone");
    assert!(stage.seen[1].starts_with("whisper That did not work: the file is gone."));
    stage.willing = true;
    assert!(stage.control(Control::Queue)[0].contains("Playing: **a**"));
}

#[test]
fn a_seek_that_meets_the_end_of_its_track_is_called_off() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.willing = false;
    stage.control(Control::Seek(Moment::At(s(60))));
    let (seek, _) = stage.calls.pop_front().unwrap();
    stage.willing = true;
    stage.track(1, TrackNews::Ended);
    stage.wants();
    stage.outcome(seek, Outcome::Playing(Track::new(9)));
    assert_eq!(stage.wants(), ["stop 9"]);
    assert!(stage.seen[0].starts_with("whisper The track ended at that very moment"));
}

#[test]
fn what_is_made_ready_to_follow_the_old_sound_goes_with_it() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.pass(s(110));
    assert_eq!(stage.wants(), ["next 1 b"]);
    stage.control(Control::Seek(Moment::At(s(0))));
    assert_eq!(stage.wants(), ["play a", "stop 1", "stop 2"]);
    stage.track(2, TrackNews::Stopped);
    stage.pass(s(105));
    assert_eq!(stage.wants(), ["next 3 b"]);
}

#[test]
fn loop_says_what_it_does_and_survives_a_restart() {
    let mut stage = playing(&["a.mp3"]);
    assert!(stage.control(Control::Repeat(None))[0].starts_with("whisper Nothing is looped."));
    assert!(
        stage.control(Control::Repeat(Some(Repeat::Track)))[0]
            .starts_with("say The track plays again and again")
    );
    assert!(
        stage.control(Control::Repeat(Some(Repeat::Track)))[0]
            .starts_with("whisper The track is looped.")
    );
    assert!(stage.control(Control::NowPlaying)[0].contains(" · looped"));
    stage.control(preset(Preset::EightD));
    let kept = serde_json::to_string(&stage.core.keep(stage.now)).unwrap();
    let mut again = super::stage(&["a.mp3"]);
    again.core.restore(serde_json::from_str(&kept).unwrap());
    assert!(again.control(Control::Repeat(None))[0].contains("The track is looped."));
    again.control(Control::Resume);
    assert!(again.asked.iter().any(|call| matches!(
        call,
        Call::Play {
            repeat: true,
            effect: Effect {
                preset: Preset::EightD,
                ..
            },
            ..
        }
    )));
}

#[test]
fn what_an_older_version_kept_is_still_read() {
    let kept = r#"{"servers":[{"guild":"1","volume":70,"waiting":[]}]}"#;
    let mut stage = stage(&["a.mp3"]);
    stage.core.restore(serde_json::from_str(kept).unwrap());
    assert!(stage.control(Control::Volume(None))[0].contains("70 %"));
}

#[test]
fn a_loop_the_engine_refuses_is_not_on() {
    let mut stage = playing(&["a.mp3"]);
    stage.willing = false;
    stage.control(Control::Repeat(Some(Repeat::Track)));
    stage.fail_one("no");
    assert!(stage.control(Control::Repeat(None))[0].contains("Nothing is looped"));
}

#[test]
fn a_filter_is_applied_at_once_and_stays_for_the_next_track() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    assert_eq!(
        stage.control(preset(Preset::Nightcore)),
        ["say The filter is now nightcore. `/filter preset:off` ends that."]
    );
    let slower = Control::Filter(Tweak {
        speed: Some(0.8),
        ..Tweak::default()
    });
    assert!(stage.control(slower)[0].contains("nightcore, speed 0.8"));
    stage.control(Control::Skip);
    let nightcore = |call: &Call| match call {
        Call::Effect(_, effect) | Call::Play { effect, .. } => Some((effect.preset, effect.speed)),
        _ => None,
    };
    let applied: Vec<_> = stage.asked.iter().filter_map(nightcore).collect();
    let expected = [1.0, 0.8, 0.8].map(|speed| (Preset::Nightcore, speed));
    assert_eq!(applied, expected);
    assert_eq!(
        stage.control(preset(Preset::Off)),
        ["say The filter is off: the music is as it is."]
    );
    assert!(
        stage.control(Control::Filter(Tweak::default()))[0]
            .starts_with("whisper No filter is set.")
    );
}

#[test]
fn a_faster_track_comes_to_its_end_earlier() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.control(Control::Filter(Tweak {
        speed: Some(2.0),
        ..Tweak::default()
    }));
    stage.wants();
    stage.pass(s(30));
    assert!(stage.control(Control::Queue)[0].contains("at 1:00"));
    stage.pass(s(15));
    assert_eq!(
        stage.wants(),
        ["next 1 b"],
        "15 s before the end, which is at 60 s"
    );
}

#[test]
fn a_speed_out_of_range_is_answered_with_the_range() {
    let mut stage = playing(&["a.mp3"]);
    for speed in [0.1, 9.0, f64::NAN] {
        let control = Control::Filter(Tweak {
            speed: Some(speed),
            ..Tweak::default()
        });
        let seen = stage.control(control);
        assert!(seen[0].contains("from 0.5 to 2"), "{seen:?}");
    }
    assert_eq!(stage.asked, []);
}

#[test]
fn previous_goes_back_and_replay_begins_again() {
    let mut stage = playing(&["a.mp3", "b.mp3", "c.mp3"]);
    assert!(stage.control(Control::Previous)[0].starts_with("whisper Nothing has played here yet"));
    stage.control(Control::Skip);
    stage.wants();
    assert_eq!(
        stage.control(Control::Previous),
        ["say Now playing **a** (2:00). 2 tracks wait after it in the queue."]
    );
    assert_eq!(stage.wants(), ["stop 2", "play a"]);
    stage.now += s(60);
    assert_eq!(
        stage.control(Control::Replay),
        ["say **a** goes on at 0:00."]
    );
    // In silence the last one is played once more.
    stage.control(Control::Stop { clear: true });
    assert!(stage.control(Control::Replay)[0].starts_with("say Now playing **a**"));
}

#[test]
fn the_queue_is_put_into_another_order_by_places() {
    let mut stage = playing(&["a.mp3", "b.mp3", "c.mp3", "d.mp3"]);
    assert_eq!(
        stage.control(Control::Move { from: 3, to: 1 }),
        ["say **d** is 1st in the queue now."]
    );
    assert_eq!(
        stage.control(Control::Remove { first: 2, last: 2 }),
        ["say Took **b** out of the queue. 2 tracks wait."]
    );
    assert!(stage.control(Control::Shuffle(3))[0].starts_with("say Shuffled 2 tracks. Next is **"));
    for wrong in [
        Control::Remove { first: 0, last: 1 },
        Control::Remove { first: 1, last: 3 },
        Control::Move {
            from: 1,
            to: i64::MAX,
        },
    ] {
        let seen = stage.control(wrong);
        assert!(seen[0].contains("places go from 1 to 2"), "{seen:?}");
    }
    assert_eq!(
        stage.control(Control::Remove { first: 2, last: 1 }),
        ["say Took 2 tracks out of the queue. It is empty now."]
    );
    assert!(stage.control(Control::Clear)[0].starts_with("whisper Nothing waits in the queue"));
}

#[test]
fn only_listeners_change_how_it_plays() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    for control in [
        Control::Seek(Moment::At(s(1))),
        Control::Repeat(Some(Repeat::Queue)),
        preset(Preset::Treble),
        Control::Previous,
        Control::Replay,
        Control::Clear,
        Control::Shuffle(1),
        Control::Move { from: 1, to: 1 },
    ] {
        let away = stage.ask_from(Some(STAGE), Ask::Control(control));
        assert!(
            away[0].starts_with("whisper I am playing in <#20>"),
            "{control:?}: {away:?}"
        );
    }
    assert_eq!(stage.asked, []);
    let nothing = super::stage(&["a.mp3"]).control(Control::Seek(Moment::At(s(1))));
    assert!(
        nothing[0].starts_with("whisper Nothing is playing"),
        "{nothing:?}"
    );
}
