//! What becomes of good sounds, and of files that mean harm.

use std::path::Path;
use std::sync::Arc;

use super::*;

fn how() -> IngestHow {
    IngestHow {
        max_bytes: 10 << 20,
        start: Duration::ZERO,
        end: None,
        longest: Duration::from_secs(30),
        lufs: -16.0,
        ceiling_dbtp: -1.0,
    }
}

/// 16-bit PCM with whatever the header shall say.
fn wav(rate_hz: u32, channels: u16, samples: impl Iterator<Item = f32>) -> Vec<u8> {
    let data: Vec<u8> = samples
        .flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes())
        .collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate_hz.to_le_bytes());
    file.extend(rate_hz.wrapping_mul(u32::from(channels) * 2).to_le_bytes());
    file.extend(channels.wrapping_mul(2).to_le_bytes());
    file.extend(16u16.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// Stereo at 48 kHz: a tone of `height` for each part of `(seconds, height)`.
fn parts(parts: &[(f64, f32)]) -> Vec<u8> {
    let samples = parts.iter().flat_map(|(seconds, height)| {
        let frames = (seconds * 48_000.0) as usize;
        let tone = |n: usize| (n as f64 / 48_000.0 * 440.0 * std::f64::consts::TAU).sin() as f32;
        (0..frames).flat_map(move |n| [tone(n) * height; 2])
    });
    wav(48_000, 2, samples)
}

fn ingest(bytes: Vec<u8>, how: &IngestHow) -> Result<Made, IngestError> {
    let media = mynah_media::open_bytes("x.wav", bytes, &OpenOptions::default())?;
    make_from(media, how, &|| false)
}

fn seconds(made: &Made) -> f64 {
    made.frames as f64 / 48_000.0
}

#[test]
fn silence_goes_at_both_ends_and_stays_in_the_middle() {
    let file = parts(&[(2.0, 0.0), (0.5, 0.3), (0.7, 0.0), (0.5, 0.3), (3.0, 0.0)]);
    let made = ingest(file, &how()).unwrap();
    assert!((1.7..1.8).contains(&seconds(&made)), "{}", seconds(&made));
    assert!(!made.is_cut && !made.is_damaged);
}

#[test]
fn quiet_and_loud_sounds_come_out_alike_and_no_peak_is_too_high() {
    for height in [0.01, 0.1, 0.99] {
        let made = ingest(parts(&[(1.5, height)]), &how()).unwrap();
        let is = made.loudness;
        assert!((is.lufs + 16.0).abs() < 0.5, "{height}: {is:?}");
        assert!(is.true_peak_db <= -1.0, "{height}: {is:?}");
    }
    // A click over next to nothing cannot be as loud without a square wave coming out: the peak rules.
    let click = (0..48_000).flat_map(|n| [if n % 12_000 == 0 { 0.9 } else { 0.003 }; 2]);
    let made = ingest(wav(48_000, 2, click), &how()).unwrap();
    assert!(made.loudness.true_peak_db <= -1.0, "{:?}", made.loudness);
    // 100 ms are too short for the meter, and are as loud all the same.
    let made = ingest(parts(&[(0.1, 0.05)]), &how()).unwrap();
    assert!(
        (made.loudness.lufs + 16.0).abs() < 1.0,
        "{:?}",
        made.loudness
    );
}

#[test]
fn what_is_kept_is_ogg_opus_of_that_length_and_the_same_sound_is_the_same_file() {
    let file = parts(&[(0.25, 0.4)]);
    let made = ingest(file.clone(), &how()).unwrap();
    assert_eq!(made, ingest(file, &how()).unwrap());
    assert_eq!(made.sha256.len(), 64);
    assert!(made.ogg.starts_with(b"OggS") && made.ogg.len() < 8_000);
    let again = mynah_media::open_bytes("x", made.ogg.clone(), &OpenOptions::default()).unwrap();
    let length = again.info().duration.unwrap().as_secs_f64();
    assert!((length - seconds(&made)).abs() < 0.001, "{length}");
    let other = ingest(parts(&[(0.25, 0.4), (0.1, 0.2)]), &how()).unwrap();
    assert_ne!(other.sha256, made.sha256);
}

#[test]
fn a_part_can_be_chosen_and_what_is_longer_is_cut_off() {
    let file = parts(&[(1.0, 0.1), (1.0, 0.3), (2.0, 0.1)]);
    let part = IngestHow {
        start: Duration::from_secs(1),
        end: Some(Duration::from_secs(2)),
        ..how()
    };
    let made = ingest(file.clone(), &part).unwrap();
    assert!((0.95..1.01).contains(&seconds(&made)), "{}", seconds(&made));
    assert!(!made.is_cut, "that is what was asked for");
    let short = IngestHow {
        longest: Duration::from_millis(1_500),
        ..how()
    };
    let made = ingest(file.clone(), &short).unwrap();
    assert_eq!((made.frames, made.is_cut), (72_000, true));
    // Silence behind it is not a loss.
    let made = ingest(parts(&[(1.5, 0.3), (5.0, 0.0)]), &short).unwrap();
    assert!(!made.is_cut);
    for (start, end) in [(2, Some(1)), (4, None), (500, None), (9_000, None)] {
        let part = IngestHow {
            start: Duration::from_secs(start),
            end: end.map(Duration::from_secs),
            ..how()
        };
        let refused = ingest(file.clone(), &part);
        assert!(
            matches!(refused, Err(IngestError::Range(_))),
            "{start}: {refused:?}"
        );
    }
}

#[test]
fn one_channel_alone_is_heard_in_both() {
    let left = (0..24_000).flat_map(|n| [(n as f32 / 20.0).sin() * 0.3, 0.0]);
    let made = ingest(wav(48_000, 2, left), &how()).unwrap();
    let mut media = mynah_media::open_bytes("x", made.ogg, &OpenOptions::default()).unwrap();
    let mut block = SILENT_BLOCK;
    let mut heard = [0.0f32; 2];
    while media.read(&mut block).unwrap() == Read::Full {
        for frame in block.chunks_exact(2) {
            heard = [heard[0] + frame[0].abs(), heard[1] + frame[1].abs()];
        }
    }
    assert!((heard[0] / heard[1] - 1.0).abs() < 0.05, "{heard:?}");
}

#[test]
fn hours_of_silence_are_given_up_after_a_minute() {
    let silence = |seconds: usize| std::iter::repeat_n(0.0, 48_000 * seconds);
    let file = wav(48_000, 1, silence(90));
    let refused = ingest(file, &how()).unwrap_err();
    assert!(matches!(refused, IngestError::Silent(LEAD)), "{refused}");
    assert_eq!(refused.to_string(), "nothing is heard in it for 60 s");
    // After a sound it ends the sound.
    let then = std::iter::repeat_n(0.5, 24_000).chain(silence(90));
    let made = ingest(wav(48_000, 1, then), &how()).unwrap();
    assert!(seconds(&made) < 1.0, "{}", seconds(&made));
}

#[test]
fn a_flac_of_a_few_bytes_for_hours_is_given_up_as_soon() {
    let file = silent_flac(10 * 3600);
    assert!(file.len() < 1 << 20, "{} bytes for ten hours", file.len());
    let refused = ingest(file.clone(), &how()).unwrap_err();
    assert!(matches!(refused, IngestError::Silent(LEAD)), "{refused}");
    let late = IngestHow {
        start: LATEST_START,
        ..how()
    };
    let refused = ingest(file.clone(), &late).unwrap_err();
    assert!(matches!(refused, IngestError::Silent(LEAD)), "{refused}");
    // Whoever takes long is not waited for.
    let media = mynah_media::open_bytes("x.flac", file, &OpenOptions::default()).unwrap();
    let asked = std::cell::Cell::new(0);
    let is_late = || asked.replace(asked.get() + 1) >= 7;
    let refused = make_from(media, &how(), &is_late).unwrap_err();
    assert!(
        matches!(refused, IngestError::TooSlow) && asked.get() == 8,
        "{refused}"
    );
}

/// RFC 9639: frames of 65,535 equal samples, which take a dozen bytes each.
fn silent_flac(seconds: u64) -> Vec<u8> {
    const BLOCK: u64 = 65_535;
    let frames = seconds * 48_000 / BLOCK;
    let mut file = b"fLaC".to_vec();
    // The last metadata block: STREAMINFO, 34 bytes.
    file.extend([0x80, 0, 0, 34]);
    file.extend([0xFF; 4]);
    file.extend([0; 6]);
    let about = 48_000u64 << 44 | 1 << 41 | 15 << 36 | (frames * BLOCK);
    file.extend(about.to_be_bytes());
    file.extend([0; 16]);
    for number in 0..frames {
        // Blocks of one size, whose length follows in 16 bits; 48 kHz; two channels; 16 bits each.
        let mut frame = vec![0xFF, 0xF8, 0x7A, 0x18];
        let number = char::from_u32(number as u32).unwrap();
        frame.extend(number.encode_utf8(&mut [0; 4]).bytes());
        frame.extend((BLOCK as u16 - 1).to_be_bytes());
        frame.push(crc(&frame, 8, 0x07) as u8);
        // A constant for each channel: 0.
        frame.extend([0; 6]);
        let sum = crc(&frame, 16, 0x8005);
        frame.extend(sum.to_be_bytes());
        file.extend(frame);
    }
    file
}

fn crc(bytes: &[u8], bits: u32, polynomial: u16) -> u16 {
    let top = 1u32 << (bits - 1);
    let mask = top | (top - 1);
    let mut sum = 0u32;
    for byte in bytes {
        sum ^= u32::from(*byte) << (bits - 8);
        for _ in 0..8 {
            let over = sum & top != 0;
            sum = sum << 1 & mask;
            if over {
                sum ^= u32::from(polynomial);
            }
        }
    }
    sum as u16
}

#[test]
fn many_channels_at_a_huge_rate_are_mixed_and_bounded() {
    let noise = (0..384_000u64 * 8).map(|n| ((n * 7_919) % 1_000) as f32 / 2_000.0 - 0.25);
    let made = ingest(wav(384_000, 8, noise), &how()).unwrap();
    assert!((0.9..1.1).contains(&seconds(&made)), "{}", seconds(&made));
    let refused = ingest(wav(4_000_000_000, 2, [0.5; 100].into_iter()), &how()).unwrap_err();
    let words = refused.to_string();
    assert!(words.contains("x.wav"), "{words}");
    let refused = ingest(wav(48_000, 60_000, [0.5; 100].into_iter()), &how()).unwrap_err();
    assert!(!refused.remedy().is_empty(), "{refused}");
}

#[test]
fn what_is_no_sound_is_refused_with_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let refused = make(&Input::File(Arc::new(path)), None, &how()).unwrap_err();
        assert!(!refused.remedy().is_empty());
        refused.to_string()
    };
    // An archive in an archive, called a song.
    let words = refuse(
        "x.mp3",
        b"PK\x03\x04\x14\x00\x00\x00\x08\x00nested.zip PK\x03\x04",
    );
    assert!(
        words.contains("not audio") && words.to_lowercase().contains("zip"),
        "{words}"
    );
    assert!(refuse("e.wav", b"").contains("empty"));
    assert!(refuse("t.txt", b"hello, this is a text").contains("not audio"));
    let whole = parts(&[(0.2, 0.4)]);
    refuse("h.wav", &whole[..40]);
    let missing = Path::new("/nowhere/at/all.wav").to_owned();
    assert!(make(&Input::File(Arc::new(missing)), None, &how()).is_err());
    let small = IngestHow {
        max_bytes: 1_000,
        ..how()
    };
    let path = folder.path().join("large.wav");
    std::fs::write(&path, &whole).unwrap();
    let refused = make(&Input::File(Arc::new(path)), None, &small).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the file has 37 KiB, and may have 1000 bytes"
    );
}

