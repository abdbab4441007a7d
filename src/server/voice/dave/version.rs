//! Which version a room speaks: the lowest common one, as far as its policy lets it (dave.md sections
//! 5 and 9).

use std::collections::BTreeSet;
use std::time::Instant;

use mynah_wire::UserId;
use serde_json::json;

use super::{DavePolicy, Delivery, Place, VERSION, op};
use crate::voice::outbox::Body;

impl Delivery {
    /// The version that op 4 must tell a newcomer whose client can do up to `max_version`: the
    /// lowest common one. A room that is, or still becomes, unencrypted is upgraded after the join.
    pub fn version_for(&self, user: UserId, max_version: u16) -> u16 {
        if let Some(known) = self.people.get(&user) {
            return known.version;
        }
        if self.faults.forbid(user) {
            return 0;
        }
        let wanted = self.wanted_version(Some(max_version));
        match self.people.is_empty() {
            true => wanted,
            false => wanted.min(self.version),
        }
    }

    /// This member never had DAVE, and others may still send encrypted frames, which must not be
    /// forwarded to it (voice.md section 9, "SFU rules").
    pub fn is_deaf_to_sealed(&self, user: UserId) -> bool {
        let is_downgrading = self
            .transition
            .as_ref()
            .is_some_and(|open| open.version == 0);
        let is_plain = self
            .people
            .get(&user)
            .is_some_and(|person| !person.knows_sender);
        (is_downgrading || self.sealed_until.is_some() || self.version > 0) && is_plain
    }

    /// Follows the lowest common version (optional rooms) and the downgrade fault.
    pub(super) fn settle_version(&mut self, now: Instant) {
        let wanted = self.wanted_version(None);
        if self.people.is_empty() {
            return;
        }
        if wanted == 0 {
            if self.version > 0 {
                self.downgrade(now);
            }
            return;
        }
        self.version = wanted;
        // Usually all or none. Some, when a downgrade came to nothing: whoever joined while it was
        // waiting for its turn was told version 0 all the same.
        let plain = self.people.iter().filter(|(_, person)| person.version == 0);
        let plain: Vec<(UserId, bool)> = plain
            .map(|(user, person)| (*user, person.knows_sender))
            .collect();
        for (user, knows_sender) in plain {
            self.is_fresh = false;
            self.start_anew(user, wanted);
            if !knows_sender {
                self.tell_sender(user);
            }
            // Nobody is left to switch together with: a lone one goes up at once, as after a sole
            // member reset, so that the next one to come hears nothing plain.
            if self.people.len() == 1 {
                self.released = Some(user);
            }
        }
    }

    /// Op 21 to everybody who encrypts; they go plain together.
    fn downgrade(&mut self, now: Instant) {
        self.version = 0;
        self.is_fresh = false;
        self.forget_group();
        let mut told = BTreeSet::new();
        for (user, person) in &mut self.people {
            person.place = Place::Unkeyed;
            if person.version > 0 {
                told.insert(*user);
            }
        }
        if told.is_empty() {
            return;
        }
        let id = self.ids.next();
        let prepare = json!({"transition_id": id, "protocol_version": 0});
        let prepare = Body::json(op::PREPARE_TRANSITION, &prepare);
        for user in &told {
            self.tell(*user, prepare.clone());
        }
        self.open_transition(now, id, 0, told);
    }

    /// The lowest common version of everybody here and a newcomer.
    fn wanted_version(&self, newcomer_max: Option<u16>) -> u16 {
        if self.people.keys().any(|user| self.faults.forbid(*user)) {
            return 0;
        }
        match self.policy {
            DavePolicy::Off => 0,
            DavePolicy::Required => VERSION,
            DavePolicy::Optional => self
                .people
                .values()
                .map(|person| person.max_version)
                .chain(newcomer_max)
                .min()
                .map_or(0, |lowest| lowest.min(VERSION)),
        }
    }
}
