//! Key packages that members would choke on.
use davey::{DaveSession, SigningKeyPair};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::signatures::Signer;
use std::num::NonZeroU16;
use tls_codec::Serialize as _;

use super::key_package::Flaw;
use super::tls::{Reader, put_vector};
use super::*;

const ME: u64 = 5;

fn check(payload: &[u8]) -> Result<MemberKeys, Flaw> {
    let signer = GatewaySigner::new(&[3; 32]).unwrap();
    MemberKeys::check(&signer, user(ME), payload)
}

fn good() -> Vec<u8> {
    let mut session = DaveSession::new(NonZeroU16::MIN, ME, 10, None).unwrap();
    session.create_key_package().unwrap()
}

/// What a client with unusual ideas would send.
fn odd(change: impl FnOnce(KeyPackageBuilder) -> KeyPackageBuilder) -> Vec<u8> {
    let provider = OpenMlsRustCrypto::default();
    let signer = signer::SUITE.signature_algorithm();
    let signer = SignatureKeyPair::new(signer).unwrap();
    let credential = CredentialWithKey {
        credential: BasicCredential::new(ME.to_be_bytes().to_vec()).into(),
        signature_key: signer.public().into(),
    };
    let capabilities = Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![signer::SUITE])
        .credentials(vec![CredentialType::Basic])
        .build();
    let builder = KeyPackage::builder()
        .leaf_node_capabilities(capabilities)
        .key_package_lifetime(Lifetime::init(0, u64::MAX));
    let bundle = change(builder)
        .build(signer::SUITE, &provider, &signer, credential)
        .unwrap();
    bundle.key_package().tls_serialize_detached().unwrap()
}

#[test]
fn a_key_package_comes_bare_or_as_a_message_and_is_known_by_its_reference() {
    let bare = good();
    let keys = check(&bare).unwrap();
    let wrapped = [&[0, 1, 0, 5][..], &bare].concat();
    assert_eq!(check(&wrapped).unwrap().reference, keys.reference);
    let reference = keys
        .package
        .hash_ref(OpenMlsRustCrypto::default().crypto())
        .unwrap();
    assert_eq!(keys.reference, reference.as_slice());
    assert!(check(&odd(|builder| builder)).is_ok());
}

#[test]
fn the_fingerprint_is_version_key_and_user() {
    let keys = check(&good()).unwrap();
    let wanted = davey::generate_key_fingerprint(0, &keys.signature_key, ME).unwrap();
    assert_eq!(keys.fingerprint(user(ME)), wanted);
}

#[test]
fn only_the_users_own_id_is_a_credential() {
    let mut session = DaveSession::new(NonZeroU16::MIN, ME + 1, 10, None).unwrap();
    let other = session.create_key_package().unwrap();
    assert_eq!(check(&other).unwrap_err(), Flaw::Credential);
}

#[test]
fn lifetime_capabilities_and_extensions_are_those_of_dave() {
    let limited = odd(|builder| builder.key_package_lifetime(Lifetime::new(3600)));
    assert_eq!(check(&limited).unwrap_err(), Flaw::Lifetime);
    let last_resort = odd(KeyPackageBuilder::mark_as_last_resort);
    assert_eq!(check(&last_resort).unwrap_err(), Flaw::Extensions);
    let poor = Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![signer::SUITE])
        .credentials(vec![CredentialType::X509])
        .build();
    let poor = odd(|builder| builder.leaf_node_capabilities(poor));
    assert_eq!(check(&poor).unwrap_err(), Flaw::Capabilities);
}

#[test]
fn every_byte_counts() {
    let bytes = good();
    for length in 0..bytes.len() {
        assert!(check(&bytes[..length]).is_err(), "{length} bytes");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x04;
        assert!(check(&changed).is_err(), "byte {at}");
    }
    assert_eq!(
        check(&[&bytes[..], &[0]].concat()).unwrap_err(),
        Flaw::Shape
    );
    assert_eq!(check(&[0; 4096]).unwrap_err(), Flaw::TooLong);
}

/// A signed key package whose init key is no point of the curve: every member would fail to commit.
#[test]
fn keys_that_nobody_can_encrypt_to_are_refused() {
    let pair = SigningKeyPair::generate();
    let mut session = DaveSession::new(NonZeroU16::MIN, ME, 10, Some(&pair)).unwrap();
    let mut bytes = session.create_key_package().unwrap();
    bytes[10] ^= 1; // inside the init key
    let mut reader = Reader::new(&bytes[4..]);
    reader.vector().unwrap();
    message::LeafNode::read(&mut reader).unwrap();
    reader.vector().unwrap();
    let content = bytes[..bytes.len() - reader.rest().len()].to_vec();
    let mut signed = Vec::new();
    put_vector(&mut signed, b"MLS 1.0 KeyPackageTBS");
    put_vector(&mut signed, &content);
    let scheme = signer::SUITE.signature_algorithm();
    let signer = SignatureKeyPair::from_raw(scheme, pair.private, pair.public);
    let mut forged = content;
    put_vector(&mut forged, &signer.sign(&signed).unwrap());
    assert_eq!(check(&forged).unwrap_err(), Flaw::Key);
}

#[test]
fn two_users_with_one_signing_key_are_not_let_into_one_group() {
    let mut room = Room::new(DavePolicy::Required);
    room.enter(1);
    let pair = SigningKeyPair::generate();
    for id in [2, 3] {
        let mut session = DaveSession::new(NonZeroU16::MIN, id, 10, Some(&pair)).unwrap();
        let keys = session.create_key_package().unwrap();
        room.delivery.join(room.now, user(id), 1);
        room.say(id, op::KEY_PACKAGE, &keys);
    }
    assert_eq!(room.closed, [(3, 4020)]);
}

#[test]
fn lengths_that_run_over_are_refused_and_do_not_panic() {
    // As the fuzzer found it: openmls panics in its list of extensions.
    let found = include_bytes!("overrun.key_package");
    let signer = GatewaySigner::new(&[7; 32]).unwrap();
    let refused = MemberKeys::check(&signer, mynah_wire::UserId::new(1000), found);
    assert!(matches!(refused, Err(Flaw::Shape)), "{refused:?}");
}
