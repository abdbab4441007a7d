//! What a plugin keeps: small values by name, and its state between two runs. One SQLite file for each
//! plugin, `<data>/plugins/<id>.sqlite`; without a folder, in memory.
//!
//! Calls take some ten microseconds: what was written survives the end of the process at once
//! (`journal_mode = WAL`, `synchronous = NORMAL`), and a power cut from some seconds later on.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use serde_json::{Value, json};

use crate::OpError;

/// The longest name of a value, in bytes.
pub const MAX_KEY_BYTES: usize = 512;
/// The largest value, in bytes of JSON: 1 MiB.
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// The largest saved state, in bytes: 16 MiB.
pub const MAX_SAVED_BYTES: usize = 16 << 20;
/// Entries one `store.list` answers with at most.
pub const MAX_LISTED: usize = 200;
/// The whole file: 64 MiB in pages of 4 KiB.
const MAX_PAGES: i64 = (64 << 20) / 4_096;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS saved (one INTEGER PRIMARY KEY CHECK (one = 1), state BLOB NOT NULL) STRICT;
";

/// One plugin's memory.
#[derive(Debug)]
pub(crate) struct Store {
    path: Option<PathBuf>,
    /// `None` when there is not even memory.
    db: Mutex<Option<Connection>>,
}

impl Store {
    /// Opens `<folder>/<id>.sqlite`, or an empty one in memory. A damaged file is put aside.
    pub(crate) fn open(folder: Option<&Path>, id: &str) -> Result<Self, String> {
        let Some(folder) = folder else {
            return Ok(Self::in_memory());
        };
        let path = folder.join(format!("{id}.sqlite"));
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        std::fs::create_dir_all(folder).map_err(|error| wrong(&error))?;
        let open = || Connection::open(&path).and_then(prepare);
        let db = match open() {
            Ok(db) => db,
            Err(error) if is_damage(&error) => {
                let aside = path.with_extension("sqlite.damaged");
                tracing::error!(
                    plugin = id,
                    %error,
                    "what it kept cannot be read; it begins anew, and the file is now {}",
                    aside.display()
                );
                std::fs::rename(&path, aside).map_err(|error| wrong(&error))?;
                open().map_err(|error| wrong(&error))?
            }
            Err(error) => return Err(wrong(&error)),
        };
        Ok(Self {
            path: Some(path.clone()),
            db: Mutex::new(Some(db)),
        })
    }

    /// One that lasts as long as the program.
    pub(crate) fn in_memory() -> Self {
        let db = Connection::open_in_memory().and_then(prepare);
        Self {
            path: None,
            db: Mutex::new(db.ok()),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, OpError> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = db.as_ref() else {
            return Err(OpError::Failed("there is no memory for a store".into()));
        };
        work(db).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rusqlite::Error) -> OpError {
        let full = matches!(error, rusqlite::Error::SqliteFailure(failure, _)
            if failure.code == ErrorCode::DiskFull);
        let place = match &self.path {
            Some(path) => path.display().to_string(),
            None => "the store".to_owned(),
        };
        OpError::Failed(match full {
            true => format!("{place} is full: the disk is, or the 64 MiB a plugin may keep are"),
            false => format!("{place}: {error}"),
        })
    }

    /// `{"value": …}`; null when there is none.
    pub(crate) fn get(&self, key: &str) -> Result<Value, OpError> {
        let found: Option<String> = self.with(|db| {
            db.query_row("SELECT value FROM entries WHERE key = ?1", [key], |row| {
                row.get(0)
            })
            .optional()
        })?;
        let value = found.map_or(Value::Null, |text| {
            serde_json::from_str(&text).unwrap_or(Value::Null)
        });
        Ok(json!({ "value": value }))
    }

    /// Null takes the entry away.
    pub(crate) fn set(&self, key: &str, value: &Value) -> Result<Value, OpError> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(OpError::Invalid(format!(
                "store.set: a key has 1 to {MAX_KEY_BYTES} bytes"
            )));
        }
        let text = value.to_string();
        if text.len() > MAX_VALUE_BYTES {
            return Err(OpError::Invalid(format!(
                "store.set: `{key}` has {} bytes; {MAX_VALUE_BYTES} are the most",
                text.len()
            )));
        }
        self.with(|db| match value {
            Value::Null => db.execute("DELETE FROM entries WHERE key = ?1", [key]),
            _ => db.execute(
                "INSERT OR REPLACE INTO entries VALUES (?1, ?2)",
                [key, &text],
            ),
        })?;
        Ok(Value::Null)
    }

    /// Entries whose key begins with `prefix` and comes after `after`, in order of their keys.
    pub(crate) fn list(&self, prefix: &str, after: &str) -> Result<Value, OpError> {
        let entries = self.with(|db| {
            let mut asked = db.prepare(
                "SELECT key, value FROM entries
                 WHERE substr(key, 1, length(?1)) = ?1 AND key >= ?1 AND key > ?2
                 ORDER BY key LIMIT ?3",
            )?;
            let rows = asked.query_map(params![prefix, after, MAX_LISTED as i64], |row| {
                let (key, text): (String, String) = (row.get(0)?, row.get(1)?);
                let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
                Ok(json!({ "key": key, "value": value }))
            })?;
            rows.collect::<rusqlite::Result<Vec<Value>>>()
        })?;
        Ok(json!({ "entries": entries }))
    }

    /// The state of the run before; empty when there was none.
    pub(crate) fn saved(&self) -> Vec<u8> {
        let found = self.with(|db| {
            db.query_row("SELECT state FROM saved", [], |row| row.get(0))
                .optional()
        });
        found.ok().flatten().unwrap_or_default()
    }

    /// Keeps a state for the next run.
    pub(crate) fn keep(&self, state: &[u8]) -> Result<(), OpError> {
        if state.len() > MAX_SAVED_BYTES {
            return Err(OpError::Invalid(format!(
                "its state has {} bytes; {MAX_SAVED_BYTES} are the most",
                state.len()
            )));
        }
        let kept =
            self.with(|db| db.execute("INSERT OR REPLACE INTO saved VALUES (1, ?1)", [state]));
        kept.map(drop)
    }
}

