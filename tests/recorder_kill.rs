//! A recorder that is killed at random moments: everything it leaves behind can be made whole, and no
//! more than the last second is gone.
//!
//! The usual run kills 60 times, at moments spread over the first 60 ms of a process, in which it makes
//! its folder, opens tracks and writes up to minutes of sound. A thousand:
//!
//! ```sh
//! MYNAH_KILLS=1000 cargo nextest run --test recorder_kill killed --no-capture
//! ```
//!
//! `MYNAH_SEED` takes other moments. What is left of every 20th is shown to `ffmpeg` and `opusinfo`,
//! where they are installed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mynah_audio::{Encoder, EncoderConfig, SILENT_BLOCK};
use mynah_recorder::core::events::Event;
use mynah_recorder::core::manifest::{Manifest, State};
use mynah_recorder::core::recording::{Limits, Plan, Recording};
use mynah_recorder::core::timeline::Arrived;
use mynah_recorder::core::{checker, frames_in, repair, shelf};

/// Tells the other half of this test where to record.
const ROOT: &str = "MYNAH_KILL_ROOT";
const GUILD: u64 = 81_384_788_765_712_384;
const PEOPLE: u64 = 3;
/// A page is written a second after its first packet came at the latest; what was taken in during the last
/// step was not promised yet.
const MAY_BE_GONE_US: u64 = 1_000_000 + 2 * 20_000;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn tone() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut packet = [0; 1400];
    let packets = (0..10).map(|number| {
        let mut block = SILENT_BLOCK;
        for (at, pair) in block.chunks_exact_mut(2).enumerate() {
            let time = (number * 960 + at) as f32 / 48_000.0;
            pair.fill(0.3 * (time * 6_283.185).sin());
        }
        let length = encoder.encode(&block, &mut packet).unwrap();
        packet[..length].to_vec()
    });
    packets.collect()
}

/// The half that is killed: three people and a lane, as fast as the machine goes, and in a file how far
/// that is.
#[test]
#[ignore = "runs in a process of its own, until it is killed"]
fn records_until_it_is_killed() {
    let Ok(root) = std::env::var(ROOT) else {
        return;
    };
    let root = Path::new(&root);
    let progress = File::create(root.join("progress")).unwrap();
    let packets = tone();
    let plan = Plan {
        id: "killed".to_owned(),
        guild: GUILD,
        channel: 1,
        starter: 1,
        title: "Standup".to_owned(),
        consent: "notice".to_owned(),
        previous: None,
        started_ms: 1_790_000_000_000,
        limits: Limits::default(),
    };
    let mut recording = Recording::begin(&root.join("recordings"), plan).unwrap();
    // Ends by itself, should nobody kill it.
    for number in 0..50 * 3_600_usize {
        let now_us = number as u64 * 20_000;
        let arrived = |ssrc: u64| Arrived {
            ssrc: ssrc as u32,
            seq: number as u16,
            rtp: number as u32 * 960,
            arrival_us: now_us,
            payload: packets[number % packets.len()].clone(),
        };
        for user in 1..=PEOPLE {
            // One packet of twenty is lost.
            if !(number as u64 + user).is_multiple_of(20) {
                recording.packet(user, "Ada", arrived(user)).unwrap();
            }
        }
        recording.lane("music", arrived(99)).unwrap();
        if number.is_multiple_of(50) {
            let note = Event::Note {
                by: "1".to_owned(),
                note: "chapter".to_owned(),
                text: format!("second {}", number / 50),
            };
            recording.event(now_us, now_us / 1_000, note).unwrap();
        }
        recording.tick(now_us, None).unwrap();
        progress.write_all_at(&now_us.to_le_bytes(), 0).unwrap();
    }
}

/// A small random generator (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }
}

/// What was left after one kill.
enum Left {
    /// There was no folder yet.
    Nothing,
    /// It recorded for so long; of this much was gone at most.
    Tracks { recorded_us: u64, gone_us: u64 },
}

