//! The library over time: scanned at the start and again when it may have changed, tags read one by one.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use crate::calls::{Call, Caller, Outcome};
use crate::desk::Desk;
use crate::ids::Ticket;
use crate::library::scan::{MAX_DEPTH, MAX_FILES, Note, Scan};
use crate::library::{Entry, Library, Search};
use crate::queue::Origin;
use crate::says;

/// A scan this old is repeated, in the background, when somebody uses the library.
const STALE_AFTER: Duration = Duration::from_secs(60);
/// Nothing found in a scan younger than this: the file is not there. Otherwise it is looked for anew.
const TRUSTED_FOR: Duration = Duration::from_secs(2);

/// The index and what is under way to keep it true.
#[derive(Debug)]
pub(super) struct Shelf {
    folders: Vec<PathBuf>,
    library: Library,
    scan: Option<(Ticket, Scan)>,
    scanned: Option<Duration>,
    /// Queries that wait for the scan under way.
    waiting: Vec<(Caller, String)>,
    /// Files whose tags are still to be read, and the one being read.
    untagged: VecDeque<PathBuf>,
    tagging: Option<(Ticket, PathBuf)>,
    told: Vec<Note>,
}

/// What became of a query.
pub(super) enum Looked<'a> {
    /// This file is meant.
    Found(&'a Entry),
    /// A scan has to end first; the query comes back from [`Shelf::outcome`].
    Later,
    /// Nothing fits, said in words.
    Nothing(String),
}

impl Shelf {
    pub(super) fn new(desk: &mut Desk, now: Duration, folders: Vec<PathBuf>) -> Self {
        let mut shelf = Self {
            folders,
            library: Library::default(),
            scan: None,
            scanned: None,
            waiting: Vec::new(),
            untagged: VecDeque::new(),
            tagging: None,
            told: Vec::new(),
        };
        shelf.rescan(desk, now);
        shelf
    }

    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        self.scan.as_ref().is_some_and(|(t, _)| *t == ticket)
            || self.tagging.as_ref().is_some_and(|(t, _)| *t == ticket)
    }

    /// Scans again if the last scan is old.
    pub(super) fn freshen(&mut self, desk: &mut Desk, now: Duration) {
        if self.age(now).is_none_or(|age| age >= STALE_AFTER) {
            self.rescan(desk, now);
        }
    }

    /// The file a query means; what is not there is looked for on the disk once more.
    pub(super) fn look_up(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        caller: &Caller,
        query: &str,
    ) -> Looked<'_> {
        self.freshen(desk, now);
        let hit = matches!(self.library.find(query), Search::Hit(_));
        if !hit && self.age(now).is_none_or(|age| age >= TRUSTED_FOR) {
            self.rescan(desk, now);
        }
        if !hit && self.scan.is_some() {
            self.waiting.push((caller.clone(), query.to_owned()));
            return Looked::Later;
        }
        match self.library.find(query) {
            Search::Hit(entry) => Looked::Found(entry),
            Search::Nothing(_) if self.library.is_empty() => Looked::Nothing(says::library_empty()),
            Search::Nothing(close) => {
                let close: Vec<_> = close.into_iter().map(Entry::label).collect();
                Looked::Nothing(says::nothing_found(query, &close))
            }
        }
    }

    /// Takes an outcome and returns the queries that can be answered now.
    pub(super) fn outcome(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        ticket: Ticket,
        outcome: Outcome,
    ) -> Vec<(Caller, String)> {
        if let Some((_, mut scan)) = self.scan.take_if(|(t, _)| *t == ticket) {
            scan.listed(match outcome {
                Outcome::Listing(listing) => Ok(listing),
                Outcome::Failed(reason) => Err(reason),
                other => Err(format!(
                    "the host answered {other:?} to a request for a listing"
                )),
            });
            return self.walk_on(desk, now, scan);
        }
        if let Some((_, path)) = self.tagging.take_if(|(t, _)| *t == ticket) {
            // A file without readable tags stays untagged: `/play` asks again and tells the reason.
            if let Outcome::Tags(tags) = outcome {
                self.library.tag(&path, tags);
            }
            self.read_tags(desk);
        }
        Vec::new()
    }

    fn age(&self, now: Duration) -> Option<Duration> {
        self.scanned.map(|at| now.saturating_sub(at))
    }

    fn rescan(&mut self, desk: &mut Desk, now: Duration) {
        if self.scan.is_none() {
            let scan = Scan::new(&self.folders);
            // Queries wait only for a scan under way, so there are none to return before the first listing.
            let returned = self.walk_on(desk, now, scan);
            self.waiting.extend(returned);
        }
    }

    fn walk_on(&mut self, desk: &mut Desk, now: Duration, mut scan: Scan) -> Vec<(Caller, String)> {
        if let Some(folder) = scan.advance() {
            let ticket = desk.call(Call::List(folder.to_owned()));
            self.scan = Some((ticket, scan));
            return Vec::new();
        }
        let (found, notes) = scan.finish();
        if !self.library.holds(&found) {
            self.library = Library::build(found, &self.library);
            let untagged = self.library.entries().filter(|entry| entry.tags.is_none());
            self.untagged = untagged.map(|entry| entry.path.clone()).collect();
        }
        self.scanned = Some(now);
        for note in notes.iter().filter(|note| !self.told.contains(note)) {
            desk.warn(told(note));
        }
        self.told = notes; // the same trouble is told once, not at every scan
        self.read_tags(desk);
        std::mem::take(&mut self.waiting)
    }

    /// Reads the tags of the next file; one at a time, so that playing never waits for it.
    fn read_tags(&mut self, desk: &mut Desk) {
        if self.tagging.is_none()
            && let Some(path) = self.untagged.pop_front()
        {
            let ticket = desk.call(Call::Probe(Origin::File(path.clone())));
            self.tagging = Some((ticket, path));
        }
    }
}

fn told(note: &Note) -> String {
    match note {
        Note::Unreadable(path, reason) => {
            format!(
                "the library folder {} cannot be read: {reason}; check `library` and `grant` in [plugins.music]",
                path.display()
            )
        }
        Note::TooManyFiles => {
            format!("the library holds more than {MAX_FILES} files; the rest is left out")
        }
        Note::CutShort(path) => {
            format!(
                "the library folder {} holds more than can be listed; the rest is left out",
                path.display()
            )
        }
        Note::TooDeep(path) => format!(
            "{} lies more than {MAX_DEPTH} folders deep and is left out",
            path.display()
        ),
    }
}
