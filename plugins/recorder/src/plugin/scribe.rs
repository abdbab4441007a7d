//! The disk thread of one recording.
//!
//! Everything that touches a file happens here: the audio thread that hears people hands packets over
//! and goes on. What the disk is too slow for is dropped, counted, and becomes exact silence; what the
//! recording has to say is left in [`Seen`], where the plugin looks once a second.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::privacy::OptOuts;
use crate::core::RecorderError;
use crate::core::disk::free_bytes;
use crate::core::events::Event;
use crate::core::recording::{Notice, Plan, Recording};
use crate::core::shelf;
use crate::core::timeline::{Arrived, Counts};
use crate::library::Library;

/// Ticks that wait for the disk: ten seconds.
const WAITING: usize = 512;
/// The disk is asked this often how much room it has.
const ROOM_EVERY_US: u64 = 2_000_000;
/// Without any tick for so long, the plugin's own clock drives the line.
const IDLE_US: u64 = 2_000_000;

/// Whose packet it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Person(u64),
    Lane(&'static str),
}

/// What the thread is told. Times are microseconds on the recording clock.
#[derive(Debug)]
pub(super) enum Job {
    /// 20 ms passed, and these packets came.
    Heard(u64, Vec<(Source, Arrived)>),
    /// Time passes though nothing is heard.
    Idle(u64),
    /// What people are called.
    Name(u64, String),
    Event(u64, Event),
    Pause(u64, String),
    Resume(u64, String),
    Exclude(u64),
    Include(u64),
    /// Keep it whatever its age, or no longer.
    Keep(bool),
    Finish(u64, String),
}

/// What is known of a recording.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub bytes: u64,
    pub people: BTreeMap<u64, Counts>,
    pub notices: Vec<Notice>,
    /// It could not go on; in words, with the remedy.
    pub failed: Option<String>,
    /// It has ended: everything is on the disk.
    pub ended: bool,
    /// How long it is.
    pub length_us: u64,
}

/// What both sides share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    seen: Mutex<Seen>,
    /// Packets the disk was too slow for.
    pub overrun: AtomicU64,
    /// Nothing of these people goes any further.
    pub excluded: Mutex<OptOuts>,
    /// When each was heard last, on the recording clock.
    pub heard: Mutex<BTreeMap<u64, u64>>,
    /// Why it is to end.
    pub reason: Mutex<String>,
}

/// Nothing that panics runs while one of these is held.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One recording and its thread.
#[derive(Debug)]
pub(super) struct Scribe {
    jobs: SyncSender<Job>,
    pub shared: Arc<Shared>,
    pub folder: PathBuf,
    thread: Option<JoinHandle<()>>,
}

/// The end that hands packets over.
#[derive(Debug, Clone)]
pub(super) struct Pen {
    jobs: SyncSender<Job>,
    pub shared: Arc<Shared>,
}

impl Scribe {
    /// Makes the folder and begins.
    pub fn begin(
        root: &Path,
        plan: Plan,
        excluded: OptOuts,
        library: Arc<Mutex<Library>>,
    ) -> Result<Self, RecorderError> {
        let previous = plan.previous.clone();
        let (guild, id) = (plan.guild.to_string(), plan.id.clone());
        let started_ms = plan.started_ms;
        let recording = Recording::begin(root, plan)?;
        if let Some(previous) = previous {
            shelf::link(&root.join(guild).join(previous), &id)?;
        }
        let folder = recording.folder().to_owned();
        // The files are the truth: without its line in the index it is recorded all the same.
        let _ = lock(&library).note(&folder);
        let shared = Arc::new(Shared {
            excluded: Mutex::new(excluded),
            ..Shared::default()
        });
        let (jobs, inbox) = sync_channel(WAITING);
        let mut desk = Desk {
            recording,
            shared: Arc::clone(&shared),
            names: BTreeMap::new(),
            started_ms,
            now_us: 0,
            room_us: None,
            library,
        };
        let thread = std::thread::Builder::new()
            .name("recorder-disk".into())
            .spawn(move || desk.run(&inbox));
        let thread = crate::core::at(&folder, thread)?;
        Ok(Self {
            jobs,
            shared,
            folder,
            thread: Some(thread),
        })
    }

