//! Members, and what a moderator may do to them (rest.md section 9).

use mynah_wire::{ChannelId, GuildId, UserId};
use serde_json::Value;

use super::{Call, Form, Rate, Refusal, Reply, Route};
use crate::realm::VoiceRefusal;
use crate::store::permissions::{
    CHANGE_NICKNAME, CONNECT, DEAFEN_MEMBERS, MANAGE_NICKNAMES, MOVE_MEMBERS, MUTE_MEMBERS,
};

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/guilds/{guild_id}/members", Rate::COMMON, list),
    Route::new(
        "GET",
        "/guilds/{guild_id}/members/search",
        Rate::COMMON,
        search,
    ),
    // Before `{user_id}`, which would take `@me` for an id; likewise `search` above.
    Route::new(
        "PATCH",
        "/guilds/{guild_id}/members/@me",
        Rate::COMMON,
        change_me,
    ),
    Route::new(
        "GET",
        "/guilds/{guild_id}/members/{user_id}",
        Rate::COMMON,
        show,
    ),
    Route::new(
        "PATCH",
        "/guilds/{guild_id}/members/{user_id}",
        Rate::new(10, 10_000),
        change,
    ),
];

fn list(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let guild = call.guild()?;
    let mut form = Form::default();
    let number = |name| {
        call.request
            .query(name)
            .map(|text| Value::String(text.to_owned()))
    };
    let limit = form.integer(number("limit").as_ref(), "limit", 1..=1000);
    let after = form.integer(number("after").as_ref(), "after", 0..=i64::MAX);
    form.finish()?;
    let after = UserId::new(u64::try_from(after.unwrap_or(0)).unwrap_or(0));
    let members = guild
        .members
        .keys()
        .filter(|id| **id > after)
        .take(usize::try_from(limit.unwrap_or(1)).unwrap_or(1))
        .filter_map(|id| call.realm.store.member_json(guild.id, *id));
    Ok(Reply::ok(Value::Array(members.collect())))
}

/// Members whose name or nickname begins with `query`.
fn search(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let guild = call.guild()?;
    let mut form = Form::default();
    let text = |name| call.request.query(name).map(Value::from);
    let query = form.required_text(text("query").as_ref(), "query", 1..=100);
    let limit = form.integer(text("limit").as_ref(), "limit", 1..=1000);
    form.finish()?;
    let query = query.to_lowercase();
    let store = &call.realm.store;
    let begins = |name: &str| name.to_lowercase().starts_with(&query);
    let members = guild
        .members
        .iter()
        .filter(|(id, member)| {
            let user = store.users.get(id);
            member.nick.as_deref().is_some_and(begins)
                || user.is_some_and(|user| begins(&user.username))
        })
        .take(usize::try_from(limit.unwrap_or(1)).unwrap_or(1))
        .filter_map(|(id, _)| store.member_json(guild.id, *id));
    Ok(Reply::ok(Value::Array(members.collect())))
}

fn show(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let guild_id = call.guild()?.id;
    member(call, guild_id, call.id("user_id")?)
}

fn member(call: &Call<'_>, guild_id: GuildId, user_id: UserId) -> Result<Reply, Refusal> {
    let member = call.realm.store.member_json(guild_id, user_id);
    member.map(Reply::ok).ok_or_else(Refusal::unknown_member)
}

fn change_me(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let (guild_id, bot) = (call.guild()?.id, call.bot()?);
    if call.realm.store.guild_permissions(guild_id, bot) & CHANGE_NICKNAME == 0 {
        return Err(Refusal::missing_permissions());
    }
    rename(call, guild_id, bot)?;
    member(call, guild_id, bot)
}

fn change(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let guild = call.guild()?;
    let guild_id = guild.id;
    let user_id: UserId = call.id("user_id")?;
    if !guild.members.contains_key(&user_id) {
        return Err(Refusal::unknown_member());
    }
    let body = call.object()?;
    let mut form = Form::default();
    let mute = form.boolean(body.get("mute"), "mute");
    let deaf = form.boolean(body.get("deaf"), "deaf");
    let target = match body.get("channel_id") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => form
            .snowflake(value, "channel_id")
            .map(|id| Some(ChannelId::new(id))),
    };
    form.finish()?;
    let has = call.realm.store.guild_permissions(guild_id, call.bot()?);
    let mut needed = 0;
    for (asked, bit) in [
        (mute.is_some(), MUTE_MEMBERS),
        (deaf.is_some(), DEAFEN_MEMBERS),
        (target.is_some(), MOVE_MEMBERS),
        (body.contains_key("nick"), MANAGE_NICKNAMES),
    ] {
        needed |= if asked { bit } else { 0 };
    }
    if has & needed != needed {
        return Err(Refusal::missing_permissions());
    }
    let in_voice = call.realm.store.voice_state(guild_id, user_id).is_some();
    if (mute.is_some() || deaf.is_some() || target.is_some()) && !in_voice {
        return Err(Refusal::not_in_voice());
    }
    if mute.is_some() || deaf.is_some() {
        call.realm.set_server_flags(guild_id, user_id, mute, deaf);
    }
    match target {
        None => {}
        Some(None) => call.realm.leave_voice(guild_id, user_id),
        Some(Some(channel_id)) => {
            call.needs(channel_id, CONNECT)?;
            call.realm
                .move_member(user_id, channel_id)
                .map_err(voice_refusal)?;
        }
    }
    if body.contains_key("nick") {
        rename(call, guild_id, user_id)?;
    } else if needed != 0 {
        call.realm.member_changed(guild_id, user_id);
    }
    member(call, guild_id, user_id)
}

fn rename(call: &mut Call<'_>, guild_id: GuildId, user_id: UserId) -> Result<(), Refusal> {
    let mut form = Form::default();
    let nick = form.text(call.object()?.get("nick"), "nick", 0..=32);
    form.finish()?;
    let guild = call.realm.store.guilds.get_mut(&guild_id);
    if let Some(member) = guild.and_then(|guild| guild.members.get_mut(&user_id)) {
        member.nick = nick.filter(|nick| !nick.is_empty());
    }
    call.realm.member_changed(guild_id, user_id);
    Ok(())
}

/// A voice rule as REST says it.
pub(super) fn voice_refusal(refusal: VoiceRefusal) -> Refusal {
    match refusal {
        VoiceRefusal::NotVoice => Refusal::unknown_channel(),
        VoiceRefusal::NotAllowed => Refusal::missing_permissions(),
        VoiceRefusal::Full => Refusal::new(400, 30_000, "The voice channel is full"),
        VoiceRefusal::NotConnected => Refusal::not_in_voice(),
    }
}
