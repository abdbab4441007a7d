//! Rooms that change between plain and encrypted.
use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_room_of_policy_off_is_plain() {
    let mut room = Room::new(DavePolicy::Off);
    room.enter(1);
    room.enter(2);
    room.advance(SECOND);
    assert_eq!(room.told, []);
    assert_eq!(room.delivery.standing(user(1)).version, 0);
    room.say(1, op::KEY_PACKAGE, b"whatever");
    assert_eq!(room.closed, []);
}

#[test]
fn an_optional_room_goes_plain_with_a_client_that_has_no_dave_and_comes_back() {
    let mut room = Room::new(DavePolicy::Optional);
    room.enter(1);
    room.enter(2);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2]);
    room.told.clear();
    room.client(2).is_slow = true;
    room.enter_with(7, 0);
    assert_eq!(room.delivery.standing(user(7)).version, 0);
    assert_eq!(room.said(op::PREPARE_TRANSITION), [1, 2]);
    assert_eq!(
        room.told[0].2,
        br#"{"protocol_version":0,"transition_id":1}"#
    );
    // Until they all have switched, 7 gets nothing that it cannot hear.
    assert!(room.delivery.is_deaf_to_sealed(user(7)) && !room.delivery.is_deaf_to_sealed(user(1)));
    assert_eq!(room.said(op::EXECUTE_TRANSITION), Vec::<u64>::new());
    room.say(2, op::TRANSITION_READY, &client::named(1));
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2]);
    assert!(
        room.delivery.is_deaf_to_sealed(user(7)),
        "op 22 is on its way, and so are frames"
    );
    room.advance(60 * SECOND);
    assert!(!room.delivery.is_deaf_to_sealed(user(7)));
    assert_eq!(room.client(1).seal(b"x"), None);
    assert_eq!(room.delivery.standing(user(1)).version, 0);
    room.client(2).is_slow = false;
    // Somebody with DAVE who comes meanwhile is told version 0, too.
    room.enter(3);
    assert_eq!(room.client(3).version, 0);
    room.told.clear();
    room.exit(7);
    assert_eq!(room.said(op::PREPARE_EPOCH), [1, 2, 3]);
    assert_eq!(room.said(op::EXTERNAL_SENDER), [3], "the others know it");
    room.advance(SECOND);
    assert_eq!(
        room.client(1).transition,
        Some(2),
        "senders switch together"
    );
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn a_room_that_began_plain_is_upgraded() {
    let mut room = Room::new(DavePolicy::Optional);
    room.enter_with(7, 0);
    room.enter(1);
    room.enter(2);
    room.advance(SECOND);
    assert_eq!(room.told, []);
    room.exit(7);
    room.advance(SECOND);
    assert_eq!(
        room.client(1).ops[..2],
        [op::PREPARE_EPOCH, op::EXTERNAL_SENDER]
    );
    assert_ne!(room.client(1).transition, Some(0));
    room.assert_one_group(&[1, 2]);
}

#[test]
fn a_downgrade_during_an_open_transition_waits_for_it() {
    let mut room = Room::new(DavePolicy::Optional);
    for id in [1, 2] {
        room.enter(id);
    }
    room.advance(SECOND);
    room.client(1).is_slow = true;
    room.enter(3);
    room.advance(BATCH_DELAY);
    room.enter_with(7, 0);
    assert_eq!(room.said(op::PREPARE_TRANSITION), Vec::<u64>::new());
    assert!(room.delivery.is_deaf_to_sealed(user(7)));
    room.client(1).is_slow = false;
    room.say(1, op::TRANSITION_READY, &client::named(1));
    assert_eq!(room.said(op::PREPARE_TRANSITION), [1, 2, 3]);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2, 3, 1, 2, 3]);
    assert_eq!(room.client(3).seal(b"x"), None);
    room.exit(7);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn a_downgrade_ends_a_batch_in_flight() {
    let mut room = Room::new(DavePolicy::Optional);
    for id in [1, 2] {
        room.enter(id);
    }
    room.advance(SECOND);
    room.mute.insert(1, Default::default());
    room.mute.insert(2, Default::default());
    room.enter(3);
    room.advance(BATCH_DELAY);
    room.enter_with(7, 0);
    room.unmute(1);
    room.unmute(2);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2, 3]);
    room.exit(7);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn one_who_is_left_alone_after_a_downgrade_can_be_met_encrypted() {
    let mut room = Room::new(DavePolicy::Optional);
    room.enter(1);
    room.enter_with(7, 0);
    room.advance(3 * SECOND);
    room.told.clear();
    room.exit(7);
    room.advance(SECOND);
    assert_eq!(room.delivery.standing(user(1)).version, 1);
    assert_eq!(
        room.told.last().unwrap().2,
        br#"{"protocol_version":1,"transition_id":0}"#,
        "at once: nobody is there to switch together with"
    );
    assert_eq!(room.said(op::PREPARE_TRANSITION), [1]);
    room.enter(2);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2]);
}

#[test]
fn a_room_plays_ping_pong_between_versions() {
    let mut room = Room::new(DavePolicy::Optional);
    for id in [1, 2, 3] {
        room.enter(id);
    }
    for _ in 0..10 {
        room.enter_with(7, 0);
        room.advance(Duration::from_millis(30));
        room.exit(7);
        room.advance(Duration::from_millis(30));
    }
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3]);
    assert_eq!(room.closed, []);
}

#[test]
fn who_joined_for_a_downgrade_that_came_to_nothing_is_brought_in() {
    let mut room = Room::new(DavePolicy::Optional);
    for id in [1, 2] {
        room.enter(id);
    }
    room.advance(SECOND);
    room.client(1).is_slow = true;
    room.enter(3);
    room.advance(BATCH_DELAY);
    room.enter_with(7, 0);
    room.enter(4);
    assert_eq!(room.client(4).version, 0);
    room.exit(7);
    room.client(1).is_slow = false;
    room.say(1, op::TRANSITION_READY, &client::named(1));
    assert_eq!(room.said(op::PREPARE_EPOCH), [4], "the others have a group");
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3, 4]);
}
