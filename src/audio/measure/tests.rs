use super::*;
use crate::SAMPLES;

/// Noise that never repeats: every frame is unlike every other.
fn noise(frames: usize, mut seed: u64) -> Vec<f32> {
    (0..frames * CHANNELS)
        .map(|_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 40) as f32 / 16_777_216.0 - 0.5) * 0.5
        })
        .collect()
}

fn scaled(samples: &[f32], by: f32) -> Vec<f32> {
    samples.iter().map(|s| s * by).collect()
}

#[test]
fn snr_of_known_noise_is_what_it_was_made_to_be() {
    let source = noise(48_000, 1);
    let hiss = noise(48_000, 2);
    let heard: Vec<f32> = source.iter().zip(&hiss).map(|(s, n)| s + n * 0.1).collect();
    assert!((snr_db(&source, &heard) - 20.0).abs() < 0.1);
    assert_eq!(snr_db(&source, &source), f64::INFINITY);
}

#[test]
fn fitting_the_gain_takes_a_volume_change_out_of_the_snr() {
    let source = noise(4800, 3);
    let heard = scaled(&source, 0.5);
    assert!((snr_db(&source, &heard) - 6.02).abs() < 0.01);
    let (snr, gain) = snr_fitted_db(&source, &heard);
    assert!(snr > 120.0 && (gain - 0.5).abs() < 1e-6);
}

#[test]
fn alignment_is_exact_to_one_frame_in_both_directions() {
    let source = noise(20_000, 4);
    for late in [0usize, 1, 311, 4801] {
        let mut heard = vec![0.0; late * CHANNELS];
        heard.extend(scaled(&source, 0.3));
        let found = align(&source, &heard, 6000).expect("the same sound");
        assert_eq!(found.offset_frames, late as i64);
        assert!(found.correlation > 0.99);
        let back = align(&heard, &source, 6000).expect("the same sound");
        assert_eq!(back.offset_frames, -(late as i64));
    }
}

#[test]
fn unrelated_or_silent_recordings_do_not_align() {
    let source = noise(20_000, 5);
    assert!(align(&source, &noise(20_000, 6), 2000).is_none());
    assert!(align(&source, &vec![0.0; 40_000], 2000).is_none());
    assert!(align(&[], &source, 2000).is_none());
}

#[test]
fn a_clean_recording_has_a_clean_frame_report() {
    let source = noise(960 * 30, 7);
    let report = compare_frames(&source, &scaled(&source, 0.8));
    assert_eq!((report.compared, report.matched), (30, 30));
    assert!(report.is_clean());
}

#[test]
fn a_frame_dropped_from_the_recording_is_named_as_lost() {
    let source = noise(960 * 30, 8);
    let mut heard = source.clone();
    heard.drain(10 * SAMPLES..11 * SAMPLES);
    let report = compare_frames(&source, &heard);
    assert_eq!(report.lost, [10]);
    assert!(report.repeated.is_empty() && report.damaged.is_empty());
    assert!(!report.is_clean());
}

#[test]
fn a_frame_heard_twice_is_named_as_repeated() {
    let source = noise(960 * 30, 9);
    let mut heard = source[..12 * SAMPLES].to_vec();
    heard.extend_from_slice(&source[11 * SAMPLES..]);
    let report = compare_frames(&source, &heard);
    assert_eq!(report.repeated, [11]);
    assert!(report.lost.is_empty());
}

#[test]
fn two_swapped_frames_are_named_as_reordered() {
    let source = noise(960 * 30, 10);
    let mut heard = source.clone();
    let (a, b) = heard.split_at_mut(6 * SAMPLES);
    a[5 * SAMPLES..].swap_with_slice(&mut b[..SAMPLES]);
    let report = compare_frames(&source, &heard);
    assert_eq!(report.reordered, [5]);
    assert!(report.lost.is_empty() && report.repeated.is_empty());
}

#[test]
fn silence_and_garbage_in_the_recording_are_told_apart() {
    let source = noise(960 * 30, 11);
    let mut heard = source.clone();
    heard[3 * SAMPLES..4 * SAMPLES].fill(0.0);
    heard[8 * SAMPLES..9 * SAMPLES].copy_from_slice(&noise(960, 99));
    let report = compare_frames(&source, &heard);
    assert_eq!((report.silent, report.damaged), (vec![3], vec![8]));
    assert_eq!(report.lost, [3, 8]);
}

