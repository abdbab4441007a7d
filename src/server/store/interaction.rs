//! Interactions between "invoked" and "token expired".

use std::time::Instant;

use mynah_wire::{ChannelId, GuildId, InteractionId, MessageId, Secret, UserId};
use serde_json::Value;

/// Interaction types (rest.md section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InteractionKind {
    /// 2
    Command,
    /// 3
    Component,
    /// 4
    Autocomplete,
    /// 5
    Modal,
}

impl InteractionKind {
    /// Discord's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Command => 2,
            Self::Component => 3,
            Self::Autocomplete => 4,
            Self::Modal => 5,
        }
    }
}

/// What the bot has answered so far.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing yet.
    Waiting,
    /// "Thinking": type 5, not filled in yet.
    Deferred,
    /// Type 6: acknowledged, the source message stays for now.
    DeferredUpdate,
    /// A message is there: type 4, 7, or an edit after a defer.
    Message,
    /// The response was deleted.
    Deleted,
    /// Type 8.
    Choices(Vec<Value>),
    /// Type 9.
    Modal(Value),
}

/// One interaction.
#[derive(Clone, Debug)]
pub struct Interaction {
    /// Id.
    pub id: InteractionId,
    /// What it is.
    pub kind: InteractionKind,
    /// Whose bot has to answer.
    pub bot_id: UserId,
    /// Authenticates the answer.
    pub token: Secret,
    /// When it was sent.
    pub created: Instant,
    /// Where.
    pub channel_id: ChannelId,
    /// In which guild.
    pub guild_id: Option<GuildId>,
    /// Who invoked it.
    pub user_id: UserId,
    /// Full command name, for the message's header.
    pub command_name: Option<String>,
    /// The message with the component.
    pub source: Option<MessageId>,
    /// Progress.
    pub answer: Answer,
    /// Number of the callback type used first.
    pub callback: Option<u8>,
    /// The response or placeholder, or the source message after type 6 or 7.
    pub response: Option<MessageId>,
    /// Follow-ups in order.
    pub followups: Vec<MessageId>,
}
