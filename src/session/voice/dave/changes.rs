//! What changes keys: groups, epochs, transitions, and who is gone.

use std::time::{Duration, Instant};

use mynah_wire::UserId;
use mynah_wire::dave::{AT_ONCE, InvalidCommitWelcome, Transition as TransitionBody};
use mynah_wire::voice::op;

use super::actions::Action;
use super::epoch::{Epoch, Transition};
use super::job::{Founding, Work};
use super::keys::{MediaKeys, Passthrough, SenderKeys};
use super::machine::Dave;
use super::report::DaveEvent;
use super::search::Search;
use super::sender::Sender;

/// How long plain frames may still be on the way after an upgrade (dave.md section 7).
const PLAIN_AFTER: Duration = Duration::from_secs(10);

impl Dave {
    // --- group and epochs ----------------------------------------------------------------------

    /// Begins a group, instead of any earlier one, and tells the server how to add us.
    pub(super) fn form_group(&mut self) {
        self.is_wanted = true;
        self.search.begin(self.now);
        self.give_up_group();
        if self.desk.has_group() {
            self.give(Work::Renew { announce: true });
            return;
        }
        let Some(identity) = self.connection.identity.clone() else {
            // Unreachable in practice: without an identity we announce version 0.
            let reason = "there is no key for end-to-end encryption".to_owned();
            self.actions.push_back(Action::Fail(reason));
            return;
        };
        self.give(Work::Found(Founding {
            version: self.version,
            user_id: self.connection.user_id.get(),
            channel_id: self.connection.channel_id,
            identity,
            external_sender: self.external_sender.clone(),
        }));
    }

    fn give_up_group(&mut self) {
        self.epoch = None;
        if let Some(sender) = &mut self.sender {
            sender.outlive_group();
        }
        self.forget_gone();
    }

    pub(super) fn enter(&mut self, transition_id: u16, epoch: Epoch) {
        self.counters.epochs += 1;
        self.search = Search::new(self.now);
        let own = self.connection.user_id.get();
        for (user, base) in epoch.secrets.iter().filter(|(user, _)| *user != own) {
            self.keyed.insert(*user);
            self.media(MediaKeys::Receiver {
                user_id: UserId::new(*user),
                epoch: epoch.number,
                base: base.clone(),
            });
        }
        let keys = epoch.sending_keys(own);
        let event = DaveEvent::Epoch {
            epoch: epoch.number,
            privacy_code: epoch.privacy_code.clone(),
            members: epoch
                .members
                .iter()
                .map(|(id, _)| UserId::new(*id))
                .collect(),
        };
        self.epoch = Some(epoch);
        self.forget_gone();
        self.prepare(Transition {
            id: transition_id,
            version: self.version,
            keys,
        });
        self.tell(event);
    }

    /// Op 31: the server takes us out of the group and lets us in with a new key package.
    pub(super) fn recover(&mut self, transition_id: u16, reason: String) {
        self.counters.recoveries += 1;
        self.last_recovery = Some(self.now);
        let body = InvalidCommitWelcome { transition_id };
        self.send_text(op::MLS_INVALID_COMMIT_WELCOME, &body);
        self.tell(DaveEvent::Recovering { reason });
        self.form_group();
    }

    /// When waiting for a group makes no more sense; `None` while there is one, none is wanted, nobody
    /// else is here to form it, something is being computed, or the websocket is away.
    pub(super) fn search_deadline(&self) -> Option<Instant> {
        let company = self.roster.company_since()?;
        let is_free = self.is_connected && self.desk.is_idle();
        let is_searching = self.is_wanted && self.epoch.is_none() && is_free;
        is_searching.then(|| self.search.deadline(company))
    }

