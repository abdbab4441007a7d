//! What can go wrong, by what went wrong.

use std::time::Duration;

use mynah_dave::group::GroupError;
use mynah_media::MediaError;
use mynah_session::gateway::StopReason;
use mynah_wire::{ChannelId, GuildId};

use crate::{Denied, FetchError, ResolveError};

/// A REST call failed.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// Discord answered with an error object.
    #[error("{method} {path}: {status} {message} (code {code})")]
    Api {
        /// HTTP method.
        method: String,
        /// Path with interaction tokens masked.
        path: String,
        /// HTTP status.
        status: u16,
        /// Discord's JSON error code, 0 when there was none.
        code: u64,
        /// Discord's message, with field errors when present.
        message: String,
    },
    /// 401: the token is wrong. All further calls are stopped (rest.md section 2).
    #[error("Discord refused the bot token (401 Unauthorized)")]
    Unauthorized,
    /// The server could not be reached, or the connection broke.
    #[error("{method} {path}: cannot reach the API: {reason}")]
    Network {
        /// HTTP method.
        method: String,
        /// Path with interaction tokens masked.
        path: String,
        /// What the network said.
        reason: String,
    },
    /// Rate limited longer than it is sensible to wait.
    #[error("{method} {path}: rate limited for another {} s", .wait.as_secs())]
    RateLimited {
        /// HTTP method.
        method: String,
        /// Path with interaction tokens masked.
        path: String,
        /// How long the limit still lasts.
        wait: Duration,
    },
    /// A caller asked for an impossible method or path.
    #[error("not a REST call: {0}")]
    BadCall(String),
}

impl RestError {
    /// Discord's JSON error code, when it gave one.
    pub fn code(&self) -> Option<u64> {
        match self {
            Self::Api { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// The bot could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The first REST calls failed.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// The gateway ended the session for good.
    #[error("the gateway refused the bot: {}", describe(.0))]
    Gateway(StopReason),
    /// READY or the guilds did not arrive in time.
    #[error("the gateway gave no READY within {} s", .0.as_secs())]
    Timeout(Duration),
    /// No identify left for today: logging in now would reset the token (gateway.md section 5).
    #[error("no session starts left; the limit resets in {} min", .reset_after.as_secs() / 60)]
    NoIdentifiesLeft {
        /// When the limit is lifted.
        reset_after: Duration,
    },
    /// The tick threads could not be started.
    #[error("cannot start the audio threads: {0}")]
    Pulse(std::io::Error),
    /// The threads that hear could not be started.
    #[error("cannot start the receive threads: {0}")]
    Ears(std::io::Error),
    /// The threads for end-to-end encryption could not be started.
    #[error("cannot start the encryption threads: {0}")]
    Crypto(std::io::Error),
    /// No key for end-to-end encryption could be made.
    #[error("cannot make a key for end-to-end encryption: {0}")]
    Identity(#[from] GroupError),
    /// The cache folder cannot be used.
    #[error("cannot use the cache folder {path}: {source}")]
    Cache {
        /// Which folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The additional root certificate is not PEM.
    #[error("the additional CA certificate cannot be read: {0}")]
    Certificate(String),
}

impl StartError {
    /// True when trying again cannot help because credentials or settings are wrong (exit 78).
    pub fn is_credentials(&self) -> bool {
        matches!(
            self,
            Self::Rest(RestError::Unauthorized) | Self::Gateway(StopReason::Fatal { .. })
        )
    }
}

/// One line for a stop reason: what, and what to do.
pub fn describe(reason: &StopReason) -> String {
    match reason {
        StopReason::Asked => "stopped on request".to_owned(),
        StopReason::Fatal {
            code,
            meaning,
            remedy,
            ..
        } => {
            format!("{meaning} (close {code}); {remedy}")
        }
    }
}

/// Joining voice failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoiceError {
    /// The guild is not one of this bot's.
    #[error("the bot is not in guild {0}")]
    UnknownGuild(GuildId),
    /// The bot may not go there, or there is no room; nothing was asked of Discord.
    #[error("{1}")]
    Denied(ChannelId, Denied),
    /// Discord gave no answer: the channel is full or the bot may not connect or view it.
    #[error(
        "no answer for channel {0}: it may be full, or the bot lacks the Connect or View Channel permission there"
    )]
    NoAnswer(ChannelId),
    /// The session ended while it was being set up.
    #[error("the voice connection failed: {0}")]
    Ended(String),
    /// There is no voice session in this guild.
    #[error("the bot is in no voice channel of guild {0}")]
    NotConnected(GuildId),
    /// The voice session of that guild has too many orders waiting.
    #[error("the voice session of guild {0} is busy: try again in a moment")]
    Busy(GuildId),
    /// The bot is shutting down.
    #[error("the bot is shutting down")]
    Closing,
}

/// Playing failed.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// No voice session to play into.
    #[error(transparent)]
    Voice(#[from] VoiceError),
    /// The file cannot be played.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// Nobody knows where it is.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// There is no such track any more.
    #[error("track {0} is not playing")]
    UnknownTrack(u64),
    /// There is no such broadcast any more.
    #[error("broadcast {0} has ended, or there never was one of this number")]
    UnknownBroadcast(u64),
    /// The machine is at its limit.
    #[error("too much is playing on this machine right now; try again in a moment")]
    Busy,
    /// The decoder thread is gone.
    #[error("the decoder gave up")]
    DecoderGone,
}
