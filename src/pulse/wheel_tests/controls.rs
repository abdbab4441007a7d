//! Orders: opening, closing, detaching, mixing, and what is told about it.

use super::rig::{FIRST_TIMESTAMP, MS, Rig, tone};
use crate::{EventKind, TrackId, TrackOptions, ring};
use mynah_audio::level::{peak, rms};

#[test]
fn closing_fades_says_five_silences_and_frees_the_slot() {
    let mut rig = Rig::new(100);
    let (session, writer) = rig.sing(tone, 30);
    rig.run_ms(100);
    rig.handle.close(session);
    rig.run_ms(300);
    let heard = rig.heard(1);
    assert!(heard.iter().rev().take(5).all(|h| h.is_silence()));
    assert_eq!(heard.iter().filter(|h| h.is_silence()).count(), 5);
    assert!(matches!(
        rig.kinds()[..],
        [
            EventKind::Started(_),
            EventKind::Stopped { .. },
            EventKind::Closed
        ]
    ));
    assert!(rig.wheel.is_empty());
    assert!(rig.handle.stats().sessions.is_empty());
    assert!(!writer.is_abandoned(), "nothing is dropped on the tick");
    assert!(rig.janitor.sweep() >= 2);
    assert!(writer.is_abandoned());
}

#[test]
fn closing_a_silent_or_detached_session_is_immediate() {
    for attached in [true, false] {
        let mut rig = Rig::new(100);
        let session = rig.open();
        if attached {
            rig.attach(session, 1);
        }
        let _writer = if attached {
            None
        } else {
            Some(rig.play(session, TrackId(1), tone, 4))
        };
        rig.run_ms(50);
        rig.handle.close(session);
        rig.run_ms(5);
        assert!(rig.wheel.is_empty());
        assert_eq!(rig.kinds().last(), Some(&EventKind::Closed));
        assert!(rig.io.log.is_empty());
    }
}

#[test]
fn orders_for_a_session_that_is_gone_do_nothing_to_its_successor() {
    let mut rig = Rig::new(100);
    let old = rig.open();
    rig.run_ms(20);
    rig.handle.close(old);
    rig.run_ms(20);
    let (new, _writer) = rig.sing(tone, 30);
    assert_eq!(
        (old.thread, old.slot),
        (new.thread, new.slot),
        "the same seat"
    );
    rig.handle.close(old);
    rig.handle.pause(old, TrackId(1));
    rig.handle.detach(old);
    rig.run_ms(100);
    assert!(rig.io.sends >= 4);
    assert!(!rig.wheel.is_empty());
}

#[test]
fn detached_tracks_hold_still_and_go_on_where_they_were() {
    let mut rig = Rig::new(200);
    let (session, writer) = rig.sing(tone, 40);
    let meter = writer.meter();
    rig.run_ms(200);
    rig.handle.detach(session);
    rig.run_ms(20);
    let taken = meter.frames_taken();
    let sent = rig.heard(1).len() as u64;
    assert_eq!(taken, sent * 960, "the packet in hand was sent, not lost");
    rig.run_ms(1000);
    assert_eq!(meter.frames_taken(), taken);
    assert_eq!(rig.heard(1).len() as u64, sent);
    assert!(!rig.handle.stats().session(session).unwrap().attached);

    rig.attach(session, 2);
    rig.run_ms(200);
    let heard = rig.heard(2);
    assert_eq!(heard[0].header.timestamp, FIRST_TIMESTAMP);
    assert!(heard.len() >= 9);
    assert_eq!(
        meter.frames_taken(),
        taken + heard.len() as u64 * 960,
        "not a frame lost"
    );
    let pcm = rig.listen(2);
    assert!(pcm[..60].iter().all(|s| s.abs() < 0.2), "fades in");
    assert!(rms(&pcm[960..1920]) > 0.3);
}

#[test]
fn replacing_the_line_in_mid_song_loses_nothing() {
    let mut rig = Rig::new(200);
    let (session, writer) = rig.sing(tone, 40);
    rig.run_ms(203);
    rig.attach(session, 2);
    rig.run_ms(200);
    let (old, new) = (rig.heard(1).len(), rig.heard(2).len());
    let prepared = u64::from(rig.handle.stats().session(session).unwrap().sounding);
    let heard = (old + new) as u64;
    let taken = writer.meter().frames_taken() / 960;
    assert!(
        taken == heard || taken == heard + prepared,
        "{taken} taken, {heard} heard"
    );
    assert_eq!(rig.heard(2)[0].header.timestamp, FIRST_TIMESTAMP);
}

