//! Who does not want to be recorded, for each server: a file beside its recordings, so that neither a
//! lost index nor another program forgets it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::core::disk::replace;
use crate::core::{RecorderError, at};

/// The file in a server's folder: a JSON array of Discord ids.
const FILE: &str = "optout.json";

/// All servers' opt-outs.
#[derive(Debug, Default)]
pub(super) struct Privacy {
    root: PathBuf,
    known: BTreeMap<u64, BTreeSet<u64>>,
}

impl Privacy {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            known: BTreeMap::new(),
        }
    }

    /// Everybody who opted out of a server's recordings.
    ///
    /// # Errors
    /// When the file is there and cannot be read: then nobody may be recorded.
    pub fn of(&mut self, guild: u64) -> Result<&mut BTreeSet<u64>, RecorderError> {
        if !self.known.contains_key(&guild) {
            let set = self.read(guild)?;
            self.known.insert(guild, set);
        }
        Ok(self.known.entry(guild).or_default())
    }

    /// Writes down that somebody opts out, or no longer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set(&mut self, guild: u64, user: u64, out: bool) -> Result<(), RecorderError> {
        let mut set = self.of(guild)?.clone();
        let changed = if out {
            set.insert(user)
        } else {
            set.remove(&user)
        };
        if !changed {
            return Ok(());
        }
        let folder = self.root.join(guild.to_string());
        at(&folder, std::fs::create_dir_all(&folder))?;
        let ids: Vec<String> = set.iter().map(u64::to_string).collect();
        let json = serde_json::to_vec(&ids).unwrap_or_default();
        replace(&folder.join(FILE), &json)?;
        self.known.insert(guild, set);
        Ok(())
    }

    fn read(&self, guild: u64) -> Result<BTreeSet<u64>, RecorderError> {
        let path = self.root.join(guild.to_string()).join(FILE);
        if !path.exists() {
            return Ok(BTreeSet::new());
        }
        let bytes = at(&path, std::fs::read(&path))?;
        let ids = serde_json::from_slice::<Vec<String>>(&bytes);
        let ids = ids.map(|ids| ids.iter().map(|id| id.parse()).collect::<Result<_, _>>());
        match ids {
            Ok(Ok(ids)) => Ok(ids),
            _ => at(&path, Err(std::io::ErrorKind::InvalidData.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opt_out_is_remembered_on_the_disk_and_a_broken_file_is_no_permission() {
        let folder = tempfile::tempdir().unwrap();
        let mut privacy = Privacy::new(folder.path());
        privacy.set(1, 5, true).unwrap();
        privacy.set(1, 6, true).unwrap();
        privacy.set(1, 6, false).unwrap();
        let mut again = Privacy::new(folder.path());
        assert_eq!(again.of(1).unwrap().iter().collect::<Vec<_>>(), [&5]);
        assert!(again.of(2).unwrap().is_empty());
        std::fs::write(folder.path().join("1/optout.json"), "[").unwrap();
        assert!(Privacy::new(folder.path()).of(1).is_err());
    }
}
