//! The delivery service of end-to-end encryption (DAVE), one [`Delivery`] for each room, without
//! I/O.
//!
//! Members encrypt among themselves; the server only proposes who comes and goes, picks one of the
//! commits they answer with, and carries messages (dave.md section 9, which is the specification of
//! this folder). A room goes round this circle:
//!
//! ```text
//!        join, leave, op 26, op 31
//!                 │  wait BATCH_DELAY for more
//!                 ▼
//!   Batch: op 27 to the members ──4 s without commit──► reset: op 24, everybody starts anew
//!                 │  first valid op 28 (`arbiter`)
//!                 ▼
//!   next epoch: op 29 to those who stay, op 30 to those who were added
//!                 │  op 23 of everybody, or 2 s
//!                 ▼
//!   op 22 to everybody; what has come and gone in the meantime makes the next batch
//! ```
//!
//! There is one batch and one transition at a time: whoever joins in between is deferred. What is to
//! be proposed is never stored: it is the difference between the tree of the group and the people
//! who are here.

mod arbiter;
mod batch;
mod change;
mod faults;
mod fuzzed;
mod key_package;
mod limits;
mod message;
mod person;
mod policy;
mod signer;
mod tls;
mod transition;
mod tree;
mod version;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_wire::voice::close;
use mynah_wire::{ChannelId, UserId};

use super::fault::{DaveFault, Scope};
use super::outbox::Body;
use arbiter::LastCommit;
use batch::Batch;
use change::prepare_epoch;
use faults::Faults;
use message::transition_id;
use person::{Participant, Place};
use transition::{Transition, TransitionIds};
use tree::Tree;

pub(super) use fuzzed::{read_commit, read_key_package};
pub use policy::{DavePolicy, UnknownPolicy};
pub use signer::GatewaySigner;

/// The only live version.
pub const VERSION: u16 = 1;
/// Joins and leaves are gathered this long. Real servers take 50 to 200 ms; a bot that joins here
/// shall be heard within 150 ms, of which this is the largest part.
pub const BATCH_DELAY: Duration = Duration::from_millis(20);
/// Members that do not commit in this time are started anew (dave.md section 9, [rec] 3 to 5 s).
pub const COMMIT_WITHIN: Duration = Duration::from_secs(4);
/// Adds in one commit; more wait for the next. Keeps the Welcome far below the largest message a
/// client may send.
const MAX_ADDS: usize = 64;

/// Opcode 25, the one that no client may get twice.
pub const EXTERNAL_SENDER: u8 = op::EXTERNAL_SENDER;

/// Opcodes of DAVE (dave.md section 3).
pub(super) mod op {
    pub const PREPARE_TRANSITION: u8 = 21;
    pub const EXECUTE_TRANSITION: u8 = 22;
    pub const TRANSITION_READY: u8 = 23;
    pub const PREPARE_EPOCH: u8 = 24;
    pub const EXTERNAL_SENDER: u8 = 25;
    pub const KEY_PACKAGE: u8 = 26;
    pub const PROPOSALS: u8 = 27;
    pub const COMMIT_WELCOME: u8 = 28;
    pub const ANNOUNCE_COMMIT: u8 = 29;
    pub const WELCOME: u8 = 30;
    pub const INVALID_COMMIT_WELCOME: u8 = 31;
}

/// What the hub must do.
#[derive(Debug)]
pub enum Output {
    /// Say this to the member, in this order.
    Tell(UserId, Body),
    /// Close the member's connection with this code.
    Close(UserId, u16),
    /// Nothing more to do until the next call, or this instant.
    Wait(Option<Instant>),
}

/// What is known about one member, for `GET /control/state`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Version the member was told to speak; 0 is none.
    pub version: u16,
    /// Epoch of the group, if the member is in it.
    pub epoch: Option<u64>,
    /// Key fingerprint version 0 (dave.md section 8) of the member's last key package.
    pub fingerprint: Option<Vec<u8>>,
}

