//! AAC beyond what symphonia decodes: surround, HE-AAC (SBR and parametric stereo), and the rarer
//! object types.
//!
//! symphonia 0.6.1 knows AAC-LC of one and two channels, and that stays with it: it is faster.
//! Of HE-AAC that is not announced it would play the lower half of the spectrum only.

use rusty_aac::Error;
use rusty_aac::config::{self, StreamConfig, aot};
use rusty_aac::decode::Decoder;
use symphonia::core::audio::{Channels, Position};
use symphonia::core::codecs::audio::AudioCodecParameters;

use crate::decode::{Bad, Decoded};
use crate::downmix::Downmix;

/// Up to this rate an AAC-LC stream may carry spectral band replication without saying so: its
/// output runs at twice the rate, 48 kHz at most (ISO/IEC 14496-3 section 1.6.5, implicit
/// signalling).
const MAX_SBR_CORE_HZ: u32 = 24_000;

/// What a track's header says, as far as a choice of decoder needs it.
pub struct AacConfig(StreamConfig);

/// A decoder for any AAC but xHE-AAC.
pub struct FullAac {
    inner: Decoder,
}

impl AacConfig {
    /// Reads the AudioSpecificConfig; without one (raw ADTS) the container knows rate and
    /// channels. `None` when it makes no sense.
    pub fn read(params: &AudioCodecParameters) -> Option<Self> {
        if let Some(bytes) = params.extra_data.as_deref() {
            return config::parse(bytes).ok().map(Self);
        }
        // Table 1.19: eight channels are configuration 7; 0 leaves them to the packets.
        let channel_config = match params.channels.as_ref().map_or(0, Channels::count) {
            n @ 1..=6 => u8::try_from(n).ok()?,
            8 => 7,
            _ => 0,
        };
        let rate_hz = params.sample_rate?;
        Some(Self(StreamConfig::lc(aot::AAC_LC, rate_hz, channel_config)))
    }

    /// True for what symphonia plays, and plays as it was meant.
    pub fn is_plain(&self) -> bool {
        let config = &self.0;
        config.object_type == aot::AAC_LC
            && !config.sbr
            && (config.sbr_explicitly_absent || config.sample_rate > MAX_SBR_CORE_HZ)
            && (1..=2).contains(&config.channel_config)
            && config.frame_length == 1024
    }
}

impl FullAac {
    /// A decoder at the start of the stream; the error says what it does not know.
    pub fn new(config: AacConfig) -> Result<Self, Error> {
        // Of these the decoder would leave a tool out without a word.
        match config.0.object_type {
            aot::AAC_SSR => return Err(Error::unsupported("gain control")),
            aot::ER_AAC_ELD if config.0.sbr => return Err(Error::unsupported("low-delay SBR")),
            _ => {}
        }
        let inner = Decoder::with_stream_config(config.0)?;
        Ok(Self { inner })
    }

    /// Sample frames a second of what comes out, as far as is known: see [`MAX_SBR_CORE_HZ`].
    pub fn rate_hz(&self) -> u32 {
        self.inner.output_sample_rate()
    }

    /// Decodes one packet into `out`.
    pub fn decode(&mut self, packet: &[u8], out: &mut Decoded) -> Result<(), Bad> {
        let decoded = self.inner.decode(packet, None).map_err(|e| match e {
            Error::Unsupported(feature) => Bad::Unsupported(feature),
            other => Bad::Packet(other.to_string()),
        })?;
        out.rate_hz = decoded.sample_rate;
        out.channels = Channels::Discrete(decoded.channels);
        out.samples = decoded.samples;
        Ok(())
    }

    /// The downmix for so many channels, which come in the order of WAVE.
    pub fn downmix(&self, channels: usize) -> Downmix {
        use Position as P;
        // Configuration 4 has its fourth channel behind, not two at the sides (table 1.19).
        if channels == 4 && self.inner.stream_config().channel_config == 4 {
            let order = [
                P::FRONT_LEFT,
                P::FRONT_RIGHT,
                P::FRONT_CENTER,
                P::REAR_CENTER,
            ];
            return Downmix::for_positions(order.into_iter());
        }
        Downmix::for_count(channels)
    }
}
