//! Packets to interleaved samples: symphonia's decoders, and two that do what those do not.
//!
//! Opus is decoded by our own wrapper because the common adapter for symphonia throws at most one
//! packet's worth of pre-skip away, knows no surround and ignores the header's gain. Surround
//! Vorbis has a decoder of its own, see vorbis.rs.

use std::sync::LazyLock;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;

use mynah_audio::SAMPLE_RATE_HZ;
use mynah_audio::codec::{MAX_PACKET_FRAMES, MultistreamDecoder};

use crate::downmix::Downmix;
use crate::guard::guard;
use crate::opus_head::OpusHead;
use crate::vorbis::SurroundVorbis;
use crate::{MediaError, limits};

/// What went wrong with one packet.
#[derive(Debug)]
pub enum Bad {
    /// The packet is damaged; the next one may be good.
    Packet(String),
    /// The stream uses something this decoder does not know.
    Unsupported(String),
    /// The decoder panicked or broke; nothing more will come.
    Dead(String),
}

/// Decoded sound: `samples` interleaved as `downmix` expects them.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Interleaved samples.
    pub samples: Vec<f32>,
    /// Their rate.
    pub rate_hz: u32,
    /// What the channels are.
    pub channels: Channels,
}

/// A decoder for one track.
pub enum Decoder {
    /// One of symphonia's. `None` once it panicked.
    Symphonia(Option<Box<dyn AudioDecoder>>),
    /// Opus.
    Opus(Box<OpusTrack>),
    /// Vorbis of more than two channels. `None` once it panicked.
    Vorbis(Option<Box<SurroundVorbis>>),
}

/// The decoders of this build. CAF is left out on purpose, see Cargo.toml.
pub static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    registry
});

impl Decoder {
    /// Makes the decoder for a track, after checking what its header asks for.
    pub fn new(file: &str, params: &AudioCodecParameters) -> Result<Self, MediaError> {
        check_limits(file, params)?;
        if params.codec == CODEC_ID_OPUS {
            return Ok(Self::Opus(Box::new(OpusTrack::new(file, params)?)));
        }
        let channels = params.channels.as_ref().map_or(0, Channels::count);
        if params.codec == CODEC_ID_VORBIS && channels > 2 {
            let headers = params.extra_data.as_deref().unwrap_or_default();
            return match guard(|| SurroundVorbis::new(headers)) {
                Ok(Ok(decoder)) => Ok(Self::Vorbis(Some(Box::new(decoder)))),
                Ok(Err(reason)) => Err(MediaError::Damaged {
                    file: file.to_owned(),
                    reason,
                }),
                Err(_) => Err(MediaError::Damaged {
                    file: file.to_owned(),
                    reason: "its codec header makes the decoder fail".to_owned(),
                }),
            };
        }
        // Trimming is done in one place for all codecs (media.rs), so not here.
        let options = AudioDecoderOptions::default().gapless(false);
        match guard(|| CODECS.make_audio_decoder(params, &options)) {
            Ok(Ok(decoder)) => Ok(Self::Symphonia(Some(decoder))),
            Ok(Err(Error::Unsupported(feature))) => Err(MediaError::UnsupportedCodec {
                file: file.to_owned(),
                codec: name_unsupported(params, feature),
            }),
            Ok(Err(error)) => Err(MediaError::Damaged {
                file: file.to_owned(),
                reason: error.to_string(),
            }),
            Err(_) => Err(MediaError::Damaged {
                file: file.to_owned(),
                reason: "its codec header makes the decoder fail".to_owned(),
            }),
        }
    }

    /// Frames at the track's rate that the codec wants thrown away at the start of the stream.
    pub fn pre_skip(&self) -> Option<u64> {
        match self {
            Self::Opus(opus) => Some(u64::from(opus.head.pre_skip)),
            Self::Symphonia(_) | Self::Vorbis(_) => None,
        }
    }

    /// Forgets all past sound, after a seek.
    pub fn reset(&mut self) {
        match self {
            Self::Symphonia(slot) => {
                if let Some(decoder) = slot
                    && guard(|| decoder.reset()).is_err()
                {
                    *slot = None;
                }
            }
            Self::Vorbis(slot) => {
                if let Some(decoder) = slot {
                    decoder.reset();
                }
            }
            Self::Opus(opus) => {
                // A failed reset leaves old state behind: a blip, not a danger.
                let _ = opus.inner.reset();
            }
        }
    }

    /// Decodes one packet into `out`, replacing what was there.
    pub fn decode(&mut self, packet: &Packet, out: &mut Decoded) -> Result<(), Bad> {
        out.samples.clear();
        match self {
            Self::Opus(opus) => opus.decode(&packet.data, out),
            Self::Vorbis(slot) => {
                let Some(decoder) = slot else {
                    return Err(Bad::Dead("the decoder failed before".to_owned()));
                };
                match guard(|| decoder.decode(&packet.data, out)) {
                    Ok(result) => result,
                    Err(_) => {
                        *slot = None;
                        Err(Bad::Dead("a packet makes the decoder fail".to_owned()))
                    }
                }
            }
            Self::Symphonia(slot) => {
                let Some(decoder) = slot else {
                    return Err(Bad::Dead("the decoder failed before".to_owned()));
                };
                let decoded = guard(|| {
                    let buffer = decoder.decode(packet)?;
                    let spec = buffer.spec();
                    out.rate_hz = spec.rate();
                    if out.channels != *spec.channels() {
                        out.channels = spec.channels().clone();
                    }
                    buffer.copy_to_vec_interleaved(&mut out.samples);
                    Ok::<(), Error>(())
                });
                match decoded {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(Error::Unsupported(feature))) => {
                        Err(Bad::Unsupported(feature.to_owned()))
                    }
                    Ok(Err(error)) => Err(Bad::Packet(error.to_string())),
                    Err(_) => {
                        *slot = None;
                        Err(Bad::Dead("a packet makes the decoder fail".to_owned()))
                    }
                }
            }
        }
    }

    /// The downmix for what was decoded.
    pub fn downmix(&self, decoded: &Decoded) -> Downmix {
        match self {
            Self::Opus(opus) => opus.downmix(),
            Self::Vorbis(_) => Downmix::for_vorbis(decoded.channels.count()),
            Self::Symphonia(_) => Downmix::for_channels(&decoded.channels),
        }
    }
}

