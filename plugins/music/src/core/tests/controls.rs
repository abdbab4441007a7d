//! Everything but `/play`.

use super::*;

fn playing(files: &[&str]) -> Stage {
    let mut stage = stage(files);
    for file in files {
        stage.play(file);
    }
    stage.seen.clear();
    stage.asked.clear();
    stage
}

#[test]
fn pause_and_resume_are_answered_once_the_engine_accepted_them() {
    let mut stage = playing(&["a.mp3"]);
    stage.now += Duration::from_secs(67);
    stage.willing = false;
    assert_eq!(stage.control(Control::Pause), <[&str; 0]>::default());
    assert_eq!(stage.serve_one(), Call::Pause(Track::new(1)));
    assert_eq!(stage.seen, ["say Paused **a** at 1:07. `/resume` goes on."]);
    stage.now += Duration::from_secs(500);
    stage.control(Control::Resume);
    assert_eq!(stage.serve_one(), Call::Resume(Track::new(1)));
    assert_eq!(stage.seen[1], "say Going on with **a** at 1:07.");
}

#[test]
fn pausing_twice_and_resuming_what_plays_is_pointed_out() {
    let mut stage = playing(&["a.mp3"]);
    assert_eq!(
        stage.control(Control::Resume),
        ["whisper **a** is playing already; it is not paused."]
    );
    stage.control(Control::Pause);
    assert_eq!(
        stage.control(Control::Pause),
        ["whisper **a** is already paused. `/resume` goes on."]
    );
    assert_eq!(stage.asked, [Call::Pause(Track::new(1))]);
}

#[test]
fn skip_stops_the_old_track_before_the_new_one_and_answers_when_that_sounds() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.willing = false;
    assert_eq!(stage.control(Control::Skip), <[&str; 0]>::default());
    assert_eq!(stage.serve_one(), Call::Stop(Track::new(1)));
    stage.input(Input::Track(GUILD, Track::new(1), TrackNews::Stopped));
    assert!(matches!(stage.serve_one(), Call::Play { .. }));
    assert_eq!(stage.seen, ["say Skipped **a**. Now playing **b** (2:00)."]);
}

#[test]
fn skipping_the_last_one_stops() {
    let mut stage = playing(&["a.mp3"]);
    assert_eq!(
        stage.control(Control::Skip),
        ["say Skipped **a**. That was the last one: the queue is empty now."]
    );
    assert!(
        stage.control(Control::Skip)[0]
            .starts_with("whisper Nothing is playing, and the queue is empty")
    );
    assert_eq!(stage.asked, [Call::Stop(Track::new(1))]);
}

#[test]
fn skipping_a_paused_track_plays_the_next_one() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.control(Control::Pause);
    stage.control(Control::Skip);
    assert!(stage.control(Control::NowPlaying)[0].starts_with("say Playing **b**"));
}

#[test]
fn stop_keeps_the_queue_and_resume_plays_it() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    assert_eq!(
        stage.control(Control::Stop { clear: false }),
        [
            "say Stopped **a**. 1 track waits in the queue: `/resume` goes on with it, `/stop clear:True` empties it."
        ]
    );
    assert!(
        stage.control(Control::Pause)[0]
            .contains("1 track waits in the queue: `/resume` starts it")
    );
    assert_eq!(
        stage.control(Control::Resume),
        ["say Now playing **b** (2:00)."]
    );
}

#[test]
fn stop_with_clear_empties_the_queue_also_in_silence() {
    let mut stage = playing(&["a.mp3", "b.mp3", "c.mp3"]);
    assert_eq!(
        stage.control(Control::Stop { clear: true }),
        ["say Stopped **a**. Took 2 tracks out of the queue."]
    );
    assert!(
        stage.control(Control::Stop { clear: true })[0]
            .starts_with("whisper Nothing is playing, and")
    );
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    stage.control(Control::Stop { clear: false });
    let text = stage.control(Control::Stop { clear: true });
    assert_eq!(
        text,
        ["say Nothing was playing. Took 1 track out of the queue."]
    );
}

#[test]
fn volume_is_a_gain_and_stays_for_the_next_track() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    assert_eq!(
        stage.control(Control::Volume(Some(50))),
        ["say The volume is now 50 %."]
    );
    stage.control(Control::Skip);
    let gain = |call: &Call| match call {
        Call::Gain(_, gain) | Call::Play { gain, .. } => Some(*gain),
        _ => None,
    };
    assert_eq!(
        stage.asked.iter().filter_map(gain).collect::<Vec<_>>(),
        [0.5, 0.5]
    );
    assert_eq!(
        stage.control(Control::Volume(None)),
        ["whisper The volume is 50 %. Set it with `/volume percent:`, from 0 to 150."]
    );
}

