//! Every track as loud as the others: by its tags, else measured (EBU R128).
//!
//! What the tags do not say is measured once for each content, on a thread of its own, and kept in the
//! cache folder under the content's hash: a copy under another name is known as well. Until a
//! measurement is done the track plays as it is; then it glides to its loudness.

use std::fs::File;
use std::io::{Read as _, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use mynah_audio::loudness::{self, Meter};
use mynah_audio::{CHANNELS, SILENT_BLOCK};
use mynah_media::{Info, OpenOptions, Read};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What peaks are kept below when something quiet is raised, dBTP.
const CEILING_DB: f64 = -1.0;
/// What ReplayGain brings everything to.
const REPLAY_GAIN_LUFS: f64 = -18.0;
/// Larger files are known by their length, beginning and end: hashing them would delay their start.
const HASHED_WHOLE: u64 = 64 << 20;
/// Gains nearer to 1 than this (0.1 dB) are 1: it is not heard, and Opus files stay as they are.
const UNHEARD: f32 = 0.0116;
/// How fast a track that plays goes to its loudness: 3 dB a second, in 20 ms.
const GLIDE: f32 = 1.006_931_7;
/// Tracks that may wait to be measured.
const WAITING: usize = 64;
/// Measurements kept.
const KEPT: usize = 20_000;

/// The gain of one track, and where it is going.
#[derive(Clone, Debug)]
pub struct Level {
    gain: f32,
    /// Bits of the gain that is wanted; set when the track has been measured.
    wanted: Arc<AtomicU32>,
}

impl Default for Level {
    fn default() -> Self {
        Self::fixed(1.0)
    }
}

impl Level {
    fn fixed(gain: f32) -> Self {
        let gain = if (gain - 1.0).abs() < UNHEARD {
            1.0
        } else {
            gain
        };
        Self {
            gain,
            wanted: Arc::new(AtomicU32::new(gain.to_bits())),
        }
    }

    fn wanted(&self) -> f32 {
        f32::from_bits(self.wanted.load(Ordering::Relaxed))
    }

    /// True while the sound is left as it is.
    pub fn is_unity(&self) -> bool {
        self.gain == 1.0 && self.wanted() == 1.0
    }

    /// Turns up to 20 ms of sound, interleaved, a step further on the way to what is wanted.
    pub fn apply(&mut self, samples: &mut [f32]) {
        let from = self.gain;
        let to = self.wanted().clamp(from / GLIDE, from * GLIDE);
        self.gain = to;
        let frames = (samples.len() / CHANNELS).max(1) as f32;
        for (at, frame) in (1u16..).zip(samples.chunks_exact_mut(CHANNELS)) {
            let gain = from + (to - from) * f32::from(at) / frames;
            frame.iter_mut().for_each(|sample| *sample *= gain);
        }
    }
}

/// What was measured, as it is kept on disk.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Integrated loudness, LUFS; `None` for silence.
    lufs: Option<f64>,
    /// dBTP; `None` for silence.
    true_peak_db: Option<f64>,
}

struct Job {
    path: Arc<PathBuf>,
    hash: String,
    wanted: Arc<AtomicU32>,
}

/// Finds the gain of every track.
#[derive(Debug)]
pub struct Loudness {
    target: Target,
    folder: PathBuf,
    /// To the thread that measures, which ends with this.
    measure: SyncSender<Job>,
}

impl Loudness {
    /// Towards `target_lufs`, remembering in `folder`, which is made. Starts a thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn new(target_lufs: f32, folder: PathBuf) -> std::io::Result<Self> {
        if let Err(error) = std::fs::create_dir_all(&folder) {
            tracing::warn!(%error, folder = %folder.display(), "loudness is measured anew each time");
        }
        let target = Target(f64::from(target_lufs));
        let (measure, jobs) = sync_channel::<Job>(WAITING);
        let kept = folder.clone();
        std::thread::Builder::new()
            .name("loudness".to_owned())
            .spawn(move || {
                forget_oldest(&kept, KEPT);
                jobs.iter().for_each(|job| carry_out(&job, &kept, target));
            })?;
        Ok(Self {
            target,
            folder,
            measure,
        })
    }

    /// The level of a sound: known at once, or measured while it plays. For media threads: reads up
    /// to 64 MiB of the file.
    pub fn level(&self, info: &Info, file: Option<&Arc<PathBuf>>) -> Level {
        if let Some(tag) = info.replay_gain {
            let lufs = REPLAY_GAIN_LUFS - f64::from(tag.db);
            let peak = tag.peak.map(|peak| 20.0 * f64::from(peak).log10());
            return Level::fixed(self.target.gain(Some(lufs), peak));
        }
        let Some((file, hash)) = file.and_then(|file| Some((file, hash_of(file)?))) else {
            return Level::default();
        };
        if let Some(kept) = read(&self.folder, &hash) {
            return Level::fixed(self.target.gain(kept.lufs, kept.true_peak_db));
        }
        let level = Level::default();
        let job = Job {
            path: Arc::clone(file),
            hash,
            wanted: Arc::clone(&level.wanted),
        };
        // Where too many wait, this one plays as it is; the next time it may be known.
        let _ = self.measure.try_send(job);
        level
    }
}

