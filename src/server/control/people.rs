//! Making bots, people, guilds and channels.

use std::sync::Arc;

use mynah_wire::{ChannelId, GuildId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::find::{read, simulated};
use super::{Problem, one};
use crate::realm::NewChannel;
use crate::server::Shared;
use crate::store::ChannelKind;
use crate::store::permissions::EVERYONE_DEFAULT;
use crate::voice::DavePolicy;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBot {
    name: String,
    /// Permission bits of its role as decimal text; absent: the default of every new bot.
    permissions: Option<String>,
    /// The privileged intents are switched on in its settings.
    #[serde(default = "yes")]
    privileged_intents: bool,
}

fn yes() -> bool {
    true
}

pub(super) fn bot(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let new: NewBot = read(body)?;
    check_name(&new.name, 32)?;
    let permissions = new.permissions.as_deref().map(bits).transpose()?;
    let mut realm = shared.realm();
    let user_id = realm.make_bot(&new.name, permissions, new.privileged_intents);
    let token = realm
        .store
        .bot_token(user_id)
        .map(|token| token.expose().to_owned());
    Ok(json!({"token": token, "application_id": user_id, "user_id": user_id}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    #[serde(default)]
    roles: Vec<NewRole>,
}

/// A role by name, with permissions if it is to be made.
#[derive(Deserialize)]
#[serde(untagged)]
enum NewRole {
    Name(String),
    Full { name: String, permissions: String },
}

pub(super) fn user(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let new: NewUser = read(body)?;
    check_name(&new.name, 32)?;
    let roles: Vec<(String, u64)> = new
        .roles
        .into_iter()
        .map(|role| match role {
            NewRole::Name(name) => Ok((name, EVERYONE_DEFAULT)),
            NewRole::Full { name, permissions } => Ok((name, bits(&permissions)?)),
        })
        .collect::<Result<_, Problem>>()?;
    let user_id = shared.realm().make_person(&new.name, &roles);
    Ok(one("user_id", user_id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGuild {
    name: String,
}

pub(super) fn guild(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let new: NewGuild = read(body)?;
    check_name(&new.name, 100)?;
    Ok(one("guild_id", shared.realm().make_guild(&new.name)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelBody {
    guild_id: Option<GuildId>,
    name: String,
    kind: String,
    bitrate: Option<u32>,
    #[serde(default)]
    user_limit: u32,
    topic: Option<String>,
    parent_id: Option<ChannelId>,
    dave: Option<DavePolicy>,
}

pub(super) fn channel(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let new: ChannelBody = read(body)?;
    check_name(&new.name, 100)?;
    let Some(kind) = ChannelKind::from_word(&new.kind) else {
        let error = format!("`{}` is not a kind of channel", new.kind);
        return Err(Problem::bad(
            error,
            "kinds are text, voice, stage, category",
        ));
    };
    if new.dave.is_some_and(|policy| policy != DavePolicy::Off) && kind != ChannelKind::Voice {
        let error = format!("a {} channel is never end-to-end encrypted", new.kind);
        return Err(Problem::bad(error, "only voice channels have `dave`"));
    }
    let mut realm = shared.realm();
    let guild_id = new.guild_id.unwrap_or(realm.defaults.guild_id);
    let guild = realm.store.guilds.get(&guild_id);
    let guild = guild.ok_or_else(|| Problem::unknown("guild", guild_id))?;
    let max = guild.max_bitrate_bps();
    if new.bitrate.is_some_and(|bps| !(8000..=max).contains(&bps)) {
        let hint = format!("this guild allows 8000 to {max} bits per second");
        return Err(Problem::bad("the bitrate is out of range", hint));
    }
    let id = realm.make_channel(NewChannel {
        guild_id,
        kind,
        name: new.name,
        bitrate_bps: new.bitrate,
        user_limit: new.user_limit,
        topic: new.topic,
        parent_id: new.parent_id,
        overwrites: Vec::new(),
        dave: new.dave,
    });
    Ok(one("channel_id", id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Direct {
    user_id: UserId,
    bot_user_id: Option<UserId>,
}

/// A person opens a direct message with a bot.
pub(super) fn direct(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let direct: Direct = read(body)?;
    let mut realm = shared.realm();
    simulated(&realm, direct.user_id)?;
    let bot = direct.bot_user_id.unwrap_or(realm.defaults.bot_id);
    if !realm.store.bots.contains_key(&bot) {
        return Err(Problem::unknown("bot", bot));
    }
    Ok(one("channel_id", realm.direct_channel(bot, direct.user_id)))
}

fn check_name(name: &str, max: usize) -> Result<(), Problem> {
    if (1..=max).contains(&name.trim().chars().count()) {
        return Ok(());
    }
    Err(Problem::bad(
        "the name is empty or too long",
        format!("1 to {max} characters"),
    ))
}

fn bits(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        Problem::bad(
            format!("`{text}` is not a set of permissions"),
            "permissions are one decimal number in a string, as in Discord's API",
        )
    })
}
