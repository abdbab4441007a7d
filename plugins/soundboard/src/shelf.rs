//! What outlives a restart: the index `sounds.sqlite`, and one Ogg Opus file for each sound, named by
//! its hash, in its server's folder.
//!
//! A deleted sound lies in a bin for some days: its row stays, marked, and so does its file. A file that
//! no row names is removed by [`Shelf::tidy`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::core::Sound;

/// The file in the folder of all sounds.
pub const FILE: &str = "sounds.sqlite";

/// The version of the tables.
const VERSION: i64 = 1;

/// Another program may be writing: a backup, or the command line beside the bot.
const PATIENCE: Duration = Duration::from_secs(2);

/// A file that no row names is left alone for so long: somebody may be about to write its row.
const FRESH: Duration = Duration::from_secs(3600);

const TABLES: &str = "
CREATE TABLE sounds (
    id INTEGER PRIMARY KEY AUTOINCREMENT, guild TEXT NOT NULL, name TEXT NOT NULL, aliases TEXT NOT NULL,
    tags TEXT NOT NULL, emoji TEXT, volume INTEGER NOT NULL, uploader TEXT NOT NULL,
    length_ms INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, plays INTEGER NOT NULL,
    rest_s INTEGER NOT NULL, hidden INTEGER NOT NULL, added_ms INTEGER NOT NULL, deleted_ms INTEGER
) STRICT;
CREATE INDEX sounds_of_guild ON sounds (guild);
";

const COLUMNS: &str = "id, name, aliases, tags, emoji, volume, uploader, length_ms, bytes, sha256, plays, \
                       rest_s, hidden, added_ms";

/// Why the index could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct ShelfError {
    path: PathBuf,
    reason: String,
}

impl ShelfError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        "look at the disk and its permissions"
    }
}

/// The sounds of all servers. Calls take a fraction of a millisecond, and up to two seconds while another
/// program writes.
#[derive(Debug)]
pub struct Shelf {
    root: PathBuf,
    db: Connection,
}

impl Shelf {
    /// Opens the index below `root`, or begins one. One that is damaged is put aside as
    /// `sounds.sqlite.damaged` first, never thrown away; the second value says so.
    ///
    /// # Errors
    /// When the folder cannot be written, or the index is of a later version.
    pub fn open(root: &Path) -> Result<(Self, bool), ShelfError> {
        let path = root.join(FILE);
        let wrong = |reason: String| ShelfError {
            path: path.clone(),
            reason,
        };
        std::fs::create_dir_all(root).map_err(|error| wrong(error.to_string()))?;
        let (db, aside) = match connect(&path) {
            Ok(db) => (db, false),
            Err(Unusable::Damaged(_)) if path.exists() => {
                let aside = path.with_extension("sqlite.damaged");
                std::fs::rename(&path, aside).map_err(|error| wrong(error.to_string()))?;
                let db = connect(&path).map_err(|error| wrong(error.to_string()))?;
                (db, true)
            }
            Err(error) => return Err(wrong(error.to_string())),
        };
        let root = root.to_owned();
        Ok((Self { root, db }, aside))
    }

    /// The folder of one server's files.
    #[must_use]
    pub fn folder(&self, guild: u64) -> PathBuf {
        self.root.join(guild.to_string())
    }

    /// The file of a sound.
    #[must_use]
    pub fn file(&self, guild: u64, sound: &Sound) -> PathBuf {
        self.folder(guild).join(format!("{}.opus", sound.sha256))
    }

