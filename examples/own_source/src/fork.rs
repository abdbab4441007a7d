//! The sound: one sine wave whose pitch can be changed while it sounds.

use mynah_plugin::Result;
use mynah_plugin::audio::{Block, Pull};
use std::f32::consts::TAU;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Loud enough, and leaves room for whoever talks: -14 dB.
const GAIN: f32 = 0.2;
/// How long it takes to full loudness, in frames of 1/48000 s: no click at the start.
const RISE: f32 = 2_400.0;

/// What a fork sounds, shared by the plugin, which changes it, and the sound thread.
#[derive(Clone, Debug)]
pub(crate) struct Pitch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Bits of an `f32`.
    hz: AtomicU32,
    /// Where the wave stood at a frame: for a fork that takes over.
    wave: Mutex<Wave>,
}

/// Where in its wave a fork stands, 0.0 to 1.0, at a frame of its track.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
pub(crate) struct Wave {
    frame: u64,
    phase: f32,
}

impl Wave {
    /// At a later frame, at the same pitch.
    fn at(self, frame: u64, step: f32) -> f32 {
        let turns = frame.saturating_sub(self.frame) as f64 * f64::from(step);
        (f64::from(self.phase) + turns).fract() as f32
    }
}

impl Pitch {
    pub(crate) fn new(hz: f32, wave: Wave) -> Self {
        Self(Arc::new(Inner {
            hz: AtomicU32::new(hz.to_bits()),
            wave: Mutex::new(wave),
        }))
    }

    pub(crate) fn set(&self, hz: f32) {
        self.0.hz.store(hz.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn hz(&self) -> f32 {
        f32::from_bits(self.0.hz.load(Ordering::Relaxed))
    }

    /// Where the sound thread is.
    pub(crate) fn wave(&self) -> Wave {
        *self.0.wave.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sounds until its track is stopped.
pub(crate) struct Fork {
    pitch: Pitch,
}

impl Fork {
    pub(crate) const fn new(pitch: Pitch) -> Self {
        Self { pitch }
    }
}

impl mynah_plugin::Source for Fork {
    fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull> {
        let step = self.pitch.hz() / 48_000.0;
        let mut frame = out.frame();
        // From where it stands, also at another pitch, and also where another fork stood: no click.
        let mut phase = self.pitch.wave().at(frame, step);
        for pair in out.samples().chunks_exact_mut(2) {
            pair.fill(GAIN * (frame as f32 / RISE).min(1.0) * (TAU * phase).sin());
            phase = (phase + step).fract();
            frame += 1;
        }
        let wave = &self.pitch.0.wave;
        *wave.lock().unwrap_or_else(PoisonError::into_inner) = Wave { frame, phase };
        Ok(Pull::More)
    }
}
