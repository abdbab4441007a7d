//! A recording in a world of virtual time: four people whose crystals are off by 100 ppm, a bad network,
//! a new epoch every ten seconds, a broken and resumed gateway, a change of the voice server; real
//! sessions, the real ear, the recorder's core. The finished tracks are decoded and held against what
//! was said (`mynah_testkit::world::tape`).
//!
//! The usual run records two minutes. Two hours:
//!
//! ```sh
//! MYNAH_RECORD_SECONDS=7200 cargo test --release --test recorder_world four -- --nocapture
//! ```
//!
//! `MYNAH_SEED` takes another course.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mynah_recorder::core::manifest::{Kind, Manifest, TrackEntry};
use mynah_recorder::core::timeline::Fate;
use mynah_recorder::core::{checker, export, index, repair};
use mynah_testkit::world::tape::{
    BOT, MARKER_FRAMES, MARKER_HZ, Recorded, Speaker, Spoken, WORD_FRAMES, id_of, record, word_hz,
};
use mynah_testkit::world::{Act, Delays, Network, Script};

const SEED: u64 = 20_261_123;
/// Tracks may be so far from the truth.
const CLOSE_MS: f64 = 20.0;
/// One way through the network at least; everything people say is late by two of these.
const WAY: Duration = Duration::from_millis(20);

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// 5 % lost and 60 ms of jitter on both ways together, some packets twice.
fn bad_network() -> Network {
    Network {
        udp: Delays {
            base: WAY,
            jitter: Duration::from_millis(30),
            ..Delays::constant(WAY)
        },
        lost_permille: 25,
        twice_permille: 5,
        ..Network::default()
    }
}

const fn talks(ppm: f64, talk_frames: u64, pause_frames: u64) -> Speaker {
    Speaker {
        ppm,
        talk_frames,
        pause_frames,
    }
}

/// The bot, four people, and one who comes and goes.
const PEOPLE: [Speaker; 6] = [
    talks(0.0, 1, 0),
    talks(100.0, 1, 0),
    talks(-100.0, 1, 0),
    talks(100.0, 40, 10),
    talks(-100.0, 150, 150),
    talks(60.0, 40, 10),
];

/// Memory where the system has it: a recording syncs many files.
fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn recorded(script: &Script, root: &Path) -> Recorded {
    match record(script, &PEOPLE, root) {
        Ok(recorded) => recorded,
        Err(failure) => panic!("{failure}"),
    }
}

/// Something that can be heard at a known place.
struct Sign {
    /// Where it begins, in frames at 48 kHz, as told by its packets' sending.
    at: f64,
    frames: u64,
    hz: f32,
}

/// What one track was found to be.
#[derive(Debug, Default)]
struct Verdict {
    packets: u64,
    lost: u64,
    /// Opened by the ear, and not on the line.
    missing: u64,
    left_out: u64,
    /// By its index, how far packets are from the truth at most, in ms.
    worst_packet: f64,
    /// Seconds and ms of the first that are too far.
    far: Vec<(f64, f64)>,
    markers: u64,
    /// Decoded, how far markers are from the truth at most, in ms.
    worst_marker: f64,
    faint_markers: u64,
    words: u64,
    missing_words: u64,
}

/// Packets that were said, by frame: when it should be heard, in microseconds, and whether it is there.
type Truth = BTreeMap<u64, (f64, bool)>;

fn placed(folder: &Path, entry: &TrackEntry) -> Vec<mynah_recorder::core::timeline::Entry> {
    let bytes = std::fs::read(folder.join(&entry.index)).unwrap();
    index::parse(&bytes).unwrap()
}

