//! Who may what, votes, lists, and what a restart leaves.

use super::*;
use crate::calls::Repeat;
use crate::moment::Moment;

const BOB: UserId = UserId::new(101);

/// A room of four listeners where Ann's `a` plays, and her `b` and Bob's `c` wait.
fn room() -> Stage {
    let mut stage = stage(&["a.mp3", "b.mp3", "c.mp3"]);
    stage.play("a");
    stage.play("b");
    as_bob(&mut stage, query_of("c"));
    stage.asked.clear();
    stage
}

fn by(stage: &mut Stage, user: UserId, listeners: usize, ask: Ask) -> Vec<String> {
    let caller = Caller {
        user,
        is_dj: false,
        listeners,
        ..stage.caller(Some(LOUNGE))
    };
    let before = stage.seen.len();
    stage.input(Input::Command(caller, ask));
    stage.seen[before..].to_vec()
}

fn as_bob(stage: &mut Stage, ask: Ask) -> Vec<String> {
    by(stage, BOB, 4, ask)
}

#[test]
fn who_is_no_dj_decides_about_their_own_and_nothing_else() {
    let mut stage = room();
    for control in [
        Control::Pause,
        Control::Toggle,
        Control::Stop { clear: true },
        Control::Volume(Some(10)),
        Control::Louder(10),
        Control::Repeat(Some(Repeat::Queue)),
        Control::NextRepeat,
        Control::Seek(Moment::At(Duration::ZERO)),
        Control::Replay,
        Control::Previous,
        Control::Leave,
        Control::Clear,
        Control::Shuffle(1),
        Control::Move { from: 1, to: 2 },
        Control::Remove { first: 1, last: 2 },
    ] {
        let said = as_bob(&mut stage, Ask::Control(control));
        assert!(
            said[0].starts_with("whisper That is for DJs"),
            "{control:?}: {said:?}"
        );
    }
    assert!(stage.asked.is_empty(), "{:?}", stage.asked);
    for control in [Control::Queue, Control::Volume(None), Control::History] {
        let said = as_bob(&mut stage, Ask::Control(control));
        assert!(!said[0].contains("for DJs"), "{control:?}: {said:?}");
    }
    let own = Control::Remove { first: 2, last: 2 };
    assert!(as_bob(&mut stage, Ask::Control(own))[0].starts_with("say "));
    // The current one is Ann's: she may move in it and skip it.
    let seek = Ask::Control(Control::Seek(Moment::At(Duration::from_secs(5))));
    assert!(by(&mut stage, ANN, 4, seek)[0].starts_with("say "));
    assert!(by(&mut stage, ANN, 4, Ask::Control(Control::Skip))[0].starts_with("say Skipped"));
    // Who listens alone decides everything.
    assert!(by(&mut stage, BOB, 1, Ask::Control(Control::Pause))[0].starts_with("say Paused"));
}

#[test]
fn enough_votes_skip_and_nobody_votes_twice() {
    let mut stage = room();
    let skip = || Ask::Control(Control::Skip);
    assert_eq!(
        as_bob(&mut stage, skip()),
        ["say 1 of 2 votes to skip **a**. `/skip` votes."]
    );
    assert_eq!(
        as_bob(&mut stage, skip()),
        ["whisper 1 of 2 votes to skip **a**. `/skip` votes."]
    );
    assert!(
        card(&stage).contains("1 of 2 votes to skip"),
        "{}",
        card(&stage)
    );
    let other = UserId::new(102);
    assert!(
        by(&mut stage, other, 4, skip())[0].starts_with("say Skipped **a**. Now playing **b**")
    );
    // Votes are for one track only.
    assert!(by(&mut stage, other, 4, skip())[0].contains("1 of 2"));
}

#[test]
fn a_list_plays_its_first_and_queues_the_rest_as_far_as_there_is_room() {
    let mut stage = stage_with(&["a.mp3", "b.mp3", "c.mp3"], |rules| rules.max_queue = 3);
    for name in ["a", "b", "c"] {
        stage.play(name);
    }
    let items = stage.core.list(GUILD);
    assert_eq!(items.len(), 3);
    stage.control(Control::Stop { clear: true });
    let list = |items: &[crate::queue::Item]| Ask::Enqueue {
        name: "mix".to_owned(),
        items: items.to_vec(),
    };
    let said = stage.ask(list(&items));
    assert_eq!(
        said,
        ["say Now playing **a** (2:00). 2 tracks wait after it in the queue."]
    );
    let said = stage.ask(list(&items));
    assert_eq!(
        said,
        ["say Added 1 track of **mix**. The queue is full: 2 tracks left out."]
    );
    let said = stage.ask(list(&items));
    assert!(said[0].starts_with("whisper The queue is full"), "{said:?}");
}

#[test]
fn what_a_restart_interrupted_goes_on_where_it_was_if_somebody_is_there() {
    let mut stage = room();
    stage.control(Control::Skip);
    stage.control(Control::Volume(Some(60)));
    stage.now += Duration::from_secs(30);
    let kept = stage.core.keep(stage.now);
    for somebody in [true, false] {
        let mut after = super::stage(&["a.mp3", "b.mp3", "c.mp3"]);
        after.core.restore(kept.clone());
        assert_eq!(after.core.comebacks(), [(GUILD, LOUNGE)]);
        let actions = after.core.come_back(GUILD, somebody);
        after.perform(actions);
        assert!(after.core.comebacks().is_empty());
        let wants = after.wants();
        assert_eq!(
            wants.iter().any(|want| want == "play b at 30"),
            somebody,
            "{wants:?}"
        );
        // What was played is known still.
        let said = after.control(Control::History);
        assert!(said[0].contains("1. **a**"), "{said:?}");
        if !somebody {
            let said = after.control(Control::Resume);
            assert!(
                said.last().unwrap().contains("Going on with **b** at 0:30"),
                "{said:?}"
            );
        }
    }
}

fn card(stage: &Stage) -> String {
    stage.core.card(GUILD, stage.now).text
}

#[test]
fn two_who_skip_at_the_same_moment_skip_one_track() {
    let mut stage = super::stage(&["a.mp3", "b.mp3", "c.mp3"]);
    for name in ["a", "b", "c"] {
        stage.play(name);
    }
    let ask = |stage: &mut Stage, user: u64, control| {
        let caller = Caller {
            user: UserId::new(user),
            ..stage.caller(Some(LOUNGE))
        };
        let before = stage.seen.len();
        stage.input(Input::Command(caller, Ask::Control(control)));
        stage.seen[before..].to_vec()
    };
    stage.willing = false;
    ask(&mut stage, 1, Control::Skip);
    let late = ask(&mut stage, 2, Control::Skip);
    assert!(late[0].starts_with("whisper The track has just been changed"));
    let late = ask(&mut stage, 2, Control::Previous);
    assert!(late[0].starts_with("whisper The track has just been changed"));
    // The same person means it.
    assert_eq!(ask(&mut stage, 1, Control::Skip), <[&str; 0]>::default());
    stage.willing = true;
    stage.perform(Vec::new());
    assert!(card(&stage).contains("**c**"), "{}", card(&stage));
    // What has been answered has been seen: from then on another one is meant.
    ask(&mut stage, 1, Control::Previous);
    ask(&mut stage, 2, Control::Previous);
    assert!(card(&stage).contains("**a**"), "{}", card(&stage));
}
