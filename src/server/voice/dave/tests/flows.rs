//! Joins and leaves as they should go.
use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_first_joiner_gets_the_sender_and_nothing_else() {
    let mut room = Room::new(DavePolicy::Required);
    room.enter(1);
    room.advance(60 * SECOND);
    assert_eq!(room.client(1).ops, [op::EXTERNAL_SENDER]);
    assert!(matches!(room.delivery.poll(), Output::Wait(None)));
    assert_eq!(room.delivery.standing(user(1)).version, 1);
    assert_eq!(room.delivery.standing(user(1)).epoch, None);
}

#[test]
fn two_members_meet_in_transition_zero_and_one_commit_wins() {
    let mut room = Room::new(DavePolicy::Required);
    room.enter(1);
    room.enter(2);
    assert_eq!(
        room.said(op::PROPOSALS),
        Vec::<u64>::new(),
        "still gathering"
    );
    room.advance(BATCH_DELAY);
    room.assert_one_group(&[1, 2]);
    // Both commit; the first wins, and each hears of it in one way only.
    assert_eq!(room.said(op::PROPOSALS), [1, 2]);
    assert_eq!(room.said(op::ANNOUNCE_COMMIT), [1]);
    assert_eq!(room.said(op::WELCOME), [2]);
    assert_eq!(room.client(1).transition, Some(0));
    assert_eq!(room.client(2).commits.len(), 1);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), Vec::<u64>::new());
    assert_eq!((room.client(1).leaf(), room.client(2).leaf()), (0, 1));
}

#[test]
fn three_who_join_at_once_become_one_group_in_one_epoch() {
    let mut room = Room::with(&[7, 5, 6]);
    assert_eq!(room.delivery.epoch, 1);
    assert_eq!(room.said(op::WELCOME).len(), 2);
    // Everybody was told the others, never itself.
    assert_eq!(room.said(op::PROPOSALS).len(), 3);
    room.advance(10 * SECOND);
    room.assert_one_group(&[7, 5, 6]);
}

#[test]
fn a_join_into_an_established_group_switches_everybody_together() {
    let mut room = Room::with(&[1, 2]);
    room.told.clear();
    room.client(2).is_slow = true;
    room.enter(3);
    room.advance(BATCH_DELAY);
    assert_eq!(room.said(op::PROPOSALS), [1, 2], "never to the joiner");
    assert_eq!(room.said(op::ANNOUNCE_COMMIT), [1, 2]);
    assert_eq!(room.said(op::WELCOME), [3]);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), Vec::<u64>::new());
    room.say(2, op::TRANSITION_READY, br#"["transition_id",1]"#);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2, 3]);
    assert_eq!(room.client(3).transition, Some(1));
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn who_is_not_ready_holds_up_the_others_for_two_seconds_only() {
    let mut room = Room::with(&[1, 2]);
    room.client(2).is_slow = true;
    room.enter(3);
    room.advance(BATCH_DELAY + 2 * SECOND - Duration::from_millis(1));
    assert_eq!(room.said(op::EXECUTE_TRANSITION), Vec::<u64>::new());
    room.advance(Duration::from_millis(1));
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2, 3]);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn who_joins_and_leaves_during_an_open_transition_is_deferred() {
    let mut room = Room::with(&[1, 2, 9]);
    room.client(2).is_slow = true;
    room.enter(3);
    room.advance(BATCH_DELAY);
    room.told.clear();
    room.enter(4);
    room.exit(9);
    room.advance(SECOND);
    assert_eq!(room.said(op::PROPOSALS), Vec::<u64>::new());
    room.client(2).is_slow = false;
    room.say(2, op::TRANSITION_READY, &client::named(1));
    // At once, and both in one epoch.
    assert_eq!(room.said(op::PROPOSALS), [1, 2, 3]);
    assert_eq!(room.delivery.epoch, 3);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3, 4]);
}

#[test]
fn the_leave_of_leaf_zero_leaves_a_hole_that_the_next_one_fills() {
    let mut room = Room::with(&[1, 2, 3]);
    let gone = [1, 2, 3]
        .into_iter()
        .find(|id| room.clients[id].leaf() == 0);
    let gone = gone.unwrap();
    let stay: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != gone).collect();
    room.told.clear();
    room.exit(gone);
    room.advance(SECOND);
    assert_eq!(room.said(op::WELCOME), Vec::<u64>::new());
    room.assert_one_group(&stay);
    room.enter(4);
    room.advance(SECOND);
    assert_eq!(room.client(4).leaf(), 0);
    room.assert_one_group(&[stay[0], stay[1], 4]);
    // And the one who left comes back to the end of the tree.
    room.enter(gone);
    room.advance(SECOND);
    assert_eq!(room.client(gone).leaf(), 3);
    room.assert_one_group(&[stay[0], stay[1], 4, gone]);
}

#[test]
fn the_last_one_forgets_the_group_and_the_next_one_makes_a_new_one_with_it() {
    let mut room = Room::with(&[1, 2]);
    room.told.clear();
    room.exit(2);
    room.advance(SECOND);
    let about_1: Vec<u8> = room.told.iter().map(|(_, op, _)| *op).collect();
    assert_eq!(about_1, [op::PREPARE_EPOCH, op::PREPARE_TRANSITION]);
    assert_eq!(room.told[0].2, br#"{"epoch":1,"protocol_version":1}"#);
    assert_eq!(
        room.told[1].2,
        br#"{"protocol_version":1,"transition_id":0}"#
    );
    assert_eq!(room.client(1).seal(b"x"), None);
    room.enter(3);
    room.advance(SECOND);
    // Old keys may be around, so this is no transition 0.
    assert_eq!(room.client(1).transition, Some(1));
    room.assert_one_group(&[1, 3]);
    assert_eq!(room.said(op::EXTERNAL_SENDER), [3], "once for each session");
}

#[test]
fn a_room_that_everybody_left_is_forgotten() {
    let mut room = Room::with(&[1, 2]);
    room.exit(1);
    room.exit(2);
    assert!(room.delivery.is_empty());
    assert!(matches!(room.delivery.poll(), Output::Wait(None)));
    assert_eq!(room.delivery.epoch, 0);
    room.enter(3);
    room.enter(4);
    room.advance(SECOND);
    assert_eq!(room.client(3).transition, Some(0));
    room.assert_one_group(&[3, 4]);
}

#[test]
fn thirty_members_come_and_go() {
    let mut room = Room::new(DavePolicy::Required);
    for id in 1..=30 {
        room.enter(id);
        if id % 3 == 0 {
            room.advance(BATCH_DELAY);
        }
    }
    room.advance(SECOND);
    let everybody: Vec<u64> = (1..=30).collect();
    room.assert_one_group(&everybody);
    for id in 1..=24 {
        room.exit(id);
    }
    room.advance(SECOND);
    let rest: Vec<u64> = (25..=30).collect();
    room.assert_one_group(&rest);
    room.enter(99);
    room.advance(SECOND);
    assert_eq!(room.client(99).leaf(), 0);
}
