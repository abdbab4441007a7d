//! Whole recordings in temporary folders, with real Opus.

mod broken;

use super::super::checker::check;
use super::super::manifest::State;
use super::super::repair::{repair_track, verify};
use super::super::{events, export, index, shelf};
use super::*;

const GUILD: u64 = 81_384_788_765_712_384;
const ADA: u64 = 53_908_099_506_183_680;
const BOB: u64 = 110_373_943_822_540_800;

const ALL: std::ops::Range<u64> = 0..u64::MAX;

/// A folder that needs no disk where the system has one: these tests force a thousand files to it.
fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn plan(id: &str) -> Plan {
    Plan {
        id: id.to_owned(),
        guild: GUILD,
        channel: 1,
        starter: ADA,
        title: "Änderung 5".to_owned(),
        consent: "notice".to_owned(),
        previous: None,
        started_ms: 1_790_000_000_000,
        limits: Limits {
            // The disks of tests are slow, and nobody pulls their plug.
            sync_every_us: u64::MAX,
            ..Limits::default()
        },
    }
}

/// Packets of 20 ms with a tone, from libopus.
fn tone(packets: usize) -> Vec<Vec<u8>> {
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(32_000)).unwrap();
    (0..packets)
        .map(|packet| {
            let pcm: Vec<f32> = (0..1_920)
                .map(|sample| {
                    let time = (packet * 960 + sample / 2) as f32 / 48_000.0;
                    0.3 * (time * 6_283.185).sin()
                })
                .collect();
            encoder.encode_vec_float(&pcm, 1_275).unwrap()
        })
        .collect()
}

fn arrived(ssrc: u32, number: usize, at_us: u64, payload: Vec<u8>) -> Arrived {
    Arrived {
        ssrc,
        seq: number as u16,
        rtp: number as u32 * 960,
        arrival_us: at_us,
        payload,
    }
}

/// Ada speaks for `seconds` from second 2 on; one packet of 20 is lost.
fn speak(recording: &mut Recording, seconds: usize) {
    for (number, payload) in tone(seconds * 50).into_iter().enumerate() {
        let at_us = 2_000_000 + number as u64 * 20_000;
        if number % 20 != 7 {
            recording
                .packet(ADA, "Ada", arrived(3, number, at_us, payload))
                .unwrap();
        }
        recording.tick(at_us, None).unwrap();
    }
}

#[test]
fn a_recording_is_whole_and_every_decoder_hears_it_in_place() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("first")).unwrap();
    speak(&mut recording, 10);
    let note = Event::Note {
        by: ADA.to_string(),
        note: "chapter".to_owned(),
        text: "One --> two".to_owned(),
    };
    recording.event(4_500_000, 1_790_000_004_500, note).unwrap();
    recording
        .finish(14_000_000, 1_790_000_014_000, "asked")
        .unwrap();
    assert!(matches!(
        recording.packet(ADA, "Ada", arrived(3, 0, 0, vec![0xF8])),
        Err(RecorderError::Ended)
    ));
    let folder = recording.folder().to_owned();
    let manifest = shelf::seal(&folder).unwrap();
    assert_eq!(manifest.state, State::Stopped);
    assert_eq!(verify(&folder).unwrap(), vec![]);
    let entry = &manifest.tracks[0];
    assert_eq!(entry.file, format!("tracks/01_{ADA}.opus"));
    assert_eq!(entry.lost, 25);
    // The end may need a packet of its own.
    assert!((14 * 48_000..=14 * 48_000 + 960).contains(&entry.frames));
    let path = folder.join(&entry.file);
    let report = check(&path).unwrap();
    assert!(report.is_legal() && report.frames == entry.frames);
    let records = index::parse(&fs::read(folder.join(&entry.index)).unwrap()).unwrap();
    assert_eq!(records.len(), 475);

    let mut pcm = Vec::new();
    export::decode(&path, ALL, |block| {
        pcm.extend_from_slice(block);
        Ok(())
    })
    .unwrap();
    assert_eq!(pcm.len() as u64, 2 * (entry.frames - 312));
    let loud = |second: f64| {
        let from = (second * 96_000.0) as usize;
        pcm[from..from + 4_800]
            .iter()
            .any(|sample| sample.abs() > 0.1)
    };
    assert!(
        !loud(1.9) && loud(2.0) && loud(2.16),
        "speech begins at second 2, losses are concealed"
    );
    assert!(loud(11.9) && !loud(12.1));

    let (lines, strange) = events::read(&folder).unwrap();
    assert_eq!((lines.len(), strange), (3, 0));
    let vtt = export::webvtt(&lines, manifest.length_us);
    assert!(
        vtt.contains("00:00:04.500 --> 00:00:14.000\nOne --&gt; two"),
        "{vtt}"
    );
    assert_eq!(
        export::audacity_labels(&lines),
        "4.500000\t4.500000\tOne --> two\n"
    );

    let wav = root.path().join("ada.wav");
    export::wav(&path, ALL, &wav).unwrap();
    let bytes = fs::read(&wav).unwrap();
    let samples: Vec<i16> = bytes[export::WAV_HEADER_BYTES..]
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let wanted: Vec<i16> = pcm.iter().map(|sample| export::to_i16(*sample)).collect();
    assert_eq!(samples, wanted);

    // A range is the same samples, though the decoder begins but a second before it.
    let (from, to) = (5 * 48_000 + 77, 6 * 48_000);
    let mut part = Vec::new();
    export::decode(&path, from..to, |block| {
        part.extend_from_slice(block);
        Ok(())
    })
    .unwrap();
    let whole = &pcm[2 * from as usize..2 * to as usize];
    assert_eq!(part.len(), whole.len());
    let off = part
        .iter()
        .zip(whole)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(off < 0.02, "{off}");
}

