//! The numbers that Mynah's sound is judged by; what each proves is in src/engine/benches/README.md.
//!
//! `cargo bench -p mynah-engine --bench judged -- ratio | passthrough | hold | lateness | memory | sounds`
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and may stop on any error"
)]

mod lateness;
mod memory;
mod raw;
mod work;

use std::path::PathBuf;
use std::time::Duration;

use mynah_engine::bench::{Setup, Sounds};

/// What was asked for on the command line.
pub struct Ask {
    /// One of the benches.
    pub what: String,
    /// How the sessions sound.
    pub setup: Setup,
    /// How many, if it was said.
    pub sessions: Vec<usize>,
    /// How long each stretch is listened to.
    pub each: Duration,
    /// Where to write sounds to.
    pub folder: Option<PathBuf>,
}

impl Ask {
    fn read() -> Option<Self> {
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        let mut ask = Self {
            what: words.next()?,
            setup: Setup::default(),
            sessions: vec![],
            each: Duration::from_secs(5),
            folder: None,
        };
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|n| n.parse().ok()).expect("a number");
            match word.as_str() {
                "--complexity" => ask.setup.complexity = number() as u8,
                "--threads" => ask.setup.threads = number(),
                "--seconds" => ask.each = Duration::from_secs(number() as u64),
                "--no-realtime" => ask.setup.fifo = false,
                other => match other.parse() {
                    Ok(sessions) => ask.sessions.push(sessions),
                    Err(_) => ask.folder = Some(other.into()),
                },
            }
        }
        Some(ask)
    }

    /// How many sessions, the first that was said.
    pub fn first_or(&self, sessions: usize) -> usize {
        self.sessions.first().copied().unwrap_or(sessions)
    }
}

fn main() {
    // `cargo test --benches` and `cargo nextest` ask what there is.
    if std::env::args().any(|arg| arg == "--list" || arg == "--test") {
        return;
    }
    let Some(ask) = Ask::read() else {
        println!("which one? ratio, passthrough, hold, lateness, memory, sounds FOLDER");
        return;
    };
    if ask.what == "idle" {
        return lateness::be_idle(&ask); // what `lateness` starts beside itself
    }
    let kept;
    let folder = match &ask.folder {
        Some(folder) => folder.as_path(),
        None => {
            kept = tempfile::tempdir().unwrap();
            kept.path()
        }
    };
    let sounds = Sounds::write(folder).unwrap();
    match ask.what.as_str() {
        "ratio" => work::ratio(&ask, &sounds),
        "passthrough" => work::passthrough(&ask, &sounds),
        "hold" => work::hold(&ask, &sounds),
        "lateness" => lateness::lateness(&ask, &sounds),
        "memory" => memory::memory(&ask, &sounds),
        "sounds" => {}
        other => println!("there is no `{other}`"),
    }
}
