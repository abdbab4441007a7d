//! One mix for many: fan-out, newcomers, and own sound over a bus.

use super::hall::{Hall, MIX};
use crate::{Sender, TrackOptions};

/// Never the same twice within a second, so that a shift by one frame shows.
fn music(n: usize) -> f32 {
    let t = n as f32 / 48_000.0;
    let voice = |hz: f32, bend: f32| (std::f32::consts::TAU * t * (hz + bend * t)).sin();
    0.16 * (voice(220.0, 31.0) + voice(331.0, -17.0) + voice(523.0, 41.0))
}

fn voice(n: usize) -> f32 {
    0.1 * (n as f32 * 100.0 * std::f32::consts::TAU / 48_000.0).sin()
}

fn largest_step(pcm: &[f32]) -> f32 {
    pcm.windows(2)
        .map(|w| (w[1] - w[0]).abs())
        .fold(0.0, f32::max)
}

fn rms(pcm: &[f32]) -> f32 {
    (pcm.iter().map(|s| s * s).sum::<f32>() / pcm.len().max(1) as f32).sqrt()
}

/// By how many samples `a` lags behind `b` at `at`.
fn lag(a: &[f32], b: &[f32], at: usize) -> i32 {
    let width = 4800;
    let score = |lag: i32| -> f32 {
        let from = (at as i32 + lag) as usize;
        let (a, b) = (&a[from..from + width], &b[at..at + width]);
        a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / rms(a)
    };
    (-1200..=1200)
        .max_by(|x, y| score(*x).total_cmp(&score(*y)))
        .unwrap()
}

#[test]
fn every_subscriber_on_every_thread_gets_the_same_frames_and_its_own_silence() {
    for backwards in [false, true] {
        let mut hall = Hall::new(2, 1000);
        hall.backwards = backwards;
        let bus = hall.handle.open_bus(MIX).unwrap();
        let sessions: Vec<_> = (1..=8).map(|link| hall.listener(&bus, link)).collect();
        assert_eq!(bus.listeners(), 8);
        hall.run_ms(100);
        let _song = hall.play(bus.key(), 1, music, 30, TrackOptions::default());
        hall.run_ms(1500);
        let first = hall.frames(1);
        assert_eq!(
            first.len(),
            31,
            "thirty blocks and the encoder's look-ahead"
        );
        for link in 1..=8 {
            assert!(hall.frames(link) == first, "link {link}");
            let heard = hall.heard(link);
            assert_eq!(heard.len(), 31 + 5);
            assert!(heard[31..].iter().all(|h| h.is_silence()));
            for pair in heard.windows(2) {
                let (a, b) = (pair[0].header, pair[1].header);
                assert_eq!(b.timestamp, a.timestamp.wrapping_add(960));
                assert_eq!(b.sequence, a.sequence.wrapping_add(1));
            }
        }
        let stats = hall.handle.stats();
        let encoded = |key| stats.session(key).unwrap().frames_encoded;
        assert_eq!(encoded(bus.key()), 31);
        assert!(sessions.iter().all(|key| encoded(*key) == 0));
        let on = |thread| sessions.iter().filter(|s| s.thread == thread).count();
        assert!(on(0) >= 3 && on(1) >= 3, "spread over both threads");
        assert!(stats.sessions.iter().all(|s| s.frames_missed == 0));
        // All alike, and it is the music.
        let pcm = hall.listen(1);
        assert!(rms(&pcm[4800..9600]) > 0.15);
    }
}

#[test]
fn a_late_subscriber_begins_with_a_frame_that_leans_on_nothing() {
    let mut hall = Hall::new(2, 1000);
    let (bus, _song) = hall.bus(music, 100);
    hall.listener(&bus, 1);
    hall.run_ms(500);
    hall.listener(&bus, 2);
    hall.run_ms(1000);
    let (early, late) = (hall.listen(1), hall.listen(2));
    let first = &hall.frames(2)[0];
    let missing = hall
        .frames(1)
        .iter()
        .position(|frame| frame == first)
        .unwrap()
        * 960;
    assert!(
        (960 * 24..=960 * 38).contains(&missing),
        "within 240 ms: {missing}"
    );
    // At its level from the second frame on, as whoever was there all the time hears it.
    for at in [960, 1920, 2880, 9600] {
        let (mine, theirs) = (&late[at..at + 960], &early[missing + at..][..960]);
        let difference: Vec<_> = mine.iter().zip(theirs).map(|(a, b)| a - b).collect();
        assert!(
            rms(&difference) < 0.1 * rms(theirs),
            "at {at}: {}",
            rms(&difference)
        );
    }
}

