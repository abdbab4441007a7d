//! The downloads that are kept: bounded in number and bytes, the least recently used goes first, and
//! none goes while somebody holds it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Downloads kept at once.
const MAX_KEPT: usize = 64;

/// What lies in the download folder, by path.
#[derive(Debug)]
pub struct Kept {
    files: HashMap<PathBuf, Entry>,
    /// Of all of them together.
    bytes: u64,
    max_bytes: u64,
    /// Counts uses: the order of time.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    /// Where it came from; nothing for what an earlier run has left, which is never handed out.
    address: Option<String>,
    /// Whoever has a clone of it uses the file.
    lease: Arc<PathBuf>,
    bytes: u64,
    last_use: u64,
}

impl Entry {
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.lease) > 1
    }
}

impl Kept {
    /// Keeps no more than `max_bytes`, beginning with what earlier runs have left in the folder,
    /// oldest first.
    pub fn new(max_bytes: u64, leftovers: Vec<(PathBuf, u64)>) -> Self {
        let mut kept = Self {
            files: HashMap::new(),
            bytes: 0,
            max_bytes,
            uses: 0,
        };
        for (path, bytes) in leftovers {
            kept.put(path, None, bytes);
        }
        kept.evict();
        kept
    }

    /// The file that came from this address, if it is still there; held until the clone is dropped.
    pub fn take(&mut self, path: &Path, address: &str) -> Option<Arc<PathBuf>> {
        self.uses += 1;
        let entry = self.files.get_mut(path)?;
        if entry.address.as_deref() != Some(address) || !path.exists() {
            return None;
        }
        entry.last_use = self.uses;
        Some(Arc::clone(&entry.lease))
    }

    /// A file was downloaded; makes room for it. What is in use stays, however much that is: then the
    /// bound is kept again with the next download.
    pub fn add(&mut self, path: PathBuf, address: &str, bytes: u64) -> Arc<PathBuf> {
        let lease = self.put(path, Some(address.to_owned()), bytes);
        self.evict();
        lease
    }

    /// Removes the file that came from this address, unless it is in use.
    pub fn forget(&mut self, path: &Path, address: &str) {
        let ours = |entry: &Entry| entry.address.as_deref() == Some(address) && !entry.is_in_use();
        if self.files.get(path).is_some_and(ours)
            && let Some(entry) = self.files.remove(path)
        {
            self.bytes -= entry.bytes;
            // Somebody else may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }

    fn put(&mut self, path: PathBuf, address: Option<String>, bytes: u64) -> Arc<PathBuf> {
        self.uses += 1;
        // Who still reads the file that had this name holds the same lease: it stays in use.
        let lease = self
            .files
            .get(&path)
            .map_or_else(|| Arc::new(path.clone()), |old| Arc::clone(&old.lease));
        let entry = Entry {
            address,
            lease: Arc::clone(&lease),
            bytes,
            last_use: self.uses,
        };
        self.bytes += bytes;
        if let Some(old) = self.files.insert(path, entry) {
            self.bytes -= old.bytes;
        }
        lease
    }

    fn evict(&mut self) {
        while self.files.len() > MAX_KEPT || self.bytes > self.max_bytes {
            let idle = self.files.iter().filter(|(_, entry)| !entry.is_in_use());
            let oldest = idle.min_by_key(|(_, entry)| entry.last_use);
            let Some(path) = oldest.map(|(path, _)| path.clone()) else {
                return;
            };
            if let Some(entry) = self.files.remove(&path) {
                self.bytes -= entry.bytes;
            }
            // Somebody else may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What earlier runs have left, oldest first.
pub fn leftovers(dir: &Path, is_download: impl Fn(&str) -> bool) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut found: Vec<(SystemTime, PathBuf, u64)> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(&is_download))
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some((about.modified().ok()?, entry.path(), about.len()))
        })
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|(_, path, bytes)| (path, bytes))
        .collect()
}
