//! What one track's effects cost for 20 ms: `cargo bench -p mynah-audio --bench filters`.
//!
//! Measured on a virtual machine with two x86-64 cores, rustc 1.95:
//!
//! | effect | cost |
//! |---|---|
//! | none; volume; channel mix | 0.1; 0.25; 0.33 µs |
//! | equalizer, 1 to 4 / 15 bands | 3.9 / 13.5 µs |
//! | karaoke; tremolo; rotation; low pass | 3.6; 3.2; 5.8; 3.9 µs |
//! | timescale, rate only | 24 µs |
//! | timescale, speed 1.5 / 0.5 | 27 / 79 µs (20 ms of input are 13 / 40 ms of output) |
//! | timescale, pitch 1.2 / 0.8 | 48 / 50 µs |
//! | make a chain with a timescale | 1.0 ms |
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench may stop on any error"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use mynah_audio::SAMPLES;
use mynah_audio::filters::{
    Chain, ChannelMix, FilterSpec, Karaoke, LowPass, Rotation, Timescale, Tremolo,
};
use std::hint::black_box;

fn music(frames: usize) -> Vec<f32> {
    (0..frames as u32)
        .flat_map(|n| {
            let t = n as f32 / 48_000.0;
            let tone = |hz: f32| (std::f32::consts::TAU * hz * t).sin() * 0.1;
            let hiss = (n.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5;
            let common = tone(220.0) + tone(277.2) + tone(329.6) + tone(3520.0) + hiss * 0.05;
            [common + tone(440.0), common + tone(554.4)]
        })
        .collect()
}

/// Runs the chain over a second of music, block by block. The cost is per 20 ms of input: with a
/// timescale, one block of it gives none or several of output.
fn row(c: &mut Criterion, name: &str, spec: &FilterSpec) {
    let song = music(48_000);
    let mut blocks = song.chunks_exact(SAMPLES).cycle();
    let mut chain = Chain::new(spec);
    let mut out = Vec::with_capacity(64 * SAMPLES);
    c.bench_function(name, |b| {
        b.iter(|| {
            out.clear();
            chain.process(black_box(blocks.next().unwrap()), &mut out);
            out.len()
        });
    });
}

fn timescale(speed: f64, pitch: f64, rate: f64) -> FilterSpec {
    FilterSpec {
        timescale: Some(Timescale { speed, pitch, rate }),
        ..Default::default()
    }
}

fn effects(c: &mut Criterion) {
    let none = FilterSpec::default();
    let with = |change: &dyn Fn(&mut FilterSpec)| {
        let mut spec = none.clone();
        change(&mut spec);
        spec
    };
    row(c, "filters: none", &none);
    row(c, "filters: volume", &with(&|s| s.volume = 0.8));
    row(
        c,
        "filters: equalizer, 1 band",
        &with(&|s| s.equalizer[3] = 0.2),
    );
    row(
        c,
        "filters: equalizer, 15 bands",
        &with(&|s| s.equalizer = [0.1; 15]),
    );
    row(
        c,
        "filters: karaoke",
        &with(&|s| s.karaoke = Some(Karaoke::default())),
    );
    row(
        c,
        "filters: tremolo",
        &with(&|s| s.tremolo = Some(Tremolo::default())),
    );
    let turn = Rotation { rotation_hz: 0.2 };
    row(c, "filters: rotation", &with(&|s| s.rotation = Some(turn)));
    let half = ChannelMix {
        l_to_l: 0.5,
        l_to_r: 0.5,
        r_to_l: 0.5,
        r_to_r: 0.5,
    };
    row(
        c,
        "filters: channel mix",
        &with(&|s| s.channel_mix = Some(half)),
    );
    row(
        c,
        "filters: low pass",
        &with(&|s| s.low_pass = Some(LowPass::default())),
    );
    row(c, "filters: timescale, rate 1.2", &timescale(1.0, 1.0, 1.2));
    row(
        c,
        "filters: timescale, speed 1.0001",
        &timescale(1.0001, 1.0, 1.0),
    );
    row(
        c,
        "filters: timescale, speed 1.5",
        &timescale(1.5, 1.0, 1.0),
    );
    row(
        c,
        "filters: timescale, speed 0.5",
        &timescale(0.5, 1.0, 1.0),
    );
    row(
        c,
        "filters: timescale, pitch 1.2",
        &timescale(1.0, 1.2, 1.0),
    );
    row(
        c,
        "filters: timescale, pitch 0.8",
        &timescale(1.0, 0.8, 1.0),
    );
}

fn making(c: &mut Criterion) {
    let spec = timescale(1.1, 1.2, 1.0);
    c.bench_function("filters: make a chain with a timescale", |b| {
        b.iter(|| Chain::new(black_box(&spec)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = effects, making
}
criterion_main!(benches);
