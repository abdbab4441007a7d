//! Lanes, fades and changing rings, as a listener hears them.

use mynah_audio::level::rms;
use mynah_audio::{CHANNELS, FRAMES};
use mynah_audio::{Curve, DuckMatrix, Fade, Lane};

use super::rig::{Rig, tone};
use crate::{EventKind, RingReader, RingWriter, TrackId, TrackOptions, ring};

/// A ring of `blocks` blocks of what `song` has from frame `from` on.
fn filled(song: impl Fn(usize) -> f32, from: usize, blocks: usize) -> (RingWriter, RingReader) {
    let (mut writer, reader) = ring(blocks.max(1));
    for b in 0..blocks {
        assert!(writer.put(|block| {
            let frames = block.chunks_exact_mut(CHANNELS).enumerate();
            frames.for_each(|(i, frame)| frame.fill(song(from + b * FRAMES + i)));
        }));
    }
    (writer, reader)
}

/// Loudness of 50 ms from `ms` on: whole periods of every tone here.
fn at(pcm: &[f32], ms: usize) -> f32 {
    rms(&pcm[ms * 48..(ms + 50) * 48])
}

#[test]
fn an_effect_turns_the_music_down_and_a_gain_set_meanwhile_is_where_it_comes_back_to() {
    let mut rig = Rig::new(200);
    let (session, _music) = rig.sing(tone, 100);
    rig.run_ms(400);
    // An effect that is there, but hardly to be heard.
    let (_writer, reader) = filled(|n| tone(n) * 1e-3, 0, 20);
    let effect = TrackOptions {
        lane: Lane::Fx,
        ..TrackOptions::default()
    };
    rig.handle.play(session, TrackId(2), reader, effect);
    rig.run_ms(200);
    rig.handle.gain(session, TrackId(1), 0.5);
    rig.run_ms(1000);
    let pcm = rig.listen(1);
    let whole = at(&pcm, 300);
    assert!((at(&pcm, 520) / whole - 0.501).abs() < 0.03, "6 dB");
    assert!(
        (at(&pcm, 700) / whole - 0.251).abs() < 0.02,
        "6 dB of the half"
    );
    assert!((at(&pcm, 1300) / whole - 0.5).abs() < 0.02, "the half");
}

#[test]
fn people_who_talk_turn_the_music_down_when_the_rules_say_so() {
    let mut rig = Rig::new(200);
    let (session, _music) = rig.sing(tone, 100);
    rig.run_ms(300);
    rig.handle.talk(session, true);
    rig.run_ms(300);
    let heeding = DuckMatrix::default().with_human(DuckMatrix::HUMAN_DB);
    rig.handle.duck(session, heeding);
    rig.run_ms(300);
    rig.handle.talk(session, false);
    rig.run_ms(600);
    let pcm = rig.listen(1);
    let whole = at(&pcm, 200);
    assert!((at(&pcm, 500) / whole - 1.0).abs() < 0.02);
    assert!((at(&pcm, 820) / whole - 0.355).abs() < 0.02, "9 dB");
    assert!((at(&pcm, 1400) / whole - 1.0).abs() < 0.02);
}

#[test]
fn two_songs_cross_with_equal_power() {
    let mut rig = Rig::new(200);
    let (session, _old) = rig.sing(tone, 40);
    rig.run_ms(300);
    let long = Fade {
        frames: 14_400,
        curve: Curve::EqualPower,
    };
    // Another pitch, so that powers add up.
    let other = |n: usize| 0.5 * (n as f32 * 640.0 * std::f32::consts::TAU / 48_000.0).sin();
    let (_new, reader) = filled(other, 0, 40);
    let rising = TrackOptions {
        fade_in: Some(long),
        ..TrackOptions::default()
    };
    rig.handle.play(session, TrackId(2), reader, rising);
    rig.handle.stop_with(session, TrackId(1), long);
    rig.run_ms(600);
    let pcm = rig.listen(1);
    let whole = at(&pcm, 200);
    for ms in (200..800).step_by(50) {
        let change_db = 20.0 * (at(&pcm, ms) / whole).log10();
        assert!(change_db.abs() < 0.2, "{change_db} dB at {ms} ms");
    }
    let stopped = |k: &EventKind| {
        matches!(
            k,
            EventKind::Stopped {
                track: TrackId(1),
                ..
            }
        )
    };
    assert!(rig.kinds().iter().any(stopped));
}

#[test]
fn a_song_goes_over_to_another_ring_at_the_frame_and_the_old_one_is_let_go() {
    let mut rig = Rig::new(200);
    let (session, old) = rig.sing(tone, 60);
    rig.run_ms(200);
    let frame = old.meter().frames_taken() as usize + 2 * FRAMES;
    let (new, reader) = filled(|n| tone(n) * 0.5, frame, 40);
    rig.handle.swap(session, TrackId(1), reader, frame as u64);
    rig.run_ms(400);
    assert_eq!(old.meter().frames_taken() as usize, frame + FRAMES);
    assert!(new.meter().frames_taken() > 10 * 960);
    assert!(!old.is_abandoned(), "nothing is dropped on the tick");
    rig.janitor.sweep();
    assert!(old.is_abandoned());
    let pcm = rig.listen(1);
    // The codec's delay and the limiter's.
    let change = frame + 312 + 72;
    assert!((rms(&pcm[change - 1920..change]) - 0.354).abs() < 0.01);
    assert!((rms(&pcm[change + 960..change + 2880]) - 0.177).abs() < 0.01);
    let own = (0..2000).map(|n| (tone(n + 1) - tone(n)).abs());
    let own = own.fold(0.0, f32::max);
    let steps = pcm.windows(2).skip(1920).map(|w| (w[1] - w[0]).abs());
    assert!(steps.fold(0.0, f32::max) < own * 1.2);
    assert_eq!(rig.kinds(), [EventKind::Started(TrackId(1))]);
}