#[test]
fn pause_and_stop_take_effect_within_25_ms() {
    for stop in [false, true] {
        for offset in 0..20 {
            let mut rig = Rig::new(200);
            let (session, _writer) = rig.sing(tone, 60);
            rig.run_ms(200 + offset);
            let asked_ns = rig.io.now_ns;
            match stop {
                true => rig.handle.stop(session, TrackId(1)),
                false => rig.handle.pause(session, TrackId(1)),
            }
            rig.run_ms(200);
            // The last frame with sound is the one that fades.
            let heard = rig.heard(1);
            let silence = heard.iter().position(|h| h.is_silence()).unwrap();
            let fade = &heard[silence - 2];
            assert!(
                fade.at_ns - asked_ns <= 25 * MS,
                "{} us",
                (fade.at_ns - asked_ns) / 1000
            );
        }
    }
}

#[test]
fn pausing_does_not_click_for_the_listener_either() {
    let mut rig = Rig::new(200);
    let (session, _writer) = rig.sing(tone, 60);
    rig.run_ms(200);
    rig.handle.pause(session, TrackId(1));
    rig.run_ms(300);
    rig.handle.resume(session, TrackId(1));
    rig.run_ms(200);
    let pcm = rig.listen(1);
    let own = (0..2000)
        .map(|n| (tone(n + 1) - tone(n)).abs())
        .fold(0.0, f32::max);
    // The first packets are the codec warming up on a wave that begins at once.
    let step = pcm
        .windows(2)
        .skip(1920)
        .map(|w| (w[1] - w[0]).abs())
        .fold(0.0, f32::max);
    assert!(
        step < own * 1.5,
        "a step of {step}, the music's own is {own}"
    );
}

#[test]
fn tracks_are_mixed_and_the_sum_does_not_clip() {
    let mut rig = Rig::new(200);
    let (session, _one) = rig.sing(|n| 1.8 * tone(n), 40);
    let _two = rig.play(session, TrackId(2), |n| 1.8 * tone(n), 40);
    rig.run_ms(500);
    let pcm = rig.listen(1);
    // -1 dBTP is 0.891; the codec adds a little of its own.
    assert!(peak(&pcm[9600..]) > 0.85, "both are in it");
    assert!(peak(&pcm[9600..]) < 1.0, "{}", peak(&pcm[9600..]));
}

#[test]
fn gain_is_heard_and_a_lone_track_above_unity_is_limited() {
    let mut rig = Rig::new(200);
    let (session, _writer) = rig.sing(tone, 60);
    rig.run_ms(300);
    rig.handle.gain(session, TrackId(1), 0.2);
    rig.run_ms(300);
    rig.handle.gain(session, TrackId(1), 4.0);
    rig.run_ms(300);
    let pcm = rig.listen(1);
    let second = |ms: usize| rms(&pcm[ms * 48..(ms + 100) * 48]);
    let ratio = second(450) / second(150);
    assert!((ratio - 0.2).abs() < 0.02, "{ratio}");
    let loud = peak(&pcm[750 * 48..850 * 48]);
    assert!((0.85..1.0).contains(&loud), "{loud}");
}

#[test]
fn two_hundred_tracks_sound_together_and_are_cleared_away_a_few_at_a_time() {
    const TRACKS: u64 = 200;
    // Whole periods in 20 ms: orders are carried out 64 at a time, and not all begin together.
    let song = |n: usize| 0.5 * (n as f32 * std::f32::consts::TAU / 120.0).sin() / TRACKS as f32;
    let mut rig = Rig::new(200);
    let session = rig.open();
    rig.attach(session, 1);
    let mut writers: Vec<_> = (0..TRACKS)
        .map(|id| rig.play(session, TrackId(id), song, 16))
        .collect();
    rig.run_ms(30);
    writers.iter_mut().for_each(|w| w.finish());
    rig.run_ms(270);
    let started = |k: &&EventKind| matches!(k, EventKind::Started(_));
    assert_eq!(rig.kinds().iter().filter(started).count() as u64, TRACKS);
    let pcm = rig.listen(1);
    let sum = rms(&pcm[4800..9600]);
    assert!((sum - 0.354).abs() < 0.02, "as loud as one: {sum}");
    rig.janitor.sweep();
    rig.run_ms(100);
    let swept = rig.janitor.sweep();
    assert!((14..=5 * 14).contains(&swept), "not all at once: {swept}");
    rig.run_ms(500);
    rig.janitor.sweep();
    assert!(
        writers.iter().all(|w| w.is_abandoned()),
        "but all in the end"
    );
    let sent = rig.io.sends;
    rig.run_ms(200);
    assert_eq!(rig.io.sends, sent, "and then it sleeps");
}

