//! Members that start anew: op 31, unexpected key packages, resumes without replay.
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn recover(room: &mut Room, id: u64) {
    let replies = room.client(id).recover(0);
    for (op, payload) in replies {
        room.say(id, op, &payload);
    }
}

#[test]
fn a_member_that_cannot_follow_is_removed_and_added_with_one_commit() {
    for id in [1, 2, 3] {
        let mut room = Room::with(&[1, 2, 3]);
        let leaf = room.client(id).leaf();
        room.told.clear();
        recover(&mut room, id);
        room.advance(SECOND);
        assert_eq!(room.delivery.epoch, 2, "user {id}");
        assert_eq!(room.said(op::WELCOME), [id]);
        assert!(
            !room.said(op::ANNOUNCE_COMMIT).contains(&id),
            "29 or 30, never both"
        );
        assert!(!room.said(op::PROPOSALS).contains(&id));
        assert_eq!(room.client(id).leaf(), leaf, "the hole it left");
        assert_eq!(room.said(op::EXTERNAL_SENDER), Vec::<u64>::new());
        room.assert_one_group(&[1, 2, 3]);
    }
}

#[test]
fn while_removed_a_member_gets_neither_commit_nor_execute() {
    let mut room = Room::with(&[1, 2, 3]);
    room.client(2).is_slow = true;
    room.enter(4);
    room.advance(BATCH_DELAY);
    room.told.clear();
    room.say(3, op::INVALID_COMMIT_WELCOME, &client::named(1));
    room.say(2, op::TRANSITION_READY, &client::named(1));
    room.client(2).is_slow = false;
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2, 4]);
    room.advance(SECOND);
    assert_eq!(room.said(op::ANNOUNCE_COMMIT), [1, 2, 4]);
    assert_eq!(room.delivery.standing(user(3)).epoch, None);
    assert!(!room.told.iter().any(|(to, ..)| *to == 3));
    let replies = room.client(3).recover(1);
    room.say(3, op::KEY_PACKAGE, &replies[1].1);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3, 4]);
}

#[test]
fn both_members_fail_at_the_same_time() {
    let mut room = Room::with(&[1, 2]);
    recover(&mut room, 1);
    recover(&mut room, 2);
    room.advance(SECOND);
    assert_eq!(room.delivery.epoch, 1, "a group of their own");
    room.assert_one_group(&[1, 2]);
}

#[test]
fn a_member_fails_while_a_join_is_in_flight() {
    let mut room = Room::with(&[1, 2, 3]);
    for id in [1, 2, 3] {
        room.mute.insert(id, Default::default());
    }
    room.enter(4);
    room.advance(BATCH_DELAY);
    // What it says from now on overtakes nothing: its commit is lost with its state.
    room.mute.remove(&1);
    recover(&mut room, 1);
    room.unmute(2);
    room.unmute(3);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3, 4]);
}

