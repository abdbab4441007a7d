//! Ends, failures, kicks, and commands that come at the wrong moment.

use super::*;

#[test]
fn the_next_track_starts_by_itself_and_silence_follows_the_last() {
    let mut stage = stage(&["a.mp3", "b.mp3"]);
    stage.play("a.mp3");
    stage.play("b.mp3");
    assert_eq!(stage.news(TrackNews::Ended), <[&str; 0]>::default());
    assert_eq!(stage.played(), ["a.mp3", "b.mp3"]);
    stage.news(TrackNews::Ended);
    assert!(stage.control(Control::NowPlaying)[0].starts_with("whisper Nothing is playing"));
    assert_eq!(
        stage.play("a.mp3"),
        ["say Now playing **a** (2:00)."],
        "no second join"
    );
}

#[test]
fn a_track_that_cannot_be_opened_is_named_in_the_channel_and_passed_over() {
    let mut stage = stage(&["a.mp3", "broken.mp3", "c.mp3"]);
    for query in ["a.mp3", "broken", "c.mp3"] {
        stage.play(query);
    }
    let seen = stage.news(TrackNews::Ended);
    assert_eq!(
        seen,
        ["post I could not play **broken**: the file is cut short. Going on with **c**."]
    );
    assert_eq!(stage.played(), ["a.mp3", "broken.mp3", "c.mp3"]);
}

#[test]
fn a_track_that_fails_halfway_is_named_too() {
    let mut stage = stage(&["a.mp3"]);
    stage.play("a.mp3");
    let seen = stage.news(TrackNews::Failed("its data is damaged".to_owned()));
    assert_eq!(
        seen,
        ["post I could not play **a**: its data is damaged. The queue is empty now."]
    );
}

#[test]
fn play_of_a_broken_file_is_answered_to_the_caller() {
    let mut stage = stage(&["broken.mp3"]);
    stage.bot = Some(LOUNGE);
    assert_eq!(
        stage.play("broken"),
        ["whisper I cannot play **broken**: the file is cut short."]
    );
}

#[test]
fn a_file_without_any_sound_is_a_failure_not_a_song() {
    let mut stage = stage(&["a.mp3"]);
    stage.bot = Some(LOUNGE);
    stage.willing = false;
    stage.play("a.mp3");
    let (ticket, _) = stage.calls.pop_front().unwrap();
    stage.outcome(ticket, Outcome::Playing(Track::new(1)));
    stage.input(Input::Track(GUILD, Track::new(1), TrackNews::Ended));
    assert_eq!(
        stage.seen,
        ["whisper I cannot play **a**: there is no sound in it."]
    );
}

#[test]
fn skip_onto_broken_files_is_answered_with_what_plays_in_the_end() {
    let mut stage = stage(&["a.mp3", "broken.mp3", "c.mp3"]);
    for query in ["a.mp3", "broken", "c.mp3"] {
        stage.play(query);
    }
    let seen = stage.control(Control::Skip);
    assert_eq!(seen[1], "say Skipped **a**. Now playing **c** (2:00).");
    assert_eq!(seen.len(), 2);
}

#[test]
fn five_failures_in_a_row_stop_instead_of_flooding_the_channel() {
    let mut stage = stage(&["a.mp3", "broken.mp3"]);
    stage.play("a.mp3");
    for _ in 0..20 {
        stage.play("broken");
    }
    let seen = stage.news(TrackNews::Ended);
    assert_eq!(seen.len(), 5);
    assert!(
        seen[4].ends_with("so I stopped. 15 tracks wait in the queue: `/resume` tries again."),
        "{seen:?}"
    );
    assert!(
        stage.control(Control::NowPlaying)[0]
            .starts_with("whisper Nothing is playing, but 15 tracks wait")
    );
}

#[test]
fn a_kick_keeps_the_queue_and_resume_goes_on_where_it_was() {
    let mut stage = stage(&["a.mp3", "b.mp3"]);
    stage.play("a.mp3");
    stage.play("b.mp3");
    stage.now += Duration::from_secs(42);
    let seen = stage.voice(VoiceNews::Ended("a moderator disconnected me".to_owned()));
    assert_eq!(
        seen,
        [
            "post My voice connection ended: a moderator disconnected me. 2 tracks wait in the queue: `/resume` brings me back."
        ]
    );
    assert!(
        stage.control(Control::Pause)[0]
            .starts_with("whisper Nothing is playing, but 2 tracks wait")
    );
    assert!(stage.control(Control::Queue)[0].contains("1. **a** (2:00)"));
    assert_eq!(
        stage.control(Control::Resume),
        ["defer", "say Going on with **a** at 0:42."]
    );
    assert!(matches!(stage.asked.last(), Some(Call::Play { start, .. }) if start.as_secs() == 42));
}

#[test]
fn tracks_stopped_by_a_kick_do_not_start_the_next_one() {
    let mut stage = stage(&["a.mp3", "b.mp3"]);
    stage.play("a.mp3");
    stage.play("b.mp3");
    stage.news(TrackNews::Stopped);
    stage.voice(VoiceNews::Ended("kicked".to_owned()));
    assert_eq!(stage.played(), ["a.mp3"]);
    assert!(stage.control(Control::Queue)[0].contains("2 tracks"));
}

