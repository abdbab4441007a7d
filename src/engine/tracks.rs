//! Tracks: from "play this" to a decoder on a media thread and a ring into the tick.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_audio::{FRAMES, SAMPLE_RATE_HZ};
use mynah_media::{Media, MediaError, OpenOptions, Read};
use mynah_pulse::{Meter, RingReader, RingWriter, SessionKey};
use mynah_wire::GuildId;
use tokio::sync::oneshot;

use crate::pool::{Job, Next};

/// Blocks in a track's ring: 320 ms (architecture.md B6 row 6).
pub const RING_BLOCKS: usize = 16;
/// Blocks decoded before a track is handed to the tick, so that it starts without a stall.
const PREFILL_BLOCKS: usize = 4;
/// How often a full ring is looked at again; a third of its length leaves time for a slow disk.
const REFILL: Duration = Duration::from_millis(60);
/// Blocks decoded per step, so that one job never holds a media thread for long.
const BLOCKS_PER_STEP: usize = 8;

/// Names a track for its whole life; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlayWhat {
    /// A file on this machine.
    Path(PathBuf),
    /// A web address, fetched first.
    Url(String),
}

/// How to play it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlayOptions {
    /// Linear gain; 1.0 leaves the sound untouched.
    pub gain: f32,
    /// Where to begin.
    pub start: Duration,
    /// Begin paused.
    pub paused: bool,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            gain: 1.0,
            start: Duration::ZERO,
            paused: false,
        }
    }
}

/// What is known about a playing track.
#[derive(Debug)]
pub struct Track {
    /// Where it plays.
    pub guild_id: GuildId,
    /// The mix it plays into.
    pub session: SessionKey,
    progress: Arc<Progress>,
}

#[derive(Debug)]
struct Progress {
    /// Counts what left the ring.
    meter: Meter,
    /// Frame (1/48000 s) of the file the ring began with.
    first_frame: u64,
    /// Why decoding stopped early.
    failure: Mutex<Option<String>>,
}

impl Track {
    /// A track whose decoder reports through `opened`.
    pub fn new(guild_id: GuildId, session: SessionKey, opened: &Opened) -> Self {
        Self {
            guild_id,
            session,
            progress: Arc::clone(&opened.progress),
        }
    }

    /// Position in the file.
    pub fn position(&self) -> Duration {
        frames(self.progress.first_frame + self.progress.meter.frames_taken())
    }

    /// Why decoding ended early, if it did.
    pub fn failure(&self) -> Option<String> {
        self.progress
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn frames(count: u64) -> Duration {
    Duration::from_micros(count * 1_000_000 / u64::from(SAMPLE_RATE_HZ))
}

/// All tracks that play.
#[derive(Debug, Default)]
pub struct Tracks {
    next: AtomicU64,
    playing: Mutex<HashMap<TrackId, Track>>,
}

impl Tracks {
    fn lock(&self) -> MutexGuard<'_, HashMap<TrackId, Track>> {
        self.playing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fresh id.
    pub fn name(&self) -> TrackId {
        TrackId(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Remembers a track.
    pub fn insert(&self, id: TrackId, track: Track) {
        self.lock().insert(id, track);
    }

    /// Forgets a track.
    pub fn remove(&self, id: TrackId) -> Option<Track> {
        self.lock().remove(&id)
    }

    /// Forgets every track of a mix; their ids.
    pub fn remove_session(&self, session: SessionKey) -> Vec<(TrackId, Track)> {
        let mut playing = self.lock();
        let mut gone: Vec<_> = playing
            .extract_if(|_, track| track.session == session)
            .collect();
        gone.sort_unstable_by_key(|(id, _)| *id);
        gone
    }

    /// Reads something of a track.
    pub fn with<T>(&self, id: TrackId, read: impl FnOnce(&Track) -> T) -> Option<T> {
        self.lock().get(&id).map(read)
    }
}

/// A decoder that has started.
pub struct Opened {
    /// The tick's end of the ring, already filled a little.
    pub reader: RingReader,
    progress: Arc<Progress>,
}

/// Opens a file and keeps its ring full; runs on media threads.
pub struct DecodeJob {
    stage: Stage,
}

enum Stage {
    Open {
        path: Arc<PathBuf>,
        start: Duration,
        answer: oneshot::Sender<Result<Opened, MediaError>>,
    },
    Fill(Box<Fill>),
    Gone,
}

struct Fill {
    media: Media,
    writer: RingWriter,
    progress: Arc<Progress>,
    /// A download stays in the cache while it is read.
    _in_use: Arc<PathBuf>,
}

impl DecodeJob {
    /// A job that answers when the file is open and the first blocks are decoded.
    pub fn new(
        path: Arc<PathBuf>,
        start: Duration,
    ) -> (Self, oneshot::Receiver<Result<Opened, MediaError>>) {
        let (answer, opened) = oneshot::channel();
        (
            Self {
                stage: Stage::Open {
                    path,
                    start,
                    answer,
                },
            },
            opened,
        )
    }
}

impl Job for DecodeJob {
    fn step(&mut self) -> Next {
        match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Open {
                path,
                start,
                answer,
            } => match open(path, start) {
                Ok((mut fill, reader)) => {
                    let over = fill.decode(PREFILL_BLOCKS);
                    let opened = Opened {
                        reader,
                        progress: Arc::clone(&fill.progress),
                    };
                    if answer.send(Ok(opened)).is_err() || over {
                        return Next::Done;
                    }
                    self.stage = Stage::Fill(Box::new(fill));
                    Next::Again(Duration::ZERO)
                }
                Err(error) => {
                    let _ = answer.send(Err(error));
                    Next::Done
                }
            },
            Stage::Fill(mut fill) => {
                let next = fill.step();
                self.stage = Stage::Fill(fill);
                next
            }
            Stage::Gone => Next::Done,
        }
    }
}

fn open(path: Arc<PathBuf>, start: Duration) -> Result<(Fill, RingReader), MediaError> {
    let mut media = mynah_media::open(&path, &OpenOptions::default())?;
    let at = if start.is_zero() {
        Duration::ZERO
    } else {
        media.seek(start)?
    };
    let (writer, reader) = mynah_pulse::ring(RING_BLOCKS);
    let progress = Arc::new(Progress {
        meter: writer.meter(),
        first_frame: (at.as_secs_f64() * f64::from(SAMPLE_RATE_HZ)) as u64,
        failure: Mutex::default(),
    });
    Ok((
        Fill {
            media,
            writer,
            progress,
            _in_use: path,
        },
        reader,
    ))
}

impl Fill {
    fn step(&mut self) -> Next {
        if self.writer.is_abandoned() || self.decode(BLOCKS_PER_STEP) {
            return Next::Done;
        }
        if self.writer.free() > RING_BLOCKS / 2 {
            return Next::Again(Duration::ZERO);
        }
        Next::Again(REFILL)
    }

    /// Decodes until the ring is full or `at_most` blocks are done; true when nothing more comes.
    fn decode(&mut self, at_most: usize) -> bool {
        for _ in 0..at_most {
            let Some(block) = self.writer.acquire() else {
                return false;
            };
            let failure = match self.media.read(block) {
                Ok(Read::Full) => {
                    self.writer.commit(FRAMES);
                    continue;
                }
                Ok(Read::Last(frames)) => {
                    self.writer.commit(frames);
                    None
                }
                Ok(Read::End) => None,
                Err(error) => Some(error.to_string()),
            };
            *self
                .progress
                .failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = failure;
            self.writer.finish();
            return true;
        }
        false
    }
}
