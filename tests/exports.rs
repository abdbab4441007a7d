//! What people take away opens in other people's programs: `ffprobe` and `ffmpeg`, `opusinfo`, `flac -t`,
//! `sox`; through the real command line, in every format.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Command;

use mynah_audio::{Encoder, EncoderConfig, SILENT_BLOCK};
use mynah_recorder::core::events::Event;
use mynah_recorder::core::recording::{Limits, Plan, Recording};
use mynah_recorder::core::timeline::Arrived;
use mynah_recorder::core::{export, shelf};
use serde_json::Value;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
const SECONDS: u64 = 20;
const PACKAGES: &str = "apt-get install ffmpeg opus-tools flac sox";

/// Runs somebody else's program; what it said.
fn tool(name: &str, args: &[&str]) -> String {
    let output = Command::new(name)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{name} is needed ({PACKAGES}): {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{name} {args:?}: {said}{complained}"
    );
    said + &complained
}

fn tone(hz: f32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut packet = [0; 1400];
    let packets = (0..50).map(|number| {
        let mut block = SILENT_BLOCK;
        for (at, pair) in block.chunks_exact_mut(2).enumerate() {
            let time = (number * 960 + at) as f32 / 48_000.0;
            pair.fill(0.3 * (std::f32::consts::TAU * hz * time).sin());
        }
        let length = encoder.encode(&block, &mut packet).unwrap();
        packet[..length].to_vec()
    });
    packets.collect()
}

/// Three people, one of them late and one with a name that no file system likes, loss, a pause, a lane,
/// and notes.
fn recorded(root: &Path) -> PathBuf {
    let plan = Plan {
        id: "meeting".to_owned(),
        guild: 81_384_788_765_712_384,
        channel: 1,
        starter: 1,
        title: "Stand/up: \"now\"?".to_owned(),
        consent: "notice".to_owned(),
        previous: None,
        started_ms: 1_790_000_000_000,
        limits: Limits::default(),
    };
    let mut recording = Recording::begin(root, plan).unwrap();
    let voices = [tone(440.0), tone(700.0), tone(1_000.0), tone(300.0)];
    for number in 0..SECONDS as usize * 50 {
        let now_us = number as u64 * 20_000;
        for (who, packets) in voices.iter().enumerate() {
            let late = who == 2 && number < 300;
            let pauses = who == 1 && (200..450).contains(&number);
            let lost = number % 20 == who;
            if late || pauses || (lost && who < 3) {
                continue;
            }
            let arrived = Arrived {
                ssrc: who as u32,
                seq: number as u16,
                rtp: number as u32 * 960,
                arrival_us: now_us,
                payload: packets[number % packets.len()].clone(),
            };
            let name = ["Ada", "../Bob: <b>?", "Jürgen 🎧"].get(who);
            match name {
                Some(name) => recording.packet(who as u64 + 1, name, arrived).unwrap(),
                None => recording.lane("music", arrived).unwrap(),
            }
        }
        if number % 250 == 100 {
            let note = Event::Note {
                by: "1".to_owned(),
                note: "chapter".to_owned(),
                text: format!("part {} -->\t<i>", number / 250 + 1),
            };
            recording.event(now_us, now_us / 1_000, note).unwrap();
        }
        recording.tick(now_us, None).unwrap();
    }
    let end = SECONDS * 1_000_000;
    recording.finish(end, end / 1_000, "done").unwrap();
    let folder = recording.folder().to_owned();
    shelf::seal(&folder).unwrap();
    folder
}

/// `mynah recording export meeting …`; the file.
fn export(home: &Path, args: &[&str]) -> PathBuf {
    let first = [
        "recording",
        "--folder",
        "recordings",
        "export",
        "meeting",
        "--out",
        "out",
    ];
    let all = [&first, args].concat();
    let done = mynah_testkit::run(MYNAH, home, &all, &[]);
    assert_eq!(done.code(), 0, "{args:?}: {}", done.stderr);
    home.join(done.stdout.trim())
}

