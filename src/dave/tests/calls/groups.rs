//! The life of a group (dave.md sections 4 and 5).

use mynah_dave::group::{Group, GroupError, Remedy, Step};

use super::rig::*;

fn refused_while(error: &GroupError) -> Option<Step> {
    match error {
        GroupError::Refused { step, .. } => Some(*step),
        _ => None,
    }
}

/// All members see the same epoch, people, code and secrets; returns the people.
fn all_agree(call: &mut Call) -> Vec<u64> {
    let epoch = call.epoch;
    let views: Vec<_> = call
        .parties
        .iter_mut()
        .map(|party| {
            let group = party.as_ours();
            assert_eq!(group.epoch(), Some(epoch));
            let code = group.privacy_code().unwrap();
            assert_eq!(code.len(), 30);
            (group.members(), code, group.base_secrets().unwrap())
        })
        .collect();
    assert!(views.iter().all(|view| *view == views[0]));
    let (members, _, secrets) = &views[0];
    for (at, (user_id, secret)) in secrets.iter().enumerate() {
        let own = call.parties[0].as_ours().base_secret(*user_id).unwrap();
        assert_eq!(own, *secret);
        assert!(
            secrets
                .iter()
                .skip(at + 1)
                .all(|(_, other)| other != secret)
        );
    }
    members.iter().map(|member| member.user_id).collect()
}

#[test]
fn a_group_is_nobody_until_somebody_joins() {
    let mut group = ours(1);
    assert_eq!(group.epoch(), None);
    let gateway = Gateway::new();
    group
        .set_external_sender(&gateway.external_sender())
        .unwrap();
    assert_eq!(group.epoch(), None, "a pending group is none");
    assert!(group.members().is_empty());
    assert_eq!(group.privacy_code(), None);
    assert_eq!(group.epoch_authenticator(), None);
    assert!(matches!(group.base_secret(1), Err(GroupError::NoGroup)));
    assert!(matches!(group.base_secrets(), Err(GroupError::NoGroup)));
}

#[test]
fn three_join_at_once_one_comes_one_goes_and_returns() {
    let mut call = Call::new(vec![Party::ours(30), Party::ours(10), Party::ours(20)]);
    assert_eq!(all_agree(&mut call), [30, 10, 20]);
    let before = call.parties[0].as_ours().base_secrets().unwrap();
    let code = call.parties[0].as_ours().privacy_code().unwrap();
    call.join(vec![Party::ours(40)]);
    assert_eq!(all_agree(&mut call), [30, 10, 20, 40]);
    let after = call.parties[0].as_ours().base_secrets().unwrap();
    assert!(before.iter().all(|old| !after.contains(old)));
    assert_ne!(call.parties[0].as_ours().privacy_code().unwrap(), code);
    call.leave(10);
    assert_eq!(all_agree(&mut call), [30, 20, 40]);
    call.join(vec![Party::ours(10)]);
    assert_eq!(all_agree(&mut call), [30, 10, 20, 40], "the hole is filled");
    call.leave(30);
    assert_eq!(all_agree(&mut call), [10, 20, 40], "the first may go, too");
    let stranger = call.parties[0].as_ours().base_secret(30).unwrap_err();
    assert!(matches!(stranger, GroupError::Stranger { user_id: 30 }));
}

#[test]
fn members_carry_their_keys() {
    let identity = mynah_dave::group::Identity::generate().unwrap();
    let group = Group::new(1, 2, CHANNEL, &identity).unwrap();
    let mut call = Call::new(vec![Party::ours(1), Party::Ours(Box::new(group))]);
    let members = call.parties[0].as_ours().members();
    assert_eq!(members[1].user_id, 2);
    assert_eq!(members[1].leaf, 1);
    assert_eq!(members[1].signature_key, identity.public_key());
    assert_eq!(
        (identity.public_key().len(), identity.public_key()[0]),
        (65, 4)
    );
    assert_eq!(format!("{identity:?}"), "Identity(***)");
}

#[test]
fn whoever_is_not_in_the_group_cannot_follow() {
    let mut call = Call::new(vec![Party::ours(1), Party::ours(2), Party::ours(3)]);
    let mut gone = call.leave(2);
    let left_at = gone.authenticator();
    let secret = gone.as_ours().base_secret(1).unwrap();
    assert_ne!(call.parties[0].as_ours().base_secret(1).unwrap(), secret);
    assert_ne!(call.parties[0].authenticator(), left_at);
}

