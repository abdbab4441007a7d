//! One user in a room.

use std::time::Instant;

use super::key_package::MemberKeys;
use super::limits::Patience;

/// Where a participant stands.
#[derive(Debug)]
pub(super) enum Place {
    /// No key package yet.
    Unkeyed,
    /// Waits to be added with these keys.
    Pending(Box<MemberKeys>),
    /// In the group at this leaf.
    Member(u32),
}

#[derive(Debug)]
pub(super) struct Participant {
    /// Highest version the client can do.
    pub max_version: u16,
    /// Version it was told.
    pub version: u16,
    pub place: Place,
    /// Its websocket is there; else it may come back and hear everything then.
    pub is_connected: bool,
    /// It got op 25.
    pub knows_sender: bool,
    /// Its own pending group may hold proposals of an attempt that came to nothing, so it can take a
    /// Welcome but no proposals.
    pub is_tainted: bool,
    /// All others could not follow a commit of it: others commit first.
    pub is_distrusted: bool,
    pub patience: Patience,
    pub fingerprint: Option<Vec<u8>>,
}

impl Participant {
    /// Somebody who has just come.
    pub const fn new(now: Instant, max_version: u16, version: u16) -> Self {
        Self {
            max_version,
            version,
            place: Place::Unkeyed,
            is_connected: true,
            knows_sender: false,
            is_tainted: false,
            is_distrusted: false,
            patience: Patience::new(now),
            fingerprint: None,
        }
    }
}
