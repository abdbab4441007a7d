use super::*;
use crate::SILENT_BLOCK;
use crate::level::db_from_gain;

/// True peak by an interpolation of its own: sixteen-fold, 64 samples on either side, Kaiser
/// window of 90 dB, per channel.
fn true_peak(samples: &[f32]) -> f32 {
    const TIMES: usize = 16;
    const SIDE: usize = 64;
    let bessel = |x: f64| {
        let (mut sum, mut term) = (1.0, 1.0);
        for k in 1..40 {
            term *= (x / 2.0 / f64::from(k)).powi(2);
            sum += term;
        }
        sum
    };
    let beta = 9.0;
    let weights: Vec<Vec<f32>> = (1..TIMES)
        .map(|phase| {
            let at = phase as f64 / TIMES as f64;
            (0..2 * SIDE)
                .map(|k| {
                    let t = k as f64 - (SIDE as f64 - 1.0) - at;
                    let x = std::f64::consts::PI * t;
                    let reach = (1.0 - (t / SIDE as f64).powi(2)).max(0.0).sqrt();
                    (x.sin() / x * bessel(beta * reach) / bessel(beta)) as f32
                })
                .collect()
        })
        .collect();
    let mut top = 0.0f32;
    for side in 0..CHANNELS {
        let mut channel = vec![0.0; SIDE];
        channel.extend(samples.iter().skip(side).step_by(CHANNELS));
        channel.extend([0.0; SIDE]);
        let sampled = channel.iter().fold(0.0f32, |t, s| t.max(s.abs()));
        top = top.max(sampled);
        for window in channel.windows(2 * SIDE) {
            // Far from the top nothing between the samples can matter.
            if window[SIDE - 3..SIDE + 3]
                .iter()
                .all(|s| s.abs() < sampled * 0.3)
            {
                continue;
            }
            for weights in &weights {
                let y: f32 = window.iter().zip(weights).map(|(s, w)| s * w).sum();
                top = top.max(y.abs());
            }
        }
    }
    top
}

fn blocks(frames: usize, wave: impl FnMut(usize) -> [f32; 2]) -> Vec<Block> {
    let all: Vec<f32> = (0..frames.next_multiple_of(FRAMES))
        .flat_map(wave)
        .collect();
    all.as_chunks().0.to_vec()
}

fn sine(count: usize, hz: f32, height: impl Fn(usize) -> f32) -> Vec<Block> {
    blocks(count * FRAMES, |n| {
        let s = (n as f32 * hz * std::f32::consts::TAU / 48_000.0).sin() * height(n);
        [s, -s * 0.5]
    })
}

/// All of `song` through `limiter`, and one block of silence, so that everything is out.
fn limited(limiter: &mut Limiter, song: &[Block]) -> Vec<f32> {
    let mut out = vec![];
    for block in song.iter().chain([&SILENT_BLOCK]) {
        let mut block = *block;
        limiter.process(&mut block, true);
        out.extend(block);
    }
    out
}

fn late(song: &[Block]) -> Vec<f32> {
    let mut all = vec![0.0; HELD];
    all.extend(song.iter().flatten());
    all.resize((song.len() + 1) * SAMPLES, 0.0);
    all
}

fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    }
}

fn largest_step(samples: &[f32]) -> f32 {
    crate::measure::largest_step(samples)
}

#[test]
fn sound_below_the_ceiling_is_late_and_otherwise_the_same_bit_for_bit() {
    // Rising and falling: a sine that is cut off rings above its height.
    let song = sine(10, 997.0, |n| {
        0.88 * (n as f32 / 9_600.0 * std::f32::consts::PI).sin()
    });
    let mut limiter = Limiter::new();
    assert!(limited(&mut limiter, &song) == late(&song));
    assert!(!limiter.is_working());
}

#[test]
fn sound_that_is_not_watched_is_late_and_otherwise_the_same_however_loud() {
    let song = sine(10, 997.0, |_| 3.0);
    let mut limiter = Limiter::new();
    let mut out = vec![];
    for block in song.iter().chain([&SILENT_BLOCK]) {
        let mut block = *block;
        limiter.process(&mut block, false);
        out.extend(block);
    }
    assert!(out == late(&song));
}

