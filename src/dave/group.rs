//! The MLS half: who is in the call, and the secrets they share.
//!
//! A thin, strict shell around `davey`'s group state. What it adds: an error type of its own, limits
//! on what is read, the export of base secrets, and a fence against panics. What it leaves out:
//! `davey`'s media encryption and its transitions, which the voice session and [`crate::frame`] do.
//!
//! Every call takes milliseconds of computation (P-256) and belongs on a thread that may be busy. The
//! randomness of keys and commits comes from the operating system: MLS libraries take no other.

mod error;
mod fence;
mod identity;

use std::num::NonZeroU16;

use davey::{CommitWelcome, DaveSession, ProposalsOperationType};
use openmls::group::MlsGroup;
use openmls_rust_crypto::RustCrypto;
use zeroize::Zeroize;

use crate::BaseSecret;
use crate::code::{GROUP_DIGITS, PRIVACY_CODE_DIGITS, displayable};

pub use error::{GroupError, Remedy, Step};
pub use identity::Identity;

/// A user id in a credential: 8 bytes, big endian.
pub(crate) const MEMBER_ID_BYTES: usize = 8;
/// The longest message that is read. A welcome into a call of 1000 members takes less than half.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Label of the exporter (DAVE paper, "Sender key derivation").
const EXPORT_LABEL: &str = "Discord Secure Frames v0";

/// A member of an established group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// From the credential.
    pub user_id: u64,
    /// The key that its messages are signed with: an uncompressed point of P-256, 65 bytes.
    pub signature_key: Vec<u8>,
    /// Its place in the tree.
    pub leaf: u32,
}

/// One user's view of the group of one call, from the first key package on.
///
/// It begins without a group. An external sender (the voice gateway) makes a *pending* one, epoch 0,
/// with nobody else in it; the first own commit or a welcome makes it *established*.
pub struct Group {
    version: NonZeroU16,
    user_id: u64,
    channel_id: u64,
    identity: Identity,
    crypto: RustCrypto,
    session: DaveSession,
    /// As received, to tell a repetition and to begin anew after a panic.
    external_sender: Option<Vec<u8>>,
}

impl Group {
    /// A view of the group of the call in `channel_id`, as `user_id`, with protocol `version` 1.
    ///
    /// # Errors
    /// [`GroupError::Version`] for any other version.
    pub fn new(
        version: u16,
        user_id: u64,
        channel_id: u64,
        identity: &Identity,
    ) -> Result<Self, GroupError> {
        let number = NonZeroU16::new(version).ok_or(GroupError::Version(version))?;
        let session = fence::call(Step::Begin, || {
            DaveSession::new(number, user_id, channel_id, Some(identity.keys()))
        })?
        .map_err(|_| GroupError::Version(version))?;
        Ok(Self {
            version: number,
            user_id,
            channel_id,
            identity: identity.clone(),
            crypto: RustCrypto::default(),
            session,
            external_sender: None,
        })
    }

    /// Whose view it is.
    pub const fn user_id(&self) -> u64 {
        self.user_id
    }

    /// Takes the external sender of op 25, and makes the pending group. The same one again changes
    /// nothing, established or not.
    ///
    /// # Errors
    /// [`GroupError::Refused`] when it cannot be read, or is another one while a group is established.
    pub fn set_external_sender(&mut self, payload: &[u8]) -> Result<(), GroupError> {
        if self.external_sender.as_deref() == Some(payload) && self.session.group().is_some() {
            return Ok(());
        }
        self.fenced(Step::ExternalSender, payload, |session| {
            session.set_external_sender(payload)
        })?;
        self.external_sender = Some(payload.to_vec());
        Ok(())
    }

    /// A new key package, the body of op 26. Only the last one made can be used to join.
    ///
    /// # Errors
    /// [`GroupError::Refused`] when the system has no randomness.
    pub fn key_package(&mut self) -> Result<Vec<u8>, GroupError> {
        self.fenced(Step::KeyPackage, &[], DaveSession::create_key_package)
    }

    /// Takes `proposals` to add or remove members (op 27 without its operation byte), all added ones
    /// being `recognized`, and commits to all that are open now. The answer is the body of op 28;
    /// `None` when nothing is open.
    ///
    /// # Errors
    /// [`GroupError::Refused`] when there is no group, or a proposal is not acceptable. Log it, and
    /// answer nothing.
    pub fn append(
        &mut self,
        proposals: &[u8],
        recognized: &[u64],
    ) -> Result<Option<Vec<u8>>, GroupError> {
        self.propose(ProposalsOperationType::APPEND, proposals, Some(recognized))
    }

