//! How clean the resampler is, measured in the spectrum of what it makes.
//!
//! A tone goes in; everything in the output that is not that tone is distortion, noise, an image
//! or an alias.

use super::*;
use rustfft::algorithm::Radix4;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftDirection};

/// Frames analysed: a third of a second.
const FRAMES: usize = 16_384;

/// One second of a tone (left) and its half (right), through the converter to 48 kHz.
fn tone_through(rate_hz: u32, hz: f64) -> Vec<f32> {
    let input: Vec<f32> = (0..rate_hz)
        .flat_map(|n| {
            let turn = f64::from(n) * hz / f64::from(rate_hz);
            let s = (std::f64::consts::TAU * turn).sin() * 0.9;
            [s as f32, (s * 0.5) as f32]
        })
        .collect();
    let mut converter = ToOutputRate::new(rate_hz).unwrap();
    let mut out = vec![];
    converter.push(&input, &mut out);
    converter.finish(&mut out);
    out.iter().step_by(CHANNELS).copied().collect()
}

/// Powers by frequency bin of the middle of `left`, under a window whose side lobes lie 150 dB
/// down (Kaiser, beta 20).
fn spectrum(left: &[f32]) -> Vec<f64> {
    let bessel = |x: f64| {
        let (mut sum, mut term) = (1.0, 1.0);
        for k in 1..80 {
            term *= (x / 2.0 / f64::from(k)).powi(2);
            sum += term;
        }
        sum
    };
    let from = (left.len() - FRAMES) / 2;
    let mut bins: Vec<Complex<f64>> = left[from..from + FRAMES]
        .iter()
        .enumerate()
        .map(|(n, s)| {
            let x = 2.0 * (n as f64 + 0.5) / FRAMES as f64 - 1.0;
            Complex::new(f64::from(*s) * bessel(20.0 * (1.0 - x * x).sqrt()), 0.0)
        })
        .collect();
    Radix4::new(FRAMES, FftDirection::Forward).process(&mut bins);
    bins[..FRAMES / 2].iter().map(|b| b.norm_sqr()).collect()
}

/// The tone's main lobe: so many bins on either side.
const LOBE: usize = 10;

/// The power outside the tone at `hz` over the tone's, and the largest single line outside, dB.
fn residue_db(left: &[f32], hz: f64) -> (f64, f64) {
    let powers = spectrum(left);
    let at = (hz * FRAMES as f64 / f64::from(SAMPLE_RATE_HZ)).round() as usize;
    let near = |bin: usize| bin.abs_diff(at) <= LOBE;
    let tone: f64 = (0..powers.len())
        .filter(|b| near(*b))
        .map(|b| powers[b])
        .sum();
    let rest: f64 = (0..powers.len())
        .filter(|b| !near(*b))
        .map(|b| powers[b])
        .sum();
    // A line spreads over its lobe as the tone does.
    let line = (0..powers.len() - 2 * LOBE)
        .filter(|b| !(*b..=b + 2 * LOBE).any(near))
        .map(|b| powers[b..=b + 2 * LOBE].iter().sum::<f64>())
        .fold(0.0, f64::max);
    (10.0 * (rest / tone).log10(), 10.0 * (line / tone).log10())
}

#[test]
fn distortion_and_noise_of_a_tone_at_1_khz_are_100_db_down() {
    for rate_hz in [44_100, 22_050, 32_000, 88_200, 96_000] {
        let (all, line) = residue_db(&tone_through(rate_hz, 1_000.0), 1_000.0);
        println!("{rate_hz} Hz: THD+N {all:.1} dB, worst line {line:.1} dB");
        assert!(all < -100.0, "{rate_hz} Hz: {all} dB");
    }
}

#[test]
fn images_and_aliases_are_90_db_down_across_the_band() {
    for rate_hz in [44_100u32, 22_050, 32_000, 96_000] {
        let top = f64::from(rate_hz.min(SAMPLE_RATE_HZ)) / 2.0;
        let mut worst = f64::NEG_INFINITY;
        // Up to 20 kHz at 44.1: 0.907 of the lower Nyquist frequency.
        for step in 1..=20 {
            let hz = top * 0.907 * f64::from(step) / 20.0;
            let (_, line) = residue_db(&tone_through(rate_hz, hz), hz);
            worst = worst.max(line);
            assert!(line < -90.0, "{hz} Hz at {rate_hz}: {line} dB");
        }
        println!("{rate_hz} Hz: worst image or alias {worst:.1} dB");
    }
}

#[test]
fn tones_that_48_khz_cannot_hold_are_90_db_down_wherever_they_fold_to() {
    for hz in [26_000.0, 30_000.0, 38_000.0, 47_000.0] {
        let left = tone_through(96_000, hz);
        let powers = spectrum(&left);
        let whole: f64 = spectrum(&tone_through(96_000, 1_000.0)).iter().sum();
        let folded = 10.0 * (powers.iter().sum::<f64>() / whole).log10();
        println!("{hz} Hz at 96 kHz: {folded:.1} dB");
        assert!(folded < -90.0, "{hz} Hz: {folded} dB");
    }
}

#[test]
fn the_band_is_flat_to_20_khz() {
    let level = |hz: f64| {
        let left = tone_through(44_100, hz);
        10.0 * spectrum(&left).iter().sum::<f64>().log10()
    };
    let reference = level(1_000.0);
    for hz in [50.0, 5_000.0, 10_000.0, 15_000.0, 18_000.0, 20_000.0] {
        let off = level(hz) - reference;
        println!("{hz} Hz: {off:.4} dB");
        assert!(off.abs() < 0.01, "{hz} Hz: {off} dB");
    }
}
