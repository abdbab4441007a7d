//! Who does not want to be recorded, for each server: a file beside its recordings, so that neither a
//! lost index nor another program forgets it.
//!
//! The file holds no Discord id, only what can be compared with one: a hash of server and person. Who
//! looks for somebody who opted out finds them nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::OPT_OUTS as FILE;
use crate::core::disk::replace;
use crate::core::{RecorderError, at};

/// Letters of a mark: 16 bytes in hex.
const MARK: usize = 32;
/// People whose marks are remembered, so that no packet waits for a hash.
const REMEMBERED: usize = 4_096;

/// What is written of somebody instead of their id.
fn mark(guild: u64, user: u64) -> String {
    let hash = Sha256::digest(format!("mynah opt-out {guild} {user}"));
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .take(MARK)
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// One server's opt-outs.
#[derive(Debug, Clone, Default)]
pub(super) struct OptOuts {
    guild: u64,
    marks: BTreeSet<String>,
    /// Those who were asked after already.
    known: BTreeMap<u64, bool>,
}

impl OptOuts {
    /// Does this person not want to be recorded?
    pub fn contains(&mut self, user: u64) -> bool {
        if let Some(known) = self.known.get(&user) {
            return *known;
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let found = self.marks.contains(&mark(self.guild, user));
        self.known.insert(user, found);
        found
    }

    /// Somebody opts out, or no longer; true when that changes something.
    pub fn set(&mut self, user: u64, out: bool) -> bool {
        self.known.insert(user, out);
        let mark = mark(self.guild, user);
        match out {
            true => self.marks.insert(mark),
            false => self.marks.remove(&mark),
        }
    }
}

/// All servers' opt-outs.
#[derive(Debug, Default)]
pub(super) struct Privacy {
    root: PathBuf,
    known: BTreeMap<u64, OptOuts>,
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
    pub fn of(&mut self, guild: u64) -> Result<&mut OptOuts, RecorderError> {
        if !self.known.contains_key(&guild) {
            let set = self.read(guild)?;
            self.known.insert(guild, set);
        }
        Ok(self.known.entry(guild).or_default())
    }

    /// Writes down that somebody opts out, or no longer. Gives what is written of them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set(&mut self, guild: u64, user: u64, out: bool) -> Result<String, RecorderError> {
        let mut set = self.of(guild)?.clone();
        if set.set(user, out) {
            let folder = self.root.join(guild.to_string());
            at(&folder, std::fs::create_dir_all(&folder))?;
            let json = serde_json::to_vec(&set.marks).unwrap_or_default();
            replace(&folder.join(FILE), &json)?;
        }
        self.known.insert(guild, set);
        Ok(mark(guild, user))
    }

    fn read(&self, guild: u64) -> Result<OptOuts, RecorderError> {
        let path = self.root.join(guild.to_string()).join(FILE);
        let mut found = OptOuts {
            guild,
            ..OptOuts::default()
        };
        if !path.exists() {
            return Ok(found);
        }
        let bytes = at(&path, std::fs::read(&path))?;
        let Ok(marks) = serde_json::from_slice::<Vec<String>>(&bytes) else {
            return at(&path, Err(std::io::ErrorKind::InvalidData.into()));
        };
        for one in marks {
            // An operator may write ids by hand.
            match one.parse::<u64>() {
                Ok(user) if one.len() < MARK => found.marks.insert(mark(guild, user)),
                _ if one.len() == MARK => found.marks.insert(one),
                _ => return at(&path, Err(std::io::ErrorKind::InvalidData.into())),
            };
        }
        Ok(found)
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
        privacy.set(1, 123_456_789, true).unwrap();
        let written = std::fs::read_to_string(folder.path().join("1/optout.json")).unwrap();
        assert!(!written.contains("123456789"), "{written}");
        let mut again = Privacy::new(folder.path());
        let all = again.of(1).unwrap();
        assert!(all.contains(5) && !all.contains(6));
        assert!(!again.of(2).unwrap().contains(5));
        std::fs::write(folder.path().join("1/optout.json"), r#"["7"]"#).unwrap();
        assert!(Privacy::new(folder.path()).of(1).unwrap().contains(7));
        std::fs::write(folder.path().join("1/optout.json"), "[").unwrap();
        assert!(Privacy::new(folder.path()).of(1).is_err());
    }
}
