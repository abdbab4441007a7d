//! How punctual packets are at 70 % of what the tick thread carries, and beside bad neighbours.
//!
//! On a machine that is shared, or a virtual one, some lateness is nobody's in this process. So two
//! more tick threads of the same class, with no session at all, are late at the same time: one in this
//! process, and one in a process of its own. What they suffer, any thread would.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mynah_engine::bench::{Hall, Measured, Setup, Sounds, Stages};
use mynah_pulse::{Distribution, Pulse, PulseConfig};

use crate::Ask;

/// A tick thread promises 80 % of its time; of that 70 %.
const SHARE: f64 = 0.8 * 0.7;
const FRAME_US: f64 = 20_000.0;
/// Ticks of the kernel's accounts in a second (`USER_HZ`).
const MS_PER_TICK: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Quiet,
    /// A neighbour's source gives nothing for all the time, and four reads of a disk hang.
    Stalled,
    /// 100 files are opened at once, every second.
    Files,
    /// A plugin that never gives its thread back: the host gives it an ordinary thread.
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
        "| class | neighbour | p50 | p99 | p99.9 | max | idle thread here: p99.9 | max | in another process: p99.9 | max | late packets | skipped | tick busy | page faults | stolen |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
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
    let _hanging = (scene == Scene::Stalled).then(|| {
        hall.seat_stalled(50).unwrap();
        hall.hang(4)
    });
    let idle = Pulse::start(idle(setup.fifo)).unwrap();
    let mut other = Other::start(setup.fifo);
    let (before, faults, stolen) = (idle.handle().stats(), tick_faults(), stolen_ms());
    let load = beside(&mut hall, scene, each, mp3);
    let here = idle.handle().stats().since(&before).lateness;
    let (faults, stolen) = (tick_faults() - faults, stolen_ms() - stolen);
    let (other_p999_ms, other_max_ms) = other.ask();
    let late = &load.stats.lateness;
    let class = match load.stats.is_real_time() {
        true => "FIFO",
        false => "normal",
    };
    println!(
        "| {class} | {scene:?} | {} | {:.2} | {:.2} | {other_p999_ms:.2} | {other_max_ms:.2} | {} | {} | {:.0} % | {faults} | {stolen} ms |",
        in_ms(late),
        here.p999_us / 1e3,
        here.max_us / 1e3,
        load.stats.late_packets,
        load.stats.skipped_frames,
        load.tick_load() * 100.0,
    );
}

fn in_ms(late: &Distribution) -> String {
    let all = [late.p50_us, late.p99_us, late.p999_us, late.max_us];
    all.map(|us| format!("{:.2}", us / 1e3)).join(" | ")
}

/// Measures beside the neighbour.
fn beside(hall: &mut Hall, scene: Scene, each: Duration, mp3: &Path) -> Measured {
    let (over, files) = (AtomicBool::new(false), hall.opener(mp3));
    std::thread::scope(|scope| {
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
    })
}

fn idle(fifo: bool) -> PulseConfig {
    PulseConfig { threads: 1, fifo }
}

/// A tick thread without sessions in a process of its own.
struct Other(Child);

impl Other {
    fn start(fifo: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .arg("idle")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if !fifo {
            child.arg("--no-realtime");
        }
        let mut other = Self(child.spawn().unwrap());
        other.ask();
        other
    }

    /// p99.9 and the maximum since this was asked last, milliseconds.
    fn ask(&mut self) -> (f64, f64) {
        writeln!(self.0.stdin.as_mut().unwrap()).unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(self.0.stdout.as_mut().unwrap());
        out.read_line(&mut line).unwrap();
        let (p999, max) = line.trim().split_once(' ').unwrap();
        (p999.parse().unwrap(), max.parse().unwrap())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.0.stdin.take()); // which ends it
        self.0.wait().unwrap();
    }
}

/// The other process: for each line how late its thread was since the one before.
pub fn be_idle(ask: &Ask) {
    let pulse = Pulse::start(idle(ask.setup.fifo)).unwrap();
    let mut before = pulse.handle().stats();
    for _ in std::io::stdin().lines() {
        let now = pulse.handle().stats();
        let late = now.since(&before).lateness;
        println!("{:.3} {:.3}", late.p999_us / 1e3, late.max_us / 1e3);
        before = now;
    }
}

/// Page faults of the tick threads so far that needed no disk.
fn tick_faults() -> u64 {
    let mut faults = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // The name is in brackets; the number is the eighth after it (proc(5)).
        if let Some((name, rest)) = stat.rsplit_once(')')
            && name.contains("mynah-tick")
        {
            let field = rest.split_whitespace().nth(7);
            faults += field.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    faults
}

/// Time in which a virtual machine's cores wanted to work and were not let, so far.
fn stolen_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let ticks = stat
        .lines()
        .next()
        .and_then(|cpu| cpu.split_whitespace().nth(8));
    ticks.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * MS_PER_TICK
}
