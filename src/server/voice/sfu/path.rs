//! One direction of one member's UDP path and the faults on it, seeded and deterministic.

use std::time::Duration;

use mynah_wire::rng::Rng;

use super::table::ActiveFault;

/// How long a packet chosen for reordering is held: one and a half frames, so that the next 20 ms
/// packet overtakes it and the one after does not.
const REORDER_HOLD: Duration = Duration::from_millis(30);
/// No packet is held longer, whatever a fault asks for.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// What becomes of one packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fate {
    /// 0 lost, 1 normal, 2 duplicated.
    pub copies: u8,
    /// Which byte to change, as a fraction of the length, and what to xor it with.
    pub corrupt: Option<(f64, u8)>,
    /// How long to hold it.
    pub delay: Duration,
}

/// Faults of one direction, each with its own random numbers: what happens to one member's packets
/// depends neither on what others send nor on other faults.
#[derive(Debug)]
pub(super) struct Path {
    seed: u64,
    salt: u64,
    faults: Vec<(ActiveFault, Rng)>,
}

impl Path {
    /// A path without faults, which costs one comparison per packet. `seed` is the server's,
    /// `salt` tells members and directions apart.
    pub fn new(seed: u64, salt: u64) -> Self {
        Self {
            seed,
            salt,
            faults: Vec::new(),
        }
    }

    /// Replaces the faults. Those that stay go on with their random numbers.
    pub fn set(&mut self, faults: impl Iterator<Item = ActiveFault>) {
        self.faults = faults
            .map(|fault| {
                let known = self.faults.iter().find(|(active, _)| *active == fault);
                let rng = known.map_or_else(|| self.start(&fault), |(_, rng)| rng.clone());
                (fault, rng)
            })
            .collect();
    }

    /// The random numbers of a new fault. Its own seed alone decides them, if it has one.
    fn start(&self, active: &ActiveFault) -> Rng {
        let seed = active.fault.seed.unwrap_or_else(|| {
            // Any odd constant spreads small ids (Knuth's multiplicative hash).
            self.seed ^ active.id.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        });
        Rng::new(seed ^ self.salt)
    }

    /// No fault at all.
    pub fn is_clear(&self) -> bool {
        self.faults.is_empty()
    }

    /// Draws the fate of one packet. Each fault draws all its numbers for every packet, so that
    /// changing one probability does not shift the others.
    pub fn draw(&mut self) -> Fate {
        let mut fate = Fate {
            copies: 1,
            ..Fate::default()
        };
        for (ActiveFault { fault, .. }, rng) in &mut self.faults {
            let is_lost = rng.chance(fault.loss) || fault.blackhole;
            let is_doubled = rng.chance(fault.duplicate);
            let is_overtaken = rng.chance(fault.reorder);
            let is_corrupt = rng.chance(fault.corrupt);
            let jitter_ms = rng.unit_f64() * fault.jitter_ms;
            let place = rng.unit_f64();
            let change = rng.below(255) as u8 + 1;
            if is_lost {
                fate.copies = 0;
            } else if is_doubled && fate.copies == 1 {
                fate.copies = 2;
            }
            if is_overtaken {
                fate.delay += REORDER_HOLD;
            }
            if is_corrupt {
                fate.corrupt = Some((place, change));
            }
            fate.delay += milliseconds(fault.delay_ms + jitter_ms);
        }
        fate.delay = fate.delay.min(MAX_DELAY);
        fate
    }
}

impl Fate {
    /// Changes the byte chosen by fate.
    pub fn damage(&self, packet: &mut [u8]) {
        if let Some((place, change)) = self.corrupt {
            let index = (place * packet.len() as f64) as usize;
            if let Some(byte) = packet.get_mut(index) {
                *byte ^= change;
            }
        }
    }
}

/// Refuses negative numbers and NaN, which a control request may carry.
fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0)
        .unwrap_or_default()
        .min(MAX_DELAY)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::voice::fault::{Scope, UdpFault};

    fn path(seed: u64, fault: UdpFault) -> Path {
        let mut path = Path::new(seed, 0);
        path.set(std::iter::once(active(1, fault)));
        path
    }

    fn active(id: u64, fault: UdpFault) -> ActiveFault {
        ActiveFault {
            id,
            scope: Scope::default(),
            fault,
        }
    }

    fn fates(path: &mut Path, count: usize) -> Vec<Fate> {
        (0..count).map(|_| path.draw()).collect()
    }

    const BAD: UdpFault = UdpFault {
        loss: 0.2,
        duplicate: 0.1,
        reorder: 0.05,
        corrupt: 0.02,
        delay_ms: 5.0,
        jitter_ms: 30.0,
        blackhole: false,
        direction: crate::voice::fault::Direction::Both,
        seed: None,
    };

    #[test]
    fn the_same_seed_gives_the_same_fates() {
        let first = fates(&mut path(7, BAD), 500);
        assert_eq!(first, fates(&mut path(7, BAD), 500));
        assert_ne!(first, fates(&mut path(8, BAD), 500));
    }

    #[test]
    fn a_faults_own_seed_decides_alone_and_other_faults_do_not_disturb_it() {
        let seeded = active(
            4,
            UdpFault {
                seed: Some(99),
                ..BAD
            },
        );
        let mut alone = Path::new(1, 0);
        alone.set(std::iter::once(seeded));
        let expected = fates(&mut alone, 200);
        let mut other_server = Path::new(2, 0);
        other_server.set(std::iter::once(seeded));
        assert_eq!(fates(&mut other_server, 100), expected[..100]);
        // A harmless second fault begins: the first goes on where it was.
        other_server.set([seeded, active(5, UdpFault::default())].into_iter());
        assert_eq!(fates(&mut other_server, 100), expected[100..]);
    }

    #[test]
    fn probabilities_come_out_as_asked() {
        let all = fates(&mut path(1, BAD), 20_000);
        let share = |pick: &dyn Fn(&Fate) -> bool| {
            all.iter().filter(|fate| pick(fate)).count() as f64 / all.len() as f64
        };
        assert!((share(&|fate| fate.copies == 0) - 0.2).abs() < 0.01);
        assert!((share(&|fate| fate.copies == 2) - 0.08).abs() < 0.01);
        assert!((share(&|fate| fate.corrupt.is_some()) - 0.02).abs() < 0.005);
        assert!((share(&|fate| fate.delay > Duration::from_millis(35)) - 0.05).abs() < 0.01);
        assert!(
            all.iter()
                .all(|fate| fate.delay >= Duration::from_millis(5))
        );
    }

    #[test]
    fn nothing_passes_a_black_hole() {
        let hole = UdpFault {
            blackhole: true,
            duplicate: 1.0,
            ..UdpFault::default()
        };
        assert!(fates(&mut path(3, hole), 100).iter().all(|f| f.copies == 0));
    }

    #[test]
    fn damage_changes_exactly_one_byte() {
        let corrupting = UdpFault {
            corrupt: 1.0,
            ..UdpFault::default()
        };
        for fate in fates(&mut path(5, corrupting), 200) {
            let mut packet = [0; 30];
            fate.damage(&mut packet);
            assert_eq!(packet.iter().filter(|byte| **byte != 0).count(), 1);
        }
    }

    #[test]
    fn senseless_delays_are_tamed() {
        for delay_ms in [f64::NAN, -5.0, f64::INFINITY, 1e300] {
            let odd = UdpFault {
                delay_ms,
                ..UdpFault::default()
            };
            assert!(path(1, odd).draw().delay <= MAX_DELAY);
        }
    }
}