#[test]
fn nothing_is_encoded_for_nobody_and_the_music_does_not_wait() {
    let mut hall = Hall::new(1, 1000);
    let (bus, song) = hall.bus(music, 100);
    hall.run_ms(500);
    let encoded = |hall: &Hall| {
        let stats = hall.handle.stats();
        stats.session(bus.key()).unwrap().frames_encoded
    };
    assert_eq!(encoded(&hall), 0);
    assert!(song.meter().frames_taken() >= 20 * 960);
    let session = hall.listener(&bus, 1);
    hall.run_ms(200);
    assert!(encoded(&hall) >= 8);
    hall.handle.subscribe(session, None);
    hall.run_ms(200);
    let at_end = encoded(&hall);
    hall.run_ms(500);
    assert_eq!(encoded(&hall), at_end);
    let heard = hall.heard(1);
    let silences = heard.iter().rev().take_while(|h| h.is_silence()).count();
    assert_eq!(silences, 5, "it ended in order");
    assert_eq!(bus.listeners(), 0);
}

#[test]
fn own_sound_comes_and_goes_over_a_bus_without_a_click_or_a_shift() {
    for backwards in [false, true] {
        let mut hall = Hall::new(2, 4000);
        hall.backwards = backwards;
        let bus = hall.handle.open_bus(MIX).unwrap();
        let own = hall.listener(&bus, 1);
        hall.listener(&bus, 2);
        hall.listener(&bus, 3);
        hall.run_ms(40);
        let _song = hall.play(bus.key(), 1, music, 200, TrackOptions::default());
        hall.run_ms(1000);
        let _speech = hall.play(own, 7, voice, 30, TrackOptions::default());
        hall.run_ms(3500);

        let stats = hall.handle.stats();
        let mine = stats.session(own).unwrap();
        assert!((30..60).contains(&mine.frames_encoded), "{mine:?}");
        assert!(mine.frames_forwarded > 130, "and back it went: {mine:?}");
        assert_eq!(mine.frames_missed, 0);
        assert!(hall.frames(2) == hall.frames(3), "nobody else is touched");
        let differing = hall
            .frames(1)
            .iter()
            .zip(&hall.frames(2))
            .filter(|(a, b)| a != b)
            .count() as u64;
        assert!(differing < mine.frames_encoded, "{differing}");

        let (with, without) = (hall.listen(1), hall.listen(2));
        assert_eq!(with.len(), without.len(), "no frame more, none less");
        let (step, usual) = (largest_step(&with[4800..]), largest_step(&without[4800..]));
        assert!(step <= 1.2 * usual, "{step} against {usual}");
        for at in (9600..with.len() - 9600).step_by(4800) {
            let lag = lag(&with, &without, at);
            assert!(lag.abs() <= 1, "shifted by {lag} at {at}");
        }
        // Before and after the speech both hear the very same.
        let tail = with.len() - 24_000;
        let after: Vec<_> = with[tail..]
            .iter()
            .zip(&without[tail..])
            .map(|(a, b)| a - b)
            .collect();
        assert!(rms(&after) < 0.002, "{}", rms(&after));
        let heard = hall.heard(1);
        for pair in heard.windows(2) {
            assert_eq!(
                pair[1].header.timestamp,
                pair[0].header.timestamp.wrapping_add(960)
            );
        }
    }
}

#[test]
fn own_sound_over_a_silent_bus_is_as_without_one() {
    let mut hall = Hall::new(1, 1000);
    let bus = hall.handle.open_bus(MIX).unwrap();
    let own = hall.listener(&bus, 1);
    hall.run_ms(100);
    let _speech = hall.play(own, 7, voice, 20, TrackOptions::default());
    hall.run_ms(800);
    assert_eq!(hall.heard(1).len(), 20 + 1 + 5);
    let _song = hall.play(bus.key(), 8, music, 20, TrackOptions::default());
    hall.run_ms(800);
    assert_eq!(hall.heard(1).len(), 26 + 20 + 1 + 5, "and then the bus");
}

