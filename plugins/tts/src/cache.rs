//! What was said before, in memory: the same greeting is not made twice. Never on the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// The hash of everything that makes a sound what it is. Words cannot be read from it.
pub type Key = [u8; 32];

/// Speech by its key, up to a number of bytes; what was not wanted for longest goes first.
#[derive(Debug)]
pub struct Cache {
    most_bytes: usize,
    bytes: usize,
    clock: u64,
    kept: BTreeMap<Key, Kept>,
}

#[derive(Debug)]
struct Kept {
    sound: Arc<[i16]>,
    used: u64,
}

/// The key of a text in a voice.
#[must_use]
pub fn key(engine: &str, voice: Option<&str>, speed: u16, pitch: u16, text: &str) -> Key {
    let mut hash = Sha256::new();
    for part in [engine, voice.unwrap_or("\0default"), text] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(speed.to_le_bytes());
    hash.update(pitch.to_le_bytes());
    hash.finalize().into()
}

impl Cache {
    /// Keeps up to `most_bytes` of sound; 0 keeps none.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            bytes: 0,
            clock: 0,
            kept: BTreeMap::new(),
        }
    }

    /// The sound, 48 kHz and one channel, if it is kept.
    pub fn find(&mut self, key: &Key) -> Option<Arc<[i16]>> {
        self.clock += 1;
        let kept = self.kept.get_mut(key)?;
        kept.used = self.clock;
        Some(Arc::clone(&kept.sound))
    }

    /// Keeps a sound, unless it is larger than a quarter of the room.
    pub fn keep(&mut self, key: Key, sound: Arc<[i16]>) {
        let size = size_of_val(&*sound);
        if size > self.most_bytes / 4 {
            return;
        }
        self.clock += 1;
        let new = Kept {
            sound,
            used: self.clock,
        };
        if let Some(old) = self.kept.insert(key, new) {
            self.bytes -= size_of_val(&*old.sound);
        }
        self.bytes += size;
        while self.bytes > self.most_bytes {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                break;
            };
            if let Some(old) = self.kept.remove(&oldest) {
                self.bytes -= size_of_val(&*old.sound);
            }
        }
    }

    /// Bytes of sound that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(samples: usize) -> Arc<[i16]> {
        vec![0; samples].into()
    }

    #[test]
    fn it_stays_within_its_bytes_and_forgets_the_oldest() {
        let mut cache = Cache::new(1_000);
        let name = |n: u16| key("espeak", None, n, 100, "hi");
        for n in 0..100 {
            cache.keep(name(n), sound(50));
            assert!(cache.bytes() <= 1_000);
            cache.find(&name(0));
        }
        assert!(cache.find(&name(0)).is_some() && cache.find(&name(99)).is_some());
        assert!(cache.find(&name(50)).is_none());
        cache.keep(name(0), sound(20));
        cache.keep(name(200), sound(5_000));
        assert!(cache.find(&name(200)).is_none(), "too large");
        let mut none = Cache::new(0);
        none.keep(name(1), sound(1));
        assert_eq!(none.bytes(), 0);
    }

    #[test]
    fn every_part_of_a_sound_makes_another_key() {
        let keys = [
            key("a", Some("b"), 100, 100, "c"),
            key("a", None, 100, 100, "c"),
            key("ab", Some(""), 100, 100, "c"),
            key("a", Some("b"), 101, 100, "c"),
            key("a", Some("b"), 100, 101, "c"),
            key("a", Some("b"), 100, 100, "d"),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }
}
