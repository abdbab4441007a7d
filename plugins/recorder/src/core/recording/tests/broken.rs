//! Crashes, cuts and damage.

use std::fs::{self, File};

use super::*;
use crate::core::checker::Fault;
use crate::core::ogg::{Found, Pages};
use crate::core::repair::repair;

#[test]
fn a_thousand_cuts_leave_tracks_that_are_legal_and_miss_at_most_a_second() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("cut")).unwrap();
    speak(&mut recording, 12);
    recording.finish(15_000_000, 0, "asked").unwrap();
    let head = recording.manifest().head(0);
    let path = recording
        .folder()
        .join(&recording.manifest().tracks[0].file);
    let whole = fs::read(&path).unwrap();
    // Where each page ends, and the frames up to there.
    let mut ends = Vec::new();
    let mut pages = Pages::new(File::open(&path).unwrap()).unwrap();
    while let Found::Page(page) = pages.read_on().unwrap() {
        let before = ends.last().map_or(0, |(_, frames)| *frames);
        assert!(
            page.granule - before <= 48_000 + 960,
            "a page longer than a second"
        );
        ends.push((pages.at(), page.granule));
    }
    let cut = root.path().join("cut.opus");
    let mut seed = 5_u64;
    for round in 0..1_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let length = (seed >> 33) as usize % whole.len();
        fs::write(&cut, &whole[..length]).unwrap();
        let done = repair_track(&cut, &head).unwrap();
        assert!(
            done.report.is_legal(),
            "cut at {length}: {:?}",
            done.report.faults
        );
        let kept = ends.iter().rev().find(|(end, _)| *end <= length as u64);
        let kept = kept.map_or(0, |(_, frames)| *frames);
        assert_eq!(done.report.frames, kept + 960, "cut at {length}");
        if round % 100 == 0 {
            export::decode(&cut, ALL, |_| Ok(())).unwrap();
            let again = repair_track(&cut, &head).unwrap();
            assert!(!again.ended && again.cut_bytes == 0);
        }
    }
}

#[test]
fn damage_in_the_middle_is_told_and_the_rest_is_kept() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("hurt")).unwrap();
    speak(&mut recording, 5);
    recording.finish(8_000_000, 0, "asked").unwrap();
    shelf::seal(recording.folder()).unwrap();
    let path = recording
        .folder()
        .join(&recording.manifest().tracks[0].file);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    let whole_frames = check(&path).unwrap().frames;
    bytes[middle] ^= 0x40;
    fs::write(&path, &bytes).unwrap();
    let report = check(&path).unwrap();
    assert!(
        report
            .faults
            .iter()
            .any(|fault| matches!(fault, Fault::Damaged { .. }))
    );
    assert!(report.ended);
    // What is missing is silent; everything after it keeps its place.
    let mut frames = 0;
    export::decode(&path, ALL, |block| {
        frames += block.len() / 2;
        Ok(())
    })
    .unwrap();
    assert_eq!(frames as u64, whole_frames - 312);
    let complaints = verify(recording.folder()).unwrap();
    assert!(
        complaints
            .iter()
            .any(|complaint| complaint.what.contains("changed"))
    );
    let done = repair_track(&path, &recording.manifest().head(0)).unwrap();
    assert_eq!(done.cut_bytes, 0);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn after_a_crash_the_recording_is_recovered_and_goes_on_in_a_linked_part() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("one")).unwrap();
    let folder = recording.folder().to_owned();
    speak(&mut recording, 5);
    drop(recording); // as a crash does: nothing is flushed or closed
    let track = folder.join(format!("tracks/01_{ADA}.opus"));
    let torn = fs::read(&track).unwrap();
    fs::write(&track, &torn[..torn.len() - 100]).unwrap();
    let log = fs::read(folder.join(events::FILE)).unwrap();
    fs::write(
        folder.join(events::FILE),
        [&log[..], b"{\"t\":12,\"wal"].concat(),
    )
    .unwrap();
    assert!(!verify(&folder).unwrap().is_empty());

    let mut next = plan("two");
    next.previous = Some("one".to_owned());
    let next = Recording::begin(root.path(), next).unwrap();
    let running = [next.folder().to_owned()];
    let recovered = shelf::recover(root.path(), 1_790_000_100_000, &running).unwrap();
    assert_eq!(recovered.len(), 1);
    shelf::link(&folder, "two").unwrap();
    let manifest = Manifest::read(&folder).unwrap();
    assert_eq!(manifest.state, State::Recovered);
    assert_eq!(manifest.next.as_deref(), Some("two"));
    assert!(manifest.length_us > 4_500_000);
    assert_eq!(verify(&folder).unwrap(), vec![]);
    let (lines, strange) = events::read(&folder).unwrap();
    assert_eq!(strange, 0);
    assert_eq!(lines.last().unwrap().event, Event::Recovered);
    assert!(shelf::recover(root.path(), 0, &running).unwrap().is_empty());

    // The files alone are enough.
    fs::write(folder.join(crate::core::manifest::FILE), b"{ half a manif").unwrap();
    let done = repair(&folder, 0).unwrap();
    assert!(done.rebuilt);
    assert_eq!(done.manifest.tracks[0].user, ADA.to_string());
    assert_eq!(verify(&folder).unwrap(), vec![]);
}