#[test]
fn a_bus_that_is_closed_leaves_its_subscribers_in_order_and_asleep() {
    let mut hall = Hall::new(2, 1000);
    let (bus, song) = hall.bus(music, 100);
    let session = hall.listener(&bus, 1);
    hall.run_ms(400);
    hall.handle.close(bus.key());
    hall.run_ms(400);
    let heard = hall.heard(1);
    assert!(heard.iter().rev().take(5).all(|h| h.is_silence()));
    assert!(!heard[heard.len() - 6].is_silence());
    assert!(song.is_abandoned(), "the janitor has it");
    // The session lives on, and plays for itself.
    let _speech = hall.play(session, 7, voice, 10, TrackOptions::default());
    hall.run_ms(500);
    assert_eq!(hall.heard(1).len(), heard.len() + 10 + 1 + 5);
    hall.handle.close(session);
    hall.run_ms(200);
    assert!(hall.wheels.iter().all(|wheel| wheel.is_empty()));
}

#[test]
fn a_subscriber_that_closes_or_is_unheard_ends_without_its_bus() {
    let mut hall = Hall::new(1, 1000);
    let (bus, _song) = hall.bus(music, 100);
    let (one, two) = (hall.listener(&bus, 1), hall.listener(&bus, 2));
    hall.run_ms(400);
    hall.handle.close(one);
    hall.handle.sender(two, Sender::Unheard);
    hall.run_ms(300);
    let (ended, unheard) = (hall.heard(1), hall.heard(2));
    assert_eq!(ended.iter().filter(|h| h.is_silence()).count(), 5);
    assert!(hall.handle.stats().session(one).is_none());
    assert!(unheard.len() < 22);
    hall.handle.sender(two, Sender::Plain);
    hall.run_ms(400);
    let again = hall.heard(2).len() - unheard.len();
    assert!(
        (8..=20).contains(&again),
        "heard again within 240 ms: {again}"
    );
}

#[test]
fn a_bus_that_waits_alone_holds_its_tracks_until_somebody_listens_again() {
    let mut hall = Hall::new(2, 1000);
    let bus = hall.handle.open_bus(MIX).unwrap();
    bus.wait_alone(true);
    let song = hall.play(bus.key(), 1, music, 60, TrackOptions::default());
    hall.run_ms(500);
    assert_eq!(song.meter().frames_taken(), 0);
    let session = hall.listener(&bus, 1);
    hall.run_ms(500);
    let heard = song.meter().frames_taken();
    assert!((22 * 960..=26 * 960).contains(&heard), "{heard}");
    // The janitor has to have had its turn.
    hall.handle.subscribe(session, None);
    hall.run_ms(20);
    let heard = song.meter().frames_taken();
    hall.run_ms(500);
    assert!(song.meter().frames_taken() <= heard);
    // It goes on where it was, and ends while nobody is there any more only when it is closed.
    hall.handle.subscribe(session, Some(&bus));
    hall.run_ms(400);
    hall.handle.subscribe(session, None);
    hall.run_ms(20);
    hall.run_ms(1000);
    assert!(!song.is_abandoned());
    hall.handle.close(bus.key());
    hall.run_ms(100);
    assert!(song.is_abandoned());
    assert_eq!(hall.handle.stats().sessions.len(), 1);
}

#[test]
fn who_leaves_a_bus_in_mid_sound_hears_no_click() {
    let mut hall = Hall::new(2, 1000);
    let (bus, _song) = hall.bus(music, 100);
    let session = hall.listener(&bus, 1);
    hall.listener(&bus, 2);
    hall.run_ms(1007);
    hall.handle.subscribe(session, None);
    hall.run_ms(500);
    let (left, stayed) = (hall.listen(1), hall.listen(2));
    let (step, usual) = (largest_step(&left[4800..]), largest_step(&stayed[4800..]));
    assert!(step <= 1.2 * usual, "{step} against {usual}");
}
