//! Settings on the disk: one SQLite file. No text of a message is ever in it.
//!
//! Every call is a handful of pages; they happen on the plugin's control thread, like the reading
//! of a cache. The file is in WAL mode: a crash loses nothing that was answered.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::rules::Rules;
use crate::voices::Choice;

/// Words that one person, and a server, may have in a dictionary.
pub const MAX_WORDS_PERSON: usize = 200;
/// See [`MAX_WORDS_PERSON`].
pub const MAX_WORDS_SERVER: usize = 1_000;
/// Channels that are read by themselves in one server.
pub const MAX_AUTO: usize = 50;
/// The server's own settings stand under this person, whom Discord never makes.
const SERVER: u64 = 0;
/// Somebody else (a backup, a person with `sqlite3`) may hold the file so long.
const BUSY: Duration = Duration::from_millis(500);
/// What this program writes into `user_version`.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE voices (guild INTEGER, user INTEGER, engine TEXT, voice TEXT, speed INTEGER,
        pitch INTEGER, volume INTEGER, PRIMARY KEY (guild, user)) WITHOUT ROWID;
    CREATE TABLE words (guild INTEGER, user INTEGER, word TEXT, reading TEXT NOT NULL,
        PRIMARY KEY (guild, user, word)) WITHOUT ROWID;
    CREATE TABLE optouts (guild INTEGER, user INTEGER, PRIMARY KEY (guild, user)) WITHOUT ROWID;
    CREATE TABLE autos (guild INTEGER, channel INTEGER, PRIMARY KEY (guild, channel)) WITHOUT ROWID;
    CREATE TABLE rules (guild INTEGER PRIMARY KEY, json TEXT NOT NULL);
";

/// What can go wrong with the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite says why.
    #[error("the settings cannot be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The folder cannot be made.
    #[error("the folder for the settings cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    /// A newer program wrote it.
    #[error("the settings were written by a newer version ({0})")]
    Newer(i64),
    /// A limit is reached.
    #[error("there is no room for more than {0}")]
    Full(usize),
    /// Rules cannot be written as JSON, or read.
    #[error("the rules make no sense: {0}")]
    Json(#[from] serde_json::Error),
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => {
                "look at tts.sqlite: its folder must be writable and the disk not full"
            }
            Self::Folder(_) => "make the data folder writable",
            Self::Newer(_) => "start the newer version, or move tts.sqlite away",
            Self::Full(_) => "remove something first",
            Self::Json(_) => "set the rules again",
        }
    }
}

type Result<T> = core::result::Result<T, StoreError>;

/// The settings of all servers.
#[derive(Debug)]
pub struct Store {
    db: Connection,
}