#[test]
fn a_volume_out_of_range_or_refused_changes_nothing() {
    let mut stage = playing(&["a.mp3"]);
    for asked in [-1, 151, i64::MAX] {
        assert!(
            stage.control(Control::Volume(Some(asked)))[0]
                .starts_with(&format!("whisper {asked} is not a volume"))
        );
    }
    stage.willing = false;
    stage.control(Control::Volume(Some(10)));
    stage.fail_one("the engine is stopping");
    assert!(
        stage
            .seen
            .last()
            .unwrap()
            .starts_with("whisper That did not work: the engine is stopping.")
    );
    assert!(stage.control(Control::Volume(None))[0].contains("is 100 %"));
}

#[test]
fn volume_can_be_set_before_anything_plays() {
    let mut stage = stage(&["a.mp3"]);
    assert_eq!(
        stage
            .ask_from(None, Ask::Control(Control::Volume(Some(0))))
            .len(),
        1
    );
    stage.play("a.mp3");
    assert!(matches!(
        stage.asked.last(),
        Some(Call::Play { gain: 0.0, .. })
    ));
}

#[test]
fn queue_and_nowplaying_show_what_is_going_on() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    let shown = stage.control(Control::Queue);
    assert_eq!(
        shown,
        ["say Playing: **a** (2:00) · at 0:00\n1. **b** (2:00) · <@100>\n1 track, 2:00 in all."]
    );
    let now = stage.control(Control::NowPlaying);
    assert_eq!(
        now,
        ["say Playing **a**, asked for by <@100>\n1:01 of 2:00\n▰▰▰▰▰▰▰▱▱▱▱▱▱▱▱"]
    );
}

#[test]
fn with_nothing_playing_every_control_says_so_to_the_caller_alone() {
    let mut stage = stage(&["a.mp3"]);
    let controls = [
        Control::Pause,
        Control::Resume,
        Control::Skip,
        Control::Stop { clear: false },
        Control::NowPlaying,
        Control::Queue,
    ];
    for control in controls {
        let seen = stage.control(control);
        assert!(
            seen[0].starts_with("whisper ") && seen[0].contains("`/play`"),
            "{control:?}: {seen:?}"
        );
    }
    assert!(stage.control(Control::Leave)[0].starts_with("whisper I am not in a voice channel"));
    assert_eq!(stage.asked, []);
}

#[test]
fn only_listeners_control_the_music_but_everybody_may_look() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    let controls = [
        Control::Pause,
        Control::Skip,
        Control::Stop { clear: true },
        Control::Volume(Some(1)),
        Control::Leave,
    ];
    for control in controls {
        let away = stage.ask_from(Some(STAGE), Ask::Control(control));
        assert!(
            away[0].starts_with("whisper I am playing in <#20>"),
            "{control:?}: {away:?}"
        );
        let nowhere = stage.ask_from(None, Ask::Control(control));
        assert!(
            nowhere[0].starts_with("whisper You are not in a voice channel. Join <#20>"),
            "{nowhere:?}"
        );
    }
    assert_eq!(stage.asked, []);
    assert!(stage.ask_from(None, Ask::Control(Control::Queue))[0].starts_with("say "));
    assert!(stage.ask_from(None, Ask::Control(Control::NowPlaying))[0].starts_with("say "));
}

#[test]
fn leave_ends_everything_once_and_play_comes_back() {
    let mut stage = playing(&["a.mp3", "b.mp3"]);
    assert_eq!(
        stage.control(Control::Leave),
        ["say Left <#20> and took 1 track out of the queue. `/play` brings me back."]
    );
    assert!(stage.control(Control::Leave)[0].starts_with("whisper I am not in a voice channel"));
    assert_eq!(
        stage.play("a.mp3"),
        ["defer", "say Now playing **a** (2:00)."]
    );
}

#[test]
fn an_idle_bot_may_be_sent_away_from_anywhere() {
    let mut stage = playing(&["a.mp3"]);
    stage.news(TrackNews::Ended);
    assert_eq!(
        stage.ask_from(None, Ask::Control(Control::Leave)),
        ["say Left <#20>. `/play` brings me back."]
    );
}