/// Holds the index against what was said, and gives the truth of each frame that is on the line.
fn check_packets(recorded: &Recorded, entry: &TrackEntry, verdict: &mut Verdict) -> Truth {
    let client = (0..PEOPLE.len()).find(|client| id_of(*client).to_string() == entry.user);
    let said = |ssrc: u32, rtp: u32| -> Option<Spoken> {
        match client {
            Some(_) => recorded.spoken.get(&(ssrc, rtp)).copied(),
            None => recorded.played.get(&rtp).map(|(frame, sent_us)| Spoken {
                client: BOT,
                frame: *frame,
                sent_us: *sent_us,
                is_heard: true,
            }),
        }
    };
    let late_us = client.map_or(0.0, |_| 2.0 * WAY.as_secs_f64() * 1e6);
    let mut on_line: BTreeMap<u64, f64> = BTreeMap::new();
    for packet in placed(&recorded.folder, entry) {
        let spoken = said(packet.arrived.ssrc, packet.arrived.rtp)
            .unwrap_or_else(|| panic!("nobody said {packet:?}"));
        match packet.fate {
            Fate::LeftOut => verdict.left_out += 1,
            Fate::Placed | Fate::Anchored => {
                let truth_us = spoken.sent_us as f64 + late_us;
                let off = packet.at as f64 / 48.0 - truth_us / 1e3;
                verdict.worst_packet = verdict.worst_packet.max(off.abs());
                if off.abs() > CLOSE_MS && verdict.far.len() < 20 {
                    verdict.far.push((truth_us / 1e6, off));
                }
                assert!(
                    on_line.insert(spoken.frame, truth_us).is_none(),
                    "frame {} twice",
                    spoken.frame
                );
            }
            Fate::Late | Fate::Unusable => {}
        }
    }
    verdict.packets = on_line.len() as u64;
    let all: Vec<(u64, bool)> = match client {
        Some(client) => {
            let of_client = recorded.spoken.values().filter(|s| s.client == client);
            of_client
                .map(|spoken| (spoken.frame, spoken.is_heard))
                .collect()
        }
        None => recorded
            .played
            .values()
            .map(|(frame, _)| (*frame, true))
            .collect(),
    };
    verdict.lost = all.iter().filter(|(_, is_heard)| !is_heard).count() as u64;
    let unplaced = all
        .iter()
        .filter(|(frame, is_heard)| *is_heard && !on_line.contains_key(frame));
    verdict.missing = (unplaced.count() as u64).saturating_sub(verdict.left_out);
    let gone = all
        .iter()
        .filter(|(frame, _)| !on_line.contains_key(frame))
        .map(|(frame, _)| (*frame, (0.0, false)));
    let mut truth: Truth = gone.collect();
    let on_line = on_line.into_iter();
    truth.extend(on_line.map(|(frame, truth_us)| (frame, (truth_us, true))));
    truth
}

/// Markers and words of which every packet, and the one before, is on the line.
fn signs(client: usize, truth: &Truth) -> (Vec<Sign>, Vec<Sign>) {
    let (mut markers, mut words) = (Vec::new(), Vec::new());
    let whole = |from: u64, to: u64| {
        (from..to).all(|frame| truth.get(&frame).is_some_and(|(_, came)| *came))
    };
    let mut frames = truth.keys().copied();
    let first = frames.next().unwrap_or(0) / 50;
    let last = frames.next_back().unwrap_or(0) / 50;
    for second in first..=last {
        let begin = second * 50;
        // Behind a pause a decoder stands as well as behind a packet.
        let is_clean = begin > 0 && truth.get(&(begin - 1)).is_none_or(|(_, came)| *came);
        if is_clean && whole(begin, begin + MARKER_FRAMES + 1) {
            markers.push(Sign {
                at: truth[&begin].0 * 0.048,
                frames: MARKER_FRAMES * 960,
                hz: MARKER_HZ,
            });
        }
        let (from, to) = (begin + WORD_FRAMES.start, begin + WORD_FRAMES.end);
        if whole(from - 1, to) {
            words.push(Sign {
                at: truth[&from].0 * 0.048,
                frames: (WORD_FRAMES.end - WORD_FRAMES.start) * 960,
                hz: word_hz(client, second),
            });
        }
    }
    (markers, words)
}

/// Power of a pitch in each step of 48 frames, as complex sums: one step is a millisecond.
fn steps(sound: &[f32], hz: f32) -> Vec<(f64, f64, f64)> {
    let step = f64::from(std::f32::consts::TAU * hz / 48_000.0);
    let steps = sound.chunks_exact(48).enumerate().map(|(number, part)| {
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (at, sample) in part.iter().enumerate() {
            let (sample, turn) = (f64::from(*sample), step * (number * 48 + at) as f64);
            re += sample * turn.cos();
            im += sample * turn.sin();
            all += sample * sample;
        }
        (re, im, all)
    });
    steps.collect()
}

