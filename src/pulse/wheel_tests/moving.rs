//! Sessions that move between tick threads.

use super::dave::Epochs;
use super::hall::{Hall, MIX, line};
use super::rig::{Heard, MS, sealed, tone};
use crate::{Balancer, Bus, EventKind, OpenError, SessionKey, TrackId, TrackOptions};

/// Never the same twice within a second, so that a shift by one frame shows.
fn music(n: usize) -> f32 {
    let t = n as f32 / 48_000.0;
    let voice = |hz: f32, bend: f32| (std::f32::consts::TAU * t * (hz + bend * t)).sin();
    0.16 * (voice(220.0, 31.0) + voice(331.0, -17.0) + voice(523.0, 41.0))
}

/// A session on thread 0, sealed end to end, that begins to play after some milliseconds.
fn singer(hall: &mut Hall, link: u32, blocks: usize) -> (SessionKey, crate::RingWriter) {
    let session = hall.handle.open(MIX).unwrap();
    let mut line = line(link);
    line.sender = sealed(1);
    hall.handle.attach(session, line);
    let song = hall.play(session, 1, music, blocks, TrackOptions::default());
    (session, song)
}

fn thread_of(hall: &Hall, session: SessionKey) -> usize {
    hall.handle.stats().session(session).unwrap().thread
}

/// What a session says that never moves.
fn unmoved(backwards: bool, blocks: usize, ms: u64) -> Vec<Heard> {
    let mut hall = Hall::new(3, 1000);
    hall.backwards = backwards;
    hall.run_ms(20);
    let _song = singer(&mut hall, 1, blocks);
    hall.run_ms(ms);
    hall.heard(1)
}

#[test]
fn a_session_that_moves_in_mid_song_says_the_very_same_at_the_very_same_moments() {
    for backwards in [false, true] {
        let plain = unmoved(backwards, 60, 1500);
        assert_eq!(plain.len(), 60 + 1 + 5);
        for offset_ms in [0, 5, 10, 15] {
            let mut hall = Hall::new(3, 1000);
            hall.backwards = backwards;
            hall.run_ms(20);
            let (session, song) = singer(&mut hall, 1, 60);
            hall.run_ms(200 + offset_ms);
            // Away, on to a third thread over the first, twice at once, and home.
            for to in [1, 2, 1, 0, 2, 0] {
                hall.handle.move_to(session, to).unwrap();
                hall.handle.move_to(session, to).unwrap();
                hall.run_ms(100);
                assert_eq!(thread_of(&hall, session), to);
            }
            hall.run_ms(700 - offset_ms);
            assert!(hall.heard(1) == plain, "{offset_ms} ms, {backwards}");
            let stats = hall.handle.stats();
            assert_eq!((stats.late_packets, stats.skipped_frames), (0, 0));
            let mine = stats.session(session).unwrap();
            assert_eq!((mine.packets_sent, mine.silence_frames), (66, 5));
            assert_eq!(stats.sessions.len(), 1, "no shadow of it is left");
            assert_eq!(stats.threads[0].sessions, 1);
            assert!(song.is_abandoned());
            let kinds: Vec<_> = hall.news.iter().map(|event| event.kind).collect();
            let ended = EventKind::Ended {
                track: TrackId(1),
                frames_played: 60 * 960,
            };
            assert_eq!(kinds, [EventKind::Started(TrackId(1)), ended]);
        }
    }
}

