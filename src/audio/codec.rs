//! Opus, wrapped: one encoder and one decoder with the settings of a music bot.
//!
//! Thin on purpose. The choices made here: application *audio* (CELT quality first, no speech
//! high-pass), unconstrained VBR like `opusenc`, 20 ms frames, 48 kHz stereo.

use crate::{Block, CHANNELS, EncoderSettings, FRAMES, SAMPLE_RATE_HZ};

/// The largest Opus frame, RFC 6716 section 3.4 (R5: one frame is at most 1275 bytes).
pub const MAX_FRAME_BYTES: usize = 1275;

/// The longest Opus packet in sample frames: 120 ms at 48 kHz (RFC 6716 section 3.2.5).
pub const MAX_PACKET_FRAMES: usize = 5760;

/// Frames by which what our encoder makes lags behind what it is given (RFC 7845 section 4.2 calls
/// this the pre-skip).
pub const LOOKAHEAD_FRAMES: usize = 312;

/// Frames from the start of an Opus packet's sound to the start of the block that stands for it.
///
/// A listener hears a packet when it comes, but a block only after our own delays. A block that
/// begins so much later in the music is heard at the same time as its packet: going from one to the
/// other moves nothing.
pub const PACKET_LEAD_FRAMES: usize = LOOKAHEAD_FRAMES + crate::Limiter::LATENCY_FRAMES;

/// Bitrates Opus accepts for one stereo stream, bits per second (RFC 6716 section 2.1.1).
pub const BITRATE_RANGE_BPS: std::ops::RangeInclusive<u32> = 6_000..=510_000;

/// What libopus said when it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpusError {
    /// The packet is not valid Opus.
    #[error("the packet is not valid Opus")]
    InvalidPacket,
    /// The output buffer is too small for the frame.
    #[error("the output buffer is too small for the Opus frame")]
    BufferTooSmall,
    /// An argument is out of range: a setting, a buffer length that is no Opus frame size.
    #[error("an argument is out of the range Opus allows")]
    BadArgument,
    /// libopus could not allocate its state.
    #[error("not enough memory for the Opus state")]
    OutOfMemory,
    /// libopus failed inside; its state should be thrown away.
    #[error("libopus reported an internal error")]
    Internal,
}

impl OpusError {
    /// What the operator or caller can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::InvalidPacket => "skip the packet and conceal the 20 ms it stood for",
            Self::BufferTooSmall => "give at least 1275 bytes for a frame, 5760 frames for sound",
            Self::BadArgument => "use 6000..=510000 bit/s, complexity 0..=10 and whole Opus frames",
            Self::OutOfMemory => "play fewer voice sessions at once on this machine",
            Self::Internal => "make a new encoder or decoder",
        }
    }
}

impl From<opus::Error> for OpusError {
    fn from(error: opus::Error) -> Self {
        match error.code() {
            opus::ErrorCode::BadArg => Self::BadArgument,
            opus::ErrorCode::BufferTooSmall => Self::BufferTooSmall,
            opus::ErrorCode::InvalidPacket => Self::InvalidPacket,
            opus::ErrorCode::AllocFail => Self::OutOfMemory,
            _ => Self::Internal,
        }
    }
}

/// How a new encoder encodes, in few words; [`EncoderSettings`] are all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Target bitrate in bits per second, [`BITRATE_RANGE_BPS`]; other values are clamped.
    pub bitrate_bps: u32,
    /// libopus complexity 0..=10. For music only 10, 7, 5, 4, 1 and 0 differ in cost
    /// (design/crates.md 1.2).
    pub complexity: u8,
    /// Variable bitrate. Constant bitrate hides the loudness of speech from an eavesdropper, at
    /// a cost in quality.
    pub vbr: bool,
    /// In-band forward error correction; only speech-like (SILK) frames carry any.
    pub fec: bool,
    /// The packet loss the encoder should arm itself against, percent.
    pub expected_loss_percent: u8,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self {
            bitrate_bps: 128_000,
            complexity: 10,
            vbr: true,
            fec: false,
            expected_loss_percent: 0,
        }
    }
}

