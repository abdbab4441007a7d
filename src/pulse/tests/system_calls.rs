//! The real-time rule as the kernel sees it: in steady state, and while orders arrive, a tick
//! thread makes two kinds of system call, one to sleep and one to send.
//!
//! The test runs itself once more under `strace`, where it plays and steers a few sessions, and
//! reads what the tick thread did between its first and its last sleep.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod common;

use std::collections::BTreeMap;
use std::process::Command;

use common::{Sink, TRACK, sealed, sing};
use mynah_pulse::{Pulse, PulseConfig, Sender, TrackId, TrackOptions, ring};

const TRACED: &str = "MYNAH_TRACED";
const NAME: &str = "a_tick_thread_only_sleeps_and_sends";

#[test]
fn a_tick_thread_only_sleeps_and_sends() {
    if std::env::var_os(TRACED).is_some() {
        play_and_steer();
        return;
    }
    let trace = std::env::temp_dir().join(format!("mynah-{}.strace", std::process::id()));
    let output = Command::new("strace")
        .args(["-f", "-qq", "-s", "32", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env(TRACED, "1")
        .output()
        .unwrap_or_else(|error| panic!("strace is needed (apt-get install strace): {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the traced run failed: {said}");
    let lines = std::fs::read_to_string(&trace).unwrap();
    std::fs::remove_file(&trace).unwrap();

    let calls = between_sleeps(&lines);
    assert!(calls["clock_nanosleep"] >= 100, "{calls:?}");
    assert!(calls["sendto"] >= 60, "{calls:?}");
    let others: Vec<_> = calls
        .keys()
        .filter(|name| !matches!(**name, "clock_nanosleep" | "sendto"))
        .collect();
    assert!(others.is_empty(), "on the tick thread: {calls:?}");
}

/// Counts the calls of the tick thread between its first and its last sleep.
fn between_sleeps(trace: &str) -> BTreeMap<&str, usize> {
    let named = "prctl(PR_SET_NAME, \"mynah-tick-0\"";
    let naming = trace.lines().find(|line| line.contains(named)).unwrap();
    let (thread, _) = naming.split_once(' ').unwrap();
    let calls: Vec<&str> = trace
        .lines()
        .filter_map(|line| line.strip_prefix(thread)?.strip_prefix(' '))
        .filter_map(|call| call.trim_start().split_once('('))
        .map(|(name, _)| name)
        // "<... clock_nanosleep resumed>" is the second half of a call that was counted.
        .filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        .collect();
    let first = calls.iter().position(|c| *c == "clock_nanosleep").unwrap();
    let last = calls.iter().rposition(|c| *c == "clock_nanosleep").unwrap();
    let mut counts = BTreeMap::new();
    for name in &calls[first..=last] {
        *counts.entry(*name).or_default() += 1;
    }
    counts
}

/// Everything a session goes through, paced by the packets that arrive.
fn play_and_steer() {
    let pulse = Pulse::start(PulseConfig {
        threads: 1,
        fifo: false,
    })
    .unwrap();
    let handle = pulse.handle();
    let sink = Sink::new();
    let songs: Vec<_> = (0..3).map(|i| sing(&handle, &sink, i, 100)).collect();
    sink.skip(20);
    let (session, _) = songs[0];
    handle.pause(session, TRACK);
    sink.skip(20);
    handle.resume(session, TRACK);
    handle.gain(session, TRACK, 1.5);
    handle.set_bitrate(session, 96_000);
    for epoch in 1..4 {
        songs
            .iter()
            .for_each(|(song, _)| handle.sender(*song, sealed(epoch)));
        sink.skip(5);
    }
    handle.sender(songs[2].0, Sender::Hold);
    sink.skip(5);
    handle.sender(songs[2].0, Sender::Plain);
    let (mut second, reader) = ring(4);
    handle.play(session, TrackId(2), reader, TrackOptions::default());
    while second.put(|block| block.fill(0.1)) {}
    second.finish();
    sink.skip(20);
    handle.detach(session);
    sink.skip(10);
    handle.attach(session, sink.transport(9));
    sink.skip(10);
    handle.stop(session, TRACK);
    handle.close(songs[1].0);
    sink.skip(20);
}