fn prepare(db: Connection) -> rusqlite::Result<Connection> {
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "secure_delete", "ON")?;
    db.pragma_update(None, "max_page_count", MAX_PAGES)?;
    db.execute_batch(TABLES)?;
    Ok(db)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_there_in_the_next_run_and_each_plugin_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path()), "dice").unwrap();
        store.set("a/1", &json!({ "sides": 6 })).unwrap();
        store.set("a/2", &json!(2)).unwrap();
        store.set("b", &json!("x")).unwrap();
        store.set("b", &Value::Null).unwrap();
        store.keep(b"state").unwrap();
        drop(store);
        let store = Store::open(Some(folder.path()), "dice").unwrap();
        assert_eq!(store.get("a/1").unwrap()["value"]["sides"], 6);
        assert_eq!(store.get("b").unwrap()["value"], Value::Null);
        let listed = store.list("a/", "a/1").unwrap();
        assert_eq!(listed, json!({ "entries": [{ "key": "a/2", "value": 2 }] }));
        assert_eq!(store.list("%", "").unwrap(), json!({ "entries": [] }));
        assert_eq!(store.saved(), b"state");
        let other = Store::open(Some(folder.path()), "music").unwrap();
        assert_eq!(other.get("a/1").unwrap()["value"], Value::Null);
        assert!(other.saved().is_empty());
    }

    #[test]
    fn limits_are_said_in_words_and_a_damaged_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("dice.sqlite"),
            "no database at all, ".repeat(300),
        )
        .unwrap();
        let store = Store::open(Some(folder.path()), "dice").unwrap();
        assert!(folder.path().join("dice.sqlite.damaged").exists());
        let long = "k".repeat(MAX_KEY_BYTES + 1);
        for key in ["", long.as_str()] {
            assert!(
                store
                    .set(key, &json!(1))
                    .unwrap_err()
                    .to_string()
                    .contains("512")
            );
        }
        let large = json!("v".repeat(MAX_VALUE_BYTES));
        assert!(
            store
                .set("k", &large)
                .unwrap_err()
                .to_string()
                .contains("1048576")
        );
        let large = json!("v".repeat(MAX_VALUE_BYTES - 2));
        let full = (0..100).find_map(|n| store.set(&n.to_string(), &large).err());
        assert!(full.unwrap().to_string().contains("is full"));
        assert!(store.keep(&vec![0; MAX_SAVED_BYTES + 1]).is_err());
    }
}
