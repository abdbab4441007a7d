//! `mynah bench`: how many sessions this machine carries, and what stops it there.
//!
//! What is measured is a bot at work without Discord: [`mynah_engine::bench`] says what belongs to it.

mod paper;
mod report;

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mynah_engine::bench::{
    Capacity, Hall, Measured, Ramp, Search, SeatError, Setup, Sounds, Stages,
};

use super::args::BenchArgs;
use super::exit::Failure;
use super::{logging, out, run, signals};
use report::Report;

const DEFAULT_SECONDS: f64 = 3.0;
const SECONDS: std::ops::RangeInclusive<f64> = 0.5..=600.0;

/// Measures and reports.
///
/// # Errors
/// The command line asks for what cannot be, or the system gives no threads, sockets or files.
pub(super) fn bench(args: &BenchArgs) -> Result<(), Failure> {
    logging::start_quietly();
    let seconds = args.seconds.unwrap_or(DEFAULT_SECONDS);
    if !SECONDS.contains(&seconds) {
        return Err(Failure::usage(
            "--seconds must be between 0.5 and 600",
            "for example --seconds 3",
        ));
    }
    if cfg!(debug_assertions) {
        out::error("this is a development build: a release build carries more");
    }
    let work = Work {
        setup: Setup {
            threads: usize::from(args.threads),
            fifo: !args.no_realtime,
            complexity: args.complexity,
            ..Setup::default()
        },
        passthrough: args.passthrough,
        sessions: args.sessions.map(usize::from),
        each: Duration::from_secs_f64(seconds),
    };
    let found = run::block_on(until_stopped(work))?;
    let report = Report::new(&found);
    if args.json {
        out::line(&report.json().to_string());
    } else {
        let paper = paper::Paper::of(&std::io::stdout());
        report.text(&paper).lines().for_each(out::line);
    }
    Ok(())
}

/// The measuring happens on a thread of its own; this waits for it and for Ctrl-C.
async fn until_stopped(work: Work) -> Result<Found, Failure> {
    let stop = signals::listen()?;
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let mut working = tokio::task::spawn_blocking(move || work.perform(&seen));
    let done = tokio::select! {
        done = &mut working => done,
        () = stop.cancelled() => {
            over.store(true, Ordering::Relaxed);
            working.await
        }
    };
    done.map_err(|_| Failure::failed("the measuring broke off", "this is a bug"))?
}

/// What is to be measured.
struct Work {
    setup: Setup,
    passthrough: bool,
    sessions: Option<usize>,
    each: Duration,
}

/// What was found.
struct Found {
    setup: Setup,
    passthrough: bool,
    stages: Stages,
    /// Of a search.
    capacity: Option<Capacity>,
    /// Every load that was measured.
    loads: Vec<Measured>,
}

impl Work {
    fn perform(&self, over: &AtomicBool) -> Result<Found, Failure> {
        let mut watch = Watch::new(over);
        watch.say("what each stage costs …");
        let stages = Stages::measure(self.setup.complexity, self.setup.bitrate_bps)
            .map_err(|error| Failure::failed(error, "this is a bug"))?;
        let folder = tempfile::Builder::new().prefix("mynah-bench-").tempdir();
        let sounds = folder.and_then(|folder| Ok((Sounds::write(folder.path())?, folder)));
        let (sounds, _folder) = sounds.map_err(|error| {
            Failure::failed(format!("cannot write the music: {error}"), "check TMPDIR")
        })?;
        let sound = match self.passthrough {
            true => sounds.opus,
            false => sounds.mp3,
        };
        let search = Search {
            setup: self.setup,
            sound,
            passthrough: self.passthrough,
            each: self.each,
            stages,
        };
        let found = match self.sessions {
            None => search
                .run(&mut watch)
                .map(|found| found.map(|capacity| (capacity.loads.clone(), Some(capacity)))),
            Some(sessions) => one_load(&search, sessions, &mut watch)
                .map(|load| load.map(|load| (vec![load], None))),
        };
        watch.wipe();
        let found = found.map_err(|error| Failure::failed(error.to_string(), error.remedy()))?;
        let (loads, capacity) =
            found.ok_or_else(|| Failure::failed("interrupted", "nothing was found out"))?;
        Ok(Found {
            setup: self.setup,
            passthrough: self.passthrough,
            stages,
            capacity,
            loads,
        })
    }
}

fn one_load(
    search: &Search,
    sessions: usize,
    watch: &mut Watch<'_>,
) -> Result<Option<Measured>, SeatError> {
    let mut hall = Hall::open(search.setup)?;
    watch.say(&format!("{sessions} sessions …"));
    let refused = match hall.seat(sessions, &search.sound) {
        Err(SeatError::Refused(_)) => true,
        other => other.map(|()| false)?,
    };
    let load = hall.measure(search.each, &|| watch.go_on());
    Ok(load.map(|load| Measured { refused, ..load }))
}

/// Says on a terminal how far it is; elsewhere nothing.
struct Watch<'a> {
    over: &'a AtomicBool,
    speaks: bool,
}

impl<'a> Watch<'a> {
    fn new(over: &'a AtomicBool) -> Self {
        Self {
            over,
            speaks: std::io::stderr().is_terminal(),
        }
    }

    fn say(&mut self, text: &str) {
        if self.speaks {
            // Over the line before it; 60 columns are wider than any of these.
            let _ = write!(std::io::stderr(), "\r{text:<60}\r");
        }
    }

    fn wipe(&mut self) {
        self.say("");
    }
}

impl Ramp for Watch<'_> {
    fn go_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn measured(&mut self, load: &Measured) {
        let outcome = match load.limit() {
            None => "hold",
            Some(_) => "do not hold",
        };
        self.say(&format!("{} sessions {outcome} …", load.sessions));
    }
}
