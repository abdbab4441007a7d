//! The machine: what each message of the server leads to (dave.md section 4).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_dave::group::Identity;
use mynah_wire::UserId;
use mynah_wire::dave::{AT_ONCE, Operation, PrepareEpoch, PrepareTransition, write_client_binary};
use mynah_wire::voice::{op, write};

use super::actions::Action;
use super::epoch::{Epoch, Transition, Transitions};
use super::group::{Desk, Waiting};
use super::job::{Answer, Done, Work};
use super::keys::{MediaKeys, Passthrough};
use super::message::Message;
use super::report::{DaveCounters, DaveEvent};
use super::roster::Roster;
use super::search::Search;
use super::sender::Sender;

/// How long plain frames may come once a downgrade is announced; then it is executed or forgotten.
/// Clients use 10, 24 and 120 s (dave.md section 7).
const PLAIN_BEFORE: Duration = Duration::from_secs(24);
/// Frames that cannot be opened lead to a recovery no more often than this: it takes seconds until
/// one has taken effect, and each changes the keys of the whole call.
const RECOVERY_DISTANCE: Duration = Duration::from_secs(10);

/// What a machine is made from: one voice connection.
#[derive(Clone, Debug)]
pub(in super::super) struct Connection {
    /// Counts Identifies of the session.
    pub generation: u64,
    /// Who we are.
    pub user_id: UserId,
    /// The channel gives the group its name.
    pub channel_id: u64,
    /// The highest version announced.
    pub max_version: u16,
    /// Needed for every version above 0.
    pub identity: Option<Arc<Identity>>,
}

/// End-to-end encryption of one voice connection, from Identify to its end.
#[derive(Debug)]
pub(in super::super) struct Dave {
    pub(super) connection: Connection,
    pub(super) now: Instant,
    pub(super) is_connected: bool,
    pub(super) roster: Roster,
    pub(super) desk: Desk,
    /// Set by op 4; nothing is handled before.
    pub(super) sender: Option<Sender>,
    /// The version of the group that is formed, or was; op 4 and op 24 set it.
    pub(super) version: u16,
    /// Whether a group is wanted: not while the call is plain.
    pub(super) is_wanted: bool,
    pub(super) external_sender: Option<Vec<u8>>,
    /// The commit or welcome handled last: servers may repeat themselves after a resume.
    pub(super) last_announced: Option<Vec<u8>>,
    pub(super) epoch: Option<Epoch>,
    pub(super) transitions: Transitions,
    pub(super) last_transition: Option<u16>,
    pub(super) last_recovery: Option<Instant>,
    /// While there is no group: how long we have been waiting to get into one.
    pub(super) search: Search,
    /// Whose keys the media threads hold.
    pub(super) keyed: BTreeSet<u64>,
    pub(super) counters: DaveCounters,
    pub(super) actions: VecDeque<Action>,
    /// Messages to the server that wait for the websocket.
    pub(super) unsent: VecDeque<Action>,
}

impl Dave {
    pub fn new(now: Instant, connection: Connection) -> Self {
        Self {
            now,
            is_connected: false,
            roster: Roster::new(connection.user_id.get()),
            desk: Desk::new(connection.generation),
            sender: None,
            version: 0,
            is_wanted: false,
            external_sender: None,
            last_announced: None,
            epoch: None,
            transitions: Transitions::default(),
            last_transition: None,
            last_recovery: None,
            search: Search::new(now),
            keyed: BTreeSet::new(),
            counters: DaveCounters::default(),
            actions: VecDeque::new(),
            unsent: VecDeque::new(),
            connection,
        }
    }

    // --- what happens --------------------------------------------------------------------------

    /// Op 11.
    pub fn join(&mut self, now: Instant, users: &[UserId]) {
        self.now = now;
        self.roster.join(now, users.iter().map(|user| user.get()));
        self.go_on();
    }

    /// Op 13.
    pub fn leave(&mut self, now: Instant, user: UserId) {
        self.now = now;
        self.roster.leave(now, user.get());
        self.forget_gone();
        self.go_on();
    }

