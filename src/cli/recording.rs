//! `mynah recording`: the recordings on this machine, with or without a bot that runs.

mod export;

pub(super) use export::ExportFormat;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mynah_recorder::core::manifest::Manifest;
use mynah_recorder::core::repair::{repair, verify};
use mynah_recorder::core::shelf::{self, Shelved};
use mynah_recorder::core::{RecorderError, events};
use mynah_recorder::library::{self, Library};
use serde_json::{Value, json};

use super::args::{RecordingArgs, RecordingCommand};
use super::exit::{Exit, Failure};
use super::{lock, out, plugins, settings};

/// Days after which recordings go when nothing is said.
const RETENTION_DAYS: u64 = 7;

/// Does what was asked for.
///
/// # Errors
/// The folder, the recording or a file cannot be read or written; 1 when `verify` finds something.
pub(super) fn recording(args: &RecordingArgs) -> Result<(), Failure> {
    let shelf = Shelf::open(args)?;
    match &args.command {
        RecordingCommand::List => shelf.list(),
        RecordingCommand::Verify { id } => shelf.verify(id.as_deref()),
        RecordingCommand::Repair { id } => shelf.repair(id.as_deref()),
        RecordingCommand::Export(wanted) => export::export(&shelf, wanted),
        RecordingCommand::Prune { days, dry_run } => shelf.prune(*days, *dry_run),
    }
}

/// The folder with all recordings.
struct Shelf {
    folder: PathBuf,
    /// The data folder around it, which a running bot has locked.
    data: Option<PathBuf>,
    json: bool,
}

impl Shelf {
    fn open(args: &RecordingArgs) -> Result<Self, Failure> {
        let (folder, data) = match &args.folder {
            Some(folder) => (folder.clone(), None),
            None => {
                let config = settings::load(&args.config)?;
                (plugins::recordings(&config), Some(config.paths.data))
            }
        };
        if args.folder.is_some() && !folder.is_dir() {
            return Err(Failure::failed(
                format!("{} is no folder", folder.display()),
                "give the folder that holds the servers' folders, such as data/recordings",
            ));
        }
        Ok(Self {
            folder,
            data,
            json: args.json,
        })
    }

    fn all(&self) -> Result<Vec<Shelved>, Failure> {
        shelf::list(&self.folder).map_err(failed)
    }

    /// The recordings of that id; all without one.
    fn named(&self, id: Option<&str>) -> Result<Vec<Shelved>, Failure> {
        let mut all = self.all()?;
        let Some(id) = id else {
            return Ok(all);
        };
        // Two servers may have begun one in the same second: then the server is named, too.
        all.retain(|one| name(&one.folder) == id || one.folder == self.folder.join(id));
        if all.is_empty() {
            return Err(Failure::failed(
                format!("there is no recording `{id}` in {}", self.folder.display()),
                "`mynah recording list` shows all of them",
            ));
        }
        Ok(all)
    }

    /// Makes sure that no bot writes here, until it is dropped.
    fn alone(&self) -> Result<Option<lock::DataLock>, Failure> {
        let Some(data) = self.data.as_deref().filter(|data| data.is_dir()) else {
            return Ok(None);
        };
        lock::take(data).map(Some)
    }

    fn list(&self) -> Result<(), Failure> {
        let all = self.all()?;
        if self.json {
            let all: Vec<Value> = all.iter().map(in_json).collect();
            out::line(&format!("{:#}", json!({ "recordings": all })));
            return Ok(());
        }
        if all.is_empty() {
            out::line(&format!("no recordings in {}", self.folder.display()));
        }
        for one in &all {
            out::line(&in_words(one));
        }
        Ok(())
    }

    fn verify(&self, id: Option<&str>) -> Result<(), Failure> {
        let (mut found, mut bad) = (Vec::new(), 0);
        for one in self.named(id)? {
            let complaints = verify(&one.folder).map_err(failed)?;
            let runs = one.manifest.as_ref().is_ok_and(|m| m.state.is_open());
            bad += usize::from(!complaints.is_empty() && !runs);
            if !self.json {
                let verdict = match (complaints.is_empty(), runs) {
                    (true, _) => "whole",
                    (_, true) => "not finished: it is running, or was cut off",
                    _ => "damaged",
                };
                out::line(&format!("{}: {verdict}", name(&one.folder)));
                for complaint in &complaints {
                    let mends = if complaint.repairable {
                        " (repair mends it)"
                    } else {
                        ""
                    };
                    out::line(&format!("  {}: {}{mends}", complaint.file, complaint.what));
                }
            }
            let complaints: Vec<Value> = complaints
                .iter()
                .map(|c| json!({ "file": c.file, "what": c.what, "repairable": c.repairable }))
                .collect();
            found.push(json!({ "id": name(&one.folder), "open": runs, "complaints": complaints }));
        }
        if self.json {
            out::line(&format!("{:#}", json!({ "recordings": found })));
        }
        if bad > 0 {
            return Err(match self.json {
                true => Failure::said(Exit::Failed),
                false => Failure::failed(
                    format!("{bad} of the recordings are damaged"),
                    "`mynah recording repair` mends what can be mended",
                ),
            });
        }
        Ok(())
    }

