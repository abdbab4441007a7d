//! Between plain and encrypted, and through a lost websocket.

use std::time::Duration;

use mynah_wire::voice::op;
use serde_json::json;

use super::super::super::*;
use super::call::Call;

#[test]
fn a_downgrade_takes_effect_when_it_is_executed() {
    let mut call = Call::established(2);
    call.people[0].prepare(7, 0);
    assert_eq!(call.said(0), ["passthrough 24s", "23 id=7"]);
    assert!(
        call.all_hear_each_other(&[0, 1]),
        "still sealed, still heard"
    );
    call.people[1].prepare(7, 0);
    call.execute(&[1], 7);
    assert!(
        call.all_hear_each_other(&[0, 1]),
        "plain and sealed at once"
    );
    call.hush();
    call.execute(&[0], 7);
    assert_eq!(
        call.said(0),
        ["passthrough always", "send plain", "downgraded"]
    );
    assert!(call.all_hear_each_other(&[0, 1]));
    let report = call.people[0].rig.session.dave().unwrap();
    assert_eq!(
        (report.version, report.epoch, report.sending),
        (0, None, None)
    );
    // No group is wanted: what still comes for it is ignored.
    let add = call.gateway.add(1, &call.people[1].key_package());
    call.people[0].propose(&[&add]);
    call.people[0].announce(3, &[1, 2, 3]);
    call.people[0].welcome(4, &[1, 2, 3]);
    assert_eq!(call.said(0), ["ignored", "ignored", "ignored"]);
}

#[test]
fn an_upgrade_forms_a_new_group_and_switches_together() {
    let mut call = Call::established(2);
    for at in 0..2 {
        call.people[at].prepare(7, 0);
        call.people[at].execute(7);
        call.people[at].said();
        call.people[at].epoch_1();
        let said = call.said(at);
        assert_eq!(said, ["passthrough meanwhile", "26"], "25 is remembered");
    }
    call.form_group(&[1, 0], 8);
    assert_eq!(
        call.said(0),
        ["28", "hear 2 in 1", "23 id=8", "epoch 1 of [1, 2]"]
    );
    call.execute(&[0], 8);
    assert_eq!(
        call.said(0),
        ["send in 1", "passthrough 10s", "upgraded to 1"]
    );
    assert!(call.all_hear_each_other(&[0, 1]), "one sealed, one plain");
    call.pass(Duration::from_secs(10));
    let plain = call.people[1].speak().unwrap();
    assert!(!call.people[0].hears(2, plain), "the time of plain is over");
    call.execute(&[1], 8);
    assert!(call.all_hear_each_other(&[0, 1]));
}

#[test]
fn who_is_left_alone_in_an_upgrade_does_not_stay_plain() {
    for leaves_first in [false, true] {
        let mut call = Call::established(2);
        call.pass(Duration::from_secs(1));
        let one = &mut call.people[0];
        one.prepare(7, 0);
        one.execute(7);
        one.said();
        if leaves_first {
            one.left(2);
            assert_eq!(
                one.said(),
                ["forget 2"],
                "plain until the server says otherwise"
            );
            one.epoch_1();
        } else {
            one.epoch_1();
            one.left(2);
        }
        let said = one.said();
        assert!(said.contains(&"send unheard".to_owned()), "{said:?}");
        assert!(said.contains(&"upgraded to 1".to_owned()), "{said:?}");
        let new = call.arrive();
        assert_eq!(
            call.said(0),
            ["send hold"],
            "no plain sound for somebody new"
        );
        call.form_group(&[0, new], 0);
        assert!(call.all_hear_each_other(&[0, new]));
    }
}

