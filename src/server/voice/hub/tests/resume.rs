//! Sessions that outlive their connection (voice.md section 5).
use super::*;
use crate::voice::outbox::KEPT_MESSAGES;

#[test]
fn a_clean_leave_is_told_at_once_and_cannot_be_resumed() {
    let mut world = World::new();
    let (leaver, other) = (world.join(5), world.join(6));
    world.input(leaver, Input::Closed(Some(1000)));
    assert_eq!(world.last(other)["op"], 13);
    assert_eq!(world.last(other)["d"], json!({"user_id": "5"}));
    assert_eq!(world.table.members.len(), 1);
    let back = world.resume(5, 8, 2);
    assert_eq!(world.code(back), Some(4006));
}

#[test]
fn a_lost_client_stays_in_the_room_until_the_resume_window_closes() {
    let mut world = World::new();
    let (lost, other) = (world.join(5), world.join(6));
    world.clear(other);
    world.input(lost, Input::Closed(None));
    assert_eq!(world.table.members.len(), 2);
    assert!(!world.hub.reports()[0].connected);
    // Nobody beats in this world, so keep the other alive by hand.
    for _ in 0..5 {
        world.advance(RESUME_WINDOW / 5 - Duration::from_millis(1));
        world.say(other, &json!({"op": 3, "d": {"t": 1}}));
    }
    assert!(!world.ops(other).contains(&13));
    world.advance(Duration::from_millis(5));
    assert_eq!(world.last(other)["op"], 13);
    assert_eq!(world.hub.reports().len(), 1);
    assert!(matches!(world.hub.poll(), Output::Wait(None)));
}

#[test]
fn a_resume_replays_what_was_missed_and_keeps_stream_and_key() {
    let mut world = World::new();
    let lost = world.join(5);
    let before = world.table.members[0].clone();
    world.input(lost, Input::Closed(None));
    let other = world.join(6);
    let back = world.resume(5, 8, 2);
    // 11, 18, 20 about the newcomer, numbered 3, 4, 5.
    assert_eq!(world.ops(back), [8, 9, 11, 18, 20]);
    assert_eq!(world.last(back)["seq"], 5);
    let after = &world.table.members[0];
    assert_eq!(after.ssrc, before.ssrc);
    assert_eq!(
        after.keys.as_ref().unwrap().serial,
        before.keys.unwrap().serial
    );
    assert_eq!(world.ops(other), [8, 2, 4, 11, 18, 20]);
    // And it goes on with the next number.
    world.say(other, &json!({"op": 5, "d": {"speaking": 1}}));
    assert_eq!(world.last(back)["seq"], 6);
}

