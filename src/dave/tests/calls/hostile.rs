//! A gateway and members that send garbage: no panic escapes, nothing bad is accepted.

use mynah_dave::group::{Group, GroupError, MAX_MESSAGE_BYTES, Remedy};

use super::rig::*;

/// Random enough for tests, and the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 29)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }

    /// A message with a few things wrong.
    fn damage(&mut self, message: &[u8]) -> Vec<u8> {
        let mut bytes = message.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.roll() as u8),
                2 => {
                    let end = (at + self.below(40)).min(bytes.len());
                    bytes.drain(at..end);
                }
                3 => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                4 if !bytes.is_empty() => {
                    bytes[at] = [0, 0x3F, 0x40, 0x7F, 0xBF, 0xFF][self.below(6)]
                }
                _ if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
        bytes
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Or ignored: what damage did not reach.
    Accepted,
    Refused,
    /// The library panicked behind the fence, and the group began anew.
    Fenced,
}

fn fate<T>(result: Result<T, GroupError>) -> Fate {
    match result {
        Ok(_) => Fate::Accepted,
        Err(GroupError::Panicked { .. }) => Fate::Fenced,
        Err(_) => Fate::Refused,
    }
}

/// Three members, and proposals to add two and remove one.
struct Stage {
    call: Call,
    proposals: [Vec<u8>; 3],
}

const USERS: [u64; 5] = [1, 2, 3, 4, 5];

impl Stage {
    fn new() -> Self {
        let call = Call::new(vec![Party::ours(1), Party::ours(2), Party::ours(5)]);
        let [third, fourth] = [3, 4].map(|user| {
            let package = ours(user).key_package().unwrap();
            call.gateway.add(1, &package)
        });
        let remove = call.gateway.remove(1, 2);
        Self {
            call,
            proposals: [third, fourth, remove],
        }
    }

    fn group(&mut self) -> &mut Group {
        self.call.parties[0].as_ours()
    }

    /// The first member commits to the first so many proposals; the second one has seen them, too.
    fn commit(&mut self, proposals: usize) -> Vec<u8> {
        let batch = batch(&self.proposals[..proposals]);
        self.call.parties[1].append(&batch, &USERS);
        self.call.parties[0].append(&batch, &USERS).0
    }
}

#[test]
fn random_bytes_are_refused_everywhere() {
    let mut stage = Stage::new();
    let mut dice = Dice(1);
    let mut fresh = ours(9);
    fresh
        .set_external_sender(&stage.call.gateway.external_sender())
        .unwrap();
    fresh.key_package().unwrap();
    let epoch = stage.group().epoch_authenticator();
    for _ in 0..1000 {
        let len = dice.below(200);
        let bytes: Vec<u8> = (1..=len).map(|_| dice.roll() as u8).collect();
        for group in [stage.group(), &mut fresh] {
            for bytes in [&bytes, &vector(&bytes)] {
                // An empty list of proposals is none.
                let empty = bytes == &[0];
                assert!(empty || fate(group.append(bytes, &USERS)) == Fate::Refused);
                assert!(empty || fate(group.revoke(bytes)) == Fate::Refused);
                assert_eq!(fate(group.welcome(bytes, &USERS)), Fate::Refused);
                assert!(!group.commit(bytes).unwrap_or(false));
            }
        }
        assert_ne!(fate(fresh.set_external_sender(&bytes)), Fate::Fenced);
    }
    assert_eq!(stage.group().epoch_authenticator(), epoch);
}

#[test]
fn damaged_proposals_are_refused() {
    let mut stage = Stage::new();
    let mut dice = Dice(2);
    let mut refused = 0;
    for round in 0..300 {
        let mut messages = stage.proposals.clone();
        let hit = dice.below(3);
        messages[hit] = dice.damage(&messages[hit]);
        let mut bytes = batch(&messages);
        if round % 4 == 0 {
            bytes = dice.damage(&bytes);
        }
        match fate(stage.group().append(&bytes, &USERS)) {
            Fate::Accepted => {}
            Fate::Refused => refused += 1,
            Fate::Fenced => stage = Stage::new(),
        }
        assert_eq!(stage.group().epoch(), Some(1));
    }
    assert!(refused > 250, "{refused}");
}

#[test]
fn impossible_proposals_of_the_real_gateway_are_survived() {
    let mut stage = Stage::new();
    let of_member = ours(2).key_package().unwrap();
    let again = stage.call.gateway.add(1, &of_member);
    let remove = |leaf| stage.call.gateway.remove(1, leaf);
    let mut proposals = vec![again, stage.proposals[0].clone()];
    proposals.extend([0, 1, 7, 1 << 31, (1 << 31) + 1, u32::MAX / 2, u32::MAX].map(remove));
    let mut other = Stage::new();
    for first in &proposals {
        for second in &proposals {
            let both = [first.clone(), second.clone()];
            let refs = both.each_ref().map(|one| stage.call.gateway.reference(one));
            let group = stage.group();
            assert_ne!(fate(group.append(&batch(&both), &USERS)), Fate::Fenced);
            assert_ne!(fate(group.revoke(&vector(&refs.concat()))), Fate::Fenced);
            // Another gateway's word counts for nothing.
            let elsewhere = other.group().append(&batch(&both), &USERS);
            assert_eq!(fate(elsewhere), Fate::Refused);
        }
    }
    assert_eq!(stage.group().epoch(), Some(1));
}

