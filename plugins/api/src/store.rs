//! What a plugin keeps: small values by name, in a file of its own that outlives the bot.

use crate::{Call, Host, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// A plugin's memory; needs `store`. Keys have up to 512 bytes, values up to 1 MiB of JSON, all of them
/// together up to 64 MiB. What [`Store::set`] was asked for first is written first, and read back by
/// a [`Store::get`] that is asked for later.
#[derive(Clone, Debug)]
pub struct Store {
    host: Host,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// What is kept.
    pub value: Value,
}

impl Entry {
    /// The value as a type of yours.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when it has another form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(T::deserialize(&self.value)?)
    }
}

#[derive(Deserialize)]
struct Found<T> {
    value: Option<T>,
}

#[derive(Deserialize)]
struct Listed {
    entries: Vec<Entry>,
}

impl Store {
    pub(crate) fn new(host: Host) -> Self {
        Self { host }
    }

    /// What is kept under `key`.
    pub fn get<T: DeserializeOwned + 'static>(&self, key: &str) -> Call<Option<T>> {
        Call {
            op: self.host.op("store.get", json!({ "key": key })),
            read: |body| Ok(Found::<T>::deserialize(body)?.value),
        }
    }

    /// Keeps `value` under `key`. A value that is written as `null` takes the entry away.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when the value cannot be written as JSON.
    pub fn set(&self, key: &str, value: &impl Serialize) -> Result<Call<()>> {
        let args = json!({ "key": key, "value": serde_json::to_value(value)? });
        Ok(self.host.op("store.set", args).unit())
    }

    /// Takes away what is kept under `key`.
    pub fn remove(&self, key: &str) -> Call<()> {
        self.host.op("store.set", json!({ "key": key })).unit()
    }

    /// Entries whose key begins with `prefix`, in order, after the key `after`; at most 200 at once.
    pub fn list(&self, prefix: &str, after: &str) -> Call<Vec<Entry>> {
        let args = json!({ "prefix": prefix, "after": after });
        Call {
            op: self.host.op("store.list", args),
            read: |body| Ok(Listed::deserialize(body)?.entries),
        }
    }
}
