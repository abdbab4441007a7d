//! Tracks: what plays, where, and how far it is.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_audio::SAMPLE_RATE_HZ;
use mynah_pulse::{Meter, SessionKey};

use crate::decode::Deck;
use crate::live::Live;
use crate::{Audience, Fade, FilterSpec, Lane, Repeat};

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
    /// Sound that is made while it plays; it plays once. See [`live`](crate::live).
    Live(Live),
}

/// How to play it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayOptions {
    /// Linear gain; 1.0 leaves the sound untouched.
    pub gain: f32,
    /// Where to begin.
    pub start: Duration,
    /// Begin paused.
    pub paused: bool,
    /// Which lane it is heard on; others are turned down by it, see [`DuckMatrix`](crate::DuckMatrix).
    pub lane: Lane,
    /// Rise from silence at the start.
    pub fade_in: Option<Fade>,
    /// Once, or again and again.
    pub repeat: Repeat,
    /// The effects it is heard with, also what follows it without a gap.
    pub filters: FilterSpec,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            gain: 1.0,
            start: Duration::ZERO,
            paused: false,
            lane: Lane::Bed,
            fade_in: None,
            repeat: Repeat::Off,
            filters: FilterSpec::default(),
        }
    }
}

/// What is known about a playing track.
#[derive(Debug)]
pub struct Track {
    /// Who hears it.
    pub audience: Audience,
    /// The mix it plays into.
    pub session: SessionKey,
    /// The sound of the tick it is heard as: that of the track it follows without a gap, if any.
    pub voice: mynah_pulse::TrackId,
    /// What fills its ring.
    pub deck: Deck,
}

/// From `ring_frame` on the ring holds `id`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Frames of the track's ring before it.
    ring_frame: u64,
    id: TrackId,
    /// Frame (1/48000 s) of the file.
    file_frame: u64,
    /// Frames of the file for each frame heard: effects can make a song longer or shorter.
    rate: f64,
}

impl Span {
    /// A stretch of sound.
    pub fn new(ring_frame: u64, id: TrackId, file_frame: u64, rate: f64) -> Self {
        Self {
            ring_frame,
            id,
            file_frame,
            rate,
        }
    }

    /// The frame of the file at a frame of the track; its start before it.
    fn file_frame_at(&self, frame: u64) -> u64 {
        let heard = frame.saturating_sub(self.ring_frame) as f64;
        self.file_frame + (heard * self.rate) as u64
    }
}

/// A ring of a track: it begins at this frame.
#[derive(Debug)]
struct Lap {
    begin: u64,
    meter: Meter,
}

/// Rings remembered that may yet be heard: somebody who turns a knob asks for many in a second.
const MOST_LAPS: usize = 4;

/// How far a ring is heard, and what that is.
#[derive(Debug)]
pub struct Progress {
    course: Mutex<Course>,
    /// The ring holds a track that has not been told of.
    turning: AtomicBool,
}

#[derive(Debug)]
struct Course {
    /// The ring that is heard, and those that follow it.
    laps: VecDeque<Lap>,
    /// The present stretch, and those that follow it.
    spans: VecDeque<Span>,
    /// The track that was told of last.
    told: TrackId,
    /// Why tracks ended early.
    failures: Vec<(TrackId, String)>,
}

