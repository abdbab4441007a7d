//! The desk between the rooms and the host: numbers requests, keeps every answer punctual and single.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::calls::{Action, Call};
use crate::ids::{ChannelId, Reply, Ticket};

/// Discord drops an interaction without a first response after 3 s (rest.md section 5); half of that
/// leaves room for a slow request.
const DEFER_AFTER: Duration = Duration::from_millis(1500);

/// The commands that still wait for their answer, and what is to be done for them.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    actions: VecDeque<Action>,
    open: BTreeMap<Reply, Slip>,
    last_ticket: u64,
    wake: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Slip {
    due: Duration,
    deferred: bool,
}

impl Desk {
    /// A command has come in and will be answered.
    pub(crate) fn accept(&mut self, reply: Reply, at: Duration) {
        self.open.insert(
            reply,
            Slip {
                due: at + DEFER_AFTER,
                deferred: false,
            },
        );
    }

    /// The answer for everybody.
    pub(crate) fn say(&mut self, reply: Reply, text: impl Into<String>) {
        self.answer(reply, text.into(), false);
    }

    /// The answer for the one who asked.
    pub(crate) fn whisper(&mut self, reply: Reply, text: impl Into<String>) {
        self.answer(reply, text.into(), true);
    }

    fn answer(&mut self, reply: Reply, text: String, private: bool) {
        if self.open.remove(&reply).is_some() {
            self.actions.push_back(Action::Answer {
                reply,
                text,
                private,
            });
        }
    }

    /// The answer will take a while: say so now.
    pub(crate) fn defer(&mut self, reply: Reply) {
        if let Some(slip) = self.open.get_mut(&reply).filter(|slip| !slip.deferred) {
            slip.deferred = true;
            self.actions.push_back(Action::Defer(reply));
        }
    }

    /// A message of its own.
    pub(crate) fn post(&mut self, channel: ChannelId, text: String) {
        self.actions.push_back(Action::Post(channel, text));
    }

    /// A line for the operator.
    pub(crate) fn warn(&mut self, text: String) {
        self.actions.push_back(Action::Warn(text));
    }

    /// A request; its outcome will carry the returned ticket.
    pub(crate) fn call(&mut self, call: Call) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.actions.push_back(Action::Call(ticket, call));
        ticket
    }

    /// Defers what has waited too long, and asks to be woken for what will, or at `wake` if that is
    /// earlier.
    pub(crate) fn mind_the_time(&mut self, now: Duration, wake: Option<Duration>) {
        let fresh = self.open.iter().filter(|(_, slip)| !slip.deferred);
        let late: Vec<Reply> = fresh
            .filter(|(_, slip)| slip.due <= now)
            .map(|(reply, _)| *reply)
            .collect();
        for reply in late {
            self.defer(reply);
        }
        let due = self
            .open
            .values()
            .filter(|slip| !slip.deferred)
            .map(|slip| slip.due);
        let next = due.chain(wake).filter(|at| *at > now).min();
        self.wake = self.wake.filter(|at| *at > now);
        if let Some(at) = next.filter(|at| self.wake.is_none_or(|wake| *at < wake)) {
            self.wake = Some(at);
            self.actions.push_back(Action::Wake(at));
        }
    }

    /// What is to be done, oldest first.
    pub(crate) fn drain(&mut self) -> Vec<Action> {
        self.actions.drain(..).collect()
    }
}
