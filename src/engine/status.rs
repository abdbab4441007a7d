//! What a voice session says about itself.

use std::time::Duration;

use mynah_wire::{ChannelId, Ssrc, UserId};

/// One voice session as it is now: for `/voice status` and for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceStatus {
    /// Where the bot is.
    pub channel_id: ChannelId,
    /// The bot.
    pub user_id: UserId,
    /// The bot's own stream.
    pub ssrc: Ssrc,
    /// How packets are sealed on the way to the voice server, by Discord's name.
    pub mode: String,
    /// Round trip of the latest heartbeat on the voice gateway.
    pub latency: Option<Duration>,
    /// Round trip of the latest UDP ping; `None` when the server answers none.
    pub rtt: Option<Duration>,
    /// Packets of people that were heard, since somebody listens.
    pub received: u64,
    /// Packets of people that never came, since somebody listens.
    pub lost: u64,
    /// The largest jitter of somebody heard lately (RFC 3550 6.4.1); `None` while nobody is.
    pub jitter: Option<Duration>,
    /// Version of the end-to-end encryption; 0 is none.
    pub dave_version: u16,
    /// Epoch of the group; `None` without a group.
    pub epoch: Option<u64>,
    /// 30 digits, the same for everybody in the call (dave.md section 8).
    pub privacy_code: Option<String>,
    /// Everybody in the group with their public signature keys (uncompressed P-256 points), the bot
    /// included.
    pub members: Vec<(UserId, Vec<u8>)>,
    /// The bot's own public signature key; empty without end-to-end encryption.
    pub own_key: Vec<u8>,
    /// Why nobody hears the bot, in words for people; `None` when all do, as far as is known.
    pub unheard: Option<String>,
    /// Packets the kernel took.
    pub packets_sent: u64,
    /// Packets that left under older keys than the announced ones; anything but 0 is a bug.
    pub sealed_stale: u64,
}