#[test]
fn random_damage_never_breaks_checker_or_repair() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("fuzz")).unwrap();
    speak(&mut recording, 3);
    recording.finish(4_000_000, 0, "asked").unwrap();
    let head = recording.manifest().head(0);
    let path = recording
        .folder()
        .join(&recording.manifest().tracks[0].file);
    let whole = fs::read(&path).unwrap();
    let mut seed = 11_u64;
    let mut roll = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    for _ in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..1 + roll(8) {
            let place = roll(bytes.len());
            match roll(4) {
                0 => bytes[place] ^= 1 << roll(8),
                1 => bytes.truncate(place.max(1)),
                2 => bytes.insert(place, roll(256) as u8),
                _ => bytes.extend_from_slice(&whole[..place.min(whole.len())]),
            }
        }
        fs::write(&path, &bytes).unwrap();
        repair_track(&path, &head).unwrap();
        let again = repair_track(&path, &head).unwrap();
        assert_eq!(again.cut_bytes, 0, "repair is not done with one go");
        let _ = export::decode(&path, ALL, |_| Ok(()));
    }
}

#[test]
fn whatever_a_crash_tears_is_whole_after_recovery() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("torn")).unwrap();
    speak(&mut recording, 3);
    for number in 0..100 {
        let at_us = 5_000_000 + number as u64 * 20_000;
        let payload = vec![0xFC, 1, 2, 3];
        recording
            .packet(BOB, "Bob", arrived(8, number, at_us, payload))
            .unwrap();
        recording.tick(at_us, None).unwrap();
    }
    let folder = recording.folder().to_owned();
    drop(recording);
    let files: Vec<_> = [
        events::FILE.to_owned(),
        format!("tracks/01_{ADA}.opus"),
        format!("tracks/01_{ADA}.idx"),
        format!("tracks/02_{BOB}.opus"),
        format!("tracks/02_{BOB}.idx"),
    ]
    .map(|name| (folder.join(&name), fs::read(folder.join(&name)).unwrap()))
    .into();
    let manifest = fs::read(folder.join(crate::core::manifest::FILE)).unwrap();
    let mut seed = 3_u64;
    for round in 0..100 {
        fs::write(folder.join(crate::core::manifest::FILE), &manifest).unwrap();
        for (path, bytes) in &files {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            fs::write(path, &bytes[..(seed >> 33) as usize % (bytes.len() + 1)]).unwrap();
        }
        let recovered = shelf::recover(root.path(), 0, &[]).unwrap();
        assert!(recovered.iter().all(|one| one.done.is_ok()) && recovered.len() == 1);
        assert_eq!(verify(&folder).unwrap(), vec![], "round {round}");
    }
}

#[test]
fn a_track_that_was_made_and_never_noted_is_found() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("early")).unwrap();
    speak(&mut recording, 2);
    let folder = recording.folder().to_owned();
    drop(recording);
    // Killed between making the files of the second person and writing the manifest.
    let head = crate::core::ogg::Head {
        serial: 5,
        channels: 2,
        tags: Vec::new(),
    };
    fs::write(folder.join("tracks/02_77.opus"), head.pages()).unwrap();
    let before = Manifest::read(&folder).unwrap().tracks.len();
    let done = repair(&folder, 0).unwrap();
    assert_eq!(done.manifest.tracks.len(), before + 1);
    let found = done.manifest.tracks.last().unwrap();
    assert_eq!((found.user.as_str(), found.frames), ("77", 960));
    assert!(done.tracks.last().unwrap().report.is_legal());
    assert_eq!(repair(&folder, 0).unwrap().manifest, done.manifest);
}
