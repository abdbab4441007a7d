//! Coming together and parting (dave.md section 5).

use std::time::Duration;

use mynah_wire::voice::op;
use serde_json::json;

use super::super::super::*;
use super::super::rig::{MODE, Rig, sent};
use super::call::Call;
use super::rig::Person;

#[test]
fn identify_announces_what_we_know_and_nothing_without_an_identity() {
    for (max, has_identity, announced) in [(7, true, 1), (1, true, 1), (0, true, 0), (1, false, 0)]
    {
        let (mut rig, _) = Rig::with(1, |config| {
            config.max_dave_version = max;
            config.identity = has_identity
                .then(|| std::sync::Arc::new(mynah_dave::group::Identity::generate().unwrap()));
        });
        rig.state(Some(70));
        rig.server("token", "v.example:2048");
        rig.give(Input::WsOpened);
        let out = rig.hello();
        let identify = &sent(&out, op::IDENTIFY)[0];
        assert_eq!(identify["max_dave_protocol_version"], announced);
    }
}

#[test]
fn a_version_we_did_not_announce_is_an_error() {
    for (max, version) in [(1, 2), (0, 1)] {
        let (mut rig, _) = Rig::with(1, |config| {
            config.max_dave_version = max;
            let identity = mynah_dave::group::Identity::generate().unwrap();
            config.identity = Some(std::sync::Arc::new(identity));
        });
        rig.connect_to_ready();
        rig.ready(&[MODE]);
        rig.discovered();
        let out = rig.describe_dave(MODE, version);
        assert!(
            matches!(out[..], [Output::CloseWs { .. }, Output::CloseUdp, ..]),
            "{out:?}"
        );
        assert_eq!(rig.session.dave(), None);
    }
}

#[test]
fn a_stage_has_version_0_and_is_plain_without_any_group() {
    let mut person = Person::new(1, std::time::Instant::now());
    person.connect(0);
    assert_eq!(person.said(), ["send plain", "passthrough always"]);
    person.joined(&[2]);
    assert_eq!(person.said(), [""; 0]);
    let report = person.rig.session.dave().unwrap();
    assert_eq!((report.version, report.epoch), (0, None));
}

#[test]
fn the_first_one_sends_a_key_package_and_is_unheard_after_half_a_second() {
    let mut call = Call::new(1);
    assert_eq!(
        call.said(0),
        ["send hold", "passthrough never", "26"],
        "and nothing in answer to the external sender"
    );
    call.pass(Duration::from_millis(499));
    assert_eq!(call.said(0), [""; 0]);
    call.pass(Duration::from_millis(1));
    assert_eq!(call.said(0), ["send unheard"]);
}

#[test]
fn two_form_a_group_whichever_commit_wins() {
    for winner in 0..2 {
        let mut call = Call::new(2);
        assert_eq!(call.said(0), ["send hold", "passthrough never", "26"]);
        assert_eq!(call.said(1), ["send hold", "passthrough never", "26"]);
        let loser = 1 - winner;
        let packages = [0, 1].map(|at| call.people[at].key_package());
        for at in 0..2 {
            let add = call.gateway.add(0, &packages[1 - at]);
            call.people[at].propose(&[&add]);
            assert_eq!(call.said(at), ["28"]);
        }
        let (commit, welcome) = call.people[winner].commit();
        call.people[winner].announce(0, &commit);
        call.people[loser].welcome(0, &welcome);
        for at in 0..2 {
            let other = 2 - at;
            assert_eq!(
                call.said(at),
                [
                    &format!("hear {other} in 1")[..],
                    "send in 1",
                    "epoch 1 of [1, 2]"
                ],
                "transition 0 takes effect at once and is not answered"
            );
        }
        assert!(call.all_hear_each_other(&[0, 1]));
        let reports = [0, 1].map(|at| call.people[at].rig.session.dave().unwrap());
        assert_eq!(reports[0].privacy_code, reports[1].privacy_code);
        assert_eq!(reports[0].members, reports[1].members);
        assert_eq!(reports[0].members[0].1, reports[0].own_key);
        assert_eq!(reports[0].privacy_code.as_ref().unwrap().len(), 30);
        assert_eq!(reports[1].sending, Some(1));
        assert_eq!(reports[1].counters.epochs, 1);
    }
}

#[test]
fn three_who_come_at_once_form_one_group() {
    let mut call = Call::new(3);
    call.form_group(&[2, 0, 1], 0);
    assert!(call.all_hear_each_other(&[0, 1, 2]));
}

#[test]
fn a_new_member_is_heard_at_once_and_everybody_switches_together() {
    let mut call = Call::established(2);
    let new = call.arrive();
    assert_eq!(call.said(0), [""; 0]);
    assert_eq!(call.said(new), ["send hold", "passthrough never", "26"]);
    let add = call.gateway.add(1, &call.people[new].key_package());
    call.change(&[0, 1], &[&add], &[new], 5);
    for at in 0..2 {
        let other = 2 - at;
        assert_eq!(
            call.said(at),
            [
                "28",
                &format!("hear {other} in 2"),
                "hear 3 in 2",
                "23 id=5",
                "epoch 2 of [1, 2, 3]"
            ]
        );
    }
    assert_eq!(
        call.said(new),
        [
            "hear 1 in 2",
            "hear 2 in 2",
            "23 id=5",
            "epoch 2 of [1, 2, 3]"
        ]
    );
    // One switches before the others: all have its key already.
    call.execute(&[1], 5);
    assert_eq!(call.said(1), ["send in 2"]);
    assert!(call.all_hear_each_other(&[0, 1]), "old and new at once");
    let frame = call.people[1].speak().unwrap();
    assert!(call.people[new].hears(2, frame));
    call.execute(&[0, new], 5);
    assert!(call.all_hear_each_other(&[0, 1, 2]));
    assert_eq!(call.said(new), ["send in 2"]);
}

