//! What the clips of tests/data/audio hold, computed anew from the formulas in their README.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test helpers may panic"
)]

use std::f64::consts::TAU;
use std::path::PathBuf;

use mynah_audio::{Block, CHANNELS, SILENT_BLOCK};
use mynah_media::{Media, OpenOptions, Read};

/// Which channels a clip has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    Mono,
    Stereo,
    FiveOne,
}

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/audio"
    ))
    .join(name)
}

pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("the clip is committed")
}

pub fn open(name: &str) -> Media {
    mynah_media::open(&path(name), &OpenOptions::default()).expect(name)
}

/// Everything a source gives from here on.
pub fn play(media: &mut Media) -> Vec<f32> {
    let mut out = vec![];
    let mut block: Block = SILENT_BLOCK;
    loop {
        match media
            .read(&mut block)
            .expect("reading memory or a file cannot fail")
        {
            Read::Full => out.extend_from_slice(&block),
            Read::Last(frames) => out.extend_from_slice(&block[..frames * CHANNELS]),
            Read::End => return out,
        }
    }
}

/// The clip's channels at time `t`: left, right, centre, effects, surround left and right.
fn channels(t: f64) -> [f64; 6] {
    let sin = |turns: f64| 0.25 * (TAU * turns).sin();
    [
        sin(300.0 * t + 1500.0 * t * t),
        sin(2500.0 * t - 1200.0 * t * t),
        sin(700.0 * t),
        sin(60.0 * t),
        sin(1100.0 * t),
        sin(1700.0 * t),
    ]
}

/// What should be heard: 48 kHz stereo, the downmix as ITU-R BS.775 has it.
pub fn truth(layout: Layout, seconds: f64) -> Vec<f32> {
    let frames = (seconds * 48_000.0).round() as usize;
    (0..frames)
        .flat_map(|n| {
            let [l, r, c, _, sl, sr] = channels(n as f64 / 48_000.0);
            let down = std::f64::consts::FRAC_1_SQRT_2;
            let (left, right) = match layout {
                Layout::Mono => (l, l),
                Layout::Stereo => (l, r),
                Layout::FiveOne => {
                    let scale = 1.0 / (1.0 + 2.0 * down);
                    ((l + down * (c + sl)) * scale, (r + down * (c + sr)) * scale)
                }
            };
            [left as f32, right as f32]
        })
        .collect()
}

/// The part of a recording without its first and last 25 ms, where filters and codecs ring.
pub fn inner(samples: &[f32]) -> &[f32] {
    let edge = 1200 * CHANNELS;
    &samples[edge..samples.len() - edge]
}
