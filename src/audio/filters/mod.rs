//! The effects of one track: a [`FilterSpec`] says which, a [`Chain`] does them.
//!
//! They run on the media threads, before the ring, so nothing here is for the tick. Parameters have
//! Lavalink's names and meaning (<https://lavalink.dev/api/rest>, "Filters"); each effect's formula
//! stands in its own file. The order is the one of Lavalink's table, which documents no other:
//!
//! ```text
//! volume ▸ equalizer ▸ karaoke ▸ timescale ▸ tremolo ▸ rotation ▸ channel mix ▸ low pass
//! ```
//!
//! Tremolo and rotation come after the timescale, so their Hz are what the listener counts.
//!
//! No effect delays the sound: output frame `n` belongs to source frame
//! `n * source_frames_per_output_frame()`. The same input gives the same output bit for bit, however
//! it is cut into pieces. So a click-free change is a crossfade of the renders of two chains.

mod channel_mix;
mod equalizer;
mod karaoke;
mod low_pass;
mod rotation;
mod spec;
mod swing;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timescale;
mod tremolo;

pub use spec::{
    BAND_HZ, BANDS, ChannelMix, FilterError, FilterSpec, Karaoke, LowPass, Rotation, Timescale,
    Tremolo,
};

use crate::CHANNELS;

/// Every so many frames, counted from the first, states are tidied up: at fixed places, so that the
/// pieces in which sound arrives do not matter.
const GRID: usize = 960;

/// A filter's memory, tidied: what has died away becomes 0 before it is denormal, which costs a
/// hundred times as much (design/crates.md), and one NaN in a file does not stay for ever.
fn settled(state: f64) -> f64 {
    if state.is_finite() && state.abs() > 1e-30 {
        state
    } else {
        0.0
    }
}

/// An effect that gives one frame for each frame.
enum Stage {
    Volume(f32),
    Equalizer(equalizer::Filter),
    Karaoke(karaoke::Filter),
    Tremolo(tremolo::Filter),
    Rotation(rotation::Filter),
    ChannelMix(ChannelMix),
    LowPass(low_pass::Filter),
}

impl Stage {
    /// At most [`GRID`] frames, never across a point of the grid.
    fn run(&mut self, samples: &mut [f32]) {
        match self {
            Self::Volume(gain) => samples.iter_mut().for_each(|s| *s *= *gain),
            Self::Equalizer(filter) => filter.run(samples),
            Self::Karaoke(filter) => filter.run(samples),
            Self::Tremolo(filter) => filter.run(samples),
            Self::Rotation(filter) => filter.run(samples),
            Self::ChannelMix(mix) => channel_mix::run(mix, samples),
            Self::LowPass(filter) => filter.run(samples),
        }
    }

    fn settle(&mut self) {
        match self {
            Self::Volume(_) | Self::ChannelMix(_) => {}
            Self::Equalizer(filter) => filter.settle(),
            Self::Karaoke(filter) => filter.settle(),
            Self::Tremolo(filter) => filter.settle(),
            Self::Rotation(filter) => filter.settle(),
            Self::LowPass(filter) => filter.settle(),
        }
    }
}

/// Stages one after the other, and where they stand on the grid.
struct Stages {
    stages: Vec<Stage>,
    frames_to_grid: usize,
}

impl Stages {
    fn new(stages: Vec<Stage>) -> Self {
        Self {
            stages,
            frames_to_grid: GRID,
        }
    }

    fn run(&mut self, mut samples: &mut [f32]) {
        if self.stages.is_empty() {
            return;
        }
        while !samples.is_empty() {
            let here = (self.frames_to_grid * CHANNELS).min(samples.len());
            let (piece, rest) = samples.split_at_mut(here);
            self.stages.iter_mut().for_each(|stage| stage.run(piece));
            samples = rest;
            self.frames_to_grid -= here / CHANNELS;
            if self.frames_to_grid == 0 {
                self.stages.iter_mut().for_each(Stage::settle);
                self.frames_to_grid = GRID;
            }
        }
    }
}

/// The effects of a [`FilterSpec`] at work on one stream of sound.
///
/// Allocates when it is made, and until its buffers have the size they need; then no more.
pub struct Chain {
    spec: FilterSpec,
    before: Stages,
    timescale: Option<timescale::Filter>,
    after: Stages,
    scratch: Vec<f32>,
    first_frame: u64,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// A chain at the start of its stream. Values outside their ranges (see [`FilterSpec::check`])
    /// are moved into them.
    #[must_use]
    pub fn new(spec: &FilterSpec) -> Self {
        Self::starting_at(spec, 0)
    }

