//! What somebody heard.

use mynah_audio::level::rms;
use mynah_audio::{CHANNELS, SAMPLE_RATE_HZ, SAMPLES};

/// Below this root mean square nobody hears anything: -60 dBFS.
const QUIET: f32 = 0.001;

/// Sound of a stretch of time, 48 kHz, left and right in turns, ±1.0.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    samples: Vec<f32>,
}

impl Heard {
    pub(super) fn new(samples: Vec<f32>) -> Self {
        Self { samples }
    }

    /// All of it, silence included.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// How long it is.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        (self.samples.len() / CHANNELS) as f64 / f64::from(SAMPLE_RATE_HZ)
    }

    /// Nothing at all.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.seconds_of_sound() == 0.0
    }

    /// For how long there was any sound, to 20 ms.
    #[must_use]
    pub fn seconds_of_sound(&self) -> f64 {
        self.blocks().filter(|loud| *loud).count() as f64 * 0.02
    }

    /// Silences of 20 ms and more between the first sound and the last.
    #[must_use]
    pub fn gaps(&self) -> usize {
        let mut gaps = 0;
        let mut before = false;
        let mut quiet = false;
        for loud in self.blocks() {
            gaps += usize::from(loud && quiet && before);
            before |= loud;
            quiet = !loud;
        }
        gaps
    }

    /// Root mean square of everything, 0 to 1.
    #[must_use]
    pub fn rms(&self) -> f32 {
        rms(&self.samples)
    }

    /// How strong a tone is in it, as its amplitude, 0 to 1, left: what a sine of that amplitude from
    /// beginning to end would give.
    #[must_use]
    pub fn tone(&self, hz: f64) -> f64 {
        let (mut re, mut im, mut count) = (0.0, 0.0, 0_u32);
        for (at, frame) in self.samples.chunks_exact(CHANNELS).enumerate() {
            let turn = at as f64 * hz / f64::from(SAMPLE_RATE_HZ) * std::f64::consts::TAU;
            let left = frame.first().copied().map_or(0.0, f64::from);
            re += left * turn.cos();
            im += left * turn.sin();
            count += 1;
        }
        re.hypot(im) * 2.0 / f64::from(count.max(1))
    }

    fn blocks(&self) -> impl Iterator<Item = bool> + '_ {
        self.samples.chunks(SAMPLES).map(|block| rms(block) > QUIET)
    }
}
