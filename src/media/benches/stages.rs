//! What 20 ms of each file format costs before the mixer: `cargo bench -p mynah-media`.
//!
//! Measured on a virtual machine with two x86-64 cores, rustc 1.95. The short clips are opened,
//! played and closed as a whole; per 20 ms that is an upper bound:
//!
//! | source | cost |
//! |---|---|
//! | wav 48 kHz, not resampled | 2.7 µs |
//! | wav 44.1 kHz / 96 kHz, resampled | 11 / 18 µs |
//! | opus | 36 µs |
//! | mp3 44.1 kHz, whole clip of 0.7 s | 0.73 ms (21 µs per 20 ms) |
//! | flac 44.1 kHz, whole clip of 0.31 s | 0.33 ms (21 µs) |
//! | vorbis 44.1 kHz, whole clip of 0.7 s | 1.3 ms (37 µs, half of it headers) |
//! | vorbis 5.1, whole clip of 0.5 s | 4.4 ms (176 µs) |
//! | aac 44.1 kHz, whole clip of 0.7 s | 0.80 ms (23 µs) |
//! | alac 44.1 kHz, whole clip of 0.21 s | 0.50 ms (47 µs) |
//! | the built-in tune / a tone | 112 / 12 µs |
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench may stop on any error"
)]

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mynah_audio::{Encoder, EncoderConfig, SILENT_BLOCK};
use mynah_media::ogg::{Head, OpusWriter, Tags};
use mynah_media::wav::{Format, WavWriter};
use mynah_media::{Media, OpenOptions, Read, open_bytes, tune};

/// Reads blocks for ever, going back to the start at the end.
fn blocks(c: &mut Criterion, what: &str, name: &str, bytes: Vec<u8>) {
    let mut media = open_bytes(name, bytes, &OpenOptions::default()).unwrap();
    let mut block = SILENT_BLOCK;
    c.bench_function(what, |b| {
        b.iter(|| next(&mut media, black_box(&mut block)));
    });
}

fn next(media: &mut Media, block: &mut mynah_audio::Block) {
    if media.read(block).unwrap() == Read::End {
        media.seek(std::time::Duration::ZERO).unwrap();
    }
}

fn tune_as_wav(rate_hz: u32, seconds: f64) -> Vec<u8> {
    let samples: Vec<f32> = tune::builtin(seconds).flatten().collect();
    let out = std::io::Cursor::new(vec![]);
    let mut wav = WavWriter::with_shape(out, Format::I16, rate_hz, 2).unwrap();
    wav.write(&samples).unwrap();
    wav.finish().unwrap().into_inner()
}

fn tune_as_opus(seconds: f64) -> Vec<u8> {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut writer = OpusWriter::new(vec![], 1, Head::default(), &Tags::default()).unwrap();
    let mut packet = [0u8; 1275];
    for block in tune::builtin(seconds) {
        let len = encoder.encode(&block, &mut packet).unwrap();
        writer.packet(packet.get(..len).unwrap()).unwrap();
    }
    writer.finish().unwrap()
}

fn formats(c: &mut Criterion) {
    blocks(
        c,
        "20 ms of wav 48 kHz (no resampling)",
        "a.wav",
        tune_as_wav(48_000, 60.0),
    );
    blocks(
        c,
        "20 ms of wav 44.1 kHz (resampled)",
        "a.wav",
        tune_as_wav(44_100, 60.0),
    );
    blocks(
        c,
        "20 ms of wav 96 kHz (resampled)",
        "a.wav",
        tune_as_wav(96_000, 60.0),
    );
    blocks(c, "20 ms of opus", "a.opus", tune_as_opus(60.0));
    // The committed clips are short: opening them again is part of what is measured here.
    let clips = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/audio"
    ));
    for name in [
        "mp3_44k_stereo.mp3",
        "flac_44k_stereo.flac",
        "vorbis_44k_stereo.ogg",
        "vorbis_48k_5_1.ogg",
        "aac_44k_stereo.m4a",
        "alac_44k_stereo.m4a",
    ] {
        let bytes: std::sync::Arc<[u8]> = std::fs::read(clips.join(name)).unwrap().into();
        c.bench_function(&format!("open, play and close {name}"), |b| {
            b.iter_batched(
                || bytes.clone(),
                |bytes| {
                    let mut media = open_bytes(name, bytes, &OpenOptions::default()).unwrap();
                    let mut block = SILENT_BLOCK;
                    while media.read(&mut block).unwrap() != Read::End {}
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn sources(c: &mut Criterion) {
    let mut tune = tune::builtin(f64::INFINITY);
    let mut block = SILENT_BLOCK;
    c.bench_function("20 ms of the built-in tune", |b| {
        b.iter(|| tune.read(black_box(&mut block)))
    });
    let mut tone = tune::Tone {
        hz: 440.0,
        dbfs: -20.0,
    }
    .blocks(f64::INFINITY);
    c.bench_function("20 ms of a tone", |b| {
        b.iter(|| tone.read(black_box(&mut block)))
    });
}

criterion_group!(benches, formats, sources);
criterion_main!(benches);