/// The delivery service of one room. Calls are followed by [`poll`](Self::poll) until
/// [`Output::Wait`].
#[derive(Debug)]
pub struct Delivery {
    channel_id: ChannelId,
    policy: DavePolicy,
    signer: Arc<GatewaySigner>,
    /// Version of the room.
    version: u16,
    /// 0: no group is established.
    epoch: u64,
    tree: Tree,
    people: BTreeMap<UserId, Participant>,
    batch: Option<Batch>,
    /// Proposals are due then.
    batch_due: Option<Instant>,
    transition: Option<Transition>,
    /// The room went plain a while ago: until then some may not have heard, and go on sealing.
    sealed_until: Option<Instant>,
    /// The commit that made this epoch, and who could not follow it.
    last_commit: Option<LastCommit>,
    ids: TransitionIds,
    /// Nobody here can have keys of an earlier group, or speak unencrypted: the first group may start
    /// at once, with transition 0 (dave.md section 5).
    is_fresh: bool,
    /// The last one here, who gets op 21 with id 0 after its new key package (dave.md section 5).
    released: Option<UserId>,
    faults: Faults,
    outputs: VecDeque<Output>,
}

impl Delivery {
    /// An empty room, in which these faults are in force.
    pub fn new(
        channel_id: ChannelId,
        policy: DavePolicy,
        signer: Arc<GatewaySigner>,
        active_faults: Vec<(u64, Scope, DaveFault)>,
    ) -> Self {
        let mut faults = Faults::new(channel_id);
        faults.set(active_faults);
        Self {
            channel_id,
            policy,
            signer,
            version: 0,
            epoch: 0,
            tree: Tree::default(),
            people: BTreeMap::new(),
            batch: None,
            batch_due: None,
            transition: None,
            sealed_until: None,
            last_commit: None,
            ids: TransitionIds::starting_at(1),
            is_fresh: true,
            released: None,
            faults,
            outputs: VecDeque::new(),
        }
    }

    /// Somebody is here: op 4 with [`version_for`](Self::version_for) and op 11 have been sent.
    pub fn join(&mut self, now: Instant, user: UserId, max_version: u16) {
        let version = self.version_for(user, max_version);
        if self.people.is_empty() {
            self.version = version;
            self.is_fresh = version > 0;
        }
        let participant = Participant::new(now, max_version, version);
        self.people.insert(user, participant);
        self.faults.forget(user);
        if version > 0 {
            self.tell_sender(user);
        }
        self.settle(now);
    }

    /// Somebody is gone, and the others have been told by op 13.
    pub fn leave(&mut self, now: Instant, user: UserId) {
        if self.people.remove(&user).is_none() {
            return;
        }
        self.released = self.released.filter(|released| *released != user);
        if let Some(batch) = &mut self.batch {
            batch.roster.remove(&user);
        }
        if let Some(transition) = &mut self.transition {
            transition.drop_member(user);
        }
        self.settle(now);
    }

    /// The member's connection is lost, or back. Until it is back nobody waits for it.
    pub fn set_connected(&mut self, now: Instant, user: UserId, is_connected: bool) {
        if let Some(person) = self.people.get_mut(&user) {
            person.is_connected = is_connected;
        }
        if let Some(open) = self.transition.as_mut().filter(|_| !is_connected) {
            open.excuse(user);
        }
        self.settle(now);
    }

    /// The member's connection was resumed without replay (versions before 8), so it may have missed
    /// anything: start it anew. `lost_sender`: op 25 was among what it cannot have got.
    pub fn resync(&mut self, now: Instant, user: UserId, lost_sender: bool) {
        let version = self.people.get(&user).map_or(0, |person| person.version);
        if version == 0 {
            return;
        }
        self.rekey(now, user, None);
        self.tell(user, prepare_epoch(version));
        if lost_sender {
            self.tell_sender(user);
        }
        if let Some(person) = self.people.get_mut(&user) {
            person.is_tainted = false;
        }
        self.settle(now);
    }

