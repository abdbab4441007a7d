//! What a listener hears at best: the same sound on the same way, without encryption and network.
//!
//! The way is that of the tick: the packets of an Opus file that needs nothing but to be played go
//! out as they are; all other sound comes out of the limiter a little later, which moves the frames
//! that the encoder cuts it into, and so its noise.

use std::path::Path;

use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::{Block, Decoder, Encoder, EncoderConfig, Limiter, OpusError, SILENT_BLOCK};
use mynah_media::{OpenOptions, Read, Slot};

use super::stage::{BITRATE_BPS, COMPLEXITY};

/// The best that can be heard of a file: interleaved stereo, 48 kHz, after what delays there are.
/// `None` when it cannot be played.
pub(super) fn heard_at_best(path: &Path) -> Option<Vec<f32>> {
    let mut media = mynah_media::open(path, &OpenOptions::default()).ok()?;
    let mut way = Way::new().ok()?;
    let mut block = SILENT_BLOCK;
    loop {
        let slot = media.read_slot(&mut block, false).ok()?;
        match slot {
            Slot::Packet => way.pass(media.packet(), None),
            Slot::Both => way.pass(media.packet(), Some(&block)),
            Slot::Sound(Read::Full | Read::Last(_)) => way.mix(&block),
            Slot::Sound(Read::End) => break,
        }
        .ok()?;
        if matches!(slot, Slot::Sound(Read::Last(_))) {
            break;
        }
    }
    way.finish().ok()
}

struct Way {
    limiter: Limiter,
    encoder: Encoder,
    decoder: Decoder,
    heard: Vec<f32>,
    /// The sound of the packet that went out last, if it was known.
    passed: Option<Block>,
    passing: bool,
}

impl Way {
    fn new() -> Result<Self, OpusError> {
        let mut encoder = Encoder::new(EncoderConfig {
            bitrate_bps: BITRATE_BPS,
            complexity: COMPLEXITY,
            ..EncoderConfig::default()
        })?;
        encoder.begin();
        Ok(Self {
            limiter: Limiter::new(),
            encoder,
            decoder: Decoder::new()?,
            heard: Vec::new(),
            passed: None,
            passing: false,
        })
    }

    /// A packet of the file, and the sound that stands for it if that is known.
    fn pass(&mut self, packet: &[u8], sound: Option<&Block>) -> Result<(), OpusError> {
        self.passing = true;
        self.passed = sound.copied();
        self.listen(packet)
    }

    /// A block of sound.
    fn mix(&mut self, block: &Block) -> Result<(), OpusError> {
        if std::mem::take(&mut self.passing) {
            self.leave_packets()?;
        }
        self.encode(block)
    }

    /// The encoder is warmed up with what was heard last.
    fn leave_packets(&mut self) -> Result<(), OpusError> {
        self.encoder.reset()?;
        self.limiter = Limiter::new();
        if let Some(mut block) = self.passed.take() {
            self.limiter.process(&mut block, false);
            self.encoder.encode(&block, &mut [0; MAX_FRAME_BYTES])?;
        }
        self.encoder.begin();
        Ok(())
    }

    fn encode(&mut self, block: &Block) -> Result<(), OpusError> {
        let mut block = *block;
        self.limiter.process(&mut block, false);
        let mut packet = [0; MAX_FRAME_BYTES];
        let length = self.encoder.encode(&block, &mut packet)?;
        self.listen(packet.get(..length).unwrap_or_default())
    }

    fn listen(&mut self, packet: &[u8]) -> Result<(), OpusError> {
        let mut block = SILENT_BLOCK;
        self.decoder.decode(packet, &mut block)?;
        self.heard.extend_from_slice(&block);
        Ok(())
    }

    /// The last sound is still inside limiter and encoder.
    fn finish(mut self) -> Result<Vec<f32>, OpusError> {
        if !self.passing {
            self.encode(&SILENT_BLOCK)?;
        }
        Ok(self.heard)
    }
}

#[cfg(test)]
mod tests {
    use mynah_audio::measure;

    use super::*;

    /// SNR of the best that can be heard of a clip, against the clip itself.
    fn best_db(name: &str) -> f64 {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/audio")).join(name);
        let mut media = mynah_media::open(&path, &OpenOptions::default()).unwrap();
        let source = crate::cli::demo::decode(&mut media, 60.0).unwrap();
        let heard = heard_at_best(&path).unwrap();
        measure::compare(&source, &heard, 48_000).unwrap().snr_db
    }

    #[test]
    fn an_opus_file_is_heard_as_its_own_packets_and_not_as_a_second_encoding() {
        // Measured as `mynah demo` hears them: 31.16 dB, of which the last 40 ms are to blame.
        let passed = best_db("opus_11s_clusters.webm");
        assert!((passed - 31.16).abs() < 0.05, "{passed} dB");
        // Shorter than a second, and so encoded: 35.56 dB.
        let encoded = best_db("opus_48k_stereo.opus");
        assert!((encoded - 35.56).abs() < 0.05, "{encoded} dB");
    }
}
