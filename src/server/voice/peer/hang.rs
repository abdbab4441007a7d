//! The fault `hang`: a peer that keeps its socket open and does nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{ABRUPT, HEARTBEAT_TIMEOUT, Input, Peer, Verdict};
use crate::voice::outbox::Message;

/// A peer that holds more than this is torn down, as one that does not read would be.
const MAX_HELD: usize = 1024;
/// A hanging peer has no deadlines of its own, but a shell wants one.
const REST: Duration = Duration::from_secs(60);

/// What happens once the hang is over.
#[derive(Debug)]
pub(super) enum Held {
    Text(String),
    Binary(Vec<u8>),
    Tell(Message),
    Verdict(Verdict),
}

impl Peer {
    /// Begins to hang, or goes on with what has come meanwhile.
    pub(super) fn hang(&mut self, now: Instant, hangs: bool) {
        if hangs {
            self.held.get_or_insert_default();
            self.deadline = now + REST;
        } else if let Some(held) = self.held.take() {
            self.deadline = now + HEARTBEAT_TIMEOUT;
            for held in held {
                match held {
                    Held::Text(text) => self.handle(now, Input::Text(&text)),
                    Held::Binary(bytes) => self.handle(now, Input::Binary(&bytes)),
                    Held::Tell(message) => self.handle(now, Input::Tell(message)),
                    Held::Verdict(verdict) => self.handle(now, Input::Verdict(verdict)),
                }
            }
        }
    }

    /// Keeps an input for later while the peer hangs; gives back what happens even then: the end of
    /// the connection.
    pub(super) fn hold<'a>(&mut self, now: Instant, input: Input<'a>) -> Option<Input<'a>> {
        let Some(held) = &mut self.held else {
            return Some(input);
        };
        let kept = match input {
            Input::Text(text) => Held::Text(text.to_owned()),
            Input::Binary(bytes) => Held::Binary(bytes.to_vec()),
            Input::Tell(message) => Held::Tell(message),
            Input::Verdict(verdict) => Held::Verdict(verdict),
            Input::Tick => {
                self.deadline = now + REST;
                return None;
            }
            Input::Close(_) | Input::Closed(_) | Input::Hang(_) => return Some(input),
        };
        if held.len() >= MAX_HELD {
            return Some(Input::Close(ABRUPT));
        }
        held.push_back(kept);
        None
    }
}

/// What a peer that hangs from its verdict on starts with.
pub(super) fn holding(verdict: Verdict) -> VecDeque<Held> {
    VecDeque::from([Held::Verdict(verdict)])
}
