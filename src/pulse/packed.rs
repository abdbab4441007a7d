//! 20 ms of sound in half the memory.
//!
//! What waits in a track's ring, and what is kept of it for a change of effects, is most of what a
//! playing track weighs. So it is kept in 16 bits, scaled by the loudest sample of its block: nothing
//! is ever clipped, and the noise lies 98 dB below the block's own peak, where no listener of an Opus
//! stream has a chance to hear it. A block is shared by all who hold it.

use std::sync::Arc;

use mynah_audio::{Block, SAMPLES};

/// The loudest sample of a block becomes this.
const FULL: f32 = 32_767.0;
/// Quieter than this (-600 dB) is silence: its scale would not be a number any more.
const SILENCE: f32 = 1e-30;
/// Added to a number between ±2^22 it leaves that number, rounded, in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;
/// The bits of a number without its sign; from `INFINITE` on it is no number.
const MAGNITUDE: u32 = 0x7fff_ffff;
const INFINITE: u32 = 0x7f80_0000;

/// A block of 20 ms in 16 bits.
pub struct Packed {
    scale: f32,
    samples: [i16; SAMPLES],
}

impl Packed {
    /// Packs up to a block of samples; the rest of the block is silence. What is no number becomes
    /// silence, what is endless as loud as can be. Media side: allocates 3.9 kB.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "media side")]
    pub fn new(samples: &[f32]) -> Arc<Self> {
        let mut packed = Arc::new(Self {
            scale: 0.0,
            samples: [0; SAMPLES],
        });
        if let Some(new) = Arc::get_mut(&mut packed) {
            new.pack(samples);
        }
        packed
    }

    fn pack(&mut self, samples: &[f32]) {
        // As whole numbers, which order as what they stand for does, the compiler does many at once.
        let loudest = samples
            .iter()
            .fold(0, |most, s| most.max((s.to_bits() & MAGNITUDE) as i32));
        let sane = (loudest as u32) < INFINITE;
        let peak = match sane {
            true => f32::from_bits(loudest as u32),
            false => f32::MAX / 2.0, // so that rounding makes nothing endless again
        };
        if peak < SILENCE {
            return;
        }
        self.scale = peak / FULL;
        let room = self.samples.iter_mut().zip(samples);
        if sane {
            let up = FULL / peak;
            room.for_each(|(to, from)| *to = (from * up + ROUND).to_bits() as i16);
        } else {
            // `as` makes zero of what is no number.
            room.for_each(|(to, from)| *to = (from / peak * FULL) as i16);
        }
    }

    /// Writes the sound to a block. *Tick-safe.*
    pub fn unpack(&self, to: &mut Block) {
        let samples = to.iter_mut().zip(&self.samples);
        samples.for_each(|(to, from)| *to = f32::from(*from) * self.scale);
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed(up to {})", self.scale * FULL)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use mynah_audio::{SILENT_BLOCK, measure};

    use super::*;

    fn through(samples: &[f32]) -> Block {
        let mut block = [9.0; SAMPLES];
        Packed::new(samples).unpack(&mut block);
        block
    }

    #[test]
    fn sound_of_any_loudness_comes_back_95_db_above_what_it_lost() {
        for peak in [1e-20, 1e-6, 0.01, 1.0, 3.7, 1e6, 1e30] {
            let mut sound = SILENT_BLOCK;
            for (n, sample) in sound.iter_mut().enumerate() {
                *sample = peak * (n as f32 * 0.1).sin();
            }
            let back = through(&sound);
            // Compared at one loudness: the squares of the largest are no numbers.
            let [sound, back] = [sound, back].map(|block| block.map(|s| s / peak));
            let snr = measure::snr_db(&sound, &back);
            assert!(snr > 95.0, "peak {peak}: {snr} dB");
        }
    }

    #[test]
    fn full_scale_of_both_signs_and_silence_are_exact() {
        let mut sound = SILENT_BLOCK;
        (sound[5], sound[6]) = (1.0, -1.0);
        let back = through(&sound);
        assert!((back[5] - 1.0).abs() < 1e-6 && (back[6] + 1.0).abs() < 1e-6);
        assert!(
            back.iter()
                .enumerate()
                .all(|(n, s)| n == 5 || n == 6 || *s == 0.0)
        );
        assert_eq!(through(&SILENT_BLOCK), SILENT_BLOCK);
        assert_eq!(through(&[1e-38; SAMPLES]), SILENT_BLOCK);
    }

    #[test]
    fn what_is_shorter_than_a_block_ends_in_silence() {
        let back = through(&[0.5; 100]);
        assert!(back[..100].iter().all(|s| (s - 0.5).abs() < 1e-4));
        assert!(back[100..].iter().all(|s| *s == 0.0));
        assert_eq!(through(&[]), SILENT_BLOCK);
    }

    #[test]
    fn what_is_no_number_becomes_one() {
        let back = through(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.3]);
        assert!(back.iter().all(|s| s.is_finite()));
        assert_eq!(back[0], 0.0);
        assert!(back[1] > 1e38 && back[2] < -1e38);
    }
}