    pub fn pen(&self) -> Pen {
        Pen {
            jobs: self.jobs.clone(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Hands a job over; waits while the disk is far behind, which only orders of people do.
    pub fn order(&self, job: Job) {
        // Refused when the thread has ended: `seen` says why.
        let _ = self.jobs.send(job);
    }

    /// Time passes; dropped when the disk is busy.
    pub fn idle(&self, now_us: u64) {
        let _ = self.jobs.try_send(Job::Idle(now_us));
    }

    pub fn seen(&self) -> Seen {
        lock(&self.shared.seen).clone()
    }

    /// Takes what should be told once.
    pub fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut lock(&self.shared.seen).notices)
    }

    /// Waits until everything is on the disk. The sink must be gone, or about to go.
    pub fn join(mut self) {
        drop(self.jobs);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Pen {
    /// Hands 20 ms over, or counts what the disk is too slow for.
    pub fn write(&self, now_us: u64, packets: Vec<(Source, Arrived)>) {
        let count = packets.len() as u64;
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::Heard(now_us, packets)) {
            self.shared.overrun.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// The last job.
    pub fn finish(&self, now_us: u64) {
        let reason = std::mem::take(&mut *lock(&self.shared.reason));
        let _ = self.jobs.send(Job::Finish(now_us, reason));
    }
}

/// The thread's side.
struct Desk {
    recording: Recording,
    shared: Arc<Shared>,
    names: BTreeMap<u64, String>,
    started_ms: u64,
    now_us: u64,
    /// When the disk was asked last how much room it has.
    room_us: Option<u64>,
    library: Arc<Mutex<Library>>,
}

impl Desk {
    fn run(&mut self, inbox: &Receiver<Job>) {
        // When every sender is gone without a word, the plugin is: end in order all the same.
        while let Ok(job) = inbox.recv() {
            let last = matches!(job, Job::Finish(..));
            if let Err(error) = self.carry_out(job) {
                self.fail(&error);
                return;
            }
            if last {
                return;
            }
        }
        if let Err(error) = self.end(self.now_us, "the recorder was stopped") {
            self.fail(&error);
        }
    }

    fn carry_out(&mut self, job: Job) -> Result<(), RecorderError> {
        match job {
            Job::Heard(now_us, packets) => {
                for (source, arrived) in packets {
                    match source {
                        Source::Person(user) => {
                            let name = self.names.get(&user).map_or("", String::as_str);
                            self.recording.packet(user, name, arrived)?;
                        }
                        Source::Lane(lane) => self.recording.lane(lane, arrived)?,
                    }
                }
                self.tick(now_us)
            }
            // What was heard may still be on its way here, so the clock keeps behind.
            Job::Idle(now_us) if now_us > self.now_us + 2 * IDLE_US => self.tick(now_us - IDLE_US),
            Job::Idle(_) => Ok(()),
            Job::Name(user, name) => {
                self.names.insert(user, name);
                Ok(())
            }
            Job::Event(t_us, event) => {
                let wall_ms = self.wall(t_us);
                self.recording.event(t_us, wall_ms, event)
            }
            Job::Pause(t_us, by) => {
                let wall_ms = self.wall(t_us);
                self.recording.pause(t_us, wall_ms, &by)
            }
            Job::Resume(t_us, by) => {
                let wall_ms = self.wall(t_us);
                self.recording.resume(t_us, wall_ms, &by)
            }
            Job::Exclude(user) => {
                self.recording.exclude(user);
                Ok(())
            }
            Job::Include(user) => {
                self.recording.include(user);
                Ok(())
            }
            Job::Keep(keep) => {
                self.recording.keep(keep)?;
                let _ = lock(&self.library).note(self.recording.folder());
                Ok(())
            }
            Job::Finish(now_us, reason) => self.end(now_us, &reason),
        }
    }

    fn wall(&self, t_us: u64) -> u64 {
        self.started_ms + t_us / 1_000
    }

    fn tick(&mut self, now_us: u64) -> Result<(), RecorderError> {
        self.now_us = self.now_us.max(now_us);
        let asks = self
            .room_us
            .is_none_or(|at| self.now_us >= at + ROOM_EVERY_US);
        let mut free = None;
        if asks {
            self.room_us = Some(self.now_us);
            free = free_bytes(self.recording.folder()).ok();
        }
        let notices = self.recording.tick(self.now_us, free)?;
        if asks || !notices.is_empty() {
            self.show(notices);
        }
        Ok(())
    }

    fn show(&self, notices: Vec<Notice>) {
        let entries = self.recording.manifest().tracks.iter();
        let users = entries.filter_map(|entry| entry.user.parse().ok());
        let people = users
            .filter_map(|user| Some((user, self.recording.counts(user)?)))
            .collect();
        let mut seen = lock(&self.shared.seen);
        seen.bytes = self.recording.bytes();
        seen.people = people;
        seen.length_us = self.now_us;
        seen.notices.extend(notices);
    }

    fn end(&mut self, now_us: u64, reason: &str) -> Result<(), RecorderError> {
        let now_us = now_us.max(self.now_us);
        let wall_ms = self.wall(now_us);
        self.now_us = now_us;
        self.recording.finish(now_us, wall_ms, reason)?;
        shelf::seal(self.recording.folder())?;
        let _ = lock(&self.library).note(self.recording.folder());
        self.show(Vec::new());
        lock(&self.shared.seen).ended = true;
        Ok(())
    }

    /// The disk refused: saves what can be saved and says so.
    fn fail(&mut self, error: &RecorderError) {
        let wall_ms = self.wall(self.now_us);
        let words = format!("{error}; {}", error.remedy());
        // What fails here as well is for the recovery at the next start.
        let _ = self.recording.finish(self.now_us, wall_ms, &words);
        let mut seen = lock(&self.shared.seen);
        seen.failed = Some(words);
        seen.ended = true;
    }
}
