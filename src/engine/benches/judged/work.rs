//! What sessions cost.

use std::time::Duration;

use mynah_engine::bench::{Hall, Measured, Setup, Sounds};

use crate::Ask;
use crate::raw::{Raw, cost_us};

const ROUNDS: usize = 3;
const RAW: Duration = Duration::from_secs(3);

/// N transcoded sessions against the bare loop, in turn, so that both see the same machine.
pub fn ratio(ask: &Ask, sounds: &Sounds) {
    let (setup, sessions) = (ask.setup, ask.first_or(80));
    let raw = |_| Raw::new(setup.complexity, setup.bitrate_bps);
    println!(
        "| raw, one | raw, {sessions} in turn | {sessions} sessions | ratio | to the second |"
    );
    println!("|---|---|---|---|---|");
    let mut ratios = vec![];
    for _ in 0..ROUNDS {
        // A minute of music lasts for both.
        let one = cost_us(&mut [raw(0)], Duration::from_millis(250));
        let mut songs: Vec<Raw> = (0..sessions).map(raw).collect();
        let many = cost_us(&mut songs, RAW);
        drop(songs);
        let load = measure(setup, sessions, ask.each, &sounds.mp3);
        let ours = load.cpu_us_per_frame();
        let note = load
            .limit()
            .map_or(String::new(), |limit| format!(" ({limit:?})"));
        println!(
            "| {one:.1} us | {many:.1} us | {ours:.1} us | {:.3} | {:.3}{note} |",
            ours / one,
            ours / many
        );
        ratios.push(ours / one);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "complexity {}: CPU of the whole process over the bare codecs, median: {:.3}",
        setup.complexity,
        ratios[ROUNDS / 2]
    );
}

/// Packets passed on: CPU of the whole process, media threads and timers included.
pub fn passthrough(ask: &Ask, sounds: &Sounds) {
    let sessions = ask.first_or(200);
    let load = measure(ask.setup, sessions, ask.each, &sounds.opus);
    let passed = load.stats.frames_passed as f64 / load.frames_sent().max(1) as f64;
    assert!(passed > 0.99, "only {passed:.3} were passed on");
    println!("passthrough_us_per_frame {:.2}", load.cpu_us_per_frame());
    println!("  of it tick threads {:.2}", load.tick_us_per_frame());
    println!("  of it media threads {:.2}", load.media_us_per_frame());
}

/// Which of these numbers of sessions hold.
pub fn hold(ask: &Ask, sounds: &Sounds) {
    for sessions in &ask.sessions {
        let load = measure(ask.setup, *sessions, ask.each, &sounds.mp3);
        println!(
            "hold {sessions} {} complexity {} threads {} cores {:.2} tick {:.0} % skipped {} late {} stalls {} lateness {}",
            load.limit()
                .map_or("yes".to_owned(), |limit| format!("no ({limit:?})")),
            ask.setup.complexity,
            ask.setup.threads,
            load.cores(),
            load.tick_load() * 100.0,
            load.stats.skipped_frames,
            load.stats.late_packets,
            load.stalls,
            load.stats.lateness,
        );
    }
}

fn measure(setup: Setup, sessions: usize, each: Duration, sound: &std::path::Path) -> Measured {
    let mut hall = Hall::open(setup).unwrap();
    let seated = hall.seat(sessions, sound);
    let refused = seated.is_err();
    if let Err(error) = seated {
        println!("{error}");
    }
    let load = hall.measure(each, &|| true).expect("nobody stops it");
    Measured { refused, ..load }
}
