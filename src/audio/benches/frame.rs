//! What one 20 ms frame costs in this room: `cargo bench -p mynah-audio`.
//!
//! Measured on a virtual machine with two x86-64 cores, rustc 1.95, libopus 1.6.1:
//!
//! | stage | cost |
//! |---|---|
//! | encode 128 kbit/s, complexity 10 / 7 / 5 / 1 | 108 / 85 / 61 / 50 µs |
//! | decode 128 kbit/s | 34 µs |
//! | conceal a lost packet | 11 µs |
//! | mix one track, gain fixed / moving | 0.18 / 0.30 µs |
//! | limiter at rest / at work on every sample | 0.11 / 7 µs |
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench may stop on any error"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use mynah_audio::{Block, Decoder, Encoder, EncoderConfig, Limiter, Ramp, SAMPLES, SILENT_BLOCK};
use std::hint::black_box;

fn music(blocks: usize) -> Vec<Block> {
    let mut out = vec![SILENT_BLOCK; blocks];
    for (n, frame) in out
        .iter_mut()
        .flat_map(|b| b.chunks_exact_mut(2))
        .enumerate()
    {
        let t = n as f32 / 48_000.0;
        let tone = |hz: f32| (std::f32::consts::TAU * hz * t).sin() * 0.1;
        let hiss = ((n as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5;
        let common = tone(220.0) + tone(277.2) + tone(329.6) + tone(3520.0) + hiss * 0.05;
        frame.copy_from_slice(&[common + tone(440.0), common + tone(554.4)]);
    }
    out
}

fn encode(c: &mut Criterion) {
    let song = music(100);
    for complexity in [10u8, 7, 5, 1] {
        let config = EncoderConfig {
            complexity,
            ..Default::default()
        };
        let mut encoder = Encoder::new(config).unwrap();
        let mut packet = [0u8; 1275];
        let mut at = song.iter().cycle();
        c.bench_function(&format!("encode 128 kbit/s complexity {complexity}"), |b| {
            b.iter(|| {
                encoder
                    .encode(black_box(at.next().unwrap()), &mut packet)
                    .unwrap()
            });
        });
    }
}

fn decode(c: &mut Criterion) {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let packets: Vec<Vec<u8>> = music(100)
        .iter()
        .map(|b| {
            let mut packet = [0u8; 1275];
            let len = encoder.encode(b, &mut packet).unwrap();
            packet.get(..len).unwrap().to_vec()
        })
        .collect();
    let mut decoder = Decoder::new().unwrap();
    let mut out = SILENT_BLOCK;
    let mut at = packets.iter().cycle();
    c.bench_function("decode 128 kbit/s", |b| {
        b.iter(|| {
            decoder
                .decode(black_box(at.next().unwrap()), &mut out)
                .unwrap()
        });
    });
    c.bench_function("conceal", |b| b.iter(|| decoder.conceal(&mut out).unwrap()));
}

fn mix(c: &mut Criterion) {
    let [from, _] = &music(2)[..] else { return };
    let mut into = SILENT_BLOCK;
    let mut fixed = Ramp::new(0.5);
    c.bench_function("mix one track, fixed gain", |b| {
        b.iter(|| fixed.add(black_box(from), &mut into))
    });
    let mut moving = Ramp::new(0.0);
    c.bench_function("mix one track, moving gain", |b| {
        b.iter(|| {
            moving.set(1.0 - moving.gain().round(), 960);
            moving.add(black_box(from), &mut into);
        });
    });
    let mut limiter = Limiter::new();
    let mut quiet = [0.5; SAMPLES];
    c.bench_function("limiter at rest", |b| {
        b.iter(|| limiter.process(black_box(&mut quiet)))
    });
    let loud = [1.5; SAMPLES];
    c.bench_function("limiter at work", |b| {
        b.iter(|| {
            let mut block = loud;
            limiter.process(black_box(&mut block));
        });
    });
}

criterion_group!(benches, encode, decode, mix);
criterion_main!(benches);
