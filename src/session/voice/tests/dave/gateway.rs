//! The voice gateway's half of MLS, as small as a test can bear: it proposes, and tells commits from
//! welcomes (dave.md section 9). Everything is openmls, nothing is our own.

use openmls::prelude::tls_codec::{Deserialize, DeserializeBytes, Serialize};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::HashType;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;

/// Signs proposals for one room.
pub struct Gateway {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    group_id: GroupId,
}

impl Gateway {
    pub fn new(channel_id: u64) -> Self {
        Self {
            provider: OpenMlsRustCrypto::default(),
            signer: SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap(),
            group_id: GroupId::from_slice(&channel_id.to_be_bytes()),
        }
    }

    /// Op 25.
    pub fn external_sender(&self) -> Vec<u8> {
        let credential = BasicCredential::new(b"voice-gateway".to_vec());
        ExternalSender::new(self.signer.public().into(), credential.into())
            .tls_serialize_detached()
            .unwrap()
    }

    pub fn add(&self, epoch: u64, key_package: &[u8]) -> Vec<u8> {
        let key_package = KeyPackageIn::tls_deserialize_exact_bytes(key_package)
            .unwrap()
            .validate(self.provider.crypto(), ProtocolVersion::Mls10)
            .unwrap();
        ExternalProposal::new_add::<OpenMlsRustCrypto>(
            key_package,
            self.group_id.clone(),
            GroupEpoch::from(epoch),
            &self.signer,
            SenderExtensionIndex::new(0),
        )
        .unwrap()
        .tls_serialize_detached()
        .unwrap()
    }

    pub fn remove(&self, epoch: u64, leaf: u32) -> Vec<u8> {
        ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(leaf),
            self.group_id.clone(),
            GroupEpoch::from(epoch),
            &self.signer,
            SenderExtensionIndex::new(0),
        )
        .unwrap()
        .tls_serialize_detached()
        .unwrap()
    }

    /// Op 27 that takes proposals back: their references (RFC 9420 section 5.2).
    pub fn revoke(&self, proposals: &[&[u8]]) -> Vec<u8> {
        let mut refs = Vec::new();
        for proposal in proposals {
            let label = vector(b"MLS 1.0 Proposal Reference");
            let text = [label, vector(&proposal[2..])].concat();
            let hash = self.provider.crypto().hash(HashType::Sha2_256, &text);
            refs.extend(vector(&hash.unwrap()));
        }
        [vec![1], vector(&refs)].concat()
    }
}

/// Op 27 that proposes.
pub fn append(proposals: &[&[u8]]) -> Vec<u8> {
    [vec![0], vector(&proposals.concat())].concat()
}

/// Op 28 into commit and welcome: nothing but the commit's own structure says where it ends.
pub fn split(body: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut rest = body;
    MlsMessageIn::tls_deserialize(&mut rest).unwrap();
    let (commit, welcome) = body.split_at(body.len() - rest.len());
    (commit.to_vec(), welcome.to_vec())
}

fn vector(bytes: &[u8]) -> Vec<u8> {
    VLBytes::new(bytes.to_vec())
        .tls_serialize_detached()
        .unwrap()
}
