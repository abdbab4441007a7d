use crate::filters::spec::{FilterSpec, Timescale};
use crate::filters::testing::{fit_tone, rendered};
use crate::measure::{largest_step, rms};

fn spec(speed: f64, pitch: f64, rate: f64) -> FilterSpec {
    FilterSpec {
        timescale: Some(Timescale { speed, pitch, rate }),
        ..Default::default()
    }
}

fn tones(hz: &[f64], frames: usize) -> Vec<f32> {
    let at = |n: usize, hz: f64| (std::f64::consts::TAU * hz * n as f64 / 48e3).sin() as f32;
    (0..frames)
        .flat_map(|n| {
            let share = 0.5 / hz.len() as f32;
            let s: f32 = hz.iter().map(|hz| share * at(n, *hz)).sum();
            [s, 0.5 * s]
        })
        .collect()
}

fn left(samples: &[f32]) -> Vec<f32> {
    samples.iter().step_by(2).copied().collect()
}

const SETTINGS: [(f64, f64, f64); 12] = [
    (1.5, 1.0, 1.0),
    (1.0, 1.2, 1.0),
    (0.5, 1.0, 1.0),
    (2.0, 1.0, 1.0),
    (1.0, 0.7, 1.0),
    (1.0, 1.0, 1.25),
    (1.0, 1.0, 0.8),
    (1.1, 1.3, 0.9),
    (1.01, 1.0, 1.0),
    (8.0, 1.0, 1.0),
    (0.1, 1.0, 1.0),
    (1.0, 3.0, 1.0),
];

#[test]
fn a_tone_keeps_its_frequency_times_the_pitch_and_stays_clean() {
    for (speed, pitch, rate) in SETTINGS {
        for hz in [1000.0, 440.0, 97.3, 6543.2] {
            let out = rendered(&spec(speed, pitch, rate), &tones(&[hz], 60_000));
            let wanted = hz * pitch * rate;
            let tone = left(&out);
            let inner = &tone[tone.len() / 10..tone.len() * 9 / 10];
            let inner = &inner[..inner.len().min(60_000)];
            let (found, snr_db) = fit_tone(inner, wanted);
            assert!(
                (found / wanted - 1.0).abs() < 1e-4,
                "speed {speed} pitch {pitch} rate {rate}: {hz} Hz became {found}, not {wanted}"
            );
            assert!(
                snr_db > 50.0,
                "speed {speed} pitch {pitch} rate {rate}, {hz} Hz: {snr_db} dB"
            );
        }
    }
}

#[test]
fn the_length_is_the_sources_divided_by_speed_and_rate() {
    for (speed, pitch, rate) in SETTINGS {
        for frames in [0usize, 1, 100, 5000, 48_123] {
            let out = rendered(&spec(speed, pitch, rate), &tones(&[300.0], frames));
            let wanted = (frames as f64 / (speed * rate)).round() as usize;
            assert_eq!(out.len(), 2 * wanted, "{speed} {pitch} {rate}, {frames}");
        }
    }
}

#[test]
fn nothing_clicks() {
    for (speed, pitch, rate) in SETTINGS {
        let hz = [110.0, 138.6, 164.8, 440.0, 659.3];
        let out = rendered(&spec(speed, pitch, rate), &tones(&hz, 96_000));
        // The steepest this sum of sines can be, at its new pitch.
        let steepest: f64 = hz
            .iter()
            .map(|hz| 0.1 * std::f64::consts::TAU * hz * pitch * rate / 48e3)
            .sum();
        let inner = &out[out.len() / 20 * 2..out.len() / 20 * 18];
        let step = f64::from(largest_step(inner));
        assert!(
            step < 1.1 * steepest,
            "{speed} {pitch} {rate}: {step} > {steepest}"
        );
    }
}