impl Progress {
    /// Of a ring that begins with `first`.
    pub fn new(meter: Meter, first: Span) -> Self {
        Self {
            course: Mutex::new(Course {
                laps: VecDeque::from([Lap { begin: 0, meter }]),
                spans: VecDeque::from([first]),
                told: first.id,
                failures: Vec::new(),
            }),
            turning: AtomicBool::new(false),
        }
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frames of the track that have been heard.
    pub fn heard(&self) -> u64 {
        self.course().heard()
    }

    /// From frame `at` on another ring is heard, at another rate and `moved` frames further on in
    /// the file.
    pub fn turn_over(&self, at: u64, moved: i64, rate: f64, meter: Meter) {
        let mut course = self.course();
        let present = course.spans.iter().rposition(|span| span.ring_frame <= at);
        let present = present.unwrap_or(0);
        course.spans.truncate(present + 1);
        if let Some(span) = course.spans.back().copied() {
            let file_frame = span.file_frame_at(at).saturating_add_signed(moved);
            course
                .spans
                .push_back(Span::new(at, span.id, file_frame, rate));
        }
        if course.laps.len() >= MOST_LAPS {
            // One that nobody has heard, if there is one: it has been replaced.
            let unheard = course
                .laps
                .iter()
                .position(|lap| lap.meter.frames_taken() == 0);
            course.laps.remove(unheard.unwrap_or(0));
        }
        course.laps.push_back(Lap { begin: at, meter });
    }

    /// Something else follows in the ring.
    pub fn begin(&self, span: Span) {
        let mut course = self.course();
        let heard = course.heard();
        while course
            .spans
            .get(1)
            .is_some_and(|next| next.ring_frame <= heard)
        {
            course.spans.pop_front();
        }
        course.spans.push_back(span);
        self.turning.store(true, Ordering::Release);
    }

    /// A track ended before its time.
    pub fn fail(&self, id: TrackId, reason: String) {
        self.course().failures.push((id, reason));
    }

    /// Why a track ended early, if it did.
    pub fn failure(&self, id: TrackId) -> Option<String> {
        let course = self.course();
        let failure = course.failures.iter().find(|(of, _)| *of == id);
        failure.map(|(_, reason)| reason.clone())
    }

    /// Position in the file of `id`; the start while it has not begun.
    pub fn position(&self, id: TrackId) -> Duration {
        let mut course = self.course();
        let heard = course.heard();
        let of_track = |span: &&Span| span.id == id;
        let past = |span: &&Span| span.ring_frame <= heard;
        let span = course.spans.iter().filter(of_track).rfind(past);
        match span.or_else(|| course.spans.iter().find(of_track)) {
            Some(span) => frames(span.file_frame_at(heard)),
            None => Duration::ZERO,
        }
    }

    /// The next change of tracks that has been heard and not told: which ended, which began.
    pub fn turn(&self) -> Option<(TrackId, TrackId)> {
        if !self.turning.load(Ordering::Acquire) {
            return None;
        }
        let mut course = self.course();
        let heard = course.heard();
        let told = course.told;
        // Everything up to the track that was told of last is old news.
        let start = course.spans.iter().rposition(|span| span.id == told);
        let coming = course.spans.iter().skip(start.map_or(0, |at| at + 1));
        let next = coming.map(|span| (span.ring_frame, span.id)).next();
        match next {
            Some((ring_frame, id)) if ring_frame <= heard => {
                course.told = id;
                Some((told, id))
            }
            Some(_) => None,
            None => {
                self.turning.store(false, Ordering::Release);
                None
            }
        }
    }

    /// The track that is heard, as far as anybody was told.
    pub fn current(&self) -> TrackId {
        self.course().told
    }
}

impl Course {
    /// Frames of the track that have been heard: those of the last ring that anything was taken of.
    fn heard(&mut self) -> u64 {
        let taken = |lap: &Lap| lap.meter.frames_taken();
        let last = self
            .laps
            .iter()
            .rposition(|lap| taken(lap) > 0)
            .unwrap_or(0);
        self.laps.drain(..last);
        let lap = self.laps.front();
        lap.map_or(0, |lap| lap.begin + taken(lap))
    }
}

impl Track {
    /// A track that is heard after this one in the same voice.
    pub fn followed_by(&self) -> Self {
        Self {
            audience: self.audience,
            session: self.session,
            voice: self.voice,
            deck: self.deck.clone(),
        }
    }

    /// Position in the file.
    pub fn position(&self, id: TrackId) -> Duration {
        self.deck.progress().position(id)
    }

    /// Why decoding ended early, if it did.
    pub fn failure(&self, id: TrackId) -> Option<String> {
        self.deck.progress().failure(id)
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

    /// Forgets every track that is heard as `voice`; their ids in order.
    pub fn remove_voice(&self, voice: mynah_pulse::TrackId) -> Vec<(TrackId, Track)> {
        self.remove_if(|track| track.voice == voice)
    }

    /// The deck that fills the ring of `voice`, and who hears it.
    pub fn of_voice(&self, voice: mynah_pulse::TrackId) -> Option<(Audience, Deck)> {
        let playing = self.lock();
        let track = playing.values().find(|track| track.voice == voice)?;
        Some((track.audience, track.deck.clone()))
    }

    /// The tracks of an audience, in the order they were asked for.
    pub fn of_audience(&self, audience: Audience) -> Vec<TrackId> {
        let playing = self.lock();
        let mine = playing.iter().filter(|(_, t)| t.audience == audience);
        let mut mine: Vec<_> = mine.map(|(id, _)| *id).collect();
        mine.sort_unstable();
        mine
    }

    /// Changes of tracks without a gap that have been heard since the last call: for whom, which
    /// ended, which began.
    pub fn turns(&self) -> Vec<(Audience, TrackId, TrackId)> {
        let playing = self.lock();
        let turned = playing.values().filter_map(|track| {
            let (ended, began) = track.deck.progress().turn()?;
            Some((track.audience, ended, began))
        });
        turned.collect()
    }

    /// Forgets every track of a mix; their ids.
    pub fn remove_session(&self, session: SessionKey) -> Vec<(TrackId, Track)> {
        self.remove_if(|track| track.session == session)
    }

    fn remove_if(&self, is_gone: impl Fn(&Track) -> bool) -> Vec<(TrackId, Track)> {
        let mut playing = self.lock();
        let mut gone: Vec<_> = playing.extract_if(|_, track| is_gone(track)).collect();
        gone.sort_unstable_by_key(|(id, _)| *id);
        gone
    }

    /// Reads something of a track.
    pub fn with<T>(&self, id: TrackId, read: impl FnOnce(&Track) -> T) -> Option<T> {
        self.lock().get(&id).map(read)
    }
}
