//! A recording process is killed, again and again, at moments nobody chose: what it had said it had is
//! there, but for the last second, and every file is whole after repair.
//!
//! Two dozen times in the usual run; a thousand times with
//! `MYNAH_KILLS=1000 cargo nextest run -p mynah-recorder --test killed`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use mynah_recorder::core::manifest::{Manifest, State};
use mynah_recorder::core::recording::{Limits, Plan, Recording};
use mynah_recorder::core::timeline::Arrived;
use mynah_recorder::core::{checker, events, repair, shelf};

/// Where the child records; set in the child only.
const CHILD: &str = "MYNAH_KILLED_CHILD";
/// Speakers, all of whom pause and lose packets.
const SPEAKERS: u64 = 3;

/// A packet of 20 ms whose contents do not matter: CELT, full band.
fn packet(number: u64) -> Vec<u8> {
    let mut bytes = vec![0xFC];
    bytes.extend((0..60 + number % 40).map(|at| (at * 37 + number) as u8));
    bytes
}

/// Each says three seconds and pauses for one; every 50th packet is lost.
fn speaks(user: u64, tick: u64) -> bool {
    (tick + user * 40) % 200 < 150 && tick % 50 != user
}

/// Records for ever, as fast as it goes, and says after each 20 ms how far it is.
fn child(root: &Path) -> ! {
    let plan = Plan {
        id: "killed".into(),
        guild: 1,
        channel: 2,
        starter: 3,
        title: String::new(),
        consent: "notice".into(),
        previous: None,
        started_ms: 1_790_000_000_000,
        // Forced to the disk often, so that kills hit that as well.
        limits: Limits {
            sync_every_us: 500_000,
            ..Limits::default()
        },
    };
    let mut recording = Recording::begin(root, plan).unwrap();
    let mut out = std::io::stdout();
    for tick in 0_u64.. {
        let now_us = tick * 20_000;
        for user in 1..=SPEAKERS {
            if speaks(user, tick) {
                let arrived = Arrived {
                    ssrc: user as u32,
                    seq: tick as u16,
                    rtp: (tick * 960) as u32,
                    arrival_us: now_us,
                    payload: packet(tick),
                };
                recording.packet(user, "somebody", arrived).unwrap();
            }
        }
        recording.tick(now_us, None).unwrap();
        out.write_all(format!("{now_us}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
    unreachable!("the clock never ends")
}

/// Kills one recording after so many of its ticks and looks at what is left.
fn round(ticks: u64) {
    let root = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--nocapture", "--include-ignored"])
        .env(CHILD, root.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // What the test runner prints is no number.
    let said = lines.map_while(Result::ok);
    let mut said = said.filter_map(|line| line.parse::<u64>().ok());
    let mut last_us = said.nth(ticks as usize).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // It went on until it was killed.
    last_us = said.last().unwrap_or(last_us);

    let done = shelf::recover(root.path(), 1_790_000_100_000, &[]).unwrap();
    assert_eq!(done.len(), 1);
    let folder = &done[0].folder;
    done[0].done.as_ref().unwrap();
    let manifest = Manifest::read(folder).unwrap();
    assert_eq!(manifest.state, State::Recovered);
    let complaints = repair::verify(folder).unwrap();
    assert!(complaints.is_empty(), "{complaints:?}");
    for entry in &manifest.tracks {
        let report = checker::check(&folder.join(&entry.file)).unwrap();
        assert!(report.is_legal(), "{ticks}: {:?}", report.faults);
        // Nothing that was said more than a second before is missing.
        let user = entry.user.parse().unwrap();
        let safe = last_us.saturating_sub(1_000_000) / 20_000;
        let said = (0..safe).rev().find(|tick| speaks(user, *tick));
        let least = said.map_or(0, |tick| (tick + 1) * 960);
        assert!(
            report.frames + 960 >= least,
            "killed after {last_us} us: {} frames are left of {least}",
            report.frames,
        );
    }
    let (lines, strange) = events::read(folder).unwrap();
    assert!(strange == 0 && !lines.is_empty());
}

#[test]
#[ignore = "the child of the other one"]
fn the_child() {
    if let Some(root) = std::env::var_os(CHILD) {
        child(Path::new(&root));
    }
}

#[test]
fn whatever_the_moment_at_most_the_last_second_is_gone_and_every_track_is_legal() {
    let kills = std::env::var("MYNAH_KILLS").ok();
    let kills: u64 = kills.and_then(|kills| kills.parse().ok()).unwrap_or(24);
    let mut seed = 3_u64;
    for _ in 0..kills {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        round((seed >> 33) % 700);
    }
}
