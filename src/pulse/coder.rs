//! The encoder of a mix, which comes with its first track: most sessions of a large bot are silent,
//! or hear a bus, and libopus keeps 48.5 kB for each encoder. Tick code.

use mynah_audio::codec::OpusError;
use mynah_audio::{Block, Encoder, EncoderSettings};

/// An encoder, or the place for one.
#[derive(Default)]
pub(crate) struct Coder(Option<Box<Encoder>>);

impl Coder {
    /// Takes one if there is none yet; true when it did. *Tick-safe.*
    pub(crate) fn take(&mut self, spare: &mut Option<Box<Encoder>>) -> bool {
        let takes = self.0.is_none() && spare.is_some();
        if takes {
            self.0 = spare.take();
        }
        takes
    }

    /// *Tick-safe.*
    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// As [`Encoder::apply`]. *Tick-safe.*
    pub(crate) fn apply(&mut self, settings: &EncoderSettings) -> Result<(), OpusError> {
        self.0
            .as_mut()
            .map_or(Ok(()), |coder| coder.apply(settings))
    }

    /// As [`Encoder::begin`]. *Tick-safe.*
    pub(crate) fn begin(&mut self) {
        if let Some(coder) = &mut self.0 {
            coder.begin();
        }
    }

    /// As [`Encoder::reset`]. *Tick-safe.*
    pub(crate) fn reset(&mut self) -> Result<(), OpusError> {
        self.0.as_mut().map_or(Ok(()), |coder| coder.reset())
    }

    /// As [`Encoder::encode`]; an error when there was no memory for an encoder. *Tick-safe.*
    pub(crate) fn encode(&mut self, block: &Block, out: &mut [u8]) -> Result<usize, OpusError> {
        match &mut self.0 {
            Some(coder) => coder.encode(block, out),
            None => Err(OpusError::OutOfMemory),
        }
    }
}
