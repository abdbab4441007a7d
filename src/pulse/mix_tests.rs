//! A mix heard sample by sample, before the limiter and behind it, without an encoder.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

use mynah_audio::FRAMES;
use mynah_testkit::alloc::in_tick;

use super::*;
use crate::ring::{RingWriter, ring};
use crate::{TrackId, TrackOptions};

const LATE: usize = Limiter::LATENCY_FRAMES;

/// A mixer with tracks whose samples never change: what is heard is what was done to them.
struct Rig {
    mixer: Mixer,
    tracks: Vec<(RingWriter, [f32; 2])>,
    /// Before the limiter.
    left: Vec<f32>,
    right: Vec<f32>,
    /// Behind it, the left side.
    limited: Vec<f32>,
}

impl Rig {
    fn new() -> Self {
        let mut mixer = Mixer::new();
        mixer.keep_dry();
        Self {
            mixer,
            tracks: vec![],
            left: vec![],
            right: vec![],
            limited: vec![],
        }
    }

    /// A track of so much left and right.
    fn play(&mut self, lane: Lane, sides: [f32; 2]) -> TrackId {
        let (writer, reader) = ring(2);
        let options = TrackOptions {
            lane,
            ..TrackOptions::default()
        };
        let id = TrackId(self.tracks.len() as u64);
        let node = Box::new(Node::new(Track::new(id, reader, options), None));
        self.mixer.take_track(&mut Some(node));
        self.tracks.push((writer, sides));
        id
    }

    /// From now on so much left and right.
    fn change(&mut self, id: TrackId, sides: [f32; 2]) {
        self.tracks[id.0 as usize].1 = sides;
    }

    fn tick(&mut self, ticks: usize) -> bool {
        let mut sound = false;
        for _ in 0..ticks {
            for (writer, sides) in &mut self.tracks {
                let frames = |block: &mut Block| {
                    block
                        .chunks_exact_mut(2)
                        .for_each(|f| f.copy_from_slice(sides));
                };
                assert!(writer.put(frames) || writer.free() == 0);
            }
            sound = in_tick(|| self.mixer.next(None, &mut |_| {}));
            let dry = self.mixer.dry().unwrap();
            self.left.extend(dry.iter().step_by(2));
            self.right.extend(dry.iter().skip(1).step_by(2));
            self.limited.extend(self.mixer.block().iter().step_by(2));
        }
        sound
    }

    /// How far the left side is down at `ms` since the start, of a sound of 0.5.
    fn depth_db(&self, ms: usize) -> f32 {
        20.0 * (self.left[ms * 48] / 0.5).log10()
    }
}

fn assert_db(found: f32, wanted: f32) {
    assert!((found - wanted).abs() < 0.1, "{found} dB, not {wanted} dB");
}

#[test]
fn speech_turns_music_down_evenly_and_music_comes_back_to_where_it_was() {
    let mut rig = Rig::new();
    rig.play(Lane::Bed, [0.5, 0.0]);
    rig.tick(10);
    let speech = rig.play(Lane::Speech, [0.0, 0.2]);
    rig.tick(20);
    rig.change(speech, [0.0, 0.0]);
    rig.tick(40);
    assert!(rig.left[..200 * 48].iter().all(|s| *s == 0.5));
    // 12 dB in 80 ms, and back in 400 ms.
    for (ms, wanted) in [(220, -3.0), (240, -6.0), (260, -9.0), (280, -12.0)] {
        assert_db(rig.depth_db(ms), wanted);
    }
    assert_db(rig.depth_db(599), -12.0);
    for (ms, wanted) in [(700, -9.0), (800, -6.0), (900, -3.0)] {
        assert_db(rig.depth_db(ms), wanted);
    }
    assert!(rig.left[1010 * 48..].iter().all(|s| *s == 0.5), "exactly");
    assert!(rig.right[200 * 48..600 * 48].iter().all(|s| *s == 0.2));
    let steps = rig.left.windows(2).map(|w| (w[1] - w[0]).abs());
    let steepest = steps.fold(0.0, f32::max);
    // 0.15 dB a millisecond, at full height.
    assert!(steepest < 0.5 * 0.15 / 8.68 / 48.0 * 1.1, "{steepest}");
}

#[test]
fn a_notice_turns_everything_down_and_the_deepest_rule_wins() {
    let mut rig = Rig::new();
    rig.play(Lane::Bed, [0.5, 0.0]);
    rig.play(Lane::Speech, [0.0, 0.4]);
    rig.tick(10);
    rig.play(Lane::Notice, [0.0, 0.1]);
    rig.tick(10);
    assert_db(rig.depth_db(199), -12.0);
    assert_db(rig.depth_db(399), -15.0);
    let speech = rig.right[399 * 48] - 0.1;
    assert_db(20.0 * (speech / 0.4).log10(), -15.0);
}

#[test]
fn people_who_talk_turn_music_down_only_where_that_is_wanted() {
    let mut rig = Rig::new();
    rig.play(Lane::Bed, [0.5, 0.0]);
    rig.mixer.set_talking(true);
    rig.tick(10);
    assert!(rig.left.iter().all(|s| *s == 0.5) && !rig.mixer.bends_bed());
    let heeding = DuckMatrix::default().with_human(DuckMatrix::HUMAN_DB);
    rig.mixer.set_ducking(heeding);
    assert!(rig.mixer.bends_bed());
    rig.tick(10);
    assert_db(rig.depth_db(399), -9.0);
    rig.mixer.set_talking(false);
    rig.tick(25);
    assert_eq!(rig.left.last(), Some(&0.5));
    assert!(!rig.mixer.bends_bed());
}

