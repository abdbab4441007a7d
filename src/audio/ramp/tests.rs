use super::*;
use crate::{FRAMES, SILENT_BLOCK};

/// The largest step between neighbouring frames of the left channel.
fn largest_step(blocks: &[Block]) -> f32 {
    let left: Vec<f32> = blocks.iter().flatten().step_by(2).copied().collect();
    left.windows(2)
        .map(|w| (w[1] - w[0]).abs())
        .fold(0.0, f32::max)
}

#[test]
fn unity_passes_sound_bit_for_bit() {
    let mut from = SILENT_BLOCK;
    (0u16..)
        .zip(from.iter_mut())
        .for_each(|(i, s)| *s = f32::from(i) * 1e-4 - 0.1);
    let mut into = SILENT_BLOCK;
    let mut ramp = Ramp::new(1.0);
    assert!(ramp.is_unity());
    ramp.add(&from, &mut into);
    assert_eq!(from, into);
    let mut inplace = from;
    ramp.apply(&mut inplace);
    assert_eq!(from, inplace);
}

#[test]
fn a_ramp_never_steps_more_than_its_slope() {
    let ones = [1.0; crate::SAMPLES];
    for frames in [1u32, 240, 960, 961, 5000] {
        let mut ramp = Ramp::new(0.0);
        let mut heard = vec![];
        let mut block = SILENT_BLOCK;
        ramp.add(&ones, &mut block);
        heard.push(block);
        ramp.set(0.8, frames);
        for _ in 0..8 {
            let mut block = SILENT_BLOCK;
            ramp.add(&ones, &mut block);
            heard.push(block);
        }
        assert!(
            largest_step(&heard) <= 0.8 / frames as f32 + 1e-6,
            "{frames} frames"
        );
        assert!(!ramp.is_moving());
        assert_eq!(heard[8], [0.8; crate::SAMPLES], "arrives exactly");
    }
}

#[test]
fn both_channels_get_the_same_gain() {
    let ones = [1.0; crate::SAMPLES];
    let mut ramp = Ramp::new(1.0);
    ramp.set(0.0, RAMP_FRAMES);
    let mut block = SILENT_BLOCK;
    ramp.add(&ones, &mut block);
    assert!(block.chunks_exact(2).all(|f| f[0] == f[1]));
    assert!(ramp.is_silent());
    assert_eq!(
        block[2 * RAMP_FRAMES as usize],
        0.0,
        "silent right after the ramp"
    );
    assert!(
        block[2 * (RAMP_FRAMES as usize - 2)] > 0.0,
        "and not before"
    );
}

#[test]
fn turning_round_in_mid_ramp_starts_from_where_it_is() {
    let ones = [1.0; crate::SAMPLES];
    let mut ramp = Ramp::new(1.0);
    let mut heard = vec![];
    ramp.set(0.0, 2 * FRAMES as u32);
    for turn in [0.0, 1.0, 0.25] {
        if turn > 0.0 {
            ramp.set(turn, 2 * FRAMES as u32);
        }
        let mut block = SILENT_BLOCK;
        ramp.add(&ones, &mut block);
        heard.push(block);
    }
    assert!(largest_step(&heard) <= 1.0 / (2.0 * FRAMES as f32) + 1e-6);
}

#[test]
fn apply_and_add_agree() {
    let from = [0.5; crate::SAMPLES];
    let (mut a, mut b) = (Ramp::new(0.2), Ramp::new(0.2));
    a.set(0.9, 1000);
    b.set(0.9, 1000);
    for _ in 0..3 {
        let mut mixed = SILENT_BLOCK;
        a.add(&from, &mut mixed);
        let mut applied = from;
        b.apply(&mut applied);
        assert_eq!(mixed, applied);
    }
    assert_eq!(a, b);
}

#[test]
fn nonsense_gains_are_silence() {
    for bad in [f32::NAN, f32::INFINITY, -1.0] {
        assert!(Ramp::new(bad).is_silent());
        let mut ramp = Ramp::new(1.0);
        ramp.set(bad, 0);
        assert!(ramp.is_silent());
    }
}
const CURVES: [Curve; 3] = [Curve::Linear, Curve::EqualPower, Curve::Decibel];

/// The gain of each frame on the way from `from` to `to`.
fn way(from: f32, to: f32, fade: Fade) -> Vec<f32> {
    let ones = [1.0; crate::SAMPLES];
    let mut ramp = Ramp::new(from);
    ramp.fade(to, fade);
    let mut out = vec![];
    while out.len() <= fade.frames as usize {
        let mut block = SILENT_BLOCK;
        ramp.add(&ones, &mut block);
        out.extend(block.iter().step_by(2));
    }
    assert!(!ramp.is_moving());
    assert_eq!(ramp.gain(), to);
    out
}