#[test]
fn loudness_and_stereo_image_stay() {
    for (speed, pitch, rate) in SETTINGS {
        let input = tones(&[220.0, 277.2, 329.6], 96_000);
        let out = rendered(&spec(speed, pitch, rate), &input);
        let inner = &out[out.len() / 20 * 2..out.len() / 20 * 18];
        let change_db = 20.0 * (rms(inner) / rms(&input)).log10();
        assert!(
            change_db.abs() < 1.0,
            "{speed} {pitch} {rate}: {change_db} dB"
        );
        for frame in inner.chunks_exact(2) {
            assert!((frame[1] - 0.5 * frame[0]).abs() < 1e-5);
        }
    }
}

#[test]
fn a_beat_stays_where_it_belongs() {
    // A short burst every half second.
    let input: Vec<f32> = (0..240_000)
        .flat_map(|n| {
            let since = (n % 24_000) as f32;
            let s = (since * 0.4).sin() * (-since / 200.0).exp();
            [s, s]
        })
        .collect();
    for (speed, pitch) in [(1.5, 1.0), (0.75, 1.0), (1.0, 1.2), (1.0, 0.8)] {
        let out = left(&rendered(&spec(speed, pitch, 1.0), &input));
        for beat in 1..9 {
            let place = (beat as f64 * 24_000.0 / speed) as usize;
            let around = &out[place - 4800..place + 4800];
            let loudest = (0..around.len())
                .max_by(|a, b| around[*a].abs().total_cmp(&around[*b].abs()))
                .unwrap();
            let off = loudest as i64 - 4800;
            assert!(
                off.abs() < 960,
                "{speed} {pitch}: beat {beat} is {off} frames off"
            );
        }
    }
}

#[test]
fn silence_stays_silent_and_broken_samples_do_not_last() {
    let out = rendered(&spec(1.3, 1.0, 1.0), &[0.0; 96_000]);
    assert!(out.iter().all(|s| *s == 0.0));
    let mut input = tones(&[500.0], 96_000);
    input[20_000] = f32::NAN;
    input[30_001] = f32::INFINITY;
    let out = rendered(&spec(1.3, 0.9, 1.0), &input);
    assert!(out[60_000..].iter().all(|s| s.is_finite()));
}

#[test]
fn drum_hits_over_music_are_neither_lost_nor_heard_twice() {
    let (gap, count) = (11_317usize, 60usize);
    let music = tones(&[220.0, 277.2, 415.3], gap * count);
    let hit = |n: usize| {
        let since = (n % gap) as f32;
        (since * 0.4).sin() * (-since / 200.0).exp()
    };
    let hits: Vec<f32> = (0..gap * count).flat_map(|n| [hit(n); 2]).collect();
    let both: Vec<f32> = music.iter().zip(&hits).map(|(m, h)| m + h).collect();
    let settings = [
        (1.25, 1.0),
        (1.5, 1.0),
        (2.0, 1.0),
        (0.75, 1.0),
        (0.5, 1.0),
        (1.0, 1.2),
        (1.0, 0.8),
    ];
    for (input, may_fail) in [(&hits, 0), (&both, 1)] {
        for (speed, pitch) in settings {
            let out = left(&rendered(&spec(speed, pitch, 1.0), input));
            // A hit is steep, the music is not.
            let slope: Vec<f32> = out.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
            let whole = 0.4 * pitch as f32;
            let (mut lost, mut doubled) = (0, 0);
            for beat in 1..count - 1 {
                let place = (beat as f64 * gap as f64 / speed) as usize;
                let around = &slope[place - 1800..place + 1800];
                let top = (0..around.len())
                    .max_by(|a, b| around[*a].total_cmp(&around[*b]))
                    .unwrap();
                lost += u32::from(around[top] < 0.6 * whole);
                let again = around
                    .iter()
                    .enumerate()
                    .any(|(i, steep)| i.abs_diff(top) > 240 && *steep > 0.5 * around[top]);
                doubled += u32::from(again);
            }
            assert!(
                lost <= may_fail && doubled <= may_fail,
                "speed {speed} pitch {pitch}: {lost} lost, {doubled} doubled"
            );
        }
    }
}
