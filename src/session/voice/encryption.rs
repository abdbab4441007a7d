//! Where the session meets its [`Dave`] machine: what it is told, and what becomes of its wishes.

use std::sync::Arc;

use mynah_wire::UserId;
use mynah_wire::voice::{CloseAction, Envelope};

use super::dave::{Action, Connection, Dave, DaveReport, Done, Message};
use super::session::{CLOSE_NORMAL, Phase, Session};
use super::{Event, Output};

impl Session {
    /// The state of the end-to-end encryption; `None` while not connected.
    pub fn dave(&self) -> Option<DaveReport> {
        self.dave.as_ref().and_then(Dave::report)
    }

    /// The version for Identify.
    pub(super) fn announced_dave_version(&self) -> u16 {
        match self.config.identity {
            Some(_) => self.config.max_dave_version.min(mynah_dave::VERSION),
            None => 0,
        }
    }

    /// A new Identify was accepted: everything of the connection before is void (dave.md section 4).
    pub(super) fn begin_dave(&mut self) {
        self.dave_generation += 1;
        let connection = Connection {
            generation: self.dave_generation,
            user_id: self.config.user_id,
            channel_id: self.channel_id.get(),
            max_version: self.announced_dave_version(),
            identity: self.config.identity.as_ref().map(Arc::clone),
        };
        self.dave = Some(Dave::new(self.now, connection));
    }

    pub(super) fn dave_described(&mut self, version: u16) {
        let now = self.now;
        self.with_dave(|dave| dave.describe(now, version));
    }

    pub(super) fn dave_joined(&mut self, users: &[UserId]) {
        let now = self.now;
        self.with_dave(|dave| dave.join(now, users));
    }

    pub(super) fn dave_left(&mut self, user: UserId) {
        let now = self.now;
        self.with_dave(|dave| dave.leave(now, user));
    }

    pub(super) fn on_dave_text(&mut self, envelope: &Envelope<'_>) {
        let now = self.now;
        if let Some(message) = Message::from_text(envelope) {
            self.with_dave(|dave| dave.take(now, message));
        }
    }

    pub(super) fn on_dave_binary(&mut self, opcode: u8, payload: &[u8]) {
        let now = self.now;
        if let Some(message) = Message::from_binary(opcode, payload) {
            self.with_dave(|dave| dave.take(now, message));
        }
    }

    pub(super) fn on_crypto(&mut self, done: Done) {
        let now = self.now;
        self.with_dave(|dave| dave.done(now, done));
    }

    pub(super) fn on_undecryptable(&mut self, user: UserId) {
        let now = self.now;
        self.with_dave(|dave| dave.undecryptable(now, user));
    }

    /// Time passed, or the websocket is back: what waited for either happens now.
    pub(super) fn tick_dave(&mut self) {
        let now = self.now;
        self.with_dave(|dave| dave.tick(now));
    }

    fn with_dave(&mut self, tell: impl FnOnce(&mut Dave)) {
        let Some(dave) = &mut self.dave else {
            return;
        };
        // What the server is to hear while the websocket is away waits in the machine: after a
        // resume it goes on as if nothing had been (dave.md section 4).
        dave.connected(self.now, matches!(self.phase, Phase::Live { .. }));
        tell(dave);
        while let Some(action) = dave.next_action() {
            let output = match action {
                Action::SendText(text) => Output::SendText(text),
                Action::SendBinary(frame) => Output::SendBinary(frame),
                Action::Media(keys) => Output::Media(keys),
                Action::Tell(event) => Output::Event(Event::Dave(event)),
                Action::Crypto(job) => Output::Crypto(job),
                Action::Fail(reason) => {
                    self.dave_failed(reason);
                    return;
                }
            };
            self.out.push_back(output);
        }
    }

    /// Resuming would bring the same group back: begin with new credentials.
    fn dave_failed(&mut self, reason: String) {
        self.settle();
        self.close_socket(CLOSE_NORMAL);
        self.lose(reason, CloseAction::Rejoin);
    }
}