    /// The welcome got lost, or whoever should have made it is broken: ask once more.
    pub(super) fn search_anew(&mut self) {
        let reason = "nobody let us into the group".to_owned();
        match self.search.give_up() {
            Some(transition_id) => self.recover(transition_id, reason),
            // The server waits for nothing that we know of: there is nothing to complain about.
            None => {
                self.counters.recoveries += 1;
                self.tell(DaveEvent::Recovering { reason });
                self.form_group();
            }
        }
    }

    // --- transitions ---------------------------------------------------------------------------

    pub(super) fn prepare(&mut self, transition: Transition) {
        let transition_id = transition.id;
        if transition_id == AT_ONCE {
            self.transitions.clear();
            self.execute(transition);
        } else {
            self.transitions.add(transition);
            self.send_text(op::DAVE_TRANSITION_READY, &TransitionBody { transition_id });
        }
    }

    pub(super) fn execute(&mut self, transition: Transition) {
        self.counters.transitions += 1;
        self.last_transition = Some(transition.id);
        if transition.version == 0 {
            self.execute_downgrade();
            return;
        }
        let was_plain = self.sending_version() == 0;
        let own = self.connection.user_id.get();
        let latest = || self.epoch.as_ref()?.sending_keys(own);
        let keys = transition.keys.or_else(latest);
        if let Some(sender) = &mut self.sender {
            sender.switch(self.now, transition.version, keys);
            if self.epoch.is_none() {
                // The group was given up after this transition had been prepared.
                sender.outlive_group();
            }
        }
        self.say_sender();
        if was_plain {
            self.end_plain(transition.version);
        }
    }

    fn execute_downgrade(&mut self) {
        let was_plain = self.sending_version() == 0;
        self.media(MediaKeys::Passthrough(Passthrough::Always));
        if let Some(sender) = &mut self.sender {
            sender.switch(self.now, 0, None);
        }
        self.say_sender();
        if !was_plain {
            self.tell(DaveEvent::Downgraded);
        }
        if std::mem::take(&mut self.is_wanted) {
            self.give_up_group();
            if self.desk.has_group() {
                self.give(Work::Renew { announce: false });
            }
        }
    }

    /// An upgrade is executed with its first group. Who is left alone before that would wait for it
    /// for ever, and greet the next to come with plain sound: it is over at once, for nobody hears
    /// the difference.
    pub(super) fn upgrade_alone(&mut self) {
        let is_alone = self.roster.company_since().is_none();
        let is_upgrading = self.is_wanted && self.sender.is_some() && self.sending_version() == 0;
        if is_alone && is_upgrading {
            let (now, version) = (self.now, self.version);
            if let Some(sender) = &mut self.sender {
                sender.switch(now, version, None);
            }
            self.end_plain(version);
        }
    }

    fn end_plain(&mut self, version: u16) {
        let until = self.now + PLAIN_AFTER;
        self.media(MediaKeys::Passthrough(Passthrough::Until(until)));
        self.tell(DaveEvent::Upgraded { version });
    }

    // --- who sends how, and whose keys are kept ------------------------------------------------

    pub(super) fn sending_version(&self) -> u16 {
        self.sender.as_ref().map_or(0, Sender::version)
    }

    /// Tells the media threads whose keys they need no longer.
    pub(super) fn forget_gone(&mut self) {
        let (epoch, roster) = (&self.epoch, &self.roster);
        let is_here = |user: u64| match epoch {
            Some(epoch) => epoch.has(user),
            None => roster.has(user),
        };
        let gone: Vec<u64> = self
            .keyed
            .iter()
            .copied()
            .filter(|u| !is_here(*u))
            .collect();
        for user in gone {
            self.keyed.remove(&user);
            let user_id = UserId::new(user);
            self.media(MediaKeys::Forget { user_id });
        }
    }

    pub(super) fn say_sender(&mut self) {
        let roster = &self.roster;
        let sender = self.sender.as_mut();
        let news: Option<SenderKeys> = sender.and_then(|sender| sender.decide(self.now, roster));
        if let Some(keys) = news {
            self.media(MediaKeys::Sender(keys));
        }
    }
}