/// Where in `sound` a tone of so many frames is: the place where it has most power, and how much of
/// all power there it is.
fn find(sound: &[f32], sign: &Sign) -> (f64, f64) {
    let steps = steps(sound, sign.hz);
    let long = (sign.frames / 48) as usize;
    let mut best = (0.0, 0.0, 0.0);
    for at in 0..steps.len().saturating_sub(long) {
        // 20 ms at a time: within a word the line may be set right by some milliseconds.
        let (power, all) = steps[at..at + long]
            .chunks(20)
            .fold((0.0, 0.0), |sum, part| {
                let (re, im, all) = part.iter().fold((0.0, 0.0, 0.0), |sum, step| {
                    (sum.0 + step.0, sum.1 + step.1, sum.2 + step.2)
                });
                (sum.0 + re * re + im * im, sum.1 + all)
            });
        if power > best.1 {
            let pure = 2.0 * power / (all * 960.0).max(1e-9);
            best = (at as f64 * 48.0, power, pure);
        }
    }
    (best.0, best.2)
}

/// Decodes a track once and looks for all signs.
fn check_sound(track: &Path, markers: &[Sign], words: &[Sign], verdict: &mut Verdict) {
    const AROUND: f64 = 2_880.0;
    let mut all: Vec<(&Sign, bool)> = markers.iter().map(|sign| (sign, true)).collect();
    all.extend(words.iter().map(|sign| (sign, false)));
    all.sort_by(|a, b| a.0.at.total_cmp(&b.0.at));
    let (mut sound, mut base) = (Vec::<f32>::new(), 0_usize);
    let mut next = all.into_iter().peekable();
    export::decode(track, 0..u64::MAX, |block| {
        sound.extend(block.chunks_exact(2).map(|pair| pair[0]));
        while let Some((sign, is_marker)) = next.peek() {
            let from = (sign.at - AROUND).max(0.0) as usize;
            let to = from + sign.frames as usize + 2 * AROUND as usize;
            if base + sound.len() < to {
                break;
            }
            let (place, purity) = find(&sound[from - base..to - base], sign);
            let off_ms = ((from as f64 + place) - sign.at) / 48.0;
            if *is_marker {
                verdict.markers += 1;
                verdict.worst_marker = verdict.worst_marker.max(off_ms.abs());
                verdict.faint_markers += u64::from(purity < 0.5);
            } else {
                verdict.words += 1;
                let is_there = purity > 0.5 && off_ms.abs() <= CLOSE_MS + 5.0;
                verdict.missing_words += u64::from(!is_there);
            }
            next.next();
        }
        let keep = 96_000;
        if sound.len() > 10 * keep {
            let gone = sound.len() - keep;
            sound.drain(..gone);
            base += gone;
        }
        Ok(())
    })
    .unwrap();
}

fn judge(recorded: &Recorded) -> Vec<(TrackEntry, Verdict)> {
    let folder = &recorded.folder;
    assert_eq!(repair::verify(folder).unwrap(), vec![]);
    let manifest = Manifest::read(folder).unwrap();
    let tracks = manifest.tracks.into_iter().map(|entry| {
        let mut verdict = Verdict::default();
        let truth = check_packets(recorded, &entry, &mut verdict);
        let client = (0..PEOPLE.len()).find(|client| id_of(*client).to_string() == entry.user);
        let (markers, words) = signs(client.unwrap_or(BOT), &truth);
        let track = folder.join(&entry.file);
        assert!(checker::check(&track).unwrap().is_legal());
        check_sound(&track, &markers, &words, &mut verdict);
        eprintln!(
            "{} {}: {verdict:?}, {:?} ppm",
            entry.file, entry.name, entry.drift_ppm
        );
        (entry, verdict)
    });
    tracks.collect()
}

