use super::testing::rendered;
use super::*;

fn music(frames: usize) -> Vec<f32> {
    let mut noise = 1u32;
    (0..frames)
        .flat_map(|n| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let t = n as f32 / 48e3;
            let tone = |hz: f32| (std::f32::consts::TAU * hz * t).sin() * 0.2;
            let hiss = (noise >> 8) as f32 / 16_777_216.0 * 0.1;
            [
                tone(220.0) + tone(329.6) + hiss,
                tone(220.0) + tone(554.4) - hiss,
            ]
        })
        .collect()
}

/// Every effect at once.
fn everything() -> FilterSpec {
    let mut spec = FilterSpec {
        volume: 0.8,
        karaoke: Some(Karaoke {
            level: 0.6,
            ..Default::default()
        }),
        timescale: Some(timescale()),
        tremolo: Some(Tremolo::default()),
        rotation: Some(Rotation { rotation_hz: 0.2 }),
        channel_mix: Some(ChannelMix {
            l_to_r: 0.2,
            ..Default::default()
        }),
        low_pass: Some(LowPass { smoothing: 4.0 }),
        ..Default::default()
    };
    spec.equalizer = std::array::from_fn(|band| 0.05 * band as f32 - 0.2);
    spec
}

fn timescale() -> Timescale {
    Timescale {
        speed: 1.1,
        pitch: 0.95,
        rate: 1.05,
    }
}

/// Each effect alone, and all together.
fn specs() -> Vec<FilterSpec> {
    let (all, none) = (everything(), FilterSpec::default());
    let with = |change: &dyn Fn(&mut FilterSpec)| {
        let mut spec = none.clone();
        change(&mut spec);
        spec
    };
    vec![
        with(&|s| s.volume = all.volume),
        with(&|s| s.equalizer = all.equalizer),
        with(&|s| s.karaoke = all.karaoke),
        with(&|s| s.timescale = all.timescale),
        with(&|s| s.tremolo = all.tremolo),
        with(&|s| s.rotation = all.rotation),
        with(&|s| s.channel_mix = all.channel_mix),
        with(&|s| s.low_pass = all.low_pass),
        all,
    ]
}

#[test]
fn the_identity_is_bit_exact() {
    let mut input = music(5000);
    input.extend([f32::NAN, f32::INFINITY, -0.0, 1e-40]);
    let chain = Chain::new(&FilterSpec::default());
    assert!(chain.is_identity());
    assert_eq!(chain.latency_frames(), 0);
    assert_eq!(chain.source_frames_per_output_frame(), 1.0);
    let out = rendered(&FilterSpec::default(), &input);
    let bits = |samples: &[f32]| samples.iter().map(|s| s.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&out), bits(&input));
}

#[test]
fn the_pieces_in_which_sound_comes_do_not_matter() {
    let input = music(30_000);
    for spec in specs() {
        let whole = rendered(&spec, &input);
        for pieces in [
            vec![2usize],
            vec![1920],
            vec![14, 2, 4002, 0, 600],
            vec![9998],
        ] {
            let mut chain = Chain::new(&spec);
            let (mut out, mut rest, mut sizes) = (vec![], &input[..], pieces.iter().cycle());
            while !rest.is_empty() {
                let size = (*sizes.next().unwrap()).min(rest.len());
                chain.process(&rest[..size], &mut out);
                rest = &rest[size..];
            }
            chain.flush(&mut out);
            assert!(out == whole, "{spec:?} in pieces of {pieces:?}");
        }
    }
}

#[test]
fn a_reset_and_a_flush_both_begin_anew() {
    let input = music(10_000);
    for spec in specs() {
        let fresh = rendered(&spec, &input);
        let mut chain = Chain::new(&spec);
        let mut out = vec![];
        chain.process(&music(7777), &mut out);
        chain.reset();
        for _ in 0..2 {
            out.clear();
            chain.process(&input, &mut out);
            chain.flush(&mut out);
            assert!(out == fresh, "{spec:?}");
        }
    }
}

