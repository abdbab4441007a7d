//! Any sample rate to 48 kHz, sample-exact: the filter's delay is taken off the start and its
//! tail flushed, so n seconds in are n seconds out.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use mynah_audio::{CHANNELS, SAMPLE_RATE_HZ};

/// Output frames of one FFT block, at least. 480 and more: flat to 21 kHz, −135 dB residual, 5 to
/// 7 ms of delay to compensate (design/crates.md section 2).
const BLOCK_FRAMES: u32 = 480;

/// A stereo stream at one rate on its way to 48 kHz.
pub struct ToOutputRate {
    rate_hz: u32,
    fft: Option<Fft<f32>>,
    /// Input not yet taken by the FFT.
    waiting: Vec<f32>,
    /// One FFT block of output.
    block: Vec<f32>,
    /// Frames put in and frames made (also those skipped), since the start or the last seek.
    taken_frames: u64,
    made_frames: u64,
    /// Output frames still to throw away: the filter's delay, and what a seek starts early.
    skip_frames: u64,
}

impl std::fmt::Debug for ToOutputRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToOutputRate")
            .field("rate_hz", &self.rate_hz)
            .finish_non_exhaustive()
    }
}

impl ToOutputRate {
    /// A converter from `rate_hz`; none of the rates in [`crate::limits`] can fail.
    pub fn new(rate_hz: u32) -> Option<Self> {
        let fft = if rate_hz == SAMPLE_RATE_HZ {
            None // bit-transparent
        } else {
            let (unit_in, unit_out) = units(rate_hz);
            // The filter delays by half a block. Only with an even number of units is that a
            // whole number of frames on both sides, and the sound exactly in its place.
            let count = BLOCK_FRAMES.div_ceil(unit_out).next_multiple_of(2);
            let made = Fft::new_custom(
                usize::try_from(rate_hz).ok()?,
                usize::try_from(SAMPLE_RATE_HZ).ok()?,
                usize::try_from(count.checked_mul(unit_in)?).ok()?,
                1,
                CHANNELS,
                WindowFunction::BlackmanHarris2,
                FixedSync::Both,
            );
            Some(made.ok()?)
        };
        let block = fft
            .as_ref()
            .map_or(0, |fft| fft.output_frames_max() * CHANNELS);
        let waiting = fft
            .as_ref()
            .map_or(0, |fft| fft.input_frames_max() * CHANNELS);
        let mut new = Self {
            rate_hz,
            fft,
            waiting: Vec::with_capacity(waiting),
            block: vec![0.0; block],
            taken_frames: 0,
            made_frames: 0,
            skip_frames: 0,
        };
        new.restart(0);
        Some(new)
    }

    /// The rate it converts from.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Forgets all sound and will throw away the first `skip_frames` of output.
    pub fn restart(&mut self, skip_frames: u64) {
        self.waiting.clear();
        self.taken_frames = 0;
        self.made_frames = 0;
        self.skip_frames = skip_frames;
        if let Some(fft) = &mut self.fft {
            fft.reset();
            self.skip_frames += fft.output_delay() as u64;
        }
    }

    /// Where to begin decoding so that output frame `target` comes out as if all before it had
    /// been played: the source frame, and how many output frames to skip after it.
    ///
    /// The two lie on the grid on which both rates have whole frames, early enough to fill the
    /// filter.
    pub fn entry_point(&self, target_frame: u64) -> (u64, u64) {
        let Some(fft) = &self.fft else {
            return (target_frame, 0);
        };
        let common = u64::from(gcd(self.rate_hz, SAMPLE_RATE_HZ));
        let (unit_in, unit_out) = (
            u64::from(self.rate_hz) / common,
            u64::from(SAMPLE_RATE_HZ) / common,
        );
        let warm_up = 2 * fft.fft_size_out() as u64;
        let units = target_frame.saturating_sub(warm_up) / unit_out.max(1);
        (units * unit_in, target_frame - units * unit_out)
    }

    /// Takes stereo input and appends all output that is ready.
    pub fn push(&mut self, stereo: &[f32], out: &mut Vec<f32>) {
        self.taken_frames += (stereo.len() / CHANNELS) as u64;
        let Some(fft) = &mut self.fft else {
            give(stereo, &mut self.skip_frames, out);
            return;
        };
        // Only what is left over waits: the rest goes from where it lies.
        let mut rest = stereo;
        loop {
            let need = fft.input_frames_next() * CHANNELS;
            let missing = need.saturating_sub(self.waiting.len());
            let Some((next, after)) = rest.split_at_checked(missing) else {
                break;
            };
            rest = after;
            let made = if self.waiting.is_empty() {
                convert(fft, next, &mut self.block)
            } else {
                self.waiting.extend_from_slice(next);
                convert(fft, &self.waiting, &mut self.block)
            };
            self.waiting.clear();
            if !made {
                return;
            }
            self.made_frames += (self.block.len() / CHANNELS) as u64;
            give(&self.block, &mut self.skip_frames, out);
        }
        self.waiting.extend_from_slice(rest);
    }