fn kill(root: &Path, after: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "records_until_it_is_killed", "--ignored"])
        .env(ROOT, root)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The moment counts from when the recorder works: processes take their time to start.
    let limit = Instant::now() + Duration::from_secs(30);
    while !root.join("progress").exists() {
        assert!(Instant::now() < limit, "the recorder does not start");
        std::thread::yield_now();
    }
    let moment = Instant::now() + after;
    while Instant::now() < moment {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn mend(root: &Path) -> Left {
    let folder = root.join(format!("recordings/{GUILD}/killed"));
    if !folder.exists() {
        return Left::Nothing;
    }
    let mut bytes = [0; 8];
    let told = File::open(root.join("progress")).unwrap();
    let recorded_us = match told.read_exact_at(&mut bytes, 0) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => 0,
    };
    let repaired = repair::repair(&folder, 1_790_000_100_000).unwrap();
    assert_eq!(repaired.manifest.state, State::Recovered);
    assert_eq!(repair::verify(&folder).unwrap(), vec![]);
    // A second time there is nothing to do.
    let again = repair::repair(&folder, 1_790_000_200_000).unwrap();
    assert!(
        again
            .tracks
            .iter()
            .all(|track| track.cut_bytes == 0 && !track.ended)
    );
    let manifest = Manifest::read(&folder).unwrap();
    let mut gone_us = 0;
    if recorded_us > 0 {
        assert_eq!(manifest.tracks.len() as u64, PEOPLE + 1);
    }
    for entry in &manifest.tracks {
        let report = checker::check(&folder.join(&entry.file)).unwrap();
        assert!(report.is_legal(), "{:?}", report.faults);
        let gone = frames_in(recorded_us).saturating_sub(report.frames);
        gone_us = gone_us.max(gone * 1_000 / 48);
    }
    let listed = shelf::list(&root.join("recordings")).unwrap();
    assert_eq!(listed.len(), 1);
    Left::Tracks {
        recorded_us,
        gone_us,
    }
}

/// What other programs say of the tracks; `false` where they are not installed.
fn shown(root: &Path) -> bool {
    let folder = root.join(format!("recordings/{GUILD}/killed"));
    let manifest = Manifest::read(&folder).unwrap();
    for entry in &manifest.tracks {
        let track = folder.join(&entry.file);
        let path = track.to_str().unwrap();
        let programs: [&[&str]; 2] = [
            &["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"],
            &["opusinfo", path],
        ];
        for arguments in programs {
            let Ok(said) = Command::new(arguments[0]).args(&arguments[1..]).output() else {
                return false;
            };
            let words = String::from_utf8_lossy(&said.stderr);
            let more = String::from_utf8_lossy(&said.stdout);
            let is_fine = said.status.success() && words.trim().is_empty();
            assert!(
                is_fine && !more.contains("WARNING"),
                "{} on {path}: {words} {more}",
                arguments[0]
            );
        }
    }
    true
}

#[test]
fn whatever_a_killed_recorder_leaves_is_whole_but_for_the_last_second() {
    let (kills, seed) = (setting("MYNAH_KILLS", 60), setting("MYNAH_SEED", 5));
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut empty, mut worst_us, mut longest_us, mut shown_to) = (0, 0, 0, 0);
    for number in 0..kills {
        // Half of them while the recording begins.
        let most_us = if number.is_multiple_of(2) {
            4_000
        } else {
            60_000
        };
        let after = Duration::from_micros(dice.roll(most_us));
        let root = memory();
        kill(root.path(), after);
        match mend(root.path()) {
            Left::Nothing => empty += 1,
            Left::Tracks {
                recorded_us,
                gone_us,
            } => {
                longest_us = longest_us.max(recorded_us);
                worst_us = worst_us.max(gone_us);
                assert!(
                    gone_us <= MAY_BE_GONE_US,
                    "kill {number} of seed {seed}, after {after:?}: {gone_us} us are gone"
                );
                if number.is_multiple_of(20) {
                    shown_to += u64::from(shown(root.path()));
                }
            }
        }
    }
    eprintln!(
        "{kills} kills: {empty} before there was a folder, {longest_us} us recorded at most, \
         {worst_us} us gone at most, {shown_to} shown to other programs"
    );
    assert!(longest_us > 2_000_000, "killed too soon to tell anything");
}
