//! Which commit makes the next epoch (dave.md section 9, "Accepting a commit" and "Applying").

use std::collections::BTreeSet;
use std::time::Instant;

use mynah_wire::UserId;

use super::batch::{Batch, Change};
use super::message::{Commit, Reference, Welcome};
use super::tree::Leaf;
use super::{Delivery, Place, VERSION, op};
use crate::voice::outbox::Body;

/// Why a commit is dropped. The client is not told: most of these are late, not wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Objection {
    #[error("nothing is waiting for a commit")]
    NothingProposed,
    #[error("the sender was not told the proposals")]
    NotAsked,
    #[error("nobody could follow the sender's last commit, and others can commit")]
    Distrusted,
    #[error("not a commit with references only")]
    Shape,
    #[error("another group")]
    Group,
    #[error("another epoch")]
    Epoch,
    #[error("not the sender's leaf")]
    ForeignLeaf,
    #[error("other proposals than those in flight")]
    OtherProposals,
    #[error("a removal without new keys")]
    NoPath,
    #[error("the path changes who the sender is")]
    OtherIdentity,
    #[error("the welcome does not fit the added members")]
    Welcome,
}

/// Who could not follow a commit.
#[derive(Debug)]
pub(super) struct LastCommit {
    /// Its transition.
    id: u16,
    committer: UserId,
    /// Who got it by op 29, and has not complained; the committer is not among them.
    content: BTreeSet<UserId>,
    complaints: usize,
}

/// A commit that may be announced.
pub(super) struct Verdict<'a> {
    commit: Commit<'a>,
    welcome: Option<Welcome<'a>>,
}

impl Delivery {
    /// Op 28: the first acceptable commit of an epoch wins.
    pub(super) fn commit_welcome(&mut self, now: Instant, user: UserId, payload: &[u8]) {
        match self.judge(user, payload) {
            Ok(verdict) => self.apply(now, user, &verdict),
            Err(objection) => tracing::trace!(%user, %objection, "dropped a commit"),
        }
    }