#[test]
fn replay_survives_the_wrap_of_the_sequence_number() {
    let mut world = World::new();
    let (listener, speaker) = (world.join(5), world.join(6));
    // Change the kind of speaking until the listener's numbers are about to wrap; its Ready was 1.
    let mut flags = 0;
    let mut toggle = |world: &mut World| {
        flags ^= 6;
        // A burst this long is a flood to the peer, so the hub is asked directly.
        let link = world.peers[&speaker].1;
        world
            .hub
            .answer(world.now, link, Ask::Speaking(1 | flags), [0; 32]);
        world.settle();
    };
    while world.last(listener)["seq"] != 65_534 {
        toggle(&mut world);
    }
    world.input(listener, Input::Closed(None));
    for _ in 0..4 {
        toggle(&mut world);
    }
    let back = world.resume(5, 8, 65_534);
    let numbers: Vec<_> = world.seen[&back].texts[2..]
        .iter()
        .map(|text| text["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [65_535, 0, 1, 2]);
    // A gap that the ring no longer covers ends the session.
    for _ in 0..=KEPT_MESSAGES {
        toggle(&mut world);
    }
    let late = world.resume(5, 8, 2);
    assert_eq!(world.code(late), Some(4006));
    assert_eq!(world.code(back), Some(4006));
    assert_eq!(world.last(speaker)["op"], 13);
}

#[test]
fn version_4_resumes_without_numbers_or_replay() {
    let mut world = World::new();
    world.grant_in(5, ROOM);
    let old = world.identify(5, 4);
    world.say(old, &select_payload("aead_xchacha20_poly1305_rtpsize"));
    assert!(
        world.seen[&old]
            .texts
            .iter()
            .all(|text| text["seq"].is_null())
    );
    world.input(old, Input::Closed(None));
    world.join(6);
    let back = world.resume(5, 4, -1);
    assert_eq!(world.ops(back), [8, 9]);
}

#[test]
fn only_the_right_credentials_resume() {
    let mut world = World::new();
    let lost = world.join(5);
    world.input(lost, Input::Closed(None));
    let id = world.connect(8);
    world.say(
        id,
        &json!({"op": 7, "d": {"server_id": "1", "session_id": "session-5", "token": "guess"}}),
    );
    assert_eq!(world.code(id), Some(4006));
    let right = world.resume(5, 8, 1);
    assert_eq!(world.ops(right), [8, 9, 4]);
}

#[test]
fn a_resume_may_use_the_token_of_a_newer_grant_for_the_same_gateway_session() {
    let mut world = World::new();
    let lost = world.join(5);
    world.input(lost, Input::Closed(None));
    let regrant = |session_id: &str| Grant {
        guild_id: GuildId::new(GUILD),
        channel_id: ChannelId::new(ROOM),
        user_id: UserId::new(5),
        session_id: session_id.to_owned(),
        token: "newer".into(),
        dave: DavePolicy::Off,
    };
    let resume = |world: &mut World, token: &str| {
        let id = world.connect(8);
        world.say(
            id,
            &json!({"op": 7, "d": {"server_id": "1", "session_id": "session-5",
                "token": token, "seq_ack": 2}}),
        );
        id
    };
    world.hub.grant(world.now, regrant("session-5"));
    world.settle();
    for token in ["token-5", "newer"] {
        let back = resume(&mut world, token);
        assert_eq!(world.ops(back), [8, 9], "{token}");
    }
    // A new gateway session has joined in the meantime: the old voice session is stale.
    world.hub.grant(world.now, regrant("another"));
    world.settle();
    let stale = resume(&mut world, "newer");
    assert_eq!(world.code(stale), Some(4006));
}

#[test]
fn a_resume_takes_over_from_a_connection_not_yet_known_to_be_dead() {
    let mut world = World::new();
    let half_open = world.join(5);
    let back = world.resume(5, 8, 2);
    assert_eq!(world.ops(back), [8, 9]);
    assert_eq!(world.code(half_open), Some(4006));
    assert!(world.hub.reports()[0].connected);
}

#[test]
fn scripted_closes_reach_their_scope_and_leave_a_resume_open_or_not() {
    let mut world = World::new();
    let (hit, spared) = (world.join(5), world.join_in(6, ROOM + 1));
    let scope = Scope {
        user_id: Some(UserId::new(5)),
        channel_id: None,
    };
    world.hub.close(world.now, scope, 4015, false);
    world.settle();
    assert_eq!((world.code(hit), world.code(spared)), (Some(4015), None));
    let back = world.resume(5, 8, 2);
    assert_eq!(world.ops(back), [8, 9]);
    world.hub.close(world.now, scope, 4015, true);
    world.settle();
    assert_eq!(world.code(back), Some(4015));
    let back = world.resume(5, 8, 2);
    assert_eq!(world.code(back), Some(4006));
    let fresh = world.identify(5, 8);
    assert_eq!(world.code(fresh), Some(4006), "its grant is forgotten, too");
    world
        .hub
        .close(world.now, Scope::default(), peer::ABRUPT, false);
    world.settle();
    assert_eq!(world.code(spared), Some(peer::ABRUPT));
}
