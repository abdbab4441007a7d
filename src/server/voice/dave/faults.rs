//! Scripted trouble in the delivery of one room.

use std::collections::BTreeSet;
use std::time::Duration;

use mynah_wire::{ChannelId, UserId};

use crate::voice::fault::{DaveFault, Scope};

/// The faults of all rooms, and what they have done in this one.
#[derive(Debug)]
pub(super) struct Faults {
    channel_id: ChannelId,
    active: Vec<(u64, Scope, DaveFault)>,
    /// Faults that strike once for each member, by fault.
    struck: BTreeSet<(u64, Kind, UserId)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Commit,
    Welcome,
    Sender,
}

impl Faults {
    pub const fn new(channel_id: ChannelId) -> Self {
        Self {
            channel_id,
            active: Vec::new(),
            struck: BTreeSet::new(),
        }
    }

    pub fn set(&mut self, active: Vec<(u64, Scope, DaveFault)>) {
        self.struck
            .retain(|(id, ..)| active.iter().any(|(active, ..)| active == id));
        self.active = active;
    }

    /// Does a fault forbid encryption while this user is here?
    pub fn forbid(&self, user: UserId) -> bool {
        self.about(user).any(|(_, fault)| fault.downgrade)
    }

    /// How much later op 22 goes to this member.
    pub fn delay(&self, user: UserId) -> Duration {
        let longest = self
            .about(user)
            .map(|(_, fault)| fault.delay_execute_ms)
            .max();
        Duration::from_millis(longest.unwrap_or(0))
    }

    /// The next commit for this member gets damaged; true once.
    pub fn damages_commit(&mut self, user: UserId) -> bool {
        self.strike(user, Kind::Commit, |fault| fault.invalid_commit)
    }

    /// The next Welcome for this member does not arrive; true once.
    pub fn withholds_welcome(&mut self, user: UserId) -> bool {
        self.strike(user, Kind::Welcome, |fault| fault.withhold_welcome)
    }

    /// This member gets the external sender a second time; true once.
    pub fn repeats_sender(&mut self, user: UserId) -> bool {
        self.strike(user, Kind::Sender, |fault| fault.duplicate_external_sender)
    }

    /// A new session of the user: what strikes once can strike again.
    pub fn forget(&mut self, user: UserId) {
        self.struck
            .retain(|(_, kind, struck)| *struck != user || *kind != Kind::Sender);
    }

    fn about(&self, user: UserId) -> impl Iterator<Item = (u64, &DaveFault)> {
        self.active
            .iter()
            .filter(move |(_, scope, _)| scope.covers(user, self.channel_id))
            .map(|(id, _, fault)| (*id, fault))
    }

    fn strike(&mut self, user: UserId, kind: Kind, is_meant: impl Fn(&DaveFault) -> bool) -> bool {
        let struck = self
            .about(user)
            .filter(|(_, fault)| is_meant(fault))
            .map(|(id, _)| (id, kind, user))
            .find(|strike| !self.struck.contains(strike));
        struck.is_some_and(|strike| self.struck.insert(strike))
    }
}
