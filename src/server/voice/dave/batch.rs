//! Proposals of one epoch that wait for a commit.

use std::collections::BTreeSet;
use std::time::Instant;

use mynah_wire::UserId;

use super::key_package::MemberKeys;
use super::message::Reference;

/// What a proposal does.
#[derive(Debug)]
pub(super) enum Change {
    Add(UserId, Box<MemberKeys>),
    Remove(u32),
}

/// A proposal that members were told about.
#[derive(Debug)]
pub(super) struct Proposed {
    pub reference: Reference,
    pub change: Change,
    pub message: Vec<u8>,
}

impl Proposed {
    fn adds(&self, user: UserId) -> bool {
        matches!(&self.change, Change::Add(added, _) if *added == user)
    }
}

/// Everything in flight.
#[derive(Debug)]
pub(super) struct Batch {
    pub proposals: Vec<Proposed>,
    /// Members that were told and can still commit.
    pub roster: BTreeSet<UserId>,
    pub deadline: Instant,
}

impl Batch {
    /// What `user` was told, and must commit: everything but its own Add, which only a group that is
    /// not yet established can contain (nobody else proposes a member to itself).
    pub fn told(&self, user: UserId) -> impl Iterator<Item = &Proposed> {
        self.proposals
            .iter()
            .filter(move |proposed| !proposed.adds(user))
    }

    /// Takes back the Add of that key package.
    pub fn revoke(&mut self, package: &Reference) -> Option<Reference> {
        let index = self.proposals.iter().position(
            |proposed| matches!(&proposed.change, Change::Add(_, keys) if keys.reference == *package),
        )?;
        Some(self.proposals.remove(index).reference)
    }
}
