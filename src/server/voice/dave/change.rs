//! Who belongs into the group, and how the room gets there: key packages, batches, resets, versions.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mynah_wire::UserId;
use mynah_wire::voice::close;
use serde_json::json;

use super::batch::{Batch, Change, Proposed};
use super::key_package::{Flaw, MemberKeys};
use super::message::Reference;
use super::tls::put_vector;
use super::transition::Transition;
use super::{BATCH_DELAY, COMMIT_WITHIN, Delivery, MAX_ADDS, Place, VERSION, op};
use crate::voice::hub::RESUME_WINDOW;
use crate::voice::outbox::Body;

/// First byte of op 27.
const APPEND: u8 = 0;
const REVOKE: u8 = 1;

/// How long after a downgrade somebody may still seal: op 22 takes its time, and who has lost the
/// connection hears of it only when it is back.
const SEALED_AFTER: Duration = RESUME_WINDOW;

impl Delivery {
    /// Brings the room to where it should be, as far as that is possible now. Every entry point ends
    /// here.
    pub(super) fn settle(&mut self, now: Instant) {
        self.leave_dead_group();
        self.settle_batch();
        self.settle_transition(now);
        if self.transition.is_none() {
            self.settle_version(now);
        }
        // An encrypted room does not ask for it.
        let is_plain = self.version == 0;
        self.sealed_until = self.sealed_until.filter(|until| is_plain && now < *until);
        let has_work = self.version > 0 && self.has_work();
        if !has_work {
            self.batch_due = None;
        } else if self.is_free() {
            let due = *self.batch_due.get_or_insert(now + BATCH_DELAY);
            if now >= due {
                self.batch_due = None;
                self.propose(now);
            }
        } else {
            // Deferred; by the time the way is free it has been waiting long enough.
            self.batch_due.get_or_insert(now + BATCH_DELAY);
        }
    }

    /// A group whose last member has gone, or is alone in the room, is of no use.
    fn leave_dead_group(&mut self) {
        if self.epoch == 0 {
            return;
        }
        let mut members = self.members();
        let (first, second) = (members.next(), members.next());
        drop(members);
        match (first, second) {
            (None, _) => self.forget_group(),
            (Some(user), None) if self.people.len() == 1 => {
                // Sole member reset (dave.md section 5).
                self.forget_group();
                self.transition = None;
                self.start_anew(user, VERSION);
                self.released = Some(user);
            }
            _ => {}
        }
    }

    /// A batch that nobody can commit any more.
    fn settle_batch(&mut self) {
        let Some(batch) = &self.batch else {
            return;
        };
        if batch.proposals.is_empty() {
            self.batch = None;
        } else if self.epoch == 0 && batch.roster.len() < 2 {
            // Too few are left for a first group. Who was told nothing, or had everything revoked,
            // can go on as it is; else it must forget (dave.md section 9, "Other rules").
            let is_clean = |user: &UserId| batch.told(*user).next().is_none();
            if batch.roster.iter().all(is_clean) {
                self.batch = None;
            } else {
                self.reset();
            }
        }
    }

    fn settle_transition(&mut self, now: Instant) {
        let Some(open) = &mut self.transition else {
            return;
        };
        let faults = &self.faults;
        let due = open.execute(now, |user| faults.delay(user));
        let (id, version, is_over) = (open.id, open.version, open.is_over());
        if is_over {
            self.transition = None;
        }
        if version == 0 && !due.is_empty() {
            self.sealed_until = Some(now + SEALED_AFTER);
        }
        for user in due {
            let execute = json!({"transition_id": id});
            self.tell(user, Body::json(op::EXECUTE_TRANSITION, &execute));
            if let Some(person) = self.people.get_mut(&user) {
                person.version = version;
            }
        }
    }

