//! `mynah recording export`: a file, with a bar while it is made.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mynah_recorder::export_job::{ExportError, ExportJob, Format};
use serde_json::json;

use super::super::args::ExportArgs;
use super::super::exit::Failure;
use super::super::{out, run, signals};
use super::Shelf;

/// Letters of the bar.
const WIDTH: u64 = 30;

/// Makes the file and says where it is.
pub(super) fn export(shelf: &Shelf, wanted: &ExportArgs) -> Result<(), Failure> {
    let mut named = shelf.named(Some(&wanted.id))?;
    if let [first, _, ..] = named.as_slice() {
        let server = first.folder.parent().map(super::name).unwrap_or_default();
        return Err(Failure::usage(
            format!("several servers have a recording `{}`", wanted.id),
            format!("name the server, too: {server}/{}", wanted.id),
        ));
    }
    let one = named.remove(0);
    let moment = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => micros(text).map(Some).ok_or_else(|| {
            Failure::usage(
                format!("`{text}` is no moment of a recording"),
                "write it as 1:02:03, 2:30 or 90s",
            )
        }),
    };
    let job = ExportJob {
        folder: one.folder,
        format: wanted.format.format(),
        mix: wanted.mix,
        tracks: wanted.track.clone(),
        chapter: wanted.chapter.clone(),
        from_us: moment(&wanted.from)?,
        to_us: moment(&wanted.to)?,
        out: wanted.out.clone(),
    };
    let path = run::block_on(until_stopped(job))?;
    if shelf.json {
        out::line(&json!({ "file": path }).to_string());
    } else {
        out::line(&path.display().to_string());
    }
    Ok(())
}

/// The work happens on a thread of its own; this waits for it and for Ctrl-C.
async fn until_stopped(job: ExportJob) -> Result<PathBuf, Failure> {
    let stop = signals::listen()?;
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let mut working = tokio::task::spawn_blocking(move || {
        let mut bar = Bar::new();
        let made = job.run(&mut |done, all| {
            bar.show(done, all);
            !seen.load(Ordering::Relaxed)
        });
        bar.clear();
        made
    });
    let made = tokio::select! {
        made = &mut working => made,
        () = stop.cancelled() => {
            over.store(true, Ordering::Relaxed);
            working.await
        }
    };
    let made = made.map_err(|_| Failure::failed("the export broke off", "this is a bug"))?;
    made.map_err(|error: ExportError| Failure::failed(error.to_string(), error.remedy()))
}

/// A bar on a terminal, nothing elsewhere.
struct Bar {
    is_shown: bool,
    percent: Option<u64>,
}

impl Bar {
    fn new() -> Self {
        Self {
            is_shown: std::io::stderr().is_terminal(),
            percent: None,
        }
    }

    fn show(&mut self, done: u64, all: u64) {
        let percent = done * 100 / all.max(1);
        if !self.is_shown || self.percent == Some(percent) {
            return;
        }
        self.percent = Some(percent);
        let full = percent * WIDTH / 100;
        let bar: String = (0..WIDTH)
            .map(|at| if at < full { '#' } else { '-' })
            .collect();
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "\r[{bar}] {percent:>3} %").and_then(|()| stderr.flush());
    }

    fn clear(&self) {
        if self.percent.is_some() {
            let _ = write!(std::io::stderr().lock(), "\r{:40}\r", "");
        }
    }
}

/// `1:02:03`, `2:30`, `90s` or `90` in microseconds.
fn micros(text: &str) -> Option<u64> {
    let mut seconds = 0_u64;
    for part in text.trim().trim_end_matches('s').split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    seconds.checked_mul(1_000_000)
}

/// Formats on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in super::super) enum ExportFormat {
    /// As recorded, not encoded again.
    Opus,
    /// Without loss.
    Flac,
    /// 16 bits.
    Wav,
    /// Through ffmpeg.
    Mp3,
    /// Through ffmpeg.
    Aac,
}

impl ExportFormat {
    const fn format(self) -> Format {
        match self {
            Self::Opus => Format::Opus,
            Self::Flac => Format::Flac,
            Self::Wav => Format::Wav,
            Self::Mp3 => Format::Mp3,
            Self::Aac => Format::Aac,
        }
    }
}
