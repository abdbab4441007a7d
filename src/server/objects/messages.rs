//! Messages and attachments.

use mynah_wire::UserId;
use serde_json::{Map, Value, json};

use crate::clock::iso8601;
use crate::store::{Attachment, Message, MessageOrigin, Store};

impl Store {
    /// A message as REST answers it to `viewer` (whose own reactions are marked).
    pub(crate) fn message_json(&self, message: &Message, viewer: Option<UserId>) -> Value {
        let mut fields = self.message_object(message, viewer);
        if let Some(answered) = self.referenced_json(message, viewer) {
            fields.insert("referenced_message".into(), answered);
        }
        Value::Object(fields)
    }

    /// A message as MESSAGE_CREATE and MESSAGE_UPDATE carry it: with guild, member and channel type
    /// (gateway.md section 11). Ephemeral ones come without guild and member.
    pub(crate) fn message_event_json(&self, message: &Message) -> Value {
        let mut value = self.message_json(message, None);
        let Some(fields) = value.as_object_mut() else {
            return value;
        };
        if let Some(channel) = self.channels.get(&message.channel_id) {
            fields.insert("channel_type".into(), json!(channel.kind.number()));
        }
        if let (Some(guild_id), false) = (message.guild_id, message.is_ephemeral()) {
            fields.insert("guild_id".into(), json!(guild_id));
            if let Some(member) = self.bare_member_json(guild_id, message.author_id) {
                fields.insert("member".into(), member);
            }
            let mentions: Vec<Value> = message
                .mentions
                .iter()
                .map(|id| {
                    let mut user = self.user_json(*id);
                    let member = self.bare_member_json(guild_id, *id);
                    if let (Some(member), Some(fields)) = (member, user.as_object_mut()) {
                        fields.insert("member".into(), member);
                    }
                    user
                })
                .collect();
            fields.insert("mentions".into(), Value::Array(mentions));
        }
        value
    }

    fn message_object(&self, message: &Message, viewer: Option<UserId>) -> Map<String, Value> {
        let mentions: Vec<Value> = message
            .mentions
            .iter()
            .map(|id| self.user_json(*id))
            .collect();
        let roles: Vec<String> = message.mention_roles.iter().map(u64::to_string).collect();
        let value = json!({
            "id": message.id, "channel_id": message.channel_id, "type": message.kind,
            "content": message.content, "author": self.user_json(message.author_id),
            "timestamp": iso8601(message.created_ms),
            "edited_timestamp": message.edited_ms.map(iso8601), "tts": message.tts,
            "mention_everyone": message.mention_everyone, "mentions": mentions,
            "mention_roles": roles,
            "attachments": message.attachments.iter().map(attachment_json).collect::<Vec<_>>(),
            "embeds": message.embeds, "components": message.components,
            "reactions": reactions_json(message, viewer), "pinned": message.pinned_ms.is_some(),
            "flags": message.flags,
        });
        let mut fields = match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        if let Some(nonce) = &message.nonce {
            fields.insert("nonce".into(), nonce.clone());
        }
        if let Some(reference) = &message.reference {
            fields.insert("message_reference".into(), reference.clone());
        }
        if let Some(poll) = &message.poll {
            fields.insert("poll".into(), poll.clone());
        }
        self.add_origin(message, &mut fields);
        fields
    }

    fn add_origin(&self, message: &Message, fields: &mut Map<String, Value>) {
        let MessageOrigin::Interaction {
            id,
            kind,
            name,
            user_id,
            application_id,
            original_response,
        } = &message.origin
        else {
            return;
        };
        fields.insert("webhook_id".into(), json!(application_id));
        fields.insert("application_id".into(), json!(application_id));
        let mut metadata = json!({
            "id": id, "type": kind, "user": self.user_json(*user_id),
            "authorizing_integration_owners": {"0": message.guild_id.map_or("0".to_owned(), |g| g.to_string())},
        });
        if let Some(fields) = metadata.as_object_mut() {
            if let Some(name) = name {
                fields.insert("name".into(), json!(name));
            }
            if let Some(original) = original_response {
                fields.insert("original_response_message_id".into(), json!(original));
            }
        }
        fields.insert("interaction_metadata".into(), metadata);
        if let (2, Some(name), None) = (kind, name, original_response) {
            let old =
                json!({"id": id, "type": kind, "name": name, "user": self.user_json(*user_id)});
            fields.insert("interaction".into(), old);
        }
    }

    /// The message a reply answers: present, or null when it is gone.
    fn referenced_json(&self, message: &Message, viewer: Option<UserId>) -> Option<Value> {
        let reference = message.reference.as_ref()?;
        if message.kind != 19 {
            return None;
        }
        let id = reference.get("message_id")?.as_str()?.parse().ok()?;
        Some(
            self.message(message.channel_id, id)
                .map_or(Value::Null, |m| {
                    Value::Object(self.message_object(m, viewer))
                }),
        )
    }
}

fn reactions_json(message: &Message, viewer: Option<UserId>) -> Vec<Value> {
    message
        .reactions
        .iter()
        .map(|reaction| {
            let count = reaction.users.len();
            json!({
                "count": count, "count_details": {"burst": 0, "normal": count},
                "me": viewer.is_some_and(|id| reaction.users.contains(&id)), "me_burst": false,
                "burst_colors": [], "emoji": emoji_json(&reaction.emoji),
            })
        })
        .collect()
}

/// `🦆` or `name:id` as an emoji object.
pub(crate) fn emoji_json(emoji: &str) -> Value {
    match emoji.rsplit_once(':') {
        Some((name, id)) if id.parse::<u64>().is_ok() => json!({"id": id, "name": name}),
        _ => json!({"id": null, "name": emoji}),
    }
}

/// An attachment object (rest.md section 4).
pub(crate) fn attachment_json(attachment: &Attachment) -> Value {
    let mut value = json!({
        "id": attachment.id, "filename": attachment.filename, "size": attachment.size_bytes,
        "url": attachment.url, "proxy_url": attachment.url,
    });
    let optional = [
        ("title", attachment.title.as_ref().map(|v| json!(v))),
        (
            "description",
            attachment.description.as_ref().map(|v| json!(v)),
        ),
        (
            "content_type",
            attachment.content_type.as_ref().map(|v| json!(v)),
        ),
        ("duration_secs", attachment.duration_secs.map(|v| json!(v))),
        ("waveform", attachment.waveform.as_ref().map(|v| json!(v))),
        ("ephemeral", attachment.ephemeral.then_some(json!(true))),
    ];
    if let Some(fields) = value.as_object_mut() {
        for (key, field) in optional {
            if let Some(field) = field {
                fields.insert(key.to_owned(), field);
            }
        }
    }
    value
}