#[test]
fn curves_follow_their_formulas_over_many_blocks() {
    let frames = 48_000;
    for (from, to) in [(0.0f32, 1.0f32), (1.0, 0.0), (0.25, 0.9), (1.5, 0.1)] {
        let over = |curve| way(from, to, Fade { frames, curve });
        let (sine, decibel) = (over(Curve::EqualPower), over(Curve::Decibel));
        for n in (0..frames as usize).step_by(97) {
            let at = (n + 1) as f32 / frames as f32;
            let angle = at * std::f32::consts::FRAC_PI_2;
            let power = (from * angle.cos()).powi(2) + (to * angle.sin()).powi(2);
            assert!((sine[n] - power.sqrt()).abs() < 1e-5, "{n}: {}", sine[n]);
            if from > 0.0 && to > 0.0 {
                let wanted = from * (to / from).powf(at);
                assert!((decibel[n] - wanted).abs() < 1e-5, "{n}: {}", decibel[n]);
            }
        }
        assert_eq!(sine[frames as usize], to);
        assert_eq!(decibel[frames as usize], to);
    }
}

#[test]
fn no_curve_steps_at_the_border_of_a_block_or_at_its_ends() {
    for curve in CURVES {
        for (from, to) in [(0.0f32, 1.0f32), (1.0, 0.0), (0.2, 0.8)] {
            for frames in [240u32, 1_000, 5_000] {
                let mut heard = vec![from; 2];
                heard.extend(way(from, to, Fade { frames, curve }));
                let steepest = match curve {
                    Curve::Linear => 1.0,
                    Curve::EqualPower => std::f32::consts::FRAC_PI_2,
                    Curve::Decibel => 1000f32.ln() * 1.001,
                } / frames as f32;
                let step = heard
                    .windows(2)
                    .map(|w| (w[1] - w[0]).abs())
                    .fold(0.0, f32::max);
                assert!(
                    step <= steepest * 1.01 + 1e-6,
                    "{curve:?} over {frames}: {step}"
                );
                // Always onwards, never back.
                let onwards = heard
                    .windows(2)
                    .all(|w| (w[1] - w[0]) * (to - from) >= -1e-7);
                assert!(onwards, "{curve:?} over {frames}");
            }
        }
    }
}

#[test]
fn an_equal_power_crossfade_of_two_noises_is_flat_within_a_fifth_of_a_decibel() {
    // Long, so that the power of the noise itself is known well: 3 s, measured in windows of
    // 60 ms, averaged over 64 pairs of noises.
    let fade = Fade {
        frames: 144_000,
        curve: Curve::EqualPower,
    };
    let mut seed = 9u32;
    let mut power = vec![0.0f64; 50];
    for _ in 0..64 {
        let (mut out, mut into) = (Ramp::new(1.0), Ramp::new(0.0));
        out.fade(0.0, fade);
        into.fade(1.0, fade);
        for b in 0..150 {
            let mut noise = SILENT_BLOCK;
            let mut fill = |block: &mut Block| {
                for s in block.iter_mut() {
                    seed ^= seed << 13;
                    seed ^= seed >> 17;
                    seed ^= seed << 5;
                    *s = (seed >> 8) as f32 / 8_388_608.0 - 1.0;
                }
            };
            let mut mixed = SILENT_BLOCK;
            fill(&mut noise);
            out.add(&noise, &mut mixed);
            fill(&mut noise);
            into.add(&noise, &mut mixed);
            power[b / 3] += mixed.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        }
    }
    let mean = power.iter().sum::<f64>() / power.len() as f64;
    for (at, window) in power.iter().enumerate() {
        let off = 10.0 * (window / mean).log10();
        assert!(off.abs() < 0.2, "{} ms: {off} dB", at * 60);
    }
}

#[test]
fn a_fade_that_is_given_up_goes_on_from_where_it_is() {
    for curve in CURVES {
        let mut ramp = Ramp::new(0.0);
        ramp.fade(
            1.0,
            Fade {
                frames: 4_000,
                curve,
            },
        );
        let ones = [1.0; crate::SAMPLES];
        let mut heard = SILENT_BLOCK;
        ramp.add(&ones, &mut heard);
        let here = ramp.gain();
        assert!((heard[crate::SAMPLES - 1] - here).abs() < 1e-6);
        ramp.fade(0.0, Fade::QUICK);
        let mut next = SILENT_BLOCK;
        ramp.add(&ones, &mut next);
        assert!((next[0] - here).abs() < here / 200.0 + 1e-6, "{curve:?}");
        assert!(ramp.is_silent());
    }
}

#[test]
fn applying_and_adding_agree_on_every_curve() {
    let from = [0.5; crate::SAMPLES];
    for curve in CURVES {
        let fade = Fade {
            frames: 1_500,
            curve,
        };
        let (mut a, mut b) = (Ramp::new(0.2), Ramp::new(0.2));
        a.fade(0.9, fade);
        b.fade(0.9, fade);
        for _ in 0..3 {
            let mut mixed = SILENT_BLOCK;
            a.add(&from, &mut mixed);
            let mut applied = from;
            b.apply(&mut applied);
            assert_eq!(mixed, applied);
        }
    }
}

#[test]
fn a_fade_over_a_time_has_its_frames() {
    let fade = Fade::over(Duration::from_millis(5), Curve::Linear);
    assert_eq!(fade, Fade::QUICK);
    assert_eq!(Fade::over(Duration::MAX, Curve::Linear).frames, u32::MAX);
    assert_eq!(way(0.3, 0.7, Fade::NONE)[0], 0.7);
}
