//! The index of all recordings and what servers have settled: `library.sqlite` beside the servers' folders.
//!
//! The files are the truth. What is here makes lists, offers and quotas quick, and can be made again at
//! any time: recordings from their manifests, opt-outs from each server's `optout.json`. A database
//! that is damaged is put aside and made anew.
//!
//! Nothing deleted stays readable in the file: `secure_delete` overwrites it, and the journal is cut off
//! after each change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::core::manifest::{Manifest, State};
use crate::core::shelf;

/// The file in the folder of all recordings.
pub const FILE: &str = "library.sqlite";

/// The version of the tables; another one is made anew from the files.
const VERSION: i64 = 1;

/// Another program may be writing: the command line beside the bot.
const PATIENCE: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE recordings (
    guild TEXT NOT NULL, id TEXT NOT NULL, channel TEXT NOT NULL, starter TEXT NOT NULL, title TEXT NOT NULL,
    state TEXT NOT NULL, started_ms INTEGER NOT NULL, length_us INTEGER NOT NULL, tracks INTEGER NOT NULL,
    bytes INTEGER NOT NULL, keep INTEGER NOT NULL, PRIMARY KEY (guild, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE optouts (
    guild TEXT NOT NULL, mark TEXT NOT NULL, PRIMARY KEY (guild, mark)
) STRICT, WITHOUT ROWID;
CREATE TABLE settings (
    guild TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (guild, key)
) STRICT, WITHOUT ROWID;
";

/// Why the index could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct LibraryError {
    path: PathBuf,
    reason: String,
}

impl LibraryError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        "look at the disk and its permissions; the file may be removed, it is made again from the recordings"
    }
}

/// One recording as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The server's Discord id.
    pub guild: String,
    /// The recording's id, which is its folder's name.
    pub id: String,
    /// The channel's Discord id.
    pub channel: String,
    /// Who started it; `0` when they are named nowhere.
    pub starter: String,
    /// What it is called.
    pub title: String,
    /// Somebody writes to it, or did until a crash.
    pub is_open: bool,
    /// When it began, in milliseconds since 1970 (UTC).
    pub started_ms: u64,
    /// How long it is in microseconds, once it has ended.
    pub length_us: u64,
    /// Tracks of people and lanes.
    pub tracks: u64,
    /// All its files together, exports too.
    pub bytes: u64,
    /// Kept whatever its age.
    pub keep: bool,
}

/// The index. Calls take a fraction of a millisecond, and up to five seconds while another program writes.
#[derive(Debug)]
pub struct Library {
    root: PathBuf,
    db: Connection,
}