#[test]
fn orders_that_are_on_the_way_are_carried_out_in_their_order_and_their_news_come_in_it() {
    for backwards in [false, true] {
        let mut hall = Hall::new(3, 0);
        hall.backwards = backwards;
        let session = hall.handle.open(MIX).unwrap();
        hall.handle.attach(session, line(1));
        let mut rings = vec![];
        for n in 0..120 {
            if n % 4 == 0 {
                hall.handle.move_to(session, n as usize / 4 % 3).unwrap();
            }
            rings.push(hall.play(session, n, music, 40, TrackOptions::default()));
            hall.handle.pause(session, TrackId(n));
            hall.handle.resume(session, TrackId(n));
            hall.run_ms(n % 3 * 5);
            hall.handle.stop(session, TrackId(n));
        }
        hall.run_ms(200);
        // Whether one was heard before it was stopped is a matter of time; that it was resumed after
        // it was paused, and stopped at last, is not.
        for n in 0..120 {
            let of_track = hall.news.iter().map(|event| event.kind);
            let mine: Vec<_> = of_track.filter(|k| k.track() == Some(TrackId(n))).collect();
            let at = |kind: fn(&EventKind) -> bool| mine.iter().position(kind).unwrap();
            let resumed = at(|kind| matches!(kind, EventKind::Resumed(_)));
            let stopped = at(|kind| matches!(kind, EventKind::Stopped { .. }));
            assert!(
                resumed < stopped && stopped + 1 == mine.len(),
                "{n}: {mine:?}"
            );
        }
        assert!(rings.iter().all(|ring| ring.is_abandoned()));
        assert_eq!(hall.handle.stats().orders_lost, 0);
    }
}

#[test]
fn a_guest_sends_nothing_under_an_old_epoch_and_loses_no_frame_to_the_new_one() {
    for backwards in [false, true] {
        for offset_ms in [0, 5, 10, 15] {
            let mut hall = Hall::new(2, 1000);
            hall.backwards = backwards;
            let (session, _song) = singer(&mut hall, 1, 60);
            hall.run_ms(100 + offset_ms);
            let mut since = vec![];
            for epoch in 2..12 {
                hall.handle.move_to(session, epoch as usize % 2).unwrap();
                hall.run_ms(35);
                hall.handle.sender(session, sealed(epoch));
                since.push((hall.heard(1).len(), epoch));
                hall.run_ms(45);
            }
            hall.run_ms(1000);
            let mut epochs = Epochs::new(12);
            let heard = hall.heard(1);
            let opened: Vec<_> = heard
                .iter()
                .map(|h| epochs.open(&mut h.frame.clone()))
                .collect();
            for (from, epoch) in since {
                let later = opened[from..].iter().filter_map(|(epoch, _)| *epoch);
                assert!(later.min().is_none_or(|least| least >= epoch));
            }
            let frames: Vec<_> = opened.into_iter().map(|(_, frame)| frame).collect();
            let plain = unmoved(backwards, 60, 2000);
            let mut one = Epochs::new(1);
            let expected: Vec<_> = plain
                .iter()
                .map(|h| one.open(&mut h.frame.clone()).1)
                .collect();
            assert!(frames == expected, "not a bit is missing");
            for pair in heard.windows(2) {
                let (a, b) = (pair[0].header, pair[1].header);
                assert_eq!(b.timestamp, a.timestamp.wrapping_add(960));
                assert_eq!(b.sequence, a.sequence.wrapping_add(1));
                assert!(
                    pair[1].at_ns - pair[0].at_ns <= 25 * MS,
                    "one wake late at most"
                );
            }
            assert_eq!(hall.handle.stats().sealed_stale, 0);
        }
    }
}

/// A session of thread 0, whatever is open there.
fn listener(hall: &Hall, bus: &Bus, link: u32) -> SessionKey {
    let session = hall.handle.open(MIX).unwrap();
    hall.handle.attach(session, line(link));
    hall.handle.subscribe(session, Some(bus));
    session
}

#[test]
fn subscribers_and_the_bus_itself_may_move_and_nobody_hears_it() {
    for backwards in [false, true] {
        let mut hall = Hall::new(3, 2000);
        hall.backwards = backwards;
        let bus = hall.handle.open_bus(MIX).unwrap();
        let moving = [1, 2].map(|link| listener(&hall, &bus, link));
        listener(&hall, &bus, 3);
        hall.run_ms(50);
        let _song = hall.play(bus.key(), 1, music, 120, TrackOptions::default());
        let mut speech = None;
        for to in [2, 0, 1, 2, 1, 0, 1] {
            for session in moving {
                hall.handle.move_to(session, to).unwrap();
            }
            hall.run_ms(150);
            if to == 1 && speech.is_none() {
                let voice = |n| 0.1 * tone(n);
                speech = Some(hall.play(moving[1], 7, voice, 12, TrackOptions::default()));
            }
            hall.handle.move_to(bus.key(), (to + 1) % 3).unwrap();
            hall.run_ms(150);
        }
        hall.run_ms(900);
        assert_eq!(hall.frames(3).len(), 121);
        assert!(hall.frames(1) == hall.frames(3));
        // The one with sound of its own leaves out no tick either.
        assert_eq!(hall.heard(2).len(), hall.heard(3).len());
        let stats = hall.handle.stats();
        assert!(stats.sessions.iter().all(|mix| mix.frames_missed == 0));
        let mine = stats.session(moving[1]).unwrap();
        assert!((12..40).contains(&mine.frames_encoded), "{mine:?}");
        assert_eq!(stats.session(bus.key()).unwrap().frames_encoded, 121);
        assert_eq!(bus.listeners(), 3);
    }
}

