//! Making recordings whole after a crash, and telling whether they are.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, IntoInnerError, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::checker::{Fault, TrackReport, check};
use super::disk::{Tail, sync_folder};
use super::events::{self, Event, Line, Log};
use super::manifest::{Kind, Manifest, SCHEMA, State, TrackEntry};
use super::ogg::{Found, Head, Pager, Pages};
use super::{RecorderError, at, index, us_in};

/// What repair did to a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackRepair {
    /// Bytes that are not there any more: of a torn page, of a torn header.
    pub cut_bytes: u64,
    /// The track did not end in order and does now.
    pub ended: bool,
    /// The header was missing or torn, and a new one was written before whatever sound there is.
    pub begun_anew: bool,
    /// The track as it is now.
    pub report: TrackReport,
}

/// Makes a track legal: writes the header again where it is torn, cuts off a torn page, writes the end. `head`
/// is what to write when the header is torn. A track in which nothing of that is wrong is not touched, and
/// what repair left needs no other.
///
/// # Errors
/// When the file cannot be read or written.
pub fn repair_track(path: &Path, head: &Head) -> Result<TrackRepair, RecorderError> {
    let mut report = check(path)?;
    let whole = at(path, fs::metadata(path))?.len();
    let begun_anew = report.faults.contains(&Fault::NoHead);
    let mut cut_bytes = 0;
    if begun_anew {
        cut_bytes = whole.saturating_sub(head_again(path, head)?);
        report = check(path)?;
    } else if !report.faults.iter().any(Fault::is_repairable) {
        return Ok(TrackRepair {
            cut_bytes,
            ended: false,
            begun_anew,
            report,
        });
    }
    let bytes = at(path, fs::metadata(path))?.len();
    cut_bytes += bytes.saturating_sub(report.good_bytes);
    let mut tail = Tail::open(path.to_owned(), report.good_bytes)?;
    let mut end = Vec::new();
    if !report.ended {
        Pager::after(report.serial, report.next_sequence, report.frames).finish(&mut end);
    }
    tail.append(&end)?;
    tail.sync()?;
    Ok(TrackRepair {
        cut_bytes,
        ended: !report.ended,
        begun_anew,
        report: check(path)?,
    })
}

/// Puts a new header before all pages of sound that are whole, in one step; gives the bytes of those. The
/// stream keeps its number, so that the pages can stay as they are.
fn head_again(path: &Path, head: &Head) -> Result<u64, RecorderError> {
    let next = path.with_extension("tmp");
    let file = at(path, File::open(path))?;
    let mut pages = at(path, Pages::new(file))?;
    let mut out = BufWriter::new(at(&next, File::create(&next))?);
    let (mut begun, mut kept) = (false, 0);
    loop {
        let page = match at(path, pages.read_on())? {
            Found::End => break,
            Found::Page(page) if !page.is_head() => page,
            Found::Page(_) | Found::Damaged(_) | Found::Torn(_) => continue,
        };
        if !std::mem::replace(&mut begun, true) {
            let serial = page.serial;
            let head = Head {
                serial,
                ..head.clone()
            };
            at(&next, out.write_all(&head.pages()))?;
        }
        let mut bytes = Vec::new();
        page.write(&mut bytes);
        at(&next, out.write_all(&bytes))?;
        kept += bytes.len() as u64;
    }
    if !begun {
        at(&next, out.write_all(&head.pages()))?;
    }
    let file = at(&next, out.into_inner().map_err(IntoInnerError::into_error))?;
    at(&next, file.sync_all())?;
    drop(file);
    at(path, fs::rename(&next, path))?;
    path.parent().map_or(Ok(()), sync_folder)?;
    Ok(kept)
}

/// What is wrong with a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file, from the recording's folder on.
    pub file: String,
    /// What is wrong, in words.
    pub what: String,
    /// Whether repair can undo it.
    pub repairable: bool,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// Judges a recording; an empty list is a whole one. An open recording is one that a crash interrupted: ask
/// only for those that nobody writes.
///
/// # Errors
/// When a file is there but cannot be read.
pub fn verify(folder: &Path) -> Result<Vec<Complaint>, RecorderError> {
    let mut complaints = Vec::new();
    let mut complain = |file: &str, what: String, repairable: bool| {
        complaints.push(Complaint {
            file: file.to_owned(),
            what,
            repairable,
        });
    };
    let manifest = match Manifest::read(folder) {
        Ok(manifest) => manifest,
        Err(error) => {
            complain(super::manifest::FILE, error.to_string(), true);
            return Ok(complaints);
        }
    };
    if manifest.state.is_open() {
        let what = "the recording never ended".to_owned();
        complain(super::manifest::FILE, what, true);
    }
    for entry in &manifest.tracks {
        let Some((sound, index_file)) = Manifest::files(folder, entry) else {
            let what = "the name leads out of the folder".to_owned();
            complain(&entry.file, what, false);
            continue;
        };
        if !sound.exists() {
            complain(&entry.file, "is missing".to_owned(), false);
            continue;
        }
        for fault in check(&sound)?.faults {
            complain(&entry.file, fault.to_string(), fault.is_repairable());
        }
        if let Some(hash) = &entry.sha256
            && *hash != sha256(&sound)?
        {
            let what = "has been changed since it was finished".to_owned();
            complain(&entry.file, what, false);
        }
        match fs::read(&index_file) {
            Ok(bytes) if index::parse(&bytes).is_some() => {}
            Ok(_) => complain(&entry.index, "is no index".to_owned(), false),
            Err(error) => complain(&entry.index, error.to_string(), false),
        }
    }
    let (_, strange) = events::read(folder)?;
    if strange > 0 {
        let what = format!("{strange} lines cannot be read");
        complain(events::FILE, what, true);
    }
    Ok(complaints)
}

