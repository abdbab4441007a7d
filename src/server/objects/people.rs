//! Users and members.

use mynah_wire::{GuildId, UserId};
use serde_json::{Map, Value, json};

use crate::clock::iso8601;
use crate::store::{Guild, Member, Store, User};

impl Store {
    /// A user; one that is not known (any more) keeps its id, as "Deleted User" does on Discord.
    pub(crate) fn user_json(&self, id: UserId) -> Value {
        match self.users.get(&id) {
            Some(user) => Value::Object(user_object(user)),
            None => json!({
                "id": id, "username": "deleted_user", "discriminator": "0", "global_name": null,
                "avatar": null, "public_flags": 0,
            }),
        }
    }

    /// The own account as `GET /users/@me` and READY show it: `mfa_enabled` is required by twilight,
    /// `avatar` by discord.py (gateway.md section 6).
    pub(crate) fn current_user_json(&self, id: UserId) -> Value {
        let mut user = self.user_json(id);
        if let Some(fields) = user.as_object_mut() {
            let own = json!({
                "mfa_enabled": true, "verified": true, "email": null, "flags": 0, "locale": "en-US",
                "premium_type": 0, "banner": null, "accent_color": null, "bio": "", "system": false,
            });
            if let Value::Object(own) = own {
                fields.extend(own);
            }
        }
        user
    }

    /// A member with its user.
    pub(crate) fn member_json(&self, guild_id: GuildId, user_id: UserId) -> Option<Value> {
        let member = self.guilds.get(&guild_id)?.members.get(&user_id)?;
        let mut fields = member_object(member);
        fields.insert("user".to_owned(), self.user_json(user_id));
        Some(Value::Object(fields))
    }

    /// A member without its user, as messages carry it.
    pub(crate) fn bare_member_json(&self, guild_id: GuildId, user_id: UserId) -> Option<Value> {
        let member = self.guilds.get(&guild_id)?.members.get(&user_id)?;
        Some(Value::Object(member_object(member)))
    }
}

fn user_object(user: &User) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("id".into(), json!(user.id));
    fields.insert("username".into(), json!(user.username));
    // Bots still have four digits, people have "0" (gateway.md section 6: a string of digits).
    let discriminator = if user.bot { "0001" } else { "0" };
    fields.insert("discriminator".into(), json!(discriminator));
    fields.insert("global_name".into(), json!(user.global_name));
    fields.insert("avatar".into(), Value::Null);
    fields.insert("avatar_decoration_data".into(), Value::Null);
    if user.bot {
        fields.insert("bot".into(), json!(true));
    }
    fields.insert("public_flags".into(), json!(0));
    fields
}

fn member_object(member: &Member) -> Map<String, Value> {
    let fields = json!({
        "nick": member.nick, "avatar": null, "banner": null, "roles": member.roles,
        "joined_at": iso8601(member.joined_ms), "premium_since": null, "deaf": member.deaf,
        "mute": member.mute, "flags": 0, "pending": false, "communication_disabled_until": null,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Roles of a guild in display order.
pub(super) fn roles_json(guild: &Guild) -> Vec<Value> {
    let mut roles: Vec<_> = guild.roles.values().collect();
    roles.sort_by_key(|role| (role.position, role.id));
    roles.into_iter().map(role_json).collect()
}

/// One role. `colors` is needed by serenity 0.12.5 (gateway.md section 6).
pub(crate) fn role_json(role: &crate::store::Role) -> Value {
    let mut value = json!({
        "id": role.id, "name": role.name, "color": 0,
        "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null},
        "hoist": false, "icon": null, "unicode_emoji": null, "position": role.position,
        "permissions": role.permissions.to_string(), "managed": role.bot.is_some(),
        "mentionable": false, "flags": 0,
    });
    if let (Some(bot), Some(fields)) = (role.bot, value.as_object_mut()) {
        fields.insert("tags".to_owned(), json!({"bot_id": bot}));
    }
    value
}
