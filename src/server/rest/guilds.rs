//! Guilds and their roles (rest.md section 3).

use mynah_wire::GuildId;
use serde_json::{Value, json};

use super::{Call, Rate, Refusal, Reply, Route};
use crate::objects::role_json;
use crate::store::Guild;

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/guilds/{guild_id}", Rate::COMMON, show),
    Route::new("GET", "/guilds/{guild_id}/roles", Rate::COMMON, roles),
    Route::new("GET", "/guilds/{guild_id}/emojis", Rate::COMMON, none),
    Route::new("GET", "/guilds/{guild_id}/stickers", Rate::COMMON, none),
    Route::new(
        "GET",
        "/guilds/{guild_id}/scheduled-events",
        Rate::COMMON,
        none,
    ),
    Route::new(
        "GET",
        "/guilds/{guild_id}/threads/active",
        Rate::COMMON,
        threads,
    ),
];

impl Call<'_> {
    /// The guild of the path, if the bot is in it.
    pub(super) fn guild(&self) -> Result<&Guild, Refusal> {
        let id: GuildId = self.id("guild_id")?;
        let guild = self.realm.store.guilds.get(&id);
        let guild = guild.ok_or_else(Refusal::unknown_guild)?;
        if !guild.members.contains_key(&self.bot()?) {
            return Err(Refusal::missing_access());
        }
        Ok(guild)
    }
}

fn show(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let guild = call.guild()?;
    let mut value = call.realm.store.guild_json(guild);
    if let Some(fields) = value
        .as_object_mut()
        .filter(|_| call.request.flag("with_counts"))
    {
        let members = guild.members.len();
        fields.insert("approximate_member_count".into(), json!(members));
        fields.insert("approximate_presence_count".into(), json!(members));
    }
    Ok(Reply::ok(value))
}

fn roles(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let roles = call.guild()?.roles.values().map(role_json);
    Ok(Reply::ok(Value::Array(roles.collect())))
}

/// Guilds of this server have no emojis, stickers and events.
fn none(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    call.guild()?;
    Ok(Reply::ok(json!([])))
}

/// Nor threads; their list is in an object.
fn threads(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    call.guild()?;
    Ok(Reply::ok(json!({"threads": [], "members": []})))
}