impl From<EncoderConfig> for EncoderSettings {
    fn from(config: EncoderConfig) -> Self {
        Self {
            bitrate_bps: config.bitrate_bps,
            complexity: config.complexity,
            fec: config.fec,
            expected_loss_percent: config.expected_loss_percent,
            dtx: false,
            vbr: config.vbr,
        }
    }
}

/// Encodes 20 ms blocks to Opus frames. 48.7 kB of state, made once per mix.
#[derive(Debug)]
pub struct Encoder {
    inner: opus::Encoder,
    /// What libopus has been told.
    settings: EncoderSettings,
    /// The next frame begins a stretch of sound.
    begins: bool,
}

impl Encoder {
    /// Makes an encoder. Allocates; not for the tick thread.
    ///
    /// # Errors
    /// [`OpusError::OutOfMemory`] when libopus cannot allocate its state.
    pub fn new(config: EncoderConfig) -> Result<Self, OpusError> {
        let inner = opus::Encoder::new(
            SAMPLE_RATE_HZ,
            opus::Channels::Stereo,
            opus::Application::Audio,
        )?;
        let settings = EncoderSettings::from(config).clamped();
        let mut encoder = Self {
            inner,
            settings,
            begins: true,
        };
        // libopus starts with constrained VBR; opusenc and ffmpeg let it run free, and so do we.
        encoder.inner.set_vbr_constraint(false)?;
        encoder.tell(&settings, None)?;
        Ok(encoder)
    }

    /// The settings in force. *Tick-safe.*
    #[must_use]
    pub fn settings(&self) -> &EncoderSettings {
        &self.settings
    }

    /// Changes to `settings` from the next frame on, where they differ from those in force;
    /// values out of range are clamped. *Tick-safe.*
    ///
    /// # Errors
    /// None in practice; libopus can refuse by its signature.
    pub fn apply(&mut self, settings: &EncoderSettings) -> Result<(), OpusError> {
        let wanted = settings.clamped();
        if wanted == self.settings {
            return Ok(());
        }
        let before = self.settings;
        self.tell(&wanted, Some(&before))?;
        self.settings = wanted;
        Ok(())
    }

    /// Tells libopus what differs between `wanted` and `before`; everything without a before.
    fn tell(
        &mut self,
        wanted: &EncoderSettings,
        before: Option<&EncoderSettings>,
    ) -> Result<(), OpusError> {
        let differs = |same: fn(&EncoderSettings, &EncoderSettings) -> bool| {
            before.is_none_or(|before| !same(wanted, before))
        };
        if differs(|a, b| a.vbr == b.vbr) {
            self.inner.set_vbr(wanted.vbr)?;
        }
        if differs(|a, b| a.fec == b.fec) {
            self.inner.set_inband_fec(wanted.fec)?;
        }
        if differs(|a, b| a.expected_loss_percent == b.expected_loss_percent) {
            self.inner
                .set_packet_loss_perc(i32::from(wanted.expected_loss_percent))?;
        }
        if differs(|a, b| a.dtx == b.dtx) {
            self.inner.set_dtx(wanted.dtx)?;
        }
        if differs(|a, b| a.bitrate_bps == b.bitrate_bps) {
            // Clamped to 510,000 at most.
            let bps = i32::try_from(wanted.bitrate_bps).unwrap_or(i32::MAX);
            self.inner.set_bitrate(opus::Bitrate::Bits(bps))?;
        }
        if differs(|a, b| a.complexity == b.complexity) {
            self.inner.set_complexity(i32::from(wanted.complexity))?;
        }
        Ok(())
    }

    /// Encodes one block into `out` and returns the number of bytes written. *Tick-safe.*
    ///
    /// The frame never exceeds `out.len()`; [`MAX_FRAME_BYTES`] is always enough.
    ///
    /// # Errors
    /// [`OpusError::BufferTooSmall`] when `out` has no room for any frame.
    pub fn encode(&mut self, block: &Block, out: &mut [u8]) -> Result<usize, OpusError> {
        if !self.begins {
            return Ok(self.inner.encode_float(block, out)?);
        }
        self.inner.set_prediction_disabled(true)?;
        let encoded = self.inner.encode_float(block, out);
        self.inner.set_prediction_disabled(false)?;
        let length = encoded?;
        self.begins = false;
        Ok(length)
    }

