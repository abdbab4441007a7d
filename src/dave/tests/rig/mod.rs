//! A call without a network: a voice gateway that proposes, and members that are either ours or
//! `davey`'s own sessions.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::num::NonZeroU16;

use davey::{DaveSession, ProposalsOperationType};
use mynah_dave::group::{Group, GroupError, Identity};
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize, VLBytes};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

/// The channel of every call.
pub const CHANNEL: u64 = 1234;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
const ONE: NonZeroU16 = NonZeroU16::MIN;

/// What Discord's voice gateway does: the external sender of the group (dave.md section 9).
pub struct Gateway {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
}

impl Gateway {
    pub fn new() -> Self {
        Self {
            provider: OpenMlsRustCrypto::default(),
            signer: SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap(),
        }
    }

    /// Op 25.
    pub fn external_sender(&self) -> Vec<u8> {
        let credential = BasicCredential::new(b"gateway".to_vec());
        ExternalSender::new(self.signer.public().into(), credential.into())
            .tls_serialize_detached()
            .unwrap()
    }

    /// A proposal to add the owner of a key package.
    pub fn add(&self, epoch: u64, key_package: &[u8]) -> Vec<u8> {
        let package = KeyPackageIn::tls_deserialize_exact_bytes(key_package)
            .unwrap()
            .validate(self.provider.crypto(), ProtocolVersion::Mls10)
            .unwrap();
        ExternalProposal::new_add::<OpenMlsRustCrypto>(
            package,
            group_id(),
            epoch.into(),
            &self.signer,
            SenderExtensionIndex::new(0),
        )
        .unwrap()
        .tls_serialize_detached()
        .unwrap()
    }

    /// A proposal to remove a leaf.
    pub fn remove(&self, epoch: u64, leaf: u32) -> Vec<u8> {
        ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(leaf),
            group_id(),
            epoch.into(),
            &self.signer,
            SenderExtensionIndex::new(0),
        )
        .unwrap()
        .tls_serialize_detached()
        .unwrap()
    }

    /// The reference of a proposal (dave.md section 3): a hash of the message without its version.
    pub fn reference(&self, proposal: &[u8]) -> Vec<u8> {
        let label = b"MLS 1.0 Proposal Reference";
        let mut input = vec![u8::try_from(label.len()).unwrap()];
        input.extend(label);
        input.extend(vector(&proposal[2..]));
        let hash = self.provider.crypto().hash(HashType::Sha2_256, &input);
        vector(&hash.unwrap())
    }
}

fn group_id() -> GroupId {
    GroupId::from_slice(&CHANNEL.to_be_bytes())
}

/// Bytes with their length before them, as MLS writes it.
pub fn vector(bytes: &[u8]) -> Vec<u8> {
    VLBytes::new(bytes.to_vec())
        .tls_serialize_detached()
        .unwrap()
}

/// The payload of op 27 without its operation byte.
pub fn batch(messages: &[Vec<u8>]) -> Vec<u8> {
    vector(&messages.concat())
}

/// The body of op 28 taken apart: the commit, and the welcome or nothing.
pub fn split(answer: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (_, welcome) = MlsMessageIn::tls_deserialize_bytes(answer).unwrap();
    let commit = &answer[..answer.len() - welcome.len()];
    (commit.to_vec(), welcome.to_vec())
}

/// A fresh view of the group, ours.
pub fn ours(user_id: u64) -> Group {
    Group::new(1, user_id, CHANNEL, &Identity::generate().unwrap()).unwrap()
}

/// Somebody in the call.
pub enum Party {
    Ours(Box<Group>),
    Davey(Box<DaveSession>),
}

impl Party {
    pub fn ours(user_id: u64) -> Self {
        Self::Ours(Box::new(ours(user_id)))
    }

    pub fn davey(user_id: u64) -> Self {
        Self::Davey(Box::new(
            DaveSession::new(ONE, user_id, CHANNEL, None).unwrap(),
        ))
    }

    pub fn user_id(&self) -> u64 {
        match self {
            Self::Ours(group) => group.user_id(),
            Self::Davey(session) => session.user_id(),
        }
    }

    pub fn as_ours(&mut self) -> &mut Group {
        match self {
            Self::Ours(group) => group,
            Self::Davey(_) => panic!("not ours"),
        }
    }

    pub fn as_davey(&mut self) -> &mut DaveSession {
        match self {
            Self::Ours(_) => panic!("not davey's"),
            Self::Davey(session) => session,
        }
    }

    pub fn set_external_sender(&mut self, payload: &[u8]) {
        match self {
            Self::Ours(group) => group.set_external_sender(payload).unwrap(),
            Self::Davey(session) => session.set_external_sender(payload).unwrap(),
        }
    }