#[test]
fn rules_taken_back_let_the_music_come_back() {
    let mut rig = Rig::new();
    rig.play(Lane::Bed, [0.5, 0.0]);
    rig.play(Lane::Speech, [0.0, 0.2]);
    rig.tick(10);
    assert_db(rig.depth_db(199), -12.0);
    rig.mixer.set_ducking(DuckMatrix::OFF);
    rig.tick(25);
    assert_eq!(rig.left.last(), Some(&0.5));
}

#[test]
fn a_speaker_who_pauses_for_breath_is_silent_and_one_who_is_muted_too() {
    let mut rig = Rig::new();
    rig.play(Lane::Bed, [0.5, 0.0]);
    rig.play(Lane::Speech, [0.0, 0.0]);
    rig.tick(10);
    assert!(rig.left.iter().all(|s| *s == 0.5));
}

#[test]
fn tracks_of_one_lane_and_of_several_add_up_to_the_same() {
    let mut one = Rig::new();
    one.play(Lane::Bed, [0.1, 0.2]);
    one.play(Lane::Bed, [0.3, -0.1]);
    one.tick(5);
    let mut two = Rig::new();
    two.mixer.set_ducking(DuckMatrix::OFF);
    two.play(Lane::Fx, [0.1, 0.2]);
    two.play(Lane::Speech, [0.3, -0.1]);
    two.tick(5);
    assert_eq!((one.left, one.right), (two.left, two.right));
}

#[test]
fn a_sound_below_everything_belongs_to_the_bed() {
    let mut rig = Rig::new();
    rig.play(Lane::Speech, [0.0, 0.2]);
    let radio = [0.5; mynah_audio::SAMPLES];
    for _ in 0..10 {
        rig.tracks[0]
            .0
            .put(|block| block.fill(0.01))
            .then_some(())
            .unwrap();
        assert!(in_tick(|| rig.mixer.next(Some(&radio), &mut |_| {})));
    }
    let gain = (rig.mixer.dry().unwrap()[1900] - 0.01) / 0.5;
    assert_db(20.0 * gain.log10(), -12.0);
    assert!(
        in_tick(|| rig.mixer.next(Some(&radio), &mut |_| {})),
        "alone"
    );
}

#[test]
fn who_slept_wakes_up_unbent() {
    let mut rig = Rig::new();
    rig.play(Lane::Bed, [0.5, 0.0]);
    rig.play(Lane::Speech, [0.0, 0.2]);
    rig.tick(10);
    rig.mixer.rest();
    rig.change(TrackId(1), [0.0, 0.0]);
    rig.tick(1);
    // The block that lay in the ring still speaks.
    rig.tick(1);
    rig.mixer.rest();
    rig.tick(1);
    assert_eq!(rig.left.last(), Some(&0.5));
}

#[test]
fn a_lone_track_passes_the_limiter_bit_for_bit_and_a_sum_does_not() {
    let mut rig = Rig::new();
    rig.play(Lane::Bed, [1.5, 0.0]);
    rig.tick(3);
    assert!(rig.limited[..LATE].iter().all(|s| *s == 0.0));
    assert!(rig.limited[LATE..].iter().all(|s| *s == 1.5), "only late");
    rig.play(Lane::Bed, [0.5, 0.0]);
    rig.tick(10);
    let after = &rig.limited[4 * FRAMES..];
    assert!(after.iter().all(|s| s.abs() <= 0.892), "-1 dBTP");
    assert_eq!(
        rig.left.last(),
        Some(&2.0),
        "what others mix with is not limited"
    );
}

#[test]
fn the_end_of_the_sound_comes_with_the_block_after_it() {
    let mut rig = Rig::new();
    let track = rig.play(Lane::Bed, [0.5, 0.0]);
    assert!(rig.tick(2));
    rig.change(track, [0.0, 0.0]);
    rig.tick(1);
    assert!(!rig.tick(1));
    let last = rig.limited.iter().rposition(|s| *s != 0.0).unwrap();
    let sung = rig.left.iter().rposition(|s| *s != 0.0).unwrap();
    assert_eq!(last, sung + LATE);
    assert!(!rig.mixer.limiter.holds_sound());
}

#[test]
fn after_an_interruption_nothing_old_is_left_in_the_delay_line() {
    let mut rig = Rig::new();
    rig.play(Lane::Bed, [0.5, 0.0]);
    rig.tick(3);
    rig.mixer.hush(&mut |_| {});
    rig.tick(1);
    let back = &rig.limited[3 * FRAMES..];
    assert!(back[..LATE].iter().all(|s| *s == 0.0));
    let steps = back.windows(2).map(|w| (w[1] - w[0]).abs());
    assert!(steps.fold(0.0, f32::max) < 0.5 / 200.0);
}

#[test]
fn what_was_held_back_rises_and_falls_and_leaves_nothing_behind() {
    let mut rig = Rig::new();
    rig.play(Lane::Bed, [0.5, 0.0]);
    rig.tick(3);
    rig.mixer.hold_back(true);
    rig.mixer.hush(&mut |_| {});
    rig.tick(2);
    let back = &rig.limited[3 * FRAMES..];
    assert_eq!((back[0], back[FRAMES - 1], back[480]), (0.0, 0.0, 0.5));
    let steps = back.windows(2).map(|w| (w[1] - w[0]).abs());
    assert!(steps.fold(0.0, f32::max) < 0.5 / 200.0);
}
