//! Short sounds made ready to be kept: without silence at the ends, as loud as the others, as Ogg Opus.
//!
//! What comes in is from outside, so everything is bounded, whatever its header says: bytes of the
//! file, sound that is decoded ([`LEAD`] and what is wanted), memory (12 MB for each half minute that is
//! kept). What is kept holds nothing of the file but its sound.

mod shape;

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::time::Duration;

use mynah_audio::loudness::Loudness;
use mynah_audio::{CHANNELS, FRAMES, SAMPLE_RATE_HZ, SILENT_BLOCK};
use mynah_media::{Media, MediaError, OpenOptions, Read};
use sha2::{Digest, Sha256};

use crate::PlayError;
use crate::fetch::Input;

/// Silence that is passed over before the first sound; more of it is a file without sound.
pub const LEAD: Duration = Duration::from_secs(60);
/// A beginning further inside than this is a mistake: all of it would have to be read.
pub const LATEST_START: Duration = Duration::from_secs(900);
/// Whatever takes longer to read than this is given up: no honest sound takes a second.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// More than this is not kept: a minute and a half take 36 MB while they are made ready.
pub const LONGEST: Duration = Duration::from_secs(90);
/// Larger files are never taken, whatever was asked for: they are read whole.
pub const MOST_BYTES: u64 = 64 << 20;
/// What is quieter counts as silence: -60 dBFS.
const SILENT: f32 = 0.001;

/// What of a sound is kept, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IngestHow {
    /// Larger files are refused, in bytes.
    pub max_bytes: u64,
    /// Where in the file it begins; up to [`LATEST_START`].
    pub start: Duration,
    /// Where in the file it ends.
    pub end: Option<Duration>,
    /// What is longer is cut off; up to [`LONGEST`].
    pub longest: Duration,
    /// How loud it shall be, LUFS.
    pub lufs: f32,
    /// The highest true peak, dBTP.
    pub ceiling_dbtp: f32,
}

/// A sound as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// An Ogg Opus file.
    pub ogg: Vec<u8>,
    /// SHA-256 of it, in hexadecimal digits. The same sound, made ready in the same way, has the same.
    pub sha256: String,
    /// How long it plays, in sample frames at 48 kHz.
    pub frames: u64,
    /// Measured on what is in the file. Very short sounds are measured as if they went on.
    pub loudness: Loudness,
    /// There was more of it.
    pub is_cut: bool,
    /// The file was damaged; this is what could be read.
    pub is_damaged: bool,
}

/// Why nothing is kept of a sound.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// It could not be had or is no sound.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// The file is larger than allowed.
    #[error("the file has {}, and may have {}", larger(*.bytes), size(*.most))]
    TooLarge {
        /// Its length in bytes, if that was said.
        bytes: Option<u64>,
        /// The limit in bytes.
        most: u64,
    },
    /// A stream, which has no end.
    #[error("it does not say how large it is, or is a stream without an end")]
    Endless,
    /// Nothing is heard.
    #[error("nothing is heard in it for {} s", .0.as_secs())]
    Silent(
        /// How far it was listened to.
        Duration,
    ),
    /// The part that was asked for is not there.
    #[error("{0}")]
    Range(
        /// What is wrong.
        String,
    ),
    /// It takes too long to decode.
    #[error("it takes too long to read")]
    TooSlow,
    /// The encoder refused.
    #[error("it could not be encoded: {0}")]
    Encode(
        /// What was said.
        String,
    ),
}

impl From<MediaError> for IngestError {
    fn from(error: MediaError) -> Self {
        Self::Play(PlayError::Media(error))
    }
}

impl IngestError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Play(PlayError::Media(error)) => error.remedy(),
            Self::Play(_) => "see above",
            Self::TooLarge { .. } => "cut it, or save it as mp3 or ogg",
            Self::Endless => "save the part that is wanted to a file",
            Self::Silent(_) => "say where the sound begins, or raise it first",
            Self::Range(_) => "choose another part",
            Self::TooSlow | Self::Encode(_) => "save it as mp3 or ogg, or try another file",
        }
    }
}

fn larger(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "too many bytes".to_owned(), size)
}

/// `900 bytes`, `10 MiB`.
fn size(bytes: u64) -> String {
    match (bytes >> 20, bytes >> 10) {
        (0, 0) => format!("{bytes} bytes"),
        (0, kib) => format!("{kib} KiB"),
        (mib, _) => format!("{mib} MiB"),
    }
}

/// Reads and makes ready. Blocks on the disk and computes for up to two seconds: for threads that may.
///
/// # Errors
/// See [`IngestError`].
pub(crate) fn make(
    input: &Input,
    name: Option<&str>,
    how: &IngestHow,
) -> Result<Made, IngestError> {
    let Input::File(path) = input else {
        return Err(IngestError::Endless);
    };
    let most = how.max_bytes.min(MOST_BYTES);
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    let name = plain_name(name.unwrap_or(&own));
    // A path that is no file is refused with the words for that.
    let about = std::fs::metadata(path.as_path());
    let Some(bytes) = about
        .ok()
        .filter(Metadata::is_file)
        .map(|about| about.len())
    else {
        return make_from(input.open(&OpenOptions::default())?, how, &|| false);
    };
    if bytes > most {
        let bytes = Some(bytes);
        return Err(IngestError::TooLarge { bytes, most });
    }
    let io = |source| MediaError::Io {
        file: name.clone(),
        source,
    };
    let mut all = Vec::new();
    let file = File::open(path.as_path()).map_err(io)?;
    file.take(most).read_to_end(&mut all).map_err(io)?;
    let until = crate::clock::now() + PATIENCE;
    let media = mynah_media::open_bytes(&name, all, &OpenOptions::default())?;
    make_from(media, how, &|| crate::clock::now() >= until)
}