#[test]
fn a_call_that_begins_plain_can_be_upgraded() {
    let mut call = Call::new(0);
    for id in 1..=2 {
        let mut person = super::rig::Person::new(id, call.now);
        person.connect(0);
        person.joined(&[3 - id]);
        call.people.push(person);
    }
    assert!(call.all_hear_each_other(&[0, 1]));
    call.hush();
    let sender = call.gateway.external_sender();
    // The external sender may come before the epoch, or after.
    call.people[0].binary(op::MLS_EXTERNAL_SENDER, &sender);
    call.people[0].epoch_1();
    call.people[1].epoch_1();
    call.people[1].binary(op::MLS_EXTERNAL_SENDER, &sender);
    assert_eq!(
        (call.said(0), call.said(1)),
        (
            vec!["passthrough meanwhile".into(), "26".into()],
            vec!["passthrough meanwhile".into(), "26".into()]
        )
    );
    call.form_group(&[0, 1], 3);
    call.execute(&[0, 1], 3);
    assert!(call.all_hear_each_other(&[0, 1]));
    assert_eq!(call.people[1].rig.session.dave().unwrap().sending, Some(1));
}

#[test]
fn a_downgrade_that_is_overtaken_does_not_happen() {
    let mut call = Call::established(2);
    call.people[0].prepare(7, 0);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    call.change(&[0, 1], &[&add], &[third], 8);
    call.execute(&[0, 1, third], 8);
    call.hush();
    call.people[0].execute(7);
    assert_eq!(call.said(0), ["ignored"]);
    assert!(call.all_hear_each_other(&[0, 1, 2]));
}

#[test]
fn a_reset_of_all_keeps_the_old_keys_until_the_new_group_is_there() {
    let mut call = Call::established(2);
    for at in 0..2 {
        call.people[at].epoch_1();
        assert_eq!(call.said(at), ["26"]);
    }
    assert!(call.all_hear_each_other(&[0, 1]), "with the old keys");
    call.form_group(&[1, 0], 2);
    assert!(call.all_hear_each_other(&[0, 1]), "still");
    call.execute(&[0], 2);
    assert!(call.all_hear_each_other(&[0, 1]), "one with new keys");
    call.execute(&[1], 2);
    assert!(call.all_hear_each_other(&[0, 1]));
    assert_eq!(
        call.people[0].rig.session.dave().unwrap().counters.epochs,
        2
    );
}

#[test]
fn epochs_above_1_and_versions_we_do_not_know_change_nothing() {
    let mut call = Call::established(2);
    let one = &mut call.people[0];
    for (epoch, version, said) in [(2, 1, 0), (1, 2, 1), (1, 0, 1), (0, 1, 0)] {
        one.text(
            op::DAVE_PREPARE_EPOCH,
            json!({"epoch": epoch, "protocol_version": version, "transition_id": 3}),
        );
        assert_eq!(one.said().len(), said);
    }
    one.prepare(9, 2);
    assert_eq!(one.said(), ["ignored"], "and not answered");
    assert!(call.all_hear_each_other(&[0, 1]));
}

fn break_socket(call: &mut Call, at: usize) {
    // An old connection: its loss is mended at once.
    call.pass(Duration::from_secs(12));
    call.hush();
    call.people[at].give(Input::WsClosed { code: None });
    assert_eq!(call.said(at), [""; 0], "keys stay");
}

fn resume(call: &mut Call, at: usize) {
    call.people[at].give(Input::WsOpened);
    let out = call.people[at].rig.hello();
    call.people[at].note(out);
}

#[test]
fn a_resume_in_the_middle_of_a_transition_goes_on_where_it_was() {
    let mut call = Call::established(2);
    break_socket(&mut call, 0);
    let third = call.arrive_unseen_by(0);
    let add = call.gateway.add(1, &call.people[third].key_package());
    call.people[1].propose(&[&add]);
    let (commit, welcome) = call.people[1].commit();
    call.people[1].announce(6, &commit);
    call.people[third].welcome(6, &welcome);

    resume(&mut call, 0);
    // Replayed before the server says that it has accepted the resume.
    call.people[0].joined(&[3]);
    call.people[0].propose(&[&add]);
    call.people[0].announce(6, &commit);
    assert_eq!(
        call.said(0),
        ["hear 2 in 2", "hear 3 in 2", "epoch 2 of [1, 2, 3]"],
        "answers wait for the websocket"
    );
    call.people[0].text(op::RESUMED, json!(null));
    assert_eq!(call.said(0), ["28", "23 id=6"]);
    call.execute(&[0, 1, third], 6);
    assert!(call.all_hear_each_other(&[0, 1, 2]));
}