    /// Op 4, the first of this connection: the call has this version.
    pub fn describe(&mut self, now: Instant, version: u16) {
        self.now = now;
        self.sender = Some(Sender::new(now, version));
        self.version = version;
        self.say_sender();
        self.media(MediaKeys::Passthrough(match version {
            0 => Passthrough::Always,
            _ => Passthrough::Never,
        }));
        if version > 0 {
            self.form_group();
        }
        self.go_on();
    }

    /// Any message of opcodes 21 to 30. It is handled now, or after those before it.
    pub fn take(&mut self, now: Instant, message: Message) {
        self.now = now;
        let recognized = match &message {
            Message::Proposals { .. } => self.roster.recognized(),
            Message::Welcome { .. } => self.roster.welcomed(now),
            _ => Vec::new(),
        };
        let waiting = Waiting {
            message,
            recognized,
        };
        if self.desk.queue(waiting) {
            self.go_on();
        } else {
            // Without one message the group cannot be followed any more.
            let reason = "too many messages wait for the encryption".to_owned();
            self.actions.push_back(Action::Fail(reason));
        }
    }

    /// A job came back; one that is not ours is dropped.
    pub fn done(&mut self, now: Instant, done: Done) {
        self.now = now;
        let Some(answer) = self.desk.take_back(done) else {
            return;
        };
        match answer {
            Answer::Nothing => {}
            Answer::KeyPackage(package) => self.send_binary(op::MLS_KEY_PACKAGE, &package),
            Answer::CommitWelcome(body) => self.send_binary(op::MLS_COMMIT_WELCOME, &body),
            Answer::Epoch {
                transition_id,
                epoch,
            } => self.enter(transition_id, epoch),
            Answer::Refused(reason) => self.ignore(reason),
            Answer::Invalid {
                transition_id,
                reason,
            } => {
                self.counters.invalid += 1;
                self.recover(transition_id, reason);
            }
            Answer::Broken(reason) => {
                let reason = format!("end-to-end encryption: {reason}");
                self.actions.push_back(Action::Fail(reason));
            }
        }
        self.go_on();
    }

    /// The media threads cannot open what `user` sends.
    pub fn undecryptable(&mut self, now: Instant, user: UserId) {
        self.now = now;
        let is_steady = self.is_connected && self.desk.is_idle() && self.transitions.is_empty();
        let is_member = self.epoch.as_ref().is_some_and(|e| e.has(user.get()));
        let is_rested = self
            .last_recovery
            .is_none_or(|at| now.saturating_duration_since(at) >= RECOVERY_DISTANCE);
        // Transition 0 names no transition the server would remember (dave.md section 4).
        if let Some(id) = self.last_transition.filter(|id| *id != AT_ONCE)
            && is_steady
            && is_member
            && is_rested
        {
            self.recover(id, format!("frames of user {user} cannot be opened"));
            self.go_on();
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Instant) {
        self.now = now;
        self.go_on();
    }

    /// When to tick at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let sender = self.sender.as_ref()?.deadline(&self.roster);
        [sender, self.search_deadline()].into_iter().flatten().min()
    }

    /// Whether the websocket is up; say it before everything else.
    pub fn connected(&mut self, now: Instant, is_connected: bool) {
        if is_connected && !self.is_connected {
            // What was missed is told now: give it time.
            self.search.resume(now);
        }
        self.is_connected = is_connected;
    }

    /// The next thing to do. While the websocket is away, messages to the server wait, in order.
    pub fn next_action(&mut self) -> Option<Action> {
        if self.is_connected
            && let Some(action) = self.unsent.pop_front()
        {
            return Some(action);
        }
        loop {
            let action = self.actions.pop_front()?;
            if self.is_connected || !action.is_message() {
                return Some(action);
            }
            self.unsent.push_back(action);
        }
    }

    // --- messages ------------------------------------------------------------------------------

    fn go_on(&mut self) {
        while self.sender.is_some()
            && let Some(waiting) = self.desk.next()
        {
            self.act(waiting);
        }
        if self.search_deadline().is_some_and(|due| due <= self.now) {
            self.search_anew();
        }
        self.upgrade_alone();
        self.say_sender();
    }

