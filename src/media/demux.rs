//! Containers: finding the sound in a file and cutting it into packets.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};
use symphonia::core::common::Limit;
use symphonia::core::errors::{Error, SeekErrorKind};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::Timestamp;

use crate::guard::guard;
use crate::source::{self, Origin, Source, View};
use crate::stream::Broken;
use crate::{Info, MediaError, limits};

/// An open container.
pub struct Demuxer {
    file: String,
    /// `None` once it panicked.
    reader: Option<Box<dyn FormatReader>>,
    /// Ticks that its timestamps are behind, because it began in mid-file without knowing.
    shift: i64,
    /// The timestamp after the last packet.
    at: i64,
}

/// What the container says about the one track that is played.
#[derive(Debug, Clone)]
pub struct TrackFacts {
    /// The container's number for it.
    pub id: u32,
    /// Codec and format.
    pub params: AudioCodecParameters,
    /// One tick of its timestamps in seconds, as a fraction.
    pub tick: (u32, u32),
    /// Its length in ticks, if the container says.
    pub duration_ticks: Option<u64>,
    /// True when the encoder declared how many frames of padding it added.
    pub padding_is_declared: bool,
}

/// The next thing in the container.
#[derive(Debug)]
pub enum Next {
    /// A packet of any track.
    Packet(Packet),
    /// The end.
    End,
    /// A new stream begins here (chained Ogg); look at the tracks again.
    NewStream,
    /// Something is wrong here; going on may work.
    Damaged(String),
    /// Nothing more will come, and why.
    Dead(String),
}

/// How a seek went.
#[derive(Debug)]
pub enum Sought {
    /// Somewhere at or before the wanted place.
    Near,
    /// The wanted place is after the end.
    PastEnd,
    /// This container cannot jump.
    Cannot,
}

impl Demuxer {
    /// Recognises the container by its contents.
    pub fn open(origin: &Origin, view: View) -> Result<Self, MediaError> {
        let file = origin.name();
        let open = Arc::new(AtomicBool::new(false));
        let source = origin.open()?.shown_as(view).disarmed(Arc::clone(&open));
        let probed = probe(origin, source)?;
        open.store(true, Ordering::Relaxed);
        match probed {
            Ok(reader) => Ok(Self {
                file,
                reader: Some(reader),
                shift: 0,
                at: 0,
            }),
            Err(error) => Err(refusal(origin, &file, &error)),
        }
    }

    /// What it reads begins at timestamp `ts`, whatever it says itself.
    pub fn begins_at(self, ts: i64) -> Self {
        Self {
            shift: ts,
            at: ts,
            ..self
        }
    }

    /// The timestamp of what comes next, and whether all that came before can be read again.
    pub fn place(&self) -> (i64, bool) {
        (self.at, self.shift == 0)
    }

    /// The container's short name.
    pub fn container(&self) -> String {
        self.reader
            .as_ref()
            .map_or_else(String::new, |r| r.format_info().short_name.to_owned())
    }

    /// The track to play: the default one with sound.
    pub fn track(&self) -> Result<TrackFacts, MediaError> {
        let none = || MediaError::NoAudioTrack {
            file: self.file.clone(),
            container: self.container(),
        };
        let reader = self.reader.as_ref().ok_or_else(none)?;
        let picked = guard(|| {
            let track = reader.default_track(TrackType::Audio)?;
            facts(track)
        });
        if let Ok(Some(facts)) = picked {
            return Ok(facts);
        }
        // A track that is sound, but in a codec the container library does not even name.
        let unnamed = reader.tracks().iter().any(|t| match &t.codec_params {
            Some(CodecParameters::Audio(params)) => params.codec == CODEC_ID_NULL_AUDIO,
            _ => false,
        });
        if unnamed {
            return Err(MediaError::UnsupportedCodec {
                file: self.file.clone(),
                codec: "audio in an unknown codec".to_owned(),
            });
        }
        Err(none())
    }

    /// The length of the whole, by the container: for where a track has none (Matroska).
    pub fn duration(&self) -> Option<std::time::Duration> {
        let media = self.reader.as_ref()?.media_info();
        let nanos = media.time_base?.calc_duration(media.duration?)?.as_nanos();
        u64::try_from(nanos)
            .ok()
            .map(std::time::Duration::from_nanos)
    }

    /// Reads title, artist and album.
    pub fn read_tags(&mut self, info: &mut Info, track_id: u32) {
        if let Some(reader) = &mut self.reader
            && guard(|| info.read_tags(reader.as_mut(), track_id)).is_err()
        {
            self.reader = None;
        }
    }