#[test]
fn the_commit_of_any_member_may_win() {
    let mut call = Call::new(vec![Party::ours(1), Party::ours(2)]);
    let mut third = Party::ours(3);
    third.set_external_sender(&call.gateway.external_sender());
    let add = batch(&[call.gateway.add(1, &third.key_package())]);
    let users = [1, 2, 3];
    let answers = [0, 1].map(|at: usize| call.parties[at].append(&add, &users));
    let (commit, welcome) = &answers[1];
    call.parties
        .iter_mut()
        .for_each(|party| party.commit(commit));
    third.welcome(welcome, &users);
    call.parties.push(third);
    call.epoch += 1;
    assert_eq!(all_agree(&mut call), users);
    let again = call.parties[0].as_ours().commit(&answers[0].0).unwrap_err();
    assert_eq!(refused_while(&again), Some(Step::Commit), "it lost");
}

#[test]
fn proposals_may_be_revoked() {
    let mut call = Call::new(vec![Party::ours(1), Party::ours(2)]);
    let mut joining = [3, 4].map(Party::ours);
    let sender = call.gateway.external_sender();
    let adds = joining.each_mut().map(|party| {
        party.set_external_sender(&sender);
        call.gateway.add(1, &party.key_package())
    });
    let refs = adds.each_ref().map(|add| call.gateway.reference(add));
    let users = [1, 2, 3, 4];
    let mut answers = Vec::new();
    for party in &mut call.parties {
        party.append(&batch(&adds), &users);
        let group = party.as_ours();
        answers.push(group.revoke(&vector(&refs[0])).unwrap().unwrap());
    }
    let (commit, welcome) = split(&answers[0]);
    call.parties
        .iter_mut()
        .for_each(|party| party.commit(&commit));
    let [_, mut fourth] = joining;
    fourth.welcome(&welcome, &users);
    call.parties.push(fourth);
    call.epoch += 1;
    assert_eq!(all_agree(&mut call), [1, 2, 4]);
}

#[test]
fn revoking_everything_leaves_nothing_to_commit() {
    let mut call = Call::new(vec![Party::ours(1), Party::ours(2)]);
    let add = call.gateway.add(1, &ours(3).key_package().unwrap());
    let (lost, _) = call.parties[0].append(&batch(std::slice::from_ref(&add)), &[1, 2, 3]);
    let reference = vector(&call.gateway.reference(&add));
    let group = call.parties[0].as_ours();
    assert_eq!(group.revoke(&reference).unwrap(), None);
    assert_eq!(group.append(&batch(&[]), &[1, 2]).unwrap(), None);
    let error = group.commit(&lost).unwrap_err();
    assert_eq!(
        error.remedy(),
        Remedy::Recover,
        "the server took it after all"
    );
}

#[test]
fn unknown_people_are_not_let_in() {
    let mut call = Call::new(vec![Party::ours(1), Party::ours(2)]);
    let add = batch(&[call.gateway.add(1, &ours(3).key_package().unwrap())]);
    let error = call.parties[0].as_ours().append(&add, &[1, 2]).unwrap_err();
    assert_eq!(refused_while(&error), Some(Step::Proposals));
    assert_eq!(error.remedy(), Remedy::Ignore);
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(text.contains('3'), "{text}");
}

#[test]
fn a_welcome_with_unknown_people_is_refused_and_can_be_recovered_from() {
    let mut call = pair().unwrap();
    let mut third = Party::ours(3);
    third.set_external_sender(&call.gateway.external_sender());
    let package = third.key_package();
    let add = batch(&[call.gateway.add(1, &package)]);
    let welcome = call.agree(&add, &[1, 2, 3]);
    let error = third.as_ours().welcome(&welcome, &[1, 3]).unwrap_err();
    assert_eq!(refused_while(&error), Some(Step::Welcome));
    assert_eq!(error.remedy(), Remedy::Recover);
    // Op 31: the server removes the old leaf and adds the new key package in one epoch.
    third.as_ours().reinit().unwrap();
    let both = [
        call.gateway.remove(2, 2),
        call.gateway.add(2, &third.key_package()),
    ];
    let welcome = call.agree(&batch(&both), &[1, 2, 3]);
    third.welcome(&welcome, &[1, 2, 3]);
    call.parties.push(third);
    assert_eq!(all_agree(&mut call), [1, 2, 3]);
}