impl Library {
    /// Opens the index below `root` and brings it up to what the files say.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(root: &Path) -> Result<Self, LibraryError> {
        let path = root.join(FILE);
        let wrong = |reason: String| LibraryError {
            path: path.clone(),
            reason,
        };
        std::fs::create_dir_all(root).map_err(|error| wrong(error.to_string()))?;
        let db = match connect(&path) {
            Ok(db) => db,
            // Damaged, or of another version: put aside, never thrown away unasked.
            Err(_) if path.exists() => {
                let aside = path.with_extension("sqlite.damaged");
                std::fs::rename(&path, aside).map_err(|error| wrong(error.to_string()))?;
                connect(&path).map_err(|error| wrong(error.to_string()))?
            }
            Err(error) => return Err(wrong(error.to_string())),
        };
        let mut library = Self {
            root: root.to_owned(),
            db,
        };
        library.reconcile()?;
        Ok(library)
    }

    /// Makes the index say what the files say. Reads every manifest.
    ///
    /// # Errors
    /// When the folders cannot be listed or the index not be written.
    pub fn reconcile(&mut self) -> Result<(), LibraryError> {
        let all = shelf::list(&self.root).map_err(|error| self.wrong(&error))?;
        let optouts = optouts(&self.root);
        let changed = (|| -> rusqlite::Result<()> {
            let change = self.db.transaction()?;
            change.execute("DELETE FROM recordings", [])?;
            for one in &all {
                let guild = one.folder.parent().and_then(Path::file_name);
                let (Ok(manifest), Some(guild)) = (&one.manifest, guild) else {
                    continue;
                };
                put(&change, &guild.to_string_lossy(), manifest, one.bytes)?;
            }
            change.execute("DELETE FROM optouts", [])?;
            for (guild, mark) in &optouts {
                change.execute(
                    "INSERT OR IGNORE INTO optouts VALUES (?1, ?2)",
                    [guild, mark],
                )?;
            }
            change.commit()
        })();
        changed.map_err(|error| self.wrong(&error))
    }

    /// Notes what the files of a recording say now.
    ///
    /// # Errors
    /// When the files cannot be read or the index not be written.
    pub fn note(&self, folder: &Path) -> Result<(), LibraryError> {
        let one = shelf::look(folder).map_err(|error| self.wrong(&error))?;
        let manifest = one.manifest.map_err(|error| self.wrong(&error))?;
        put(&self.db, &manifest.guild, &manifest, one.bytes).map_err(|error| self.wrong(&error))
    }

    /// Forgets a recording; true if it was known.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn remove(&self, guild: &str, id: &str) -> Result<bool, LibraryError> {
        self.db
            .execute(
                "DELETE FROM recordings WHERE guild = ?1 AND id = ?2",
                [guild, id],
            )
            .map(|count| count > 0)
            .map_err(|error| self.wrong(&error))
    }

    /// One recording.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn find(&self, guild: &str, id: &str) -> Result<Option<Entry>, LibraryError> {
        let found = self
            .db
            .query_row(
                "SELECT * FROM recordings WHERE guild = ?1 AND id = ?2",
                [guild, id],
                entry,
            )
            .optional();
        found.map_err(|error| self.wrong(&error))
    }

    /// A server's recordings whose title or id contains `typed`, the newest first, at most `limit`;
    /// those of one starter, or everybody's.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn list(
        &self,
        guild: &str,
        typed: &str,
        starter: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, LibraryError> {
        let found = (|| -> rusqlite::Result<Vec<Entry>> {
            let mut asked = self.db.prepare(
                "SELECT * FROM recordings
                 WHERE guild = ?1 AND (instr(lower(title), lower(?2)) > 0 OR instr(id, ?2) > 0)
                   AND (?3 IS NULL OR starter = ?3)
                 ORDER BY started_ms DESC, id DESC LIMIT ?4",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = asked.query_map(params![guild, typed, starter, limit], entry)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })();
        found.map_err(|error| self.wrong(&error))
    }

    /// How many recordings a server has, and what they take together, in bytes.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn sums(&self, guild: &str) -> Result<(u64, u64), LibraryError> {
        let sums = self.db.query_row(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM recordings WHERE guild = ?1",
            [guild],
            |row| Ok((count(row, 0)?, count(row, 1)?)),
        );
        sums.map_err(|error| self.wrong(&error))
    }

    /// What a server has settled under `key`.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn setting(&self, guild: &str, key: &str) -> Result<Option<String>, LibraryError> {
        let value = self
            .db
            .query_row(
                "SELECT value FROM settings WHERE guild = ?1 AND key = ?2",
                [guild, key],
                |row| row.get(0),
            )
            .optional();
        value.map_err(|error| self.wrong(&error))
    }

    /// What was settled by this name, for all servers: their Discord ids and the values.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn settings(&self, key: &str) -> Result<Vec<(String, String)>, LibraryError> {
        let read = || {
            let mut asked = self
                .db
                .prepare("SELECT guild, value FROM settings WHERE key = ?1")?;
            let rows = asked.query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error: rusqlite::Error| self.wrong(&error))
    }

    /// Settles something for a server; `None` takes it back.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn set(&self, guild: &str, key: &str, value: Option<&str>) -> Result<(), LibraryError> {
        let done = match value {
            Some(value) => self.db.execute(
                "INSERT OR REPLACE INTO settings VALUES (?1, ?2, ?3)",
                [guild, key, value],
            ),
            None => self.db.execute(
                "DELETE FROM settings WHERE guild = ?1 AND key = ?2",
                [guild, key],
            ),
        };
        done.map(drop).map_err(|error| self.wrong(&error))
    }

    /// Notes that somebody opted out of a server's recordings, or no longer; `mark` stands for them
    /// (their id is written nowhere). The server's `optout.json` is what counts.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn opt(&self, guild: &str, mark: &str, out: bool) -> Result<(), LibraryError> {
        let sql = match out {
            true => "INSERT OR IGNORE INTO optouts VALUES (?1, ?2)",
            false => "DELETE FROM optouts WHERE guild = ?1 AND mark = ?2",
        };
        let done = self.db.execute(sql, [guild, mark]).map(drop);
        done.map_err(|error| self.wrong(&error))
    }

    /// The marks of all who opted out of a server's recordings, by what the index says.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn opted_out(&self, guild: &str) -> Result<BTreeSet<String>, LibraryError> {
        let found = (|| {
            let mut asked = self
                .db
                .prepare("SELECT mark FROM optouts WHERE guild = ?1")?;
            let rows = asked.query_map([guild], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<BTreeSet<_>>>()
        })();
        found.map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, error: &dyn std::fmt::Display) -> LibraryError {
        LibraryError {
            path: self.root.join(FILE),
            reason: error.to_string(),
        }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(PATIENCE)?;
    db.pragma_update(None, "secure_delete", "ON")?;
    // A log beside the file would keep what was deleted until somebody tidied up.
    db.pragma_update(None, "journal_mode", "TRUNCATE")?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let sound: String = db.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    match (version, sound.as_str()) {
        (VERSION, "ok") => {}
        (0, "ok") => {
            db.execute_batch(TABLES)?;
            db.pragma_update(None, "user_version", VERSION)?;
        }
        _ => return Err(rusqlite::Error::InvalidQuery),
    }
    Ok(db)
}