    fn repair(&self, id: Option<&str>) -> Result<(), Failure> {
        let _alone = self.alone()?;
        let (mut done, mut failures) = (Vec::new(), 0);
        for one in self.named(id)? {
            let id = name(&one.folder);
            match repair(&one.folder, now_ms()) {
                Ok(repaired) => {
                    let cut: u64 = repaired.tracks.iter().map(|track| track.cut_bytes).sum();
                    let ended = repaired.tracks.iter().filter(|track| track.ended).count();
                    if !self.json {
                        let words = match (cut, ended) {
                            (0, 0) => "nothing to mend".to_owned(),
                            _ => format!("{ended} tracks ended, {cut} torn bytes cut off"),
                        };
                        out::line(&format!("{id}: {words}"));
                    }
                    done.push(json!({ "id": id, "ended_tracks": ended, "cut_bytes": cut }));
                }
                Err(error) => {
                    failures += 1;
                    out::error(&format!("{id}: {error}; {}", error.remedy()));
                    done.push(json!({ "id": id, "error": error.to_string() }));
                }
            }
        }
        self.index()?;
        if self.json {
            out::line(&format!("{:#}", json!({ "recordings": done })));
        }
        match failures {
            0 => Ok(()),
            _ => Err(Failure::said(Exit::Failed)),
        }
    }

    /// Brings the index up to the files, where there is one.
    fn index(&self) -> Result<(), Failure> {
        if !self.folder.join(library::FILE).exists() {
            return Ok(());
        }
        let opened = Library::open(&self.folder);
        opened
            .map(drop)
            .map_err(|error| Failure::failed(error.to_string(), error.remedy()))
    }

    fn prune(&self, days: Option<u64>, dry_run: bool) -> Result<(), Failure> {
        let days = days.unwrap_or(RETENTION_DAYS);
        let gone = if dry_run {
            shelf::expired(&self.folder, now_ms(), days)
        } else {
            let _alone = self.alone()?;
            shelf::prune(&self.folder, now_ms(), days)
        };
        let gone = gone.map_err(failed)?;
        if !dry_run {
            self.index()?;
        }
        if self.json {
            let ids: Vec<String> = gone.iter().map(|one| name(&one.folder)).collect();
            out::line(&format!(
                "{:#}",
                json!({ "removed": ids, "dry_run": dry_run })
            ));
            return Ok(());
        }
        let word = if dry_run { "would go" } else { "gone" };
        for one in &gone {
            out::line(&format!(
                "{}: {word}, {} bytes",
                name(&one.folder),
                one.bytes
            ));
        }
        if gone.is_empty() {
            out::line(&format!(
                "nothing is older than {days} days that nobody keeps"
            ));
        }
        Ok(())
    }
}

fn in_words(one: &Shelved) -> String {
    let id = name(&one.folder);
    match &one.manifest {
        Ok(manifest) => format!(
            "{id}  {:>8}  {:>2} tracks  {:>11} bytes  {}  {}",
            length(manifest.length_us),
            manifest.tracks.len(),
            one.bytes,
            state(manifest),
            manifest.title
        ),
        Err(error) => format!("{id}  cannot be read: {error}; {}", error.remedy()),
    }
}

fn in_json(one: &Shelved) -> Value {
    let notes = events::read(&one.folder).map_or(0, |(lines, _)| lines.len());
    match &one.manifest {
        Ok(manifest) => json!({
            "id": manifest.id, "guild_id": manifest.guild, "channel_id": manifest.channel,
            "title": manifest.title, "state": manifest.state, "started_ms": manifest.started_ms,
            "length_us": manifest.length_us, "bytes": one.bytes, "keep": manifest.keep,
            "previous": manifest.previous, "next": manifest.next, "events": notes,
            "tracks": manifest.tracks, "folder": one.folder,
        }),
        Err(error) => json!({
            "id": name(&one.folder), "folder": one.folder, "bytes": one.bytes,
            "error": error.to_string(),
        }),
    }
}

fn state(manifest: &Manifest) -> String {
    let state = serde_json::to_value(manifest.state).unwrap_or_default();
    let kept = if manifest.keep { ", kept" } else { "" };
    format!("{}{kept}", state.as_str().unwrap_or_default())
}

fn length(us: u64) -> String {
    let seconds = us / 1_000_000;
    format!(
        "{}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn failed(error: RecorderError) -> Failure {
    Failure::failed(error.to_string(), error.remedy())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