/// The loudness that is wanted, LUFS.
#[derive(Clone, Copy, Debug)]
struct Target(f64);

impl Target {
    /// The gain for what is known of a recording.
    fn gain(self, lufs: Option<f64>, true_peak_db: Option<f64>) -> f32 {
        let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
        loudness::gain_for(known(lufs), known(true_peak_db), self.0, CEILING_DB)
    }
}

fn carry_out(job: &Job, folder: &Path, target: Target) {
    // The same song may have been asked for twice before it was known.
    let kept = read(folder, &job.hash).or_else(|| {
        let kept = measure(&job.path)?;
        if let Err(error) = write(folder, &job.hash, &kept) {
            tracing::debug!(%error, "a loudness could not be kept");
        }
        Some(kept)
    });
    if let Some(kept) = kept {
        let gain = Level::fixed(target.gain(kept.lufs, kept.true_peak_db)).gain;
        job.wanted.store(gain.to_bits(), Ordering::Relaxed);
    }
}

/// Hears a whole file; `None` when it cannot be read to its end.
fn measure(path: &Path) -> Option<Kept> {
    let mut media = mynah_media::open(path, &OpenOptions::default()).ok()?;
    let mut meter = Meter::new()?;
    let mut block = SILENT_BLOCK;
    loop {
        let frames = match media.read(&mut block).ok()? {
            Read::Full => mynah_audio::FRAMES,
            Read::Last(frames) => frames,
            Read::End => 0,
        };
        meter.add(block.get(..frames * CHANNELS).unwrap_or_default());
        if frames < mynah_audio::FRAMES {
            break;
        }
    }
    let heard = meter.loudness();
    let finite = |value: f64| value.is_finite().then_some(value);
    Some(Kept {
        lufs: finite(heard.lufs),
        true_peak_db: finite(heard.true_peak_db),
    })
}

/// The name of a content, as hexadecimal digits.
fn hash_of(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let len = file
        .metadata()
        .ok()
        .filter(std::fs::Metadata::is_file)?
        .len();
    let mut hash = Sha256::new();
    hash.update(len.to_le_bytes());
    let mut buffer = vec![0; 256 << 10];
    let mut hash_some = |file: &mut File, mut left: u64| {
        while left > 0 {
            let most = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = file.read(buffer.get_mut(..most)?).ok()?;
            if got == 0 {
                break;
            }
            hash.update(buffer.get(..got)?);
            left -= got as u64;
        }
        Some(())
    };
    if len <= HASHED_WHOLE {
        hash_some(&mut file, len)?;
    } else {
        hash_some(&mut file, HASHED_WHOLE / 2)?;
        file.seek(SeekFrom::End(-(HASHED_WHOLE as i64 / 2))).ok()?;
        hash_some(&mut file, HASHED_WHOLE / 2)?;
    }
    let digest = hash.finalize();
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn read(folder: &Path, hash: &str) -> Option<Kept> {
    let text = std::fs::read_to_string(folder.join(hash)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whole or not at all: under another name first.
fn write(folder: &Path, hash: &str, kept: &Kept) -> std::io::Result<()> {
    let unfinished = folder.join(format!("{hash}.new"));
    std::fs::write(&unfinished, serde_json::to_string(kept)?)?;
    std::fs::rename(unfinished, folder.join(hash))
}

/// Keeps a folder from growing for ever.
fn forget_oldest(folder: &Path, most: usize) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let age = |entry: &std::fs::DirEntry| entry.metadata().and_then(|data| data.modified()).ok();
    let mut files: Vec<_> = entries.flatten().map(|e| (age(&e), e.path())).collect();
    let over = files.len().saturating_sub(most);
    if over > 0 {
        files.sort();
        for (_, path) in files.iter().take(over) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
#[path = "loudness_tests.rs"]
mod tests;
