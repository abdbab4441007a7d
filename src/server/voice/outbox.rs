//! Numbered messages of one voice session, kept for buffered resume (voice.md section 5).

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

/// How many messages a resume can replay.
pub const KEPT_MESSAGES: usize = 512;

/// A server message without its framing, which depends on the version the connection speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A text message: opcode and the JSON of `d`.
    Json(u8, Arc<str>),
    /// A binary message (DAVE): opcode and payload.
    Binary(u8, Arc<[u8]>),
}

impl Body {
    /// Writes a payload once, for any number of receivers.
    pub fn json<T: Serialize>(op: u8, payload: &T) -> Self {
        let text = serde_json::to_string(payload)
            .unwrap_or_else(|_| unreachable!("voice payloads have string keys and finite numbers"));
        Self::Json(op, text.into())
    }
}

/// A numbered message of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Counts the messages of the session, wraps from 65535 to 0.
    pub seq: u16,
    /// What is said.
    pub body: Body,
}

impl Message {
    /// The text frame, or else the binary frame, of this message in gateway version `version`.
    pub fn frame(&self, version: u8) -> Frame {
        let buffered = version >= 8;
        match &self.body {
            Body::Json(op, d) if buffered => Frame::Text(format!(
                r#"{{"op":{op},"d":{d},"seq":{seq}}}"#,
                seq = self.seq
            )),
            Body::Json(op, d) => Frame::Text(format!(r#"{{"op":{op},"d":{d}}}"#)),
            Body::Binary(op, payload) => {
                let mut bytes = Vec::with_capacity(payload.len() + 3);
                if buffered {
                    bytes.extend(self.seq.to_be_bytes());
                }
                bytes.push(*op);
                bytes.extend(payload.iter());
                Frame::Binary(bytes)
            }
        }
    }
}

/// A websocket frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// JSON.
    Text(String),
    /// DAVE.
    Binary(Vec<u8>),
}

/// Numbers the messages of one session and keeps the last [`KEPT_MESSAGES`].
#[derive(Debug)]
pub struct Outbox {
    next: u16,
    kept: VecDeque<Message>,
    forgot_some: bool,
}

impl Outbox {
    /// An empty outbox whose first message gets number `first` (Discord starts at 1).
    pub fn new(first: u16) -> Self {
        Self {
            next: first,
            kept: VecDeque::new(),
            forgot_some: false,
        }
    }

    /// Numbers and keeps a message.
    pub fn push(&mut self, body: Body) -> Message {
        let message = Message {
            seq: self.next,
            body,
        };
        self.next = self.next.wrapping_add(1);
        if self.kept.len() == KEPT_MESSAGES {
            self.kept.pop_front();
            self.forgot_some = true;
        }
        self.kept.push_back(message.clone());
        message
    }

    /// Every message after number `acked` in order, or `None` when that gap is no longer covered.
    /// `None` as argument: the client has received nothing.
    pub fn since(&self, acked: Option<u16>) -> Option<Vec<Message>> {
        let missing = match acked {
            Some(acked) => usize::from(self.next.wrapping_sub(1).wrapping_sub(acked)),
            None if self.forgot_some => return None,
            None => self.kept.len(),
        };
        let skip = self.kept.len().checked_sub(missing)?;
        Some(self.kept.iter().skip(skip).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn numbers(outbox: &Outbox, acked: Option<u16>) -> Option<Vec<u16>> {
        let messages = outbox.since(acked)?;
        Some(messages.iter().map(|message| message.seq).collect())
    }

    fn with_messages(first: u16, count: usize) -> Outbox {
        let mut outbox = Outbox::new(first);
        for _ in 0..count {
            outbox.push(Body::json(5, &0));
        }
        outbox
    }

    #[test]
    fn a_resume_gets_what_it_has_not_acknowledged() {
        let outbox = with_messages(1, 5);
        assert_eq!(numbers(&outbox, Some(3)).unwrap(), [4, 5]);
        assert_eq!(numbers(&outbox, Some(5)).unwrap(), Vec::<u16>::new());
        assert_eq!(numbers(&outbox, None).unwrap(), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn replay_crosses_the_wrap_of_the_sequence() {
        let outbox = with_messages(65_533, 6);
        assert_eq!(numbers(&outbox, Some(65_534)).unwrap(), [65_535, 0, 1, 2]);
        assert_eq!(numbers(&outbox, Some(0)).unwrap(), [1, 2]);
    }

    #[test]
    fn a_gap_longer_than_the_ring_is_not_covered() {
        let outbox = with_messages(1, KEPT_MESSAGES + 10);
        assert_eq!(numbers(&outbox, Some(10)).unwrap().len(), KEPT_MESSAGES);
        assert_eq!(numbers(&outbox, Some(9)), None);
        assert_eq!(numbers(&outbox, None), None);
    }

    #[test]
    fn a_number_from_the_future_is_not_covered() {
        assert_eq!(numbers(&with_messages(1, 3), Some(7)), None);
    }

    #[test]
    fn versions_before_8_get_no_sequence_in_text_or_binary() {
        let text = Message {
            seq: 258,
            body: Body::json(13, &serde_json::json!({"user_id": "5"})),
        };
        assert_eq!(
            text.frame(8),
            Frame::Text(r#"{"op":13,"d":{"user_id":"5"},"seq":258}"#.to_owned())
        );
        assert_eq!(
            text.frame(4),
            Frame::Text(r#"{"op":13,"d":{"user_id":"5"}}"#.to_owned())
        );
        let binary = Message {
            seq: 258,
            body: Body::Binary(25, vec![9, 8].into()),
        };
        assert_eq!(binary.frame(8), Frame::Binary(vec![1, 2, 25, 9, 8]));
        assert_eq!(binary.frame(4), Frame::Binary(vec![25, 9, 8]));
    }
}