#[test]
fn closing_a_mix_of_many_tracks_overflows_nothing() {
    const TRACKS: u64 = 5000;
    let mut rig = Rig::new(0);
    let session = rig.open();
    rig.attach(session, 1);
    let mut writers = vec![];
    for id in 0..TRACKS {
        let (writer, reader) = ring(1);
        let paused = TrackOptions {
            paused: true,
            ..TrackOptions::default()
        };
        rig.handle.play(session, TrackId(id), reader, paused);
        writers.push(writer);
        if id % 50 == 49 {
            rig.run_ms(5);
            rig.janitor.sweep();
        }
    }
    rig.handle.close(session);
    rig.run_ms(100);
    assert!(rig.wheel.is_empty());
    let told = rig.news.len() as u64 + rig.handle.stats().events_dropped;
    assert_eq!(told, TRACKS + 1, "each was stopped, or is counted");
    rig.janitor.sweep();
    assert!(writers.iter().all(|w| w.is_abandoned()));
}

#[test]
fn events_come_in_order_with_their_session() {
    let mut rig = Rig::new(0);
    let (session, mut writer) = rig.sing(tone, 10);
    writer.finish();
    rig.run_ms(50);
    rig.handle.pause(session, TrackId(1));
    rig.run_ms(50);
    rig.handle.resume(session, TrackId(1));
    rig.run_ms(500);
    assert!(rig.news.iter().all(|e| e.session == session));
    let track = TrackId(1);
    assert_eq!(
        rig.kinds(),
        [
            EventKind::Started(track),
            EventKind::Paused(track),
            EventKind::Resumed(track),
            EventKind::Ended {
                track,
                frames_played: 9600
            },
        ]
    );
    assert!(rig.kinds().iter().all(|k| k.track() == Some(track)));
    assert!(rig.kinds()[3].is_last());
}

#[test]
fn events_nobody_reads_are_dropped_and_counted() {
    let mut rig = Rig::new(0);
    let session = rig.open();
    rig.attach(session, 1);
    // Each play and stop of an unheard track is one event; 40 rounds of 30 stay within the mailbox.
    for _ in 0..40 {
        for id in 0..30 {
            let (_writer, reader) = ring(1);
            let paused = TrackOptions {
                paused: true,
                ..TrackOptions::default()
            };
            rig.handle.play(session, TrackId(id), reader, paused);
            rig.handle.stop(session, TrackId(id));
        }
        for _ in 0..2 {
            rig.io.now_ns += crate::WAKE_NS;
            rig.step();
        }
        rig.janitor.sweep();
    }
    assert_eq!(rig.handle.stats().events_dropped, 40 * 30 - 1024);
    assert_eq!(rig.news.len(), 0);
}

#[test]
fn a_janitor_who_is_away_holds_up_orders_but_loses_nothing() {
    let mut rig = Rig::new(0);
    let (session, _writer) = rig.sing(tone, 16);
    for _ in 0..5000 / 50 {
        for _ in 0..50 {
            rig.handle.set_bitrate(session, 64_000);
        }
        rig.run_ms(5);
        if rig.handle.stats().wakes > 75 {
            break;
        }
    }
    for _ in 0..500 {
        rig.handle.set_bitrate(session, 64_000);
    }
    rig.handle.close(session);
    rig.run_ms(500);
    assert!(!rig.wheel.is_empty(), "the order waits");
    assert!(rig.janitor.sweep() >= 4000);
    rig.run_ms(500);
    assert!(rig.wheel.is_empty());
}

#[test]
fn winding_down_says_goodbye_for_everyone() {
    let mut rig = Rig::new(200);
    let mut writers = vec![];
    for link in 0..6 {
        let session = rig.open();
        rig.attach(session, link);
        writers.push(rig.play(session, TrackId(1), tone, 30));
    }
    rig.run_ms(100);
    rig.wheel.wind_down();
    rig.run_ms(200);
    assert!(rig.wheel.is_empty());
    for link in 0..6 {
        assert!(rig.heard(link).iter().rev().take(5).all(|h| h.is_silence()));
    }
}
