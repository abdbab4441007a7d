//! One voice connection as a machine (voice.md): from "be in that channel" to keys for the media
//! threads, and through every way it can be lost.
//!
//! # What the shell does
//! * [`Output::JoinMain`]: send op 4 on the main gateway. Hand the bot's own VOICE_STATE_UPDATEs and
//!   the guild's VOICE_SERVER_UPDATEs in, in whatever order they come.
//! * [`Output::OpenWs`] / [`Output::CloseWs`]: as in [`crate::gateway`]; after a `CloseWs` nothing
//!   more is reported about that socket.
//! * [`Output::OpenUdp`]: a fresh UDP socket connected to that peer. The machine wants only control
//!   packets back ([`Input::Datagram`]); media is the shell's own business.
//! * [`Output::Keys`]: seal and open media with these until [`Output::CloseUdp`] or new keys. A
//!   websocket that breaks and resumes changes nothing about them: sound goes on meanwhile.
//! * [`Output::Media`]: the same for end-to-end encryption ([`dave`]), in the order in which it comes;
//!   [`crate::receive::Receiver`] understands all that concerns receiving.
//! * [`Output::Crypto`]: run the job on a thread that may compute for milliseconds and hand the result
//!   back as [`Input::Crypto`], whatever has happened meanwhile.
//! * [`Event::Ended`] is the last output; everything to be closed was closed before it.

pub mod dave;
mod encryption;
mod handshake;
mod heartbeat;
mod main;
mod recovery;
mod session;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_dave::group::Identity;
use mynah_wire::{ChannelId, EncryptionMode, GuildId, Ssrc, UserId};
use zeroize::Zeroize;

pub use dave::{DaveCounters, DaveEvent, DaveReport, MediaKeys, Passthrough, SenderKeys};
pub use session::Session;

/// What a voice session needs to know from the start.
#[derive(Clone, Debug)]
pub struct Config {
    /// In which guild.
    pub guild_id: GuildId,
    /// Who connects.
    pub user_id: UserId,
    /// Where to be.
    pub channel_id: ChannelId,
    /// Accept one of the encryption modes discontinued in 2024 when nothing better is offered.
    pub allow_legacy_modes: bool,
    /// Highest DAVE version to announce; 0 means no end-to-end encryption. Lowered to what we know
    /// ([`mynah_dave::VERSION`]), and to 0 without an identity.
    pub max_dave_version: u16,
    /// Our signature key for end-to-end encryption, one per process (dave.md section 8); without it
    /// there is none.
    pub identity: Option<Arc<Identity>>,
    /// How long to mend a lost connection before ending with [`EndReason::GaveUp`].
    pub give_up_after: Duration,
    /// Source of all jitter.
    pub seed: u64,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The own VOICE_STATE_UPDATE of this guild, from the main gateway.
    StateUpdate {
        /// Where we are now; `None`: no longer in voice.
        channel_id: Option<ChannelId>,
        /// Main-gateway session, needed for Identify.
        session_id: &'a str,
    },
    /// VOICE_SERVER_UPDATE of this guild.
    ServerUpdate {
        /// Voice token.
        token: &'a str,
        /// `host:port`; `None` while Discord has no server for the channel.
        endpoint: Option<&'a str>,
    },
    /// The socket asked for is open.
    WsOpened,
    /// A JSON payload.
    WsText(&'a str),
    /// A binary payload (DAVE).
    WsBinary(&'a [u8]),
    /// The socket ended or could not be opened (`None`).
    WsClosed {
        /// Close code of the server, if it sent one.
        code: Option<u16>,
    },
    /// A control packet: discovery or ping answer. Others are ignored.
    Datagram(&'a [u8]),
    /// The bot wants another channel.
    Move {
        /// Which.
        channel_id: ChannelId,
    },
    /// The bot wants to leave.
    Leave,
    /// The main gateway connection changed.
    Main(Main),
    /// The job of [`Output::Crypto`] is done.
    Crypto(dave::Done),
    /// The media threads cannot open frames of this member, again and again
    /// ([`crate::receive::Receiver::undecryptable`]).
    Undecryptable {
        /// Whose.
        user_id: UserId,
    },
    /// Time passed.
    Tick,
}

/// What became of the main gateway connection, which answers joins and explains disconnections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Main {
    /// It is lost: nothing is answered or explained until it is back.
    Lost,
    /// It is back, and all that was missed has been replayed.
    Resumed,
    /// It is back with a new session, which is in no voice channel (gateway.md section 9).
    New,
}

/// What to do or to know.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Send op 4 for this guild on the main gateway.
    JoinMain {
        /// Where to be; `None` leaves.
        channel_id: Option<ChannelId>,
    },
    /// Open a websocket, instead of any earlier one.
    OpenWs {
        /// Complete with version.
        url: String,
    },
    /// Send this text.
    SendText(String),
    /// Send these bytes as a binary frame.
    SendBinary(Vec<u8>),
    /// Close the websocket and report nothing more about it.
    CloseWs {
        /// Code to send.
        code: u16,
    },
    /// Open a UDP socket, instead of any earlier one.
    OpenUdp {
        /// The voice server.
        peer: SocketAddr,
    },
    /// Send a control packet.
    SendDatagram(Vec<u8>),
    /// Media stops: forget socket and keys.
    CloseUdp,
    /// Media may flow under these keys.
    Keys(TransportKeys),
    /// How media is end-to-end encrypted from now on. A new connection (after [`Output::CloseUdp`])
    /// begins with nothing.
    Media(MediaKeys),
    /// Run this on a thread that may compute for milliseconds, and hand the result back as
    /// [`Input::Crypto`]. At most one is out.
    Crypto(Box<dave::Job>),
    /// Something the bot may want to know.
    Event(Event),
    /// Nothing more; wake me then.
    Wait(Option<Instant>),
}

/// Everything the media threads need; cleared from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct TransportKeys {
    /// How to seal.
    pub mode: EncryptionMode,
    /// With which key, both directions.
    pub secret_key: [u8; 32],
    /// The own stream.
    pub ssrc: Ssrc,
}