#[test]
fn a_member_that_begins_anew_comes_back() {
    let mut call = pair().unwrap();
    let mut lost = call.parties.remove(1);
    lost.as_ours().reinit().unwrap();
    assert_eq!(lost.as_ours().epoch(), None);
    let both = [
        call.gateway.remove(1, 1),
        call.gateway.add(1, &lost.key_package()),
    ];
    let welcome = call.agree(&batch(&both), &[1, 2]);
    lost.welcome(&welcome, &[1, 2]);
    call.parties.push(lost);
    assert_eq!(all_agree(&mut call), [1, 2]);
}

#[test]
fn only_the_last_key_package_joins() {
    let mut call = pair().unwrap();
    let mut third = Party::ours(3);
    third.set_external_sender(&call.gateway.external_sender());
    let old = third.key_package();
    let new = third.key_package();
    assert_ne!(old, new);
    let add = batch(&[call.gateway.add(1, &old)]);
    let welcome = call.agree(&add, &[1, 2, 3]);
    assert!(third.as_ours().welcome(&welcome, &[1, 2, 3]).is_err());
}

#[test]
fn the_same_external_sender_again_changes_nothing() {
    let gateway = Gateway::new();
    let sender = gateway.external_sender();
    let (mut first, mut second) = (ours(1), ours(2));
    first.set_external_sender(&sender).unwrap();
    second.set_external_sender(&sender).unwrap();
    let add = batch(&[gateway.add(0, &second.key_package().unwrap())]);
    let (commit, welcome) = split(&first.append(&add, &[1, 2]).unwrap().unwrap());
    // A repeated op 25 between proposal and commit must not lose the proposal.
    first.set_external_sender(&sender).unwrap();
    assert!(first.commit(&commit).unwrap());
    first.set_external_sender(&sender).unwrap();
    second.welcome(&welcome, &[1, 2]).unwrap();
    assert_eq!(first.privacy_code(), second.privacy_code());
    let other = Gateway::new().external_sender();
    let error = first.set_external_sender(&other).unwrap_err();
    assert_eq!(refused_while(&error), Some(Step::ExternalSender));
    assert_eq!(first.epoch(), Some(1));
}

#[test]
fn another_gateway_before_the_group_takes_the_place_of_the_first() {
    let mut group = ours(1);
    let (first, second) = (Gateway::new(), Gateway::new());
    group.set_external_sender(&first.external_sender()).unwrap();
    group
        .set_external_sender(&second.external_sender())
        .unwrap();
    let package = ours(2).key_package().unwrap();
    assert!(
        group
            .append(&batch(&[first.add(0, &package)]), &[1, 2])
            .is_err()
    );
    assert!(
        group
            .append(&batch(&[second.add(0, &package)]), &[1, 2])
            .is_ok()
    );
}

#[test]
fn proposals_of_another_epoch_or_without_a_group_are_refused() {
    let mut call = pair().unwrap();
    let package = ours(3).key_package().unwrap();
    for epoch in [0, 2, u64::MAX] {
        let add = batch(&[call.gateway.add(epoch, &package)]);
        let error = call.parties[0]
            .as_ours()
            .append(&add, &[1, 2, 3])
            .unwrap_err();
        assert_eq!(error.remedy(), Remedy::Ignore, "epoch {epoch}");
    }
    let add = batch(&[call.gateway.add(0, &package)]);
    let error = ours(9).append(&add, &[9, 3]).unwrap_err();
    assert_eq!(error.remedy(), Remedy::Ignore);
}

#[test]
fn a_commit_without_a_group_does_not_concern_us() {
    let mut call = pair().unwrap();
    let add = batch(&[call.gateway.add(1, &ours(3).key_package().unwrap())]);
    let (commit, _) = call.parties[0].append(&add, &[1, 2, 3]);
    let mut outsider = ours(4);
    assert!(!outsider.commit(&commit).unwrap());
    outsider
        .set_external_sender(&call.gateway.external_sender())
        .unwrap();
    assert!(!outsider.commit(&commit).unwrap(), "nor a pending one");
}

#[test]
fn versions_other_than_one_are_refused() {
    let identity = mynah_dave::group::Identity::generate().unwrap();
    for version in [0, 2, u16::MAX] {
        let error = Group::new(version, 1, CHANNEL, &identity).unwrap_err();
        assert!(matches!(error, GroupError::Version(got) if got == version));
        assert_eq!(error.remedy(), Remedy::GiveUp);
    }
}

#[test]
fn a_group_can_go_to_another_thread() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Group>();
    is_send::<GroupError>();
}
