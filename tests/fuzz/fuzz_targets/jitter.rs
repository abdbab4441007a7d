//! Opus packets of somebody who means no good: the jitter buffer, and the decoder behind it.
//!
//! Beyond not panicking: the buffer stays within its bounds, a stream's position never goes back, and
//! what is heard is finite sound.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mynah_audio::jitter::MAX_PACKETS;
use mynah_audio::{Jitter, JitterConfig, JitterPacket, Pulled, SILENT_BLOCK, Speaker};
use mynah_fuzz::Plan;

/// Packets as encoders make them: voice with and without redundancy, music, silence, DTX, and the
/// lengths from 2.5 to 120 ms.
fn real() -> Vec<Vec<u8>> {
    let body = |head: &[u8], length: usize| {
        let noise = (0..length).map(|n| (n as u8).wrapping_mul(73) ^ 0x5A);
        head.iter().copied().chain(noise).collect::<Vec<u8>>()
    };
    vec![
        body(&[9 << 3, 0b1100_0000], 60),
        body(&[9 << 3, 0b1000_0000], 60),
        body(&[11 << 3 | 4], 90),
        body(&[15 << 3 | 4], 120),
        body(&[0xFC], 160),
        body(&[0xE4], 20),
        body(&[0xF4], 40),
        body(&[0xFF, 6], 120),
        vec![0xF8, 0xFF, 0xFE],
        vec![0xFC],
    ]
}

fuzz_target!(|input: &[u8]| {
    let mut plan = Plan::new(input);
    let real = real();
    let start = Instant::now();
    let mut now = start + Duration::from_secs(60);
    let mut jitter = Jitter::new(JitterConfig::default());
    let mut speaker = Speaker::new();
    let mut out = SILENT_BLOCK;
    let (mut sequence, mut timestamp) = (plan.word(), u32::from(plan.word()) << 16);
    let mut before = 0;
    let mut turns = 0;
    while !plan.is_over() && turns < 2000 {
        let what = plan.byte();
        // What comes next in the stream, unless it says otherwise.
        sequence = sequence.wrapping_add(1);
        timestamp = timestamp.wrapping_add(960);
        match what & 7 {
            0 => sequence = sequence.wrapping_add_signed(i16::from(plan.byte() as i8)),
            1 => timestamp = timestamp.wrapping_add_signed(i32::from(plan.word() as i16) * 120),
            2 => (sequence, timestamp) = (plan.word(), u32::from(plan.word()) << 16),
            3 => now += Duration::from_millis(u64::from(plan.byte()) * 80),
            _ => {}
        }
        for _ in 0..what >> 3 & 3 {
            turns += 1;
            now += Duration::from_millis(20);
            let pulled = jitter.pull(now);
            if let Pulled::Sound(turn) = &pulled {
                assert!((941..=979).contains(&turn.frames));
                assert!(turn.pieces.len() <= 2 * MAX_PACKETS);
                assert!(turn.position >= before, "the position went back");
                before = turn.position;
            }
            let spoken = speaker.turn(&pulled, &mut out);
            assert!(out.iter().all(|sample| sample.is_finite()));
            assert!(spoken.level_dbfs.is_finite());
        }
        let Some(payload) = plan.message(&real) else {
            break;
        };
        // Some packets have waited for a key: up to 2 s.
        let waited = Duration::from_millis(u64::from(what >> 5) * 300);
        let _what_became_of_it = jitter.push(JitterPacket {
            sequence,
            timestamp,
            arrival: now - waited,
            payload: payload.into(),
        });
        assert!(jitter.waiting() <= MAX_PACKETS);
    }
});
