//! Tracks of a recording in any state: reader, checker, repair of a track and of a folder, decoder.
//!
//! Beyond not panicking: what the reader finds makes up the file, what was repaired has nothing left that
//! repair could undo, no sound page gets lost, and a second repair changes no byte.
#![no_main]

use std::fs;
use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mynah_fuzz::track::{self, Script};
use mynah_recorder::core::checker::{Fault, check};
use mynah_recorder::core::export::Decoded;
use mynah_recorder::core::ogg::{Found, Pages};
use mynah_recorder::core::repair::{repair, repair_track, verify};

/// Frames that are decoded: an input may state years.
const DECODED: u64 = 3 * 48_000;

fuzz_target!(|input: &[u8]| {
    let Some((&kind, rest)) = input.split_first() else {
        return;
    };
    let bytes = if kind & 1 == 0 {
        rest.to_vec()
    } else {
        Script(rest).bytes()
    };
    let sound = sound_pages(&bytes);
    let room = track::room();
    let path = room.path().join("01_7.opus");
    write(&path, &bytes);
    decode(&path);
    check(&path).expect("a file that is there is read");
    let first = repair_track(&path, &track::head()).expect("it is repaired");
    assert!(!first.report.faults.iter().any(Fault::is_repairable));
    assert_eq!(first.report, check(&path).expect("it is there"));
    let mended = fs::read(&path).expect("it is there");
    let kept = sound_pages(&mended);
    assert!(kept == sound || kept == sound + 1, "sound is lost");
    let second = repair_track(&path, &track::head()).expect("it is repaired");
    assert!(second.cut_bytes == 0 && !second.ended && !second.begun_anew);
    assert_eq!(mended, fs::read(&path).expect("it is there"));
    decode(&path);
    if kind & 2 != 0 {
        folder(room.path(), &bytes, rest, kind);
    }
});

/// Pages that hold no header. What is found has to make up all of the file.
fn sound_pages(bytes: &[u8]) -> usize {
    let mut pages = Pages::new(Cursor::new(bytes)).expect("memory is read");
    let (mut sound, mut at) = (0, 0);
    loop {
        match pages.read_on().expect("memory is read") {
            Found::End => break,
            Found::Page(page) => {
                at += page.bytes();
                sound += usize::from(!page.is_head());
            }
            Found::Damaged(bytes) | Found::Torn(bytes) => {
                assert!(bytes > 0);
                at += bytes;
            }
        }
        assert_eq!(at, pages.at());
    }
    assert_eq!(at, bytes.len() as u64);
    sound
}

fn decode(path: &Path) {
    let mut decoded = Decoded::open(path, 0..DECODED).expect("a file that is there is read");
    let mut frames = 0;
    // A packet that libopus refuses is an error, not a panic.
    while let Ok(Some(block)) = decoded.next_block() {
        assert!(block.iter().all(|sample| sample.is_finite()));
        frames += block.len() as u64 / 2;
    }
    assert!(frames <= DECODED);
}

/// A recording of which everything is as the input says.
fn folder(room: &Path, track: &[u8], rest: &[u8], kind: u8) {
    let folder = room.join("1").join("2");
    fs::create_dir_all(folder.join("tracks")).expect("there is room");
    write(&folder.join("tracks/01_7.opus"), track);
    if kind & 4 != 0 {
        write(&folder.join("tracks/01_7.idx"), rest);
    }
    if kind & 8 != 0 {
        write(&folder.join("events.ndjson"), rest);
    }
    let _ = verify(&folder);
    let first = repair(&folder, 5).expect("it is repaired");
    let complaints = verify(&folder).expect("it is there");
    let left = complaints.iter().find(|complaint| complaint.repairable);
    // Lines that are no events stay where they are, for whoever can read them.
    assert!(
        left.is_none_or(|left| left.file == "events.ndjson"),
        "{left:?}"
    );
    let before = fs::read(folder.join("tracks/01_7.opus")).expect("it is there");
    let second = repair(&folder, 6).expect("it is repaired");
    assert_eq!(first.manifest, second.manifest);
    assert_eq!(
        before,
        fs::read(folder.join("tracks/01_7.opus")).expect("it is there")
    );
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("there is room");
}
