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
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench may stop on any error"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use mynah_audio::{
    Block, Curve, Decoder, DuckMatrix, Ducker, Encoder, EncoderConfig, Fade, Lane, Limiter, Ramp,
    SILENT_BLOCK, Triggers,
};
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
}

fn limit(c: &mut Criterion) {
    let song = music(100);
    // Peaks at 0.37 of full scale; times 2.3 they come close to the ceiling, times 5 over it.
    for (name, gain, watch) in [
        ("limiter, only delaying", 1.0, false),
        ("limiter, music far below the ceiling", 1.0, true),
        ("limiter, music just below the ceiling", 2.2, true),
        ("limiter, music over the ceiling", 5.0, true),
    ] {
        let loud: Vec<Block> = song.iter().map(|b| b.map(|s| s * gain)).collect();
        let mut limiter = Limiter::new();
        let mut at = loud.iter().cycle();
        let mut block = SILENT_BLOCK;
        c.bench_function(name, |b| {
            b.iter(|| {
                // The copy costs 0.1 us.
                block = *at.next().unwrap();
                limiter.process(black_box(&mut block), watch);
            });
        });
    }
    let mut limiter = Limiter::new();
    c.bench_function(
        "limiter, noise clipped over the ceiling (worst case)",
        |b| {
            let mut seed = 1u32;
            let noise = SILENT_BLOCK.map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if seed >> 31 == 0 { 1.5 } else { -1.5 }
            });
            b.iter(|| {
                let mut block = noise;
                limiter.process(black_box(&mut block), true);
            });
        },
    );
}

fn duck(c: &mut Criterion) {
    let [from, _] = &music(2)[..] else { return };
    let mut ducker = Ducker::new(DuckMatrix::default());
    c.bench_function("ducker, one step", |b| {
        b.iter(|| ducker.step(black_box(Triggers::NONE)));
    });
    c.bench_function("ducker, one lane down / gliding", |b| {
        let mut on = 0u32;
        b.iter(|| {
            on = on.wrapping_add(1);
            let active = if on & 8 == 0 {
                Triggers::NONE
            } else {
                Triggers::NONE.with(Lane::Speech)
            };
            ducker.step(active);
            let mut block = *from;
            ducker.apply(Lane::Bed, black_box(&mut block));
        });
    });
    let mut ramp = Ramp::new(0.0);
    for curve in [Curve::EqualPower, Curve::Decibel] {
        let mut into = SILENT_BLOCK;
        c.bench_function(&format!("mix one track, fading, {curve:?}"), |b| {
            b.iter(|| {
                let gain = 1.0 - ramp.gain().round();
                ramp.fade(gain, Fade { frames: 960, curve });
                ramp.add(black_box(from), &mut into);
            });
        });
    }
}

criterion_group!(benches, encode, decode, mix, limit, duck);
criterion_main!(benches);
