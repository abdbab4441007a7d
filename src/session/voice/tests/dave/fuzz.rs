//! Random messages, jobs that come back whenever they like, and lost connections.

use std::sync::Arc;

use mynah_dave::group::{Group, Identity};
use mynah_wire::rng::Rng;
use mynah_wire::voice::op;
use serde_json::json;

use super::super::super::*;
use super::gateway::{Gateway, append};
use super::rig::{CHANNEL, Person};

/// What is the same for all seeds: keys are expensive.
struct World {
    identity: Arc<Identity>,
    gateway: Gateway,
    packages: Vec<Vec<u8>>,
}

impl World {
    fn new() -> Self {
        let packages = (2..5).map(|user| {
            let identity = Identity::generate().unwrap();
            let mut group = Group::new(1, user, CHANNEL, &identity).unwrap();
            group.key_package().unwrap()
        });
        Self {
            packages: packages.collect(),
            identity: Arc::new(Identity::generate().unwrap()),
            gateway: Gateway::new(CHANNEL),
        }
    }

    fn message(&self, rng: &mut Rng, person: &mut Person) {
        let user = 2 + rng.below(3);
        let id = rng.below(4) as u16;
        match rng.below(24) {
            0..=2 => person.joined(&[user, 2 + rng.below(3)]),
            3 => person.left(user),
            4 => person.prepare(id, rng.below(3) as u16),
            5..=7 => person.execute(id),
            8 => person.epoch_1(),
            9 => person.text(
                op::DAVE_PREPARE_EPOCH,
                json!({"protocol_version": rng.below(3), "epoch": rng.below(3)}),
            ),
            10..=11 => person.binary(op::MLS_EXTERNAL_SENDER, &self.gateway.external_sender()),
            12..=16 => {
                let add = self
                    .gateway
                    .add(rng.below(3), &self.packages[user as usize - 2]);
                let payload = if rng.chance(0.2) {
                    self.gateway.revoke(&[&add])
                } else {
                    append(&[&add])
                };
                person.joined(&[user]);
                person.binary(op::MLS_PROPOSALS, &payload);
            }
            17 => {
                let leaf = rng.below(3) as u32;
                person.propose(&[&self.gateway.remove(1 + rng.below(2), leaf)]);
            }
            18..=20 => {
                if let Some(commit) = person.last_commit() {
                    person.announce(id, &commit);
                }
            }
            21 => {
                let opcode = [25, 27, 29, 30][rng.below(4) as usize];
                let noise: Vec<u8> = (0..rng.below(40)).map(|_| rng.below(3) as u8).collect();
                person.binary(opcode, &noise);
            }
            22 => {
                let user_id = UserId::new(user);
                person.give(Input::Undecryptable { user_id });
            }
            _ => {
                let code = [None, Some(4015), Some(4006), Some(4003)][rng.below(4) as usize];
                person.give(Input::WsClosed { code });
            }
        }
    }
}

/// A friendly server for everything but encryption.
fn serve(person: &mut Person, mut out: Vec<Output>) {
    while !out.is_empty() {
        let next = person.rig.serve(&out);
        person.note(out);
        out = next;
    }
}

#[test]
fn random_encryption_messages_never_panic_and_always_reach_wait() {
    let world = World::new();
    let mut reached = DaveCounters::default();
    for seed in 0..150 {
        let mut rng = Rng::new(seed);
        let mut person = Person::with(1, Instant::now(), Some(Arc::clone(&world.identity)));
        person.rig.dave_version = u16::from(rng.chance(0.9));
        let first = vec![Output::JoinMain {
            channel_id: Some(ChannelId::new(CHANNEL)),
        }];
        serve(&mut person, first);
        for _ in 0..80 {
            person.is_slow = rng.chance(0.3);
            if rng.chance(0.5) && !person.jobs.is_empty() {
                person.work();
            }
            world.message(&mut rng, &mut person);
            person.rig.now += Duration::from_millis(rng.below(800));
            for _ in 0..4 {
                let out = person.rig.give(Input::Tick);
                serve(&mut person, out);
            }
            let (now, wake) = (person.rig.now, person.rig.wake);
            assert!(wake.is_none_or(|wake| wake > now), "seed {seed}");
            check(&mut person, seed);
        }
        if let Some(report) = person.rig.session.dave() {
            reached.epochs += report.counters.epochs;
            reached.transitions += report.counters.transitions;
            reached.recoveries += report.counters.recoveries;
        }
    }
    assert!(reached.epochs > 20, "the fuzzer must get deep: {reached:?}");
    assert!(
        reached.transitions > 50 && reached.recoveries > 20,
        "{reached:?}"
    );
}

fn check(person: &mut Person, seed: u64) {
    let said = person.said();
    let is_answer_to_0 = |text: &String| text == "23 id=0";
    assert!(!said.iter().any(is_answer_to_0), "seed {seed}: {said:?}");
    for pair in said.windows(2) {
        let is_sender = pair[0].starts_with("send ");
        assert!(!is_sender || pair[0] != pair[1], "seed {seed}: {said:?}");
    }
    let report = person.rig.session.dave();
    let is_sealed = matches!(person.sender, Some(SenderKeys::Sealed { .. }));
    let is_plain = matches!(person.sender, Some(SenderKeys::Plain));
    if let Some(report) = report {
        assert_eq!(is_plain, report.version == 0, "seed {seed}: {said:?}");
        assert_eq!(is_sealed, report.sending.is_some(), "seed {seed}: {said:?}");
    } else {
        assert_eq!(person.sender, None, "seed {seed}: {said:?}");
    }
}
