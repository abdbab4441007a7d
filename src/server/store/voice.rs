//! Who is in which voice channel.

use mynah_wire::{ChannelId, GuildId, Secret, UserId};

/// On whose behalf somebody is in voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoiceOwner {
    /// A bot, through the gateway session with that id.
    Session(String),
    /// A simulated user.
    Simulated,
}

/// One person in one voice channel.
#[derive(Clone, Debug)]
pub struct VoiceState {
    /// In which guild.
    pub guild_id: GuildId,
    /// In which channel.
    pub channel_id: ChannelId,
    /// Who.
    pub user_id: UserId,
    /// Goes into the voice Identify.
    pub session_id: String,
    /// The token of the current voice grant.
    pub token: Secret,
    /// Through what.
    pub owner: VoiceOwner,
    /// Own switch: sends nothing.
    pub self_mute: bool,
    /// Own switch: hears nothing.
    pub self_deaf: bool,
    /// In the audience of a stage.
    pub suppress: bool,
    /// Raised hand on a stage, Unix milliseconds.
    pub request_to_speak_ms: Option<u64>,
}