#[test]
fn a_session_that_ends_while_it_moves_leaves_no_place_taken() {
    let mut hall = Hall::new(2, 0);
    for round in 0..60 {
        let (session, song) = singer(&mut hall, 1, 20);
        hall.run_ms(round % 5 * 5);
        hall.handle.move_to(session, 1).unwrap();
        hall.run_ms(round % 7 * 5);
        if round % 2 == 0 {
            hall.handle.move_to(session, 0).unwrap();
        }
        hall.run_ms(round % 3 * 5);
        hall.handle.close(session);
        if round % 4 == 1 {
            hall.handle.move_to(session, 0).unwrap();
        }
        hall.run_ms(round % 6 * 5);
        hall.handle.move_to(session, 1).unwrap();
        hall.run_ms(300);
        assert!(song.is_abandoned());
        let stats = hall.handle.stats();
        assert!(stats.sessions.is_empty(), "{round}: {:?}", stats.sessions);
        assert!(hall.wheels.iter().all(|wheel| wheel.is_empty()));
        for wheel in &hall.wheels {
            assert_eq!(wheel.board().taken(), 0, "round {round}");
        }
    }
    let closed = hall.news.iter().filter(|e| e.kind == EventKind::Closed);
    assert_eq!(closed.count(), 60);
    let (session, _song) = singer(&mut hall, 1, 1);
    let nowhere = hall.handle.move_to(session, 2);
    assert!(matches!(nowhere, Err(OpenError::Full)));
}

#[test]
fn a_thread_with_too_much_to_do_gives_mixes_away_until_it_has_not_and_takes_none_back() {
    let mut hall = Hall::new(2, 6000);
    let mut balancer = Balancer::new(hall.handle.clone());
    // All are on the first thread.
    let mut sessions = vec![];
    for link in 0..60 {
        let session = hall.handle.open(MIX).unwrap();
        hall.handle.attach(session, line(link));
        if session.thread == 1 {
            hall.handle.move_to(session, 0).unwrap();
        }
        sessions.push(session);
    }
    hall.run_ms(50);
    assert_eq!(hall.handle.stats().threads[1].sessions, 0);
    let songs: Vec<_> = sessions
        .iter()
        .map(|session| hall.play(*session, 1, music, 150, TrackOptions::default()))
        .collect();
    // Each look at the clock costs so much: about two for a frame.
    hall.worlds
        .iter_mut()
        .for_each(|io| io.look_costs_ns = 230_000);
    let mut moves = vec![];
    for look in 0..130 {
        hall.run_ms(20);
        let moved = balancer.look();
        if moved > 0 {
            moves.push((look, moved));
        }
    }
    let stats = hall.handle.stats();
    let there: Vec<_> = stats.threads.iter().map(|thread| thread.sessions).collect();
    let busy: Vec<_> = stats.threads.iter().map(|t| t.busy_ns / 1000).collect();
    assert!(there[1] >= 8, "{there:?}, {busy:?} us, {moves:?}");
    assert!(
        stats.threads.iter().all(|t| t.overload_rung == 0),
        "{busy:?}"
    );
    assert_eq!(stats.skipped_frames, 0);
    let last = moves.last().unwrap().0;
    assert!(last < 100, "and then it is at rest: {moves:?}");
    drop(songs);
}
