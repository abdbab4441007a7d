use super::*;
use crate::level::gain_from_db;
use crate::measure::largest_step;

const SPEECH: Triggers = Triggers::NONE.with(Lane::Speech);
const NOTICE: Triggers = Triggers::NONE.with(Lane::Notice);

/// The gain that `lane` gets in each frame: what `ducker` makes of a constant 1.
fn gains(ducker: &mut Ducker, lane: Lane, blocks: usize, active: Triggers) -> Vec<f32> {
    let mut all = vec![];
    for _ in 0..blocks {
        ducker.step(active);
        let mut block = [1.0; crate::SAMPLES];
        ducker.apply(lane, &mut block);
        assert!(block.chunks_exact(2).all(|f| f[0] == f[1]));
        assert!(!ducker.is_unity(lane) || block == [1.0; crate::SAMPLES]);
        all.extend(block.iter().step_by(2));
    }
    all
}

fn db(gain: f32) -> f32 {
    crate::level::db_from_gain(gain)
}

#[test]
fn speech_turns_music_down_evenly_in_decibels_within_the_attack() {
    let mut ducker = Ducker::default();
    // 80 ms for 12 dB: 3840 frames, four blocks.
    let heard = gains(&mut ducker, Lane::Bed, 6, SPEECH);
    for (n, gain) in heard.iter().enumerate() {
        let formula = (-12.0 * (n as f32 + 1.0) / 3_840.0).max(-12.0);
        assert!(
            (db(*gain) - formula).abs() < 0.002,
            "{n}: {} for {formula}",
            db(*gain)
        );
    }
    assert_eq!(ducker.depth_db(Lane::Bed), -12.0);
}

#[test]
fn music_comes_back_evenly_in_decibels_within_the_release_and_is_whole_again() {
    let mut ducker = Ducker::default();
    gains(&mut ducker, Lane::Bed, 6, SPEECH);
    // 400 ms for 12 dB: 19,200 frames, twenty blocks.
    let heard = gains(&mut ducker, Lane::Bed, 21, Triggers::NONE);
    for (n, gain) in heard.iter().enumerate() {
        let formula = (-12.0 + 12.0 * (n as f32 + 1.0) / 19_200.0).min(0.0);
        assert!(
            (db(*gain) - formula).abs() < 0.002,
            "{n}: {} for {formula}",
            db(*gain)
        );
    }
    assert!(
        heard[20 * FRAMES..].iter().all(|gain| *gain == 1.0),
        "exactly"
    );
    assert!(ducker.is_resting());
}

#[test]
fn the_lane_that_speaks_and_those_without_a_rule_stay_bit_for_bit() {
    let mut ducker = Ducker::default();
    for _ in 0..10 {
        ducker.step(SPEECH);
        assert!(ducker.is_unity(Lane::Speech) && ducker.is_unity(Lane::Fx));
        assert!(ducker.is_unity(Lane::Notice) && !ducker.is_unity(Lane::Bed));
    }
}

#[test]
fn the_deepest_rule_wins_and_the_next_one_takes_over() {
    let mut ducker = Ducker::default();
    gains(&mut ducker, Lane::Bed, 10, SPEECH.with(Lane::Fx));
    assert_eq!(ducker.depth_db(Lane::Bed), -12.0);
    gains(&mut ducker, Lane::Bed, 10, SPEECH.with(Lane::Notice));
    assert_eq!(ducker.depth_db(Lane::Bed), -15.0);
    assert_eq!(
        ducker.depth_db(Lane::Speech),
        -15.0,
        "a notice silences speech too"
    );
    gains(&mut ducker, Lane::Bed, 60, SPEECH);
    assert_eq!(ducker.depth_db(Lane::Bed), -12.0);
    assert_eq!(ducker.depth_db(Lane::Speech), 0.0);
}

#[test]
fn people_who_talk_turn_music_down_when_that_is_wanted() {
    let talk = Triggers::NONE.with_human(true);
    let mut ducker = Ducker::default();
    assert!(
        gains(&mut ducker, Lane::Bed, 5, talk)
            .iter()
            .all(|g| *g == 1.0)
    );
    let matrix = DuckMatrix::default().with_human(DuckMatrix::HUMAN_DB);
    assert!(matrix.heeds_humans() && !DuckMatrix::default().heeds_humans());
    ducker.set_matrix(matrix);
    gains(&mut ducker, Lane::Bed, 5, talk);
    assert_eq!(ducker.depth_db(Lane::Bed), -9.0);
    assert_eq!(
        ducker.depth_db(Lane::Speech),
        0.0,
        "the bot's speech does not step back"
    );
}

#[test]
fn nothing_steps_however_triggers_come_and_go() {
    let mut ducker = Ducker::new(DuckMatrix::default().with_human(-9.0));
    let mut seed = 3u32;
    let mut heard = vec![];
    for _ in 0..400 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut active = Triggers::NONE.with_human(seed >> 30 == 1);
        for (bit, lane) in (20..).zip(Lane::ALL) {
            if seed >> bit & 7 == 0 {
                active = active.with(lane);
            }
        }
        ducker.step(active);
        let mut block = [1.0; crate::SAMPLES];
        ducker.apply(Lane::Bed, &mut block);
        heard.extend(block);
    }
    // The steepest way of all: 15 dB in 40 ms.
    let steepest = 1.0 - gain_from_db(-15.0 / 1_920.0);
    assert!(
        largest_step(&heard) <= steepest * 1.01,
        "{}",
        largest_step(&heard)
    );
    assert!(heard.iter().all(|g| (0.177..=1.0).contains(g)));
}

#[test]
fn rules_that_change_while_they_hold_glide_to_the_new_depth() {
    let mut ducker = Ducker::default();
    gains(&mut ducker, Lane::Bed, 6, SPEECH);
    let mut softer = DuckMatrix::default();
    softer.rules[Lane::Speech.index()][Lane::Bed.index()] = -3.0;
    ducker.set_matrix(softer);
    let heard = gains(&mut ducker, Lane::Bed, 25, SPEECH);
    assert!(db(heard[0]) < -11.99, "no jump");
    assert_eq!(ducker.depth_db(Lane::Bed), -3.0);
    ducker.set_matrix(DuckMatrix::OFF);
    gains(&mut ducker, Lane::Bed, 30, SPEECH);
    assert!(ducker.is_resting());
}

#[test]
fn nonsense_in_the_rules_does_no_harm() {
    let matrix = DuckMatrix {
        rules: [[f32::NAN, f32::NEG_INFINITY, 12.0, -6.0]; TRIGGERS],
        attack_ms: [f32::NAN, -1.0, 0.0, f32::INFINITY, 1e30],
        release_ms: [0.0, f32::NAN, f32::INFINITY, -5.0, 1.0],
    };
    let mut ducker = Ducker::new(matrix);
    for active in [SPEECH, NOTICE, NOTICE.with_human(true), Triggers::NONE] {
        for lane in Lane::ALL {
            let heard = gains(&mut ducker, lane, 4, active);
            assert!(heard.iter().all(|g| (0.0..=1.0).contains(g)));
        }
    }
}

#[test]
fn triggers_say_what_sounds() {
    let some = Triggers::NONE.with(Lane::Fx).with_human(true);
    assert!(some.sounds(Lane::Fx) && some.human());
    assert!(!some.sounds(Lane::Bed) && !SPEECH.human());
}
