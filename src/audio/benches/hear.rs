//! What one speaker costs for each 20 ms that are heard: `cargo bench -p mynah-audio --bench hear`.
//!
//! Measured on a virtual machine with two x86-64 cores, rustc 1.95, libopus 1.6.1:
//!
//! | what | cost |
//! |---|---|
//! | jitter buffer, one packet in and 20 ms out | 0.2 µs |
//! | decode 64 kbit/s of voice and ask the voice detector; bent to another clock too | 50; 58 µs |
//! | nobody speaks | 0.07 µs |
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench may stop on any error"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use mynah_audio::{Jitter, JitterConfig, JitterPacket, Piece, Pulled, SILENT_BLOCK, Speaker, Turn};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Two seconds of something like a voice, as voice clients encode it.
fn packets() -> Vec<Arc<[u8]>> {
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(64_000)).unwrap();
    encoder.set_inband_fec(true).unwrap();
    encoder.set_packet_loss_perc(10).unwrap();
    let mut room = [0; 1275];
    (0..100)
        .map(|block| {
            let mut pcm = SILENT_BLOCK;
            for (i, frame) in pcm.chunks_exact_mut(2).enumerate() {
                let t = (block * 960 + i) as f32 / 48_000.0;
                let buzz: f32 = (1..20)
                    .map(|n| (std::f32::consts::TAU * 130.0 * n as f32 * t).sin() / n as f32)
                    .sum();
                let loud = (std::f32::consts::PI * (t * 4.0).fract()).sin();
                frame.fill(buzz * loud * 0.1);
            }
            let length = encoder.encode_float(&pcm, &mut room).unwrap();
            room[..length].into()
        })
        .collect()
}

fn buffer(c: &mut Criterion) {
    let packets = packets();
    for (name, spread) in [("even", 0), ("60 ms of jitter", 60_000)] {
        let epoch = Instant::now();
        let mut jitter = Jitter::new(JitterConfig::default());
        let (mut n, mut seed) = (0u64, 1u64);
        c.bench_function(
            &format!("jitter buffer, one packet in and out, {name}"),
            |b| {
                b.iter(|| {
                    n += 1;
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let late = (seed >> 33) % (spread + 1);
                    let arrival = epoch + Duration::from_micros(n * 20_000 + late);
                    let _ = jitter.push(JitterPacket {
                        sequence: n as u16,
                        timestamp: n as u32 * 960,
                        arrival,
                        payload: Arc::clone(&packets[n as usize % 100]),
                    });
                    black_box(jitter.pull(epoch + Duration::from_micros(n * 20_000 + 19_000)))
                });
            },
        );
    }
    let mut idle = Jitter::new(JitterConfig::default());
    let now = Instant::now();
    c.bench_function("jitter buffer, nobody speaks", |b| {
        b.iter(|| idle.pull(now))
    });
}

fn speaker(c: &mut Criterion) {
    let packets = packets();
    let turns: Vec<Pulled> = packets
        .iter()
        .enumerate()
        .map(|(n, payload)| {
            let packet = JitterPacket {
                sequence: n as u16,
                timestamp: n as u32 * 960,
                arrival: Instant::now(),
                payload: Arc::clone(payload),
            };
            turn(960, Piece::Packet(packet))
        })
        .collect();
    let bent: Vec<Pulled> = turns.iter().map(|pulled| slower(pulled.clone())).collect();
    for (name, turns) in [("even", &turns), ("played slower", &bent)] {
        let (mut speaker, mut out) = (Speaker::new(), SILENT_BLOCK);
        let mut next = turns.iter().cycle();
        c.bench_function(
            &format!("speaker, decode and voice detector, {name}"),
            |b| {
                b.iter(|| speaker.turn(next.next().unwrap(), black_box(&mut out)));
            },
        );
    }
    let (mut speaker, mut out) = (Speaker::new(), SILENT_BLOCK);
    c.bench_function("speaker, nobody speaks", |b| {
        b.iter(|| speaker.turn(&Pulled::Quiet, black_box(&mut out)));
    });
}

fn turn(frames: u32, piece: Piece) -> Pulled {
    Pulled::Sound(Turn {
        starts: false,
        position: 0,
        frames,
        pieces: vec![piece],
    })
}

fn slower(pulled: Pulled) -> Pulled {
    match pulled {
        Pulled::Sound(turn) => Pulled::Sound(Turn {
            frames: 955,
            ..turn
        }),
        Pulled::Quiet => Pulled::Quiet,
    }
}

criterion_group!(benches, buffer, speaker);
criterion_main!(benches);
