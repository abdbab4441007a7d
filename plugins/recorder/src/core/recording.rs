//! A recording while it runs: one folder, a track for everyone who is heard, a log, a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::disk::{Room, sync_folder};
use super::events::{Event, Line, Log};
use super::manifest::{Kind, Manifest, SCHEMA, State, TrackEntry};
use super::timeline::{Arrived, Counts};
use super::track::Track;
use super::{RecorderError, at};

mod plan;
#[cfg(test)]
mod tests;

pub use plan::{Limits, Notice, Plan};

/// The manifest takes the counters up with every twelfth sync: once a minute as shipped.
const SYNCS_PER_MANIFEST: u64 = 12;

/// A recording that is being written. Call [`Recording::tick`] every 20 to 100 ms.
#[derive(Debug)]
pub struct Recording {
    folder: PathBuf,
    manifest: Manifest,
    limits: Limits,
    tracks: Vec<Track>,
    people: BTreeMap<u64, usize>,
    lanes: BTreeMap<String, usize>,
    excluded: BTreeSet<u64>,
    log: Log,
    synced_us: u64,
    described_us: u64,
    warned: bool,
    ended: bool,
}

impl Recording {
    /// Makes the folder `<root>/<guild>/<id>` and begins at 0.
    ///
    /// # Errors
    /// When the id is no name for a folder, the folder exists, or it cannot be written.
    pub fn begin(root: &Path, plan: Plan) -> Result<Self, RecorderError> {
        let guild = root.join(plan.guild.to_string());
        let folder = guild.join(&plan.id);
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if plan.id.is_empty() || plan.id.len() > 100 || !plan.id.chars().all(fits) {
            return at(&folder, Err(std::io::ErrorKind::InvalidInput.into()));
        }
        at(&guild, fs::create_dir_all(&guild))?;
        at(&folder, fs::create_dir(&folder))?;
        for room in ["tracks", "lanes"] {
            let path = folder.join(room);
            at(&path, fs::create_dir(&path))?;
        }
        let started_ms = plan.started_ms;
        let recording = Self {
            manifest: Manifest {
                schema: SCHEMA,
                id: plan.id,
                guild: plan.guild.to_string(),
                channel: plan.channel.to_string(),
                starter: plan.starter.to_string(),
                title: plan.title,
                state: State::Recording,
                started_ms,
                length_us: 0,
                previous: plan.previous,
                next: None,
                keep: false,
                consent: plan.consent,
                software: Manifest::software(),
                dave: serde_json::Value::Null,
                tracks: Vec::new(),
            },
            limits: plan.limits,
            tracks: Vec::new(),
            people: BTreeMap::new(),
            lanes: BTreeMap::new(),
            excluded: BTreeSet::new(),
            log: Log::create(&folder)?,
            synced_us: 0,
            described_us: 0,
            warned: false,
            ended: false,
            folder,
        };
        recording.manifest.write(&recording.folder)?;
        sync_folder(&guild)?;
        let mut recording = recording;
        recording.event(0, started_ms, Event::Start)?;
        Ok(recording)
    }

    /// Where it is written.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is, as last written.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Counters of a person's track.
    #[must_use]
    pub fn counts(&self, user: u64) -> Option<Counts> {
        let track = self.people.get(&user)?;
        Some(self.tracks.get(*track)?.timeline().counts())
    }