/// What repair did to a recording.
#[derive(Debug, Clone)]
pub struct Repair {
    /// The manifest as it is now.
    pub manifest: Manifest,
    /// What was done to each track, in the manifest's order.
    pub tracks: Vec<TrackRepair>,
    /// The manifest was missing or not ours and was rebuilt from the files.
    pub rebuilt: bool,
}

/// Makes a recording whole: every track legal, the log without half a line, the manifest closed. May be
/// repeated; what is whole is not touched, and being interrupted itself does no harm.
///
/// # Errors
/// When a file cannot be read or written.
pub fn repair(folder: &Path, now_ms: u64) -> Result<Repair, RecorderError> {
    let (mut manifest, rebuilt) = match Manifest::read(folder) {
        Ok(manifest) => (manifest, false),
        // Made by a newer program: leave it alone.
        Err(RecorderError::Manifest { path, reason }) if reason.contains("is newer than") => {
            return Err(RecorderError::Manifest { path, reason });
        }
        Err(_) => (rebuild(folder)?, true),
    };
    if manifest.state.is_open() && !rebuilt {
        let (lines, _) = events::read(folder)?;
        let id = manifest.id.clone();
        adopt(folder, &id, &lines, &mut manifest.tracks);
    }
    let mut tracks = Vec::new();
    let mut longest = 0;
    for number in 0..manifest.tracks.len() {
        let head = manifest.head(number);
        let Some(entry) = manifest.tracks.get_mut(number) else {
            break;
        };
        let Some((sound, index_file)) = Manifest::files(folder, entry) else {
            continue;
        };
        if !sound.exists() {
            continue;
        }
        let done = repair_track(&sound, &head)?;
        repair_index(&index_file)?;
        entry.frames = done.report.frames;
        longest = longest.max(done.report.frames);
        if done.cut_bytes > 0 || done.ended || done.begun_anew || entry.sha256.is_none() {
            entry.sha256 = Some(sha256(&sound)?);
        }
        tracks.push(done);
    }
    if manifest.state.is_open() || rebuilt {
        manifest.state = State::Recovered;
        manifest.length_us = us_in(longest);
        let mut log = Log::open(folder)?;
        log.write(&Line {
            t: manifest.length_us,
            wall_ms: now_ms,
            event: Event::Recovered,
        })?;
        log.sync()?;
    }
    manifest.write(folder)?;
    sync_folder(folder)?;
    Ok(Repair {
        manifest,
        tracks,
        rebuilt,
    })
}

/// Cuts off a torn record; an index that is missing or torn within its header begins anew.
fn repair_index(path: &Path) -> Result<(), RecorderError> {
    let bytes = match fs::metadata(path) {
        Ok(about) => about.len(),
        Err(_) => {
            let mut tail = Tail::create(path.to_owned())?;
            tail.append(&index::header())?;
            return tail.sync();
        }
    };
    let record = index::RECORD_BYTES as u64;
    if bytes < record {
        let mut tail = Tail::open(path.to_owned(), 0)?;
        tail.append(&index::header())?;
        return tail.sync();
    }
    if !bytes.is_multiple_of(record) {
        Tail::open(path.to_owned(), bytes / record * record)?.sync()?;
    }
    Ok(())
}

/// A manifest from the files alone: ids from the folders' names, people from the tracks'.
fn rebuild(folder: &Path) -> Result<Manifest, RecorderError> {
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let id = name(Some(folder));
    let (lines, _) = events::read(folder)?;
    let mut tracks = Vec::new();
    adopt(folder, &id, &lines, &mut tracks);
    Ok(Manifest {
        schema: SCHEMA,
        id,
        guild: name(folder.parent()),
        channel: String::new(),
        starter: String::new(),
        title: String::new(),
        state: State::Recording,
        started_ms: lines
            .first()
            .map_or(0, |line| line.wall_ms.saturating_sub(line.t / 1_000)),
        length_us: 0,
        previous: None,
        next: None,
        keep: false,
        consent: String::new(),
        software: Manifest::software(),
        dave: serde_json::Value::Null,
        tracks,
    })
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> Result<String, RecorderError> {
    let mut file = at(path, File::open(path))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        let read = at(path, file.read(&mut chunk))?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hash.update(bytes);
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Adds the tracks that are on the disk and not in the list: of a recorder that was killed between making
/// a file and noting it.
fn adopt(folder: &Path, id: &str, lines: &[Line], tracks: &mut Vec<TrackEntry>) {
    for (room, kind) in [("tracks", Kind::Person), ("lanes", Kind::Lane)] {
        let Ok(files) = fs::read_dir(folder.join(room)) else {
            continue;
        };
        let mut stems: Vec<String> = files
            .filter_map(Result::ok)
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|end| end == "opus"))
            .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
            .collect();
        stems.sort();
        for stem in stems {
            let file = format!("{room}/{stem}.opus");
            if tracks.iter().any(|known| known.file == file) {
                continue;
            }
            let user = match (kind, stem.split_once('_')) {
                (Kind::Person, Some((_, user))) => user.to_owned(),
                _ => String::new(),
            };
            let known = lines.iter().rev().find_map(|line| match &line.event {
                Event::Join { user: who, name } if *who == user => Some(name.clone()),
                _ => None,
            });
            tracks.push(TrackEntry {
                file,
                index: format!("{room}/{stem}.idx"),
                kind,
                name: known.unwrap_or_else(|| stem.clone()),
                user,
                serial: Manifest::serial(id, tracks.len()),
                frames: 0,
                packets: 0,
                lost: 0,
                late: 0,
                unusable: 0,
                drift_ppm: None,
                sha256: None,
            });
        }
    }
}

#[cfg(test)]
mod tests;