    fn act(
        &mut self,
        Waiting {
            message,
            recognized,
        }: Waiting,
    ) {
        match message {
            Message::PrepareTransition(body) => self.on_prepare(body),
            Message::ExecuteTransition { transition_id } => {
                match self.transitions.take(transition_id) {
                    Some(transition) => self.execute(transition),
                    None => {
                        self.search.missed(transition_id);
                        self.ignore(format!("transition {transition_id} is not open"));
                    }
                }
            }
            Message::PrepareEpoch(body) => self.on_epoch(body),
            Message::ExternalSender(payload) => self.on_external_sender(payload),
            _ if !self.is_wanted || !self.desk.has_group() => {
                self.ignore("no group is wanted".to_owned());
            }
            Message::Proposals { operation, rest } => self.give(match operation {
                Operation::Append => Work::Append {
                    proposals: rest,
                    recognized,
                },
                Operation::Revoke => Work::Revoke { refs: rest },
            }),
            Message::Commit {
                transition_id,
                commit,
            } => {
                if self.is_news(&commit) {
                    self.give(Work::Commit {
                        transition_id,
                        commit,
                    });
                }
            }
            Message::Welcome {
                transition_id,
                welcome,
            } => {
                if self.is_news(&welcome) {
                    self.give(Work::Welcome {
                        transition_id,
                        welcome,
                        recognized,
                    });
                }
            }
        }
    }

    fn on_prepare(&mut self, body: PrepareTransition) {
        let PrepareTransition {
            transition_id,
            protocol_version,
        } = body;
        if protocol_version > self.connection.max_version {
            self.ignore(format!("transition to version {protocol_version}"));
            return;
        }
        let is_downgrade = protocol_version == 0 && self.sending_version() > 0;
        if is_downgrade && transition_id != AT_ONCE {
            let until = self.now + PLAIN_BEFORE;
            self.media(MediaKeys::Passthrough(Passthrough::Until(until)));
        }
        self.prepare(Transition {
            id: transition_id,
            version: protocol_version,
            keys: None,
        });
    }

    /// Epoch 1 is a new group. Any other is a change of version within the group, of which there is
    /// none as long as there is one version.
    fn on_epoch(&mut self, body: PrepareEpoch) {
        let version = body.protocol_version;
        if body.epoch != 1 {
            return;
        }
        if version == 0 || version > self.connection.max_version {
            self.ignore(format!("a group of version {version}"));
            return;
        }
        self.version = version;
        // Who is quicker than we are may send sealed before our own switch.
        let is_upgrade = self.sender.is_some() && self.sending_version() == 0;
        if is_upgrade {
            self.media(MediaKeys::Passthrough(Passthrough::Meanwhile));
        }
        self.form_group();
    }

    fn on_external_sender(&mut self, payload: Vec<u8>) {
        // Repeated, it would throw away the proposals of the group that is being formed.
        if self.epoch.is_some() || self.external_sender.as_ref() == Some(&payload) {
            self.ignore("the external sender is known already".to_owned());
            return;
        }
        self.external_sender = Some(payload.clone());
        if self.desk.has_group() {
            self.give(Work::ExternalSender(payload));
        }
    }

    fn is_news(&mut self, announced: &[u8]) -> bool {
        let is_news = self.last_announced.as_deref() != Some(announced);
        if is_news {
            self.last_announced = Some(announced.to_vec());
        } else {
            self.ignore("a commit or welcome came again".to_owned());
        }
        is_news
    }

    // --- small ---------------------------------------------------------------------------------

    pub(super) fn ignore(&mut self, reason: String) {
        self.counters.ignored += 1;
        self.tell(DaveEvent::Ignored { reason });
    }

    pub(super) fn tell(&mut self, event: DaveEvent) {
        self.actions.push_back(Action::Tell(event));
    }

    pub(super) fn give(&mut self, work: Work) {
        let job = Box::new(self.desk.give(work));
        self.actions.push_back(Action::Crypto(job));
    }

    pub(super) fn media(&mut self, keys: MediaKeys) {
        self.actions.push_back(Action::Media(keys));
    }

    pub(super) fn send_text<T: serde::Serialize>(&mut self, opcode: u8, body: &T) {
        self.actions
            .push_back(Action::SendText(write(opcode, body)));
    }

    pub(super) fn send_binary(&mut self, opcode: u8, payload: &[u8]) {
        self.actions
            .push_back(Action::SendBinary(write_client_binary(opcode, payload)));
    }
}