#[test]
fn four_people_are_in_time_through_everything_that_happens_to_a_call() {
    let seconds = setting("MYNAH_RECORD_SECONDS", 120);
    let mut script = Script::new(setting("MYNAH_SEED", SEED))
        .network(bad_network())
        .join_all(0..5, 0);
    // A new epoch every ten seconds: somebody comes, or goes.
    for turn in 0..seconds / 10 {
        script = script.wait_ms(10_000).then(match turn % 2 {
            0 => Act::Join(5),
            _ => Act::Leave(5),
        });
        if turn == seconds / 30 {
            // The bot's websocket breaks and is resumed.
            script = script
                .wait_ms(2_000)
                .then(Act::Break(BOT, Duration::from_millis(1_500)));
        }
        if turn == seconds / 15 {
            script = (0..5).fold(script.wait_ms(3_000), |script, client| {
                script.then(Act::Migrate(client))
            });
        }
    }
    let root = memory();
    let recorded = recorded(&script, root.path());
    eprintln!("{}", recorded.counts);
    assert!(recorded.counts.resumes >= 1);
    assert!(recorded.plugged >= 2, "the voice server was not replaced");
    let tracks = judge(&recorded);
    // Five people and the lane; who came again and again has one track.
    assert_eq!(tracks.len(), 6);
    for (entry, verdict) in &tracks {
        let name = &entry.file;
        assert_eq!(verdict.missing, 0, "{name}: {verdict:?}");
        assert_eq!(verdict.missing_words, 0, "{name}: {verdict:?}");
        assert_eq!(verdict.faint_markers, 0, "{name}: {verdict:?}");
        assert!(verdict.worst_packet <= CLOSE_MS, "{name}: {verdict:?}");
        assert!(verdict.worst_marker <= CLOSE_MS, "{name}: {verdict:?}");
        assert!(
            verdict.markers > 0 && verdict.words > 0,
            "{name}: {verdict:?}"
        );
        if entry.kind == Kind::Person {
            assert!(verdict.left_out <= seconds / 180 + 1, "{name}: {verdict:?}");
        } else {
            assert_eq!((verdict.lost, verdict.left_out), (0, 0), "{name}");
        }
    }
}

/// Whoever speaks in the instant of joining is on the tape from the first word that may be said: keys and
/// the name of the stream come later than the first packets, which wait. `MYNAH_TRIES=100` tries often.
#[test]
fn who_speaks_while_joining_is_recorded_from_the_first_packet() {
    let seed = setting("MYNAH_SEED", SEED);
    for attempt in 0..setting("MYNAH_TRIES", 12) {
        let script = Script::new(seed + attempt)
            .then(Act::Join(BOT))
            .wait_ms(137 * (attempt % 7))
            .then(Act::Join(1))
            .wait_ms(1_500)
            .then(Act::Join(2));
        let root = memory();
        let recorded = recorded(&script, root.path());
        for client in [1, 2] {
            let of_client = recorded.spoken.iter().filter(|(_, s)| s.client == client);
            let ((ssrc, rtp), first) = of_client.min_by_key(|(_, s)| s.sent_us).unwrap();
            assert!(first.is_heard, "try {attempt}: the first of {client}");
            let manifest = Manifest::read(&recorded.folder).unwrap();
            let user = id_of(client).to_string();
            let entry = manifest.tracks.iter().find(|entry| entry.user == user);
            let on_line = placed(&recorded.folder, entry.unwrap());
            let begin = on_line.iter().find(|packet| packet.arrived.rtp == *rtp);
            let begin = begin.unwrap_or_else(|| panic!("try {attempt}: {client} is cut off"));
            assert_eq!(begin.arrived.ssrc, *ssrc);
            assert_eq!(begin.fate, Fate::Anchored, "try {attempt}: {client}");
        }
        // The last are still on their way when the world ends.
        let has_come = |s: &&Spoken| s.sent_us + 1_200_000 < recorded.length_us;
        let of_people = recorded.spoken.values().filter(|s| s.client != BOT);
        let unheard: Vec<_> = of_people.filter(has_come).filter(|s| !s.is_heard).collect();
        assert!(unheard.is_empty(), "try {attempt}: {unheard:?}");
    }
}