#[test]
fn damaged_commits_are_refused() {
    let mut dice = Dice(3);
    let mut stage = Stage::new();
    let mut commit = stage.commit(3);
    let mut refused = 0;
    for _ in 0..300 {
        let bytes = dice.damage(&commit);
        if bytes == commit {
            continue;
        }
        let group = stage.call.parties[1].as_ours();
        match fate(group.commit(&bytes)) {
            Fate::Refused => {
                refused += 1;
                continue;
            }
            Fate::Accepted => {
                // The library forgives some wrong lengths. What it read must be what was written.
                stage.call.parties[0].commit(&commit);
                let views = [0, 1].map(|at: usize| stage.call.parties[at].authenticator());
                assert_eq!(views[0], views[1]);
            }
            Fate::Fenced => assert_eq!(group.epoch(), None),
        }
        stage = Stage::new();
        commit = stage.commit(3);
    }
    assert!(refused > 250, "{refused}");
    assert!(stage.call.parties[1].as_ours().commit(&commit).unwrap());
}

/// openmls 0.8.3 slices a message by the length it would write; a list whose items run over its
/// declared length is shorter than that.
#[test]
fn a_commit_that_panics_the_library_costs_the_group_and_nothing_else() {
    let mut stage = Stage::new();
    let mut commit = stage.commit(2);
    // Two references of 34 bytes: a length of two bytes becomes the greatest of one.
    let list = [0x40, 68, 2, 32];
    let at = commit.windows(4).position(|bytes| bytes == list).unwrap();
    commit.splice(at..at + 2, [63]);
    let mut lost = stage.call.parties.remove(1);
    let group = lost.as_ours();
    let error = group.commit(&commit).unwrap_err();
    assert!(matches!(error, GroupError::Panicked { .. }), "{error}");
    assert_eq!(error.remedy(), Remedy::Recover);
    assert_eq!(group.epoch(), None);
    // The session answers with op 31 and a new key package; the gateway lets it in again.
    group.reinit().unwrap();
    let refs = [0, 1].map(|at: usize| stage.call.gateway.reference(&stage.proposals[at]));
    stage.group().revoke(&vector(&refs.concat())).unwrap();
    let back = [
        stage.call.gateway.remove(1, 1),
        stage.call.gateway.add(1, &group.key_package().unwrap()),
    ];
    let welcome = stage.call.agree(&batch(&back), &USERS);
    group.welcome(&welcome, &USERS).unwrap();
    assert_eq!(group.privacy_code(), stage.group().privacy_code());
}

#[test]
fn damaged_welcomes_are_refused() {
    let mut dice = Dice(4);
    for _ in 0..25 {
        let mut call = pair().unwrap();
        let mut third = ours(3);
        third
            .set_external_sender(&call.gateway.external_sender())
            .unwrap();
        let add = batch(&[call.gateway.add(1, &third.key_package().unwrap())]);
        let welcome = call.agree(&add, &USERS);
        // A welcome that is for us uses up the key package, whatever else is wrong with it.
        for _ in 0..10 {
            let bytes = dice.damage(&welcome);
            if bytes != welcome {
                assert_ne!(fate(third.welcome(&bytes, &USERS)), Fate::Accepted);
            }
            assert_eq!(third.epoch(), None);
        }
    }
}

#[test]
fn damaged_external_senders_leave_the_group_usable() {
    let gateway = Gateway::new();
    let sender = gateway.external_sender();
    let mut group = ours(1);
    let mut dice = Dice(5);
    for _ in 0..200 {
        assert_ne!(
            fate(group.set_external_sender(&dice.damage(&sender))),
            Fate::Fenced
        );
    }
    group.set_external_sender(&sender).unwrap();
    let add = batch(&[gateway.add(0, &ours(2).key_package().unwrap())]);
    assert!(group.append(&add, &[1, 2]).unwrap().is_some());
}

#[test]
fn endless_messages_are_not_read() {
    let mut group = ours(1);
    let bytes = vec![0; MAX_MESSAGE_BYTES + 1];
    for error in [
        group.set_external_sender(&bytes).unwrap_err(),
        group.append(&bytes, &[]).unwrap_err(),
        group.revoke(&bytes).unwrap_err(),
        group.commit(&bytes).unwrap_err(),
        group.welcome(&bytes, &[]).unwrap_err(),
    ] {
        assert!(matches!(error, GroupError::TooLong { bytes } if bytes == MAX_MESSAGE_BYTES + 1));
    }
}
