//! Nobody listens: it waits, and goes on when somebody comes.

use super::*;

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

fn playing() -> Stage {
    let mut stage = stage(&["a.mp3", "b.mp3"]);
    stage.play("a");
    stage.play("b");
    stage.asked.clear();
    stage
}

/// So many others are in the lounge.
fn listen(stage: &mut Stage, listeners: usize) {
    assert_eq!(stage.core.stages(), [(GUILD, LOUNGE)]);
    stage.input(Input::Audience(GUILD, LOUNGE, listeners));
}

/// Time passes, and then it is looked for people.
fn later(stage: &mut Stage, time: Duration, listeners: usize) {
    stage.now += time;
    listen(stage, listeners);
}

fn held(stage: &Stage) -> bool {
    stage.core.card(GUILD, stage.now).paused
}

fn text(stage: &Stage) -> String {
    stage.core.card(GUILD, stage.now).text
}

#[test]
fn an_empty_channel_pauses_after_half_a_minute_and_a_listener_lets_it_go_on() {
    let mut stage = playing();
    stage.seen.clear();
    listen(&mut stage, 0);
    let wake = stage.wakes.last().copied();
    assert_eq!(wake, Some(stage.now + HALF_A_MINUTE), "it asks to look");
    later(&mut stage, HALF_A_MINUTE - Duration::from_millis(1), 0);
    assert!(!held(&stage));
    later(&mut stage, Duration::from_millis(1), 0);
    assert_eq!(stage.asked, [Call::Pause(Track::new(1))]);
    assert!(text(&stage).contains("· until somebody listens"));
    let place = text(&stage);
    later(&mut stage, Duration::from_secs(90), 0);
    assert_eq!(text(&stage), place, "the place does not move");
    later(&mut stage, Duration::from_secs(1), 1);
    assert_eq!(stage.asked[1..], [Call::Resume(Track::new(1))]);
    assert!(!held(&stage) && !text(&stage).contains("until"));
    assert_eq!(stage.seen, <[&str; 0]>::default(), "all without a word");
    // And once more from the beginning.
    later(&mut stage, Duration::from_secs(1), 0);
    later(&mut stage, HALF_A_MINUTE - Duration::from_secs(1), 0);
    assert!(!held(&stage));
    later(&mut stage, Duration::from_secs(1), 0);
    assert!(held(&stage));
}

#[test]
fn somebody_who_is_only_gone_for_a_moment_hears_no_pause() {
    let mut stage = playing();
    for _ in 0..4 {
        later(&mut stage, Duration::from_secs(20), 0);
        later(&mut stage, Duration::from_secs(1), 2);
    }
    assert_eq!(stage.asked, []);
}

#[test]
fn what_a_person_paused_does_not_go_on_by_itself() {
    let mut stage = playing();
    stage.control(Control::Pause);
    listen(&mut stage, 0);
    later(&mut stage, 2 * HALF_A_MINUTE, 0);
    later(&mut stage, HALF_A_MINUTE, 3);
    assert_eq!(stage.asked, [Call::Pause(Track::new(1))]);
    // Nor what waits for listeners when a person says that it shall wait.
    stage.control(Control::Resume);
    listen(&mut stage, 0);
    later(&mut stage, HALF_A_MINUTE, 0);
    assert!(text(&stage).contains("until somebody"));
    let said = stage.control(Control::Pause);
    assert_eq!(
        said,
        ["whisper **a** is already paused. `/resume` goes on."]
    );
    later(&mut stage, HALF_A_MINUTE, 1);
    assert!(held(&stage) && !text(&stage).contains("until somebody"));
    stage.control(Control::Resume);
    assert!(!held(&stage));
}

#[test]
fn whoever_comes_while_it_is_being_paused_lets_it_go_on_at_once() {
    let mut stage = playing();
    listen(&mut stage, 0);
    stage.willing = false;
    later(&mut stage, HALF_A_MINUTE, 0);
    listen(&mut stage, 1);
    assert_eq!(stage.serve_one(), Call::Pause(Track::new(1)));
    assert_eq!(stage.serve_one(), Call::Resume(Track::new(1)));
    assert!(!held(&stage));
}

#[test]
fn a_track_that_ends_at_that_very_moment_is_followed_by_the_next_one() {
    let mut stage = playing();
    listen(&mut stage, 0);
    stage.willing = false;
    later(&mut stage, HALF_A_MINUTE, 0);
    stage.track(1, TrackNews::Ended);
    stage.fail_one("it is over");
    stage.willing = true;
    stage.input(Input::Tick);
    stage.perform(Vec::new());
    later(&mut stage, Duration::from_secs(1), 0);
    assert!(text(&stage).contains("**b**"), "{}", text(&stage));
    assert!(held(&stage), "and waits as the one before would have");
}

#[test]
fn another_channel_is_another_audience() {
    let mut stage = playing();
    listen(&mut stage, 0);
    stage.now += HALF_A_MINUTE;
    stage.input(Input::Audience(GUILD, STAGE, 0));
    assert_eq!(stage.asked, [], "that is not where it plays");
    stage.voice(VoiceNews::Moved(STAGE));
    assert_eq!(stage.core.stages(), [(GUILD, STAGE)]);
    stage.input(Input::Audience(GUILD, STAGE, 0));
    assert_eq!(stage.asked, [], "there nobody listens only from now on");
}

#[test]
fn nothing_waits_where_the_operator_does_not_want_it() {
    let mut stage = stage_with(&["a.mp3"], |rules| rules.empty_pause = Duration::ZERO);
    stage.play("a");
    stage.asked.clear();
    listen(&mut stage, 0);
    later(&mut stage, Duration::from_secs(100_000), 0);
    assert_eq!(stage.asked, []);
}

/// The state of one run, in the next one.
fn next_run(before: &Stage) -> Stage {
    let kept = serde_json::to_vec(&before.core.keep(before.now)).unwrap();
    let mut after = stage(&["a.mp3", "b.mp3"]);
    after.core.restore(serde_json::from_slice(&kept).unwrap());
    after
}

#[test]
fn after_a_restart_it_waits_in_the_channel_again_and_goes_on_from_the_same_place() {
    let mut before = playing();
    listen(&mut before, 0);
    later(&mut before, HALF_A_MINUTE, 0);
    let mut after = next_run(&before);
    let actions = after.core.come_back(GUILD, false);
    after.perform(actions);
    let join = Call::Join(GUILD, LOUNGE);
    assert_eq!(after.asked[0], join);
    let [_, Call::Play { start, paused, .. }] = &after.asked[..] else {
        panic!("{:?}", after.asked)
    };
    assert_eq!((*start, *paused), (HALF_A_MINUTE, true));
    assert!(text(&after).contains("until somebody listens"));
    // Twice is as good as once.
    let mut again = next_run(&after);
    let actions = again.core.come_back(GUILD, false);
    again.perform(actions);
    listen(&mut again, 0);
    later(&mut again, HALF_A_MINUTE, 2);
    assert_eq!(again.asked.last(), Some(&Call::Resume(Track::new(1))));
    assert!(text(&again).contains("0:30 of 2:00"), "{}", text(&again));
}

#[test]
fn after_a_restart_it_plays_at_once_for_whoever_came_meanwhile() {
    let mut before = playing();
    listen(&mut before, 0);
    later(&mut before, HALF_A_MINUTE, 0);
    let mut after = next_run(&before);
    let actions = after.core.come_back(GUILD, true);
    after.perform(actions);
    assert!(!held(&after), "{}", text(&after));
    assert_eq!(
        after.wants(),
        ["Join(GuildId(1), ChannelId(20))", "play a at 30"]
    );
}