impl Store {
    /// Opens `tts.sqlite` in a folder, and makes both if they are not there.
    ///
    /// # Errors
    /// When it cannot be opened, or a newer version wrote it.
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        Self::with(Connection::open(folder.join("tts.sqlite"))?)
    }

    /// In memory: for tests.
    ///
    /// # Errors
    /// None that are known.
    pub fn in_memory() -> Result<Self> {
        Self::with(Connection::open_in_memory()?)
    }

    fn with(mut db: Connection) -> Result<Self> {
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            0 => {
                let making = db.transaction()?;
                making.execute_batch(TABLES)?;
                making.pragma_update(None, "user_version", VERSION)?;
                making.commit()?;
            }
            VERSION => {}
            newer => return Err(StoreError::Newer(newer)),
        }
        Ok(Self { db })
    }

    /// What a person chose in a server.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn voice(&self, guild: u64, user: u64) -> Result<Choice> {
        let mut ask = self.db.prepare(
            "SELECT engine, voice, speed, pitch, volume FROM voices WHERE guild = ?1 AND user = ?2",
        )?;
        let found = ask.query_row(params![key(guild), key(user)], |row| {
            Ok(Choice {
                engine: row.get(0)?,
                voice: row.get(1)?,
                speed: row.get(2)?,
                pitch: row.get(3)?,
                volume: row.get(4)?,
            })
        });
        Ok(found.optional()?.unwrap_or_default())
    }

    /// What people have who chose nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn server_voice(&self, guild: u64) -> Result<Choice> {
        self.voice(guild, SERVER)
    }

    /// Remembers a choice; an empty one is forgotten.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_voice(&self, guild: u64, user: u64, choice: &Choice) -> Result<()> {
        if choice.is_empty() {
            let mut ask = self
                .db
                .prepare("DELETE FROM voices WHERE guild = ?1 AND user = ?2")?;
            ask.execute(params![key(guild), key(user)])?;
            return Ok(());
        }
        let mut ask = self
            .db
            .prepare("INSERT OR REPLACE INTO voices VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        ask.execute(params![
            key(guild),
            key(user),
            choice.engine,
            choice.voice,
            choice.speed,
            choice.pitch,
            choice.volume
        ])?;
        Ok(())
    }

    /// Remembers what people have who chose nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_server_voice(&self, guild: u64, choice: &Choice) -> Result<()> {
        self.set_voice(guild, SERVER, choice)
    }

    /// The words of a person, or of the server (`None`), by the alphabet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn words(&self, guild: u64, user: Option<u64>) -> Result<Vec<(String, String)>> {
        let mut ask = self.db.prepare(
            "SELECT word, reading FROM words WHERE guild = ?1 AND user = ?2 ORDER BY word",
        )?;
        let user = user.unwrap_or(SERVER);
        let rows = ask.query_map(params![key(guild), key(user)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Adds a word, or changes it: both as [`crate::text::check_word`] gives them.
    ///
    /// # Errors
    /// [`StoreError::Full`], or when the file cannot be written.
    pub fn add_word(&self, guild: u64, user: Option<u64>, word: &str, reading: &str) -> Result<()> {
        let most = if user.is_some() {
            MAX_WORDS_PERSON
        } else {
            MAX_WORDS_SERVER
        };
        let words = self.words(guild, user)?;
        if words.len() >= most && !words.iter().any(|(known, _)| known == word) {
            return Err(StoreError::Full(most));
        }
        let mut ask = self
            .db
            .prepare("INSERT OR REPLACE INTO words VALUES (?1, ?2, ?3, ?4)")?;
        ask.execute(params![
            key(guild),
            key(user.unwrap_or(SERVER)),
            word,
            reading
        ])?;
        Ok(())
    }

    /// Takes a word out. True if it was there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove_word(&self, guild: u64, user: Option<u64>, word: &str) -> Result<bool> {
        let mut ask = self
            .db
            .prepare("DELETE FROM words WHERE guild = ?1 AND user = ?2 AND word = ?3")?;
        let user = user.unwrap_or(SERVER);
        Ok(ask.execute(params![key(guild), key(user), word])? > 0)
    }

    /// Whether a person's messages are never read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_out(&self, guild: u64, user: u64) -> Result<bool> {
        self.has(
            "SELECT 1 FROM optouts WHERE guild = ?1 AND user = ?2",
            guild,
            user,
        )
    }

    /// A person's messages are never read, or are again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_out(&self, guild: u64, user: u64, out: bool) -> Result<()> {
        let text = if out {
            "INSERT OR IGNORE INTO optouts VALUES (?1, ?2)"
        } else {
            "DELETE FROM optouts WHERE guild = ?1 AND user = ?2"
        };
        self.db
            .prepare(text)?
            .execute(params![key(guild), key(user)])?;
        Ok(())
    }

    /// Whether a channel is read by itself.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_auto(&self, guild: u64, channel: u64) -> Result<bool> {
        self.has(
            "SELECT 1 FROM autos WHERE guild = ?1 AND channel = ?2",
            guild,
            channel,
        )
    }

    /// The channels that are read by themselves.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn autos(&self, guild: u64) -> Result<Vec<u64>> {
        let mut ask = self
            .db
            .prepare("SELECT channel FROM autos WHERE guild = ?1 ORDER BY channel")?;
        let rows = ask.query_map(params![key(guild)], |row| row.get::<_, i64>(0))?;
        let rows: rusqlite::Result<Vec<i64>> = rows.collect();
        Ok(rows?.into_iter().map(i64::cast_unsigned).collect())
    }

    /// A channel is read by itself, or no longer. True if that is new.
    ///
    /// # Errors
    /// [`StoreError::Full`], or when the file cannot be written.
    pub fn set_auto(&self, guild: u64, channel: u64, on: bool) -> Result<bool> {
        if on && self.autos(guild)?.len() >= MAX_AUTO && !self.is_auto(guild, channel)? {
            return Err(StoreError::Full(MAX_AUTO));
        }
        let text = if on {
            "INSERT OR IGNORE INTO autos VALUES (?1, ?2)"
        } else {
            "DELETE FROM autos WHERE guild = ?1 AND channel = ?2"
        };
        let changed = self
            .db
            .prepare(text)?
            .execute(params![key(guild), key(channel)])?;
        Ok(changed > 0)
    }

    /// The rules of a server.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rules(&self, guild: u64) -> Result<Rules> {
        let mut ask = self.db.prepare("SELECT json FROM rules WHERE guild = ?1")?;
        let json: Option<String> = ask
            .query_row(params![key(guild)], |row| row.get(0))
            .optional()?;
        Ok(json.map_or_else(|| Ok(Rules::default()), |json| serde_json::from_str(&json))?)
    }

    /// Remembers the rules of a server.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_rules(&self, guild: u64, rules: &Rules) -> Result<()> {
        let json = serde_json::to_string(rules)?;
        let mut ask = self
            .db
            .prepare("INSERT OR REPLACE INTO rules VALUES (?1, ?2)")?;
        ask.execute(params![key(guild), json])?;
        Ok(())
    }

    fn has(&self, text: &str, guild: u64, other: u64) -> Result<bool> {
        Ok(self
            .db
            .prepare(text)?
            .exists(params![key(guild), key(other)])?)
    }
}

/// SQLite's integers have a sign; ids use all 64 bits.
fn key(id: u64) -> i64 {
    id.cast_signed()
}

#[cfg(test)]
mod tests;