#[test]
fn a_name_is_shown_without_its_path_and_does_nothing_else() {
    for (name, shown) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\horn.mp3", "horn.mp3"),
        ("..", "the file"),
        ("a\u{7}b.wav", "ab.wav"),
    ] {
        assert_eq!(plain_name(name), shown);
    }
    assert_eq!(plain_name(&"x".repeat(5_000)).len(), 80);
}

#[test]
fn a_file_that_was_cut_off_gives_what_there_is() {
    let whole = parts(&[(2.0, 0.3)]);
    let made = ingest(whole[..whole.len() / 2].to_vec(), &how()).unwrap();
    assert!((0.95..1.05).contains(&seconds(&made)), "{}", seconds(&made));
}

#[test]
fn a_cut_in_the_middle_of_a_sound_is_no_click() {
    let part = IngestHow {
        start: Duration::from_millis(503),
        end: Some(Duration::from_millis(797)),
        ..how()
    };
    let made = ingest(parts(&[(1.5, 0.5)]), &part).unwrap();
    let mut media = mynah_media::open_bytes("x", made.ogg, &OpenOptions::default()).unwrap();
    let mut block = SILENT_BLOCK;
    media.read(&mut block).unwrap();
    assert!(
        block[..48].iter().all(|sample| sample.abs() < 0.1),
        "{:?}",
        &block[..8]
    );
}

