//! The account of every frame that reached a receiver: heard, or lost and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use mynah_dave::BaseSecret;
use mynah_wire::UserId;

/// The unavoidable windows; see the [module](super) for why each is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// Arrived before the session description (op 4), which brings the transport's key.
    BeforeTransport,
    /// Sealed in an epoch that the receiver, which joined meanwhile, is not a member of.
    JoinedLater,
    /// As before, but the receiver had to be let in anew: it could not use a commit or a welcome.
    Recovering,
    /// As before, but the whole group is being formed anew.
    Regrouping,
    /// Plain, because the sender's upgrade was not executed yet when the receiver, which joined as
    /// encrypted, could take nothing plain.
    Upgrading,
    /// Plain, and faster than the announcement (op 21) that plain frames would come.
    Downgrading,
    /// The receiver's websocket was broken or slow, so the keys came more than 2 s after the frame.
    LateKeys,
    /// The sender's websocket was broken: it speaks in an epoch that ended over 10 s ago.
    SenderBehind,
    /// The sender was gone before its frame could be opened.
    SenderLeft,
}

/// Everything that was counted in a world, or in many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that left a client.
    pub sent: u64,
    /// Copies of them that reached a receiver.
    pub reached: u64,
    /// Copies that were heard.
    pub heard: u64,
    /// Copies whose receiver ended its connection before it was decided.
    pub receiver_gone: u64,
    /// Copies lost, by unavoidable window.
    pub windows: BTreeMap<Window, u64>,
    /// Epochs entered by clients.
    pub epochs: u64,
    /// How often a client asked to be let in anew (op 31).
    pub recoveries: u64,
    /// Websockets resumed.
    pub resumes: u64,
    /// Longest time between a client's Identify and its first epoch with others, or between an op 31
    /// and the next epoch.
    pub longest_entry: Duration,
    /// Longest silence of a client that had been heard before.
    pub longest_hold: Duration,
}

impl Counts {
    /// Adds those of another world.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.reached += other.reached;
        self.heard += other.heard;
        self.receiver_gone += other.receiver_gone;
        for (window, count) in &other.windows {
            *self.windows.entry(*window).or_default() += count;
        }
        self.epochs += other.epochs;
        self.recoveries += other.recoveries;
        self.resumes += other.resumes;
        self.longest_entry = self.longest_entry.max(other.longest_entry);
        self.longest_hold = self.longest_hold.max(other.longest_hold);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "frames: {} sent, {} reached a receiver, {} heard, {} undecided at the end of a connection",
            self.sent, self.reached, self.heard, self.receiver_gone
        )?;
        for (window, count) in &self.windows {
            writeln!(f, "  lost in window {window:?}: {count}")?;
        }
        writeln!(
            f,
            "epochs entered: {}, recoveries: {}, resumes: {}; longest entry {:?}, longest hold {:?}",
            self.epochs, self.recoveries, self.resumes, self.longest_entry, self.longest_hold
        )
    }
}

/// What one client seals with in one epoch.
#[derive(Debug)]
pub(super) struct Seal {
    pub epoch: u64,
    pub base: BaseSecret,
    /// Privacy code of the epoch: the same for all its members, of no other epoch.
    pub code: String,
    pub members: Vec<UserId>,
}

/// What all clients together know.
#[derive(Default)]
pub(super) struct Ledger {
    pub counts: Counts,
    pub seals: Vec<Seal>,
    /// When the first client entered an epoch, by its code.
    births: BTreeMap<String, Instant>,
    /// Epochs that somebody entered in time. Others were only replayed to clients whose connection was
    /// broken, when the others were long elsewhere: their birth is older than it seems.
    timely: BTreeSet<String>,
    /// What must not happen.
    pub problems: Vec<String>,
}

impl Ledger {
    /// Some client entered this epoch; `is_late`: its connection is or was broken.
    pub fn born(&mut self, now: Instant, code: &str, is_late: bool) {
        self.counts.epochs += 1;
        if !is_late {
            self.timely.insert(code.to_owned());
        }
        if !self.births.contains_key(code) {
            self.births.insert(code.to_owned(), now);
        }
    }

    /// Is the one epoch older than the other? One that nobody entered in time is.
    pub fn is_older(&self, code: &str, than: &str) -> bool {
        code != than
            && (!self.timely.contains(code) || self.births.get(code) < self.births.get(than))
    }

    pub fn lost(&mut self, window: Window) {
        *self.counts.windows.entry(window).or_default() += 1;
    }

    pub fn problem(&mut self, text: String) {
        // The first ones tell the story.
        if self.problems.len() < 20 {
            self.problems.push(text);
        }
    }
}