    /// Forgets the proposals with these references (op 27 without its operation byte), and commits
    /// to those that remain, as [`append`](Self::append) does.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn revoke(&mut self, refs: &[u8]) -> Result<Option<Vec<u8>>, GroupError> {
        self.propose(ProposalsOperationType::REVOKE, refs, None)
    }

    fn propose(
        &mut self,
        operation: ProposalsOperationType,
        payload: &[u8],
        recognized: Option<&[u64]>,
    ) -> Result<Option<Vec<u8>>, GroupError> {
        let answer = self.fenced(Step::Proposals, payload, |session| {
            session.process_proposals(operation, payload, recognized)
        })?;
        Ok(answer.map(|CommitWelcome { commit, welcome }| {
            [commit, welcome.unwrap_or_default()].concat()
        }))
    }

    /// Applies the `commit` that won (op 29 without its transition id): the epoch changes. `false`
    /// when it does not concern this view, which is no error.
    ///
    /// # Errors
    /// [`GroupError::Refused`] when it is not acceptable: op 31 and [`reinit`](Self::reinit).
    pub fn commit(&mut self, commit: &[u8]) -> Result<bool, GroupError> {
        self.fenced(Step::Commit, commit, |session| {
            session.process_commit(commit)
        })
    }

    /// Joins by a `welcome` (op 30 without its transition id), whose members are all `recognized`.
    ///
    /// # Errors
    /// [`GroupError::Refused`] when it is not acceptable: op 31 and [`reinit`](Self::reinit).
    pub fn welcome(&mut self, welcome: &[u8], recognized: &[u64]) -> Result<(), GroupError> {
        self.fenced(Step::Welcome, welcome, |session| {
            session.process_welcome(welcome, Some(recognized))
        })
    }

    /// Leaves any group and begins anew, with the external sender that is known: a pending group if
    /// there is one. The next thing to do is a new [`key_package`](Self::key_package).
    ///
    /// # Errors
    /// [`GroupError::Refused`] when the external sender is not usable.
    pub fn reinit(&mut self) -> Result<(), GroupError> {
        let (version, user, channel) = (self.version, self.user_id, self.channel_id);
        let identity = self.identity.clone();
        self.fenced(Step::Begin, &[], |session| {
            session.reinit(version, user, channel, Some(identity.keys()))
        })
    }

    /// The epoch of an established group, 1 or more.
    pub fn epoch(&self) -> Option<u64> {
        self.established().map(|group| group.epoch().as_u64())
    }

    /// The members of the established group by leaf, this user among them; empty without one.
    pub fn members(&self) -> Vec<Member> {
        let members = self.established().into_iter().flat_map(MlsGroup::members);
        let mut members: Vec<Member> = members
            .filter_map(|member| {
                Some(Member {
                    user_id: user_id(member.credential.serialized_content())?,
                    signature_key: member.signature_key,
                    leaf: member.index.u32(),
                })
            })
            .collect();
        members.sort_by_key(|member| member.leaf);
        members
    }

    /// The base secret of a member in this epoch.
    ///
    /// # Errors
    /// [`GroupError::NoGroup`] without an established group, [`GroupError::Stranger`] when the user is
    /// not in it.
    pub fn base_secret(&self, user_id: u64) -> Result<BaseSecret, GroupError> {
        let group = self.established().ok_or(GroupError::NoGroup)?;
        if !self
            .members()
            .iter()
            .any(|member| member.user_id == user_id)
        {
            return Err(GroupError::Stranger { user_id });
        }
        self.export(group, user_id)
    }

    /// The base secrets of all members in this epoch, by leaf.
    ///
    /// # Errors
    /// [`GroupError::NoGroup`] without an established group.
    pub fn base_secrets(&self) -> Result<Vec<(u64, BaseSecret)>, GroupError> {
        let group = self.established().ok_or(GroupError::NoGroup)?;
        let members = self.members().into_iter();
        members
            .map(|member| Ok((member.user_id, self.export(group, member.user_id)?)))
            .collect()
    }

    /// What all members of the epoch, and nobody else, have in common: 32 bytes.
    pub fn epoch_authenticator(&self) -> Option<Vec<u8>> {
        let group = self.established()?;
        Some(group.epoch_authenticator().as_slice().to_vec())
    }

    /// The voice privacy code of the epoch: 30 digits that are the same for all members.
    pub fn privacy_code(&self) -> Option<String> {
        displayable(
            &self.epoch_authenticator()?,
            PRIVACY_CODE_DIGITS,
            GROUP_DIGITS,
        )
    }

    /// Epoch 0 is the pending group, in which nobody is but oneself.
    fn established(&self) -> Option<&MlsGroup> {
        self.session
            .group()
            .filter(|group| group.epoch().as_u64() > 0)
    }

    /// The context is the user id in little endian, unlike everywhere else.
    fn export(&self, group: &MlsGroup, user_id: u64) -> Result<BaseSecret, GroupError> {
        let context = user_id.to_le_bytes();
        let mut bytes = group
            .export_secret(&self.crypto, EXPORT_LABEL, &context, BaseSecret::BYTES)
            .map_err(|error| GroupError::refused(Step::Export, error))?;
        let secret = bytes.as_slice().try_into().map(BaseSecret::new);
        bytes.zeroize();
        secret.map_err(|error| GroupError::refused(Step::Export, error))
    }

    /// Runs a step that reads what a peer sent. After a panic nothing of the session is trusted: a
    /// new one takes its place, as after [`reinit`](Self::reinit).
    fn fenced<T, E>(
        &mut self,
        step: Step,
        read: &[u8],
        work: impl FnOnce(&mut DaveSession) -> Result<T, E>,
    ) -> Result<T, GroupError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        if read.len() > MAX_MESSAGE_BYTES {
            return Err(GroupError::TooLong { bytes: read.len() });
        }
        match fence::call(step, || work(&mut self.session)) {
            Ok(result) => result.map_err(|error| GroupError::refused(step, error)),
            Err(panic) => {
                self.begin_again()?;
                Err(panic)
            }
        }
    }

    fn begin_again(&mut self) -> Result<(), GroupError> {
        let mut fresh = Self::new(
            self.version.get(),
            self.user_id,
            self.channel_id,
            &self.identity,
        )?;
        if let Some(sender) = &self.external_sender {
            let made = fence::call(Step::ExternalSender, || {
                fresh.session.set_external_sender(sender)
            });
            if matches!(made, Ok(Ok(()))) {
                fresh.external_sender = Some(sender.clone());
            }
        }
        *self = fresh;
        Ok(())
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("user_id", &self.user_id)
            .field("channel_id", &self.channel_id)
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}

/// The user of a credential; `None` when it is not one of ours, which `davey` does not let in.
fn user_id(credential: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(credential.try_into().ok()?))
}
