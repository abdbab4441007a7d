//! The main gateway as a machine (gateway.md): one [`Shard`] per connection.
//!
//! # What the shell does
//! * [`Output::OpenWs`]: open a websocket; report [`Input::WsOpened`], then every text (decompressed)
//!   as [`Input::WsText`], and its end, or the failure to open it, as [`Input::WsClosed`].
//! * [`Output::CloseWs`]: close it and forget it; report nothing more about that socket.
//! * [`Output::WantIdentify`]: queue for `max_concurrency` (one Identify per key per five seconds,
//!   gateway.md section 8) and answer with [`Input::IdentifyPermit`] the moment it may be sent.
//! * [`Output::Wait`]: nothing more to do; call [`Shard::handle`] with [`Input::Tick`] at that time.

mod heartbeat;
mod losses;
mod queue;
mod shard;
mod window;

use std::time::{Duration, Instant};

use mynah_wire::{ChannelId, GuildId, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use shard::Shard;

/// What a shard needs to know from the start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bot token, without the `Bot ` prefix.
    pub token: Secret,
    /// Intent bits, see `mynah_wire::intents`.
    pub intents: u64,
    /// `(shard_id, shard_count)`.
    pub shard: (u32, u32),
    /// From `GET /gateway/bot`, for example `wss://gateway.discord.gg`. A query in it (such as
    /// `?compress=zlib-stream`) is kept on every connection, also when resuming elsewhere.
    pub gateway_url: String,
    /// First presence; the latest [`Command::Presence`] replaces it.
    pub presence: Option<Value>,
    /// A session of an earlier run to continue.
    pub resume: Option<Resumable>,
    /// Source of all jitter.
    pub seed: u64,
}

/// Everything that continues a session after a reconnect, or even a restart within some minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumable {
    /// From READY.
    pub session_id: String,
    /// Last dispatch received.
    pub seq: u64,
    /// From READY: where to resume.
    pub resume_url: String,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The socket asked for is open.
    WsOpened,
    /// A payload, as JSON text.
    WsText(&'a str),
    /// The socket ended or could not be opened (`None`).
    WsClosed {
        /// Close code of the server, if it sent one.
        code: Option<u16>,
    },
    /// The identify queue lets this shard through, now.
    IdentifyPermit,
    /// The bot wants something.
    Command(Command),
    /// Time passed.
    Tick,
}

/// What the bot can ask a shard for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Join, move, leave or change self mute/deaf (op 4). Waits while the shard is not live.
    VoiceState {
        /// In which guild.
        guild_id: GuildId,
        /// Where to be; `None` leaves.
        channel_id: Option<ChannelId>,
        /// Do not send.
        self_mute: bool,
        /// Do not receive.
        self_deaf: bool,
    },
    /// New presence (op 3), at most 4 KiB of JSON; a larger one is not sent.
    Presence(Value),
    /// Close with 1000 (the session ends, the bot goes offline) and stop.
    Stop,
}

/// What to do or to know.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Open a websocket to this address, instead of any earlier one.
    OpenWs {
        /// Complete with version and encoding.
        url: String,
    },
    /// Send this text.
    SendText(String),
    /// Close the socket and report nothing more about it.
    CloseWs {
        /// Code to send.
        code: u16,
    },
    /// Ask the identify queue; answer with [`Input::IdentifyPermit`].
    WantIdentify,
    /// An event for the bot.
    Dispatch {
        /// Such as `MESSAGE_CREATE`.
        name: String,
        /// Its sequence number.
        seq: u64,
        /// The body as raw JSON, exactly as received.
        data: String,
    },
    /// The connection changed.
    State(State),
    /// The machine is done; it answers only `Wait(None)` from now on.
    Stopped(StopReason),
    /// Nothing more; wake me then.
    Wait(Option<Instant>),
}

/// Where the connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A socket is being opened.
    Connecting,
    /// A new session starts.
    Identifying,
    /// The old session is being continued.
    Resuming,
    /// READY or RESUMED arrived.
    Live {
        /// False after a new Identify: caches start over, voice connections are gone.
        resumed: bool,
    },
    /// The connection is lost.
    Lost {
        /// What happened, for the log.
        reason: String,
        /// When the next attempt starts.
        retry_in: Duration,
    },
}

/// Why the machine stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// [`Command::Stop`].
    Asked,
    /// Discord refused in a way that retrying cannot change.
    Fatal {
        /// The close code.
        code: u16,
        /// What it means.
        meaning: &'static str,
        /// What the operator can do.
        remedy: &'static str,
        /// The token is wrong: the program exits with 78.
        credentials: bool,
    },
}

#[cfg(test)]
mod tests;
