//! Payloads of DAVE on the voice gateway, opcodes 21 to 31 (dave.md section 3).
//!
//! JSON bodies as types, and the outer layer of binary frames: sequence, opcode, transition id,
//! operation. What lies inside (MLS, RFC 9420) is read by those who hold a group.

use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Transition id of changes that take effect at once, and which nobody answers.
pub const AT_ONCE: u16 = 0;

/// Body of [`op::DAVE_PREPARE_TRANSITION`](crate::voice::op::DAVE_PREPARE_TRANSITION).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareTransition {
    /// Which transition; [`AT_ONCE`] takes effect at once.
    pub transition_id: u16,
    /// The version to go to; 0 is plain.
    pub protocol_version: u16,
}

/// Body of [`op::DAVE_EXECUTE_TRANSITION`](crate::voice::op::DAVE_EXECUTE_TRANSITION) and
/// [`op::DAVE_TRANSITION_READY`](crate::voice::op::DAVE_TRANSITION_READY). Extra fields, which some
/// libraries send, are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Which transition.
    pub transition_id: u16,
}

/// Body of [`op::DAVE_PREPARE_EPOCH`](crate::voice::op::DAVE_PREPARE_EPOCH).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareEpoch {
    /// The version of the epoch to come.
    pub protocol_version: u16,
    /// 1: a new group is formed.
    pub epoch: u64,
    /// Named by Discord's documentation, but neither by the paper nor seen on the wire (dave.md
    /// section 11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition_id: Option<u16>,
}

/// Body of [`op::MLS_INVALID_COMMIT_WELCOME`](crate::voice::op::MLS_INVALID_COMMIT_WELCOME).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InvalidCommitWelcome {
    /// The transition whose commit or welcome could not be used.
    pub transition_id: u16,
}

impl<'de> Deserialize<'de> for InvalidCommitWelcome {
    /// Accepts the array `["transition_id",32]` too, which DPP sends (dave.md section 3).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = InvalidCommitWelcome;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object or array with a transition_id")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "transition_id" {
                        found = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                let transition_id = found.ok_or(de::Error::missing_field("transition_id"))?;
                Ok(InvalidCommitWelcome { transition_id })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let name: Option<String> = seq.next_element()?;
                let transition_id = seq.next_element()?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                match (name.as_deref(), transition_id) {
                    (Some("transition_id"), Some(transition_id)) => {
                        Ok(InvalidCommitWelcome { transition_id })
                    }
                    _ => Err(de::Error::missing_field("transition_id")),
                }
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// What an op 27 does with its proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Remember them and commit.
    Append,
    /// Forget them.
    Revoke,
}

/// Splits the payload of op 27 into operation and the rest; `None` when empty or unknown.
pub fn parse_proposals(payload: &[u8]) -> Option<(Operation, &[u8])> {
    match payload {
        [0, rest @ ..] => Some((Operation::Append, rest)),
        [1, rest @ ..] => Some((Operation::Revoke, rest)),
        _ => None,
    }
}

/// The payload of op 27.
pub fn write_proposals(operation: Operation, rest: &[u8]) -> Vec<u8> {
    let first = match operation {
        Operation::Append => 0,
        Operation::Revoke => 1,
    };
    [&[first], rest].concat()
}

/// Splits the payload of op 29 or 30 into transition id and the commit or welcome; `None` when too
/// short.
pub fn parse_transition(payload: &[u8]) -> Option<(u16, &[u8])> {
    match payload {
        [high, low, rest @ ..] => Some((u16::from_be_bytes([*high, *low]), rest)),
        _ => None,
    }
}

/// The payload of op 29 or 30.
pub fn write_transition(transition_id: u16, rest: &[u8]) -> Vec<u8> {
    [&transition_id.to_be_bytes(), rest].concat()
}

/// A binary frame of a client: opcode, then payload.
pub fn write_client_binary(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[opcode], payload].concat()
}

/// A binary frame of a server, which carries a sequence since version 8; the reverse of
/// [`parse_server_binary`](crate::voice::parse_server_binary).
pub fn write_server_binary(version: u8, seq: u16, opcode: u8, payload: &[u8]) -> Vec<u8> {
    if version >= 8 {
        [&seq.to_be_bytes(), &[opcode][..], payload].concat()
    } else {
        write_client_binary(opcode, payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::parse_server_binary;

    #[test]
    fn an_invalid_commit_is_read_as_object_and_as_the_array_of_dpp() {
        let read = |text| serde_json::from_str::<InvalidCommitWelcome>(text).ok();
        let wanted = Some(InvalidCommitWelcome { transition_id: 32 });
        assert_eq!(read(r#"{"transition_id":32}"#), wanted);
        assert_eq!(read(r#"{"a":[],"transition_id":32}"#), wanted);
        assert_eq!(read(r#"["transition_id",32]"#), wanted);
        assert_eq!(read(r#"["transition_id",32,null]"#), wanted);
        for bad in ["{}", "[]", r#"["x",1]"#, r#"["transition_id"]"#, "7"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let text = serde_json::to_string(&wanted).unwrap();
        assert_eq!(text, r#"{"transition_id":32}"#);
    }

    #[test]
    fn extra_fields_and_an_absent_transition_of_an_epoch_are_tolerated() {
        let ready: Transition =
            serde_json::from_str(r#"{"transition_id":10,"protocol_version":1}"#).unwrap();
        assert_eq!(ready.transition_id, 10);
        let epoch: PrepareEpoch =
            serde_json::from_str(r#"{"protocol_version":1,"epoch":1}"#).unwrap();
        assert_eq!((epoch.epoch, epoch.transition_id), (1, None));
        assert_eq!(
            serde_json::to_string(&epoch).unwrap(),
            r#"{"protocol_version":1,"epoch":1}"#
        );
        let with: PrepareEpoch =
            serde_json::from_str(r#"{"transition_id":4,"protocol_version":1,"epoch":1}"#).unwrap();
        assert_eq!(with.transition_id, Some(4));
    }

    #[test]
    fn binary_frames_come_back_in_both_framings() {
        for (version, seq) in [(8, Some(258)), (4, None)] {
            let frame = write_server_binary(version, 258, 29, &write_transition(300, &[9]));
            let (read, opcode, payload) = parse_server_binary(&frame, version).unwrap();
            assert_eq!((read, opcode), (seq, 29));
            assert_eq!(parse_transition(payload), Some((300, &[9][..])));
        }
        assert_eq!(write_client_binary(26, &[1, 2]), [26, 1, 2]);
        assert_eq!(parse_transition(&[1]), None);
    }

    #[test]
    fn proposals_name_their_operation() {
        for operation in [Operation::Append, Operation::Revoke] {
            let payload = write_proposals(operation, &[5]);
            assert_eq!(parse_proposals(&payload), Some((operation, &[5][..])));
        }
        assert_eq!(parse_proposals(&[]), None);
        assert_eq!(parse_proposals(&[2, 5]), None);
    }
}
