//! What a session weighs: resident memory of the process, before and after.

use std::time::Duration;

use mynah_engine::bench::{Hall, Setup, Sounds};

use crate::Ask;

/// Far below the limits of admission, complexity aside.
const SESSIONS: usize = 100;

pub fn memory(ask: &Ask, sounds: &Sounds) {
    let setup = Setup {
        complexity: 1, // as heavy at any
        ..ask.setup
    };
    let sessions = ask.first_or(SESSIONS);
    // What the process makes once, decoders' tables and threads, is not counted.
    let mut hall = Hall::open(setup).unwrap();
    hall.seat(4, &sounds.mp3).unwrap();
    hall.measure(Duration::from_millis(500), &|| true);
    let empty = resident_bytes();
    (0..sessions).for_each(|_| hall.seat_idle().unwrap());
    hall.measure(Duration::from_millis(500), &|| true);
    let idle = resident_bytes();
    hall.seat(sessions, &sounds.mp3).unwrap();
    hall.measure(Duration::from_secs(3), &|| true);
    let playing = resident_bytes();
    let each = |from: u64, to: u64| to.saturating_sub(from) as f64 / sessions as f64 / 1e3;
    println!("idle session: {:.1} kB", each(empty, idle));
    println!("playing session (mp3): {:.1} kB", each(idle, playing));
    // What the process makes for the first of them, rooms of threads, is not counted twice.
    hall.seat(sessions, &sounds.mp3).unwrap();
    hall.measure(Duration::from_secs(3), &|| true);
    println!(
        "the same for {sessions} more: {:.1} kB",
        each(playing, resident_bytes())
    );
}

/// As the kernel counts it; sockets are the kernel's own memory.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