    /// Bytes of all tracks so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tracks.iter().map(Track::bytes).sum()
    }

    /// From now on nothing of this person is written, neither sound nor events; a track they have goes on in
    /// silence.
    pub fn exclude(&mut self, user: u64) {
        self.excluded.insert(user);
    }

    /// Takes an exclusion back.
    pub fn include(&mut self, user: u64) {
        self.excluded.remove(&user);
    }

    /// Takes a packet of a person in, and opens their track if it is the first. `name` is what people call
    /// them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn packet(&mut self, user: u64, name: &str, arrived: Arrived) -> Result<(), RecorderError> {
        if self.ended {
            return Err(RecorderError::Ended);
        }
        if self.excluded.contains(&user) || self.manifest.state == State::Paused {
            return Ok(());
        }
        let number = match self.people.get(&user) {
            Some(number) => *number,
            None => {
                let stem = format!("tracks/{:02}_{user}", self.tracks.len() + 1);
                let id = user.to_string();
                let number = self.open(&stem, Kind::Person, id, name)?;
                self.people.insert(user, number);
                number
            }
        };
        self.tracks
            .get_mut(number)
            .map_or(Ok(()), |track| track.push(arrived))
    }

    /// Takes a packet of one of the bot's own lanes in, such as `music`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn lane(&mut self, lane: &str, arrived: Arrived) -> Result<(), RecorderError> {
        if self.ended {
            return Err(RecorderError::Ended);
        }
        if self.manifest.state == State::Paused {
            return Ok(());
        }
        let number = match self.lanes.get(lane) {
            Some(number) => *number,
            None => {
                let plain: String = lane.chars().filter(char::is_ascii_alphanumeric).collect();
                let number =
                    self.open(&format!("lanes/{plain}"), Kind::Lane, String::new(), lane)?;
                self.lanes.insert(lane.to_owned(), number);
                number
            }
        };
        self.tracks
            .get_mut(number)
            .map_or(Ok(()), |track| track.push(arrived))
    }

    fn open(
        &mut self,
        stem: &str,
        kind: Kind,
        user: String,
        name: &str,
    ) -> Result<usize, RecorderError> {
        let number = self.tracks.len();
        self.manifest.tracks.push(TrackEntry {
            file: format!("{stem}.opus"),
            index: format!("{stem}.idx"),
            kind,
            user,
            name: name.to_owned(),
            serial: Manifest::serial(&self.manifest.id, number),
            frames: 0,
            packets: 0,
            lost: 0,
            late: 0,
            unusable: 0,
            drift_ppm: None,
            sha256: None,
        });
        let track = Track::create(
            &self.folder.join(format!("{stem}.opus")),
            &self.folder.join(format!("{stem}.idx")),
            &self.manifest.head(number),
        );
        match track {
            Ok(track) => self.tracks.push(track),
            Err(error) => {
                self.manifest.tracks.pop();
                return Err(error);
            }
        }
        // The names are on the disk before the manifest speaks of them.
        for room in ["tracks", "lanes"] {
            sync_folder(&self.folder.join(room))?;
        }
        self.manifest.write(&self.folder)?;
        Ok(number)
    }

    /// Writes an event. Those of excluded people are left out.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn event(&mut self, t_us: u64, wall_ms: u64, event: Event) -> Result<(), RecorderError> {
        let excluded = event
            .user()
            .and_then(|user| user.parse().ok())
            .is_some_and(|user| self.excluded.contains(&user));
        if excluded {
            return Ok(());
        }
        self.log.write(&Line {
            t: t_us,
            wall_ms,
            event,
        })
    }

    /// Puts out what is due at `now_us` and says what people should know. `free_bytes` is what the disk has
    /// left ([`super::disk::free_bytes`]); ask it every few seconds and give `None` between.
    ///
    /// # Errors
    /// When the disk refuses; end the recording then.
    pub fn tick(
        &mut self,
        now_us: u64,
        free_bytes: Option<u64>,
    ) -> Result<Vec<Notice>, RecorderError> {
        if self.ended {
            return Err(RecorderError::Ended);
        }
        for track in &mut self.tracks {
            track.drain(now_us)?;
        }
        if now_us.saturating_sub(self.synced_us) >= self.limits.sync_every_us {
            self.synced_us = now_us;
            self.sync()?;
        }
        if now_us.saturating_sub(self.described_us)
            >= self.limits.sync_every_us.saturating_mul(SYNCS_PER_MANIFEST)
        {
            self.described_us = now_us;
            self.describe();
            self.manifest.write(&self.folder)?;
        }
        let mut notices = Vec::new();
        if let Some(free_bytes) = free_bytes {
            match self.limits.room.judge(free_bytes) {
                Room::Out => notices.push(Notice::RoomOut { free_bytes }),
                Room::Low if !self.warned => {
                    self.warned = true;
                    notices.push(Notice::RoomLow { free_bytes });
                }
                Room::Low => {}
                Room::Enough => self.warned = false,
            }
        }
        if now_us >= self.limits.longest_us {
            notices.push(Notice::Longest);
        }
        if self.bytes() >= self.limits.largest_bytes {
            notices.push(Notice::Largest);
        }
        Ok(notices)
    }

    /// Forces everything to the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&mut self) -> Result<(), RecorderError> {
        for track in &mut self.tracks {
            track.sync()?;
        }
        self.log.sync()
    }

    /// Goes silent: nothing is written of anybody until [`Recording::resume`], but the line goes on.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn pause(&mut self, now_us: u64, wall_ms: u64, by: &str) -> Result<(), RecorderError> {
        let by = by.to_owned();
        self.turn(State::Paused, now_us, wall_ms, Event::Pause { by })
    }

    /// Goes on after a pause.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn resume(&mut self, now_us: u64, wall_ms: u64, by: &str) -> Result<(), RecorderError> {
        let by = by.to_owned();
        self.turn(State::Recording, now_us, wall_ms, Event::Resume { by })
    }

    fn turn(
        &mut self,
        state: State,
        now_us: u64,
        wall_ms: u64,
        event: Event,
    ) -> Result<(), RecorderError> {
        if self.ended {
            return Err(RecorderError::Ended);
        }
        if self.manifest.state == state {
            return Ok(());
        }
        self.manifest.state = state;
        self.event(now_us, wall_ms, event)?;
        self.manifest.write(&self.folder)
    }

    /// Keeps it whatever its age, or no longer.
    ///
    /// # Errors
    /// When it has ended, or the manifest cannot be written.
    pub fn keep(&mut self, keep: bool) -> Result<(), RecorderError> {
        if self.ended {
            return Err(RecorderError::Ended);
        }
        self.manifest.keep = keep;
        self.manifest.write(&self.folder)
    }

    /// Sets what is known of the call's encryption, for the manifest.
    pub fn set_dave(&mut self, dave: serde_json::Value) {
        self.manifest.dave = dave;
    }

    /// Ends it. Everything that can be saved is, even when part of it fails; a second call does nothing.
    /// [`super::shelf::seal`] adds the hashes afterwards, which takes a second for a gigabyte.
    ///
    /// # Errors
    /// The first failure. The recording then stays open on disk, and repair makes it whole.
    pub fn finish(&mut self, now_us: u64, wall_ms: u64, reason: &str) -> Result<(), RecorderError> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        let mut first = Ok(());
        for track in &mut self.tracks {
            first = first.and(track.finish(now_us));
        }
        let reason = reason.to_owned();
        first = first.and(self.event(now_us, wall_ms, Event::Stop { reason }));
        first = first.and(self.log.sync());
        self.describe();
        self.manifest.length_us = now_us;
        first?;
        self.manifest.state = State::Stopped;
        for room in ["tracks", "lanes"] {
            sync_folder(&self.folder.join(room))?;
        }
        self.manifest.write(&self.folder)
    }

    fn describe(&mut self) {
        for (entry, track) in self.manifest.tracks.iter_mut().zip(&self.tracks) {
            let counts = track.timeline().counts();
            entry.frames = track.frames();
            entry.packets = counts.placed;
            entry.lost = counts.lost;
            entry.late = counts.late;
            entry.unusable = counts.unusable;
            entry.drift_ppm = track.timeline().clock().drift_ppm();
        }
    }
}
