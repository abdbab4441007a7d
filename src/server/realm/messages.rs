//! Messages: written, edited, deleted, reacted to.

use mynah_wire::{AttachmentId, ChannelId, MessageId, UserId, intents};
use serde_json::{Value, json};

use super::files::{NewFile, resolve_attachment_urls};
use super::{Audience, Event, Realm};
use crate::store::permissions::MENTION_EVERYONE;
use crate::store::{EPHEMERAL, LOADING, Message, MessageOrigin};

/// Message type of a reply.
const REPLY: u8 = 19;
/// Message type of a slash command's response.
const CHAT_INPUT_COMMAND: u8 = 20;

/// Which mentions in a text count (rest.md section 4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllowedMentions {
    pub users: MentionRule,
    pub roles: MentionRule,
    pub everyone: bool,
    pub replied_user: bool,
}

/// All of a kind, or these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MentionRule {
    All,
    Only(Vec<u64>),
}

impl Default for MentionRule {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl MentionRule {
    fn allows(&self, id: u64) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(&id),
        }
    }
}

/// A checked message that has no id yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub content: String,
    pub tts: bool,
    pub embeds: Vec<Value>,
    pub components: Vec<Value>,
    pub flags: u64,
    pub files: Vec<NewFile>,
    pub allowed: AllowedMentions,
    pub nonce: Option<Value>,
    /// The message this one replies to.
    pub reply_to: Option<MessageId>,
    /// A message type other than the usual ones.
    pub kind: Option<u8>,
    pub poll: Option<Value>,
}

/// A checked change of a message; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    pub content: Option<String>,
    pub embeds: Option<Vec<Value>>,
    pub components: Option<Vec<Value>>,
    /// Bits to set and to clear.
    pub flags: Option<(u64, u64)>,
    /// Attachments to keep; `None` keeps all.
    pub keep: Option<Vec<AttachmentId>>,
    pub files: Vec<NewFile>,
    pub allowed: AllowedMentions,
}

impl Realm {
    /// Writes a message and tells everybody who may see it.
    pub(crate) fn post(
        &mut self,
        author_id: UserId,
        channel_id: ChannelId,
        draft: Draft,
        origin: MessageOrigin,
    ) -> MessageId {
        let id = MessageId::new(self.next_id());
        let guild_id = self
            .store
            .channels
            .get(&channel_id)
            .and_then(|c| c.guild_id);
        let attachments = self.keep_files(channel_id, draft.files, draft.flags & EPHEMERAL != 0);
        let replied = draft
            .reply_to
            .and_then(|to| self.store.message(channel_id, to))
            .map(|message| message.author_id);
        let is_command_answer = matches!(
            &origin,
            MessageOrigin::Interaction {
                kind: 2,
                original_response: None,
                ..
            }
        );
        let kind = draft.kind.unwrap_or(match draft.reply_to {
            Some(_) => REPLY,
            None if is_command_answer => CHAT_INPUT_COMMAND,
            None => 0,
        });
        let mut message = Message {
            id,
            channel_id,
            guild_id,
            author_id,
            origin,
            content: draft.content,
            created_ms: self.unix_ms(),
            edited_ms: None,
            tts: draft.tts,
            mention_everyone: false,
            mentions: Vec::new(),
            mention_roles: Vec::new(),
            attachments,
            embeds: draft.embeds,
            components: draft.components,
            reactions: Vec::new(),
            pinned_ms: None,
            flags: draft.flags,
            kind,
            nonce: draft.nonce,
            reference: draft.reply_to.map(|to| {
                json!({"type": 0, "message_id": to, "channel_id": channel_id, "guild_id": guild_id})
            }),
            poll: draft.poll,
        };
        resolve_attachment_urls(&mut message);
        self.find_mentions(&mut message, &draft.allowed);
        if let Some(replied) = replied.filter(|_| draft.allowed.replied_user)
            && !message.mentions.contains(&replied)
        {
            message.mentions.push(replied);
        }
        if !message.is_ephemeral()
            && let Some(channel) = self.store.channels.get_mut(&channel_id)
        {
            channel.last_message_id = Some(id);
        }
        self.store.put_message(message.clone());
        self.emit_message("MESSAGE_CREATE", &message);
        id
    }

