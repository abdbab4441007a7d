//! Words over a bad network: each is heard, as long as it was, and in its place.

use std::collections::BTreeMap;

use super::*;

/// A word: 400 ms of a buzz, after 600 ms of nothing.
const WORD: usize = 20;
const PERIOD: usize = 50;

fn word(block: usize) -> Block {
    let mut out = SILENT_BLOCK;
    for (i, frame) in out.chunks_exact_mut(CHANNELS).enumerate() {
        let t = (block * FRAMES + i) as f32 / 48_000.0;
        let buzz: f32 = (1..8)
            .map(|n| (std::f32::consts::TAU * 140.0 * n as f32 * t).sin() / n as f32)
            .sum();
        frame.fill(buzz * 0.2);
    }
    out
}

/// What a client sends: words with redundancy, five silence frames after each, then nothing.
fn talk(words: usize) -> Vec<(usize, Arc<[u8]>)> {
    let mut encoder = voice_encoder();
    encoder.set_complexity(0).unwrap();
    let mut room = [0; 1275];
    let mut packets = Vec::new();
    for block in 0..words * PERIOD {
        match block % PERIOD {
            0..WORD => {
                let length = encoder.encode_float(&word(block), &mut room).unwrap();
                packets.push((block, room[..length].into()));
            }
            at if at < WORD + 5 => packets.push((block, SILENCE.into())),
            _ => {}
        }
    }
    packets
}

#[test]
fn every_word_is_heard_in_full_through_loss_jitter_reorder_and_another_clock() {
    for (seed, ppm) in [(5u64, 100.0), (6, -100.0)] {
        let words = 120;
        let mut random = seed;
        let mut share = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as f64 / (1u64 << 31) as f64
        };
        let start = Instant::now();
        let mut arriving = BTreeMap::new();
        for (sequence, (block, payload)) in talk(words).into_iter().enumerate() {
            let sent = block as f64 * 0.02 / (1.0 + ppm * 1e-6);
            let way = 0.03 + 0.06 * share();
            if share() < 0.05 {
                continue;
            }
            let arrival = start + Duration::from_secs_f64(sent + way);
            let packet = JitterPacket {
                sequence: (65_500 + sequence) as u16,
                timestamp: (block as u32 * 960).wrapping_sub(20_000),
                arrival,
                payload,
            };
            arriving.insert((arrival, sequence), packet);
        }
        let mut jitter = Jitter::new(JitterConfig::default());
        let mut speaker = Speaker::new();
        let mut out = SILENT_BLOCK;
        let mut loud = vec![0usize; words + 1];
        let mut late = Vec::new();
        for turn in 0..words * PERIOD + 20 {
            let now = start + Duration::from_millis(turn as u64 * 20 + 11);
            while let Some(first) = arriving.first_entry()
                && first.key().0 <= now
            {
                let _ = jitter.push(first.remove());
            }
            let pulled = jitter.pull(now);
            let spoken = speaker.turn(&pulled, &mut out);
            if spoken.level_dbfs > -35.0 {
                let word = turn / PERIOD;
                loud[word] += 1;
                if loud[word] == 1 {
                    late.push(turn % PERIOD);
                }
            }
        }
        let stats = jitter.stats();
        println!("{ppm} ppm: {stats:?}, words of {:?} turns", &loud[..words]);
        // 20 turns and what resounds, less what was lost at an end and cannot be restored.
        let whole = |turns: &usize| (WORD - 3..=WORD + 4).contains(turns);
        assert!(loud[..words].iter().all(whole), "{ppm} ppm: {loud:?}");
        let first = late.iter().min().zip(late.iter().max());
        let (least, most) = first.unwrap();
        assert!(
            most - least <= 6,
            "words begin {least} to {most} turns late"
        );
        assert!(stats.late < 10, "{stats:?}");
        assert_eq!(speaker.failures(), 0);
    }
}
