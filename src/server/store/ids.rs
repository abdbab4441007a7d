//! Snowflakes and tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mynah_wire::rng::Rng;
use mynah_wire::{Secret, ids};

/// Makes snowflakes from the time they are given: strictly rising, equal for equal times and seed.
#[derive(Clone, Debug)]
pub struct Snowflakes {
    worker_bits: u64,
    increment: u64,
    last: u64,
}

impl Snowflakes {
    /// Worker and process bits follow from the seed (rest.md section 1: bits 12 to 21).
    pub fn new(seed: u64) -> Self {
        Self {
            worker_bits: Rng::new(seed).below(1 << 10) << 12,
            increment: 0,
            last: 0,
        }
    }

    /// The next id at that time.
    pub fn next(&mut self, unix_ms: u64) -> u64 {
        self.increment = (self.increment + 1) & 0xFFF;
        let candidate = ids::snowflake(unix_ms, self.worker_bits | self.increment);
        // More than 4096 ids in one millisecond would fold back: then just count on.
        self.last = candidate.max(self.last + 1);
        self.last
    }
}

/// Where tokens and session ids come from.
#[derive(Debug)]
pub enum Randomness {
    /// Follows from the seed: on loopback, so that a test run can be repeated exactly.
    Seeded(Rng),
    /// The operating system: whenever others can reach the port.
    System(ring::rand::SystemRandom),
}

impl Randomness {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        match self {
            Self::Seeded(rng) => bytes.fill_with(|| rng.next_u64() as u8),
            Self::System(system) => {
                let Ok(()) = ring::rand::SecureRandom::fill(system, &mut bytes) else {
                    unreachable!(
                        "tried at start; a kernel that has answered getrandom keeps answering"
                    )
                };
            }
        }
        bytes
    }

    /// 32 hexadecimal digits, the form of a session id.
    pub fn hex32(&mut self) -> String {
        self.bytes::<16>()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    /// A bot token in Discord's three-part form: base64 of the id, time, signature.
    pub fn bot_token(&mut self, user_id: u64) -> Secret {
        Secret::new(format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(user_id.to_string()),
            URL_SAFE_NO_PAD.encode(self.bytes::<4>()),
            URL_SAFE_NO_PAD.encode(self.bytes::<28>())
        ))
    }

    /// An opaque token for an interaction: long, and safe in a path.
    pub fn interaction_token(&mut self, interaction_id: u64) -> Secret {
        Secret::new(
            URL_SAFE_NO_PAD.encode(format!("interaction:{interaction_id}:{}", self.hex32())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_even_within_one_millisecond() {
        let mut ids = Snowflakes::new(5);
        let made: Vec<u64> = (0..10_000).map(|_| ids.next(1_767_225_600_000)).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(ids.next(1_767_225_700_000) > made.last().copied().unwrap());
    }

    #[test]
    fn the_same_seed_makes_the_same_tokens() {
        let token = |seed| Randomness::Seeded(Rng::new(seed)).bot_token(7);
        assert_eq!(token(1), token(1));
        assert_ne!(token(1), token(2));
        assert_eq!(token(1).expose().split('.').count(), 3);
    }
}
