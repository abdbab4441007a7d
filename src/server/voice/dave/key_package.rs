//! Key packages of members (dave.md section 9, "Key package checks").
//!
//! What gets through is committed by every member, so whatever would make their MLS libraries
//! refuse the Add is refused here: one bad newcomer must not stop the room.

use mynah_wire::UserId;
use openmls::prelude::{KeyPackage, KeyPackageIn, OpenMlsCrypto, ProtocolVersion};
use tls_codec::DeserializeBytes as _;

use super::message::WIRE_KEY_PACKAGE;
use super::message::{CIPHERSUITE, CREDENTIAL_BASIC, LeafNode, LeafSource, Reference};
use super::signer::{GatewaySigner, SUITE};
use super::tls::{Reader, lists};

/// Real ones have 391 bytes (measured with davey 0.2).
const MAX_BYTES: usize = 2048;
/// Length of an uncompressed P-256 point.
const POINT_BYTES: usize = 65;
const MLS10: u16 = 1;

/// Why a key package is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("not a key package")]
    Shape,
    #[error("another version or cipher suite")]
    Suite,
    #[error("the credential is not the user's own id")]
    Credential,
    #[error("the lifetime is not unlimited")]
    Lifetime,
    #[error("the capabilities lack what the group needs")]
    Capabilities,
    #[error("it has extensions")]
    Extensions,
    #[error("a signature is wrong")]
    Signature,
    #[error("a public key is not on the curve")]
    Key,
    #[error("another member has the same key")]
    Duplicate,
}

/// A key package that members will accept.
#[derive(Clone, Debug)]
pub(super) struct MemberKeys {
    pub package: KeyPackage,
    pub reference: Reference,
    pub signature_key: Vec<u8>,
    pub encryption_key: Vec<u8>,
    init_key: Vec<u8>,
}

impl MemberKeys {
    /// Checks an op 26 payload. About 1 ms: two signatures and two trial encryptions.
    pub fn check(signer: &GatewaySigner, user: UserId, payload: &[u8]) -> Result<Self, Flaw> {
        if payload.len() > MAX_BYTES {
            return Err(Flaw::TooLong);
        }
        let bytes = unwrap(payload).ok_or(Flaw::Shape)?;
        let (init_key, leaf) = check_fields(user, bytes)?;
        let package = parse(bytes).ok_or(Flaw::Shape)?;
        let package = package
            .validate(signer.crypto(), ProtocolVersion::Mls10)
            .map_err(|_| Flaw::Signature)?;
        let keys = Self {
            reference: signer
                .reference(b"MLS 1.0 KeyPackage Reference", bytes)
                .ok_or(Flaw::Shape)?,
            signature_key: leaf.signature_key.to_vec(),
            encryption_key: leaf.encryption_key.to_vec(),
            init_key: init_key.to_vec(),
            package,
        };
        // Members encrypt to both keys when they commit.
        for key in [&keys.init_key, &keys.encryption_key] {
            signer
                .crypto()
                .hpke_seal(SUITE.hpke_config(), key, &[], &[], &[])
                .map_err(|_| Flaw::Key)?;
        }
        Ok(keys)
    }

    /// MLS demands that no two members of a group share a key (RFC 9420 section 7.3).
    pub fn collides(&self, other: &Self) -> bool {
        let (mine, theirs) = (
            [&self.init_key, &self.encryption_key],
            [&other.init_key, &other.encryption_key],
        );
        self.signature_key == other.signature_key || mine.iter().any(|key| theirs.contains(key))
    }

    /// Is this one of the keys that must be its own?
    pub fn has_key(&self, key: &[u8]) -> bool {
        self.signature_key == key || self.encryption_key == key || self.init_key == key
    }

    /// Fingerprint version 0 (dave.md section 8).
    pub fn fingerprint(&self, user: UserId) -> Vec<u8> {
        let mut bytes = vec![0, 0];
        bytes.extend(&self.signature_key);
        bytes.extend(user.get().to_be_bytes());
        bytes
    }
}

/// Reads a key package. openmls 0.8.3 slices by lengths that anybody can write and panics when they
/// run over (found by `tests/fuzz`, target `commit`): that is no key package either, and must not end
/// the room. Nothing is shared with what panicked.
fn parse(bytes: &[u8]) -> Option<KeyPackageIn> {
    let read = || KeyPackageIn::tls_deserialize_exact_bytes(bytes).ok();
    std::panic::catch_unwind(read).ok().flatten()
}

/// Bare, or the MLSMessage that the whitepaper asks for and nobody sends (dave.md section 3).
fn unwrap(payload: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(payload);
    reader.expect_u16(MLS10)?;
    Some(match reader.u16()? {
        WIRE_KEY_PACKAGE => reader.rest(),
        _ => payload,
    })
}

/// What openmls does not look at, or would accept although DAVE does not. Gives the init key and the leaf.
fn check_fields(user: UserId, bytes: &[u8]) -> Result<(&[u8], LeafNode<'_>), Flaw> {
    let mut reader = Reader::new(bytes);
    let (version, suite) = (reader.u16(), reader.u16());
    if (version, suite) != (Some(MLS10), Some(CIPHERSUITE)) {
        return Err(Flaw::Suite);
    }
    let init_key = reader.vector().ok_or(Flaw::Shape)?;
    let leaf = LeafNode::read(&mut reader).ok_or(Flaw::Shape)?;
    let extensions = reader.vector().ok_or(Flaw::Shape)?;
    reader.vector().ok_or(Flaw::Shape)?; // signature
    if !reader.is_empty() {
        return Err(Flaw::Shape);
    }
    if leaf.identity != user.get().to_be_bytes() {
        return Err(Flaw::Credential);
    }
    let lifetime = LeafSource::KeyPackage {
        not_before: 0,
        not_after: u64::MAX,
    };
    if leaf.source != lifetime {
        return Err(Flaw::Lifetime);
    }
    let can = lists(leaf.versions, MLS10)
        && lists(leaf.ciphersuites, CIPHERSUITE)
        && lists(leaf.credentials, CREDENTIAL_BASIC);
    if !can {
        return Err(Flaw::Capabilities);
    }
    if !(extensions.is_empty() && leaf.extensions.is_empty()) {
        return Err(Flaw::Extensions);
    }
    let points = [init_key, leaf.encryption_key, leaf.signature_key];
    if points.iter().any(|point| point.len() != POINT_BYTES) {
        return Err(Flaw::Key);
    }
    Ok((init_key, leaf))
}
