//! A call of two, so that songbird's end-to-end encryption has keys: the voice gateway proposes the
//! second member, and the first commits.

use std::num::NonZeroU16;

use davey::{DaveSession, ProposalsOperationType};
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize, VLBytes};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

const CHANNEL: u64 = 1234;
const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;

/// The external sender of every group.
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

    /// Somebody in a call of two, ready to encrypt.
    pub fn session(&self) -> DaveSession {
        let mut session = self.member(1);
        let package = self.member(2).create_key_package().unwrap();
        let proposal = self.add(&package);
        let proposals = VLBytes::new(proposal).tls_serialize_detached().unwrap();
        let answer = session
            .process_proposals(ProposalsOperationType::APPEND, &proposals, None)
            .unwrap()
            .expect("a commit");
        session.process_commit(&answer.commit).unwrap();
        assert!(session.is_ready());
        session
    }

    fn member(&self, user: u64) -> DaveSession {
        let mut session = DaveSession::new(NonZeroU16::MIN, user, CHANNEL, None).unwrap();
        let credential = BasicCredential::new(b"gateway".to_vec());
        let sender = ExternalSender::new(self.signer.public().into(), credential.into());
        session
            .set_external_sender(&sender.tls_serialize_detached().unwrap())
            .unwrap();
        session
    }

    fn add(&self, key_package: &[u8]) -> Vec<u8> {
        let package = KeyPackageIn::tls_deserialize_exact_bytes(key_package)
            .unwrap()
            .validate(self.provider.crypto(), ProtocolVersion::Mls10)
            .unwrap();
        ExternalProposal::new_add::<OpenMlsRustCrypto>(
            package,
            GroupId::from_slice(&CHANNEL.to_be_bytes()),
            0.into(),
            &self.signer,
            SenderExtensionIndex::new(0),
        )
        .unwrap()
        .tls_serialize_detached()
        .unwrap()
    }
}
