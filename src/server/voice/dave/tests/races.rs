//! Messages that cross, connections that are lost, people who change their mind.
use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_commit_that_comes_late_is_dropped_without_a_word() {
    let mut room = Room::with(&[1, 2]);
    room.mute.insert(2, Default::default());
    room.enter(3);
    room.advance(SECOND);
    assert_eq!(room.delivery.epoch, 2);
    room.told.clear();
    room.unmute(2);
    assert_eq!(room.said(op::ANNOUNCE_COMMIT), Vec::<u64>::new());
    // Its op 23 came too, so everybody was told to switch.
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2, 3]);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn whichever_commit_comes_first_wins() {
    for slow in [1, 2] {
        let mut room = Room::with(&[1, 2]);
        room.mute.insert(slow, Default::default());
        room.told.clear();
        room.enter(3);
        room.advance(BATCH_DELAY);
        let winner = room
            .told
            .iter()
            .find(|(_, op, _)| *op == op::ANNOUNCE_COMMIT);
        let announced = winner.unwrap().2[2..].to_vec();
        let other = 3 - slow;
        assert!(
            room.clients[&other]
                .commits
                .last()
                .unwrap()
                .starts_with(&announced)
        );
        room.unmute(slow);
        room.assert_one_group(&[1, 2, 3]);
    }
}

#[test]
fn who_leaves_before_being_added_is_removed_afterwards() {
    let mut room = Room::with(&[1, 2]);
    room.mute
        .extend([(1, Default::default()), (2, Default::default())]);
    room.enter(3);
    room.advance(BATCH_DELAY);
    room.exit(3);
    room.unmute(1);
    room.unmute(2);
    room.advance(SECOND);
    assert_eq!(room.delivery.epoch, 3);
    room.assert_one_group(&[1, 2]);
}

#[test]
fn who_comes_back_before_being_added_is_added_with_its_new_keys() {
    let mut room = Room::with(&[1, 2]);
    room.mute
        .extend([(1, Default::default()), (2, Default::default())]);
    room.enter(3);
    room.advance(BATCH_DELAY);
    room.exit(3);
    room.enter(3);
    room.told.clear();
    room.unmute(1);
    room.unmute(2);
    room.advance(SECOND);
    assert_eq!(
        room.said(op::WELCOME),
        [3],
        "not for the keys it no longer has"
    );
    assert_eq!(
        room.delivery.epoch, 3,
        "old leaf out and new leaf in with one commit"
    );
    assert_eq!(room.client(3).leaf(), 2);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn a_first_group_that_loses_one_of_two_starts_anew() {
    let mut room = Room::new(DavePolicy::Required);
    room.enter(1);
    room.mute.insert(1, Default::default());
    room.unmute(1);
    room.enter(2);
    room.mute
        .extend([(1, Default::default()), (2, Default::default())]);
    room.advance(BATCH_DELAY);
    room.told.clear();
    room.exit(2);
    assert_eq!(room.said(op::PREPARE_EPOCH), [1]);
    room.unmute(1); // The commit of the first attempt, then the new key package.
    assert_eq!(room.said(op::ANNOUNCE_COMMIT), Vec::<u64>::new());
    assert_eq!(
        room.said(op::PREPARE_TRANSITION),
        Vec::<u64>::new(),
        "it never had a key"
    );
    room.enter(3);
    room.advance(SECOND);
    assert_eq!(
        room.client(3).transition,
        Some(0),
        "still the first group of the room"
    );
    room.assert_one_group(&[1, 3]);
}

#[test]
fn a_first_group_that_loses_one_of_three_goes_on() {
    let mut room = Room::new(DavePolicy::Required);
    for id in [1, 2, 3] {
        room.enter(id);
        room.mute.insert(id, Default::default());
    }
    room.advance(BATCH_DELAY);
    room.exit(3);
    room.unmute(1);
    room.unmute(2);
    room.advance(SECOND);
    assert_eq!(room.delivery.tree.iter().count(), 2);
    room.assert_one_group(&[1, 2]);
}

#[test]
fn members_that_do_not_commit_are_started_anew_after_four_seconds() {
    let mut room = Room::with(&[1, 2]);
    room.client(1).is_lazy = true;
    room.client(2).is_lazy = true;
    room.enter(3);
    room.advance(BATCH_DELAY);
    room.told.clear();
    room.client(1).is_lazy = false;
    room.advance(COMMIT_WITHIN - Duration::from_millis(1));
    assert_eq!(room.told, []);
    room.advance(Duration::from_millis(1));
    assert_eq!(room.said(op::PREPARE_EPOCH), [1, 2, 3]);
    room.advance(SECOND);
    assert_eq!(room.delivery.epoch, 1);
    assert_ne!(room.client(3).transition, Some(0), "there are old keys");
    room.assert_one_group(&[1, 2, 3]);
    assert_eq!(room.said(op::EXTERNAL_SENDER), Vec::<u64>::new());
}

#[test]
fn a_client_that_missed_everything_in_mid_transition_catches_up_from_the_replay() {
    let mut room = Room::with(&[1, 2]);
    room.deaf.insert(2, Default::default());
    room.enter(3);
    room.advance(BATCH_DELAY + SECOND);
    // 1 and 3 wait for 2, which is away, but not for ever.
    assert_eq!(room.said(op::EXECUTE_TRANSITION), Vec::<u64>::new());
    room.advance(SECOND);
    room.enter(4);
    room.advance(3 * SECOND);
    assert_eq!(room.delivery.epoch, 3);
    room.undeafen(2);
    room.assert_one_group(&[1, 2, 3, 4]);
}

#[test]
fn a_room_whose_members_are_all_away_comes_back_with_them() {
    let mut room = Room::with(&[1, 2]);
    room.deaf
        .extend([(1, Default::default()), (2, Default::default())]);
    room.enter(3);
    room.advance(30 * SECOND);
    room.undeafen(1);
    room.undeafen(2);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn a_member_alone_and_away_meets_a_newcomer() {
    let mut room = Room::with(&[1, 2]);
    room.deaf.insert(1, Default::default());
    room.exit(2);
    room.enter(3);
    room.advance(30 * SECOND);
    assert_eq!(
        room.said(op::PROPOSALS).len(),
        2,
        "only those of the first group"
    );
    room.undeafen(1);
    room.advance(SECOND);
    room.assert_one_group(&[1, 3]);
}

#[test]
fn the_only_one_in_an_open_transition_is_not_waited_for_when_it_leaves() {
    let mut room = Room::with(&[1, 2, 3]);
    room.client(2).is_slow = true;
    room.enter(4);
    room.advance(BATCH_DELAY);
    room.told.clear();
    room.exit(2);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 3, 4]);
    room.advance(SECOND);
    room.assert_one_group(&[1, 3, 4]);
}

#[test]
fn nobody_waits_for_a_member_whose_connection_is_lost() {
    let mut room = Room::with(&[1, 2]);
    room.deaf.insert(2, Default::default());
    room.delivery.set_connected(room.now, user(2), false);
    room.enter(3);
    room.advance(BATCH_DELAY);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2, 3]);
    room.delivery.set_connected(room.now, user(2), true);
    room.undeafen(2);
    room.assert_one_group(&[1, 2, 3]);
    // And one that is lost in the middle of a transition ends the wait.
    room.client(2).is_slow = true;
    room.told.clear();
    room.enter(4);
    room.advance(BATCH_DELAY);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), Vec::<u64>::new());
    room.delivery.set_connected(room.now, user(2), false);
    room.settle();
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2, 3, 4]);
}
