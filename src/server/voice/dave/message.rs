//! Reading what clients send: leaf nodes, commits and welcomes (dave.md section 3, RFC 9420).
//!
//! openmls keeps the fields of a commit to itself, hence a reader of our own. It checks shape only;
//! what a commit may say is in `arbiter`.

use super::tls::{Reader, put_vector};

const MLS10: u16 = 1;
const WIRE_PUBLIC_MESSAGE: u16 = 1;
/// `MLSMessage(mls_key_package)`.
pub(super) const WIRE_KEY_PACKAGE: u16 = 5;
/// MLS_128_DHKEMP256_AES128GCM_SHA256_P256.
pub(super) const CIPHERSUITE: u16 = 2;
pub(super) const CREDENTIAL_BASIC: u16 = 1;
const SENDER_MEMBER: u8 = 1;
const CONTENT_COMMIT: u8 = 3;
const PROPOSAL_BY_REFERENCE: u8 = 2;

/// SHA-256 that names a proposal or a key package.
pub(super) type Reference = [u8; 32];

/// Where a leaf node comes from, with what it says about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeafSource {
    KeyPackage { not_before: u64, not_after: u64 },
    Update,
    Commit,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LeafNode<'a> {
    pub encryption_key: &'a [u8],
    pub signature_key: &'a [u8],
    /// Of a basic credential.
    pub identity: &'a [u8],
    pub versions: &'a [u8],
    pub ciphersuites: &'a [u8],
    pub credentials: &'a [u8],
    pub source: LeafSource,
    pub extensions: &'a [u8],
}

impl<'a> LeafNode<'a> {
    pub fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let encryption_key = reader.vector()?;
        let signature_key = reader.vector()?;
        reader.expect_u16(CREDENTIAL_BASIC)?;
        let identity = reader.vector()?;
        let versions = reader.vector()?;
        let ciphersuites = reader.vector()?;
        let _extension_types = reader.vector()?;
        let _proposal_types = reader.vector()?;
        let credentials = reader.vector()?;
        let source = match reader.u8()? {
            1 => LeafSource::KeyPackage {
                not_before: reader.u64()?,
                not_after: reader.u64()?,
            },
            2 => LeafSource::Update,
            3 => {
                reader.vector()?; // parent_hash
                LeafSource::Commit
            }
            _ => return None,
        };
        let extensions = reader.vector()?;
        reader.vector()?; // signature
        Some(Self {
            encryption_key,
            signature_key,
            identity,
            versions,
            ciphersuites,
            credentials,
            source,
            extensions,
        })
    }
}

/// A commit that lists its proposals by reference only.
#[derive(Debug)]
pub(super) struct Commit<'a> {
    pub group_id: &'a [u8],
    pub epoch: u64,
    /// Leaf of the committer.
    pub sender: u32,
    pub references: Vec<Reference>,
    /// The committer's new leaf, when the commit has a path.
    pub path_leaf: Option<LeafNode<'a>>,
    /// The whole MLSMessage, to be passed on as it is.
    pub message: &'a [u8],
}

impl<'a> Commit<'a> {
    /// Reads the commit at the front of an op 28 payload; what follows is the Welcome.
    pub fn read(payload: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader::new(payload);
        reader.expect_u16(MLS10)?;
        reader.expect_u16(WIRE_PUBLIC_MESSAGE)?;
        let group_id = reader.vector()?;
        let epoch = reader.u64()?;
        reader.expect_u8(SENDER_MEMBER)?;
        let sender = reader.u32()?;
        reader.vector()?; // authenticated_data
        reader.expect_u8(CONTENT_COMMIT)?;
        let references = references(reader.vector()?)?;
        let path_leaf = match reader.u8()? {
            0 => None,
            1 => Some(update_path(&mut reader)?),
            _ => return None,
        };
        reader.vector()?; // signature
        reader.vector()?; // confirmation_tag
        reader.vector()?; // membership_tag
        let welcome = reader.rest();
        let message = payload.get(..payload.len() - welcome.len())?;
        let commit = Self {
            group_id,
            epoch,
            sender,
            references,
            path_leaf,
            message,
        };
        Some((commit, welcome))
    }
}

/// `ProposalOrRef<V>` without inline proposals: DAVE commits only what the voice gateway proposed.
fn references(list: &[u8]) -> Option<Vec<Reference>> {
    let mut reader = Reader::new(list);
    let mut references = Vec::new();
    while !reader.is_empty() {
        reader.expect_u8(PROPOSAL_BY_REFERENCE)?;
        references.push(reader.fixed_vector()?);
    }
    Some(references)
}

/// The leaf of an UpdatePath; its nodes are walked to find the end.
fn update_path<'a>(reader: &mut Reader<'a>) -> Option<LeafNode<'a>> {
    let leaf = LeafNode::read(reader)?;
    let mut nodes = Reader::new(reader.vector()?);
    while !nodes.is_empty() {
        nodes.vector()?; // encryption_key
        nodes.vector()?; // encrypted_path_secret
    }
    (leaf.source == LeafSource::Commit).then_some(leaf)
}

/// A bare Welcome.
#[derive(Debug)]
pub(super) struct Welcome<'a> {
    /// Key package reference and EncryptedGroupSecrets of every added member.
    secrets: Vec<(Reference, &'a [u8])>,
    group_info: &'a [u8],
}

impl<'a> Welcome<'a> {
    /// Reads a Welcome that fills `bytes` completely.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.expect_u16(CIPHERSUITE)?;
        let mut list = Reader::new(reader.vector()?);
        let mut secrets = Vec::new();
        while !list.is_empty() {
            let start = list.rest();
            let reference = list.fixed_vector()?;
            list.vector()?; // kem_output
            list.vector()?; // ciphertext
            secrets.push((reference, start.get(..start.len() - list.rest().len())?));
        }
        let group_info = reader.vector()?;
        reader.is_empty().then_some(Self {
            secrets,
            group_info,
        })
    }

    /// The key packages it is for.
    pub fn targets(&self) -> impl Iterator<Item = Reference> {
        self.secrets.iter().map(|(reference, _)| *reference)
    }

    /// The Welcome with the secrets of one member only, as Discord sends it.
    pub fn trimmed_to(&self, target: &Reference) -> Option<Vec<u8>> {
        let (_, secrets) = self
            .secrets
            .iter()
            .find(|(reference, _)| reference == target)?;
        let mut welcome = CIPHERSUITE.to_be_bytes().to_vec();
        put_vector(&mut welcome, secrets);
        put_vector(&mut welcome, self.group_info);
        Some(welcome)
    }
}

/// `{"transition_id": 5}`, or D++'s `["transition_id", 5]` (dave.md section 3).
pub(super) fn transition_id(payload: &[u8]) -> Option<u16> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Form {
        Named { transition_id: u16 },
        Listed((String, u16)),
    }
    match serde_json::from_slice(payload).ok()? {
        Form::Named { transition_id: id } | Form::Listed((_, id)) => Some(id),
    }
}
