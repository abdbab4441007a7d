//! Files people take away: made from a finished recording, one job at a time, block by block.
//!
//! Opus is copied, never encoded again. FLAC and WAV are our own writers; MP3 and AAC come out of
//! `ffmpeg`, if it is installed, which gets samples through a pipe and its options as separate
//! arguments. What a job leaves behind when it fails or is called off is removed.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use self::choice::{chapter, chosen};
use self::ffmpeg::Ffmpeg;
use crate::core::export::{self, Flac, Mixed, Wav};
use crate::core::manifest::{Kind, Manifest, TrackEntry};
use crate::core::{RecorderError, at, events, frames_in};

pub use self::choice::chapters;

mod choice;
mod ffmpeg;

/// One job at a time: exports are heavy, and nobody waits for them in real time.
static TURN: Mutex<()> = Mutex::new(());

/// How nice the thread of a job is, 0 to 19.
const NICE: i32 = 10;
/// Held by the program that exports, in the folder of all recordings: the command line and the bot wait
/// for each other.
const LOCK: &str = ".export.lock";

/// Blocks between two looks at whether the job is still wanted: a second of sound.
const BLOCKS_PER_LOOK: u64 = 50;

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As recorded.
    Opus,
    /// Without loss, a third of WAV.
    Flac,
    /// 16 bits.
    Wav,
    /// 192 kbit/s, through ffmpeg.
    Mp3,
    /// 192 kbit/s in MPEG-4, through ffmpeg.
    Aac,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Opus, Self::Flac, Self::Wav, Self::Mp3, Self::Aac];

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Aac => "m4a",
            other => other.name(),
        }
    }
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A file could not be read, decoded or written.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// It still runs.
    #[error("the recording is still running")]
    Running,
    /// Nobody said anything, or the range is empty.
    #[error("there is nothing in it: no track, or a range that ends before it begins")]
    Nothing,
    /// Copied packets cannot be cut or summed.
    #[error("Opus is copied as it was recorded, so it has no range and no mix")]
    OpusIsCopied,
    /// Nobody of that name has a track.
    #[error("nobody called `{wanted}` has a track; there are {there}")]
    NoTrack {
        /// What was asked for.
        wanted: String,
        /// Who has one.
        there: String,
    },
    /// No note is called so.
    #[error("no chapter is called `{0}`")]
    NoChapter(String),
    /// There is no ffmpeg.
    #[error("{0} needs ffmpeg, which is not installed")]
    NoFfmpeg(&'static str),
    /// ffmpeg did not do it.
    #[error("ffmpeg could not make the file: {0}")]
    Ffmpeg(String),
    /// It was called off.
    #[error("it was called off")]
    CalledOff,
}

impl ExportError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Recorder(error) => error.remedy(),
            Self::Running => "stop it first",
            Self::Nothing => "look at `/record info` or `mynah recording list`",
            Self::OpusIsCopied => "choose flac",
            Self::NoTrack { .. } => "name people as the recording does, or by number",
            Self::NoChapter(_) => "`/record info` shows the notes; a number is fine, too",
            Self::NoFfmpeg(_) => "choose flac or wav, or install ffmpeg",
            Self::Ffmpeg(_) => "choose flac or wav",
            Self::CalledOff => "ask again",
        }
    }
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct ExportJob {
    /// The recording's folder.
    pub folder: PathBuf,
    /// What comes out.
    pub format: Format,
    /// Everybody in one file.
    pub mix: bool,
    /// Whose tracks: names, Discord ids, or numbers from 1 on. Empty is everybody's.
    pub tracks: Vec<String>,
    /// From this note to the next, by its text or its number from 1 on; instead of a range.
    pub chapter: Option<String>,
    /// From and to, in microseconds of the recording; `None` for its ends.
    pub from_us: Option<u64>,
    /// See `from_us`.
    pub to_us: Option<u64>,
    /// Where to; `None` is the recording's own `exports` folder.
    pub out: Option<PathBuf>,
}

/// What a job is asked now and then, with frames done and frames in all: may it go on?
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

