//! A process that is stopped and goes on: real signals, real time.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod common;

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mynah_pulse::{Pulse, PulseConfig};

/// Where the stopped process sends to; set for the child only.
const TO: &str = "MYNAH_TEST_STOPPED_SENDS_TO";
const SESSIONS: u32 = 8;

/// The child: some sessions that play a long tone.
#[test]
#[ignore = "is run by the test below, in a process of its own"]
fn plays_until_it_is_killed() {
    let Ok(to) = std::env::var(TO) else {
        return;
    };
    let pulse = Pulse::start(PulseConfig {
        threads: 1,
        fifo: false,
    })
    .unwrap();
    let songs: Vec<_> = (1..=SESSIONS)
        .map(|ssrc| common::sing_on(&pulse.handle(), common::transport_to(&to, ssrc), 600))
        .collect();
    std::thread::sleep(Duration::from_secs(12));
    drop(songs);
}

struct Player(Child);

impl Player {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
#[ignore = "real time: stops a process for two seconds; `cargo nextest run -p mynah-pulse --run-ignored only sigstop`"]
fn after_two_seconds_of_sigstop_at_most_three_packets_burst_per_session() {
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    sink.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let player = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "plays_until_it_is_killed"])
        .env(TO, sink.local_addr().unwrap().to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let player = Player(player);
    let mut packet = [0; 1500];
    let mut take = || {
        let len = sink.recv(&mut packet).unwrap();
        assert!(len > 12);
        let header = mynah_wire::rtp::Header::parse(&packet[..len]).unwrap();
        (Instant::now(), header.ssrc.0, header.timestamp)
    };
    for _ in 0..SESSIONS * 10 {
        let _ = take();
    }
    player.signal("-STOP");
    std::thread::sleep(Duration::from_secs(2));
    // What was sent before it stopped.
    sink.set_nonblocking(true).unwrap();
    let mut rest = [0; 1500];
    while sink.recv(&mut rest).is_ok() {}
    sink.set_nonblocking(false).unwrap();
    player.signal("-CONT");
    let woken = Instant::now();
    let mut after = vec![];
    while woken.elapsed() < Duration::from_millis(500) {
        after.push(take());
    }
    for ssrc in 1..=SESSIONS {
        let mine: Vec<_> = after.iter().filter(|p| p.1 == ssrc).collect();
        // By the clock of its own timestamps: what should have left long before was caught up with.
        let on_time = mine.last().unwrap();
        let late = mine.iter().filter(|p| {
            let behind = on_time.2.wrapping_sub(p.2) / 960 * 20;
            let passed = on_time.0.duration_since(p.0).as_millis() as u32;
            behind > passed + 100
        });
        assert!(late.count() <= 3, "session {ssrc}");
        assert!(mine.len() <= 25 + 3 + 1, "{} packets in 500 ms", mine.len());
    }
}
