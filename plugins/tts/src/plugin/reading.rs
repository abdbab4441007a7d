//! Messages that are read by themselves.

use mynah_plugin::{ChannelId, Cx, GuildId, MessageId, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::people::{Member, User, called};
use super::room::Line;
use super::{Tts, store_failed, wall_s};
use crate::queue::Waiting;
use crate::store::StoreError;
use crate::text::{Attached, Dictionary, Spoken, plain_name, speakable};
use crate::voices::Voice;

/// What people write: a message, and an answer to one (message types of Discord).
const WRITTEN: [u8; 2] = [0, 19];
/// Marks on messages that were cut, or could not wait, as a path has them: scissors, an hourglass.
const CUT: &str = "%E2%9C%82%EF%B8%8F";
const FULL: &str = "%E2%8F%B3";

/// The part of MESSAGE_CREATE that matters.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    id: MessageId,
    channel_id: ChannelId,
    guild_id: Option<GuildId>,
    author: User,
    member: Option<Member>,
    #[serde(default)]
    content: String,
    #[serde(default)]
    mentions: Vec<User>,
    #[serde(default)]
    attachments: Vec<Attachment>,
    #[serde(default)]
    sticker_items: Vec<Value>,
    #[serde(default, rename = "type")]
    kind: u8,
    webhook_id: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Attachment {
    content_type: Option<String>,
}

impl Written {
    /// Who wrote it.
    pub(super) fn author(&self) -> &User {
        &self.author
    }
}

/// The part of MESSAGE_UPDATE that matters. Previews of links come as one, too, without a time.
#[derive(Debug, Deserialize)]
pub(super) struct Edited {
    id: MessageId,
    guild_id: Option<GuildId>,
    edited_timestamp: Option<String>,
}

/// MESSAGE_DELETE and MESSAGE_DELETE_BULK.
#[derive(Debug, Deserialize)]
pub(super) struct Deleted {
    id: Option<MessageId>,
    #[serde(default)]
    ids: Vec<MessageId>,
    guild_id: Option<GuildId>,
}

impl Tts {
    /// Somebody wrote something.
    pub(super) fn written(&mut self, cx: &mut Cx<'_, Self>, message: &Written) {
        let Some(guild) = message.guild_id else {
            return;
        };
        self.people
            .meet(guild, &message.author, message.member.as_ref());
        for person in &message.mentions {
            self.people.meet(guild, person, person.member.as_deref());
        }
        match self.wants(cx, guild, message) {
            Ok(true) => self.read(cx, guild, message),
            Ok(false) => {}
            Err(error) => store_failed(cx, &error),
        }
    }

    /// Is this message to be read?
    fn wants(
        &self,
        cx: &Cx<'_, Self>,
        guild: GuildId,
        message: &Written,
    ) -> Result<bool, StoreError> {
        let (Some(me), author) = (self.me, message.author.id) else {
            return Ok(false);
        };
        let Some(room) = self.people.voice(guild, me) else {
            return Ok(false);
        };
        if !self.reads
            || !self.joined.contains(&guild)
            || author == me
            || !WRITTEN.contains(&message.kind)
        {
            return Ok(false);
        }
        let rules = self.rules(cx, guild);
        let is_bot = message.author.bot || message.webhook_id.is_some();
        if is_bot && rules.ignore_bots {
            return Ok(false);
        }
        // A webhook is nowhere; who lets it be read wants to hear it.
        if rules.same_channel && !is_bot && self.people.voice(guild, author) != Some(room) {
            return Ok(false);
        }
        let member = message.member.as_ref();
        let has = |role: u64| {
            member.is_some_and(|member| member.roles.iter().any(|own| own.get() == role))
        };
        if rules.role.is_some_and(|role| !has(role)) {
            return Ok(false);
        }
        let voice_chat = rules.voice_chat && message.channel_id == room;
        let is_read = voice_chat || self.store.is_auto(guild.get(), message.channel_id.get())?;
        Ok(is_read && !self.store.is_out(guild.get(), author.get())?)
    }

    fn read(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId, message: &Written) {
        let author = message.author.id.get();
        let line = self.line(cx, guild, message);
        if line.text.is_empty() {
            return;
        }
        if line.is_cut {
            mark(cx, message, CUT);
        }
        let waiting = Waiting {
            author,
            message: Some(message.id.get()),
            what: line,
        };
        if self.put(cx, guild, waiting).is_err() && self.room(guild).told.insert(author) {
            mark(cx, message, FULL);
        }
    }

    /// A message as it is spoken, in its author's voice.
    pub(super) fn line(&self, cx: &Cx<'_, Self>, guild: GuildId, message: &Written) -> Line {
        let types = message
            .attachments
            .iter()
            .map(|file| file.content_type.as_deref());
        let stickers = message.sticker_items.iter().map(|_| Attached::Sticker);
        let attached: Vec<Attached> = types.map(Attached::of).chain(stickers).collect();
        let author = message.author.id;
        let spoken = self.spoken(cx, guild, author, &message.content, &attached);
        Line {
            name: plain_name(&called(&message.author, message.member.as_ref())),
            text: spoken.text,
            is_cut: spoken.is_cut,
            voice: self.voice_of(cx, guild, author),
            asked: None,
        }
    }

    /// The words of a text, by the rules and the dictionary of a person.
    pub(super) fn spoken(
        &self,
        cx: &Cx<'_, Self>,
        guild: GuildId,
        author: UserId,
        content: &str,
        attached: &[Attached],
    ) -> Spoken {
        let words = |user: Option<u64>| {
            self.store.words(guild.get(), user).unwrap_or_else(|error| {
                store_failed(cx, &error);
                Vec::new()
            })
        };
        let dictionary = Dictionary::new(words(None), words(Some(author.get())));
        let style = self.rules(cx, guild).style;
        let names = self.people.names(guild);
        speakable(content, attached, &style, &names, &dictionary, wall_s())
    }

    /// How somebody sounds.
    pub(super) fn voice_of(&self, cx: &Cx<'_, Self>, guild: GuildId, user: UserId) -> Voice {
        let mine = self.store.voice(guild.get(), user.get());
        let found = mine.and_then(|mine| Ok(mine.over(&self.store.server_voice(guild.get())?)));
        found.unwrap_or_else(|error| {
            store_failed(cx, &error);
            Voice::default()
        })
    }

    /// What was edited is not read any more.
    pub(super) fn edited(&mut self, cx: &mut Cx<'_, Self>, message: &Edited) {
        if message.edited_timestamp.is_some() {
            self.forget(cx, message.guild_id, &[message.id]);
        }
    }

    /// Nor is what was deleted.
    pub(super) fn deleted(&mut self, cx: &mut Cx<'_, Self>, gone: &Deleted) {
        let ids: Vec<MessageId> = gone.ids.iter().copied().chain(gone.id).collect();
        self.forget(cx, gone.guild_id, &ids);
    }

    fn forget(&mut self, cx: &mut Cx<'_, Self>, guild: Option<GuildId>, messages: &[MessageId]) {
        let Some(guild) = guild else { return };
        let Some(room) = self.rooms.get_mut(&guild) else {
            return;
        };
        for message in messages {
            room.queue.forget(message.get());
        }
        let now = room.now.as_ref().and_then(|now| now.message);
        if now.is_some_and(|now| messages.iter().any(|message| message.get() == now)) {
            self.skip_now(cx, guild);
        }
    }
}

/// Puts a mark on a message.
fn mark(cx: &mut Cx<'_, Tts>, message: &Written, emoji: &str) {
    let (channel, id) = (message.channel_id, message.id);
    let path = format!("/channels/{channel}/messages/{id}/reactions/{emoji}/@me");
    cx.detach(
        "a mark on a message",
        cx.host().rest("PUT", &path, Value::Null),
    );
}