#[test]
fn who_leaves_is_forgotten_with_the_next_epoch_and_not_before() {
    let mut call = Call::established(3);
    for at in 0..2 {
        call.people[at].left(3);
        assert_eq!(call.said(at), [""; 0]);
    }
    let late = call.people[2].speak().unwrap();
    let remove = call.gateway.remove(1, 2);
    call.change(&[0, 1], &[&remove], &[], 9);
    assert_eq!(
        call.said(0),
        [
            "28",
            "hear 2 in 2",
            "forget 3",
            "23 id=9",
            "epoch 2 of [1, 2]"
        ]
    );
    assert!(
        call.people[0].hears(3, late),
        "what was on the way is not lost"
    );
    call.execute(&[0, 1], 9);
    assert!(call.all_hear_each_other(&[0, 1]));
}

#[test]
fn the_founder_may_leave_and_come_back() {
    let mut call = Call::established(3);
    let remove = call.gateway.remove(1, 0);
    for at in 1..3 {
        call.people[at].left(1);
    }
    call.change(&[1, 2], &[&remove], &[], 4);
    call.execute(&[1, 2], 4);
    assert!(call.all_hear_each_other(&[1, 2]));
    let again = call.arrive();
    let add = call.gateway.add(2, &call.people[again].key_package());
    call.change(&[2, 1], &[&add], &[again], 5);
    call.execute(&[1, 2, again], 5);
    assert!(call.all_hear_each_other(&[1, 2, again]));
}

#[test]
fn the_last_one_keeps_the_keys_until_the_group_is_given_up_and_is_unheard_then() {
    let mut call = Call::established(2);
    call.pass(Duration::from_secs(1));
    let one = &mut call.people[0];
    one.left(2);
    assert_eq!(one.said(), [""; 0]);
    one.epoch_1();
    assert_eq!(one.said(), ["forget 2", "send unheard", "26"]);
    one.prepare(0, 1);
    assert_eq!(one.said(), [""; 0], "transition 0 is not answered");
    assert_eq!(one.rig.session.dave().unwrap().epoch, None);

    let new = call.arrive();
    assert_eq!(call.said(0), ["send hold"], "somebody might hear");
    call.form_group(&[0, new], 0);
    assert_eq!(
        call.said(0),
        ["28", "hear 3 in 1", "send in 1", "epoch 1 of [1, 3]"]
    );
    assert!(call.all_hear_each_other(&[0, new]));
}

#[test]
fn a_proposal_taken_back_leaves_the_others() {
    let mut call = Call::established(2);
    let (third, fourth) = (call.arrive(), call.arrive());
    let add = call.gateway.add(1, &call.people[third].key_package());
    let other = call.gateway.add(1, &call.people[fourth].key_package());
    call.hush();
    for at in 0..2 {
        call.people[at].propose(&[&add, &other]);
        call.people[at].binary(op::MLS_PROPOSALS, &call.gateway.revoke(&[&add]));
        assert_eq!(call.said(at), ["28", "28"]);
    }
    let (commit, welcome) = call.people[1].commit();
    for at in 0..2 {
        call.people[at].announce(3, &commit);
    }
    call.people[fourth].welcome(3, &welcome);
    call.execute(&[0, 1, fourth], 3);
    assert!(call.all_hear_each_other(&[0, 1, fourth]));
    assert_eq!(
        call.people[third].rig.session.dave().unwrap().epoch,
        None,
        "was taken back"
    );
    call.hush();
    // Nothing left: nothing to say.
    let again = call.gateway.add(2, &call.people[third].key_package());
    call.people[0].propose(&[&again]);
    call.people[0].binary(op::MLS_PROPOSALS, &call.gateway.revoke(&[&again]));
    assert_eq!(call.said(0), ["28"]);
}

#[test]
fn close_4017_is_refused_with_a_remedy() {
    let mut person = Person::new(1, std::time::Instant::now());
    person.rig.connect_to_ready();
    let out = person.rig.close(4017);
    let Some(reason @ EndReason::Refused { code: 4017, .. }) = super::super::rig::ended(&out)
    else {
        panic!("{out:?}");
    };
    assert!(reason.to_string().contains("end-to-end encryption"));
    assert!(reason.remedy().contains("DAVE"));
}

#[test]
fn ids_of_users_may_be_numbers_and_we_are_no_company_for_ourselves() {
    let mut call = Call::new(1);
    call.pass(Duration::from_secs(1));
    call.hush();
    call.people[0].text(op::CLIENTS_CONNECT, json!({"user_ids": [1]}));
    assert_eq!(call.said(0), [""; 0]);
    call.people[0].text(op::CLIENTS_CONNECT, json!({"user_ids": [1, 2]}));
    assert_eq!(call.said(0), ["send hold"]);
}
