//! What the server says about encryption, opcodes 21 to 30.

use mynah_wire::dave::{
    Operation, PrepareEpoch, PrepareTransition, Transition, parse_proposals, parse_transition,
};
use mynah_wire::voice::{Envelope, op};

/// One message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Message {
    /// Op 21.
    PrepareTransition(PrepareTransition),
    /// Op 22.
    ExecuteTransition { transition_id: u16 },
    /// Op 24.
    PrepareEpoch(PrepareEpoch),
    /// Op 25.
    ExternalSender(Vec<u8>),
    /// Op 27.
    Proposals { operation: Operation, rest: Vec<u8> },
    /// Op 29.
    Commit { transition_id: u16, commit: Vec<u8> },
    /// Op 30.
    Welcome {
        transition_id: u16,
        welcome: Vec<u8>,
    },
}

impl Message {
    /// Reads a JSON payload; `None` when it is something else, or malformed.
    pub fn from_text(envelope: &Envelope<'_>) -> Option<Self> {
        match envelope.op {
            op::DAVE_PREPARE_TRANSITION => envelope.body().ok().map(Self::PrepareTransition),
            op::DAVE_EXECUTE_TRANSITION => {
                let Transition { transition_id } = envelope.body().ok()?;
                Some(Self::ExecuteTransition { transition_id })
            }
            op::DAVE_PREPARE_EPOCH => envelope.body().ok().map(Self::PrepareEpoch),
            _ => None,
        }
    }

    /// Reads a binary payload; `None` when it is something else, or too short.
    pub fn from_binary(opcode: u8, payload: &[u8]) -> Option<Self> {
        match opcode {
            op::MLS_EXTERNAL_SENDER => Some(Self::ExternalSender(payload.to_vec())),
            op::MLS_PROPOSALS => {
                let (operation, rest) = parse_proposals(payload)?;
                let rest = rest.to_vec();
                Some(Self::Proposals { operation, rest })
            }
            op::MLS_ANNOUNCE_COMMIT => {
                let (transition_id, rest) = parse_transition(payload)?;
                let commit = rest.to_vec();
                Some(Self::Commit {
                    transition_id,
                    commit,
                })
            }
            op::MLS_WELCOME => {
                let (transition_id, rest) = parse_transition(payload)?;
                let welcome = rest.to_vec();
                Some(Self::Welcome {
                    transition_id,
                    welcome,
                })
            }
            _ => None,
        }
    }

    /// Bytes it holds beyond its own size.
    pub const fn bytes(&self) -> usize {
        match self {
            Self::PrepareTransition(_) | Self::ExecuteTransition { .. } | Self::PrepareEpoch(_) => {
                0
            }
            Self::ExternalSender(bytes)
            | Self::Proposals { rest: bytes, .. }
            | Self::Commit { commit: bytes, .. }
            | Self::Welcome { welcome: bytes, .. } => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Message> {
        Message::from_text(&Envelope::parse(text).unwrap())
    }

    #[test]
    fn json_messages_are_read_with_extra_fields_and_without_optional_ones() {
        assert_eq!(
            read(r#"{"op":21,"d":{"transition_id":10,"protocol_version":0,"x":1}}"#),
            Some(Message::PrepareTransition(PrepareTransition {
                transition_id: 10,
                protocol_version: 0
            }))
        );
        assert_eq!(
            read(r#"{"op":22,"d":{"transition_id":10}}"#),
            Some(Message::ExecuteTransition { transition_id: 10 })
        );
        assert!(read(r#"{"op":24,"d":{"protocol_version":1,"epoch":1}}"#).is_some());
        for bad in [
            r#"{"op":21}"#,
            r#"{"op":22,"d":{"transition_id":70000}}"#,
            r#"{"op":22,"d":{"transition_id":-1}}"#,
            r#"{"op":24,"d":{"epoch":1}}"#,
            r#"{"op":25,"d":{}}"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn binary_messages_are_read_and_short_ones_are_not() {
        assert_eq!(
            Message::from_binary(27, &[1, 9]),
            Some(Message::Proposals {
                operation: Operation::Revoke,
                rest: vec![9]
            })
        );
        assert_eq!(
            Message::from_binary(29, &[1, 2, 9]),
            Some(Message::Commit {
                transition_id: 258,
                commit: vec![9]
            })
        );
        assert_eq!(
            Message::from_binary(30, &[0, 0]),
            Some(Message::Welcome {
                transition_id: 0,
                welcome: vec![]
            })
        );
        for (opcode, payload) in [(27, &[][..]), (27, &[2]), (29, &[1]), (30, &[]), (26, &[1])] {
            assert_eq!(Message::from_binary(opcode, payload), None);
        }
    }
}