    /// Checks all that can be checked without the group's secrets. Signature and tags are not among
    /// it; who gets a commit that is wrong there says op 31.
    pub(super) fn judge<'a>(
        &self,
        user: UserId,
        payload: &'a [u8],
    ) -> Result<Verdict<'a>, Objection> {
        let batch = self.batch.as_ref().ok_or(Objection::NothingProposed)?;
        if !batch.roster.contains(&user) {
            return Err(Objection::NotAsked);
        }
        if self.is_distrusted(user)
            && !batch
                .roster
                .iter()
                .all(|member| self.is_distrusted(*member))
        {
            return Err(Objection::Distrusted);
        }
        let (commit, rest) = Commit::read(payload).ok_or(Objection::Shape)?;
        if commit.group_id != self.channel_id.get().to_be_bytes() {
            return Err(Objection::Group);
        }
        if commit.epoch != self.epoch {
            return Err(Objection::Epoch);
        }
        let (leaf, signature_key) = self.seat(user).ok_or(Objection::NotAsked)?;
        if commit.sender != leaf {
            return Err(Objection::ForeignLeaf);
        }
        let told: BTreeSet<Reference> = batch.told(user).map(|told| told.reference).collect();
        let given: BTreeSet<Reference> = commit.references.iter().copied().collect();
        // The same reference twice is one too many.
        if told.is_empty() || given != told || given.len() != commit.references.len() {
            return Err(Objection::OtherProposals);
        }
        let removes = batch
            .told(user)
            .any(|told| matches!(told.change, Change::Remove(_)));
        match &commit.path_leaf {
            // RFC 9420 section 12.4.
            None if removes => return Err(Objection::NoPath),
            None => {}
            Some(path) => {
                let is_same = path.signature_key == signature_key
                    && path.identity == user.get().to_be_bytes();
                if !is_same {
                    return Err(Objection::OtherIdentity);
                }
            }
        }
        let welcome = fitting_welcome(batch, user, rest).ok_or(Objection::Welcome)?;
        Ok(Verdict { commit, welcome })
    }

    /// Leaf and signature key with which this user must commit. In a group that is not established
    /// everybody sits at leaf 0 of its own.
    fn seat(&self, user: UserId) -> Option<(u32, &[u8])> {
        match &self.people.get(&user)?.place {
            Place::Member(index) => {
                let leaf = self.tree.leaf(*index)?;
                Some((*index, &leaf.signature_key))
            }
            Place::Pending(keys) => Some((0, &keys.signature_key)),
            Place::Unkeyed => None,
        }
    }

    fn apply(&mut self, now: Instant, committer: UserId, verdict: &Verdict<'_>) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        let is_first = self.epoch == 0;
        if is_first {
            self.found_group(committer);
        }
        let stay: Vec<UserId> = self.members().collect();
        self.refresh_leaf(committer, verdict);
        let added = self.change_tree(batch, &verdict.commit.references);
        self.epoch += 1;
        self.batch_due = None;
        let starts_at_once = is_first && std::mem::take(&mut self.is_fresh);
        let id = if starts_at_once { 0 } else { self.ids.next() };
        self.last_commit = Some(LastCommit {
            id,
            committer,
            content: stay
                .iter()
                .copied()
                .filter(|user| *user != committer)
                .collect(),
            complaints: 0,
        });
        let announced = self.announce(id, &stay, verdict.commit.message);
        let welcomed = self.welcome(id, &added, verdict.welcome.as_ref());
        tracing::debug!(channel = %self.channel_id, epoch = self.epoch, id, announced, welcomed,
            "new epoch");
        if id != 0 {
            let told = stay.iter().chain(added.iter().map(|(user, _)| user));
            let told = told.copied().collect();
            self.open_transition(now, id, VERSION, told);
        }
    }

    /// Op 31 of a member that got the last commit. When all who got it complain (two at least), it
    /// was wrong in a way that only they can see. Then the committer is the only one left in the
    /// group, and could go on like that for ever: so everybody starts anew, and others commit first.
    pub(super) fn complain(&mut self, user: UserId, id: u16) {
        let Some(last) = self.last_commit.as_mut().filter(|last| last.id == id) else {
            return;
        };
        last.complaints += usize::from(last.content.remove(&user));
        if last.complaints < 2 || !last.content.is_empty() {
            return;
        }
        let committer = last.committer;
        self.last_commit = None;
        if let Some(person) = self.people.get_mut(&committer) {
            tracing::warn!(user = %committer, channel = %self.channel_id,
                "nobody could follow a commit");
            person.is_distrusted = true;
            self.reset();
        }
    }

    fn is_distrusted(&self, user: UserId) -> bool {
        let person = self.people.get(&user);
        person.is_some_and(|person| person.is_distrusted)
    }

    /// The committer of the first epoch takes leaf 0 of the group that everybody now joins.
    fn found_group(&mut self, committer: UserId) {
        self.tree.clear();
        let Some(person) = self.people.get_mut(&committer) else {
            return;
        };
        if let Place::Pending(keys) = &person.place {
            let index = self.tree.put(Leaf {
                user: committer,
                signature_key: keys.signature_key.clone(),
                encryption_key: keys.encryption_key.clone(),
            });
            person.place = Place::Member(index);
        }
    }

    fn refresh_leaf(&mut self, committer: UserId, verdict: &Verdict<'_>) {
        let Some(person) = self.people.get(&committer) else {
            return;
        };
        if let (Place::Member(index), Some(path)) = (&person.place, &verdict.commit.path_leaf)
            && let Some(leaf) = self.tree.leaf_mut(*index)
        {
            leaf.encryption_key = path.encryption_key.to_vec();
        }
    }

    /// Removes first, then Adds in the order of the commit. Gives those who are still here with the
    /// keys they were added with; the others are removed with the next batch.
    fn change_tree(&mut self, batch: Batch, order: &[Reference]) -> Vec<(UserId, Reference)> {
        let mut adds = Vec::new();
        for proposed in batch.proposals {
            match proposed.change {
                Change::Remove(leaf) => self.tree.remove(leaf),
                Change::Add(user, keys) => adds.push((proposed.reference, user, keys)),
            }
        }
        let mut added = Vec::new();
        for reference in order {
            let Some((_, user, keys)) = adds.iter().find(|(of, ..)| of == reference) else {
                continue;
            };
            let index = self.tree.put(Leaf {
                user: *user,
                signature_key: keys.signature_key.clone(),
                encryption_key: keys.encryption_key.clone(),
            });
            let Some(person) = self.people.get_mut(user) else {
                continue;
            };
            let is_same =
                matches!(&person.place, Place::Pending(now) if now.reference == keys.reference);
            if is_same {
                person.place = Place::Member(index);
                person.is_tainted = false;
                added.push((*user, keys.reference));
            }
        }
        added
    }

    /// Op 29.
    fn announce(&mut self, id: u16, members: &[UserId], message: &[u8]) -> usize {
        let mut payload = id.to_be_bytes().to_vec();
        payload.extend(message);
        let announcement = Body::Binary(op::ANNOUNCE_COMMIT, payload.clone().into());
        if let Some(tag) = payload.last_mut() {
            *tag ^= 1;
        }
        for user in members {
            let body = match self.faults.damages_commit(*user) {
                true => Body::Binary(op::ANNOUNCE_COMMIT, payload.clone().into()),
                false => announcement.clone(),
            };
            self.tell(*user, body);
        }
        members.len()
    }

    /// Op 30.
    fn welcome(
        &mut self,
        id: u16,
        added: &[(UserId, Reference)],
        welcome: Option<&Welcome<'_>>,
    ) -> usize {
        for (user, reference) in added {
            let Some(trimmed) = welcome.and_then(|welcome| welcome.trimmed_to(reference)) else {
                continue;
            };
            if self.faults.withholds_welcome(*user) {
                continue;
            }
            let mut payload = id.to_be_bytes().to_vec();
            payload.extend(trimmed);
            self.tell(*user, Body::Binary(op::WELCOME, payload.into()));
        }
        added.len()
    }
}

/// A Welcome for exactly those whom `user` adds, and none when it adds nobody.
fn fitting_welcome<'a>(batch: &Batch, user: UserId, rest: &'a [u8]) -> Option<Option<Welcome<'a>>> {
    let added: BTreeSet<Reference> = batch
        .told(user)
        .filter_map(|told| match &told.change {
            Change::Add(_, keys) => Some(keys.reference),
            Change::Remove(_) => None,
        })
        .collect();
    if added.is_empty() {
        return rest.is_empty().then_some(None);
    }
    let welcome = Welcome::read(rest)?;
    let targets: Vec<Reference> = welcome.targets().collect();
    let fits =
        targets.len() == added.len() && targets.iter().copied().collect::<BTreeSet<_>>() == added;
    fits.then_some(Some(welcome))
}