    /// Nobody waits for members whose connection is lost.
    pub(super) fn open_transition(
        &mut self,
        now: Instant,
        id: u16,
        version: u16,
        told: BTreeSet<UserId>,
    ) {
        let is_connected = |user: &&UserId| {
            let person = self.people.get(user);
            person.is_some_and(|person| person.is_connected)
        };
        let waiting = told.iter().filter(is_connected).copied().collect();
        self.transition = Some(Transition::new(now, id, version, told, waiting));
    }

    /// Everybody starts anew, with op 24.
    pub(super) fn reset(&mut self) {
        self.forget_group();
        self.transition = None;
        let everybody: Vec<(UserId, u16)> = self
            .people
            .iter()
            .map(|(user, person)| (*user, person.version))
            .filter(|(_, version)| *version > 0)
            .collect();
        for (user, version) in everybody {
            self.start_anew(user, version);
        }
    }

    pub(super) fn forget_group(&mut self) {
        self.tree.clear();
        self.epoch = 0;
        self.batch = None;
        for person in self.people.values_mut() {
            if let Place::Member(_) = person.place {
                person.place = Place::Unkeyed;
            }
        }
    }

    /// Op 24: the client forgets its group and sends a new key package.
    pub(super) fn start_anew(&mut self, user: UserId, version: u16) {
        self.tell(user, prepare_epoch(version));
        if let Some(person) = self.people.get_mut(&user) {
            person.place = Place::Unkeyed;
            person.version = version;
            person.is_tainted = false;
        }
    }

    /// Op 26.
    pub(super) fn key_package(&mut self, now: Instant, user: UserId, payload: &[u8]) {
        let keys = MemberKeys::check(&self.signer, user, payload).and_then(|keys| {
            match self.has_double(user, &keys) {
                true => Err(Flaw::Duplicate),
                false => Ok(keys),
            }
        });
        let keys = match keys {
            Ok(keys) => keys,
            Err(flaw) => {
                tracing::debug!(%user, %flaw, "refused a key package");
                return self.close(user, close::BAD_REQUEST);
            }
        };
        if let Some(person) = self.people.get_mut(&user) {
            person.fingerprint = Some(keys.fingerprint(user));
        }
        self.rekey(now, user, Some(keys));
        if self
            .released
            .take_if(|released| *released == user)
            .is_some()
            && self.people.len() == 1
        {
            let release = json!({"transition_id": 0, "protocol_version": VERSION});
            self.tell(user, Body::json(op::PREPARE_TRANSITION, &release));
        }
    }

    /// Does somebody else have one of these keys? MLS libraries refuse such a group.
    fn has_double(&self, user: UserId, keys: &MemberKeys) -> bool {
        let others = self.people.iter().filter(|(other, _)| **other != user);
        others
            .map(|(_, person)| &person.place)
            .any(|place| match place {
                Place::Unkeyed => false,
                Place::Pending(theirs) => theirs.collides(keys),
                Place::Member(index) => self.tree.leaf(*index).is_some_and(|leaf| {
                    keys.has_key(&leaf.signature_key) || keys.has_key(&leaf.encryption_key)
                }),
            })
    }

    /// A member starts anew (op 31, or a key package nobody asked for): its old leaf goes, and it is
    /// added again once it has sent its new keys. An Add with its old keys is taken back.
    pub(super) fn rekey(&mut self, now: Instant, user: UserId, keys: Option<MemberKeys>) {
        let Some(person) = self.people.get_mut(&user) else {
            return;
        };
        let place = keys.map_or(Place::Unkeyed, |keys| Place::Pending(Box::new(keys)));
        let has_reset = matches!(place, Place::Unkeyed);
        let before = std::mem::replace(&mut person.place, place);
        if matches!(before, Place::Member(_)) {
            // Without op 31 the client may still be in the group it had.
            person.is_tainted = !has_reset;
            if let Some(open) = &mut self.transition {
                open.drop_member(user);
            }
        }
        let Some(batch) = &mut self.batch else {
            return;
        };
        let was_told = batch.roster.remove(&user);
        if self.epoch == 0 {
            person.is_tainted |= was_told;
        }
        let old = match &before {
            Place::Pending(old) => batch.revoke(&old.reference),
            _ => None,
        };
        if let Some(reference) = old {
            let roster: Vec<UserId> = batch.roster.iter().copied().collect();
            let revoke = revocation(&reference);
            for member in roster {
                self.tell(member, revoke.clone());
            }
            // The new keys get the whole delay, so that they share a commit with whatever comes.
            self.batch_due = Some(now + BATCH_DELAY);
        }
    }