    /// Op 21 to 31 of a member: the JSON of `d`, or the binary payload.
    pub fn receive(&mut self, now: Instant, user: UserId, op: u8, payload: &[u8]) {
        let Some(person) = self.people.get_mut(&user) else {
            return;
        };
        if !person.patience.spend(now) {
            return self.close(user, close::RATE_LIMITED);
        }
        let is_plain = person.version == 0 || self.version == 0;
        if is_plain && op != op::TRANSITION_READY {
            return tracing::trace!(%user, op, "DAVE message in a room without DAVE");
        }
        match op {
            op::KEY_PACKAGE => self.key_package(now, user, payload),
            op::COMMIT_WELCOME => self.commit_welcome(now, user, payload),
            op::TRANSITION_READY => match transition_id(payload) {
                Some(id) => {
                    if let Some(transition) = &mut self.transition {
                        transition.ready(user, id);
                    }
                }
                None => self.close(user, close::DECODE_ERROR),
            },
            op::INVALID_COMMIT_WELCOME => match transition_id(payload) {
                Some(id) if self.may_recover(now, user) => {
                    tracing::debug!(%user, id, "a member could not follow and starts anew");
                    self.rekey(now, user, None);
                    self.complain(user, id);
                }
                Some(_) => self.close(user, close::RATE_LIMITED),
                None => self.close(user, close::DECODE_ERROR),
            },
            _ => tracing::trace!(%user, op, "only servers say this"),
        }
        self.settle(now);
    }

    /// Deadlines that have passed.
    pub fn tick(&mut self, now: Instant) {
        if self
            .batch
            .as_ref()
            .is_some_and(|batch| now >= batch.deadline)
        {
            tracing::debug!(channel = %self.channel_id, epoch = self.epoch, "nobody committed");
            self.reset();
        }
        self.settle(now);
    }

    /// The scripted faults of all rooms have changed.
    pub fn set_faults(&mut self, now: Instant, active: Vec<(u64, Scope, DaveFault)>) {
        self.faults.set(active);
        let here: Vec<UserId> = self
            .people
            .iter()
            .filter(|(_, person)| person.knows_sender)
            .map(|(user, _)| *user)
            .collect();
        for user in here {
            self.repeat_sender(user);
        }
        self.settle(now);
    }

    /// What to do next.
    pub fn poll(&mut self) -> Output {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| Output::Wait(self.deadline()))
    }

    /// Nobody is here.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// What is known about a member.
    pub fn standing(&self, user: UserId) -> Standing {
        let Some(person) = self.people.get(&user) else {
            return Standing::default();
        };
        Standing {
            version: person.version,
            epoch: matches!(person.place, Place::Member(_)).then_some(self.epoch),
            fingerprint: person.fingerprint.clone(),
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let transition = self.transition.as_ref().and_then(Transition::due);
        let batch = self.batch.as_ref().map(|batch| batch.deadline);
        // What is deferred has no deadline of its own.
        let due = self.batch_due.filter(|_| self.is_free());
        [transition, batch, due, self.sealed_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// No batch and no transition is under way.
    fn is_free(&self) -> bool {
        self.batch.is_none() && self.transition.is_none()
    }

    fn may_recover(&mut self, now: Instant, user: UserId) -> bool {
        self.people
            .get_mut(&user)
            .is_some_and(|person| person.patience.spend_recovery(now))
    }

    /// Established members that can follow.
    fn members(&self) -> impl Iterator<Item = UserId> {
        self.people
            .iter()
            .filter(|(_, person)| matches!(person.place, Place::Member(_)))
            .map(|(user, _)| *user)
    }

    /// Says something and counts on an answer.
    fn tell(&mut self, user: UserId, body: Body) {
        if let Some(person) = self.people.get_mut(&user) {
            person.patience.earn();
            self.outputs.push_back(Output::Tell(user, body));
        }
    }

    fn close(&mut self, user: UserId, code: u16) {
        self.outputs.push_back(Output::Close(user, code));
    }

    /// Op 25, exactly once for each voice session: clients fail on a second one.
    fn tell_sender(&mut self, user: UserId) {
        let payload = self.signer.payload().into();
        self.tell(user, Body::Binary(op::EXTERNAL_SENDER, payload));
        if let Some(person) = self.people.get_mut(&user) {
            person.knows_sender = true;
        }
        self.repeat_sender(user);
    }

    /// … unless a fault wants to know what they do then.
    fn repeat_sender(&mut self, user: UserId) {
        if self.faults.repeats_sender(user) {
            let payload = self.signer.payload().into();
            self.tell(user, Body::Binary(op::EXTERNAL_SENDER, payload));
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
