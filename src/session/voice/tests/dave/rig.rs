//! One session in virtual time, with everything it says in short form.

use std::sync::Arc;

use mynah_dave::frame::{FrameSealer, MAX_OVERHEAD_BYTES};
use mynah_dave::group::Identity;
use mynah_wire::dave::{write_server_binary, write_transition};
use mynah_wire::voice::op;
use serde_json::{Value, json};

use super::super::super::dave::Job;
use super::super::super::*;
use super::super::rig::{MODE, Rig};
use super::gateway::{append, split};
use crate::receive::{Head, Receiver};

pub const CHANNEL: u64 = 70;

/// One session with its ears and mouth.
pub struct Person {
    pub rig: Rig,
    pub id: u64,
    /// Jobs stay here until [`Person::work`].
    pub is_slow: bool,
    pub jobs: Vec<Job>,
    /// What was said since the last look, in short.
    said: Vec<String>,
    binaries: Vec<Vec<u8>>,
    pub sender: Option<SenderKeys>,
    sealer: Option<FrameSealer>,
    pub receiver: Receiver,
    pub urls: usize,
    seq: u16,
    spoken: u16,
}

impl Person {
    pub fn new(id: u64, start: Instant) -> Self {
        let identity = Arc::new(Identity::generate().unwrap());
        Self::with(id, start, Some(identity))
    }

    pub fn with(id: u64, start: Instant, identity: Option<Arc<Identity>>) -> Self {
        let (mut rig, _) = Rig::with(id, |config| {
            config.user_id = UserId::new(id);
            config.max_dave_version = 7;
            config.identity = identity;
        });
        rig.now = start;
        Self {
            rig,
            id,
            is_slow: false,
            jobs: Vec::new(),
            said: Vec::new(),
            binaries: Vec::new(),
            sender: None,
            sealer: None,
            receiver: Receiver::new(),
            urls: 0,
            seq: 100,
            spoken: 0,
        }
    }

    // --- what it is told -----------------------------------------------------------------------

    /// From the first word to op 4.
    pub fn connect(&mut self, version: u16) {
        self.rig.connect_to_ready();
        self.rig.ready(&[MODE]);
        self.rig.discovered();
        let out = self.rig.describe_dave(MODE, version);
        self.note(out);
    }

    pub fn give(&mut self, input: Input<'_>) {
        let out = self.rig.give(input);
        self.note(out);
    }

    pub fn text(&mut self, opcode: u8, body: Value) {
        self.seq += 1;
        let out = self
            .rig
            .text(json!({"op": opcode, "d": body, "seq": self.seq}));
        self.note(out);
    }

    pub fn binary(&mut self, opcode: u8, payload: &[u8]) {
        self.seq += 1;
        self.give(Input::WsBinary(&write_server_binary(
            8, self.seq, opcode, payload,
        )));
    }

    pub fn joined(&mut self, users: &[u64]) {
        let users: Vec<String> = users.iter().map(u64::to_string).collect();
        self.text(op::CLIENTS_CONNECT, json!({"user_ids": users}));
    }

    pub fn left(&mut self, user: u64) {
        self.text(op::CLIENT_DISCONNECT, json!({"user_id": user.to_string()}));
        self.receiver.forget(UserId::new(user));
    }

    pub fn execute(&mut self, id: u16) {
        self.text(op::DAVE_EXECUTE_TRANSITION, json!({"transition_id": id}));
    }

    pub fn prepare(&mut self, id: u16, version: u16) {
        self.text(
            op::DAVE_PREPARE_TRANSITION,
            json!({"transition_id": id, "protocol_version": version}),
        );
    }

    pub fn epoch_1(&mut self) {
        self.text(
            op::DAVE_PREPARE_EPOCH,
            json!({"epoch": 1, "protocol_version": 1}),
        );
    }

    pub fn propose(&mut self, proposals: &[&[u8]]) {
        self.binary(op::MLS_PROPOSALS, &append(proposals));
    }

    pub fn announce(&mut self, id: u16, commit: &[u8]) {
        self.binary(op::MLS_ANNOUNCE_COMMIT, &write_transition(id, commit));
    }

    pub fn welcome(&mut self, id: u16, welcome: &[u8]) {
        self.binary(op::MLS_WELCOME, &write_transition(id, welcome));
    }

    /// Computes the oldest job that waits, and hands it back.
    pub fn work(&mut self) {
        let job = self.jobs.remove(0);
        self.give(Input::Crypto(job.run()));
    }

    pub fn work_all(&mut self) {
        self.is_slow = false;
        while !self.jobs.is_empty() {
            self.work();
        }
    }

    // --- what it says --------------------------------------------------------------------------

    /// Everything said since the last look.
    pub fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// The newest op 26.
    pub fn key_package(&self) -> Vec<u8> {
        self.newest(op::MLS_KEY_PACKAGE)
    }

    /// The newest op 28, as commit and welcome.
    pub fn commit(&self) -> (Vec<u8>, Vec<u8>) {
        split(&self.newest(op::MLS_COMMIT_WELCOME))
    }