impl ExportJob {
    /// Makes the file: a single one for a mix or a lone track, else a zip of tracks, chapters, labels
    /// and the manifest. Blocks; waits for other jobs, of other programs as well.
    ///
    /// # Errors
    /// See [`ExportError`]; nothing is left behind then.
    pub fn run(&self, progress: Progress<'_>) -> Result<PathBuf, ExportError> {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let _alone = alone(&self.folder);
        // Of this thread only. Whoever records and plays meanwhile comes first.
        let _ = rustix::process::nice(NICE);
        let manifest = Manifest::read(&self.folder)?;
        if manifest.state.is_open() {
            return Err(ExportError::Running);
        }
        let (from_us, to_us) = self.bounds(&manifest)?;
        let is_cut = from_us.is_some() || to_us.is_some();
        if self.format == Format::Opus && (is_cut || self.mix) {
            return Err(ExportError::OpusIsCopied);
        }
        let end_us = to_us.unwrap_or(manifest.length_us).min(manifest.length_us);
        let range = frames_in(from_us.unwrap_or(0))..frames_in(end_us);
        let tracks = chosen(&manifest, &self.tracks)?;
        if tracks.is_empty() || range.is_empty() {
            return Err(ExportError::Nothing);
        }
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| self.folder.join("exports"));
        at(&out, fs::create_dir_all(&out))?;
        let room = Room::make(&out, &manifest.id)?;
        let each = range.end - range.start;
        let count = if self.mix { 1 } else { tracks.len() as u64 };
        let mut work = Work {
            job: self,
            range,
            done: 0,
            all: each * count,
            progress,
        };
        let made = work.files(&manifest, &tracks, &room.0)?;
        self.deliver(&manifest, &made, &room.0, &out)
    }

    /// The range that was asked for, in microseconds.
    fn bounds(&self, manifest: &Manifest) -> Result<(Option<u64>, Option<u64>), ExportError> {
        let Some(wanted) = &self.chapter else {
            return Ok((self.from_us, self.to_us));
        };
        let (lines, _) = events::read(&self.folder)?;
        let (from_us, to_us) = chapter(&lines, wanted, manifest.length_us)
            .ok_or_else(|| ExportError::NoChapter(wanted.clone()))?;
        Ok((Some(from_us), Some(to_us)))
    }

    /// Moves the only file, or a zip of all, to where it belongs.
    fn deliver(
        &self,
        manifest: &Manifest,
        made: &[(String, PathBuf)],
        room: &Path,
        out: &Path,
    ) -> Result<PathBuf, ExportError> {
        let mut name = format!("{}-{}", manifest.id, self.format.name());
        if self.mix {
            name.push_str("-mix");
        }
        let some = self.tracks.iter().chain(&self.chapter);
        for part in some
            .map(|part| harmless(part))
            .filter(|part| !part.is_empty())
            .take(4)
        {
            name.push('-');
            name.push_str(&part);
        }
        for us in [self.from_us, self.to_us].into_iter().flatten() {
            name.push_str(&format!("-{}s", us / 1_000_000));
        }
        if let [(_, only)] = made {
            let to = out.join(format!("{name}.{}", self.format.ending()));
            at(&to, fs::rename(only, &to))?;
            return Ok(to);
        }
        let (lines, _) = events::read(&self.folder)?;
        let mut files: Vec<(String, PathBuf)> = made.to_vec();
        let extras = [
            ("chapters.vtt", export::webvtt(&lines, manifest.length_us)),
            ("labels.txt", export::audacity_labels(&lines)),
        ];
        for (file, text) in extras {
            let path = room.join(file);
            at(&path, fs::write(&path, text))?;
            files.push((file.to_owned(), path));
        }
        let about = self.folder.join(crate::core::manifest::FILE);
        files.push(("recording.json".into(), about));
        let packed = room.join("all.zip");
        let refs: Vec<(String, &Path)> = files
            .iter()
            .map(|(name, path)| (name.clone(), path.as_path()))
            .collect();
        export::zip::pack(&refs, &packed)?;
        let to = out.join(format!("{name}.zip"));
        at(&to, fs::rename(&packed, &to))?;
        Ok(to)
    }
}

/// Waits until no other program exports. Where no lock can be had, none is needed that badly.
fn alone(folder: &Path) -> Option<fs::File> {
    let root = folder.parent()?.parent()?;
    let lock = fs::File::create(root.join(LOCK)).ok()?;
    lock.lock().ok()?;
    Some(lock)
}

/// The folder of a job that is under way; goes with it.
struct Room(PathBuf);