#[test]
fn a_silent_room_costs_less_than_a_megabyte_an_hour() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("night")).unwrap();
    recording
        .packet(ADA, "Ada", arrived(1, 0, 0, vec![0xF8, 0xFF, 0xFE]))
        .unwrap();
    let hours = 12 * 3_600;
    for second in 0..hours {
        recording.tick(second * 1_000_000 + 137, None).unwrap();
    }
    let notices = recording.tick(hours * 1_000_000, Some(3 << 30)).unwrap();
    assert_eq!(
        notices,
        [
            Notice::RoomLow {
                free_bytes: 3 << 30
            },
            Notice::Longest
        ]
    );
    let notices = recording.tick(hours * 1_000_000, Some(1 << 20)).unwrap();
    assert!(notices.contains(&Notice::RoomOut {
        free_bytes: 1 << 20
    }));
    recording.finish(hours * 1_000_000, 0, "asked").unwrap();
    let hourly = recording.bytes() / 12;
    eprintln!("{hourly} bytes an hour");
    assert!(hourly < 830_000, "{hourly} bytes an hour");
    let path = recording
        .folder()
        .join(&recording.manifest().tracks[0].file);
    let report = check(&path).unwrap();
    assert!(report.is_legal());
    assert!((hours * 48_000..=hours * 48_000 + 960).contains(&report.frames));
}

#[test]
fn somebody_who_comes_200_times_has_one_track_and_every_word() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("door")).unwrap();
    let packets = tone(20);
    for visit in 0..200_u64 {
        let from_us = visit * 3_000_000;
        let join = Event::Join {
            user: ADA.to_string(),
            name: "Ada".to_owned(),
        };
        recording.event(from_us, 0, join).unwrap();
        for (number, payload) in packets.iter().enumerate() {
            let at_us = from_us + 500_000 + number as u64 * 20_000;
            let seq = number + visit as usize * 7_919;
            let arrived = arrived(visit as u32 + 1, seq, at_us, payload.clone());
            recording.packet(ADA, "Ada", arrived).unwrap();
            recording.tick(at_us, None).unwrap();
        }
        recording.tick(from_us + 2_900_000, None).unwrap();
    }
    recording.finish(600_000_000, 0, "asked").unwrap();
    assert_eq!(recording.manifest().tracks.len(), 1);
    let counts = recording.counts(ADA).unwrap();
    assert_eq!(
        (counts.placed, counts.streams, counts.late),
        (4_000, 200, 0)
    );
    assert_eq!(verify(recording.folder()).unwrap(), vec![]);
    let index = fs::read(
        recording
            .folder()
            .join(&recording.manifest().tracks[0].index),
    )
    .unwrap();
    for entry in index::parse(&index).unwrap() {
        let off = entry.at as i64 - super::super::frames_in(entry.arrived.arrival_us) as i64;
        assert!(off.abs() <= 120, "{off} frames off");
    }
}

#[test]
fn excluded_people_and_pauses_leave_nothing_on_the_disk() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("quiet")).unwrap();
    recording.exclude(BOB);
    let secret = |number| {
        arrived(
            9,
            number,
            number as u64 * 20_000,
            b"\xFCsecret words".to_vec(),
        )
    };
    for number in 0..50 {
        recording.packet(BOB, "Bob", secret(number)).unwrap();
    }
    let join = Event::Join {
        user: BOB.to_string(),
        name: "Bob".to_owned(),
    };
    recording.event(5, 0, join).unwrap();
    recording.pause(1_000_000, 0, &ADA.to_string()).unwrap();
    for number in 50..100 {
        recording.packet(ADA, "Ada", secret(number)).unwrap();
        recording.tick(number as u64 * 20_000, None).unwrap();
    }
    recording.resume(2_000_000, 0, &ADA.to_string()).unwrap();
    recording.finish(3_000_000, 0, "asked").unwrap();
    let folder = recording.folder().to_owned();
    let mut left = vec![root.path().to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for trace in [BOB.to_string().as_bytes(), b"secret", b"Bob"] {
            let found = bytes.windows(trace.len()).any(|window| window == trace);
            assert!(
                !found,
                "{} holds {}",
                path.display(),
                String::from_utf8_lossy(trace)
            );
        }
    }
    shelf::delete(&folder).unwrap();
    assert!(!folder.exists());
}

