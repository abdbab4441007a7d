//! Sending an interaction to a bot (gateway.md section 10, rest.md section 5).

use mynah_wire::{ChannelId, InteractionId, MessageId, UserId};
use serde_json::{Value, json};

use super::{Audience, Event, Realm};
use crate::store::permissions::ALL;
use crate::store::{Answer, Interaction, InteractionKind};

/// Largest attachment a bot may answer with, as told to it (rest.md section 4: 10 MiB).
pub(crate) const ATTACHMENT_LIMIT_BYTES: usize = 10 << 20;

/// Somebody uses a command, a component or a form.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub kind: InteractionKind,
    pub bot_id: UserId,
    pub user_id: UserId,
    pub channel_id: ChannelId,
    /// `data` of the interaction object.
    pub data: Value,
    /// Full command name, subcommands included.
    pub command_name: Option<String>,
    /// The message with the component.
    pub source: Option<MessageId>,
}

impl Realm {
    /// Sends INTERACTION_CREATE and keeps what is needed to take the answer.
    pub(crate) fn invoke(&mut self, invocation: Invocation) -> InteractionId {
        let id = InteractionId::new(self.next_id());
        let token = self.random.interaction_token(id.get());
        let guild_id = self
            .store
            .channels
            .get(&invocation.channel_id)
            .and_then(|channel| channel.guild_id);
        let interaction = Interaction {
            id,
            kind: invocation.kind,
            bot_id: invocation.bot_id,
            token,
            created: self.now,
            channel_id: invocation.channel_id,
            guild_id,
            user_id: invocation.user_id,
            command_name: invocation.command_name,
            source: invocation.source,
            answer: Answer::Waiting,
            callback: None,
            response: None,
            followups: Vec::new(),
        };
        let data = self.interaction_json(&interaction, invocation.data);
        self.store.interactions.insert(id, interaction);
        self.emit(Event {
            name: "INTERACTION_CREATE",
            to: Audience::Bot(invocation.bot_id, guild_id),
            intent: 0,
            data,
        });
        id
    }

    fn interaction_json(&self, interaction: &Interaction, data: Value) -> Value {
        let Interaction {
            channel_id,
            user_id,
            bot_id,
            guild_id,
            ..
        } = interaction;
        let store = &self.store;
        let owner = guild_id.map_or("0".to_owned(), |id| id.to_string());
        let permissions = store.channel_permissions(*channel_id, *user_id).to_string();
        let mut value = json!({
            "id": interaction.id, "application_id": bot_id, "type": interaction.kind.number(),
            "version": 1, "token": interaction.token.expose(), "channel_id": channel_id,
            "app_permissions": store.channel_permissions(*channel_id, *bot_id).to_string(),
            "locale": "en-US", "entitlements": [], "entitlement_sku_ids": [],
            "authorizing_integration_owners": {"0": owner},
            "context": u8::from(guild_id.is_none()),
            "attachment_size_limit": ATTACHMENT_LIMIT_BYTES, "data": data,
        });
        let Some(fields) = value.as_object_mut() else {
            return value;
        };
        if let Some(channel) = store.channels.get(channel_id) {
            let mut shown = store.channel_json(channel);
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("permissions".into(), json!(permissions));
            }
            fields.insert("channel".into(), shown);
        }
        if let Some(guild_id) = guild_id {
            fields.insert("guild_id".into(), json!(guild_id));
            fields.insert("guild_locale".into(), json!("en-US"));
            let guild = json!({"id": guild_id, "locale": "en-US", "features": []});
            fields.insert("guild".into(), guild);
            if let Some(mut member) = store.member_json(*guild_id, *user_id) {
                if let Some(member) = member.as_object_mut() {
                    member.insert("permissions".into(), json!(permissions));
                }
                fields.insert("member".into(), member);
            }
        } else {
            fields.insert("user".into(), store.user_json(*user_id));
        }
        let source = interaction
            .source
            .and_then(|id| store.message(*channel_id, id));
        if let Some(message) = source {
            fields.insert("message".into(), store.message_json(message, None));
        }
        value
    }

    /// `resolved` of people and members named in options or selects (rest.md section 5: members
    /// there have no user, deaf or mute).
    pub(crate) fn resolve_user(
        &self,
        channel_id: ChannelId,
        user_id: UserId,
    ) -> (Value, Option<Value>) {
        let guild_id = self
            .store
            .channels
            .get(&channel_id)
            .and_then(|c| c.guild_id);
        let member = guild_id.and_then(|guild_id| {
            let mut member = self.store.bare_member_json(guild_id, user_id)?;
            let fields = member.as_object_mut()?;
            fields.remove("deaf");
            fields.remove("mute");
            let permissions = self.store.channel_permissions(channel_id, user_id);
            fields.insert("permissions".into(), json!(permissions.to_string()));
            Some(member)
        });
        (self.store.user_json(user_id), member)
    }

    /// A channel as `resolved` shows it.
    pub(crate) fn resolve_channel(&self, id: ChannelId) -> Option<Value> {
        let channel = self.store.channels.get(&id)?;
        let mut value = self.store.channel_json(channel);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("permissions".into(), json!(ALL.to_string()));
        }
        Some(value)
    }
}