impl Drop for TransportKeys {
    fn drop(&mut self) {
        self.secret_key.zeroize();
    }
}

impl fmt::Debug for TransportKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportKeys")
            .field("mode", &self.mode)
            .field("ssrc", &self.ssrc)
            .finish_non_exhaustive()
    }
}

/// What a voice session tells the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete; [`Output::Keys`] comes next to this.
    Connected {
        /// The own stream.
        ssrc: Ssrc,
        /// The chosen mode.
        mode: EncryptionMode,
    },
    /// A lost websocket is back; keys never changed.
    Resumed,
    /// The connection is lost and being mended. Media pauses only if [`Output::CloseUdp`] came too.
    Lost {
        /// What happened, for the log.
        reason: String,
    },
    /// Who sends under which ssrc.
    Speaking {
        /// Who.
        user_id: UserId,
        /// Under which ssrc.
        ssrc: Ssrc,
        /// `mynah_wire::voice::SPEAKING_*`.
        flags: u32,
    },
    /// Users present at the start, or joining later.
    Joined(Vec<UserId>),
    /// A user left; their ssrc is free again.
    Left(UserId),
    /// Round trip of a websocket heartbeat.
    Latency(Duration),
    /// News of the end-to-end encryption.
    Dave(DaveEvent),
    /// The session is over; the machine answers only `Wait(None)` from now on.
    Ended(EndReason),
}

/// Why a voice session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// [`Input::Leave`].
    Left,
    /// Disconnected by a moderator, or the channel is gone.
    Disconnected,
    /// Discord did not answer the join: the channel is full, or permission is missing.
    Denied,
    /// Mending took longer than [`Config::give_up_after`].
    GaveUp {
        /// What was wrong last.
        reason: String,
    },
    /// The server offers no encryption mode that we may use.
    NoCommonMode {
        /// What it offered.
        offered: Vec<String>,
    },
    /// The server refused in a way that retrying cannot change.
    Refused {
        /// The close code.
        code: u16,
        /// What it means.
        meaning: &'static str,
    },
}

impl EndReason {
    /// What the operator can do about it; empty when nothing is wrong.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Left | Self::Disconnected => "",
            Self::Denied => {
                "check that the channel has room, and that the bot may see it and connect to it"
            }
            Self::GaveUp { .. } => "check the network; UDP to the voice servers must be possible",
            Self::NoCommonMode { .. } => {
                "set allow_legacy_modes = true under [voice] if this is an old server of your own"
            }
            Self::Refused { code, .. } => match *code {
                mynah_wire::voice::close::DAVE_REQUIRED => {
                    "this channel demands end-to-end encryption (DAVE): switch it on for this bot, or update the bot if it is on"
                }
                _ => "this is a fault in the protocol: please report it with the log",
            },
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("left the channel"),
            Self::Disconnected => f.write_str("was disconnected from the channel"),
            Self::Denied => f.write_str("the channel could not be joined: no answer from Discord"),
            Self::GaveUp { reason } => write!(f, "gave up reconnecting: {reason}"),
            Self::NoCommonMode { offered } => write!(
                f,
                "the voice server offers no usable encryption mode (only {})",
                offered.join(", ")
            ),
            Self::Refused { code, meaning } => {
                write!(f, "the voice server refused with {code}: {meaning}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
