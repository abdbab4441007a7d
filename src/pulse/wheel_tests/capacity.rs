//! Cost-based admission, balancing, and the last rungs of the overload ladder.

use super::hall::Hall;
use super::rig::{MS, Rig, tone};
use crate::{OpenError, SessionKey, TrackId, TrackOptions};

/// A session that sounds.
fn sing(rig: &mut Rig, link: u32) -> (SessionKey, crate::RingWriter) {
    let session = rig.open();
    rig.attach(session, link);
    (session, rig.play(session, TrackId(1), tone, 150))
}

#[test]
fn a_mix_is_refused_when_the_measured_capacity_is_used_up_before_anything_is_late() {
    let mut rig = Rig::new(0);
    rig.io.look_costs_ns = 200_000;
    let mut songs = vec![];
    // Nothing is left that a lower complexity could win.
    let mix = crate::MixConfig {
        bitrate_bps: 96_000,
        complexity: 1,
    };
    let refused = loop {
        let session = match rig.handle.open(mix) {
            Ok(session) => session,
            Err(refused) => break refused,
        };
        let link = songs.len() as u32;
        rig.attach(session, link);
        songs.push(rig.play(session, TrackId(1), tone, 150));
        rig.run_ms(40);
        assert!(songs.len() < 200, "nothing is refused");
    };
    assert!(matches!(refused, OpenError::Busy { .. }));
    let stats = rig.handle.stats();
    let thread = stats.threads[0];
    assert!((40..=110).contains(&songs.len()), "{}", songs.len());
    assert!(!thread.overloaded, "asked before it was too late");
    assert_eq!((thread.room, thread.frames_left_out_of_8), (0, 0));
    assert!(thread.burden_ns > 8_000_000, "{}", thread.burden_ns);
    assert!((100_000..400_000).contains(&stats.sessions[0].frame_cost_ns));
    // Half of them fall silent, and there is room again.
    let half: Vec<_> = stats
        .sessions
        .iter()
        .step_by(2)
        .map(|s| s.session)
        .collect();
    half.iter()
        .for_each(|session| rig.handle.pause(*session, TrackId(1)));
    rig.run_ms(2000);
    assert!(rig.handle.stats().threads[0].room > 5);
    assert!(rig.handle.open(super::hall::MIX).is_ok());
}

#[test]
fn new_mixes_go_to_the_thread_whose_sessions_cost_least() {
    let mut hall = Hall::new(2, 0);
    // The second thread is on a slow core.
    hall.worlds[1].look_costs_ns = 300_000;
    let bus = hall.handle.open_bus(super::hall::MIX).unwrap();
    let mut songs = vec![];
    for link in 1..4 {
        let session = hall.listener(&bus, link);
        songs.push(hall.play(session, 1, tone, 200, TrackOptions::default()));
    }
    let per_thread = |hall: &Hall| -> Vec<_> {
        let stats = hall.handle.stats();
        stats.threads.iter().map(|t| t.sessions).collect()
    };
    assert_eq!(per_thread(&hall), [2, 2], "as long as nothing is known");
    hall.run_ms(1500);
    for _ in 0..3 {
        hall.handle.open(super::hall::MIX).unwrap();
    }
    assert_eq!(per_thread(&hall), [5, 2]);
}

#[test]
fn beyond_the_ladder_every_mix_loses_as_many_frames_and_the_rest_is_on_time() {
    let mut rig = Rig::new(10_000);
    let songs: Vec<_> = (0..56).map(|link| sing(&mut rig, link)).collect();
    rig.run_ms(50);
    rig.io.look_costs_ns = 400_000;
    rig.run_ms(1500);
    let before = rig.handle.stats();
    assert_eq!(before.threads[0].overload_rung, 3);
    assert!(before.threads[0].frames_left_out_of_8 >= 1);
    rig.io.log.clear();
    rig.run_ms(1000);
    let after = rig.handle.stats();
    assert!(after.skipped_frames > before.skipped_frames);
    let heard: Vec<_> = (0..56).map(|link| rig.heard(link)).collect();
    let (least, most) = (
        heard.iter().map(Vec::len).min().unwrap(),
        heard.iter().map(Vec::len).max().unwrap(),
    );
    assert!(least >= 20, "everybody is still heard: {least}");
    assert!(most - least <= 6, "{least} to {most}");
    for packets in &heard {
        let ticks = packets
            .windows(2)
            .map(|p| p[1].header.timestamp.wrapping_sub(p[0].header.timestamp) / 960);
        assert!(ticks.max().unwrap() <= 4, "spread, not in a row");
    }
    assert_eq!(after.codec_errors, 0);
    // The load goes away, and everybody has all frames again.
    rig.io.look_costs_ns = 0;
    rig.run_ms(9000);
    assert_eq!(rig.handle.stats().threads[0].frames_left_out_of_8, 0);
    drop(songs);
}

#[test]
fn after_a_suspend_at_most_three_packets_burst_per_session() {
    for behind_ms in [100, 101, 120, 200, 500, 2000, 2003, 60_000] {
        let mut rig = Rig::new(2000);
        let songs: Vec<_> = (0..20).map(|link| sing(&mut rig, link)).collect();
        rig.run_ms(200);
        rig.sleep_through_ms(behind_ms);
        rig.run_ms(300);
        for link in 0..20 {
            let heard = rig.heard(link);
            let at = |n: usize| heard.get(n).map_or(u64::MAX, |h| h.at_ns);
            let bursts = (0..heard.len()).map(|n| {
                (n..heard.len())
                    .take_while(|m| at(*m) < at(n) + 5 * MS)
                    .count()
            });
            let most = bursts.max().unwrap();
            assert!(most <= 3, "{behind_ms} ms: a burst of {most}");
            let gap = heard
                .windows(2)
                .filter(|p| p[1].at_ns - p[0].at_ns > 50 * MS)
                .count();
            assert!(gap <= 1, "{behind_ms} ms: and then as before");
        }
        drop(songs);
    }
}
