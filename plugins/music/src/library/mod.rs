//! The library: every sound file of the granted folders, kept in memory and searched there.

pub mod scan;
mod search;
#[cfg(test)]
mod tests;
pub mod words;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::scan::Found;
use self::words::plain;

/// What the tags of a file say. All of it may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// The title.
    pub title: Option<String>,
    /// Who performs it.
    pub artist: Option<String>,
    /// The album it is on.
    pub album: Option<String>,
    /// How long it is.
    pub length: Option<Duration>,
}

impl Tags {
    /// What to call a file with these tags: `Artist – Title`, else the title, else the name of the file.
    #[must_use]
    pub fn label(&self, file_name: &str) -> String {
        let filled = |text: &Option<String>| {
            text.as_deref()
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        match (filled(&self.artist), filled(&self.title)) {
            (Some(artist), Some(title)) => format!("{artist} – {title}"),
            (None, Some(title)) => title,
            (_, None) => stem(file_name).to_owned(),
        }
    }
}

/// One file of the library.
#[derive(Debug, Clone)]
pub struct Entry {
    /// A name for this file that stays the same over restarts and says nothing about the disk.
    pub id: String,
    /// Where the file is.
    pub path: PathBuf,
    /// Where it is below its library folder, with `/` between the parts.
    pub relative: String,
    /// What changes when the file does.
    pub stamp: (u64, u64),
    /// Its tags, once they have been read.
    pub tags: Option<Tags>,
    words: Words,
}

/// What a search looks at, made plain once.
#[derive(Debug, Clone, Default)]
struct Words {
    title: String,
    artist: String,
    album: String,
    folder: String,
}

impl Entry {
    /// What to call this file in front of people.
    #[must_use]
    pub fn label(&self) -> String {
        self.tags.as_ref().map_or_else(
            || stem(&self.relative).to_owned(),
            |tags| tags.label(&self.relative),
        )
    }

    fn refresh_words(&mut self) {
        let tags = self.tags.clone().unwrap_or_default();
        let (folder, name) = self
            .relative
            .rsplit_once('/')
            .unwrap_or(("", &self.relative));
        let of = |text: &Option<String>| plain(text.as_deref().unwrap_or_default());
        // The file's name stays searchable beside its tags: people remember either.
        let (tagged, named) = (of(&tags.title), plain(stem(name)));
        self.words = Words {
            title: if tagged.is_empty() {
                named.clone()
            } else {
                tagged
            },
            artist: of(&tags.artist),
            album: of(&tags.album),
            folder: format!("{} {named}", plain(folder)),
        };
    }
}

/// The index over all files.
#[derive(Debug, Default)]
pub struct Library {
    entries: Vec<Entry>,
    by_id: HashMap<String, usize>,
    by_path: HashMap<PathBuf, usize>,
}

/// The answer to a query.
#[derive(Debug)]
pub enum Search<'a> {
    /// This one is meant.
    Hit(&'a Entry),
    /// Nothing fits; these (at most three) are closest.
    Nothing(Vec<&'a Entry>),
}

impl Library {
    /// Makes the index of what a scan found; tags that `old` knows of unchanged files are kept.
    #[must_use]
    pub fn build(mut found: Vec<Found>, old: &Self) -> Self {
        found.sort_by(|a, b| {
            a.relative
                .cmp(&b.relative)
                .then_with(|| a.path.cmp(&b.path))
        });
        found.dedup_by(|a, b| a.path == b.path);
        let mut library = Self::default();
        for file in found {
            let mut entry = Entry {
                id: library.free_id(&file.relative),
                tags: old
                    .at_path(&file.path)
                    .filter(|known| known.stamp == file.stamp)
                    .and_then(|known| known.tags.clone()),
                stamp: file.stamp,
                path: file.path,
                relative: file.relative,
                words: Words::default(),
            };
            entry.refresh_words();
            let place = library.entries.len();
            library.by_id.insert(entry.id.clone(), place);
            library.by_path.insert(entry.path.clone(), place);
            library.entries.push(entry);
        }
        library
    }

    /// Whether a scan found exactly what is in the index already.
    #[must_use]
    pub fn holds(&self, found: &[Found]) -> bool {
        let known = |file: &Found| {
            self.at_path(&file.path)
                .is_some_and(|e| e.stamp == file.stamp)
        };
        found.len() == self.entries.len() && found.iter().all(known)
    }

    /// The id of a file: a hash of its place in the library, numbered on where two folders hold the same.
    fn free_id(&self, relative: &str) -> String {
        let mut salted = relative.to_owned();
        loop {
            let id = format!("lib:{:016x}", fnv1a(salted.as_bytes()));
            if !self.by_id.contains_key(&id) {
                return id;
            }
            let _ = write!(salted, "\0");
        }
    }

    /// Writes down the tags of a file, if it is in the library.
    pub fn tag(&mut self, path: &Path, tags: Tags) {
        if let Some(entry) = self
            .by_path
            .get(path)
            .and_then(|place| self.entries.get_mut(*place))
        {
            entry.tags = Some(tags);
            entry.refresh_words();
        }
    }

    /// The file with this id.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Option<&Entry> {
        self.by_id
            .get(id)
            .and_then(|place| self.entries.get(*place))
    }

    /// The file at this full path.
    #[must_use]
    pub fn at_path(&self, path: &Path) -> Option<&Entry> {
        self.by_path
            .get(path)
            .and_then(|place| self.entries.get(*place))
    }

    /// All files, in the order of their places.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many files there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The one file a query means: by id, by path, else by words; or what comes closest.
    #[must_use]
    pub fn find(&self, query: &str) -> Search<'_> {
        let query = query.trim();
        let exact = self.with_id(query).or_else(|| self.by_place(query));
        match exact.or_else(|| search::ranked(&self.entries, query, 1).first().copied()) {
            Some(entry) => Search::Hit(entry),
            None => Search::Nothing(search::closest(&self.entries, query, 3)),
        }
    }

    /// Up to `count` files for what has been typed so far, best first.
    #[must_use]
    pub fn suggest(&self, typed: &str, count: usize) -> Vec<&Entry> {
        if plain(typed).is_empty() {
            return self.entries.iter().take(count).collect();
        }
        let hits = search::ranked(&self.entries, typed, count);
        if hits.is_empty() {
            search::closest(&self.entries, typed, count.min(5))
        } else {
            hits
        }
    }

    /// A query that is a path: whole, below a library folder, or its last parts. Only files of the index
    /// can come out, so no spelling of a path leads out of the library.
    fn by_place(&self, query: &str) -> Option<&Entry> {
        let query = query.replace('\\', "/");
        let query = query.strip_prefix("./").unwrap_or(&query);
        if !query.contains('/') && !scan::has_sound_ending(query) {
            return None;
        }
        if let Some(entry) = self.at_path(Path::new(query)) {
            return Some(entry);
        }
        let hits = || {
            self.entries
                .iter()
                .filter(|entry| entry.path.ends_with(query))
        };
        hits()
            .find(|entry| entry.relative == query)
            .or_else(|| hits().next())
    }
}

/// A file name without folders and ending.
fn stem(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// FNV-1a, 64 bits (draft-eastlake-fnv): unlike the standard library's hasher it never changes, and the
/// ids it gives are kept by people and by Discord.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
