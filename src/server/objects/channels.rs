//! Channels.

use serde_json::{Value, json};

use crate::store::{Channel, ChannelKind, Store};

impl Store {
    /// A channel; guild channels outside of GUILD_CREATE carry their `guild_id`.
    pub(crate) fn channel_json(&self, channel: &Channel) -> Value {
        if channel.kind == ChannelKind::Direct {
            return self.direct_json(channel);
        }
        let overwrites: Vec<Value> = channel
            .overwrites
            .iter()
            .map(|o| {
                json!({"id": o.id.to_string(), "type": u8::from(o.member),
                    "allow": o.allow.to_string(), "deny": o.deny.to_string()})
            })
            .collect();
        let mut value = json!({
            "id": channel.id, "type": channel.kind.number(), "name": channel.name,
            "position": channel.position, "permission_overwrites": overwrites,
            "parent_id": channel.parent_id, "nsfw": channel.nsfw,
            "last_message_id": channel.last_message_id,
            "rate_limit_per_user": channel.slowmode_s, "flags": 0,
        });
        let Some(fields) = value.as_object_mut() else {
            return value;
        };
        if let Some(guild_id) = channel.guild_id {
            fields.insert("guild_id".into(), json!(guild_id));
        }
        if channel.kind.is_voice() {
            fields.insert("bitrate".into(), json!(channel.bitrate_bps));
            fields.insert("user_limit".into(), json!(channel.user_limit));
            fields.insert("rtc_region".into(), Value::Null);
            fields.insert("video_quality_mode".into(), json!(1));
        }
        if channel.kind != ChannelKind::Voice {
            fields.insert("topic".into(), json!(channel.topic));
        }
        value
    }

    fn direct_json(&self, channel: &Channel) -> Value {
        // The bot itself is not among the recipients it is shown.
        let recipients: Vec<Value> = channel
            .recipients
            .iter()
            .filter(|id| !self.bots.contains_key(id))
            .map(|id| self.user_json(*id))
            .collect();
        json!({"id": channel.id, "type": 1, "recipients": recipients, "flags": 0,
            "last_message_id": channel.last_message_id})
    }
}
