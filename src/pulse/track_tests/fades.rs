//! Fades over many blocks, alone and beside everything else that moves a gain.

use std::time::Duration;

use mynah_audio::Curve;

use super::*;

/// A track of which every sample is 1, so that what is heard is its gain.
fn flat(options: TrackOptions) -> Rig {
    let mut rig = Rig::new(options);
    ones(&mut rig, 16);
    rig
}

fn ones(rig: &mut Rig, blocks: usize) {
    let writer = rig.writer.as_mut().unwrap();
    for _ in 0..blocks {
        assert!(writer.put(|block| block.fill(1.0)));
    }
}

fn fade(frames: u32, curve: Curve) -> Fade {
    Fade { frames, curve }
}

fn fading_in(fade: Fade) -> TrackOptions {
    TrackOptions {
        fade_in: Some(fade),
        ..TrackOptions::default()
    }
}

fn steepest(heard: &[f32]) -> f32 {
    let steps = heard.windows(2).map(|w| (w[1] - w[0]).abs());
    steps.fold(0.0, f32::max)
}

#[test]
fn a_fade_walks_over_many_blocks_and_arrives_exactly() {
    let mut rig = flat(TrackOptions::default());
    rig.tick(1);
    rig.track
        .act(&mut Act::Fade(0.25, fade(2400, Curve::Linear)));
    rig.tick(4);
    assert!((rig.heard[FRAMES + 1199] - 0.625).abs() < 1e-3);
    assert!(rig.heard[FRAMES + 2400..].iter().all(|s| *s == 0.25));
    assert!(steepest(&rig.heard) <= 0.75 / 2400.0 + 1e-6);
}

#[test]
fn a_track_fades_in_from_its_first_sample_and_volume_does_not_disturb_that() {
    let mut rig = flat(fading_in(fade(4800, Curve::Linear)));
    rig.tick(2);
    rig.track.set_gain(0.5);
    rig.tick(6);
    assert!(rig.heard[0] < 1e-3);
    assert!((rig.heard[1919] - 0.4).abs() < 1e-3);
    assert!((rig.heard[2880] - 0.3).abs() < 1e-3, "half of 0.6");
    assert!(rig.heard[4800..].iter().all(|s| *s == 0.5));
    assert!(steepest(&rig.heard) <= 0.5 / RAMP_FRAMES as f32 + 1e-3);
}

#[test]
fn a_pause_and_a_stall_hold_a_fade_where_it_is() {
    let mut rig = Rig::new(fading_in(fade(9600, Curve::Linear)));
    ones(&mut rig, 3);
    rig.tick(3);
    rig.tick(20);
    ones(&mut rig, 10);
    rig.tick(1);
    let risen = rig.heard[24 * FRAMES - 1];
    assert!((risen - 0.4).abs() < 1e-3, "{risen}");
    rig.track.pause();
    rig.tick(20);
    rig.track.resume();
    rig.tick(1);
    let risen = *rig.heard.last().unwrap();
    assert!((risen - 0.5).abs() < 1e-3, "{risen}");
    assert!(steepest(&rig.heard) <= 1.0 / RAMP_FRAMES as f32 + 1e-3);
}

#[test]
fn stopping_with_a_fade_plays_on_until_nothing_is_heard() {
    let mut rig = playing();
    rig.feed(16);
    rig.tick(3);
    let long = Fade::over(Duration::from_millis(150), Curve::EqualPower);
    let news = rig.track.act(&mut Act::StopWith(long));
    assert_eq!(news, None, "told when it is gone");
    rig.track.act(&mut Act::Gain(1.0));
    rig.tick(9);
    rig.assert_no_click();
    rig.assert_plays_song(0, 0, 3 * FRAMES);
    let louder = rig.heard[6 * FRAMES..7 * FRAMES].iter();
    assert!(louder.fold(0.0f32, |top, s| top.max(s.abs())) > 0.4);
    rig.assert_silent(3 * FRAMES + 7200..12 * FRAMES);
    assert!(rig.track.is_done());
    let frames_played = 11 * FRAMES as u64;
    let stopped = EventKind::Stopped {
        track: ID,
        frames_played,
    };
    assert_eq!(rig.news, [EventKind::Started(ID), stopped]);
}

#[test]
fn a_track_that_leaves_can_be_paused_cut_short_and_run_dry() {
    let leaving = || {
        let mut rig = playing();
        rig.feed(4);
        rig.tick(2);
        rig.track
            .act(&mut Act::StopWith(fade(4800, Curve::Decibel)));
        rig.tick(1);
        rig
    };
    let mut paused = leaving();
    paused.track.pause();
    paused.tick(5);
    assert_eq!(paused.news.last(), Some(&EventKind::Paused(ID)));
    paused.track.resume();
    paused.feed(6);
    paused.tick(6);
    assert!(paused.track.is_done());
    paused.assert_no_click();

    let mut cut = leaving();
    cut.track.stop();
    cut.tick(1);
    assert!(cut.track.is_done());
    cut.assert_no_click();

    let mut dry = leaving();
    dry.tick(2);
    assert!(dry.track.is_done(), "nobody waits for what leaves anyway");
    dry.assert_no_click();
    for rig in [paused, cut, dry] {
        assert!(matches!(rig.news.last(), Some(EventKind::Stopped { .. })));
    }
}

#[test]
fn what_is_not_heard_stops_at_once_whatever_the_fade() {
    let long = fade(48_000, Curve::Linear);
    let mut rig = playing();
    assert!(rig.track.act(&mut Act::StopWith(long)).is_some());
    let mut rig = flat(TrackOptions::default());
    rig.tick(1);
    rig.track.pause();
    rig.tick(1);
    assert!(rig.track.act(&mut Act::StopWith(long)).is_some());
    assert!(rig.track.is_done());
}

#[test]
fn two_tracks_that_cross_with_equal_power_are_as_loud_as_one() {
    let long = Fade::over(Duration::from_millis(120), Curve::EqualPower);
    let mut old = flat(TrackOptions::default());
    let mut new = flat(fading_in(long));
    old.tick(2);
    old.track.act(&mut Act::StopWith(long));
    old.tick(7);
    new.tick(7);
    assert!(old.track.is_done());
    for (at, (old, new)) in old.heard[2 * FRAMES..].iter().zip(&new.heard).enumerate() {
        let power_db = 10.0 * (old * old + new * new).log10();
        assert!(power_db.abs() < 0.1, "{power_db} dB at frame {at}");
    }
    assert!(new.heard[5760..].iter().all(|s| *s == 1.0));
}
