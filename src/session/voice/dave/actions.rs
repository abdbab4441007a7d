//! What the machine wants done.

use super::job::Job;
use super::keys::MediaKeys;
use super::report::DaveEvent;

/// One thing for the session to do.
#[derive(Debug)]
pub(in super::super) enum Action {
    /// Send a JSON payload; waits while the websocket is away.
    SendText(String),
    /// Send a binary frame; waits while the websocket is away.
    SendBinary(Vec<u8>),
    /// For the media threads.
    Media(MediaKeys),
    /// For the bot.
    Tell(DaveEvent),
    /// For a thread that may compute.
    Crypto(Box<Job>),
    /// The group can no longer be followed on this connection: begin a new one.
    Fail(String),
}

impl Action {
    /// Whether it needs the websocket.
    pub const fn is_message(&self) -> bool {
        matches!(self, Self::SendText(_) | Self::SendBinary(_))
    }
}
