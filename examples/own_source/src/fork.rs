//! The sound: one sine wave whose pitch can be changed while it sounds.

use mynah_plugin::Result;
use mynah_plugin::audio::{Block, Pull};
use std::f32::consts::TAU;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Loud enough, and leaves room for whoever talks: -14 dB.
const GAIN: f32 = 0.2;
/// How long it takes to full loudness, in frames of 1/48000 s: no click at the start.
const RISE: f32 = 2_400.0;

/// What a fork sounds, in Hz; the plugin changes it while the sound thread reads it.
#[derive(Clone, Debug)]
pub(crate) struct Pitch(Arc<AtomicU32>);

impl Pitch {
    pub(crate) fn new(hz: f32) -> Self {
        Self(Arc::new(AtomicU32::new(hz.to_bits())))
    }

    pub(crate) fn set(&self, hz: f32) {
        self.0.store(hz.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn hz(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Sounds until its track is stopped.
pub(crate) struct Fork {
    pitch: Pitch,
    /// Where in its wave it stands, 0.0 to 1.0. It goes on from there at another pitch, without a
    /// click.
    phase: f32,
}

impl Fork {
    pub(crate) const fn new(pitch: Pitch) -> Self {
        Self { pitch, phase: 0.0 }
    }
}

impl mynah_plugin::Source for Fork {
    fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull> {
        let step = self.pitch.hz() / 48_000.0;
        let mut age = out.frame() as f32;
        for pair in out.samples().chunks_exact_mut(2) {
            pair.fill(GAIN * (age / RISE).min(1.0) * (TAU * self.phase).sin());
            self.phase = (self.phase + step).fract();
            age += 1.0;
        }
        Ok(Pull::More)
    }
}
