//! Packets to interleaved samples: symphonia's decoders, and three that do what those do not.
//!
//! Opus is decoded by our own wrapper because the common adapter for symphonia throws at most one
//! packet's worth of pre-skip away, knows no surround and ignores the header's gain. Surround
//! Vorbis has a decoder of its own, see vorbis.rs, and so has AAC other than plain AAC-LC, see
//! aac.rs.

use std::sync::LazyLock;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;

use mynah_audio::SAMPLE_RATE_HZ;
use mynah_audio::codec::{MAX_PACKET_FRAMES, MultistreamDecoder};

use crate::aac::{AacConfig, FullAac};
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
    /// AAC that symphonia refuses or plays by halves. `None` once it panicked.
    Aac(Option<Box<FullAac>>),
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
            let made = guard(|| SurroundVorbis::new(headers))
                .unwrap_or_else(|_| Err(HEADER_FAILS.to_owned()));
            return match made {
                Ok(decoder) => Ok(Self::Vorbis(Some(Box::new(decoder)))),
                Err(reason) => Err(damaged(file, reason)),
            };
        }
        if params.codec == CODEC_ID_AAC
            && let Ok(Some(config)) = guard(|| AacConfig::read(params))
            && !config.is_plain()
        {
            return match guard(|| FullAac::new(config)) {
                Ok(Ok(decoder)) => Ok(Self::Aac(Some(Box::new(decoder)))),
                Ok(Err(reason)) => Err(unsupported(file, params, &reason.to_string())),
                Err(_) => Err(damaged(file, HEADER_FAILS.to_owned())),
            };
        }
        // Trimming is done in one place for all codecs (media.rs), so not here.
        let options = AudioDecoderOptions::default().gapless(false);
        match guard(|| CODECS.make_audio_decoder(params, &options)) {
            Ok(Ok(decoder)) => Ok(Self::Symphonia(Some(decoder))),
            Ok(Err(Error::Unsupported(feature))) => Err(unsupported(file, params, feature)),
            Ok(Err(error)) => Err(damaged(file, error.to_string())),
            Err(_) => Err(damaged(file, HEADER_FAILS.to_owned())),
        }
    }

    /// Frames at the track's rate that the codec wants thrown away at the start of the stream.
    pub fn pre_skip(&self) -> Option<u64> {
        match self {
            Self::Opus(opus) => Some(u64::from(opus.head.pre_skip)),
            Self::Symphonia(_) | Self::Vorbis(_) | Self::Aac(_) => None,
        }
    }

    /// True for one Opus stream in mono or stereo that needs no more than decoding.
    pub fn is_plain_opus(&self) -> bool {
        let Self::Opus(opus) = self else {
            return false;
        };
        let head = &opus.head;
        let order: &[u8] = if head.channels == 1 { &[0] } else { &[0, 1] };
        head.gain_q8_db == 0 && head.streams == 1 && head.mapping == order
    }

    /// The rate of what will come out, where the container's word for it cannot be trusted: of
    /// HE-AAC it may be the rate of the core, which is half.
    pub fn rate_hz(&self) -> Option<u32> {
        match self {
            Self::Aac(Some(decoder)) => Some(decoder.rate_hz()),
            _ => None,
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
            // The sound remembered is gone before the pre-roll is over, and what the stream said
            // about its upper band must stay: it says so only now and then.
            Self::Aac(_) => {}
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
            Self::Vorbis(slot) => guarded(slot, |decoder| decoder.decode(&packet.data, out)),
            Self::Aac(slot) => guarded(slot, |decoder| decoder.decode(&packet.data, out)),
            Self::Symphonia(slot) => guarded(slot, |decoder| {
                let buffer = decoder.decode(packet).map_err(|error| match error {
                    Error::Unsupported(feature) => Bad::Unsupported(feature.to_owned()),
                    error => Bad::Packet(error.to_string()),
                })?;
                let spec = buffer.spec();
                out.rate_hz = spec.rate();
                if out.channels != *spec.channels() {
                    out.channels = spec.channels().clone();
                }
                buffer.copy_to_vec_interleaved(&mut out.samples);
                Ok(())
            }),
        }
    }

    /// The downmix for what was decoded.
    pub fn downmix(&self, decoded: &Decoded) -> Downmix {
        match self {
            Self::Opus(opus) => opus.downmix(),
            Self::Vorbis(_) => Downmix::for_vorbis(decoded.channels.count()),
            Self::Aac(Some(decoder)) => decoder.downmix(decoded.channels.count()),
            Self::Symphonia(_) | Self::Aac(None) => Downmix::for_channels(&decoded.channels),
        }
    }
}

/// Runs a decoder on a packet; one that panics is thrown away.
fn guarded<T>(
    slot: &mut Option<T>,
    work: impl FnOnce(&mut T) -> Result<(), Bad>,
) -> Result<(), Bad> {
    let Some(decoder) = slot else {
        return Err(Bad::Dead("the decoder failed before".to_owned()));
    };
    guard(|| work(decoder)).unwrap_or_else(|_| {
        *slot = None;
        Err(Bad::Dead("a packet makes the decoder fail".to_owned()))
    })
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

/// Said of a header that makes a decoder panic.
const HEADER_FAILS: &str = "its codec header makes the decoder fail";

fn damaged(file: &str, reason: String) -> MediaError {
    MediaError::Damaged {
        file: file.to_owned(),
        reason,
    }
}

fn unsupported(file: &str, params: &AudioCodecParameters, feature: &str) -> MediaError {
    MediaError::UnsupportedCodec {
        file: file.to_owned(),
        codec: name_unsupported(params, feature),
    }
}

/// Names a codec, or the flavour of it, that cannot be decoded.
fn name_unsupported(params: &AudioCodecParameters, feature: &str) -> String {
    if params.codec == CODEC_ID_AAC {
        // AudioSpecificConfig, ISO/IEC 14496-3 section 1.6.2.1: five bits of object type first,
        // where 31 is followed by six more.
        let config = params.extra_data.as_deref().unwrap_or_default();
        let object_type = match *config {
            [a, b, ..] if a >> 3 == 31 => 32 + ((a & 7) << 3 | b >> 5),
            [a, ..] => a >> 3,
            [] => 2,
        };
        return match object_type {
            3 => "AAC-SSR".to_owned(),
            39 => "low-delay HE-AAC (AAC-ELD with SBR)".to_owned(),
            42 => "xHE-AAC (USAC)".to_owned(),
            2 | 5 | 29 => format!("a rare flavour of AAC ({feature})"),
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