#[test]
fn old_recordings_are_pruned_unless_somebody_keeps_them() {
    let root = memory();
    for id in ["old", "kept", "open"] {
        let mut recording = Recording::begin(root.path(), plan(id)).unwrap();
        if id != "open" {
            recording.finish(1_000_000, 0, "asked").unwrap();
        }
        if id == "kept" {
            shelf::keep(recording.folder(), true).unwrap();
        }
    }
    let day = 86_400_000;
    let start = 1_790_000_000_000;
    assert!(
        shelf::prune(root.path(), start + 7 * day, 7)
            .unwrap()
            .is_empty()
    );
    let gone = shelf::prune(root.path(), start + 8 * day, 7).unwrap();
    assert_eq!(gone.len(), 1);
    let left: Vec<String> = shelf::list(root.path())
        .unwrap()
        .into_iter()
        .map(|shelved| shelved.manifest.unwrap().id)
        .collect();
    assert_eq!(left, ["kept", "open"]);
}

#[test]
fn two_rooms_and_fifty_speakers_do_not_touch_each_other() {
    let root = memory();
    let mut other = plan("b");
    other.guild = GUILD + 1;
    let mut rooms = [
        Recording::begin(root.path(), plan("a")).unwrap(),
        Recording::begin(root.path(), other).unwrap(),
    ];
    for number in 0..25 {
        let at_us = number as u64 * 20_000;
        for room in &mut rooms {
            for user in 1..=50_u64 {
                let payload = vec![0xFC, user as u8, number as u8, 0, 1];
                let arrived = arrived(user as u32, number, at_us, payload);
                room.packet(user, "somebody", arrived).unwrap();
            }
            let music = arrived(99, number, at_us, vec![0xFC, 1, 2, 3]);
            room.lane("music", music).unwrap();
            room.tick(at_us, None).unwrap();
        }
    }
    for room in &mut rooms {
        room.finish(1_000_000, 0, "asked").unwrap();
        assert!(room.folder().join("lanes/music.opus").exists());
        assert_eq!(verify(room.folder()).unwrap(), vec![]);
        assert_eq!(room.manifest().tracks.len(), 51);
        assert!(
            room.manifest()
                .tracks
                .iter()
                .all(|entry| entry.packets == 25)
        );
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_told_with_its_name() {
    let root = memory();
    fs::write(root.path().join("file"), b"").unwrap();
    let error = Recording::begin(&root.path().join("file"), plan("x")).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
    for id in ["", "../up", "a/b", ".."] {
        assert!(Recording::begin(root.path(), plan(id)).is_err(), "{id}");
    }
    let first = Recording::begin(root.path(), plan("same")).unwrap();
    assert!(Recording::begin(root.path(), plan("same")).is_err());
    drop(first);
}

/// For `opusinfo`, `ffprobe`, `sox` and ears: `cargo nextest run -p mynah-recorder --run-ignored only look`.
#[test]
#[ignore = "writes a recording to look at by hand"]
fn look() {
    let root = std::env::temp_dir().join("mynah-look");
    let _ = fs::remove_dir_all(&root);
    let mut recording = Recording::begin(&root, plan("look")).unwrap();
    speak(&mut recording, 10);
    recording.finish(14_000_000, 0, "asked").unwrap();
    let path = recording
        .folder()
        .join(&recording.manifest().tracks[0].file);
    export::wav(&path, ALL, &root.join("look.wav")).unwrap();
    export::flac(&path, ALL, &root.join("look.flac")).unwrap();
    export::mix(&[&path, &path], ALL, &root.join("mix.wav")).unwrap();
    export::zip::pack(&[("a/b.opus".to_owned(), &path)], &root.join("look.zip")).unwrap();
    let cut = root.join("cut.opus");
    let whole = fs::read(&path).unwrap();
    fs::write(root.join("torn.opus"), &whole[..whole.len() / 2]).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    repair_track(&cut, &recording.manifest().head(0)).unwrap();
}

/// What recording costs: `cargo nextest run -p mynah-recorder --run-ignored only --no-capture costs`.
#[test]
#[ignore = "a measurement"]
fn what_200_speakers_cost() {
    let root = memory();
    let mut recording = Recording::begin(root.path(), plan("cost")).unwrap();
    let packets = tone(50);
    let resident_kb = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let before_kb = resident_kb();
    let speak = |recording: &mut Recording, from: usize, to: usize| {
        for number in from..to {
            let at_us = number as u64 * 20_000;
            for user in 1..=200 {
                let payload = packets[number % 50].clone();
                let arrived = arrived(user as u32, number, at_us, payload);
                recording.packet(user, "somebody", arrived).unwrap();
            }
            recording.tick(at_us, None).unwrap();
        }
    };
    speak(&mut recording, 0, 50);
    let start = std::time::Instant::now();
    speak(&mut recording, 50, 1_550);
    let took = start.elapsed();
    let each_kb = (resident_kb() - before_kb) / 200;
    eprintln!(
        "200 speakers, 30 s: {took:?}, {:.2} % of a core, {each_kb} kB each",
        took.as_secs_f64() / 0.3
    );
}