#[test]
fn everybody_fails_while_a_join_is_in_flight() {
    let mut room = Room::with(&[1, 2]);
    room.client(1).is_lazy = true;
    room.client(2).is_lazy = true;
    room.enter(3);
    room.advance(BATCH_DELAY);
    room.client(1).is_lazy = false;
    room.client(2).is_lazy = false;
    recover(&mut room, 1);
    recover(&mut room, 2);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn a_newcomer_that_fails_is_added_again() {
    let mut room = Room::with(&[1, 2]);
    room.deaf.insert(3, Default::default());
    room.enter(3);
    // It forgets its keys before the Welcome reaches it.
    room.undeafen(3);
    room.mute.insert(3, Default::default());
    room.advance(BATCH_DELAY);
    room.mute.remove(&3);
    recover(&mut room, 3);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn new_keys_for_an_add_in_flight_take_the_old_ones_back() {
    let mut room = Room::with(&[1, 2]);
    room.mute
        .extend([(1, Default::default()), (2, Default::default())]);
    room.enter(3);
    room.advance(BATCH_DELAY);
    room.told.clear();
    let keys = room.client(3).key_package();
    room.say(3, op::KEY_PACKAGE, &keys);
    let revoked: Vec<_> = room
        .told
        .iter()
        .filter(|(_, op, _)| *op == op::PROPOSALS)
        .collect();
    assert_eq!(revoked.len(), 2);
    assert!(
        revoked
            .iter()
            .all(|(_, _, payload)| payload.starts_with(&[1, 33, 32]))
    );
    // The commits to what was revoked come, and are not announced.
    room.unmute(1);
    room.unmute(2);
    assert_eq!(room.said(op::ANNOUNCE_COMMIT), Vec::<u64>::new());
    room.advance(SECOND);
    assert_eq!(room.delivery.epoch, 2);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn a_revocation_leaves_the_rest_of_the_epoch_in_force() {
    let mut room = Room::with(&[1, 2, 9]);
    for id in [1, 2] {
        room.mute.insert(id, Default::default());
    }
    room.exit(9);
    room.enter(3);
    room.enter(4);
    room.advance(BATCH_DELAY);
    let keys = room.client(3).key_package();
    room.say(3, op::KEY_PACKAGE, &keys);
    room.told.clear();
    room.unmute(1);
    room.unmute(2);
    room.advance(Duration::ZERO);
    assert_eq!(room.said(op::WELCOME), [4]);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3, 4]);
}

#[test]
fn new_keys_during_a_first_group_do_not_stop_it() {
    for others in [&[1][..], &[1, 2]] {
        let mut room = Room::new(DavePolicy::Required);
        for id in others.iter().chain(&[3]) {
            room.enter(*id);
            room.mute.insert(*id, Default::default());
        }
        room.advance(BATCH_DELAY);
        room.mute.remove(&3);
        let keys = room.client(3).key_package();
        room.say(3, op::KEY_PACKAGE, &keys);
        for id in others {
            room.unmute(*id);
        }
        room.advance(SECOND);
        let mut all = others.to_vec();
        all.push(3);
        room.assert_one_group(&all);
    }
}

#[test]
fn when_nobody_is_left_who_could_found_a_group_all_start_anew() {
    let mut room = Room::new(DavePolicy::Required);
    for id in [1, 2, 3] {
        room.enter(id);
        room.client(id).is_lazy = true;
    }
    room.advance(BATCH_DELAY);
    for id in [1, 2] {
        room.client(id).is_lazy = false;
        let keys = room.client(id).key_package();
        room.say(id, op::KEY_PACKAGE, &keys);
    }
    room.exit(3);
    assert_eq!(room.said(op::PREPARE_EPOCH), Vec::<u64>::new());
    room.advance(SECOND);
    assert_eq!(room.said(op::PREPARE_EPOCH), [1, 2]);
    room.assert_one_group(&[1, 2]);
}

#[test]
fn an_unexpected_key_package_of_a_member_is_a_recovery() {
    let mut room = Room::with(&[1, 2]);
    room.client(1).session = None;
    let replies = room.client(1).describe(1);
    let sender = room.delivery.signer.payload().to_vec();
    room.client(1).take(op::EXTERNAL_SENDER, &sender);
    room.say(1, op::KEY_PACKAGE, &replies[0].1);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2]);
}

#[test]
fn a_resume_without_replay_starts_the_member_anew() {
    let mut room = Room::with(&[1, 2]);
    room.deaf.insert(2, Default::default());
    room.enter(3);
    room.advance(5 * SECOND);
    room.deaf.remove(&2);
    room.told.clear();
    room.delivery.resync(room.now, user(2), false);
    room.advance(SECOND);
    assert_eq!(room.said(op::PREPARE_EPOCH), [2]);
    assert_eq!(room.said(op::EXTERNAL_SENDER), Vec::<u64>::new());
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn a_resume_without_replay_brings_the_sender_if_that_was_missed_too() {
    let mut room = Room::new(DavePolicy::Required);
    room.enter(1);
    room.deaf.insert(2, Default::default());
    room.enter(2);
    room.advance(10 * SECOND);
    room.deaf.remove(&2);
    room.delivery.resync(room.now, user(2), true);
    room.advance(5 * SECOND);
    assert_eq!(
        room.client(2).ops[..2],
        [op::PREPARE_EPOCH, op::EXTERNAL_SENDER]
    );
    room.assert_one_group(&[1, 2]);
}
