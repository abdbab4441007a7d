//! Decibels and levels.

/// Turns decibels into a linear gain: 0 dB is 1.0, −6 dB about 0.5.
#[must_use]
pub fn gain_from_db(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// Turns a linear gain into decibels; 0 gives −∞.
#[must_use]
pub fn db_from_gain(gain: f32) -> f32 {
    20.0 * gain.abs().log10()
}

/// The largest absolute sample value. NaN samples are passed over.
#[must_use]
pub fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |top, s| top.max(s.abs()))
}

/// Root mean square of the samples, 0 for none.
#[must_use]
pub fn rms(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let power: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    (power / samples.len() as f64).sqrt() as f32
}

/// True when every sample is digital silence (±0). The tick then sends [`crate::SILENCE`]
/// instead of paying 75 us to encode nothing (design/crates.md 1.2). *Tick-safe.*
#[must_use]
pub fn is_silent(samples: &[f32]) -> bool {
    // Music leaves at the first chunk that sounds; silence is looked through in vectors.
    samples
        .chunks(64)
        .all(|chunk| chunk.iter().fold(true, |quiet, s| quiet & (*s == 0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_and_gains_are_inverse() {
        for db in [-60.0f32, -6.0, 0.0, 6.0] {
            assert!((db_from_gain(gain_from_db(db)) - db).abs() < 1e-4);
        }
        assert!((gain_from_db(-6.020_6) - 0.5).abs() < 1e-5);
        assert_eq!(db_from_gain(0.0), f32::NEG_INFINITY);
    }

    #[test]
    fn peak_and_rms_of_a_square_wave_are_its_height() {
        let wave = [0.5, -0.5, 0.5, -0.5];
        assert_eq!(peak(&wave), 0.5);
        assert!((rms(&wave) - 0.5).abs() < 1e-7);
        assert_eq!(rms(&[]), 0.0);
    }

    #[test]
    fn silence_is_exact_zero_only() {
        assert!(is_silent(&[0.0, -0.0]));
        assert!(!is_silent(&[0.0, 1e-20]));
        assert!(!is_silent(&[f32::NAN]));
    }
}