/// `cargo nextest run -p mynah-engine --run-ignored only --no-capture what_it_costs`
#[test]
#[ignore = "measures; the numbers are for people"]
#[allow(clippy::print_stdout, reason = "the numbers are what it is for")]
fn what_it_costs_to_make_sounds_ready() {
    let noise = || (0u64..384_000 * 8 * 60).map(|n| ((n * 7_919) % 997) as f32 / 2_000.0 - 0.25);
    let loud = |n: usize| if n % 12_000 < 60 { 0.9 } else { 0.05 };
    let clicks = (0..48_000 * 30).flat_map(|n| [loud(n) * (n as f32 / 9.0).sin(); 2]);
    for (name, file) in [
        ("30 s of a tone", parts(&[(30.0, 0.2)])),
        ("30 s with peaks to be held", wav(48_000, 2, clicks)),
        (
            "8 channels at 384 kHz, 30 s kept of 60",
            wav(384_000, 8, noise()),
        ),
        ("ten hours of silence as FLAC", silent_flac(36_000)),
    ] {
        let begun = crate::clock::now();
        let made = ingest(file, &how());
        let took = begun.elapsed();
        let made = made.map(|made| (made.loudness, made.ogg.len()));
        println!("{name}: {} ms, {made:?}", took.as_millis());
    }
}
