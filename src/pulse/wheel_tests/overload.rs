//! Too much to do, or no time to do it.

use super::rig::{MS, Rig, START_NS, tone};
use crate::{MixConfig, OpenError, TrackId};

#[test]
fn sends_are_spread_over_the_phases() {
    let mut rig = Rig::new(1000);
    let mut writers = vec![];
    for link in 0..8 {
        let session = rig.open();
        rig.attach(session, link);
        writers.push(rig.play(session, TrackId(1), tone, 30));
    }
    rig.run_ms(200);
    let mut per_wake = [0; 4];
    for datagram in &rig.io.log {
        per_wake[((datagram.at_ns - START_NS) / (5 * MS) % 4) as usize] += 1;
    }
    assert!(per_wake.iter().all(|n| *n >= 16), "{per_wake:?}");
}

#[test]
fn a_late_wake_does_not_move_the_deadlines_after_it() {
    let mut rig = Rig::new(200);
    rig.sing(tone, 40);
    rig.run_ms(101);
    rig.sleep_through_ms(8);
    rig.run_ms(200);
    let heard = rig.heard(1);
    let phase = heard[0].at_ns % (20 * MS);
    let late = heard
        .iter()
        .filter(|h| h.at_ns % (20 * MS) != phase)
        .count();
    assert!(late <= 1, "{late} packets off their deadline");
    assert!(rig.handle.stats().lateness.max_us >= 3000.0);
    for pair in heard.windows(2) {
        assert_eq!(
            pair[1].header.timestamp,
            pair[0].header.timestamp.wrapping_add(960)
        );
    }
}

#[test]
fn being_50_ms_behind_is_made_good_with_three_packets_at_most() {
    for behind_ms in [25, 45, 60, 75, 95] {
        let mut rig = Rig::new(200);
        let (_, _writer) = rig.sing(tone, 60);
        rig.run_ms(200);
        rig.sleep_through_ms(behind_ms);
        rig.run_ms(300);
        let heard = rig.heard(1);
        let mut burst = 1;
        let mut most = 1;
        for pair in heard.windows(2) {
            burst = if pair[1].at_ns - pair[0].at_ns < 5 * MS {
                burst + 1
            } else {
                1
            };
            most = most.max(burst);
        }
        assert!(most <= 3, "{behind_ms} ms: a burst of {most}");
        assert_eq!(rig.handle.stats().resyncs, 0);
        assert_on_schedule(&rig);
    }
}

#[test]
fn being_hopelessly_behind_jumps_forward_without_a_burst() {
    let mut rig = Rig::new(200);
    let (_, writer) = rig.sing(tone, 60);
    rig.run_ms(200);
    rig.sleep_through_ms(3000);
    rig.run_ms(200);
    let heard = rig.heard(1);
    let stats = rig.handle.stats();
    assert_eq!(stats.resyncs, 1);
    let skipped = stats.skipped_frames;
    assert!((140..=150).contains(&skipped), "{skipped}");
    let mut jumps = 0;
    for pair in heard.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert_eq!(
            b.header.sequence,
            a.header.sequence.wrapping_add(1),
            "counts packets"
        );
        let ticks = b.header.timestamp.wrapping_sub(a.header.timestamp) / 960;
        jumps += u32::from(ticks > 140);
        assert!(ticks == 1 || ticks > 140, "{ticks}");
        assert!(b.at_ns - a.at_ns >= 15 * MS, "no burst");
    }
    assert_eq!(jumps, 1, "the clock ran on, once");
    assert_on_schedule(&rig);
    let taken = writer.meter().frames_taken() / 960;
    assert!(taken <= heard.len() as u64 + 1, "the song waited");
}

/// A packet that leaves on time has the timestamp of its time, whatever happened before.
fn assert_on_schedule(rig: &Rig) {
    let heard = rig.heard(1);
    let (first, last) = (&heard[0], heard.last().unwrap());
    let ticks = (last.at_ns - first.at_ns) / (20 * MS);
    let advanced = last.header.timestamp.wrapping_sub(first.header.timestamp);
    assert_eq!(u64::from(advanced), ticks * 960);
}

#[test]
fn under_load_the_next_phase_is_flushed_on_time_between_two_sessions() {
    let mut rig = Rig::new(4000);
    let mut writers = vec![];
    // Six sessions per phase at 1.5 ms each: 9 ms of work for each 5 ms.
    for link in 0..24 {
        let session = rig.open();
        rig.attach(session, link);
        writers.push(rig.play(session, TrackId(1), tone, 40));
    }
    rig.run_ms(100);
    rig.io.look_costs_ns = 1_500_000;
    rig.run_ms(100);
    let stats = rig.handle.stats();
    assert!(stats.late_packets > 0, "there is more to do than time");
    // Each step looks at the clock twice before it flushes or prepares: one encode plus two looks.
    assert!(
        stats.lateness.max_us <= 3.0 * 1500.0 + 1.0,
        "{}",
        stats.lateness
    );
}

#[test]
fn sustained_overload_lowers_complexity_then_refuses_and_recovers() {
    let mut rig = Rig::new(0);
    let mut writers = vec![];
    // 14 sessions per phase at 0.4 ms each: 5.6 ms of work for each 5 ms. A track that waits for
    // its ring is as awake as one that plays.
    for link in 0..56 {
        let session = rig.open();
        rig.attach(session, link);
        writers.push(rig.play(session, TrackId(1), tone, 1));
    }
    rig.run_ms(50);
    rig.io.look_costs_ns = 400_000;
    rig.run_ms(1000);
    let stats = rig.handle.stats();
    assert_eq!(stats.threads[0].overload_rung, 3);
    assert!(stats.threads[0].overloaded);
    let mix = MixConfig {
        bitrate_bps: 64_000,
        complexity: 5,
    };
    assert!(matches!(rig.handle.open(mix), Err(OpenError::Busy { .. })));
    rig.io.look_costs_ns = 0;
    rig.run_ms(10_000);
    assert_eq!(rig.handle.stats().threads[0].overload_rung, 0);
    assert!(rig.handle.open(mix).is_ok());
}

#[test]
fn a_thread_takes_1024_sessions_and_not_one_more() {
    let mut rig = Rig::new(0);
    let mix = MixConfig {
        bitrate_bps: 64_000,
        complexity: 0,
    };
    for _ in 0..1024 {
        rig.handle.open(mix).unwrap();
        if rig.handle.stats().sessions.len().is_multiple_of(500) {
            rig.run_ms(100);
        }
    }
    assert!(matches!(rig.handle.open(mix), Err(OpenError::Full)));
    rig.run_ms(200);
    assert_eq!(rig.handle.stats().threads[0].sessions, 1024);
    assert_eq!(rig.io.sends, 0, "and all of them are asleep");
}
