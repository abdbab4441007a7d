//! The few things the recorder asks of a file system: append or leave no trace, replace in one step, force to
//! the disk, and how much room is left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{RecorderError, at};

/// A file that only grows; what could not be written whole is taken back.
#[derive(Debug)]
pub struct Tail {
    file: File,
    path: PathBuf,
    bytes: u64,
    unsynced: bool,
}

impl Tail {
    /// Makes a new file.
    ///
    /// # Errors
    /// When it exists or cannot be made.
    pub fn create(path: PathBuf) -> Result<Self, RecorderError> {
        let file = at(
            &path,
            OpenOptions::new().append(true).create_new(true).open(&path),
        )?;
        Ok(Self {
            file,
            path,
            bytes: 0,
            unsynced: true,
        })
    }

    /// Goes on with a file, from `bytes` on: what is behind is cut off.
    ///
    /// # Errors
    /// When it cannot be opened or cut.
    pub fn open(path: PathBuf, bytes: u64) -> Result<Self, RecorderError> {
        let file = at(&path, OpenOptions::new().append(true).open(&path))?;
        if at(&path, file.metadata())?.len() != bytes {
            at(&path, file.set_len(bytes))?;
        }
        Ok(Self {
            file,
            path,
            bytes,
            unsynced: true,
        })
    }

    /// Appends all of `bytes` or none: a full disk leaves no half of a page behind.
    ///
    /// # Errors
    /// When the system refuses; the file is then as long as before.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), RecorderError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(bytes) {
            // Should that fail as well, repair finds the torn page by its checksum.
            let _ = self.file.set_len(self.bytes);
            return at(&self.path, Err(error));
        }
        self.bytes += bytes.len() as u64;
        self.unsynced = true;
        Ok(())
    }

    /// Forces what was appended to the disk (`fdatasync`), if anything was.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&mut self) -> Result<(), RecorderError> {
        if std::mem::take(&mut self.unsynced) {
            at(&self.path, self.file.sync_data())?;
        }
        Ok(())
    }

    /// Length of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Replaces a file in one step: whoever reads it, after a crash too, finds the old or the new one whole.
///
/// # Errors
/// When the new file cannot be written; the old one is then untouched.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), RecorderError> {
    let next = path.with_extension("tmp");
    let mut file = at(&next, File::create(&next))?;
    at(&next, file.write_all(bytes))?;
    at(&next, file.sync_all())?;
    drop(file);
    at(path, fs::rename(&next, path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Forces the names in a folder to the disk.
///
/// # Errors
/// When the folder cannot be opened.
pub fn sync_folder(folder: &Path) -> Result<(), RecorderError> {
    at(folder, File::open(folder).and_then(|file| file.sync_all()))
}

/// Bytes that may still be written to the disk of a folder.
///
/// # Errors
/// When the system does not tell.
pub fn free_bytes(folder: &Path) -> Result<u64, RecorderError> {
    let told = rustix::fs::statvfs(folder).map_err(io::Error::from);
    let told = at(folder, told)?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// How much room the disk has, against two limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// More than enough.
    Enough,
    /// Below the limit at which people are told.
    Low,
    /// Below the limit at which recording ends.
    Out,
}

/// The two limits, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomLimits {
    /// Below this people are told; 5 GiB as shipped.
    pub warn_bytes: u64,
    /// Below this recording ends cleanly; 1 GiB as shipped.
    pub stop_bytes: u64,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            warn_bytes: 5 << 30,
            stop_bytes: 1 << 30,
        }
    }
}

impl RoomLimits {
    /// Judges what is left.
    #[must_use]
    pub fn judge(&self, free_bytes: u64) -> Room {
        match free_bytes {
            free if free < self.stop_bytes => Room::Out,
            free if free < self.warn_bytes => Room::Low,
            _ => Room::Enough,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_leaves_no_half_of_anything() {
        // Every write to this device fails as on a full disk.
        let mut tail = Tail::open("/dev/full".into(), 0).unwrap();
        let error = tail.append(b"page").unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
        assert_eq!(tail.bytes(), 0);
    }

    #[test]
    fn the_room_left_is_known_and_judged() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(&folder.path().join("none")).is_err());
        let limits = RoomLimits::default();
        assert_eq!(limits.judge(6 << 30), Room::Enough);
        assert_eq!(limits.judge(2 << 30), Room::Low);
        assert_eq!(limits.judge(1 << 20), Room::Out);
    }
}
