//! Files people take away: made from a finished recording, one job at a time, block by block.
//!
//! Opus is copied, never encoded again. FLAC and WAV are our own writers; MP3 and AAC come out of
//! `ffmpeg`, if it is installed, which gets samples through a pipe and its options as separate
//! arguments. What a job leaves behind when it fails or is called off is removed.

use std::fmt;
use std::fs;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::core::export::{self, Flac, Mixed, Wav, to_i16};
use crate::core::manifest::{Kind, Manifest, TrackEntry};
use crate::core::{RecorderError, at, events, frames_in};

/// One job at a time: exports are heavy, and nobody waits for them in real time.
static TURN: Mutex<()> = Mutex::new(());

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
    /// and the manifest. Blocks; waits for other jobs of this process.
    ///
    /// # Errors
    /// See [`ExportError`]; nothing is left behind then.
    pub fn run(&self, progress: Progress<'_>) -> Result<PathBuf, ExportError> {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let manifest = Manifest::read(&self.folder)?;
        if manifest.state.is_open() {
            return Err(ExportError::Running);
        }
        let is_cut = self.from_us.is_some() || self.to_us.is_some();
        if self.format == Format::Opus && (is_cut || self.mix) {
            return Err(ExportError::OpusIsCopied);
        }
        let to_us = self
            .to_us
            .unwrap_or(manifest.length_us)
            .min(manifest.length_us);
        let range = frames_in(self.from_us.unwrap_or(0))..frames_in(to_us);
        let tracks: Vec<&TrackEntry> = manifest.tracks.iter().collect();
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

/// The folder of a job that is under way; goes with it.
struct Room(PathBuf);

impl Room {
    fn make(out: &Path, id: &str) -> Result<Self, RecorderError> {
        let room = out.join(format!(".{id}-{}", std::process::id()));
        // Of a job that was killed.
        let _ = fs::remove_dir_all(&room);
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

/// ffmpeg at work; ends with it, whatever happens.
struct Ffmpeg {
    child: Child,
    pipe: Option<BufWriter<ChildStdin>>,
}

impl Ffmpeg {
    fn start(name: &'static str, codec: &[&str], to: &Path) -> Result<Self, ExportError> {
        let mut command = Command::new("ffmpeg");
        command
            .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"])
            .args(["-f", "s16le", "-ar", "48000", "-ac", "2", "-i", "pipe:0"])
            .args(codec)
            .args(["-b:a", "192k", "-threads", "1"])
            .arg(to)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ExportError::NoFfmpeg(name),
            _ => ExportError::Ffmpeg(error.to_string()),
        })?;
        let pipe = child
            .stdin
            .take()
            .map(|pipe| BufWriter::with_capacity(1 << 16, pipe));
        Ok(Self { child, pipe })
    }

    fn put(&mut self, block: &[f32]) -> Result<(), ExportError> {
        let bytes: Vec<u8> = block
            .iter()
            .flat_map(|sample| to_i16(*sample).to_le_bytes())
            .collect();
        let written = self.pipe.as_mut().map(|pipe| pipe.write_all(&bytes));
        match written {
            Some(Ok(())) => Ok(()),
            // It went away; it says why at its end.
            _ => Err(self.words()),
        }
    }

    fn finish(mut self) -> Result<(), ExportError> {
        let flushed = self.pipe.take().map(|mut pipe| pipe.flush());
        match (flushed, self.child.wait()) {
            (Some(Ok(())), Ok(status)) if status.success() => Ok(()),
            _ => Err(self.words()),
        }
    }

    /// What it complained of last.
    fn words(&mut self) -> ExportError {
        self.pipe = None;
        let _ = self.child.kill();
        let mut text = String::new();
        if let Some(errors) = &mut self.child.stderr {
            let _ =
                std::io::Read::read_to_string(&mut std::io::Read::take(errors, 4_096), &mut text);
        }
        let last = text.lines().last().unwrap_or("it ended").to_owned();
        ExportError::Ffmpeg(last)
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        self.pipe = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `03-Ann.flac`: names as people have them, without what file systems refuse.
fn file_name(number: usize, entry: &TrackEntry, ending: &str) -> String {
    let who = match entry.kind {
        Kind::Lane => format!("bot {}", entry.name),
        _ if entry.name.is_empty() => entry.user.clone(),
        _ => entry.name.clone(),
    };
    let plain: String = who
        .chars()
        .filter(|letter| !letter.is_control() && !"/\\:*?\"<>|".contains(*letter))
        .take(60)
        .collect();
    let plain = plain.trim().trim_matches('.');
    format!("{number:02}-{plain}.{ending}")
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
