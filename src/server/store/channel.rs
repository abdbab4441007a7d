//! Channels.

use mynah_wire::{ChannelId, GuildId, MessageId, UserId};

use super::Overwrite;
use crate::voice::DavePolicy;

/// Kinds of channel this server has (rest.md section 9 has the numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// 0
    Text,
    /// 1
    Direct,
    /// 2
    Voice,
    /// 4
    Category,
    /// 13
    Stage,
}

impl ChannelKind {
    /// Discord's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Direct => 1,
            Self::Voice => 2,
            Self::Category => 4,
            Self::Stage => 13,
        }
    }

    /// From Discord's number.
    pub fn from_number(number: u64) -> Option<Self> {
        [
            Self::Text,
            Self::Direct,
            Self::Voice,
            Self::Category,
            Self::Stage,
        ]
        .into_iter()
        .find(|kind| u64::from(kind.number()) == number)
    }

    /// The word of the control API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Direct => "direct",
            Self::Voice => "voice",
            Self::Category => "category",
            Self::Stage => "stage",
        }
    }

    /// From the word of the control API.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Text, Self::Voice, Self::Category, Self::Stage]
            .into_iter()
            .find(|kind| kind.word() == word)
    }

    /// People can be in it with sound.
    pub const fn is_voice(self) -> bool {
        matches!(self, Self::Voice | Self::Stage)
    }

    /// Messages can be written to it; voice channels have a chat too.
    pub const fn has_messages(self) -> bool {
        !matches!(self, Self::Category)
    }
}

/// A channel of any kind.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Id.
    pub id: ChannelId,
    /// `None` for direct messages.
    pub guild_id: Option<GuildId>,
    /// Kind.
    pub kind: ChannelKind,
    /// Name; empty for direct messages.
    pub name: String,
    /// Display order.
    pub position: u32,
    /// Topic of a text channel.
    pub topic: Option<String>,
    /// Age-restricted.
    pub nsfw: bool,
    /// Category it is in.
    pub parent_id: Option<ChannelId>,
    /// Permissions granted or taken here.
    pub overwrites: Vec<Overwrite>,
    /// Bits per second, voice only.
    pub bitrate_bps: u32,
    /// People allowed in; 0 is no limit.
    pub user_limit: u32,
    /// Seconds between two messages of one person.
    pub slowmode_s: u32,
    /// Text under a voice channel's name. Not part of the channel object.
    pub status: Option<String>,
    /// Unix seconds since when somebody is in it.
    pub voice_start_s: Option<u64>,
    /// Newest message.
    pub last_message_id: Option<MessageId>,
    /// The two sides of a direct message.
    pub recipients: Vec<UserId>,
    /// End-to-end encryption of voice; `None` takes the server's default.
    pub dave: Option<DavePolicy>,
}

impl Channel {
    /// A channel with Discord's defaults.
    pub fn new(id: ChannelId, guild_id: Option<GuildId>, kind: ChannelKind, name: &str) -> Self {
        Self {
            id,
            guild_id,
            kind,
            name: name.to_owned(),
            position: 0,
            topic: None,
            nsfw: false,
            parent_id: None,
            overwrites: Vec::new(),
            bitrate_bps: 64_000,
            user_limit: 0,
            slowmode_s: 0,
            status: None,
            voice_start_s: None,
            last_message_id: None,
            recipients: Vec::new(),
            dave: None,
        }
    }
}
