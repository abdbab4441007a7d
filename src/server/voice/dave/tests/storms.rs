//! Random scripts: whatever happens, in the end everybody who is here is in one group.
//!
//! `MYNAH_STORMS=1000 cargo nextest run -p mynah-server storms` runs more of them; a script that
//! fails names its seed.
use super::*;
use mynah_wire::rng::Rng;
use std::collections::BTreeSet;

/// People who come and go, at most.
const PEOPLE: u64 = 8;
const STEPS: u64 = 50;

struct Storm {
    rng: Rng,
    room: Room,
    /// Few people are often alone, many are often late.
    people: u64,
    /// Messages wait on the way, too. Then clients may meet what they can no longer process.
    has_weather: bool,
}

impl Storm {
    fn new(seed: u64, policy: DavePolicy, has_weather: bool) -> Self {
        Self {
            rng: Rng::new(seed),
            people: 2 + seed % (PEOPLE - 1),
            room: Room::new(policy),
            has_weather,
        }
    }

    fn is_calm(&self, id: u64) -> bool {
        !self.room.deaf.contains_key(&id) && !self.room.mute.contains_key(&id)
    }

    fn step(&mut self) {
        let id = 1 + self.rng.below(self.people);
        let is_here = self.room.clients.contains_key(&id);
        match self.rng.below(if self.has_weather { 16 } else { 11 }) {
            0..=4 if !is_here => {
                let optional = self.room.delivery.policy == DavePolicy::Optional;
                let max_version = u16::from(!(optional && self.rng.chance(0.07)));
                self.room.enter_with(id, max_version);
            }
            0..=1 => self.room.exit(id),
            2..=5 => {
                let most_ms = if self.rng.chance(0.2) { 5000 } else { 50 };
                let ms = self.rng.below(most_ms);
                self.room.advance(Duration::from_millis(ms));
            }
            6 if is_here && self.is_calm(id) && self.encrypts(id) => {
                for (op, payload) in self.room.client(id).recover(0) {
                    self.room.say(id, op, &payload);
                }
            }
            7 if is_here && self.is_calm(id) && self.encrypts(id) => {
                let keys = self.room.client(id).key_package();
                // Members send one only after a reset; others may change their mind at any time.
                if self.room.delivery.standing(user(id)).epoch.is_none() {
                    self.room.say(id, op::KEY_PACKAGE, &keys);
                }
            }
            8 if is_here => self.room.client(id).is_slow ^= true,
            9 if is_here => self.room.client(id).is_lazy ^= true,
            10 => {
                let is_lazy = self.rng.chance(0.5);
                let clients = self.room.clients.values_mut();
                clients.for_each(|client| client.is_lazy = is_lazy);
            }
            11 if is_here => drop(self.room.deaf.entry(id).or_default()),
            12 => self.room.undeafen(id),
            13 if is_here => drop(self.room.mute.entry(id).or_default()),
            14 => self.room.unmute(id),
            15 => self.resume_without_replay(id),
            _ => {}
        }
    }

    fn encrypts(&self, id: u64) -> bool {
        let client = &self.room.clients[&id];
        client.session.is_some() && client.version > 0
    }

    /// A version 4 client is back: what it had not heard is lost.
    fn resume_without_replay(&mut self, id: u64) {
        if let Some(lost) = self.room.deaf.remove(&id) {
            let lost_sender = lost.iter().any(|(op, _)| *op == op::EXTERNAL_SENDER);
            let now = self.room.now;
            self.room.delivery.resync(now, user(id), lost_sender);
            self.room.settle();
        }
    }

    /// The weather clears, clients do their duty, people without DAVE go home.
    fn end(&mut self) {
        let here: Vec<u64> = self.room.clients.keys().copied().collect();
        for id in &here {
            self.room.client(*id).is_slow = false;
            self.room.client(*id).is_lazy = false;
            self.room.undeafen(*id);
            self.room.unmute(*id);
        }
        for id in here {
            if self.room.delivery.people[&user(id)].max_version == 0 {
                self.room.exit(id);
            }
        }
        self.room.advance(Duration::from_secs(30));
        let here: Vec<u64> = self.room.clients.keys().copied().collect();
        if self.has_weather {
            for id in &here {
                self.room.client(*id).errors.clear();
            }
        }
        assert_eq!(self.room.closed, [], "nobody said too much");
        match here.len() {
            0 => assert!(self.room.delivery.is_empty()),
            1 => assert_eq!(self.room.delivery.epoch, 0),
            _ => self.room.assert_one_group(&here),
        }
        assert!(
            matches!(self.room.delivery.poll(), Output::Wait(None)),
            "it rests"
        );
    }
}

fn storms(policy: DavePolicy, has_weather: bool) {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, count) = (number("MYNAH_SEED", 0), number("MYNAH_STORMS", 14));
    let (mut seen, mut revocations) = (BTreeSet::new(), 0);
    for seed in first..first + count {
        let mut storm = Storm::new(seed, policy, has_weather);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..STEPS {
                storm.step();
            }
            storm.end();
        }));
        let kind = format!("{policy}, weather: {has_weather}");
        assert!(result.is_ok(), "MYNAH_SEED={seed} ({kind})");
        seen.extend(storm.room.told.iter().map(|(_, op, _)| *op));
        let mut told = storm.room.told.iter();
        let revoked = told.any(|(_, op, payload)| *op == op::PROPOSALS && payload[0] == 1);
        revocations += u32::from(revoked);
    }
    // The scripts are worth something only if they come around.
    if count >= 14 {
        assert_eq!(seen, BTreeSet::from([21, 22, 24, 25, 27, 29, 30]));
        assert!(revocations > 0 || policy != DavePolicy::Required || !has_weather);
    }
}

#[test]
fn in_calm_weather_nobody_meets_what_it_cannot_process() {
    storms(DavePolicy::Required, false);
}

#[test]
fn rooms_survive_any_weather() {
    storms(DavePolicy::Required, true);
}

#[test]
fn optional_rooms_survive_any_weather() {
    storms(DavePolicy::Optional, true);
}