    /// The next packet of any track.
    ///
    /// # Errors
    /// [`MediaError::Io`] when the operating system fails to read; the end of a truncated file is
    /// an end, not an error.
    pub fn next(&mut self) -> Result<Next, MediaError> {
        let Some(reader) = &mut self.reader else {
            return Ok(Next::Dead("the demuxer failed before".to_owned()));
        };
        match guard(|| reader.next_packet()) {
            Ok(Ok(Some(mut packet))) => {
                packet.pts = Timestamp::new(packet.pts.get().saturating_add(self.shift));
                let ticks = i64::try_from(packet.dur.get()).unwrap_or(0);
                self.at = packet.pts.get().saturating_add(ticks);
                Ok(Next::Packet(packet))
            }
            Ok(Ok(None)) => Ok(Next::End),
            Ok(Err(Error::IoError(e))) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(Next::Dead("the file is cut off".to_owned()))
            }
            Ok(Err(Error::IoError(e))) if Broken::inside(&e).is_some() => Err(MediaError::Stream {
                file: self.file.clone(),
                reason: e.to_string(),
            }),
            // symphonia also uses io errors for its own findings; those carry no OS error number.
            Ok(Err(Error::IoError(e))) if e.raw_os_error().is_some() => Err(MediaError::Io {
                file: self.file.clone(),
                source: e,
            }),
            Ok(Err(Error::ResetRequired)) => Ok(Next::NewStream),
            Ok(Err(error)) => Ok(Next::Damaged(error.to_string())),
            Err(_) => {
                self.reader = None;
                Ok(Next::Dead(
                    "a damaged part makes the demuxer fail".to_owned(),
                ))
            }
        }
    }

    /// Jumps to the packet at or before timestamp `ts`.
    pub fn seek(&mut self, track_id: u32, ts: i64) -> Sought {
        let Some(reader) = &mut self.reader else {
            return Sought::Cannot;
        };
        let to = SeekTo::Timestamp {
            ts: Timestamp::new(ts.saturating_sub(self.shift)),
            track_id,
        };
        match guard(|| reader.seek(SeekMode::Accurate, to)) {
            Ok(Ok(_)) => Sought::Near,
            Ok(Err(Error::SeekError(SeekErrorKind::OutOfRange))) => Sought::PastEnd,
            Ok(Err(_)) => Sought::Cannot,
            Err(_) => {
                self.reader = None;
                Sought::Cannot
            }
        }
    }
}

/// Lets symphonia recognise the container. The outer error is a panic inside.
fn probe(
    origin: &Origin,
    source: Source,
) -> Result<Result<Box<dyn FormatReader>, Error>, MediaError> {
    let mut hint = Hint::new();
    if let Some(extension) = origin.extension() {
        hint.with_extension(&extension);
    }
    let meta = MetadataOptions::default()
        .limit_tag_bytes(Limit::Maximum(limits::MAX_TAG_BYTES))
        .limit_visual_bytes(Limit::Maximum(limits::MAX_PICTURE_BYTES));
    guard(|| {
        let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
        let probe = symphonia::default::get_probe();
        probe.probe(&hint, stream, FormatOptions::default(), meta)
    })
    .map_err(|_| MediaError::Damaged {
        file: origin.name(),
        reason: "its header makes the demuxer fail".to_owned(),
    })
}

fn facts(track: &Track) -> Option<TrackFacts> {
    let Some(CodecParameters::Audio(params)) = &track.codec_params else {
        return None;
    };
    if params.codec == CODEC_ID_NULL_AUDIO {
        return None;
    }
    let tick = match (track.time_base, params.sample_rate) {
        (Some(base), _) => (base.numer.get(), base.denom.get()),
        (None, Some(rate)) if rate > 0 => (1, rate),
        (None, _) => (1, 1000),
    };
    let duration_ticks = match (track.duration, track.num_frames) {
        (Some(duration), _) => Some(duration.get()),
        // Frames are ticks only where a tick is one frame.
        (None, Some(frames)) if Some(tick) == params.sample_rate.map(|r| (1, r)) => Some(frames),
        _ => None,
    };
    Some(TrackFacts {
        id: track.id,
        params: params.clone(),
        tick,
        duration_ticks,
        padding_is_declared: track.padding.is_some(),
    })
}

/// Turns the prober's refusal into words about the file.
fn refusal(origin: &Origin, file: &str, error: &Error) -> MediaError {
    let file = file.to_owned();
    if let Error::IoError(e) = error
        && let Some(reason) = Broken::inside(e)
    {
        return MediaError::Stream {
            file,
            reason: reason.to_owned(),
        };
    }
    if let Error::IoError(e) = error
        && let Some(code) = e.raw_os_error()
    {
        return MediaError::Io {
            file,
            source: io::Error::from_raw_os_error(code),
        };
    }
    let mut head = vec![0u8; 4096];
    let read = origin.open().ok().and_then(|mut source| {
        source.seek(SeekFrom::Start(0)).ok()?;
        source.read(&mut head).ok()
    });
    head.truncate(read.unwrap_or(0));
    let reason = error.to_string();
    // The containers known here begin with these; then the file is a broken one of them.
    let ours = [
        (0, &b"OggS"[..]),
        (0, b"fLaC"),
        (0, b"RIFF"),
        (0, b"FORM"),
        (0, b"ID3"),
        (0, b"\x1A\x45\xDF\xA3"),
        (4, b"ftyp"),
    ];
    let is_ours = ours
        .iter()
        .any(|(at, magic)| head.get(*at..).is_some_and(|h| h.starts_with(magic)));
    if is_ours {
        return MediaError::Damaged { file, reason };
    }
    MediaError::NotAudio {
        file,
        looks: source::describe(&head),
    }
}
