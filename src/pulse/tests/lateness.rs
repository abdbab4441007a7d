//! How punctual the tick is on this machine. Run alone on a quiet machine:
//! `cargo nextest run -p mynah-pulse --release --run-ignored only --no-capture lateness`
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout
)]

mod common;

use common::{Sink, sing};
use mynah_pulse::{Pulse, PulseConfig};

const SESSIONS: u32 = 50;
const BLOCKS: usize = 500;

#[test]
#[ignore = "measures real time for ten seconds; meaningless on a busy machine"]
fn lateness_of_fifty_sessions_stays_below_a_millisecond() {
    let pulse = Pulse::start(PulseConfig {
        threads: 1,
        fifo: true,
    })
    .unwrap();
    let (handle, sink) = (pulse.handle(), Sink::new());
    let songs: Vec<_> = (0..SESSIONS)
        .map(|ssrc| sing(&handle, &sink, ssrc, BLOCKS))
        .collect();
    sink.skip(SESSIONS as usize * (BLOCKS - 10));
    let stats = handle.stats();
    println!("real-time class: {}", stats.is_real_time());
    println!("lateness:   {}", stats.lateness);
    println!("wake cost:  {}", stats.wake_cost);
    println!("frame cost: {}", stats.frame_cost);
    println!(
        "late packets {}, skipped {}",
        stats.late_packets, stats.skipped_frames
    );
    if stats.is_real_time() {
        assert!(stats.lateness.p99_us < 1000.0, "{}", stats.lateness);
    }
    drop(songs);
}