/// The files of a zip, unpacked by a program of others.
fn unpacked(zip: &Path, to: &Path) -> Vec<PathBuf> {
    let (zip, to) = (zip.to_str().unwrap(), to.to_str().unwrap());
    tool("python3", &["-m", "zipfile", "-t", zip]);
    tool("python3", &["-m", "zipfile", "-e", zip, to]);
    let entries = std::fs::read_dir(to).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

struct Sound {
    codec: String,
    seconds: f64,
}

/// What ffmpeg makes of a file: it decodes without a word, at 48 kHz.
fn sound(file: &Path) -> Sound {
    let path = file.to_str().unwrap();
    let about = [
        "-v",
        "error",
        "-show_streams",
        "-show_format",
        "-of",
        "json",
        path,
    ];
    let about: Value = serde_json::from_str(&tool("ffprobe", &about)).unwrap();
    let stream = &about["streams"][0];
    assert_eq!(stream["sample_rate"], "48000", "{path}");
    assert_eq!(stream["channels"], 2, "{path}");
    let decoded = tool("ffmpeg", &["-v", "error", "-i", path, "-f", "null", "-"]);
    assert_eq!(decoded, "", "{path}");
    let seconds = about["format"]["duration"].as_str().unwrap_or("0");
    Sound {
        codec: stream["codec_name"].as_str().unwrap().to_owned(),
        seconds: seconds.parse().unwrap(),
    }
}

#[test]
fn every_export_opens_in_the_programs_of_others() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let folder = recorded(&home.join("recordings"));
    let formats = [
        ("opus", "opus", "opus"),
        ("flac", "flac", "flac"),
        ("wav", "wav", "pcm_s16le"),
        ("mp3", "mp3", "mp3"),
        ("aac", "m4a", "aac"),
    ];
    for (format, ending, codec) in formats {
        let zip = export(home, &["--format", format]);
        let files = unpacked(&zip, &home.join(format));
        let tracks = files
            .iter()
            .filter(|file| file.extension().is_some_and(|e| e == ending));
        let tracks: Vec<&PathBuf> = tracks.collect();
        assert_eq!(tracks.len(), 4, "{files:?}");
        for track in tracks {
            let name = track.file_name().unwrap().to_str().unwrap();
            assert!(!name.contains(['/', ':', '<', '"']), "{name}");
            let found = sound(track);
            assert_eq!(found.codec, codec, "{name}");
            // Every track is as long as the recording, the late one too; codecs have blocks and delays.
            assert!(
                (found.seconds - SECONDS as f64).abs() < 0.1,
                "{name}: {}",
                found.seconds
            );
            let path = track.to_str().unwrap();
            match format {
                "opus" => {
                    let said = tool("opusinfo", &[path]);
                    assert!(!said.to_lowercase().contains("warning"), "{name}: {said}");
                }
                "flac" => {
                    let said = tool("flac", &["-t", "--totally-silent", path]);
                    assert_eq!(said, "", "{name}");
                    let sum = tool("metaflac", &["--show-md5sum", path]);
                    assert_ne!(sum.trim(), "0".repeat(32), "{name} says what it hashes to");
                }
                _ => {}
            }
            if ["flac", "wav"].contains(&format) {
                let said = tool("sox", &["-V2", path, "-n", "stat"]);
                assert!(
                    !said.contains("WARN") && said.contains("Length"),
                    "{name}: {said}"
                );
            }
        }
        // Labels for people and programs.
        let chapters = home.join(format).join("chapters.vtt");
        let said = tool(
            "ffprobe",
            &[
                "-v",
                "error",
                "-show_packets",
                "-of",
                "json",
                chapters.to_str().unwrap(),
            ],
        );
        let cues: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(cues["packets"].as_array().unwrap().len(), 4, "{said}");
        let labels = std::fs::read_to_string(home.join(format).join("labels.txt")).unwrap();
        assert_eq!(
            labels.lines().next().unwrap(),
            "2.000000\t2.000000\tpart 1 --> <i>"
        );
        assert!(
            labels.lines().all(|line| line.split('\t').count() == 3),
            "{labels}"
        );
    }
    // One file for a mix, a range, a chapter, somebody's track.
    let pieces: [(&[&str], f64); 4] = [
        (&["--format", "wav", "--mix"], 20.0),
        (
            &["--format", "flac", "--mix", "--from", "0:03", "--to", "5s"],
            2.0,
        ),
        (&["--format", "flac", "--mix", "--chapter", "2"], 5.0),
        (
            &["--format", "mp3", "--track", "ada", "--from", "10s"],
            10.0,
        ),
    ];
    for (args, seconds) in pieces {
        let found = sound(&export(home, args));
        assert!(
            (found.seconds - seconds).abs() < 0.06,
            "{args:?}: {}",
            found.seconds
        );
    }
    the_wav_of_a_track_is_what_libopus_decodes(home, &folder);
}

/// Sample for sample: our decoding from the beginning is nothing but libopus.
fn the_wav_of_a_track_is_what_libopus_decodes(home: &Path, folder: &Path) {
    let wav = export(home, &["--format", "wav", "--track", "Ada"]);
    let ours = samples(&wav);
    let mut theirs: Vec<i16> = Vec::new();
    let track = std::fs::read_dir(folder.join("tracks")).unwrap();
    let mut tracks: Vec<PathBuf> = track.map(|entry| entry.unwrap().path()).collect();
    tracks.retain(|path| path.to_str().unwrap().ends_with("_1.opus"));
    export::decode(&tracks[0], 0..u64::MAX / 2, |block| {
        theirs.extend(block.iter().map(|sample| export::to_i16(*sample)));
        Ok(())
    })
    .unwrap();
    assert_eq!(ours.len(), theirs.len());
    assert!(ours == theirs, "the same samples");
    // And what another program with another libopus hears, where nothing had to be concealed.
    let wav = export(home, &["--format", "wav", "--track", "music"]);
    let (ours, other) = (samples(&wav), home.join("other.wav"));
    let lane = folder.join("lanes/music.opus");
    let said = Command::new("opusdec")
        .args(["--quiet", "--no-dither", "--rate", "48000"])
        .args([&lane, &other])
        .output()
        .unwrap_or_else(|error| panic!("opusdec is needed ({PACKAGES}): {error}"));
    assert!(said.status.success(), "{said:?}");
    let theirs = samples(&other);
    let pairs = ours.iter().zip(&theirs);
    let far = pairs.filter(|(ours, theirs)| (i32::from(**ours) - i32::from(**theirs)).abs() > 2);
    assert_eq!((far.count(), ours.len()), (0, theirs.len()));
}

fn samples(wav: &Path) -> Vec<i16> {
    let bytes = std::fs::read(wav).unwrap();
    let data = bytes.windows(4).position(|part| part == b"data").unwrap() + 8;
    bytes[data..]
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}