#[test]
fn the_delay_line_says_when_it_holds_sound() {
    let mut limiter = Limiter::new();
    assert!(!limiter.holds_sound());
    limiter.process(&mut [0.1; SAMPLES], false);
    assert!(limiter.holds_sound());
    let mut rest = SILENT_BLOCK;
    limiter.process(&mut rest, false);
    assert_eq!(rest[..HELD], [0.1; HELD]);
    assert_eq!(rest[HELD..], SILENT_BLOCK[HELD..]);
    assert!(!limiter.holds_sound());
}

/// The torture set: name and sound.
fn torture() -> Vec<(String, Vec<Block>)> {
    let tau = std::f32::consts::TAU;
    let mut set = vec![];
    for (period, height) in [
        (2, 1.0f32),
        (3, 1.0),
        (7, 1.0),
        (48, 1.0),
        (101, 1.0),
        (960, 4.0),
    ] {
        let wave = |n: usize| {
            let s = if n % period < period / 2 {
                height
            } else {
                -height
            };
            [s, -s]
        };
        set.push((format!("square of {period} frames"), blocks(9_600, wave)));
    }
    for (hz, phase, height) in [
        (12_000.0, 0.125, 1.0f32),
        (12_000.0, 0.125, 2.0),
        (6_000.0, 0.125, 1.0),
        (11_999.0, 0.0, 1.0),
        (16_000.0, 0.25, 1.5),
        (19_000.0, 0.0, 1.5),
        (61.0, 0.0, 8.0),
    ] {
        let wave = move |n: usize| {
            let s = ((n as f32 * hz / 48_000.0 + phase).fract() * tau).sin() * height;
            [s, s * 0.3]
        };
        set.push((format!("{hz} Hz at {height}"), blocks(9_600, wave)));
    }
    for drive in [1.0, 3.0, 20.0] {
        let (mut l, mut r) = (noise(7), noise(99));
        let wave = |_: usize| {
            [
                (l() * drive).clamp(-1.0, 1.0),
                (r() * drive).clamp(-1.0, 1.0),
            ]
        };
        set.push((
            format!("white noise clipped at {drive}"),
            blocks(19_200, wave),
        ));
        let (mut l, mut low) = (noise(3), [0.0f32; 4]);
        let wave = |_: usize| {
            let mut s = l() * drive * 3.0;
            for low in &mut low {
                *low += 0.5 * (s - *low);
                s = *low;
            }
            [s.clamp(-1.0, 1.0), s]
        };
        set.push((
            format!("pink-like noise, driven {drive}"),
            blocks(19_200, wave),
        ));
    }
    let clicks = |n: usize| match n % 1013 {
        0 => [3.0, 0.0],
        1 => [0.0, -2.0],
        500 => [1.0, 1.0],
        501 => [1.0, -1.0],
        _ => [0.1, 0.1],
    };
    set.push(("clicks all over the place".into(), blocks(96_000, clicks)));
    for at in [-2i64, -1, 0, 1] {
        let wave = |n: usize| {
            let near = (n as i64 - at).rem_euclid(960);
            let s = if near < 2 && n > 900 { 1.0 } else { 0.0 };
            [s, s * 5.0]
        };
        set.push((
            format!("a pulse {at} frames off a block's border"),
            blocks(9_600, wave),
        ));
    }
    let mut angle = 0.0f64;
    let sweep = |n: usize| {
        let hz = 20.0 * 1000f64.powf(n as f64 / 48_000.0);
        angle += hz / 48_000.0;
        let s = (angle.fract() as f32 * tau).sin() * 1.8;
        [s, s]
    };
    set.push(("sweep to 20 kHz".into(), blocks(48_000, sweep)));
    let mut random = noise(1234);
    let mut gain = 1.0;
    let bursts = |n: usize| {
        if n.is_multiple_of(211) {
            gain = (random() * 4.0).exp2();
        }
        let s = (n as f32 * 0.061).sin() + 0.5 * (n as f32 * 0.43).sin();
        [s * gain, random() * 0.3 * gain]
    };
    set.push(("random gain bursts".into(), blocks(48_000, bursts)));
    set
}

#[test]
fn no_true_peak_of_the_torture_set_comes_out_above_the_ceiling() {
    let mut worst = f32::NEG_INFINITY;
    for (name, song) in torture() {
        let before = db_from_gain(true_peak(&song.concat()));
        let heard = limited(&mut Limiter::new(), &song);
        let after = db_from_gain(true_peak(&heard));
        println!("{name}: {before:.2} dBTP in, {after:.3} out");
        worst = worst.max(after - CEILING_DBTP);
    }
    println!("worst excess {worst:.3} dB");
    assert!(worst <= 0.0, "{worst} dB above the ceiling");
}