    /// Ends the stream: appends what is still inside the filter, up to the exact length.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        let Some(fft) = &mut self.fft else { return };
        // The length at 48 kHz to the nearest frame, and the delay that was taken off the start.
        let rate = u128::from(self.rate_hz.max(1));
        let exact = (u128::from(self.taken_frames) * u128::from(SAMPLE_RATE_HZ) + rate / 2) / rate;
        let due = u64::try_from(exact).unwrap_or(u64::MAX) + fft.output_delay() as u64;
        while self.made_frames < due {
            self.waiting.resize(fft.input_frames_next() * CHANNELS, 0.0);
            if !convert(fft, &self.waiting, &mut self.block) {
                break;
            }
            self.waiting.clear();
            let whole = (self.block.len() / CHANNELS) as u64;
            let made = whole.min(due - self.made_frames);
            self.made_frames += made;
            let samples = usize::try_from(made).unwrap_or(usize::MAX / CHANNELS) * CHANNELS;
            give(
                self.block.get(..samples).unwrap_or_default(),
                &mut self.skip_frames,
                out,
            );
        }
        self.waiting.clear();
    }
}

/// One FFT step: exactly the input it asked for to exactly one block.
fn convert(fft: &mut Fft<f32>, input: &[f32], block: &mut [f32]) -> bool {
    let frames = block.len() / CHANNELS;
    let Ok(from) = InterleavedSlice::new(input, CHANNELS, input.len() / CHANNELS) else {
        return false;
    };
    let Ok(mut to) = InterleavedSlice::new_mut(block, CHANNELS, frames) else {
        return false;
    };
    fft.process_into_buffer(&from, &mut to, None).is_ok()
}

/// Appends `made` without the frames still to be skipped.
fn give(made: &[f32], skip_frames: &mut u64, out: &mut Vec<f32>) {
    let frames = (made.len() / CHANNELS) as u64;
    let skip = (*skip_frames).min(frames);
    *skip_frames -= skip;
    let from = usize::try_from(skip)
        .unwrap_or(usize::MAX)
        .saturating_mul(CHANNELS);
    out.extend_from_slice(made.get(from..).unwrap_or_default());
}

/// The smallest numbers of frames in and out that last equally long.
fn units(rate_hz: u32) -> (u32, u32) {
    let common = gcd(rate_hz, SAMPLE_RATE_HZ).max(1);
    (rate_hz / common, SAMPLE_RATE_HZ / common)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod quality;

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_audio::measure;

    /// A stereo sweep-free pair of tones, both well below every Nyquist used here.
    fn tones(rate_hz: u32, frames: usize) -> Vec<f32> {
        (0..frames)
            .flat_map(|n| {
                let t = n as f64 / f64::from(rate_hz);
                let s = |hz: f64| (std::f64::consts::TAU * hz * t).sin() as f32 * 0.4;
                [s(997.0), s(2503.0)]
            })
            .collect()
    }

    fn through(rate_hz: u32, input: &[f32], pieces: usize) -> Vec<f32> {
        let mut converter = ToOutputRate::new(rate_hz).unwrap();
        let mut out = vec![];
        input
            .chunks(pieces * 2)
            .for_each(|piece| converter.push(piece, &mut out));
        converter.finish(&mut out);
        out
    }

    #[test]
    fn length_is_exact_and_the_sound_in_place_at_every_rate() {
        for rate_hz in [
            8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 88_200, 96_000, 192_000,
        ] {
            for frames in [
                rate_hz as usize,
                rate_hz as usize + 1,
                rate_hz as usize / 2 + 17,
            ] {
                let out = through(rate_hz, &tones(rate_hz, frames), 1000);
                let exact = (frames as f64 * 48_000.0 / f64::from(rate_hz)).round() as usize;
                assert_eq!(out.len() / 2, exact, "{rate_hz} Hz, {frames} frames");
                let truth = tones(48_000, exact);
                // The edges ring, as every band-limited filter does there.
                let inner = 2000..truth.len() - 2000;
                let snr = measure::snr_db(&truth[inner.clone()], &out[inner]);
                assert!(snr > 95.0, "{rate_hz} Hz, {frames} frames: {snr} dB");
            }
        }
    }

    #[test]
    fn odd_rates_work_too() {
        for rate_hz in [44_099, 47_999, 37_800] {
            let out = through(rate_hz, &tones(rate_hz, rate_hz as usize), 777);
            let truth = tones(48_000, 48_000);
            assert_eq!(out.len(), truth.len());
            let inner = 40_000..56_000;
            assert!(
                measure::snr_db(&truth[inner.clone()], &out[inner]) > 90.0,
                "{rate_hz}"
            );
        }
    }

    #[test]
    fn forty_eight_kilohertz_passes_bit_for_bit() {
        let input = tones(48_000, 5000);
        assert_eq!(through(48_000, &input, 333), input);
    }

    #[test]
    fn the_size_of_the_pieces_does_not_matter() {
        let input = tones(44_100, 20_000);
        assert_eq!(through(44_100, &input, 1), through(44_100, &input, 20_000));
    }

    #[test]
    fn entering_at_the_entry_point_gives_the_same_sound_as_playing_through() {
        for rate_hz in [22_050, 44_100, 96_000] {
            let input = tones(rate_hz, rate_hz as usize);
            let whole = through(rate_hz, &input, 1000);
            let mut converter = ToOutputRate::new(rate_hz).unwrap();
            for target in [0u64, 100, 12_345, 30_001] {
                let (source, skip) = converter.entry_point(target);
                converter.restart(skip);
                let mut out = vec![];
                converter.push(&input[source as usize * 2..], &mut out);
                converter.finish(&mut out);
                let wanted = &whole[target as usize * 2..];
                assert_eq!(out.len(), wanted.len(), "{rate_hz} Hz from {target}");
                let worst = out
                    .iter()
                    .zip(wanted)
                    .fold(0.0f32, |w, (a, b)| w.max((a - b).abs()));
                assert!(worst < 1e-6, "{rate_hz} Hz from {target}: {worst}");
            }
        }
    }
}
