//! Random scripts: all of it follows from the seed.

use std::time::Duration;

use mynah_wire::rng::Rng;

use super::script::{Act, Delays, Network, Policy, Script, ServerFault};

/// Rooms up to this size speak every 20 ms; larger ones every 100 ms, or the frames of a room of 50
/// would take longer than its cryptography.
const SMALL_ROOM: usize = 4;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Script {
    /// A random script. Most rooms are small; about one in a hundred has more than 12 members.
    pub fn random(seed: u64) -> Self {
        // Another stream than the world's own, which starts from the same seed.
        let mut rng = Rng::new(seed ^ 0x5C21_97AE);
        let clients = room_size(&mut rng);
        let mut script = Self::new(seed)
            .policy(match rng.below(20) {
                0 => Policy::Off,
                1..=4 => Policy::Optional,
                _ => Policy::Required,
            })
            .network(network(&mut rng));
        if clients > SMALL_ROOM {
            script.cadence = ms(100);
        }
        let mut room = Room {
            present: vec![false; clients],
            optional: script.policy == Policy::Optional,
        };
        // At first a part of the room comes, together or one after the other.
        let at_first = 1 + rng.below(clients as u64) as usize;
        let apart = *pick(&mut rng, &[0, 0, 5, 30, 400]);
        for client in 0..at_first {
            script = script.then(Act::Join(client)).wait_ms(rng.below(apart + 1));
            room.present[client] = true;
        }
        script = script.wait_ms(*pick(&mut rng, &[0, 50, 200, 1500, 5000]));
        let steps = if clients > 12 {
            3 + rng.below(5)
        } else {
            4 + rng.below(14)
        };
        for _ in 0..steps {
            if let Some(act) = room.act(&mut rng) {
                script = script.then(act).wait(gap(&mut rng));
            }
        }
        script
    }
}

/// Who should be there, as far as a script can know.
struct Room {
    present: Vec<bool>,
    optional: bool,
}

impl Room {
    fn act(&mut self, rng: &mut Rng) -> Option<Act> {
        let here = |room: &Self, rng: &mut Rng| room.some(rng, true);
        Some(match rng.below(100) {
            0..=29 => {
                let who = self.some(rng, false)?;
                self.present[who] = true;
                if self.optional && rng.chance(0.3) {
                    Act::JoinPlain(who)
                } else {
                    Act::Join(who)
                }
            }
            30..=49 => Act::Leave(self.take(rng)?),
            50..=58 => Act::Crash(self.take(rng)?),
            59 if self.present.len() <= SMALL_ROOM => Act::Vanish(self.take(rng)?),
            59..=70 => {
                // The longest outlasts the keys of an epoch that ended meanwhile.
                let time = *pick(rng, &[0, 20, 20, 150, 150, 600, 600, 2500, 2500, 14_000]);
                Act::Break(here(self, rng)?, ms(rng.below(time + 1)))
            }
            71..=74 => Act::Forget(here(self, rng)?),
            75..=79 => Act::SpoilCommit(here(self, rng)?),
            80..=84 => Act::SpoilWelcome(here(self, rng)?),
            85..=89 => Act::LoseReady(here(self, rng)?),
            90..=93 => {
                let (who, about) = (here(self, rng)?, here(self, rng)?);
                (who != about).then_some(Act::Undecryptable(who, about))?
            }
            _ => {
                let mut faults = vec![
                    ServerFault::InvalidCommit,
                    ServerFault::WithheldWelcome,
                    ServerFault::DelayedExecute,
                    ServerFault::DuplicateExternalSender,
                ];
                if self.optional {
                    faults.push(ServerFault::Downgrade);
                }
                Act::Fault(*pick(rng, &faults), ms(500 + rng.below(3000)))
            }
        })
    }

    fn some(&self, rng: &mut Rng, present: bool) -> Option<usize> {
        let found: Vec<usize> = (0..self.present.len())
            .filter(|client| self.present[*client] == present)
            .collect();
        (!found.is_empty()).then(|| *pick(rng, &found))
    }

    fn take(&mut self, rng: &mut Rng) -> Option<usize> {
        let who = self.some(rng, true)?;
        self.present[who] = false;
        Some(who)
    }
}

fn room_size(rng: &mut Rng) -> usize {
    let size = match rng.below(1000) {
        0..=3 => 26 + rng.below(25),
        4..=9 => 13 + rng.below(13),
        10..=99 => 6 + rng.below(7),
        100..=299 => 2,
        300..=599 => 3,
        600..=849 => 4,
        _ => 5,
    };
    size as usize
}

/// Many acts fall into the transition that the act before has begun.
fn gap(rng: &mut Rng) -> Duration {
    match rng.below(10) {
        0 => Duration::ZERO,
        1..=4 => ms(rng.below(150)),
        5..=7 => ms(150 + rng.below(2000)),
        _ => ms(2000 + rng.below(3000)),
    }
}

fn network(rng: &mut Rng) -> Network {
    let delays = |rng: &mut Rng, bases: &[u64], jitters: &[u64], spikes: &[u64]| Delays {
        base: ms(*pick(rng, bases)),
        jitter: ms(*pick(rng, jitters)),
        spike: ms(*pick(rng, spikes)),
        spikes_permille: 15,
    };
    Network {
        websocket: delays(
            rng,
            &[0, 5, 20, 60, 120],
            &[0, 3, 30, 100],
            &[0, 0, 300, 900],
        ),
        udp: delays(rng, &[0, 2, 10, 40], &[0, 2, 10, 40], &[0, 0, 100]),
        lost_permille: *pick(rng, &[0, 0, 0, 5, 20]),
        twice_permille: *pick(rng, &[0, 0, 5]),
        crypto: delays(rng, &[0, 0, 1, 5], &[0, 0, 4, 30], &[0, 0, 200]),
    }
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.below(from.len() as u64) as usize]
}