    /// The next frame will not lean on those before it. *Tick-safe.*
    ///
    /// For sound after a pause, and by itself after `new` and [`Encoder::reset`]: decoders then
    /// stand somewhere else than the encoder, some after silence, some just made. A frame that
    /// takes over the loudness of the one before (RFC 6716 section 4.3.2.1) would come out of them
    /// far too quiet, and the sound would take 100 ms to rise to its level.
    pub fn begin(&mut self) {
        self.begins = true;
    }

    /// Changes the bitrate from the next frame on, clamped to [`BITRATE_RANGE_BPS`]. *Tick-safe.*
    ///
    /// # Errors
    /// None in practice; libopus can refuse by its signature.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), OpusError> {
        self.apply(&EncoderSettings {
            bitrate_bps,
            ..self.settings
        })
    }

    /// Changes the complexity (clamped to 0..=10) from the next frame on. *Tick-safe.*
    ///
    /// # Errors
    /// None in practice; libopus can refuse by its signature.
    pub fn set_complexity(&mut self, complexity: u8) -> Result<(), OpusError> {
        self.apply(&EncoderSettings {
            complexity,
            ..self.settings
        })
    }

    /// Forgets all past sound, keeps the settings. *Tick-safe.*
    ///
    /// # Errors
    /// None in practice; libopus can refuse by its signature.
    pub fn reset(&mut self) -> Result<(), OpusError> {
        self.begins = true;
        Ok(self.inner.reset_state()?)
    }

    /// How many frames the decoded sound lags behind what was put in: the pre-skip of an Ogg
    /// Opus file (RFC 7845 section 4.2).
    ///
    /// # Errors
    /// None in practice; libopus can refuse by its signature.
    pub fn lookahead_frames(&mut self) -> Result<u16, OpusError> {
        u16::try_from(self.inner.get_lookahead()?).map_err(|_| OpusError::Internal)
    }
}

/// Decodes Opus packets to 48 kHz stereo. 27 kB of state, one per speaker.
#[derive(Debug)]
pub struct Decoder {
    inner: opus::Decoder,
}

impl Decoder {
    /// Makes a decoder. Allocates.
    ///
    /// # Errors
    /// [`OpusError::OutOfMemory`] when libopus cannot allocate its state.
    pub fn new() -> Result<Self, OpusError> {
        let inner = opus::Decoder::new(SAMPLE_RATE_HZ, opus::Channels::Stereo)?;
        Ok(Self { inner })
    }

    /// Decodes one packet (2.5 to 120 ms) and returns the number of frames written to `out`
    /// (interleaved stereo). Does not allocate.
    ///
    /// # Errors
    /// [`OpusError::InvalidPacket`] for bytes that are no Opus, also for none at all;
    /// [`OpusError::BufferTooSmall`] when `out` is shorter than the packet;
    /// `MAX_PACKET_FRAMES * 2` samples are always enough.
    pub fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, OpusError> {
        if packet.is_empty() {
            // libopus would take it for a lost packet; a caller with an empty payload has a bug
            // or an attacker, and must ask for `conceal` by name.
            return Err(OpusError::InvalidPacket);
        }
        Ok(self.inner.decode_float(packet, out, false)?)
    }

    /// Invents the sound of a lost packet: fills all of `out`, which must be a multiple of
    /// 2.5 ms (120 frames) up to 120 ms. Does not allocate.
    ///
    /// # Errors
    /// [`OpusError::BadArgument`] when `out` is no such length.
    pub fn conceal(&mut self, out: &mut [f32]) -> Result<usize, OpusError> {
        Ok(self.inner.decode_float(&[], out, false)?)
    }

    /// Restores the packet *before* `next` from the redundancy `next` may carry, else conceals.
    /// `out` must have exactly the length of the lost packet. Does not allocate.
    ///
    /// # Errors
    /// [`OpusError::InvalidPacket`] or [`OpusError::BadArgument`] as in [`Decoder::conceal`].
    pub fn decode_fec(&mut self, next: &[u8], out: &mut [f32]) -> Result<usize, OpusError> {
        if next.is_empty() {
            return Err(OpusError::InvalidPacket);
        }
        Ok(self.inner.decode_float(next, out, true)?)
    }

