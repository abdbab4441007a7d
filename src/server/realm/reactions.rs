//! Reactions: added, removed, cleared.

use mynah_wire::{ChannelId, GuildId, MessageId, UserId, intents};
use serde_json::json;

use super::{Audience, Event, Realm};
use crate::objects::emoji_json;
use crate::store::Reaction;

/// Intent of reactions in direct messages (gateway.md section 5).
const DIRECT_MESSAGE_REACTIONS: u64 = 1 << 13;

impl Realm {
    /// Adds or removes a reaction; true when something changed.
    pub(crate) fn react(
        &mut self,
        channel_id: ChannelId,
        id: MessageId,
        user_id: UserId,
        emoji: &str,
        add: bool,
    ) -> bool {
        let Some(message) = self.store.message_mut(channel_id, id) else {
            return false;
        };
        let guild_id = message.guild_id;
        let author_id = message.author_id;
        let position = message.reactions.iter().position(|r| r.emoji == emoji);
        let changed = match (position.and_then(|p| message.reactions.get_mut(p)), add) {
            (Some(reaction), true) if !reaction.users.contains(&user_id) => {
                reaction.users.push(user_id);
                true
            }
            (Some(reaction), false) => {
                let before = reaction.users.len();
                reaction.users.retain(|user| *user != user_id);
                before != reaction.users.len()
            }
            (None, true) => {
                message.reactions.push(Reaction {
                    emoji: emoji.to_owned(),
                    users: vec![user_id],
                });
                true
            }
            _ => false,
        };
        message
            .reactions
            .retain(|reaction| !reaction.users.is_empty());
        if changed {
            self.emit_reaction(channel_id, id, user_id, emoji, add, guild_id, author_id);
        }
        changed
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one event")]
    fn emit_reaction(
        &mut self,
        channel_id: ChannelId,
        id: MessageId,
        user_id: UserId,
        emoji: &str,
        add: bool,
        guild_id: Option<GuildId>,
        author_id: UserId,
    ) {
        let mut data = json!({"user_id": user_id, "channel_id": channel_id, "message_id": id,
            "guild_id": guild_id, "emoji": emoji_json(emoji), "burst": false, "type": 0});
        if let Some(fields) = data.as_object_mut().filter(|_| add) {
            fields.insert("message_author_id".into(), json!(author_id));
            let member = guild_id.and_then(|g| self.store.member_json(g, user_id));
            if let Some(member) = member {
                fields.insert("member".into(), member);
            }
        }
        let (to, intent) = match guild_id {
            Some(guild) => (Audience::Guild(guild), intents::GUILD_MESSAGE_REACTIONS),
            None => (Audience::Bot(author_id, None), DIRECT_MESSAGE_REACTIONS),
        };
        let name = if add {
            "MESSAGE_REACTION_ADD"
        } else {
            "MESSAGE_REACTION_REMOVE"
        };
        self.emit(Event {
            name,
            to,
            intent,
            data,
        });
    }

    /// A moderator takes away every reaction, or all with one emoji.
    pub(crate) fn clear_reactions(
        &mut self,
        channel_id: ChannelId,
        id: MessageId,
        emoji: Option<&str>,
    ) {
        let Some(message) = self.store.message_mut(channel_id, id) else {
            return;
        };
        let before = message.reactions.len();
        message
            .reactions
            .retain(|reaction| emoji.is_some_and(|emoji| reaction.emoji != emoji));
        let (guild_id, author_id) = (message.guild_id, message.author_id);
        if before == message.reactions.len() {
            return;
        }
        let mut data = json!({"channel_id": channel_id, "message_id": id, "guild_id": guild_id});
        if let (Some(emoji), Some(fields)) = (emoji, data.as_object_mut()) {
            fields.insert("emoji".into(), emoji_json(emoji));
        }
        let (to, intent) = match guild_id {
            Some(guild) => (Audience::Guild(guild), intents::GUILD_MESSAGE_REACTIONS),
            None => (Audience::Bot(author_id, None), DIRECT_MESSAGE_REACTIONS),
        };
        let name = match emoji {
            Some(_) => "MESSAGE_REACTION_REMOVE_EMOJI",
            None => "MESSAGE_REACTION_REMOVE_ALL",
        };
        self.emit(Event {
            name,
            to,
            intent,
            data,
        });
    }
}