#[test]
fn a_swell_over_the_ceiling_does_not_click() {
    // 0.5 up to 3 and back over half a second: the limited wave may never step more than the
    // unlimited one does.
    let swell = |n: usize| 0.5 + 2.5 * (n as f32 / 24_000.0 * std::f32::consts::PI).sin();
    let song = sine(25, 220.0, swell);
    let heard = limited(&mut Limiter::new(), &song);
    assert!(largest_step(&heard) <= largest_step(&song.concat()));
    // A sine at full scale steps 0.029 a sample; a click would be many times that.
    assert!(largest_step(&heard) < 0.04, "{}", largest_step(&heard));
}

#[test]
fn the_gain_recovers_and_becomes_transparent_again() {
    let mut limiter = Limiter::new();
    for mut block in sine(5, 440.0, |_| 2.0) {
        limiter.process(&mut block, true);
    }
    assert!(limiter.is_working());
    let song = sine(100, 440.0, |_| 0.5);
    let heard = limited(&mut limiter, &song);
    assert!(!limiter.is_working(), "2 s are enough to recover");
    assert!(heard[99 * SAMPLES..100 * SAMPLES] == late(&song)[99 * SAMPLES..100 * SAMPLES]);
    let (loud, whole) = (crate::level::peak(&heard[HELD..1000]), 0.5);
    assert!(
        loud < whole * 0.8,
        "right after the peak still reduced: {loud}"
    );
}

#[test]
fn the_gain_recovers_also_while_nobody_watches_and_does_not_fall() {
    let mut limiter = Limiter::new();
    for mut block in sine(5, 440.0, |_| 2.0) {
        limiter.process(&mut block, true);
    }
    let mut level = 0.0;
    for mut block in sine(200, 440.0, |_| 4.0) {
        limiter.process(&mut block, false);
        let now = crate::level::peak(&block[HELD..]);
        assert!(now >= level - 0.02, "{now} after {level}");
        level = level.max(now);
    }
    assert!(!limiter.is_working());
    assert!(level > 3.99);
}

#[test]
fn both_channels_are_turned_down_together() {
    let mut limiter = Limiter::new();
    for mut block in sine(3, 333.0, |_| 1.7) {
        limiter.process(&mut block, true);
        for frame in block.chunks_exact(2).filter(|f| f[0].abs() > 0.01) {
            assert!(
                (frame[1] / frame[0] + 0.5).abs() < 1e-4,
                "the stereo image holds still"
            );
        }
    }
}

#[test]
fn the_gain_moves_smoothly_towards_a_peak() {
    // On a constant the output is the gain itself.
    let song = blocks(4_800, |n| {
        let s = if n == 2_400 { 3.0 } else { 0.3 };
        [s, s]
    });
    let heard = limited(&mut Limiter::new(), &song);
    let gain: Vec<f32> = heard[HELD..].iter().step_by(2).map(|s| s / 0.3).collect();
    let steepest = gain[..2_390]
        .windows(2)
        .map(|w| (w[1] - w[0]).abs())
        .fold(0.0, f32::max);
    assert!(steepest < 0.04, "{steepest} a frame");
    assert_eq!(gain[2_300], 1.0, "not before the look-ahead");
}

#[test]
fn non_finite_samples_become_silence_and_do_not_stick() {
    for watch in [false, true] {
        let mut limiter = Limiter::new();
        let mut block = [0.25; SAMPLES];
        block[7] = f32::NAN;
        block[8] = f32::INFINITY;
        block[9] = f32::NEG_INFINITY;
        limiter.process(&mut block, watch);
        assert_eq!(&block[HELD + 6..HELD + 11], &[0.25, 0.0, 0.0, 0.0, 0.25]);
        assert!(!limiter.is_working());
    }
}

#[test]
fn absurd_heights_are_limited_too() {
    let mut limiter = Limiter::new();
    let heard = limited(
        &mut limiter,
        &blocks(2_000, |n| [f32::MAX * (n % 2) as f32, 1e-30]),
    );
    assert!(heard.iter().all(|s| s.abs() <= 1.0));
}

#[test]
fn another_ceiling_is_kept_too() {
    let song = sine(10, 5_000.0, |_| 1.0);
    let heard = limited(&mut Limiter::with_ceiling_dbtp(-6.0), &song);
    let peak = db_from_gain(true_peak(&heard));
    assert!((-6.2..-5.98).contains(&peak), "{peak}");
}