fn put(db: &Connection, guild: &str, manifest: &Manifest, bytes: u64) -> rusqlite::Result<()> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    db.prepare(
        "INSERT OR REPLACE INTO recordings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        guild,
        manifest.id,
        manifest.channel,
        manifest.starter,
        manifest.title,
        word(manifest.state),
        number(manifest.started_ms),
        number(manifest.length_us),
        number(manifest.tracks.len() as u64),
        number(bytes),
        manifest.keep,
    ])
    .map(drop)
}

/// The state as the manifest writes it.
fn word(state: State) -> &'static str {
    match state {
        State::Recording => "recording",
        State::Paused => "paused",
        State::Stopped => "stopped",
        State::Recovered => "recovered",
    }
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let state: String = row.get(5)?;
    Ok(Entry {
        guild: row.get(0)?,
        id: row.get(1)?,
        channel: row.get(2)?,
        starter: row.get(3)?,
        title: row.get(4)?,
        is_open: state == word(State::Recording) || state == word(State::Paused),
        started_ms: count(row, 6)?,
        length_us: count(row, 7)?,
        tracks: count(row, 8)?,
        bytes: count(row, 9)?,
        keep: row.get(10)?,
    })
}

fn count(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|value| u64::try_from(value).unwrap_or(0))
}

/// Every opt-out of every server, as the files say.
fn optouts(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let guilds = std::fs::read_dir(root).into_iter().flatten().flatten();
    for guild in guilds {
        let Ok(json) = std::fs::read(guild.path().join(crate::OPT_OUTS)) else {
            continue;
        };
        let marks: Vec<String> = serde_json::from_slice(&json).unwrap_or_default();
        let name = guild.file_name().to_string_lossy().into_owned();
        // Ids that an operator wrote by hand become marks when the plugin writes the file again.
        let marks = marks.into_iter().filter(|mark| mark.len() == 32);
        found.extend(marks.map(|mark| (name.clone(), mark)));
    }
    found
}

#[cfg(test)]
mod tests;