    pub fn key_package(&mut self) -> Vec<u8> {
        match self {
            Self::Ours(group) => group.key_package().unwrap(),
            Self::Davey(session) => session.create_key_package().unwrap(),
        }
    }

    /// Takes proposals; the commit and welcome of the answer.
    pub fn append(&mut self, proposals: &[u8], recognized: &[u64]) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Ours(group) => {
                let answer = group.append(proposals, recognized).unwrap().unwrap();
                split(&answer)
            }
            Self::Davey(session) => {
                let append = ProposalsOperationType::APPEND;
                let answer = session.process_proposals(append, proposals, Some(recognized));
                let answer = answer.unwrap().unwrap();
                (answer.commit, answer.welcome.unwrap_or_default())
            }
        }
    }

    /// `davey` switches its sender at once, as with transition 0.
    pub fn commit(&mut self, commit: &[u8]) {
        match self {
            Self::Ours(group) => assert!(group.commit(commit).unwrap()),
            Self::Davey(session) => {
                assert!(session.process_commit(commit).unwrap());
                session.prepare_transition(0, 1).unwrap();
            }
        }
    }

    pub fn welcome(&mut self, welcome: &[u8], recognized: &[u64]) {
        match self {
            Self::Ours(group) => group.welcome(welcome, recognized).unwrap(),
            Self::Davey(session) => {
                session.process_welcome(welcome, Some(recognized)).unwrap();
                session.prepare_transition(0, 1).unwrap();
            }
        }
    }

    pub fn leaf(&mut self) -> u32 {
        let user_id = self.user_id();
        match self {
            Self::Ours(group) => {
                let members = group.members();
                let own = members.iter().find(|member| member.user_id == user_id);
                own.unwrap().leaf
            }
            Self::Davey(session) => session.own_leaf_index().unwrap().u32(),
        }
    }

    pub fn authenticator(&self) -> Vec<u8> {
        match self {
            Self::Ours(group) => group.epoch_authenticator().unwrap(),
            Self::Davey(session) => session
                .get_epoch_authenticator()
                .unwrap()
                .as_slice()
                .to_vec(),
        }
    }
}

/// People in a call, in the order in which they came.
pub struct Call {
    pub gateway: Gateway,
    pub epoch: u64,
    pub parties: Vec<Party>,
}

impl Call {
    /// Everybody joins at once; the commit of the first one wins.
    pub fn new(parties: Vec<Party>) -> Self {
        let mut call = Self {
            gateway: Gateway::new(),
            epoch: 0,
            parties: Vec::new(),
        };
        let mut parties = parties.into_iter();
        let mut first = parties.next().unwrap();
        first.set_external_sender(&call.gateway.external_sender());
        call.parties.push(first);
        call.join(parties.collect());
        call
    }

    pub fn users(&self) -> Vec<u64> {
        self.parties.iter().map(Party::user_id).collect()
    }

    pub fn find(&mut self, user_id: u64) -> &mut Party {
        let mut parties = self.parties.iter_mut();
        parties.find(|party| party.user_id() == user_id).unwrap()
    }

    /// Adds people in one epoch; all members commit, and the first one's commit wins.
    pub fn join(&mut self, mut joining: Vec<Party>) {
        let mut users = self.users();
        users.extend(joining.iter().map(Party::user_id));
        let mut proposals = Vec::new();
        for party in &mut joining {
            party.set_external_sender(&self.gateway.external_sender());
            proposals.push(self.gateway.add(self.epoch, &party.key_package()));
        }
        let welcome = self.agree(&batch(&proposals), &users);
        for party in &mut joining {
            party.welcome(&welcome, &users);
        }
        self.parties.extend(joining);
    }

    /// Removes somebody, who is returned as they were.
    pub fn leave(&mut self, user_id: u64) -> Party {
        let at = self.users().iter().position(|user| *user == user_id);
        let mut gone = self.parties.remove(at.unwrap());
        let proposal = self.gateway.remove(self.epoch, gone.leaf());
        self.agree(&batch(&[proposal]), &self.users());
        gone
    }

    /// All members take the proposals; the first answer wins. Returns its welcome.
    pub fn agree(&mut self, proposals: &[u8], recognized: &[u64]) -> Vec<u8> {
        let answers: Vec<_> = self
            .parties
            .iter_mut()
            .map(|party| party.append(proposals, recognized))
            .collect();
        let (commit, welcome) = &answers[0];
        for party in &mut self.parties {
            party.commit(commit);
        }
        self.epoch += 1;
        welcome.clone()
    }
}

/// A group of ours alone, established: two members, and the call they are in.
pub fn pair() -> Result<Call, GroupError> {
    Ok(Call::new(vec![Party::ours(1), Party::ours(2)]))
}
