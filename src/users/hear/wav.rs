//! A decoded recording: everybody mixed on one timeline.

use std::io::Cursor;
use std::time::Instant;

use mynah_audio::codec::MAX_PACKET_FRAMES;
use mynah_audio::{CHANNELS, Decoder};
use mynah_media::wav::{Format, WavWriter};

use super::Track;
use super::timeline::{Placed, place};
use crate::Error;

/// Lost packets concealed in a row; libopus fades to silence within about this time anyway.
const MAX_CONCEALED: i64 = 10;

/// Mixes the tracks into exactly `frames` frames of WAV.
///
/// # Errors
/// [`Error::Opus`] when no decoder can be made, [`Error::Io`].
pub fn write(
    started: Instant,
    tracks: &[&Track],
    frames: u64,
    float: bool,
) -> Result<Vec<u8>, Error> {
    let samples = usize::try_from(frames).unwrap_or(usize::MAX) * CHANNELS;
    let mut mix = vec![0.0f32; samples];
    for track in tracks {
        Voice::new()?.add(started, track, &mut mix);
    }
    let format = if float { Format::F32 } else { Format::I16 };
    let mut file = WavWriter::new(Cursor::new(Vec::new()), format)?;
    // In pieces: the writer keeps its own copy of what it is given.
    for piece in mix.chunks(1 << 16) {
        file.write(piece)?;
    }
    Ok(file.finish()?.into_inner())
}

/// One sender's decoder.
struct Voice {
    decoder: Decoder,
    scratch: Box<[f32]>,
}

impl Voice {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            decoder: Decoder::new()?,
            scratch: vec![0.0; MAX_PACKET_FRAMES * CHANNELS].into_boxed_slice(),
        })
    }

    fn add(&mut self, started: Instant, track: &Track, mix: &mut [f32]) {
        for packet in &track.preroll {
            let _ = self.decoder.decode(&packet.payload, &mut self.scratch);
        }
        let mut before = mynah_audio::FRAMES as i64;
        for placed in place(started, &track.packets) {
            self.conceal(&placed, before, mix);
            let decoded = self
                .decoder
                .decode(&placed.packet.payload, &mut self.scratch);
            // Bytes that are no Opus sound like a lost packet.
            let frames = decoded.unwrap_or_else(|_| self.invent(placed.frames, None));
            self.mix(placed.at, frames, mix);
            before = placed.frames;
        }
    }

    /// Fills what was lost before a packet: the last one from the redundancy in the packet (FEC),
    /// those before it from the past (PLC).
    fn conceal(&mut self, placed: &Placed<'_>, frames: i64, mix: &mut [f32]) {
        let first = placed.at - placed.lost * frames;
        for lost in 0..placed.lost {
            let is_last = lost + 1 == placed.lost;
            if lost >= MAX_CONCEALED && !is_last {
                continue;
            }
            let next = is_last.then_some(&*placed.packet.payload);
            let invented = self.invent(frames, next);
            self.mix(first + lost * frames, invented, mix);
        }
    }

    fn invent(&mut self, frames: i64, next: Option<&[u8]>) -> usize {
        let samples = usize::try_from(frames).unwrap_or(0) * CHANNELS;
        let Some(out) = self.scratch.get_mut(..samples) else {
            return 0;
        };
        let invented = match next {
            Some(next) => self.decoder.decode_fec(next, out),
            None => self.decoder.conceal(out),
        };
        invented.unwrap_or(0)
    }

    /// Adds the scratch buffer at a place; what lies outside the recording falls away.
    fn mix(&self, at: i64, frames: usize, mix: &mut [f32]) {
        let skip = usize::try_from(-at).unwrap_or(0).min(frames) * CHANNELS;
        let at = usize::try_from(at).unwrap_or(0).saturating_mul(CHANNELS);
        let sound = self.scratch.get(skip..frames * CHANNELS).unwrap_or(&[]);
        let place = mix.get_mut(at..).unwrap_or(&mut []);
        for (slot, sample) in place.iter_mut().zip(sound) {
            *slot += sample;
        }
    }
}
