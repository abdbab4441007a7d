//! A voice client that does with a real davey session what dave.md section 4 says.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use davey::{DaveSession, MediaType, ProposalsOperationType, SigningKeyPair};
use serde_json::{Value, json};

use crate::voice::dave::op;

pub(in crate::voice) struct Client {
    user: u64,
    channel: u64,
    keys: SigningKeyPair,
    pub session: Option<DaveSession>,
    pub version: u16,
    /// Op 11 minus op 13, and itself.
    pub recognized: BTreeSet<u64>,
    /// Transition of op 29 or 30 that was handled last.
    pub transition: Option<u16>,
    /// What real libraries do not survive: op 25 and 27 that could not be processed.
    pub errors: Vec<String>,
    /// Opcodes it got.
    pub ops: Vec<u8>,
    /// Own commits it sent.
    pub commits: Vec<Vec<u8>>,
    /// Do not answer op 27.
    pub is_lazy: bool,
    /// Do not answer op 29, 30 and 21 with op 23.
    pub is_slow: bool,
}

pub(in crate::voice) type Reply = (u8, Vec<u8>);

impl Client {
    pub fn new(user: u64, channel: u64) -> Self {
        Self {
            user,
            channel,
            keys: SigningKeyPair::generate(),
            session: None,
            version: 0,
            recognized: BTreeSet::from([user]),
            transition: None,
            errors: Vec::new(),
            ops: Vec::new(),
            commits: Vec::new(),
            is_lazy: false,
            is_slow: false,
        }
    }

    /// Op 4.
    pub fn describe(&mut self, version: u16) -> Vec<Reply> {
        self.version = version;
        match version {
            0 => Vec::new(),
            _ => self.start_anew(),
        }
    }

    fn start_anew(&mut self) -> Vec<Reply> {
        let version = NonZeroU16::MIN;
        match &mut self.session {
            Some(session) => session
                .reinit(version, self.user, self.channel, Some(&self.keys))
                .unwrap(),
            None => {
                let session = DaveSession::new(version, self.user, self.channel, Some(&self.keys));
                self.session = Some(session.unwrap());
            }
        }
        vec![(op::KEY_PACKAGE, self.key_package())]
    }

    pub fn key_package(&mut self) -> Vec<u8> {
        self.session.as_mut().unwrap().create_key_package().unwrap()
    }

    /// A DAVE message of the server.
    pub fn take(&mut self, op: u8, payload: &[u8]) -> Vec<Reply> {
        self.ops.push(op);
        match op {
            op::EXTERNAL_SENDER => {
                let session = self.session.as_mut();
                let set = session.map(|session| session.set_external_sender(payload));
                if !matches!(set, Some(Ok(()))) {
                    self.errors.push(format!("op 25: {set:?}"));
                }
                Vec::new()
            }
            op::PROPOSALS => self.proposals(payload),
            op::ANNOUNCE_COMMIT | op::WELCOME => self.new_epoch(op, payload),
            _ => self.json(op, &serde_json::from_slice(payload).unwrap()),
        }
    }

    fn proposals(&mut self, payload: &[u8]) -> Vec<Reply> {
        let kind = match payload[0] {
            0 => ProposalsOperationType::APPEND,
            _ => ProposalsOperationType::REVOKE,
        };
        let recognized: Vec<u64> = self.recognized.iter().copied().collect();
        let session = self.session.as_mut().unwrap();
        match session.process_proposals(kind, &payload[1..], Some(&recognized)) {
            Ok(Some(answer)) => {
                let mut reply = answer.commit;
                reply.extend(answer.welcome.unwrap_or_default());
                self.commits.push(reply.clone());
                match self.is_lazy {
                    true => Vec::new(),
                    false => vec![(op::COMMIT_WELCOME, reply)],
                }
            }
            Ok(None) => Vec::new(),
            Err(error) => {
                self.errors.push(format!("op 27: {error:?}"));
                Vec::new()
            }
        }
    }

    fn new_epoch(&mut self, op: u8, payload: &[u8]) -> Vec<Reply> {
        let id = u16::from_be_bytes([payload[0], payload[1]]);
        let recognized: Vec<u64> = self.recognized.iter().copied().collect();
        let session = self.session.as_mut().unwrap();
        let done = match op {
            op::ANNOUNCE_COMMIT => session
                .process_commit(&payload[2..])
                .map_err(|error| format!("{error:?}")),
            _ => session
                .process_welcome(&payload[2..], Some(&recognized))
                .map(|()| true)
                .map_err(|error| format!("{error:?}")),
        };
        match done {
            Ok(true) => {
                session.prepare_transition(id, 1).unwrap();
                self.transition = Some(id);
                self.ready(id)
            }
            Ok(false) => Vec::new(),
            Err(_) => self.recover(id),
        }
    }

    /// Op 31, and everything anew.
    pub fn recover(&mut self, id: u16) -> Vec<Reply> {
        let mut replies = vec![(op::INVALID_COMMIT_WELCOME, named(id))];
        replies.extend(self.start_anew());
        replies
    }

    fn ready(&self, id: u16) -> Vec<Reply> {
        match id == 0 || self.is_slow {
            true => Vec::new(),
            false => vec![(op::TRANSITION_READY, named(id))],
        }
    }

    fn json(&mut self, op: u8, d: &Value) -> Vec<Reply> {
        let id = d["transition_id"].as_u64().unwrap_or(0) as u16;
        let version = d["protocol_version"].as_u64().unwrap_or(0) as u16;
        match op {
            op::PREPARE_TRANSITION => {
                let session = self.session.as_mut().unwrap();
                session.set_passthrough_mode(version == 0, None);
                session.prepare_transition(id, version).unwrap();
                self.version = if id == 0 { version } else { self.version };
                self.ready(id)
            }
            op::EXECUTE_TRANSITION => {
                let session = self.session.as_mut().unwrap();
                session.execute_transition(id).unwrap();
                Vec::new()
            }
            op::PREPARE_EPOCH => {
                assert_eq!(d["epoch"], 1);
                self.version = version;
                self.start_anew()
            }
            _ => panic!("op {op} is not for clients"),
        }
    }

    pub fn epoch(&self) -> Option<u64> {
        self.session.as_ref()?.epoch().map(|epoch| epoch.as_u64())
    }

    pub fn leaf(&self) -> u32 {
        let session = self.session.as_ref().unwrap();
        session.own_leaf_index().unwrap().u32()
    }

    /// Sealed with the keys it sends with now; `None` when it has none.
    pub fn seal(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let session = self.session.as_mut()?;
        session
            .can_encrypt()
            .then(|| session.encrypt_opus(frame).unwrap().into_owned())
    }

    pub fn open(&mut self, from: u64, frame: &[u8]) -> Option<Vec<u8>> {
        let session = self.session.as_mut()?;
        session.decrypt(from, MediaType::AUDIO, frame).ok()
    }
}

pub(in crate::voice) fn named(id: u16) -> Vec<u8> {
    json!({"transition_id": id}).to_string().into_bytes()
}
