//! Senders who mean no good. The fuzz target `jitter` does the same with more patience.

use super::*;
use crate::{SILENT_BLOCK, Speaker};

/// The head of a packet and what may be noise.
const HEADS: [&[u8]; 10] = [
    &[9 << 3, 0b1100_0000],
    &[9 << 3, 0b1000_0000],
    &[11 << 3 | 4],
    &[15 << 3 | 4],
    &[0xFC],
    &[0xE4],
    &[0xF4],
    &[0xFF, 6],
    &[0xFF, 0x86, 3],
    &[0xFD],
];

#[test]
fn whatever_is_sent_the_bounds_hold_and_the_sound_is_finite() {
    for seed in 1..=12 {
        let mut rng = Rng(seed);
        let mut jitter = Jitter::new(JitterConfig::default());
        let mut speaker = Speaker::new();
        let mut out = SILENT_BLOCK;
        let mut now = Instant::now() + Duration::from_secs(60);
        let (mut sequence, mut timestamp) = (rng.next() as u16, rng.next() as u32);
        let mut before = 0;
        for _ in 0..600 {
            sequence = sequence.wrapping_add(1);
            timestamp = timestamp.wrapping_add(960);
            match rng.next() % 40 {
                0 => {
                    sequence = sequence
                        .wrapping_add(rng.next() as u16 % 16)
                        .wrapping_sub(8)
                }
                1 => timestamp = timestamp.wrapping_add((rng.next() as u32 % 200) * 120),
                2 => timestamp = timestamp.wrapping_sub((rng.next() as u32 % 50) * 120),
                3 if rng.next().is_multiple_of(4) => {
                    (sequence, timestamp) = (rng.next() as u16, rng.next() as u32);
                }
                4 => now += Duration::from_millis(rng.next() % 2000),
                5 if rng.next().is_multiple_of(8) => {
                    now += Duration::from_secs(rng.next() % 100_000)
                }
                _ => {}
            }
            for _ in 0..rng.next() % 3 {
                now += Duration::from_millis(20);
                let pulled = jitter.pull(now);
                if let Pulled::Sound(turn) = &pulled {
                    assert!((941..=979).contains(&turn.frames), "seed {seed}: {turn:?}");
                    assert!(turn.pieces.len() <= 2 * MAX_PACKETS, "seed {seed}");
                    assert!(
                        turn.position >= before,
                        "seed {seed}: the position went back"
                    );
                    before = turn.position;
                }
                let spoken = speaker.turn(&pulled, &mut out);
                assert!(spoken.level_dbfs.is_finite(), "seed {seed}");
                assert!(out.iter().all(|sample| sample.is_finite()), "seed {seed}");
            }
            let mut bytes = match rng.next() % 12 {
                0 => vec![0xF8, 0xFF, 0xFE],
                1 => vec![0xFC],
                2 => Vec::new(),
                _ => HEADS[rng.next() as usize % HEADS.len()].to_vec(),
            };
            let noise = rng.next() % 100;
            bytes.extend((0..noise).map(|_| rng.next() as u8));
            let packet = JitterPacket {
                sequence,
                timestamp,
                arrival: now - Duration::from_millis(rng.next() % 200 * (rng.next() % 10)),
                payload: bytes.into(),
            };
            let _ = jitter.push(packet);
            assert!(jitter.waiting() <= MAX_PACKETS, "seed {seed}");
        }
    }
}