#[test]
fn noise_bursts_the_codec_has_roughened_still_count_as_heard() {
    let source = noise(960 * 30, 14);
    let mut heard = source.clone();
    let rough = noise(960, 98);
    // As much coding noise as twice the sound's power: correlation 0.58.
    heard[9 * SAMPLES..10 * SAMPLES]
        .iter_mut()
        .zip(&rough)
        .for_each(|(h, r)| *h += r * std::f32::consts::SQRT_2);
    assert!(compare_frames(&source, &heard).is_clean());
    // Nothing but noise is not excused.
    heard[9 * SAMPLES..10 * SAMPLES].copy_from_slice(&rough);
    assert_eq!(compare_frames(&source, &heard).damaged, [9]);
}

#[test]
fn a_quiet_frame_beside_a_loud_one_may_be_coded_roughly() {
    let mut source = noise(960 * 30, 15);
    source[..9 * SAMPLES].iter_mut().for_each(|s| *s *= 0.01);
    let mut heard = source.clone();
    let rough = scaled(&noise(960, 97), 0.02);
    // What comes before a drum: covered. Far from it: not.
    heard[8 * SAMPLES..9 * SAMPLES].copy_from_slice(&rough);
    assert!(compare_frames(&source, &heard).is_clean());
    heard[4 * SAMPLES..5 * SAMPLES].copy_from_slice(&rough);
    assert_eq!(compare_frames(&source, &heard).damaged, [4]);
}

#[test]
fn a_running_clock_shows_as_drift() {
    let source = noise(48_000 * 2, 12);
    assert_eq!(drift_frames(&source, &source), Some(0));
    let mut slow = source.clone();
    // Five frames of silence slipped in halfway: the end is five frames late.
    slow.splice(96_000..96_000, [0.0; 10]);
    slow.truncate(source.len());
    assert_eq!(drift_frames(&source, &slow), Some(5));
    assert_eq!(drift_frames(&source[..4000], &source[..4000]), None);
}

#[test]
fn compare_puts_it_all_together() {
    let source = noise(960 * 60, 13);
    let mut heard = vec![0.0; 1234 * CHANNELS];
    heard.extend(&source);
    let whole = compare(&source, &heard, 5000).expect("aligned");
    assert_eq!(whole.alignment.offset_frames, 1234);
    assert!(whole.frames.is_clean());
    assert_eq!(whole.snr_db, f64::INFINITY);
    assert_eq!(whole.drift_frames, Some(0));
    assert_eq!(whole.peak_heard, whole.peak_source);
}

#[test]
fn a_click_shows_as_a_step_and_a_hole_as_quiet() {
    let mut samples = vec![0.1; 2000];
    assert_eq!(largest_step(&samples), 0.0);
    samples[1000] = 0.6;
    assert!((largest_step(&samples) - 0.5).abs() < 1e-6);
    samples[200..240].fill(0.0);
    assert_eq!(longest_quiet_frames(&samples, 0.01), 20);
}

#[test]
fn a_tone_is_found_at_its_frequency_and_level_only() {
    let tone: Vec<f32> = (0..48_000)
        .map(|n| 0.5 * (std::f32::consts::TAU * 1000.0 * n as f32 / 48_000.0).sin())
        .collect();
    assert!((tone_db(&tone, 1000.0) + 6.02).abs() < 0.05);
    assert!(tone_db(&tone, 1500.0) < -80.0);
}

#[test]
fn a_periodic_sound_is_aligned_so_that_its_onset_counts() {
    // 440 Hz comes back to itself after 1,200 frames; the first 20 ms are heard badly.
    let tone = |frame: usize| 0.3 * (std::f32::consts::TAU * 440.0 * frame as f32 / 48_000.0).sin();
    let source: Vec<f32> = (0..96_000).flat_map(|n| [tone(n), tone(n)]).collect();
    let mut heard = vec![0.0; 312 * CHANNELS];
    heard.extend_from_slice(&source);
    for sample in heard.iter_mut().take(1272 * CHANNELS) {
        *sample *= 0.9;
    }
    assert_eq!(align(&source, &heard, 4800).unwrap().offset_frames, 312);
}
