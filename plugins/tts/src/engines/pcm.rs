//! Samples of engines on their way to 48 kHz.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use super::wav::RATES_HZ;

/// What is played, in Hz.
pub const PLAYED_HZ: u32 = 48_000;
/// Output frames of one step of the filter, at least: 10 ms, of which half is delay.
const STEP_FRAMES: u32 = 480;

/// Bytes of a pipe to samples of one channel; two are mixed to one.
#[derive(Debug)]
pub struct Bytes {
    channels: usize,
    left: Vec<u8>,
}

impl Bytes {
    /// 16 bit, little endian, 1 or 2 channels.
    #[must_use]
    pub fn new(channels: u16) -> Self {
        Self {
            channels: usize::from(channels.clamp(1, 2)),
            left: Vec::new(),
        }
    }

    /// More of them, cut anywhere.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<i16>) {
        self.left.extend_from_slice(bytes);
        let frame = 2 * self.channels;
        let mut frames = self.left.chunks_exact(frame);
        for frame in &mut frames {
            let sum: i32 = frame
                .chunks_exact(2)
                .filter_map(|two| two.try_into().ok())
                .map(|two| i32::from(i16::from_le_bytes(two)))
                .sum();
            let mean = sum / self.channels.max(1) as i32;
            out.push(i16::try_from(mean).unwrap_or(i16::MAX));
        }
        self.left = frames.remainder().to_vec();
    }
}

/// One channel at one rate on its way to 48 kHz: n seconds in are n seconds out, in place.
pub struct Resampler {
    rate_hz: u32,
    fft: Option<Fft<f32>>,
    waiting: Vec<f32>,
    step: Vec<f32>,
    taken: u64,
    made: u64,
    skip: u64,
}

impl core::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Resampler")
            .field("rate_hz", &self.rate_hz)
            .finish_non_exhaustive()
    }
}

impl Resampler {
    /// `None` for a rate outside of [`RATES_HZ`].
    #[must_use]
    pub fn new(rate_hz: u32) -> Option<Self> {
        if !RATES_HZ.contains(&rate_hz) {
            return None;
        }
        let fft = if rate_hz == PLAYED_HZ {
            None
        } else {
            Some(filter(rate_hz)?)
        };
        Some(Self {
            rate_hz,
            step: vec![0.0; fft.as_ref().map_or(0, Fft::output_frames_max)],
            skip: fft.as_ref().map_or(0, |fft| fft.output_delay() as u64),
            fft,
            waiting: Vec::new(),
            taken: 0,
            made: 0,
        })
    }

    /// Takes samples and appends what is ready.
    pub fn push(&mut self, mono: &[i16], out: &mut Vec<i16>) {
        self.taken += mono.len() as u64;
        if self.fft.is_none() {
            out.extend_from_slice(mono);
            return;
        }
        self.waiting
            .extend(mono.iter().map(|sample| f32::from(*sample)));
        while self.convert(u64::MAX, out) {}
    }

    /// The end: appends what is still in the filter.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        let Some(fft) = &self.fft else { return };
        let rate = u128::from(self.rate_hz.max(1));
        let exact = (u128::from(self.taken) * u128::from(PLAYED_HZ) + rate / 2) / rate;
        let due = u64::try_from(exact).unwrap_or(u64::MAX) + fft.output_delay() as u64;
        while self.made < due {
            let need = self.fft.as_ref().map_or(0, Fft::input_frames_next);
            self.waiting.resize(need, 0.0);
            if !self.convert(due, out) {
                return;
            }
        }
    }

    /// One step, if there is enough for it; no more than `due` are made in all.
    fn convert(&mut self, due: u64, out: &mut Vec<i16>) -> bool {
        let Some(fft) = &mut self.fft else {
            return false;
        };
        let need = fft.input_frames_next();
        let frames = self.step.len();
        let Some(input) = self.waiting.get(..need) else {
            return false;
        };
        let (Ok(from), Ok(mut to)) = (
            InterleavedSlice::new(input, 1, need),
            InterleavedSlice::new_mut(&mut self.step, 1, frames),
        ) else {
            return false;
        };
        if fft.process_into_buffer(&from, &mut to, None).is_err() {
            return false;
        }
        self.waiting.drain(..need);
        let whole = (frames as u64).min(due.saturating_sub(self.made));
        self.made += whole;
        let skip = self.skip.min(whole);
        self.skip -= skip;
        let new = self
            .step
            .get(skip as usize..whole as usize)
            .unwrap_or_default();
        out.extend(
            new.iter()
                .map(|sample| sample.round().clamp(-32_768.0, 32_767.0) as i16),
        );
        true
    }
}

/// An even number of units, both sides fixed: only then is the delay a whole number of frames.
fn filter(rate_hz: u32) -> Option<Fft<f32>> {
    let common = gcd(rate_hz, PLAYED_HZ).max(1);
    let (unit_in, unit_out) = (rate_hz / common, PLAYED_HZ / common);
    let count = STEP_FRAMES.div_ceil(unit_out.max(1)).next_multiple_of(2);
    Fft::new_custom(
        usize::try_from(rate_hz).ok()?,
        usize::try_from(PLAYED_HZ).ok()?,
        usize::try_from(count.checked_mul(unit_in)?).ok()?,
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )
    .ok()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, frames: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * 440.0 / f64::from(rate_hz);
        (0..frames)
            .map(|n| ((n as f64 * step).sin() * 10_000.0) as i16)
            .collect()
    }

    #[test]
    fn every_rate_keeps_the_length_and_the_tone() {
        for rate_hz in [8_000, 16_000, 22_050, 24_000, 44_100, 48_000] {
            let mut resampler = Resampler::new(rate_hz).unwrap();
            let mut out = Vec::new();
            for piece in tone(rate_hz, rate_hz as usize).chunks(777) {
                resampler.push(piece, &mut out);
            }
            resampler.finish(&mut out);
            assert_eq!(out.len(), 48_000, "{rate_hz}");
            let truth = tone(48_000, 48_000);
            let worst = (2_000..46_000)
                .map(|at| (i32::from(out[at]) - i32::from(truth[at])).abs())
                .max();
            assert!(worst < Some(20), "{rate_hz}: {worst:?}");
        }
        assert!(Resampler::new(1).is_none());
    }

    #[test]
    fn bytes_may_be_cut_anywhere_and_two_channels_become_one() {
        let samples: Vec<i16> = vec![1, 3, -5, -7, i16::MAX, i16::MAX, i16::MIN, i16::MIN];
        let bytes: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        for cut in 0..bytes.len() {
            let (mut stereo, mut out) = (Bytes::new(2), Vec::new());
            stereo.push(&bytes[..cut], &mut out);
            stereo.push(&bytes[cut..], &mut out);
            assert_eq!(out, [2, -6, i16::MAX, i16::MIN]);
        }
    }
}