#[test]
fn output_comes_no_later_than_the_chain_says() {
    let input = music(40_000);
    for spec in specs() {
        let mut chain = Chain::new(&spec);
        let (ratio, latency) = (
            chain.source_frames_per_output_frame(),
            chain.latency_frames(),
        );
        assert!(latency < 3000, "{latency}");
        let mut out = vec![];
        for (n, piece) in (1..).zip(input.chunks_exact(1920)) {
            chain.process(piece, &mut out);
            let behind = f64::from(n) * 960.0 - (out.len() / 2) as f64 * ratio;
            assert!(behind <= latency as f64 + 1.0, "{behind} > {latency}");
            assert!(behind >= -1.0, "output before its source: {behind}");
        }
    }
}

#[test]
fn a_chain_that_takes_over_swings_on() {
    let spec = FilterSpec {
        tremolo: Some(Tremolo::default()),
        rotation: Some(Rotation { rotation_hz: -0.3 }),
        ..Default::default()
    };
    let input = music(20_000);
    let whole = rendered(&spec, &input);
    let mut chain = Chain::starting_at(&spec, 12_345);
    let mut out = vec![];
    chain.process(&input[2 * 12_345..], &mut out);
    for (a, b) in out.iter().zip(&whole[2 * 12_345..]) {
        assert!((a - b).abs() < 1e-6);
    }
}

#[test]
fn half_a_frame_at_the_end_is_dropped() {
    let mut out = vec![];
    Chain::new(&everything()).process(&[0.1], &mut out);
    Chain::new(&FilterSpec::default()).process(&[0.1, 0.2, 0.3], &mut out);
    assert_eq!(out, [0.1, 0.2]);
}

#[test]
fn one_broken_sample_is_not_heard_for_ever() {
    let mut input = music(48_000);
    input[5000] = f32::NAN;
    input[5001] = f32::INFINITY;
    for spec in specs() {
        let out = rendered(&spec, &input);
        let late = &out[out.len() / 2..];
        assert!(late.iter().all(|s| s.is_finite()), "{spec:?}");
        assert!(crate::measure::rms(late) > 0.01, "{spec:?}");
    }
}

#[test]
fn after_the_sound_everything_dies_away_to_exact_silence() {
    let mut input = music(9600);
    input.resize(2 * 48_000 * 10, 0.0);
    for spec in specs() {
        let out = rendered(&spec, &input);
        let last = &out[out.len() - 9600..];
        assert!(last.iter().all(|s| *s == 0.0), "{spec:?}");
    }
}

#[test]
fn a_chain_of_nonsense_neither_panics_nor_runs_away() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 0.0, 1e30] {
        let spec = FilterSpec {
            volume: bad,
            equalizer: [bad; BANDS],
            karaoke: Some(Karaoke {
                level: bad,
                mono_level: bad,
                filter_band_hz: bad,
                filter_width_hz: bad,
            }),
            timescale: Some(Timescale {
                speed: bad.into(),
                pitch: bad.into(),
                rate: bad.into(),
            }),
            tremolo: Some(Tremolo {
                frequency_hz: bad,
                depth: bad,
            }),
            rotation: Some(Rotation { rotation_hz: bad }),
            channel_mix: Some(ChannelMix {
                l_to_l: bad,
                l_to_r: bad,
                r_to_l: bad,
                r_to_r: bad,
            }),
            low_pass: Some(LowPass { smoothing: bad }),
        };
        let out = rendered(&spec, &music(2000));
        assert!(out.len() <= 2 * 20_000);
        assert!(out.iter().all(|s| s.is_finite()), "{bad}");
    }
}

#[test]
fn a_chain_can_go_to_another_thread() {
    fn goes<T: Send>(_: &T) {}
    goes(&Chain::new(&everything()));
}
