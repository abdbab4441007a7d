//! Messages that are of no use, and the way back.

use std::time::Duration;

use mynah_wire::voice::op;
use serde_json::json;

use super::super::super::*;
use super::super::rig::joins;
use super::call::Call;

fn spoil(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    bytes
}

/// The server heals an op 31 of `at`: removes and adds them in one commit of the others.
fn let_in_again(call: &mut Call, at: usize, leaf: u32, epoch: u64, others: &[usize], id: u16) {
    let remove = call.gateway.remove(epoch, leaf);
    let add = call.gateway.add(epoch, &call.people[at].key_package());
    call.change(others, &[&remove, &add], &[at], id);
    let everybody: Vec<usize> = others.iter().copied().chain([at]).collect();
    call.execute(&everybody, id);
    assert!(call.all_hear_each_other(&everybody));
}

#[test]
fn a_commit_that_is_of_no_use_leads_back_into_the_group() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    for at in 0..2 {
        call.people[at].propose(&[&add]);
    }
    let (commit, welcome) = call.people[1].commit();
    call.hush();
    call.people[0].announce(32, &spoil(&commit));
    assert_eq!(call.said(0), ["31 id=32", "recovering", "26"]);
    call.people[1].announce(32, &commit);
    call.people[third].welcome(32, &welcome);
    // The old keys go on: the others still have them for ten seconds.
    call.execute(&[1, third], 32);
    let frame = call.people[0].speak().unwrap();
    assert!(call.people[1].hears(1, frame));
    let_in_again(&mut call, 0, 0, 2, &[1, third], 33);
    let report = call.people[0].rig.session.dave().unwrap();
    assert_eq!(
        (report.counters.invalid, report.counters.recoveries),
        (1, 1)
    );
    assert_eq!(report.epoch, Some(3));
}

#[test]
fn a_welcome_that_is_of_no_use_leads_back_into_the_group() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    for at in 0..2 {
        call.people[at].propose(&[&add]);
    }
    let (commit, welcome) = call.people[0].commit();
    call.hush();
    for at in 0..2 {
        call.people[at].announce(5, &commit);
    }
    call.people[third].welcome(5, &spoil(&welcome));
    assert_eq!(call.said(third), ["31 id=5", "recovering", "26"]);
    call.execute(&[0, 1], 5);
    let_in_again(&mut call, third, 2, 2, &[0, 1], 6);
}

#[test]
fn a_welcome_into_a_group_with_strangers_is_refused_unless_they_just_left() {
    for (joined, left, is_welcome) in [
        (false, false, false),
        (true, false, true),
        (true, true, true),
    ] {
        let mut call = Call::established(2);
        let third = call.arrive_seeing(if joined { &[1, 2] } else { &[1] });
        call.people[0].joined(&[3]);
        call.people[1].joined(&[3]);
        let add = call.gateway.add(1, &call.people[third].key_package());
        for at in 0..2 {
            call.people[at].propose(&[&add]);
        }
        let (_, welcome) = call.people[0].commit();
        call.hush();
        if left {
            call.people[third].left(2);
        }
        call.people[third].welcome(5, &welcome);
        let said = call.said(third);
        assert_eq!(said.contains(&"23 id=5".to_owned()), is_welcome, "{said:?}");
        assert_eq!(said.contains(&"31 id=5".to_owned()), !is_welcome);
    }
}

#[test]
fn proposals_of_no_use_are_never_answered() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let package = call.people[third].key_package();
    let strange = super::gateway::Gateway::new(70).add(1, &package);
    let wrong_epoch = call.gateway.add(7, &package);
    let member = call.gateway.add(1, &package);
    call.people[0].left(3);
    call.hush();
    for bad in [&strange[..], &wrong_epoch, &member, &[9, 9], &[]] {
        call.people[0].propose(&[bad]);
        let said = call.said(0);
        assert!(
            !said.iter().any(|s| s.starts_with("31") || s == "28"),
            "{said:?}"
        );
    }
    for payload in [&[][..], &[2, 0], &[1], &[0, 0x40]] {
        call.people[0].binary(op::MLS_PROPOSALS, payload);
        let said = call.said(0);
        assert!(
            !said.iter().any(|s| s.starts_with("31") || s == "28"),
            "{said:?}"
        );
    }
    assert!(call.all_hear_each_other(&[0, 1]));
}

#[test]
fn an_unknown_transition_is_ignored() {
    let mut call = Call::established(2);
    for id in [0, 1, 65_535] {
        call.people[0].execute(id);
        assert_eq!(call.said(0), ["ignored"]);
    }
    assert!(call.all_hear_each_other(&[0, 1]));
}

