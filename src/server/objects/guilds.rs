//! Guilds: the REST object and the larger GUILD_CREATE.

use std::collections::BTreeSet;

use mynah_wire::{GuildId, UserId, intents};
use serde_json::{Map, Value, json};

use super::people::roles_json;
use crate::clock::iso8601;
use crate::store::{Guild, Store};

impl Store {
    /// A guild as REST shows it.
    pub(crate) fn guild_json(&self, guild: &Guild) -> Value {
        Value::Object(guild_object(guild))
    }

    /// The body of GUILD_CREATE for one bot (gateway.md section 9). Without GUILD_PRESENCES
    /// `members` has only the bot and the people in voice.
    pub(crate) fn guild_create_json(
        &self,
        id: GuildId,
        bot_id: UserId,
        bits: u64,
    ) -> Option<Value> {
        let guild = self.guilds.get(&id)?;
        let in_voice = self.voice.keys().filter(|(g, _)| *g == id).map(|(_, u)| *u);
        let shown: BTreeSet<UserId> = if bits & intents::GUILD_PRESENCES != 0 {
            guild.members.keys().copied().collect()
        } else {
            in_voice.chain([bot_id]).collect()
        };
        let members: Vec<Value> = shown
            .into_iter()
            .filter_map(|user| self.member_json(id, user))
            .collect();
        let channels: Vec<Value> = self
            .guild_channels(id)
            .map(|channel| {
                let mut value = self.channel_json(channel);
                if let Some(fields) = value.as_object_mut() {
                    fields.remove("guild_id");
                }
                value
            })
            .collect();
        let voice_states: Vec<Value> = self
            .voice
            .values()
            .filter(|state| state.guild_id == id)
            .map(|state| self.bare_voice_state_json(state))
            .collect();
        let joined_ms = guild.members.get(&bot_id).map_or(0, |m| m.joined_ms);
        let mut fields = guild_object(guild);
        let extras = json!({
            "joined_at": iso8601(joined_ms), "large": false, "unavailable": false,
            "member_count": guild.members.len(), "voice_states": voice_states, "members": members,
            "channels": channels, "threads": [], "presences": [], "stage_instances": [],
            "guild_scheduled_events": [], "soundboard_sounds": guild.sounds.values().collect::<Vec<_>>(),
        });
        if let Value::Object(extras) = extras {
            fields.extend(extras);
        }
        Some(Value::Object(fields))
    }
}

fn guild_object(guild: &Guild) -> Map<String, Value> {
    let value = json!({
        "id": guild.id, "name": guild.name, "icon": null, "icon_hash": null, "splash": null,
        "discovery_splash": null, "owner_id": guild.owner_id, "afk_channel_id": null,
        "afk_timeout": 300, "widget_enabled": false, "widget_channel_id": null,
        "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0,
        "roles": roles_json(guild), "emojis": [], "features": [], "mfa_level": 0,
        "application_id": null, "system_channel_id": null, "system_channel_flags": 0,
        "rules_channel_id": null, "max_presences": null, "max_members": 500_000,
        "vanity_url_code": null, "description": null, "banner": null,
        "premium_tier": guild.premium_tier, "premium_subscription_count": 0,
        "preferred_locale": "en-US", "public_updates_channel_id": null,
        "max_video_channel_users": 25, "max_stage_video_channel_users": 50, "nsfw": false,
        "nsfw_level": 0, "stickers": [], "premium_progress_bar_enabled": false,
        "safety_alerts_channel_id": null, "incidents_data": null, "region": "local",
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
