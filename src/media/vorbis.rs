//! Vorbis of more than two channels.
//!
//! symphonia 0.6.1 undoes channel couplings first to last. The specification says last to first
//! (Vorbis I section 4.3.5), which matters as soon as a channel is in two couplings, as in every
//! 5.1 file of libvorbis: the channels leak into each other. Mono and stereo have one coupling
//! and stay with symphonia, which is faster.

use lewton::audio::{PreviousWindowRight, read_audio_packet_generic};
use lewton::header::{IdentHeader, SetupHeader, read_header_ident, read_header_setup};
use lewton::samples::InterleavedSamples;
use symphonia::core::audio::Channels;

use crate::decode::{Bad, Decoded};

/// The identification header has a fixed length (Vorbis I section 4.2.2).
const IDENT_BYTES: usize = 30;

/// A decoder with its headers read.
pub struct SurroundVorbis {
    ident: IdentHeader,
    setup: SetupHeader,
    overlap: PreviousWindowRight,
}

impl SurroundVorbis {
    /// Reads the identification and setup headers, one after the other as symphonia keeps them.
    pub fn new(headers: &[u8]) -> Result<Self, String> {
        let (ident, setup) = headers
            .split_at_checked(IDENT_BYTES)
            .ok_or("its header is cut off")?;
        let ident = read_header_ident(ident).map_err(|e| format!("{e:?}"))?;
        let blocks = (ident.blocksize_0, ident.blocksize_1);
        let setup =
            read_header_setup(setup, ident.audio_channels, blocks).map_err(|e| format!("{e:?}"))?;
        Ok(Self {
            ident,
            setup,
            overlap: PreviousWindowRight::new(),
        })
    }

    /// Forgets all past sound. The next packet decodes to nothing.
    pub fn reset(&mut self) {
        self.overlap = PreviousWindowRight::new();
    }

    /// Decodes one packet into `out`.
    pub fn decode(&mut self, packet: &[u8], out: &mut Decoded) -> Result<(), Bad> {
        let decoded: InterleavedSamples<f32> =
            read_audio_packet_generic(&self.ident, &self.setup, packet, &mut self.overlap)
                .map_err(|e| Bad::Packet(e.to_string()))?;
        out.rate_hz = self.ident.audio_sample_rate;
        out.channels = Channels::Discrete(u16::from(self.ident.audio_channels));
        out.samples = decoded.samples;
        Ok(())
    }
}
