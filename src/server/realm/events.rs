//! Who gets which event (gateway.md sections 5, 8 and 12).

use std::collections::BTreeSet;
use std::sync::Arc;

use mynah_wire::{GuildId, UserId, intents};
use serde_json::{Value, json};

use super::Realm;
use crate::gateway::Session;
use crate::store::Message;
use crate::store::permissions::VIEW_CHANNEL;

/// Whom an event concerns.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    /// Every bot in a guild, on the shard of that guild.
    Guild(GuildId),
    /// One bot, on the shard of that guild (shard 0 without one).
    Bot(UserId, Option<GuildId>),
    /// One session.
    Session(String),
}

/// One event before it is numbered.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `t`.
    pub name: &'static str,
    /// Who.
    pub to: Audience,
    /// One of these intents is needed; 0: not gated.
    pub intent: u64,
    /// `d`.
    pub data: Value,
}

impl Event {
    /// An answer to one session; such answers are not gated by intents.
    pub fn to_session(name: &'static str, session: &str, data: Value) -> Self {
        Self {
            name,
            to: Audience::Session(session.to_owned()),
            intent: 0,
            data,
        }
    }

    /// A change of a guild, its channels or roles.
    pub fn guild(name: &'static str, guild_id: GuildId, data: Value) -> Self {
        Self {
            name,
            to: Audience::Guild(guild_id),
            intent: intents::GUILDS,
            data,
        }
    }
}

impl Realm {
    /// Numbers the event in every session that should get it, and wakes their connections.
    pub(crate) fn emit(&mut self, event: Event) {
        let data: Arc<str> = event.data.to_string().into();
        self.deliver(event.name, &event.to, event.intent, |_| {
            Some(Arc::clone(&data))
        });
    }

    /// MESSAGE_CREATE and MESSAGE_UPDATE: who may see a message, and how much of it.
    pub(crate) fn emit_message(&mut self, name: &'static str, message: &Message) {
        let full = self.store.message_event_json(message);
        let mut blank = full.clone();
        if let Some(fields) = blank.as_object_mut() {
            fields.insert("content".into(), json!(""));
            for list in ["embeds", "attachments", "components"] {
                fields.insert(list.into(), json!([]));
            }
            fields.remove("poll");
        }
        let (full, blank): (Arc<str>, Arc<str>) =
            (full.to_string().into(), blank.to_string().into());
        let guild_id = message.guild_id.filter(|_| !message.is_ephemeral());
        // Ephemeral messages come like direct ones (gateway.md section 5, bit 12), and only to the
        // bot that answered.
        let (to, intent) = match guild_id {
            Some(guild_id) => (Audience::Guild(guild_id), intents::GUILD_MESSAGES),
            None => (
                Audience::Bot(self.other_side(message), None),
                intents::DIRECT_MESSAGES,
            ),
        };
        let (author, mentions) = (message.author_id, message.mentions.clone());
        let is_direct = guild_id.is_none();
        // A bot that cannot see the channel hears nothing of it.
        let blind: BTreeSet<UserId> = self
            .store
            .bots
            .keys()
            .filter(|bot| !self.store.may(**bot, message.channel_id, VIEW_CHANNEL))
            .copied()
            .collect();
        self.deliver(name, &to, intent, |session| {
            if blind.contains(&session.user_id) {
                return None;
            }
            let sees_content = session.intents & intents::MESSAGE_CONTENT != 0
                || is_direct
                || author == session.user_id
                || mentions.contains(&session.user_id);
            Some(Arc::clone(if sees_content { &full } else { &blank }))
        });
    }

    /// The bot that takes part in a direct or ephemeral message.
    fn other_side(&self, message: &Message) -> UserId {
        if self.store.bots.contains_key(&message.author_id) {
            return message.author_id;
        }
        self.store
            .channels
            .get(&message.channel_id)
            .and_then(|c| {
                c.recipients
                    .iter()
                    .find(|id| self.store.bots.contains_key(id))
            })
            .copied()
            .unwrap_or(message.author_id)
    }

    fn deliver(
        &mut self,
        name: &'static str,
        to: &Audience,
        intent: u64,
        data: impl Fn(&Session) -> Option<Arc<str>>,
    ) {
        let Self {
            sessions,
            store,
            links,
            ..
        } = self;
        for session in sessions.values_mut() {
            let concerned = match to {
                Audience::Guild(guild_id) => {
                    session.covers(Some(*guild_id))
                        && store
                            .guilds
                            .get(guild_id)
                            .is_some_and(|g| g.members.contains_key(&session.user_id))
                }
                Audience::Bot(user_id, guild_id) => {
                    session.user_id == *user_id && session.covers(*guild_id)
                }
                Audience::Session(id) => session.id == *id,
            };
            if !concerned || (intent != 0 && session.intents & intent == 0) {
                continue;
            }
            let Some(data) = data(session) else { continue };
            session.push(name, data);
            if let Some(link) = session.link.and_then(|id| links.get(&id)) {
                link.wake.notify_one();
            }
        }
    }
}
