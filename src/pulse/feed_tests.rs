#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mynah_audio::{SAMPLES, SILENT_BLOCK};

use super::*;

/// Every byte and sample of it says which tick it belongs to.
fn frame_of(tick: u64) -> Vec<u8> {
    let len = 3 + (tick * 37 % 1270) as usize;
    vec![(tick % 251) as u8; len]
}

#[test]
fn a_frame_comes_out_as_it_went_in() {
    let feed = Feed::new();
    let mut room = [0; MAX_FRAME_BYTES];
    for tick in 0..40 {
        let frame = frame_of(tick);
        let mut pcm = SILENT_BLOCK;
        pcm.iter_mut()
            .enumerate()
            .for_each(|(i, s)| *s = i as f32 - tick as f32);
        feed.publish(tick, &frame, tick == 7, &pcm);
        let found = feed.frame(tick, &mut room);
        let (len, fresh) = (frame.len(), tick == 7);
        assert_eq!(found, Found::Frame { len, fresh });
        assert_eq!(room[..len], frame);
        let mut heard = SILENT_BLOCK;
        assert!(feed.pcm(tick, &mut heard));
        assert_eq!(heard, pcm);
    }
}

#[test]
fn what_is_not_there_yet_or_any_more_is_missed_and_silence_is_not() {
    let feed = Feed::new();
    let mut room = [0; MAX_FRAME_BYTES];
    assert_eq!(
        feed.frame(0, &mut room),
        Found::Quiet,
        "nothing was ever said"
    );
    (0..20).for_each(|tick| feed.publish(tick, &[1; 3], false, &SILENT_BLOCK));
    assert_eq!(feed.frame(11, &mut room), Found::Missed, "overwritten");
    assert!(matches!(feed.frame(12, &mut room), Found::Frame { .. }));
    assert_eq!(feed.frame(20, &mut room), Found::Missed, "not there yet");
    feed.fall_quiet(20);
    feed.fall_quiet(25);
    assert_eq!(feed.frame(20, &mut room), Found::Quiet);
    assert!(matches!(feed.frame(19, &mut room), Found::Frame { .. }));
    feed.close();
    assert_eq!(feed.frame(19, &mut room), Found::Quiet);
}

#[test]
fn fresh_frames_are_made_when_wished_for_and_not_too_often() {
    let feed = Feed::new();
    let mut made = 0;
    for tick in 0..100 {
        assert!(tick != 0 || !feed.takes_wish(tick), "nobody asked");
        feed.wish_fresh();
        made += u32::from(feed.takes_wish(tick));
    }
    assert!((9..=10).contains(&made), "{made}");
}

/// One publisher at full speed, four readers: whatever is accepted is whole.
#[test]
fn no_torn_frame_is_ever_accepted() {
    const FRAMES: u64 = 1_000_000;
    let feed = Arc::new(Feed::new());
    let newest = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4u64)
        .map(|lag| {
            let (feed, newest, done) = (feed.clone(), newest.clone(), done.clone());
            std::thread::spawn(move || {
                let (mut room, mut pcm) = ([0; MAX_FRAME_BYTES], SILENT_BLOCK);
                let (mut whole, mut missed) = (0u64, 0u64);
                while !done.load(Relaxed) {
                    // Also those about to be overwritten: there the danger is.
                    let tick = newest.load(Relaxed).saturating_sub(lag * 2);
                    match feed.frame(tick, &mut room) {
                        Found::Frame { len, .. } => {
                            assert_eq!(len, 3 + (tick * 37 % 1270) as usize);
                            let expected = (tick % 251) as u8;
                            assert!(room[..len].iter().all(|b| *b == expected), "torn");
                            whole += 1;
                        }
                        _ => missed += 1,
                    }
                    if whole.is_multiple_of(16) && feed.pcm(tick, &mut pcm) {
                        assert!(pcm.iter().all(|s| *s == tick as f32), "torn sound");
                    }
                }
                (whole, missed)
            })
        })
        .collect();
    let (mut frame, mut pcm) = ([0u8; MAX_FRAME_BYTES], [0.0; SAMPLES]);
    for tick in 1..=FRAMES {
        let len = 3 + (tick * 37 % 1270) as usize;
        frame[..len].fill((tick % 251) as u8);
        pcm.fill(tick as f32);
        feed.publish(tick, &frame[..len], false, &pcm);
        newest.store(tick, Relaxed);
        if tick.is_multiple_of(1024) {
            std::thread::yield_now();
        }
    }
    done.store(true, Relaxed);
    for reader in readers {
        let (whole, _missed) = reader.join().unwrap();
        assert!(whole > 0, "this reader never got a frame");
    }
}
