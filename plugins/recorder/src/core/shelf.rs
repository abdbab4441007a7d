//! All recordings below one folder: listed, recovered, linked, sealed and thrown away.

use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::{FILE, Manifest};
use super::repair::{Repair, repair, sha256};
use super::{RecorderError, at};

/// A recording on disk.
#[derive(Debug)]
pub struct Shelved {
    /// Where it is.
    pub folder: PathBuf,
    /// What it is; an error when its manifest is missing or cannot be understood.
    pub manifest: Result<Manifest, RecorderError>,
    /// All its files together, exports too.
    pub bytes: u64,
}

/// A recording that a crash interrupted.
#[derive(Debug)]
pub struct Recovered {
    /// Where it is.
    pub folder: PathBuf,
    /// What was done, or why it could not be.
    pub done: Result<Repair, RecorderError>,
}

/// All recordings below `root`, by server and id. Folders that hold none are passed over.
///
/// # Errors
/// When a folder cannot be read.
pub fn list(root: &Path) -> Result<Vec<Shelved>, RecorderError> {
    let mut found = Vec::new();
    if !root.exists() {
        return Ok(found);
    }
    for guild in folders(root)? {
        for folder in folders(&guild)? {
            if folder.join(FILE).exists() || folder.join("tracks").is_dir() {
                found.push(look(&folder)?);
            }
        }
    }
    found.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(found)
}

/// One recording, by its folder.
///
/// # Errors
/// When a folder below it cannot be read.
pub fn look(folder: &Path) -> Result<Shelved, RecorderError> {
    Ok(Shelved {
        folder: folder.to_owned(),
        manifest: Manifest::read(folder),
        bytes: bytes_below(folder)?,
    })
}

/// Makes all recordings whole that a crash interrupted. `running` are the folders being written right now.
///
/// Each result stands for itself: one that fails keeps none of the others from being saved.
///
/// # Errors
/// When the folders cannot be listed.
pub fn recover(
    root: &Path,
    now_ms: u64,
    running: &[PathBuf],
) -> Result<Vec<Recovered>, RecorderError> {
    let unfinished = list(root)?.into_iter().filter(|shelved| {
        !running.contains(&shelved.folder)
            && shelved
                .manifest
                .as_ref()
                .map_or(true, |manifest| manifest.state.is_open())
    });
    Ok(unfinished
        .map(|shelved| {
            let done = repair(&shelved.folder, now_ms);
            Recovered {
                folder: shelved.folder,
                done,
            }
        })
        .collect())
}

/// Notes in a recording that another goes on with it.
///
/// # Errors
/// When its manifest cannot be read or written.
pub fn link(folder: &Path, next: &str) -> Result<(), RecorderError> {
    let mut manifest = Manifest::read(folder)?;
    manifest.next = Some(next.to_owned());
    manifest.write(folder)
}

/// Keeps a recording whatever its age, or no longer.
///
/// # Errors
/// When its manifest cannot be read or written.
pub fn keep(folder: &Path, keep: bool) -> Result<(), RecorderError> {
    let mut manifest = Manifest::read(folder)?;
    manifest.keep = keep;
    manifest.write(folder)
}

/// Writes the hashes of a finished recording's tracks into its manifest.
///
/// # Errors
/// When a file cannot be read or written.
pub fn seal(folder: &Path) -> Result<Manifest, RecorderError> {
    let mut manifest = Manifest::read(folder)?;
    for entry in &mut manifest.tracks {
        if let Some((sound, _)) = Manifest::files(folder, entry) {
            entry.sha256 = Some(sha256(&sound)?);
        }
    }
    manifest.write(folder)?;
    Ok(manifest)
}

/// The recordings that are older than `retention_days` at `now_ms` and that nobody wants kept. Open ones and
/// those whose manifest cannot be understood are never among them.
///
/// # Errors
/// When the folders cannot be listed.
pub fn expired(
    root: &Path,
    now_ms: u64,
    retention_days: u64,
) -> Result<Vec<Shelved>, RecorderError> {
    let mut found = list(root)?;
    found.retain(|shelved| {
        shelved.manifest.as_ref().is_ok_and(|manifest| {
            let ended_ms = manifest.started_ms + manifest.length_us / 1_000;
            let age_ms = now_ms.saturating_sub(ended_ms);
            !manifest.keep
                && !manifest.state.is_open()
                && age_ms > retention_days.saturating_mul(86_400_000)
        })
    });
    Ok(found)
}

/// Throws away what [`expired`] finds and gives what it was.
///
/// # Errors
/// When a folder cannot be listed or removed.
pub fn prune(root: &Path, now_ms: u64, retention_days: u64) -> Result<Vec<Shelved>, RecorderError> {
    let gone = expired(root, now_ms, retention_days)?;
    for shelved in &gone {
        delete(&shelved.folder)?;
    }
    Ok(gone)
}

/// Throws a recording away with everything that was made from it. Nothing of it stays.
///
/// # Errors
/// When a file cannot be removed, or the folder is no recording.
pub fn delete(folder: &Path) -> Result<(), RecorderError> {
    if !folder.join(FILE).exists() && !folder.join("tracks").is_dir() {
        return at(folder, Err(std::io::ErrorKind::InvalidInput.into()));
    }
    // An export may be making files there: once more, then there is nothing to make them of.
    let removed = fs::remove_dir_all(folder).or_else(|_| match folder.exists() {
        true => fs::remove_dir_all(folder),
        false => Ok(()),
    });
    at(folder, removed)
}

fn folders(of: &Path) -> Result<Vec<PathBuf>, RecorderError> {
    let mut found = Vec::new();
    for entry in at(of, fs::read_dir(of))? {
        let entry = at(of, entry)?;
        // Not through links: pruning must never leave the folder it was given.
        if at(of, entry.file_type())?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn bytes_below(folder: &Path) -> Result<u64, RecorderError> {
    let mut bytes = 0;
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in at(&folder, fs::read_dir(&folder))? {
            let entry = at(&folder, entry)?;
            let about = at(&folder, entry.metadata())?;
            if about.is_dir() {
                left.push(entry.path());
            } else {
                bytes += about.len();
            }
        }
    }
    Ok(bytes)
}
