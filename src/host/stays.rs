//! Where the bot stays for good, also when nobody is there, and comes back to after a restart
//! (product.md section 1, "24/7"): `/voice stay`.

use crate::{OpError, store::Store};
use mynah_wire::{ChannelId, GuildId};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What they are called in the store.
const PREFIX: &str = "stay/";

/// One channel for each server at most, kept on disk.
pub(crate) struct Stays {
    store: Store,
    known: Mutex<BTreeMap<GuildId, ChannelId>>,
}

impl Stays {
    /// Those that were kept; what cannot be read is forgotten.
    pub(crate) fn new(store: Store) -> Self {
        let mut known = BTreeMap::new();
        let mut after = String::new();
        // The store hands them out in pages.
        while let Ok(page) = store.list(PREFIX, &after) {
            let entries = page.get("entries").and_then(Value::as_array);
            let Some(entries) = entries.filter(|entries| !entries.is_empty()) else {
                break;
            };
            for entry in entries {
                let key = entry.get("key").and_then(Value::as_str).unwrap_or_default();
                let channel = entry.get("value").and_then(Value::as_str);
                let guild = key.strip_prefix(PREFIX);
                let guild: Option<GuildId> = guild.and_then(|id| id.parse().ok());
                let channel: Option<ChannelId> = channel.and_then(|id| id.parse().ok());
                known.extend(guild.zip(channel));
                key.clone_into(&mut after);
            }
        }
        Self {
            store,
            known: Mutex::new(known),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<GuildId, ChannelId>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(GuildId, ChannelId)> {
        self.known()
            .iter()
            .map(|(guild, channel)| (*guild, *channel))
            .collect()
    }

    /// Does the bot stay in this server?
    pub(crate) fn has(&self, guild: GuildId) -> bool {
        self.known().contains_key(&guild)
    }

    /// It stays there from now on; with `None` nowhere in this server. Blocks for the disk.
    ///
    /// # Errors
    /// It cannot be kept; then nothing has changed.
    pub(crate) fn set(&self, guild: GuildId, channel: Option<ChannelId>) -> Result<(), OpError> {
        let key = format!("{PREFIX}{guild}");
        let value = channel.map_or(Value::Null, |channel| channel.to_string().into());
        self.store.set(&key, &value)?;
        match channel {
            Some(channel) => drop(self.known().insert(guild, channel)),
            None => drop(self.known().remove(&guild)),
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_there_after_a_restart_and_what_was_taken_back_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Stays::new(Store::open(Some(folder.path()), "bot").unwrap());
        let stays = open();
        for guild in 1..400 {
            let channel = ChannelId::new(1000 + guild);
            stays.set(GuildId::new(guild), Some(channel)).unwrap();
        }
        stays.set(GuildId::new(7), None).unwrap();
        stays.set(GuildId::new(8), Some(ChannelId::new(5))).unwrap();
        drop(stays);
        let stays = open();
        assert_eq!(stays.all().len(), 398);
        assert!(!stays.has(GuildId::new(7)));
        assert!(stays.all().contains(&(GuildId::new(8), ChannelId::new(5))));
    }
}