#[test]
fn a_kick_before_the_first_sound_answers_the_play_that_waited() {
    let mut stage = stage(&["a.mp3"]);
    stage.willing = false;
    stage.play("a.mp3");
    stage.serve_one();
    stage.voice(VoiceNews::Ended("kicked".to_owned()));
    assert!(stage.seen[1].starts_with("whisper I was disconnected before **a** could start."));
    let (ticket, _) = stage.calls.pop_front().unwrap();
    stage.outcome(ticket, Outcome::Playing(Track::new(1))); // too late: nobody awaits it
    assert_eq!(stage.seen.len(), 3, "{:?}", stage.seen);
}

#[test]
fn play_after_a_kick_plays_at_once_before_what_was_kept() {
    let mut stage = stage(&["a.mp3", "b.mp3"]);
    stage.play("a.mp3");
    stage.voice(VoiceNews::Ended("kicked".to_owned()));
    assert_eq!(
        stage.play("b.mp3"),
        [
            "defer",
            "say Now playing **b** (2:00). 1 track waits after it in the queue."
        ]
    );
}

#[test]
fn commands_given_while_a_track_starts_wait_for_it() {
    let mut stage = stage(&["a.mp3"]);
    stage.willing = false;
    stage.play("a.mp3");
    assert_eq!(stage.control(Control::Pause), <[&str; 0]>::default());
    assert_eq!(stage.control(Control::Resume), <[&str; 0]>::default());
    stage.willing = true;
    stage.serve_one();
    assert_eq!(
        stage.seen,
        [
            "defer",
            "say Now playing **a** (2:00).",
            "say Paused **a** at 0:00. `/resume` goes on.",
            "say Going on with **a** at 0:00."
        ]
    );
}

#[test]
fn a_pause_that_meets_the_tracks_end_is_answered_truly() {
    let mut stage = stage(&["a.mp3", "b.mp3"]);
    stage.play("a.mp3");
    stage.play("b.mp3");
    stage.willing = false;
    stage.control(Control::Pause);
    stage.news(TrackNews::Ended);
    stage.fail_one("no such track");
    assert!(
        stage
            .seen
            .last()
            .unwrap()
            .starts_with("whisper The track ended at that very moment")
    );
}

#[test]
fn an_interrupted_connection_holds_the_clock() {
    let mut stage = stage(&["a.mp3"]);
    stage.play("a.mp3");
    stage.now += Duration::from_secs(10);
    stage.voice(VoiceNews::Lost);
    stage.now += Duration::from_secs(30);
    stage.voice(VoiceNews::Resumed);
    stage.now += Duration::from_secs(5);
    assert!(stage.control(Control::Pause)[0].contains("at 0:15"));
}

#[test]
fn a_moved_bot_listens_to_its_new_channel() {
    let mut stage = stage(&["a.mp3"]);
    stage.play("a.mp3");
    stage.voice(VoiceNews::Moved(STAGE));
    assert!(stage.control(Control::Pause)[0].contains("I am playing in <#21>"));
    assert!(stage.ask_from(Some(STAGE), Ask::Control(Control::Pause))[0].starts_with("say Paused"));
}

#[test]
fn an_unreadable_library_folder_is_told_to_the_operator_once() {
    let rules = stage(&[]).core.rules.clone();
    let (mut core, actions) = Core::new(Duration::ZERO, rules, vec!["/gone".into()]);
    let fail = |core: &mut Core, now, actions: Vec<Action>| {
        let Some(Action::Call(ticket, Call::List(_))) = actions.first() else {
            panic!("{actions:?}")
        };
        core.handle(
            now,
            Input::Outcome(*ticket, Outcome::Failed("no such folder".to_owned())),
        )
    };
    let told = fail(&mut core, Duration::ZERO, actions);
    assert!(
        matches!(told.as_slice(), [Action::Warn(text)] if text.contains("/gone") && text.contains("`grant`"))
    );
    let later = Duration::from_secs(3600);
    let actions = core.freshen(later);
    assert_eq!(fail(&mut core, later, actions), []);
}

#[test]
fn a_track_that_never_starts_can_still_be_skipped_and_left() {
    let mut stage = stage(&["a.mp3", "b.mp3"]);
    stage.bot = Some(LOUNGE);
    stage.willing = false;
    stage.play("a.mp3");
    let (ticket, _) = stage.calls.pop_front().unwrap();
    stage.outcome(ticket, Outcome::Playing(Track::new(1)));
    stage.control(Control::Leave);
    assert_eq!(stage.seen, <[&str; 0]>::default());
    stage.pass(Duration::from_secs(2));
    let patience = stage.now + Duration::from_secs(3);
    assert_eq!(
        stage.wakes.last(),
        Some(&patience),
        "the core asks to be woken"
    );
    stage.willing = true;
    let seen = stage.pass(Duration::from_secs(3));
    assert!(
        seen[0].starts_with("say **a** was ended by another command"),
        "{seen:?}"
    );
    assert_eq!(seen[1], "say Left <#20>. `/play` brings me back.");
}