    /// Changes a message. A deferred response that is filled in counts as new, not as edited.
    pub(crate) fn edit(&mut self, channel_id: ChannelId, id: MessageId, patch: Patch) -> bool {
        let Some(mut message) = self.store.message(channel_id, id).cloned() else {
            return false;
        };
        if let Some(keep) = &patch.keep {
            let (kept, dropped) = message
                .attachments
                .into_iter()
                .partition::<Vec<_>, _>(|attachment| keep.contains(&attachment.id));
            self.store.files.forget(&dropped);
            message.attachments = kept;
        }
        let ephemeral = message.is_ephemeral();
        message
            .attachments
            .extend(self.keep_files(channel_id, patch.files, ephemeral));
        if let Some(content) = patch.content {
            message.content = content;
            self.find_mentions(&mut message, &patch.allowed);
        }
        if let Some(embeds) = patch.embeds {
            message.embeds = embeds;
        }
        if let Some(components) = patch.components {
            message.components = components;
        }
        if let Some((set, clear)) = patch.flags {
            message.flags = (message.flags & !clear) | set;
        }
        if message.is_loading() {
            message.flags &= !LOADING;
        } else {
            message.edited_ms = Some(self.unix_ms());
        }
        resolve_attachment_urls(&mut message);
        self.store.put_message(message.clone());
        self.emit_message("MESSAGE_UPDATE", &message);
        true
    }

    /// Deletes a message.
    pub(crate) fn delete(&mut self, channel_id: ChannelId, id: MessageId) -> bool {
        let Some(message) = self.store.take_message(channel_id, id) else {
            return false;
        };
        let mut data = json!({"id": id, "channel_id": channel_id});
        let (to, intent) = match message.guild_id.filter(|_| !message.is_ephemeral()) {
            Some(guild_id) => {
                if let Some(fields) = data.as_object_mut() {
                    fields.insert("guild_id".into(), json!(guild_id));
                }
                (Audience::Guild(guild_id), intents::GUILD_MESSAGES)
            }
            None => (
                Audience::Bot(message.author_id, None),
                intents::DIRECT_MESSAGES,
            ),
        };
        self.emit(Event {
            name: "MESSAGE_DELETE",
            to,
            intent,
            data,
        });
        true
    }

    fn find_mentions(&self, message: &mut Message, allowed: &AllowedMentions) {
        let text = &message.content;
        message.mentions = tagged(text, "<@")
            .into_iter()
            .filter(|id| allowed.users.allows(*id))
            .map(UserId::new)
            .filter(|id| self.store.users.contains_key(id))
            .collect();
        message.mention_roles = tagged(text, "<@&")
            .into_iter()
            .filter(|id| allowed.roles.allows(*id))
            .collect();
        message.mention_everyone = allowed.everyone
            && (text.contains("@everyone") || text.contains("@here"))
            && self
                .store
                .may(message.author_id, message.channel_id, MENTION_EVERYONE);
    }
}

/// Ids in `<@1>`, `<@!1>` (for prefix `<@`) or `<@&1>`, each once.
fn tagged(text: &str, prefix: &str) -> Vec<u64> {
    let mut found = Vec::new();
    for part in text.split(prefix).skip(1) {
        let digits = part.split('>').next().unwrap_or_default();
        let digits = digits.strip_prefix('!').unwrap_or(digits);
        if let Ok(id) = digits.parse()
            && !found.contains(&id)
        {
            found.push(id);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_are_found_once_and_by_kind() {
        let text = "hi <@5> <@!6> <@5> <@&7> <@x>";
        assert_eq!(tagged(text, "<@"), [5, 6]);
        assert_eq!(tagged(text, "<@&"), [7]);
    }
}