impl Room {
    fn make(out: &Path, id: &str) -> Result<Self, RecorderError> {
        let prefix = format!(".{id}-");
        // Of jobs that were killed: only one at a time is under way.
        for entry in at(out, fs::read_dir(out))?.flatten() {
            let left = entry.file_name().to_string_lossy().starts_with(&prefix);
            if left && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let room = out.join(format!("{prefix}{}", std::process::id()));
        at(&room, fs::create_dir(&room))?;
        Ok(Self(room))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Work<'a> {
    job: &'a ExportJob,
    range: Range<u64>,
    done: u64,
    all: u64,
    progress: Progress<'a>,
}

impl Work<'_> {
    fn files(
        &mut self,
        manifest: &Manifest,
        tracks: &[&TrackEntry],
        room: &Path,
    ) -> Result<Vec<(String, PathBuf)>, ExportError> {
        let folder = self.job.folder.clone();
        let path = |entry: &TrackEntry| Manifest::files(&folder, entry).map(|files| files.0);
        let ending = self.job.format.ending();
        if self.job.mix {
            let paths: Vec<PathBuf> = tracks.iter().filter_map(|entry| path(entry)).collect();
            let refs: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
            let to = room.join(format!("mix.{ending}"));
            self.write(Mixed::open(&refs, self.range.clone())?, &to)?;
            return Ok(vec![(format!("{}.{ending}", manifest.id), to)]);
        }
        let mut made = Vec::new();
        for (number, entry) in tracks.iter().enumerate() {
            let Some(from) = path(entry) else {
                continue;
            };
            let name = file_name(number + 1, entry, ending);
            let to = room.join(&name);
            if self.job.format == Format::Opus {
                export::copy(&from, &to)?;
                self.done += self.range.end - self.range.start;
                self.look()?;
            } else {
                let one = [from.as_path()];
                self.write(Mixed::open(&one, self.range.clone())?, &to)?;
            }
            made.push((name, to));
        }
        Ok(made)
    }

    fn look(&mut self) -> Result<(), ExportError> {
        match (self.progress)(self.done.min(self.all), self.all) {
            true => Ok(()),
            false => Err(ExportError::CalledOff),
        }
    }

    fn write(&mut self, mut sound: Mixed, to: &Path) -> Result<(), ExportError> {
        let mut out = Out::create(self.job.format, to)?;
        let (before, mut blocks) = (self.done, 0_u64);
        while let Some(block) = sound.next_block()? {
            out.put(block)?;
            self.done += block.len() as u64 / 2;
            blocks += 1;
            if blocks.is_multiple_of(BLOCKS_PER_LOOK) {
                self.look()?;
            }
        }
        self.done = before + (self.range.end - self.range.start);
        out.finish()?;
        self.look()
    }
}

/// A file being written.
enum Out {
    Wav(Wav),
    Flac(Flac),
    Ffmpeg(Ffmpeg),
}

impl Out {
    fn create(format: Format, to: &Path) -> Result<Self, ExportError> {
        Ok(match format {
            Format::Flac => Self::Flac(Flac::create(to)?),
            Format::Mp3 => Self::Ffmpeg(Ffmpeg::start("mp3", &["-c:a", "libmp3lame"], to)?),
            Format::Aac => Self::Ffmpeg(Ffmpeg::start("aac", &["-c:a", "aac"], to)?),
            // Opus is copied and never comes here.
            Format::Wav | Format::Opus => Self::Wav(Wav::create(to)?),
        })
    }

    fn put(&mut self, block: &[f32]) -> Result<(), ExportError> {
        match self {
            Self::Wav(wav) => Ok(wav.put(block)?),
            Self::Flac(flac) => Ok(flac.put(block)?),
            Self::Ffmpeg(ffmpeg) => ffmpeg.put(block),
        }
    }

    fn finish(self) -> Result<(), ExportError> {
        match self {
            Self::Wav(wav) => wav.finish().map(drop).map_err(Into::into),
            Self::Flac(flac) => flac.finish().map(drop).map_err(Into::into),
            Self::Ffmpeg(ffmpeg) => ffmpeg.finish(),
        }
    }
}

/// `03-Ann.flac`
fn file_name(number: usize, entry: &TrackEntry, ending: &str) -> String {
    let who = match entry.kind {
        Kind::Lane => format!("bot {}", entry.name),
        _ if entry.name.is_empty() => entry.user.clone(),
        _ => entry.name.clone(),
    };
    format!("{number:02}-{}.{ending}", harmless(&who))
}

/// Names as people have them, without what file systems refuse.
fn harmless(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(|letter| !letter.is_control() && !"/\\:*?\"<>|".contains(*letter))
        .take(60)
        .collect();
    plain.trim().trim_matches('.').to_owned()
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
