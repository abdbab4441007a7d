//! Messages that come while a job is out, and jobs that come back late.

use std::time::Duration;

use super::super::super::*;
use super::call::Call;

#[test]
fn messages_wait_for_the_job_before_them_and_keep_their_order() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    call.people[1].propose(&[&add]);
    let (commit, welcome) = call.people[1].commit();
    call.hush();
    let one = &mut call.people[0];
    one.is_slow = true;
    one.propose(&[&add]);
    // The commit of another one, while our own is still computed, and even its execution.
    one.announce(4, &commit);
    one.execute(4);
    assert_eq!((one.said(), one.jobs.len()), (vec![], 1));
    one.work();
    assert_eq!(one.said(), ["28"], "too late, and without harm");
    assert_eq!(one.jobs.len(), 1);
    one.work();
    assert_eq!(
        one.said(),
        [
            "hear 2 in 2",
            "hear 3 in 2",
            "23 id=4",
            "epoch 2 of [1, 2, 3]",
            "send in 2"
        ]
    );
    one.work_all();
    call.people[1].announce(4, &commit);
    call.people[third].welcome(4, &welcome);
    call.execute(&[1, third], 4);
    assert!(call.all_hear_each_other(&[0, 1, 2]));
}

#[test]
fn recognised_is_who_was_here_when_the_message_came() {
    let mut call = Call::established(2);
    let (third, fourth) = (call.arrive(), call.arrive());
    call.hush();
    let adds = [third, fourth].map(|at| call.gateway.add(1, &call.people[at].key_package()));
    let one = &mut call.people[0];
    one.is_slow = true;
    one.propose(&[&adds[0]]);
    one.propose(&[&adds[1]]);
    one.left(4);
    one.work();
    one.work();
    assert_eq!(one.said(), ["28", "28"]);
}

#[test]
fn everything_may_come_while_the_group_is_still_being_made() {
    let mut call = Call::new(1);
    call.people.push(super::rig::Person::new(2, call.now));
    call.people[0].joined(&[2]);
    let two = &mut call.people[1];
    two.is_slow = true;
    two.connect(1);
    two.joined(&[1]);
    two.binary(25, &call.gateway.external_sender());
    assert_eq!(two.said(), ["send hold", "passthrough never"]);
    two.work();
    assert_eq!(two.said(), ["26"]);
    let add = call.gateway.add(0, &two.key_package());
    call.people[0].propose(&[&add]);
    let (commit, welcome) = call.people[0].commit();
    call.people[0].announce(0, &commit);
    // The welcome outruns the job of the external sender.
    call.people[1].welcome(0, &welcome);
    call.people[1].work_all();
    assert!(call.all_hear_each_other(&[0, 1]));
}

#[test]
fn a_recovery_comes_before_what_waited_behind_the_bad_commit() {
    let mut call = Call::established(2);
    let third = call.arrive();
    let add = call.gateway.add(1, &call.people[third].key_package());
    call.people[0].propose(&[&add]);
    call.hush();
    let one = &mut call.people[0];
    one.is_slow = true;
    one.announce(4, &[0, 1, 2, 3]);
    one.propose(&[&add]);
    one.execute(4);
    one.work();
    assert_eq!(one.said(), ["31 id=4", "recovering"]);
    one.work();
    assert_eq!(one.said(), ["26"]);
    one.work_all();
    assert_eq!(one.said(), ["ignored", "ignored"]);
}

#[test]
fn sound_is_held_for_five_seconds_at_most_and_goes_on_with_the_key() {
    let mut call = Call::new(2);
    call.hush();
    call.pass(Duration::from_millis(4999));
    assert_eq!(call.said(0), [""; 0]);
    call.pass(Duration::from_millis(1));
    assert_eq!(call.said(0), ["recovering", "send unheard", "26"]);
    call.form_group(&[0, 1], 0);
    assert_eq!(
        call.said(0),
        ["28", "hear 2 in 1", "send in 1", "epoch 1 of [1, 2]"]
    );
}

#[test]
fn jobs_of_other_sessions_and_after_the_end_are_dropped() {
    let mut call = Call::new(2);
    call.hush();
    let [one, two] = &mut call.people[..] else {
        panic!();
    };
    one.is_slow = true;
    two.is_slow = true;
    one.epoch_1();
    two.epoch_1();
    two.epoch_1();
    two.work();
    let (mine, foreign) = (one.jobs.remove(0), two.jobs.remove(0));
    one.give(Input::Crypto(foreign.run()));
    assert_eq!(one.said(), [""; 0]);
    one.give(Input::Crypto(mine.run()));
    assert_eq!(one.said(), ["26"]);
    one.epoch_1();
    let last = one.jobs.remove(0);
    one.give(Input::Leave);
    one.said();
    one.give(Input::Crypto(last.run()));
    assert_eq!(one.said(), [""; 0]);
    assert_eq!(one.rig.session.dave(), None);
}

#[test]
fn a_job_is_printed_without_its_contents() {
    let mut call = Call::new(1);
    let one = &mut call.people[0];
    one.is_slow = true;
    one.epoch_1();
    let text = format!("{:?}", Output::Crypto(Box::new(one.jobs.remove(0))));
    assert!(text.contains("renew") && text.len() < 200, "{text}");
}