#[test]
fn the_external_sender_may_be_repeated() {
    let mut call = Call::new(2);
    let packages = [0, 1].map(|at| call.people[at].key_package());
    let add = call.gateway.add(0, &packages[1]);
    call.people[0].propose(&[&add]);
    let sender = call.gateway.external_sender();
    call.people[0].binary(op::MLS_EXTERNAL_SENDER, &sender);
    let (commit, welcome) = call.people[0].commit();
    call.people[0].announce(0, &commit);
    call.people[1].welcome(0, &welcome);
    assert!(call.all_hear_each_other(&[0, 1]), "the proposal was kept");
    call.hush();
    call.people[0].binary(op::MLS_EXTERNAL_SENDER, &sender);
    let other = super::gateway::Gateway::new(70).external_sender();
    call.people[0].binary(op::MLS_EXTERNAL_SENDER, &other);
    assert_eq!(call.said(0), ["ignored", "ignored"]);
    assert!(call.all_hear_each_other(&[0, 1]));
}

#[test]
fn a_foreign_commit_in_a_group_without_proposals_is_ignored() {
    let mut call = Call::new(2);
    call.hush();
    call.people[0].announce(3, &[0, 1, 0, 1, 9]);
    assert_eq!(call.said(0), ["ignored"]);
}

#[test]
fn frames_that_cannot_be_opened_lead_back_into_the_group_but_not_often() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    let broken = |call: &mut Call, user: u64| {
        let user_id = UserId::new(user);
        call.people[0].give(Input::Undecryptable { user_id });
        call.said(0)
    };
    call.hush();
    assert_eq!(broken(&mut call, 2), [""; 0], "the last transition was 0");
    call.change(&[0, 1], &[&add], &[third], 8);
    call.hush();
    assert_eq!(broken(&mut call, 2), [""; 0], "a transition is open");
    call.execute(&[0, 1, third], 8);
    call.hush();
    assert_eq!(broken(&mut call, 9), [""; 0], "not a member");
    assert_eq!(broken(&mut call, 2), ["31 id=8", "recovering", "26"]);
    let_in_again(&mut call, 0, 0, 2, &[1, third], 9);
    call.hush();
    assert_eq!(broken(&mut call, 2), [""; 0], "too soon");
    call.pass(Duration::from_secs(10));
    call.hush();
    assert_eq!(broken(&mut call, 2), ["31 id=9", "recovering", "26"]);
    assert_eq!(broken(&mut call, 2), [""; 0], "no member any more");
}

#[test]
fn a_welcome_that_never_comes_is_complained_about_once_the_server_shows_that_it_was_meant() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    call.change(&[0, 1], &[&add], &[], 5);
    call.hush();
    call.execute(&[0, 1, third], 5);
    assert_eq!(call.said(third), ["ignored"]);
    call.pass(Duration::from_millis(4999));
    assert_eq!(call.said(third), [""; 0]);
    call.pass(Duration::from_millis(1));
    assert_eq!(
        call.said(third),
        ["31 id=5", "recovering", "send unheard", "26"]
    );
    let_in_again(&mut call, third, 2, 2, &[0, 1], 6);
}

#[test]
fn without_a_group_the_key_package_is_renewed_ever_more_rarely() {
    let mut call = Call::new(2);
    call.hush();
    for seconds in [5, 10, 20, 40, 80, 80] {
        call.pass(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(call.said(0), [""; 0], "{seconds}");
        call.pass(Duration::from_millis(1));
        let said = call.said(0);
        assert!(
            said.ends_with(&["26".into()]) && said[0] == "recovering",
            "{said:?}"
        );
    }
    call.people[0].left(2);
    call.pass(Duration::from_secs(500));
    assert_eq!(call.said(0), [""; 0], "alone there is no group to miss");
    call.people[0].joined(&[2]);
    call.hush();
    call.form_group(&[1, 0], 0);
    assert!(call.all_hear_each_other(&[0, 1]));
    call.pass(Duration::from_secs(500));
    call.hush();
    call.pass(Duration::from_secs(500));
    assert_eq!(call.said(0), [""; 0]);
}

#[test]
fn too_many_waiting_messages_begin_a_new_connection() {
    let mut call = Call::new(1);
    call.hush();
    let one = &mut call.people[0];
    one.is_slow = true;
    one.epoch_1();
    let mut out = Vec::new();
    for n in 0..600u16 {
        let text = json!({"op": 22, "d": {"transition_id": n}, "seq": n}).to_string();
        out.extend(one.rig.give(Input::WsText(&text)));
        if !out.is_empty() {
            break;
        }
    }
    assert!(matches!(
        &out[..],
        [
            Output::CloseWs { code: 1000 },
            Output::Event(Event::Lost { .. }),
            Output::CloseUdp,
        ]
    ));
    let old = one.jobs.remove(0);
    one.give(Input::Crypto(old.run()));
    let out = one.rig.sleep();
    assert_eq!(joins(&out), [None, Some(ChannelId::new(70))]);
}
