//! What a peer asks the hub, and what it hears.

use std::net::SocketAddr;

use mynah_wire::{ChannelId, EncryptionMode, GuildId, Secret, UserId};

use crate::voice::outbox::Message;

/// A client's request that concerns more than its connection.
#[derive(Debug)]
pub enum Ask {
    /// Op 0. Wants a verdict.
    Identify(Claim),
    /// Op 7. Wants a verdict.
    Resume {
        /// Who claims to come back.
        claim: Claim,
        /// What must be replayed.
        replay: Replay,
    },
    /// Op 1: media goes to this address, sealed in this mode. Wants a verdict.
    Select {
        /// Where the client receives.
        address: SocketAddr,
        /// As the client named it.
        mode: Option<EncryptionMode>,
    },
    /// Op 5 with its flags. The stream is always the session's own.
    Speaking(u32),
    /// Op 16: which backend is this?
    BackendVersion,
    /// A DAVE message, text or binary (dave.md section 3).
    Dave {
        /// 21 to 31.
        op: u8,
        /// JSON of `d`, or the binary payload.
        payload: Vec<u8>,
    },
    /// The connection ended.
    Gone(Gone),
}

/// Credentials of op 0 or op 7.
#[derive(Debug)]
pub struct Claim {
    /// Guild.
    pub guild_id: GuildId,
    /// Op 7 does not name the user.
    pub user_id: Option<UserId>,
    /// Version 9 names the channel.
    pub channel_id: Option<ChannelId>,
    /// From the main gateway.
    pub session_id: String,
    /// From the main gateway.
    pub token: Secret,
    /// Highest DAVE version of the client; 0 without.
    pub max_dave_version: u16,
}

/// How much a resume replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Nothing: the version has no sequence, or the client does not say.
    Nothing,
    /// Everything the session ever sent.
    All,
    /// Everything after this number.
    After(u16),
}

/// The hub's answer.
#[derive(Debug)]
pub enum Verdict {
    /// Go on.
    Accepted,
    /// The session is back; send Resumed and then these.
    Resumed(Vec<Message>),
    /// Close with this code.
    Refused(u16),
    /// Hang; this is the verdict once the hang is over.
    Hung(Box<Verdict>),
}

/// Why a connection ended, as far as its session is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The client may come back and resume.
    Resumable,
    /// The client left, or made an error that ends its session.
    Finished,
}