#[test]
fn a_replay_of_what_was_handled_already_does_no_harm() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    call.change(&[0, 1], &[&add], &[third], 6);
    let (commit, welcome) = call.people[0].commit();
    break_socket(&mut call, 0);
    resume(&mut call, 0);
    call.people[0].text(op::RESUMED, json!(null));
    call.people[0].propose(&[&add]);
    call.people[0].announce(6, &commit);
    assert_eq!(call.said(0), ["ignored", "ignored"]);
    call.people[third].welcome(6, &welcome);
    call.execute(&[0, 1, third], 6);
    call.people[0].execute(6);
    assert!(call.all_hear_each_other(&[0, 1, 2]));
    for at in 0..3 {
        let report = call.people[at].rig.session.dave().unwrap();
        assert_eq!(report.counters.recoveries, 0);
    }
}

#[test]
fn a_job_that_comes_back_while_the_websocket_is_away_is_answered_after_the_resume() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    call.pass(Duration::from_secs(12));
    call.hush();
    let one = &mut call.people[0];
    one.is_slow = true;
    one.propose(&[&add]);
    one.give(Input::WsClosed { code: Some(4015) });
    one.work();
    assert_eq!(one.said(), [""; 0]);
    resume(&mut call, 0);
    call.people[0].text(op::RESUMED, json!(null));
    assert_eq!(call.said(0), ["28"]);
}

#[test]
fn nothing_is_complained_about_while_the_websocket_is_away() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    call.change(&[0, 1], &[&add], &[third], 6);
    call.execute(&[0, 1, third], 6);
    break_socket(&mut call, 0);
    let user_id = UserId::new(2);
    call.people[0].give(Input::Undecryptable { user_id });
    resume(&mut call, 0);
    call.people[0].text(op::RESUMED, json!(null));
    assert_eq!(call.said(0), [""; 0]);
    call.people[0].give(Input::Undecryptable { user_id });
    assert_eq!(call.said(0)[0], "31 id=6");
}

#[test]
fn a_new_identify_forgets_everything_and_drops_the_job_that_was_out() {
    let mut call = Call::established(2);
    call.pass(Duration::from_secs(12));
    call.hush();
    let one = &mut call.people[0];
    one.is_slow = true;
    one.epoch_1();
    let old = one.jobs.remove(0);
    one.give(Input::WsClosed { code: Some(4003) });
    assert_eq!(one.said(), ["gone"]);
    assert_eq!(one.rig.session.dave(), None);
    let out = one.rig.sleep();
    one.note(out);
    assert_eq!(one.urls, 1);
    one.give(Input::WsOpened);
    one.rig.hello();
    one.rig.ready(&[super::super::rig::MODE]);
    one.rig.discovered();
    let out = one.rig.describe_dave(super::super::rig::MODE, 1);
    one.note(out);
    assert_eq!(one.said(), ["send hold", "passthrough never"]);
    one.give(Input::Crypto(old.run()));
    assert_eq!(one.said(), [""; 0], "not the key package of the old group");
    one.work();
    assert_eq!(one.said(), ["26"]);
    let fresh = one.key_package();
    one.joined(&[2]);
    one.binary(op::MLS_EXTERNAL_SENDER, &call.gateway.external_sender());
    one.work_all();

    let other = &mut call.people[1];
    other.left(1);
    other.joined(&[1]);
    let (remove, add) = (call.gateway.remove(1, 0), call.gateway.add(1, &fresh));
    call.change(&[1], &[&remove, &add], &[0], 4);
    call.execute(&[0, 1], 4);
    assert!(call.all_hear_each_other(&[0, 1]));
}
