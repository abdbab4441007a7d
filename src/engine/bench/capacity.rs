//! How many sessions hold: more and more of them until something is given up, and then between.
//!
//! A machine that is busy for 30 ms with something else makes a hundredth of three seconds' packets
//! late, however few sessions there are. So a load does not hold only when it fails twice, the second
//! time in a fresh hall.

use std::path::PathBuf;
use std::time::Duration;

use super::{Hall, Limit, Measured, SeatError, Setup, Stages};

/// Loads that are tried on the way up, percent of what the cost of the stages promises.
const LOADS: [usize; 8] = [25, 50, 75, 90, 100, 115, 130, 160];
/// Tries between the last that held and the first that did not.
const BETWEEN: usize = 2;
/// Sessions are counted in steps of this share of the promise, at least one.
const STEP_PERCENT: usize = 2;
/// A tick thread promises so much of its time (the overload ladder, `mynah_pulse`) …
const TICK_SHARE: f64 = 0.8;
/// … and a machine cannot be busier than this without somebody waiting.
const MACHINE_SHARE: f64 = 0.95;
const FRAME_US: f64 = 20_000.0;
/// Slots of a tick thread.
const MOST_PER_THREAD: usize = 1_000;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    /// How sessions sound.
    pub setup: Setup,
    /// What they play.
    pub sound: PathBuf,
    /// It goes out as packets.
    pub passthrough: bool,
    /// How long each load is listened to.
    pub each: Duration,
    /// What the stages cost, for the first guess.
    pub stages: Stages,
}

/// Loads one after the other.
pub trait Ramp {
    /// Asked twenty times a second: false ends the search.
    fn go_on(&self) -> bool;
    /// A load was measured.
    fn measured(&mut self, load: &Measured);
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// So many sessions hold.
    pub sessions: usize,
    /// What was given up first with more; `None` when even the most that was tried holds.
    pub limit: Option<Limit>,
    /// Every load that was tried, the smallest first.
    pub loads: Vec<Measured>,
}

impl Search {
    /// What the stages promise, before anything is tried.
    #[must_use]
    pub fn promise(&self) -> usize {
        let stages = &self.stages;
        let (tick, media) = match self.passthrough {
            true => (stages.passing_us(), 1.0),
            false => (stages.tick_us(), stages.media_us()),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.setup.threads.max(1);
        let by_tick = threads as f64 * FRAME_US * TICK_SHARE / tick.max(0.1);
        let by_machine = cores as f64 * FRAME_US * MACHINE_SHARE / (tick + media).max(0.1);
        (by_tick.min(by_machine) as usize).clamp(4, self.most())
    }

    /// More cannot be tried: each session needs a socket and a file, and a slot of a tick thread.
    fn most(&self) -> usize {
        let files = open_files().map_or(usize::MAX, |files| files.saturating_sub(64) / 2);
        let slots = MOST_PER_THREAD * self.setup.threads.max(1);
        slots.min(files).max(4)
    }

    /// Looks for it. `None` when `ramp` did not want to go on.
    ///
    /// # Errors
    /// The system does not give what the sessions need, or the sound cannot be played.
    pub fn run(&self, ramp: &mut dyn Ramp) -> Result<Option<Capacity>, SeatError> {
        let promise = self.promise();
        let step = (promise * STEP_PERCENT / 100).max(1);
        let (mut loads, mut held) = (Vec::new(), 0);
        let mut failed: Option<(usize, Limit)> = None;
        let mut hall = Hall::open(self.setup)?;
        for percent in LOADS {
            let sessions = (promise * percent / 100).clamp(1, self.most());
            let Some(load) = self.twice(&mut hall, sessions, ramp)? else {
                return Ok(None);
            };
            let limit = load.limit();
            let tried = load.sessions;
            loads.push(load);
            match limit {
                None => held = tried,
                Some(limit) => {
                    failed = Some((tried, limit));
                    break;
                }
            }
            if tried >= self.most() {
                break;
            }
        }
        drop(hall);
        // What had to give up once is not the same afterwards: each try begins anew.
        for _ in 0..BETWEEN {
            let Some((most, _)) = failed.filter(|(most, _)| *most > held + step) else {
                break;
            };
            let sessions = held + (most - held) * 2 / 3;
            let mut hall = Hall::open(self.setup)?;
            let Some(load) = self.twice(&mut hall, sessions, ramp)? else {
                return Ok(None);
            };
            match load.limit() {
                None => held = load.sessions,
                Some(limit) => failed = Some((load.sessions, limit)),
            }
            loads.push(load);
        }
        loads.sort_by_key(|load| load.sessions);
        Ok(Some(Capacity {
            sessions: held,
            limit: failed.map(|(_, limit)| limit),
            loads,
        }))
    }

    /// The load, and if that does not hold, the same once more in a fresh hall.
    fn twice(
        &self,
        hall: &mut Hall,
        sessions: usize,
        ramp: &mut dyn Ramp,
    ) -> Result<Option<Measured>, SeatError> {
        match self.load(hall, sessions, ramp)? {
            Some(load) if !load.holds() && !load.refused => {
                *hall = Hall::open(self.setup)?;
                self.load(hall, sessions, ramp)
            }
            load => Ok(load),
        }
    }

    /// Fills the hall up to so many and listens.
    fn load(
        &self,
        hall: &mut Hall,
        sessions: usize,
        ramp: &mut dyn Ramp,
    ) -> Result<Option<Measured>, SeatError> {
        let more = sessions.saturating_sub(hall.len());
        let refused = match hall.seat(more, &self.sound) {
            Ok(()) => false,
            Err(SeatError::Refused(_)) => true,
            Err(error) => return Err(error),
        };
        let Some(mut load) = hall.measure(self.each, &|| ramp.go_on()) else {
            return Ok(None);
        };
        load.refused = refused;
        ramp.measured(&load);
        Ok(Some(load))
    }
}

/// How many files this process may have open, as far as the system says.
fn open_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
