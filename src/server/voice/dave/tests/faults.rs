//! Scripted trouble does what it says, and the room recovers from it.
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn script(room: &mut Room, only: Option<u64>, fault: DaveFault) {
    let scope = Scope {
        user_id: only.map(UserId::new),
        channel_id: None,
    };
    room.delivery.set_faults(room.now, vec![(1, scope, fault)]);
    room.settle();
}

fn clear(room: &mut Room) {
    room.delivery.set_faults(room.now, Vec::new());
    room.settle();
}

#[test]
fn an_invalid_commit_is_healed_by_op_31() {
    for only in [None, Some(1), Some(2), Some(3)] {
        let mut room = Room::with(&[1, 2, 3]);
        let fault = DaveFault {
            invalid_commit: true,
            ..DaveFault::default()
        };
        script(&mut room, only, fault);
        let failed = room.delivery.epoch;
        room.enter(4);
        room.advance(10 * SECOND);
        assert!(
            room.delivery.epoch != failed + 1,
            "{only:?}: it took a further epoch"
        );
        room.assert_one_group(&[1, 2, 3, 4]);
    }
}

#[test]
fn a_withheld_welcome_leaves_a_member_outside_until_it_complains() {
    let mut room = Room::with(&[1, 2]);
    let fault = DaveFault {
        withhold_welcome: true,
        ..DaveFault::default()
    };
    script(&mut room, Some(3), fault);
    room.told.clear();
    room.enter(3);
    room.advance(5 * SECOND);
    assert_eq!(room.said(op::WELCOME), Vec::<u64>::new());
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2, 3], "after 2 s");
    assert_eq!(room.client(3).epoch(), Some(0));
    let replies = room.client(3).recover(1);
    for (op, payload) in replies {
        room.say(3, op, &payload);
    }
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn a_delayed_execute_keeps_the_old_keys_that_long() {
    let mut room = Room::with(&[1, 2]);
    let fault = DaveFault {
        delay_execute_ms: 3000,
        ..DaveFault::default()
    };
    script(&mut room, Some(2), fault);
    room.enter(3);
    room.enter(4);
    room.advance(2 * SECOND);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 3, 4]);
    room.enter(5);
    room.advance(SECOND);
    assert_eq!(room.delivery.epoch, 2, "deferred");
    room.advance(BATCH_DELAY);
    assert_eq!(room.said(op::EXECUTE_TRANSITION)[..4], [1, 3, 4, 2]);
    room.advance(5 * SECOND);
    room.assert_one_group(&[1, 2, 3, 4, 5]);
}

#[test]
fn a_downgrade_lasts_as_long_as_its_fault_even_where_dave_is_required() {
    let mut room = Room::with(&[1, 2]);
    let fault = DaveFault {
        downgrade: true,
        ..DaveFault::default()
    };
    script(&mut room, Some(2), fault);
    assert_eq!(room.said(op::PREPARE_TRANSITION), [1, 2]);
    assert_eq!(room.said(op::EXECUTE_TRANSITION), [1, 2]);
    assert_eq!(room.client(1).seal(b"x"), None);
    room.enter(3);
    assert_eq!(room.client(3).version, 0);
    clear(&mut room);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2, 3]);
}

#[test]
fn a_user_who_comes_with_a_downgrade_takes_the_room_down() {
    let mut room = Room::with(&[1, 2]);
    let fault = DaveFault {
        downgrade: true,
        ..DaveFault::default()
    };
    script(&mut room, Some(3), fault);
    assert_eq!(room.said(op::PREPARE_TRANSITION), Vec::<u64>::new());
    room.enter(3);
    assert_eq!(room.said(op::PREPARE_TRANSITION), [1, 2]);
    room.exit(3);
    room.advance(SECOND);
    room.assert_one_group(&[1, 2]);
}

#[test]
fn the_external_sender_comes_twice_only_when_scripted() {
    let mut room = Room::with(&[1, 2]);
    let fault = DaveFault {
        duplicate_external_sender: true,
        ..DaveFault::default()
    };
    script(&mut room, None, fault);
    room.enter(3);
    let times = |room: &Room, id| {
        room.said(op::EXTERNAL_SENDER)
            .iter()
            .filter(|to| **to == id)
            .count()
    };
    assert_eq!(
        [times(&room, 1), times(&room, 2), times(&room, 3)],
        [2, 2, 2]
    );
    script(&mut room, None, fault);
    assert_eq!(
        [times(&room, 1), times(&room, 2), times(&room, 3)],
        [2, 2, 2],
        "once each"
    );
    // In a group it is an error; before, it only starts the pending group again.
    assert_eq!(room.client(1).errors.len(), 1);
    assert_eq!(room.client(3).errors.len(), 0);
}