    /// All sounds of a server that are not in the bin.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn sounds(&self, guild: u64) -> Result<Vec<Sound>, ShelfError> {
        self.select(guild, "deleted_ms IS NULL")
    }

    /// Those in the bin, the last deleted first.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn bin(&self, guild: u64) -> Result<Vec<Sound>, ShelfError> {
        self.select(guild, "deleted_ms IS NOT NULL")
    }

    fn select(&self, guild: u64, which: &str) -> Result<Vec<Sound>, ShelfError> {
        let order = "ORDER BY deleted_ms DESC, id";
        let sql = format!("SELECT {COLUMNS} FROM sounds WHERE guild = ?1 AND {which} {order}");
        let read = || -> rusqlite::Result<Vec<Sound>> {
            let mut all = self.db.prepare(&sql)?;
            all.query_map([guild.to_string()], sound)?.collect()
        };
        read().map_err(|error| self.wrong(&error))
    }

    /// Adds one; its number, whatever the one it came with.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn add(&mut self, guild: u64, sound: &Sound) -> Result<i64, ShelfError> {
        let sql = "INSERT INTO sounds (guild, name, aliases, tags, emoji, volume, uploader, length_ms, \
                   bytes, sha256, plays, rest_s, hidden, added_ms) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
        let values = params![
            guild.to_string(),
            sound.name,
            words(&sound.aliases),
            words(&sound.tags),
            sound.emoji,
            sound.volume,
            sound.uploader.to_string(),
            number(sound.length_ms),
            number(sound.bytes),
            sound.sha256,
            number(sound.plays),
            sound.rest_s,
            sound.hidden,
            number(sound.added_ms),
        ];
        let added = self.db.execute(sql, values);
        added.map_err(|error| self.wrong(&error))?;
        Ok(self.db.last_insert_rowid())
    }

    /// Writes what people can change of one.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn change(&mut self, sound: &Sound) -> Result<(), ShelfError> {
        let sql = "UPDATE sounds SET name = ?2, aliases = ?3, tags = ?4, emoji = ?5, volume = ?6, \
                   rest_s = ?7, hidden = ?8 WHERE id = ?1";
        let values = params![
            sound.id,
            sound.name,
            words(&sound.aliases),
            words(&sound.tags),
            sound.emoji,
            sound.volume,
            sound.rest_s,
            sound.hidden,
        ];
        self.run(sql, values)
    }

    /// It was played once more.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn played(&mut self, id: i64) -> Result<(), ShelfError> {
        self.run(
            "UPDATE sounds SET plays = plays + 1 WHERE id = ?1",
            params![id],
        )
    }

    /// Puts one into the bin, or takes it out again (`None`).
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn set_deleted(&mut self, id: i64, at_ms: Option<u64>) -> Result<(), ShelfError> {
        let at = at_ms.map(number);
        self.run(
            "UPDATE sounds SET deleted_ms = ?2 WHERE id = ?1",
            params![id, at],
        )
    }

    /// Throws away what was deleted before `before_ms`, and every file that no row names. How many
    /// files went.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn tidy(&mut self, before_ms: u64) -> Result<usize, ShelfError> {
        let sql = "DELETE FROM sounds WHERE deleted_ms IS NOT NULL AND deleted_ms < ?1";
        self.run(sql, params![number(before_ms)])?;
        let known = self.files().map_err(|error| self.wrong(&error))?;
        let mut gone = 0;
        for folder in entries(&self.root) {
            let guild = folder.file_name().and_then(|name| name.to_str());
            let Some(guild) = guild.filter(|name| name.bytes().all(|b| b.is_ascii_digit())) else {
                continue;
            };
            for file in entries(&folder) {
                let name = file
                    .file_stem()
                    .and_then(|name| name.to_str())
                    .unwrap_or("");
                let named = known.contains(&(guild.to_owned(), name.to_owned()));
                let whole = file.extension().is_some_and(|kind| kind == "opus");
                if !(named && whole) && is_ours(&file, name) && std::fs::remove_file(&file).is_ok()
                {
                    gone += 1;
                }
            }
        }
        Ok(gone)
    }

    /// Server and hash of every row.
    fn files(&self) -> rusqlite::Result<BTreeSet<(String, String)>> {
        let mut all = self.db.prepare("SELECT guild, sha256 FROM sounds")?;
        let all = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        all.collect()
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), ShelfError> {
        let done = self.db.execute(sql, values);
        done.map(drop).map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, error: &rusqlite::Error) -> ShelfError {
        ShelfError {
            path: self.root.join(FILE),
            reason: error.to_string(),
        }
    }
}

/// A sound's file or the beginning of one, and old enough that nobody is writing it.
fn is_ours(file: &Path, stem: &str) -> bool {
    let hash = stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    let modified = file.metadata().and_then(|about| about.modified());
    let age = modified.ok().and_then(|at| at.elapsed().ok());
    hash && age.is_some_and(|age| age > FRESH)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0}")]
    Damaged(#[from] rusqlite::Error),
    #[error("it was written by a later version of Mynah ({0}); use that one, or another folder")]
    Later(i64),
}

fn connect(path: &Path) -> Result<Connection, Unusable> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(PATIENCE)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > VERSION {
        return Err(Unusable::Later(version));
    }
    if version == 0 {
        let change = db.transaction()?;
        change.execute_batch(TABLES)?;
        change.pragma_update(None, "user_version", VERSION)?;
        change.commit()?;
    }
    // A file that is damaged further inside says so here, not in the middle of a command.
    let check = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match check.optional()?.as_deref() {
        None | Some("ok") => Ok(db),
        Some(words) => Err(Unusable::Damaged(rusqlite::Error::InvalidParameterName(
            words.to_owned(),
        ))),
    }
}

fn sound(row: &Row<'_>) -> rusqlite::Result<Sound> {
    let list = |at: usize| -> rusqlite::Result<Vec<String>> {
        let text: String = row.get(at)?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    };
    let count = |at: usize| -> rusqlite::Result<u64> {
        let number: i64 = row.get(at)?;
        Ok(u64::try_from(number).unwrap_or(0))
    };
    let uploader: String = row.get(6)?;
    Ok(Sound {
        id: row.get(0)?,
        name: row.get(1)?,
        aliases: list(2)?,
        tags: list(3)?,
        emoji: row.get(4)?,
        volume: row.get(5)?,
        uploader: uploader.parse().unwrap_or(0),
        length_ms: count(7)?,
        bytes: count(8)?,
        sha256: row.get(9)?,
        plays: count(10)?,
        rest_s: row.get(11)?,
        hidden: row.get(12)?,
        added_ms: count(13)?,
    })
}

fn words(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}

/// SQLite has no unsigned numbers; nothing here comes near the limit.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