    /// Forgets all past sound.
    ///
    /// # Errors
    /// None in practice; libopus can refuse by its signature.
    pub fn reset(&mut self) -> Result<(), OpusError> {
        Ok(self.inner.reset_state()?)
    }
}

/// How many frames (at 48 kHz) a packet holds, read from its first bytes without decoding.
///
/// # Errors
/// [`OpusError::InvalidPacket`] when the bytes are no Opus packet or claim more than 120 ms.
pub fn packet_frames(packet: &[u8]) -> Result<usize, OpusError> {
    match opus::packet::get_nb_samples(packet, SAMPLE_RATE_HZ) {
        Ok(frames) if (1..=MAX_PACKET_FRAMES).contains(&frames) => Ok(frames),
        _ => Err(OpusError::InvalidPacket),
    }
}

/// True when the packet carries redundancy from which the packet before it can be restored with
/// [`Decoder::decode_fec`].
///
/// That is: SILK is in it, and the flag for "low bit-rate redundancy" is set in the first bits of
/// its first frame, after one bit for each 20 ms of voice (RFC 6716 sections 3.1, 4.2.3 and 4.2.4).
/// Allocates.
#[must_use]
pub fn carries_fec(packet: &[u8]) -> bool {
    let Some(toc) = packet.first() else {
        return false;
    };
    let silk_frames = match toc >> 3 {
        // SILK: frames of 10, 20, 40 and 60 ms; one that is 10 ms long is one SILK frame too.
        config @ 0..12 => [1, 1, 2, 3].get(usize::from(config & 3)).copied(),
        // Hybrid: 10 and 20 ms.
        12..16 => Some(1),
        _ => None,
    };
    let parsed = opus::packet::parse(packet).ok();
    let first = parsed.and_then(|parsed| parsed.frames.first()?.first().copied());
    let (Some(silk_frames), Some(bits)) = (silk_frames, first) else {
        return false;
    };
    let mid = bits >> (7 - silk_frames) & 1;
    // The side channel repeats flags of the same kind.
    let is_stereo = toc & 0b100 != 0;
    let side = bits >> (6 - 2 * silk_frames) & u8::from(is_stereo);
    mid | side != 0
}

/// Decodes surround Opus: several coupled and single streams in one packet (RFC 7845
/// section 5.1.1), output interleaved in the order of the channel mapping.
#[derive(Debug)]
pub struct MultistreamDecoder {
    inner: opus::MSDecoder,
    channels: usize,
}

impl MultistreamDecoder {
    /// Makes a decoder for `streams` Opus streams of which the first `coupled` are stereo;
    /// `mapping` names for each output channel the decoded channel it takes.
    ///
    /// # Errors
    /// [`OpusError::BadArgument`] when the numbers contradict each other.
    pub fn new(streams: u8, coupled: u8, mapping: &[u8]) -> Result<Self, OpusError> {
        if mapping.is_empty() || streams == 0 || coupled > streams {
            return Err(OpusError::BadArgument);
        }
        let inner = opus::MSDecoder::new(SAMPLE_RATE_HZ, streams, coupled, mapping)?;
        Ok(Self {
            inner,
            channels: mapping.len(),
        })
    }

    /// Output channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Decodes one packet and returns the frames written to `out`.
    ///
    /// # Errors
    /// As [`Decoder::decode`]; `MAX_PACKET_FRAMES * channels` samples are always enough.
    pub fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, OpusError> {
        if packet.is_empty() {
            return Err(OpusError::InvalidPacket);
        }
        Ok(self.inner.decode_float(packet, out, false)?)
    }

    /// Forgets all past sound.
    ///
    /// # Errors
    /// None in practice; libopus can refuse by its signature.
    pub fn reset(&mut self) -> Result<(), OpusError> {
        Ok(self.inner.reset_state()?)
    }
}

// A block is what `encode` hands to libopus: the compiler, not a comment, keeps the three equal.
const _: () = assert!(FRAMES * CHANNELS == std::mem::size_of::<Block>() / 4);

#[cfg(test)]
mod tests;
