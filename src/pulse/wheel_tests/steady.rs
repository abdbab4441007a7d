//! The real-time rule: nothing is allocated or freed on the tick, whatever is asked of it.

use super::rig::{Rig, sealed, tone};
use crate::{RingWriter, TrackId, TrackOptions, ring};
use mynah_audio::{Curve, DuckMatrix, Fade, Lane};
use mynah_testkit::alloc::count;

const SESSIONS: u32 = 50;

/// 200 ms.
const SLOWLY: Fade = Fade {
    frames: 9600,
    curve: Curve::EqualPower,
};

/// A few words over the song, or an effect, rising.
fn play_in_a_lane(rig: &Rig, session: crate::SessionKey, track: TrackId) -> RingWriter {
    let (mut writer, reader) = ring(10);
    while writer.put(|block| block.fill(0.1)) {}
    let options = TrackOptions {
        lane: Lane::ALL[(track.0 % 4) as usize],
        fade_in: Some(SLOWLY),
        ..TrackOptions::default()
    };
    rig.handle.play(session, track, reader, options);
    writer
}

/// 10,000 ticks of 5 ms with 50 sessions and a stream of orders. Every step runs under the guard,
/// which aborts on the first malloc or free of the tick.
#[test]
fn ten_thousand_ticks_with_fifty_sessions_allocate_and_free_nothing() {
    let mut rig = Rig::new(0);
    let mut songs: Vec<(crate::SessionKey, RingWriter)> = (0..SESSIONS)
        .map(|link| {
            let session = rig.open();
            rig.attach(session, link);
            let writer = rig.play(session, TrackId(0), tone, 0);
            (session, writer)
        })
        .collect();
    // The frame of the song at which each writer's ring begins.
    let mut starts = vec![0; songs.len()];
    let mut next_track = 1;
    for round in 0..10_000u64 {
        // Most of the songs are digital silence most of the time, or this would take minutes.
        for (i, (_, writer)) in songs.iter_mut().enumerate() {
            let loud = (round / 4 + i as u64).is_multiple_of(10);
            while writer.put(|block| block.fill(if loud { 0.25 } else { 0.0 })) {}
        }
        let (session, _) = songs[(round % u64::from(SESSIONS)) as usize];
        let track = TrackId(0);
        // A session comes by every 50 rounds and so meets these from the last to the first.
        match round % 17 {
            0 => rig.handle.resume(session, track),
            1 => rig.handle.pause(session, track),
            2 => rig.handle.gain(session, track, (round % 3) as f32 * 0.5),
            3 => rig
                .handle
                .set_bitrate(session, 64_000 + 1000 * (round % 7) as u32),
            4 => drop(rig.play(session, TrackId(next_track), tone, 1)),
            5 => rig.handle.stop(session, TrackId(next_track)),
            6 | 7 => rig.attach(session, (round % 50) as u32),
            8 => rig.handle.detach(session),
            9 => {
                rig.handle.close(session);
                let fresh = rig.open();
                rig.attach(fresh, 7);
                let at = (round % u64::from(SESSIONS)) as usize;
                songs[at] = (fresh, rig.play(fresh, TrackId(0), tone, 0));
                starts[at] = 0;
            }
            10 => drop(play_in_a_lane(
                &rig,
                session,
                TrackId(next_track + 1_000_000),
            )),
            11 => rig.handle.fade(session, track, 0.7, SLOWLY),
            12 => {
                let other = TrackId(next_track + 1_000_000);
                rig.handle.stop_with(session, other, SLOWLY);
            }
            13 => {
                let matrix = DuckMatrix::default().with_human(-9.0);
                rig.handle.duck(session, matrix);
                rig.handle.talk(session, round % 2 == 0);
            }
            14 | 15 => {
                // A block ahead, or one behind.
                let at = (round % u64::from(SESSIONS)) as usize;
                let frame = starts[at] + songs[at].1.meter().frames_taken();
                starts[at] = (frame + 960).saturating_sub(round % 17 % 2 * 1920);
                let (writer, reader) = ring(16);
                rig.handle.swap(session, track, reader, starts[at]);
                songs[at].1 = writer;
            }
            _ => next_track += 1,
        }
        rig.run_ms(5);
        rig.janitor.sweep();
    }
    let stats = rig.handle.stats();
    assert_eq!(stats.wakes, 10_001);
    assert!(stats.packets_sent > 20_000, "{}", stats.packets_sent);
    assert!(rig.news.len() > 1000);
    assert_eq!(
        (stats.events_dropped, stats.orders_lost, stats.codec_errors),
        (0, 0, 0)
    );
}

/// The same under end-to-end encryption: a new epoch for each session every 50 ticks, always in the
/// moment before a flush.
#[test]
fn ten_thousand_ticks_of_changing_epochs_allocate_nothing_and_send_nothing_stale() {
    let mut rig = Rig::new(0);
    let mut songs: Vec<(crate::SessionKey, RingWriter)> = (0..SESSIONS)
        .map(|link| {
            let session = rig.open();
            rig.attach_as(session, link, sealed(1));
            let writer = rig.play(session, TrackId(0), tone, 0);
            (session, writer)
        })
        .collect();
    for round in 0..10_000u64 {
        for (i, (session, writer)) in songs.iter_mut().enumerate() {
            let at = round + i as u64;
            let loud = (at / 4).is_multiple_of(10);
            while writer.put(|block| block.fill(if loud { 0.25 } else { 0.0 })) {}
            if at.is_multiple_of(50) {
                rig.handle.sender(*session, sealed(2 + at / 50));
            }
        }
        rig.run_ms(5);
        rig.janitor.sweep();
    }
    let stats = rig.handle.stats();
    assert_eq!(stats.wakes, 10_001);
    assert!(stats.packets_sent > 20_000, "{}", stats.packets_sent);
    assert_eq!(
        (stats.sealed_stale, stats.orders_lost, stats.codec_errors),
        (0, 0, 0)
    );
}

/// The guard itself looks only at Rust's allocator; this counts, to be sure it looked at all.
#[test]
fn the_guard_sees_what_the_control_side_allocates() {
    let mut rig = Rig::new(0);
    let (session, made) = count(|| rig.open());
    assert!(made.allocations >= 2, "the session and its order are boxes");
    rig.run_ms(20);
    rig.handle.close(session);
    rig.run_ms(20);
    let (swept, freed) = count(|| rig.janitor.sweep());
    assert_eq!(swept, 3, "two orders and the session");
    assert!(freed.frees >= 3);
}