/// The last part of a name, as far as it can be shown.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = last.chars().filter(|c| !c.is_control()).take(80);
    let shown: String = shown.collect();
    match shown.trim().trim_matches('.') {
        "" => "the file".to_owned(),
        shown => shown.to_owned(),
    }
}

/// The same for a sound that is open already, at its beginning. `is_late` is asked again and again.
///
/// # Errors
/// See [`IngestError`].
pub(crate) fn make_from(
    media: Media,
    how: &IngestHow,
    is_late: &dyn Fn() -> bool,
) -> Result<Made, IngestError> {
    let mut cut = hear(media, how, is_late)?;
    shape::even_channels(&mut cut.samples);
    shape::soften(
        &mut cut.samples,
        !how.start.is_zero(),
        cut.is_cut || how.end.is_some(),
    );
    let (ogg, loudness) = shape::level(&cut.samples, how.lufs, how.ceiling_dbtp)?;
    let hash = Sha256::digest(&ogg);
    Ok(Made {
        sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        frames: (cut.samples.len() / CHANNELS) as u64,
        ogg,
        loudness,
        is_cut: cut.is_cut,
        is_damaged: cut.is_damaged,
    })
}

/// What was heard, without silence at its ends.
struct Heard {
    samples: Vec<f32>,
    is_cut: bool,
    is_damaged: bool,
}

/// Decodes what is wanted, and no more.
fn hear(
    mut media: Media,
    how: &IngestHow,
    is_late: &dyn Fn() -> bool,
) -> Result<Heard, IngestError> {
    let mut hearing = Hearing::new(how)?;
    if !how.start.is_zero() {
        let length = media.info().duration;
        if how.start > LATEST_START || length.is_some_and(|length| how.start >= length) {
            let words = "it is not that long, or begins over a quarter of an hour inside";
            return Err(IngestError::Range(words.to_owned()));
        }
        media.seek(how.start)?;
    }
    let mut block = SILENT_BLOCK;
    loop {
        if is_late() {
            return Err(IngestError::TooSlow);
        }
        let frames = match media.read(&mut block)? {
            Read::Full => FRAMES,
            Read::Last(frames) => frames,
            Read::End => 0,
        };
        let sound = block.get(..frames * CHANNELS).unwrap_or_default();
        if !hearing.hear(sound)? || frames < FRAMES {
            break;
        }
    }
    let Hearing {
        mut kept,
        is_cut,
        longest,
        read,
        ..
    } = hearing;
    kept.truncate(longest);
    shape::drop_last_silence(&mut kept, SILENT);
    if kept.is_empty() {
        return Err(IngestError::Silent(time(read)));
    }
    let is_damaged = !media.damage().is_none();
    Ok(Heard {
        samples: kept,
        is_cut,
        is_damaged,
    })
}

/// What was heard so far. All numbers count samples of both channels.
struct Hearing {
    /// From the first sound on.
    kept: Vec<f32>,
    read: usize,
    /// Of the file, if its end was chosen.
    part: Option<usize>,
    longest: usize,
    is_cut: bool,
}

impl Hearing {
    fn new(how: &IngestHow) -> Result<Self, IngestError> {
        Ok(Self {
            kept: Vec::new(),
            read: 0,
            part: wanted(how)?,
            longest: samples(how.longest.min(LONGEST)),
            is_cut: false,
        })
    }

    /// Hears a block more; `false` when that is enough.
    fn hear(&mut self, sound: &[f32]) -> Result<bool, IngestError> {
        let left = self
            .part
            .map_or(usize::MAX, |part| part.saturating_sub(self.read));
        let sound = sound.get(..left).unwrap_or(sound);
        self.read += sound.len();
        let sound = match self.kept.is_empty() {
            true => shape::from_first_sound(sound, SILENT),
            false => sound,
        };
        self.kept.extend_from_slice(sound);
        if self.kept.is_empty() && self.read > samples(LEAD) {
            return Err(IngestError::Silent(LEAD));
        }
        // A second more shows whether there is more; silence behind it is none.
        let behind = self.kept.get(self.longest..).unwrap_or_default();
        self.is_cut = behind.iter().any(|sample| sample.abs() > SILENT);
        let is_full = self.is_cut || behind.len() > samples(Duration::from_secs(1));
        Ok(!is_full && self.part.is_none_or(|part| self.read < part))
    }
}

/// How many samples lie between start and end.
fn wanted(how: &IngestHow) -> Result<Option<usize>, IngestError> {
    let Some(end) = how.end else { return Ok(None) };
    let part = end.saturating_sub(how.start);
    if part.is_zero() {
        let words = "it would end before it begins";
        return Err(IngestError::Range(words.to_owned()));
    }
    Ok(Some(samples(part)))
}

/// Samples of both channels.
fn samples(time: Duration) -> usize {
    let frames = time.as_secs_f64() * f64::from(SAMPLE_RATE_HZ);
    // The cast saturates.
    (frames as usize).saturating_mul(CHANNELS)
}

fn time(samples: usize) -> Duration {
    let frames = (samples / CHANNELS) as f64;
    Duration::from_secs_f64(frames / f64::from(SAMPLE_RATE_HZ))
}

#[cfg(test)]
mod tests;