    /// Is the group other than it should be?
    fn has_work(&self) -> bool {
        let pending = self
            .people
            .values()
            .filter(|person| matches!(person.place, Place::Pending(_)))
            .count();
        match self.epoch {
            0 => pending >= 2,
            _ => pending > 0 || self.stale_leaves().next().is_some(),
        }
    }

    /// Leaves whose member has gone, or has started anew.
    fn stale_leaves(&self) -> impl Iterator<Item = u32> {
        self.tree
            .iter()
            .filter(|(index, leaf)| {
                let person = self.people.get(&leaf.user);
                !person
                    .is_some_and(|person| matches!(person.place, Place::Member(at) if at == *index))
            })
            .map(|(index, _)| index)
    }

    /// Sends the proposals that make the group what it should be (op 27).
    fn propose(&mut self, now: Instant) {
        let pending = self
            .people
            .iter()
            .filter_map(|(user, person)| match &person.place {
                Place::Pending(keys) => Some((*user, person.is_tainted, keys)),
                _ => None,
            });
        let pending: Vec<_> = pending.take(MAX_ADDS).collect();
        let roster: BTreeSet<UserId> = if self.epoch == 0 {
            let clean = pending.iter().filter(|(_, is_tainted, _)| !is_tainted);
            clean.map(|(user, ..)| *user).collect()
        } else {
            self.members().collect()
        };
        let group = self.channel_id.get().to_be_bytes();
        let mut proposals = Vec::new();
        for leaf in self.stale_leaves() {
            if let Some(proposal) = self.signer.remove(&group, self.epoch, leaf) {
                proposals.push(Proposed {
                    reference: proposal.reference,
                    change: Change::Remove(leaf),
                    message: proposal.message,
                });
            }
        }
        for (user, _, keys) in pending {
            // Nobody adds itself to its own group.
            if roster.iter().all(|member| *member == user) {
                continue;
            }
            if let Some(proposal) = self.signer.add(&group, self.epoch, &keys.package) {
                proposals.push(Proposed {
                    reference: proposal.reference,
                    change: Change::Add(user, keys.clone()),
                    message: proposal.message,
                });
            }
        }
        let batch = Batch {
            proposals,
            roster,
            deadline: now + COMMIT_WITHIN,
        };
        if batch.proposals.is_empty() {
            // Everybody holds remains of an earlier attempt.
            return self.reset();
        }
        for user in &batch.roster {
            self.tell(*user, append(batch.told(*user)));
        }
        self.batch = Some(batch);
    }
}

/// Op 27 with the messages of these proposals.
fn append<'a>(proposals: impl Iterator<Item = &'a Proposed>) -> Body {
    let messages: Vec<u8> = proposals.flat_map(|p| p.message.iter().copied()).collect();
    let mut payload = vec![APPEND];
    put_vector(&mut payload, &messages);
    Body::Binary(op::PROPOSALS, payload.into())
}

/// Op 27 that takes a proposal back.
fn revocation(reference: &Reference) -> Body {
    let (mut list, mut payload) = (Vec::new(), vec![REVOKE]);
    put_vector(&mut list, reference);
    put_vector(&mut payload, &list);
    Body::Binary(op::PROPOSALS, payload.into())
}

/// Op 24 with a new group.
pub(super) fn prepare_epoch(version: u16) -> Body {
    Body::json(
        op::PREPARE_EPOCH,
        &json!({"protocol_version": version, "epoch": 1}),
    )
}
