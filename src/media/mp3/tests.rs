use std::io::Cursor;

use super::*;

fn clip(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/audio/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// Where all frames of a file begin, by walking from one to the next.
fn frames(bytes: &[u8], mut at: usize) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some(header) = bytes.get(at..).and_then(Header::parse) {
        found.push(at as u64);
        at += header.bytes as usize;
    }
    found
}

#[test]
fn places_in_files_of_constant_bitrate_are_exact() {
    for name in ["mp3_44k_stereo.mp3", "mp3_22k_mono.mp3", "about.mp3"] {
        let bytes = clip(name);
        let index = Index::read(&mut Cursor::new(&bytes), bytes.len() as u64).expect(name);
        assert_eq!(index.points.len(), 2, "{name}");
        let begin = index.points[0].0;
        let all = frames(&bytes, begin as usize);
        assert!(all.len() > 5, "{name}");
        for (number, at) in all.iter().enumerate() {
            assert_eq!(index.frame_at(*at), number as u64, "{name}");
            let near = index.place_of(number as u64);
            assert!(near.abs_diff(*at) <= 1, "{name}: {near} for {at}");
            let found = index.frame_near(&mut Cursor::new(&bytes), at.saturating_sub(40));
            assert!(number == 0 || found.unwrap() == Some(*at), "{name}");
        }
    }
}

/// A file of changing bitrate with a table, as encoders write it.
#[test]
fn the_table_of_a_file_of_changing_bitrate_is_followed() {
    // Quiet for the first half of its time, in which lies a quarter of its bytes.
    let (frames, bytes) = (10_000u32, 4_000_000u32);
    let mut head = vec![0xFF, 0xFB, 0x90, 0x00];
    head.resize(36, 0);
    head.extend(b"Xing\0\0\0\x07");
    head.extend([frames.to_be_bytes(), bytes.to_be_bytes()].concat());
    head.extend((0..100u32).map(|n| match n {
        0..50 => n * 64 / 50,
        _ => 64 + (n - 50) * 192 / 50,
    } as u8));
    head.resize(417, 0);
    let again: Vec<u8> = [&[0xFF, 0xFB, 0x90, 0x00][..], &[0; 413]].concat();
    let file = [head, again.repeat(8)].concat();
    let index = Index::read(&mut Cursor::new(&file), u64::from(bytes)).unwrap();
    assert!(index.points.len() > 90);
    assert!(index.is_past_end(10_000) && !index.is_past_end(9_999));
    for (frame, place) in [
        (0u64, 417u64),
        (2_500, 500_000),
        (5_000, 1_000_000),
        (7_500, 2_500_000),
    ] {
        let told = index.place_of(frame);
        assert!(
            told.abs_diff(place) < 40_000,
            "frame {frame}: {told} instead of {place}"
        );
        assert!(index.frame_at(place).abs_diff(frame) < 100, "{place}");
        assert!(index.frame_at(told).abs_diff(frame) <= 1, "there and back");
    }
    assert_eq!(index.frame_at(u64::MAX), 10_000);
    assert_eq!(index.place_of(u64::MAX), 4_000_000);
}

#[test]
fn files_that_do_not_tell_their_bitrate_have_no_index_and_nonsense_neither() {
    let bytes = clip("mp3_48k_no_index.mp3");
    assert!(Index::read(&mut Cursor::new(&bytes), bytes.len() as u64).is_none());
    for name in [
        "flac_44k_stereo.flac",
        "opus_48k_stereo.opus",
        "aac_44k_stereo.aac",
    ] {
        let bytes = clip(name);
        assert!(
            Index::read(&mut Cursor::new(&bytes), 1 << 30).is_none(),
            "{name}"
        );
    }
    let bytes = clip("mp3_44k_stereo.mp3");
    for cut in (0..2_000).step_by(7) {
        let _ = Index::read(&mut Cursor::new(&bytes[..cut]), cut as u64);
    }
    assert!(Index::read(&mut Cursor::new(b""), 0).is_none());
}