/// An Opus stream of any number of channels.
pub struct OpusTrack {
    head: OpusHead,
    inner: MultistreamDecoder,
    gain: f32,
}

impl OpusTrack {
    fn new(file: &str, params: &AudioCodecParameters) -> Result<Self, MediaError> {
        let head = match params.extra_data.as_deref() {
            Some(bytes) => OpusHead::parse(bytes).ok_or_else(|| MediaError::Damaged {
                file: file.to_owned(),
                reason: "its Opus header makes no sense".to_owned(),
            })?,
            // Matroska made by hand may lack the header; Opus itself needs only the channels.
            None => OpusHead::plain(2, 0, SAMPLE_RATE_HZ),
        };
        let inner = MultistreamDecoder::new(head.streams, head.coupled, &head.mapping).map_err(
            |error| MediaError::Damaged {
                file: file.to_owned(),
                reason: error.to_string(),
            },
        )?;
        let gain = head.gain();
        Ok(Self { head, inner, gain })
    }

    fn decode(&mut self, packet: &[u8], out: &mut Decoded) -> Result<(), Bad> {
        let channels = self.inner.channels();
        out.rate_hz = SAMPLE_RATE_HZ;
        out.channels = Channels::Discrete(u16::from(self.head.channels));
        out.samples.resize(MAX_PACKET_FRAMES * channels, 0.0);
        match self.inner.decode(packet, &mut out.samples) {
            Ok(frames) => {
                out.samples.truncate(frames * channels);
                if self.head.gain_q8_db != 0 {
                    out.samples.iter_mut().for_each(|s| *s *= self.gain);
                }
                Ok(())
            }
            Err(error) => {
                out.samples.clear();
                Err(Bad::Packet(error.to_string()))
            }
        }
    }

    fn downmix(&self) -> Downmix {
        match self.head.family {
            // The order of mapping family 1 is that of Vorbis (RFC 7845 section 5.1.1.2).
            1 => Downmix::for_vorbis(usize::from(self.head.channels)),
            _ => Downmix::for_count(usize::from(self.head.channels)),
        }
    }
}

/// Refuses headers that ask for more than music needs, before any decoder allocates for them.
fn check_limits(file: &str, params: &AudioCodecParameters) -> Result<(), MediaError> {
    let beyond = |what: String, limit: String| {
        Err(MediaError::BeyondLimit {
            file: file.to_owned(),
            what,
            limit,
        })
    };
    if let Some(frames) = params.max_frames_per_packet
        && frames > limits::MAX_FRAMES_PER_PACKET
    {
        let limit = format!("{} frames", limits::MAX_FRAMES_PER_PACKET);
        return beyond(format!("{frames} sample frames in one packet"), limit);
    }
    if let Some(frames) = params.frames_per_block
        && frames > limits::MAX_FRAMES_PER_PACKET
    {
        let limit = format!("{} frames", limits::MAX_FRAMES_PER_PACKET);
        return beyond(format!("{frames} sample frames in one block"), limit);
    }
    if let Some(rate) = params.sample_rate
        && !limits::SAMPLE_RATES_HZ.contains(&rate)
    {
        let (low, high) = (
            limits::SAMPLE_RATES_HZ.start(),
            limits::SAMPLE_RATES_HZ.end(),
        );
        return beyond(
            format!("a sample rate of {rate} Hz"),
            format!("{low} to {high} Hz"),
        );
    }
    let channels = params.channels.as_ref().map_or(0, Channels::count);
    if channels > limits::MAX_CHANNELS {
        let limit = format!("{} channels", limits::MAX_CHANNELS);
        return beyond(format!("{channels} channels"), limit);
    }
    Ok(())
}

/// Names a codec, or the flavour of it, that cannot be decoded.
fn name_unsupported(params: &AudioCodecParameters, feature: &str) -> String {
    if params.codec == CODEC_ID_AAC {
        // AudioSpecificConfig, ISO/IEC 14496-3 section 1.6.2.1: five bits of object type first.
        let config = params.extra_data.as_deref().unwrap_or_default();
        let object_type = config.first().map_or(2, |b| b >> 3);
        return match object_type {
            5 => "HE-AAC (AAC with spectral band replication)".to_owned(),
            29 => "HE-AAC v2 (AAC with parametric stereo)".to_owned(),
            2 => match params.channels.as_ref().map_or(0, Channels::count) {
                n if n > 2 => format!("AAC with {n} channels"),
                _ => "a flavour of AAC other than plain AAC-LC".to_owned(),
            },
            1 => "AAC Main profile".to_owned(),
            4 => "AAC-LTP".to_owned(),
            23 | 39 => "low-delay AAC".to_owned(),
            42 => "xHE-AAC (USAC)".to_owned(),
            n => format!("MPEG-4 audio object type {n}"),
        };
    }
    match CODECS.get_audio_decoder(params.codec) {
        Some(known) => format!(
            "{} with an unusual feature ({feature})",
            known.codec.info.long_name
        ),
        None => format!("audio in an unknown codec ({})", params.codec),
    }
}
