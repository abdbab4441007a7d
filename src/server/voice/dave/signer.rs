//! The voice gateway as the external sender of every group (dave.md sections 3 and 9).

use openmls::prelude::{
    BasicCredential, Ciphersuite, ExternalProposal, ExternalSender, GroupEpoch, GroupId,
    KeyPackage, LeafNodeIndex, MlsMessageOut, OpenMlsCrypto, SenderExtensionIndex,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::{OpenMlsRustCrypto, RustCrypto};
use openmls_traits::types::{CryptoError, HashType};
use tls_codec::Serialize as _;

use super::message::Reference;
use super::tls::put_vector;

/// The only suite of DAVE version 1.
pub(super) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
/// Free choice; real servers use something like it (dave.md section 3).
const IDENTITY: &[u8] = b"voice-gateway";
/// The group context has exactly one external sender.
const SENDER_INDEX: u32 = 0;
/// An AuthenticatedContent is the MLSMessage without its version (dave.md section 3).
const VERSION_BYTES: usize = 2;

/// A signed proposal.
#[derive(Debug)]
pub(super) struct Proposal {
    pub reference: Reference,
    /// MLSMessage.
    pub message: Vec<u8>,
}

/// Signs proposals for the groups of all rooms. One for each voice server: its key and identity
/// must stay the same as long as a group lives.
pub struct GatewaySigner {
    signer: SignatureKeyPair,
    payload: Vec<u8>,
    crypto: RustCrypto,
}

impl GatewaySigner {
    /// The signer whose key follows from `seed`, which must be random outside of tests. About
    /// 0.2 ms.
    ///
    /// # Errors
    /// The crypto library refuses; it does not, for 32 bytes of any value.
    pub fn new(seed: &[u8; 32]) -> Result<Self, CryptoError> {
        let crypto = RustCrypto::default();
        // DeriveKeyPair of RFC 9180: 32 random bytes to a uniform P-256 scalar, which serves ECDSA
        // as well as it serves HPKE.
        let pair = crypto.derive_hpke_keypair(SUITE.hpke_config(), seed)?;
        let signer = SignatureKeyPair::from_raw(
            SUITE.signature_algorithm(),
            pair.private.to_vec(),
            pair.public,
        );
        let credential = BasicCredential::new(IDENTITY.to_vec());
        let sender = ExternalSender::new(signer.public().into(), credential.into());
        let payload = sender
            .tls_serialize_detached()
            .map_err(|_| CryptoError::TlsSerializationError)?;
        Ok(Self {
            signer,
            payload,
            crypto,
        })
    }

    /// Body of op 25.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(super) fn crypto(&self) -> &RustCrypto {
        &self.crypto
    }

    /// Signs "add this member".
    pub(super) fn add(&self, group: &[u8], epoch: u64, package: &KeyPackage) -> Option<Proposal> {
        let proposal = ExternalProposal::new_add::<OpenMlsRustCrypto>(
            package.clone(),
            GroupId::from_slice(group),
            GroupEpoch::from(epoch),
            &self.signer,
            SenderExtensionIndex::new(SENDER_INDEX),
        );
        self.finish(&proposal.ok()?)
    }

    /// Signs "remove the member at this leaf".
    pub(super) fn remove(&self, group: &[u8], epoch: u64, leaf: u32) -> Option<Proposal> {
        let proposal = ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(leaf),
            GroupId::from_slice(group),
            GroupEpoch::from(epoch),
            &self.signer,
            SenderExtensionIndex::new(SENDER_INDEX),
        );
        self.finish(&proposal.ok()?)
    }

    fn finish(&self, message: &MlsMessageOut) -> Option<Proposal> {
        let message = message.tls_serialize_detached().ok()?;
        let content = message.get(VERSION_BYTES..)?;
        Some(Proposal {
            reference: self.reference(b"MLS 1.0 Proposal Reference", content)?,
            message,
        })
    }

    /// RFC 9420 section 5.2: `RefHash(label, value)`.
    pub(super) fn reference(&self, label: &[u8], value: &[u8]) -> Option<Reference> {
        let mut input = Vec::with_capacity(value.len() + label.len() + 5);
        put_vector(&mut input, label);
        put_vector(&mut input, value);
        let hash = self.crypto.hash(HashType::Sha2_256, &input).ok()?;
        hash.try_into().ok()
    }
}

impl std::fmt::Debug for GatewaySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GatewaySigner(***)")
    }
}
