//! How punctual packets are at 70 % of what the tick thread carries, and beside bad neighbours.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mynah_engine::bench::{Hall, Setup, Sounds, Stages};

use crate::Ask;

/// A tick thread promises 80 % of its time; of that 70 %.
const SHARE: f64 = 0.8 * 0.7;
const FRAME_US: f64 = 20_000.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Quiet,
    /// A neighbour's source gives nothing for all the time.
    Stalled,
    /// 100 files are opened at once, every second.
    Files,
    /// A plugin that never gives its thread back.
    Spinning,
}

pub fn lateness(ask: &Ask, sounds: &Sounds) {
    let stages = Stages::measure(ask.setup.complexity, ask.setup.bitrate_bps).unwrap();
    let threads = ask.setup.threads as f64;
    let sessions = (threads * FRAME_US * SHARE / stages.tick_us()) as usize;
    let sessions = ask.first_or(sessions);
    println!(
        "{sessions} sessions, complexity {}, {} s each; ms",
        ask.setup.complexity,
        ask.each.as_secs()
    );
    println!(
        "| class | neighbour | p50 | p99 | p99.9 | max | late packets | skipped | tick busy |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let classes = match ask.setup.fifo {
        true => vec![true, false],
        false => vec![false],
    };
    for fifo in classes {
        let setup = Setup { fifo, ..ask.setup };
        for scene in [Scene::Quiet, Scene::Stalled, Scene::Files, Scene::Spinning] {
            one(setup, scene, sessions, ask.each, &sounds.mp3);
        }
    }
}

fn one(setup: Setup, scene: Scene, sessions: usize, each: Duration, mp3: &Path) {
    let mut hall = Hall::open(setup).unwrap();
    hall.seat(sessions, mp3).unwrap();
    if scene == Scene::Stalled {
        hall.seat_stalled(50).unwrap();
    }
    let (over, files) = (AtomicBool::new(false), hall.opener(mp3));
    let load = std::thread::scope(|scope| {
        match scene {
            Scene::Quiet | Scene::Stalled => {}
            Scene::Files => drop(scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    files.open(100).unwrap();
                    std::thread::sleep(Duration::from_secs(1));
                }
            })),
            Scene::Spinning => drop(scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })),
        }
        let load = hall.measure(each, &|| true);
        over.store(true, Ordering::Relaxed);
        load.expect("nobody stops it")
    });
    let late = &load.stats.lateness;
    let class = match load.stats.is_real_time() {
        true => "FIFO",
        false => "normal",
    };
    println!(
        "| {class} | {scene:?} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {} | {:.0} % |",
        late.p50_us / 1e3,
        late.p99_us / 1e3,
        late.p999_us / 1e3,
        late.max_us / 1e3,
        load.stats.late_packets,
        load.stats.skipped_frames,
        load.tick_load() * 100.0,
    );
}