    /// The newest commit, if there ever was one.
    pub fn last_commit(&self) -> Option<Vec<u8>> {
        let has_one = self.binaries.iter().any(|f| f[0] == op::MLS_COMMIT_WELCOME);
        has_one.then(|| self.commit().0)
    }

    fn newest(&self, opcode: u8) -> Vec<u8> {
        let frame = self.binaries.iter().rev().find(|f| f[0] == opcode);
        frame.expect("was sent")[1..].to_vec()
    }

    pub fn note(&mut self, out: Vec<Output>) {
        for output in out {
            let text = match output {
                Output::SendText(text) => self.spell_text(&text),
                Output::SendBinary(frame) => {
                    let opcode = frame[0].to_string();
                    self.binaries.push(frame);
                    Some(opcode)
                }
                Output::Media(keys) => {
                    self.receiver.keys(self.rig.now, &keys);
                    Some(self.spell_media(keys))
                }
                Output::Event(Event::Dave(event)) => Some(spell_event(event)),
                Output::Crypto(job) => {
                    self.jobs.push(*job);
                    assert!(self.jobs.len() <= 1 || self.is_slow, "one job at a time");
                    None
                }
                Output::OpenWs { .. } => {
                    self.urls += 1;
                    None
                }
                Output::CloseUdp => {
                    self.receiver.transport(None);
                    (self.sender, self.sealer) = (None, None);
                    Some("gone".to_owned())
                }
                _ => None,
            };
            self.said.extend(text);
        }
        while !self.is_slow && !self.jobs.is_empty() {
            self.work();
        }
    }

    fn spell_text(&self, text: &str) -> Option<String> {
        let value: Value = serde_json::from_str(text).unwrap();
        let opcode = value["op"].as_u64().unwrap();
        let id = &value["d"]["transition_id"];
        (21..=31)
            .contains(&opcode)
            .then(|| format!("{opcode} id={id}"))
    }

    fn spell_media(&mut self, keys: MediaKeys) -> String {
        match keys {
            MediaKeys::Receiver { user_id, epoch, .. } => format!("hear {user_id} in {epoch}"),
            MediaKeys::Forget { user_id } => format!("forget {user_id}"),
            MediaKeys::Passthrough(Passthrough::Until(until)) => {
                let left = until.duration_since(self.rig.now);
                format!("passthrough {}s", left.as_secs())
            }
            MediaKeys::Passthrough(passthrough) => {
                format!("passthrough {passthrough:?}").to_lowercase()
            }
            MediaKeys::Sender(keys) => {
                let text = match &keys {
                    SenderKeys::Sealed { epoch, base } => {
                        self.sealer = Some(FrameSealer::new(base, *epoch));
                        format!("send in {epoch}")
                    }
                    other => format!("send {other:?}").to_lowercase(),
                };
                self.sender = Some(keys);
                text
            }
        }
    }

    // --- sound ---------------------------------------------------------------------------------

    /// A frame as it would be sent now; `None` while nothing may be sent.
    pub fn speak(&mut self) -> Option<(u16, Vec<u8>)> {
        self.spoken += 1;
        let body = format!("frame {} of {}", self.spoken, self.id).into_bytes();
        let frame = match self.sender.as_ref()? {
            SenderKeys::Plain => body,
            SenderKeys::Sealed { .. } => {
                let mut buffer = body.clone();
                buffer.resize(body.len() + MAX_OVERHEAD_BYTES, 0);
                let sealer = self.sealer.as_mut().unwrap();
                let length = sealer.seal(&mut buffer, body.len()).unwrap();
                buffer.truncate(length);
                buffer
            }
            SenderKeys::Hold | SenderKeys::Unheard => return None,
        };
        Some((self.spoken, frame))
    }

    /// Hears a frame of `from` at once.
    pub fn hears(&mut self, from: u64, (sequence, mut frame): (u16, Vec<u8>)) -> bool {
        let now = self.rig.now;
        let ssrc = Ssrc(from as u32);
        self.receiver.learn(ssrc, UserId::new(from));
        let head = Head {
            ssrc,
            sequence,
            timestamp: u32::from(sequence) * 960,
            arrival: now,
        };
        self.receiver.take_frame(now, head, &mut frame);
        let wanted = format!("frame {sequence} of {from}").into_bytes();
        let mut heard = false;
        while let Some(received) = self.receiver.poll(now) {
            heard |= received.sequence == sequence && *received.payload == *wanted;
        }
        heard
    }
}

fn spell_event(event: DaveEvent) -> String {
    match event {
        DaveEvent::Epoch { epoch, members, .. } => {
            let members: Vec<u64> = members.iter().map(|user| user.get()).collect();
            format!("epoch {epoch} of {members:?}")
        }
        DaveEvent::Downgraded => "downgraded".to_owned(),
        DaveEvent::Upgraded { version } => format!("upgraded to {version}"),
        DaveEvent::Recovering { .. } => "recovering".to_owned(),
        DaveEvent::Ignored { .. } => "ignored".to_owned(),
    }
}
