//! Damaged files play what they can, then end; no panic escapes and nothing takes for ever.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod counting;
mod truth;

use std::time::{Duration, Instant};

use mynah_audio::measure;
use mynah_media::{OpenOptions, Read, open_bytes};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Every clip there is.
fn clips() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(truth::path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".md") && !name.ends_with(".sh"))
        .map(|name| (name.clone(), truth::bytes(&name)))
        .collect();
    all.sort();
    assert!(all.len() > 25);
    all
}

#[test]
fn a_truncated_file_plays_up_to_the_cut() {
    for (name, share) in [
        ("mp3_44k_stereo.mp3", 0.4),
        ("flac_44k_stereo.flac", 0.3), // whole frames of 104 ms only
        ("vorbis_44k_stereo.webm", 0.3),
        ("opus_48k_stereo.webm", 0.3),
        ("aac_44k_stereo.aac", 0.4),
        ("aac_48k_mono_faststart.m4a", 0.3),
        ("pcm_22k_mono.aiff", 0.4),
        ("pcm_44k_stereo_24bit.wav", 0.4),
    ] {
        let bytes = truth::bytes(name);
        let whole = truth::play(&mut truth::open(name));
        // Tags and code books fill the first half of two of them.
        let long_header = name.ends_with(".flac") || name.starts_with("vorbis");
        let cut = if long_header { 85 } else { 60 };
        let half = bytes[..bytes.len() * cut / 100].to_vec();
        let mut media = open_bytes(name, half, &OpenOptions::default()).expect(name);
        let heard = truth::play(&mut media);
        assert!(
            heard.len() as f64 > share * whole.len() as f64,
            "{name}: {}",
            heard.len()
        );
        // What is heard is the beginning of the whole, not garbage.
        let both = (heard.len().min(whole.len()) - 4000) / 2 * 2;
        assert!(
            measure::snr_db(&whole[..both], &heard[..both]) > 30.0,
            "{name}"
        );
    }
}

#[test]
fn a_hole_in_the_middle_leaves_the_rest_in_time() {
    for name in [
        "mp3_44k_stereo.mp3",
        "opus_48k_stereo.mp4",
        "aac_48k_mono_faststart.m4a",
    ] {
        let mut bytes = truth::bytes(name);
        let whole = truth::play(&mut truth::open(name));
        let middle = bytes.len() / 2;
        bytes[middle..middle + 30].fill(0xA5);
        let mut media = open_bytes(name, bytes, &OpenOptions::default()).expect(name);
        let heard = truth::play(&mut media);
        assert_eq!(heard.len(), whole.len(), "{name}");
        let tail = whole.len() / 8 * 6;
        assert!(
            measure::snr_db(&whole[tail..], &heard[tail..]) > 20.0,
            "{name}"
        );
        assert_ne!(heard, whole, "{name}: the hole is heard somewhere");
    }
}

/// A small seeded generator (splitmix64); the seed is in every message.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// One corrupted variant: truncated, flipped, overwritten, header damaged, holed or doubled.
fn mutate(bytes: &[u8], random: &mut Seeded) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let len = out.len().max(1);
        match random.below(7) {
            0 => out.truncate(random.below(len)),
            1 => {
                for _ in 0..=random.below(20) {
                    let at = random.below(len);
                    if let Some(byte) = out.get_mut(at) {
                        *byte ^= 1 << random.below(8);
                    }
                }
            }
            2 => {
                // Lengths and counts live in the first bytes.
                for _ in 0..=random.below(8) {
                    let at = random.below(len.min(256));
                    if let Some(byte) = out.get_mut(at) {
                        *byte = [0, 1, 0x7F, 0x80, 0xFF, random.next() as u8][random.below(6)];
                    }
                }
            }
            3 => {
                let (from, count) = (random.below(len), random.below(64));
                let to = (from + count).min(out.len());
                out[from.min(to)..to].fill_with(|| random.next() as u8);
            }
            4 => {
                let (from, count) = (random.below(len), random.below(len / 4));
                let to = (from + count).min(out.len());
                out.drain(from.min(to)..to);
            }
            5 => {
                let (from, count) = (random.below(len), random.below(len / 4));
                let piece = out[from.min(out.len())..(from + count).min(out.len())].to_vec();
                let at = random.below(out.len());
                out.splice(at..at, piece);
            }
            _ => {
                // A big-endian or little-endian length made huge.
                let at = random.below(len.saturating_sub(4));
                if let Some(field) = out.get_mut(at..at + 4) {
                    field.copy_from_slice(&[[0xFF; 4], [0x7F, 0xFF, 0xFF, 0xFF]][random.below(2)]);
                }
            }
        }
    }
    out
}

/// Opens, plays and seeks one variant; gives up on a file that plays more than a minute.
fn exercise(name: &str, bytes: Vec<u8>, random: &mut Seeded) -> bool {
    let Ok(mut media) = open_bytes(name, bytes, &OpenOptions::default()) else {
        return false;
    };
    let mut block = mynah_audio::SILENT_BLOCK;
    let mut heard = 0;
    for round in 0..2 {
        while let Ok(Read::Full | Read::Last(_)) = media.read(&mut block) {
            assert!(block.iter().all(|s| !s.is_nan()), "{name}: not a number");
            heard += 1;
            if heard > 3000 {
                return true;
            }
        }
        if round == 0 {
            let to = Duration::from_millis(random.next() % 900);
            if media.seek(to).is_err() {
                break;
            }
        }
    }
    true
}

#[test]
fn thousands_of_corrupted_files_never_panic_or_hang() {
    const SEED: u64 = 0x4D79_6E61_6802;
    const VARIANTS: usize = 125;
    // A panic inside is caught and is no failure; the hook would only fill the log with it.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = std::panic::catch_unwind(|| {
        let (mut total, mut opened) = (0, 0);
        let mut slowest = (Duration::ZERO, String::new());
        let mut largest = (0, String::new());
        for (index, (name, bytes)) in clips().into_iter().enumerate() {
            let mut random = Seeded(SEED ^ (index as u64) << 32);
            for variant in 0..VARIANTS {
                let mutated = mutate(&bytes, &mut random);
                let before = counting::begin();
                let began = Instant::now();
                let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    exercise(&name, mutated, &mut random)
                }));
                let took = began.elapsed();
                let which = format!("{name}, variant {variant}, seed {SEED:#x}");
                total += 1;
                opened += usize::from(played.map_err(|_| format!("panic: {which}"))?);
                let held = counting::peak_above(before);
                if held > largest.0 {
                    largest = (held, which.clone());
                }
                if took > slowest.0 {
                    slowest = (took, which);
                }
            }
        }
        Ok::<_, String>((total, opened, slowest, largest))
    });
    std::panic::set_hook(hook);
    let (total, opened, slowest, largest) =
        outcome.expect("the test itself does not panic").unwrap();
    println!(
        "{opened} of {total} corrupted files opened; slowest {:?}: {}",
        slowest.0, slowest.1
    );
    println!("largest memory {} MB: {}", largest.0 >> 20, largest.1);
    assert!(total > 4000);
    assert!(largest.0 < 256 << 20, "{largest:?}");
    assert!(
        opened * 4 > total,
        "most damage is survivable, {opened} of {total} opened"
    );
    assert!(slowest.0 < Duration::from_secs(10), "{slowest:?}");
}
