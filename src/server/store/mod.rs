//! What exists: guilds, channels, people, messages, commands. Plain values without rules; the rules
//! are in [`crate::realm`].

mod channel;
mod command;
mod default_world;
mod guild;
mod ids;
mod interaction;
mod message;
pub mod permissions;
mod voice;

use std::collections::BTreeMap;

use mynah_wire::{AttachmentId, ChannelId, GuildId, InteractionId, MessageId, Secret, UserId};

pub use channel::{Channel, ChannelKind};
pub use command::{Command, CommandBook, Scope};
pub use default_world::DefaultWorld;
pub(crate) use default_world::admit_bot;
pub use guild::{Bot, Guild, Member, Role, User};
pub use ids::{Randomness, Snowflakes};
pub use interaction::{Answer, Interaction, InteractionKind};
pub use message::{
    Attachment, EPHEMERAL, Files, LOADING, Message, MessageOrigin, Reaction, StoredFile,
};
pub use permissions::Overwrite;
pub use voice::{VoiceOwner, VoiceState};

/// Messages kept per channel; older ones are forgotten (a soak test must not eat the machine).
pub const MESSAGES_PER_CHANNEL: usize = 10_000;

/// Everything that exists on this server.
#[derive(Debug, Default)]
pub struct Store {
    /// Guilds by id.
    pub guilds: BTreeMap<GuildId, Guild>,
    /// Channels of all kinds by id.
    pub channels: BTreeMap<ChannelId, Channel>,
    /// People and bot accounts.
    pub users: BTreeMap<UserId, User>,
    /// The bots among them.
    pub bots: BTreeMap<UserId, Bot>,
    /// Messages by channel, oldest first.
    pub messages: BTreeMap<ChannelId, BTreeMap<MessageId, Message>>,
    /// Uploaded bytes.
    pub files: Files,
    /// Application commands.
    pub commands: CommandBook,
    /// Interactions whose token may still be good.
    pub interactions: BTreeMap<InteractionId, Interaction>,
    /// Who is in which voice channel.
    pub voice: BTreeMap<(GuildId, UserId), VoiceState>,
}

impl Store {
    /// The bot with that token; a `Bot ` prefix is tolerated (gateway.md section 5).
    pub fn bot_by_token(&self, token: &str) -> Option<&Bot> {
        let token = token.strip_prefix("Bot ").unwrap_or(token).trim();
        self.bots.values().find(|bot| bot.token.expose() == token)
    }

    /// The bot behind an application id (they are the same number here, as for most real bots).
    pub fn bot_token(&self, user_id: UserId) -> Option<&Secret> {
        self.bots.get(&user_id).map(|bot| &bot.token)
    }

    /// Channels of a guild in display order.
    pub fn guild_channels(&self, guild_id: GuildId) -> impl Iterator<Item = &Channel> {
        let mut channels: Vec<_> = self
            .channels
            .values()
            .filter(|c| c.guild_id == Some(guild_id))
            .collect();
        channels.sort_by_key(|c| (c.position, c.id));
        channels.into_iter()
    }

    /// Guilds a user is a member of.
    pub fn guilds_of(&self, user_id: UserId) -> impl Iterator<Item = &Guild> {
        self.guilds
            .values()
            .filter(move |guild| guild.members.contains_key(&user_id))
    }

    /// A message wherever it may be shown.
    pub fn message(&self, channel_id: ChannelId, message_id: MessageId) -> Option<&Message> {
        self.messages.get(&channel_id)?.get(&message_id)
    }

    /// The same, to change it.
    pub fn message_mut(
        &mut self,
        channel_id: ChannelId,
        message_id: MessageId,
    ) -> Option<&mut Message> {
        self.messages.get_mut(&channel_id)?.get_mut(&message_id)
    }

    /// Adds or replaces a message and forgets the oldest beyond [`MESSAGES_PER_CHANNEL`].
    pub fn put_message(&mut self, message: Message) {
        let channel = self.messages.entry(message.channel_id).or_default();
        channel.insert(message.id, message);
        while channel.len() > MESSAGES_PER_CHANNEL {
            if let Some((_, forgotten)) = channel.pop_first() {
                self.files.forget(&forgotten.attachments);
            }
        }
    }

    /// Takes a message away, with its files.
    pub fn take_message(&mut self, channel_id: ChannelId, id: MessageId) -> Option<Message> {
        let message = self.messages.get_mut(&channel_id)?.remove(&id)?;
        self.files.forget(&message.attachments);
        Some(message)
    }

    /// People in a voice channel.
    pub fn voice_members(&self, channel_id: ChannelId) -> impl Iterator<Item = &VoiceState> {
        self.voice
            .values()
            .filter(move |state| state.channel_id == channel_id)
    }

    /// The bytes of an attachment.
    pub fn file(&self, id: AttachmentId) -> Option<&StoredFile> {
        self.files.get(id)
    }
}
