//! The numbers by which Discord, the host and the core name things, as types that cannot be mixed up.

pub use mynah_plugin::{ChannelId, GuildId, Track, UserId};

/// A command that waits for its one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reply(pub u64);

/// A request to the host whose outcome is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);