    /// A chain that takes over a track in the middle: its first frame of output is the track's
    /// frame number `frame`, so tremolo and rotation swing on from where the chain before it, if
    /// it had the same rate, has left them there.
    #[must_use]
    pub fn starting_at(spec: &FilterSpec, frame: u64) -> Self {
        let spec = spec.clone().clamped();
        Self {
            before: Stages::new(before(&spec)),
            timescale: spec
                .timescale
                .filter(|t| t.tempo() != 1.0 || t.pitch_factor() != 1.0)
                .map(|t| timescale::Filter::new(&t)),
            after: Stages::new(after(&spec, frame)),
            scratch: Vec::new(),
            first_frame: frame,
            spec,
        }
    }

    /// Takes `input` (interleaved stereo at 48 kHz, any length; half a frame at its end is dropped)
    /// and appends what is ready to `out`. Without timescale that is as much as came in.
    pub fn process(&mut self, input: &[f32], out: &mut Vec<f32>) {
        let input = spec::whole_frames(input);
        let from = out.len();
        if let Some(timescale) = &mut self.timescale {
            self.scratch.clear();
            self.scratch.extend_from_slice(input);
            self.before.run(&mut self.scratch);
            timescale.process(&self.scratch, out);
        } else {
            out.extend_from_slice(input);
            self.before.run(out.get_mut(from..).unwrap_or_default());
        }
        self.after.run(out.get_mut(from..).unwrap_or_default());
    }

    /// The source has ended: appends what the timescale still holds, so that all output together is
    /// as long as the source divided by [`Self::source_frames_per_output_frame`], to the frame.
    /// The chain is at the start of a new stream afterwards.
    pub fn flush(&mut self, out: &mut Vec<f32>) {
        let from = out.len();
        if let Some(timescale) = &mut self.timescale {
            timescale.flush(out);
        }
        self.after.run(out.get_mut(from..).unwrap_or_default());
        self.reset();
    }

    /// Forgets everything heard, as if made anew (likewise [`Self::starting_at`] its frame).
    pub fn reset(&mut self) {
        self.before = Stages::new(before(&self.spec));
        self.after = Stages::new(after(&self.spec, self.first_frame));
        if let Some(timescale) = &mut self.timescale {
            timescale.reset();
        }
    }

    /// Source frames that must have come in, at most, beyond the ones that belong to the output
    /// given so far, before more comes out. It is look-ahead, not delay: output frame 0 belongs to
    /// source frame 0. 0 without timescale.
    #[must_use]
    pub fn latency_frames(&self) -> usize {
        self.timescale
            .as_ref()
            .map_or(0, timescale::Filter::ahead_frames)
    }

    /// How many source frames one frame of output stands for: `speed * rate` of the timescale.
    #[must_use]
    pub fn source_frames_per_output_frame(&self) -> f64 {
        self.timescale
            .as_ref()
            .map_or(1.0, timescale::Filter::tempo)
    }

    /// True when sound passes bit for bit.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.spec.is_identity()
    }

    /// What it was made from, with every value within its range.
    #[must_use]
    pub fn spec(&self) -> &FilterSpec {
        &self.spec
    }
}

/// The stages before the timescale that do anything.
fn before(spec: &FilterSpec) -> Vec<Stage> {
    let mut stages = Vec::new();
    if spec.volume != 1.0 {
        stages.push(Stage::Volume(spec.volume));
    }
    if spec.equalizer.iter().any(|gain| *gain != 0.0) {
        stages.push(Stage::Equalizer(equalizer::Filter::new(&spec.equalizer)));
    }
    if let Some(karaoke) = spec.karaoke.filter(|k| k.level != 0.0) {
        stages.push(Stage::Karaoke(karaoke::Filter::new(&karaoke)));
    }
    stages
}

/// The stages after the timescale that do anything.
fn after(spec: &FilterSpec, frame: u64) -> Vec<Stage> {
    let mut stages = Vec::new();
    if let Some(tremolo) = spec
        .tremolo
        .filter(|t| t.frequency_hz != 0.0 && t.depth != 0.0)
    {
        stages.push(Stage::Tremolo(tremolo::Filter::new(&tremolo, frame)));
    }
    if let Some(rotation) = spec.rotation.filter(|r| r.rotation_hz != 0.0) {
        stages.push(Stage::Rotation(rotation::Filter::new(&rotation, frame)));
    }
    if let Some(mix) = spec.channel_mix.filter(|m| *m != ChannelMix::default()) {
        stages.push(Stage::ChannelMix(mix));
    }
    if let Some(low_pass) = spec.low_pass.filter(|l| l.smoothing > 1.0) {
        stages.push(Stage::LowPass(low_pass::Filter::new(&low_pass)));
    }
    stages
}
