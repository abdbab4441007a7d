//! What the bot is told about end-to-end encryption.

use mynah_wire::UserId;

use super::machine::Dave;

/// News of the end-to-end encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DaveEvent {
    /// The group has new keys: somebody came or left, or it was formed.
    Epoch {
        /// Counts from 1 in every group.
        epoch: u64,
        /// 30 digits, the same for all members: whoever compares them aloud knows that nobody sits
        /// between (dave.md section 8).
        privacy_code: String,
        /// Everybody who holds the keys, ourselves included, in ascending order.
        members: Vec<UserId>,
    },
    /// The call goes on without end-to-end encryption: somebody's client has none.
    Downgraded,
    /// The call is end-to-end encrypted from now on.
    Upgraded {
        /// The version.
        version: u16,
    },
    /// The keys could not be followed; the server was asked to let us in anew.
    Recovering {
        /// What happened, for the log.
        reason: String,
    },
    /// A message of the server was of no use and has no consequence: proposals of another epoch, a
    /// repetition.
    Ignored {
        /// What it was, for the log.
        reason: String,
    },
}

/// The state of the end-to-end encryption of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaveReport {
    /// The version in use; 0 is none.
    pub version: u16,
    /// The epoch of the group; `None` outside of one.
    pub epoch: Option<u64>,
    /// See [`DaveEvent::Epoch`].
    pub privacy_code: Option<String>,
    /// Everybody in the group with their public signature keys (uncompressed P-256 points), in
    /// ascending order.
    pub members: Vec<(UserId, Vec<u8>)>,
    /// Our own public signature key; empty without an identity.
    pub own_key: Vec<u8>,
    /// The epoch we send in; `None` while nothing is sent or all is plain.
    pub sending: Option<u64>,
    /// What happened on this connection.
    pub counters: DaveCounters,
}

/// What happened on one connection, since its Identify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaveCounters {
    /// Epochs entered.
    pub epochs: u64,
    /// Transitions executed, those at once included.
    pub transitions: u64,
    /// How often we asked to be let in anew.
    pub recoveries: u64,
    /// Commits and welcomes that could not be used.
    pub invalid: u64,
    /// Messages that were refused without consequence: proposals of another epoch, unknown
    /// transitions, repetitions.
    pub ignored: u64,
}

impl Dave {
    /// The state, once op 4 told the version.
    pub fn report(&self) -> Option<DaveReport> {
        let sender = self.sender.as_ref()?;
        let epoch = self.epoch.as_ref();
        let identity = self.connection.identity.as_ref();
        let named = |(id, key): &(u64, Vec<u8>)| (UserId::new(*id), key.clone());
        Some(DaveReport {
            version: sender.version(),
            epoch: epoch.map(|epoch| epoch.number),
            privacy_code: epoch.map(|epoch| epoch.privacy_code.clone()),
            members: epoch.map_or_else(Vec::new, |e| e.members.iter().map(named).collect()),
            own_key: identity.map_or_else(Vec::new, |identity| identity.public_key().to_vec()),
            sending: sender.epoch(),
            counters: self.counters,
        })
    }
}
