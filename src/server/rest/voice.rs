//! Voice endpoints (rest.md section 9).

use mynah_wire::{ChannelId, GuildId, UserId};
use serde_json::{Value, json};

use super::{Call, Form, Rate, Refusal, Reply, Route};
use crate::store::ChannelKind;
use crate::store::permissions::{MUTE_MEMBERS, REQUEST_TO_SPEAK};

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/voice/regions", Rate::COMMON, regions),
    Route::new(
        "GET",
        "/guilds/{guild_id}/voice-states/@me",
        Rate::COMMON,
        mine,
    ),
    Route::new(
        "GET",
        "/guilds/{guild_id}/voice-states/{user_id}",
        Rate::COMMON,
        show,
    ),
    Route::new(
        "PATCH",
        "/guilds/{guild_id}/voice-states/@me",
        Rate::COMMON,
        change_mine,
    ),
    Route::new(
        "PATCH",
        "/guilds/{guild_id}/voice-states/{user_id}",
        Rate::COMMON,
        change,
    ),
];

fn regions(_: &mut Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::ok(json!([
        {"id": "local", "name": "Local", "optimal": true, "deprecated": false, "custom": false}
    ])))
}

fn mine(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let (guild_id, bot) = (call.guild()?.id, call.bot()?);
    state(call, guild_id, bot)
}

fn show(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let guild_id = call.guild()?.id;
    state(call, guild_id, call.id("user_id")?)
}

fn state(call: &Call<'_>, guild_id: GuildId, user_id: UserId) -> Result<Reply, Refusal> {
    let store = &call.realm.store;
    let state = store.voice_state(guild_id, user_id);
    let state = state.ok_or_else(Refusal::unknown_voice_state)?;
    Ok(Reply::ok(store.voice_state_json(state, false)))
}

/// The own place on a stage.
fn change_mine(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let (guild_id, bot) = (call.guild()?.id, call.bot()?);
    let channel_id = on_stage(call, guild_id, bot)?;
    let body = call.object()?;
    let mut form = Form::default();
    let suppress = form.boolean(body.get("suppress"), "suppress");
    let raised = match body.get("request_to_speak_timestamp") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => {
            form.text(Some(value), "request_to_speak_timestamp", 1..=64);
            Some(Some(call.realm.unix_ms()))
        }
    };
    form.finish()?;
    if suppress == Some(false) {
        call.needs(channel_id, MUTE_MEMBERS)?;
    }
    if matches!(raised, Some(Some(_))) {
        call.needs(channel_id, REQUEST_TO_SPEAK)?;
    }
    call.realm.set_stage(guild_id, bot, suppress, raised);
    Ok(Reply::empty())
}

/// Somebody else's place on a stage.
fn change(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let guild_id = call.guild()?.id;
    let user_id: UserId = call.id("user_id")?;
    let channel_id = on_stage(call, guild_id, user_id)?;
    call.needs(channel_id, MUTE_MEMBERS)?;
    let mut form = Form::default();
    let suppress = form.boolean(call.object()?.get("suppress"), "suppress");
    form.finish()?;
    call.realm.set_stage(guild_id, user_id, suppress, None);
    Ok(Reply::empty())
}

/// The stage channel somebody is in. A `channel_id` in the body has to name it.
fn on_stage(call: &Call<'_>, guild_id: GuildId, user_id: UserId) -> Result<ChannelId, Refusal> {
    let store = &call.realm.store;
    let state = store.voice_state(guild_id, user_id);
    let channel_id = state.ok_or_else(Refusal::unknown_voice_state)?.channel_id;
    let mut form = Form::default();
    let named = match call.object()?.get("channel_id") {
        None | Some(Value::Null) => Some(channel_id.get()),
        Some(value) => form.snowflake(value, "channel_id"),
    };
    form.finish()?;
    let stage = store.channels.get(&channel_id);
    let stage = stage.is_some_and(|channel| channel.kind == ChannelKind::Stage);
    if !stage || named != Some(channel_id.get()) {
        return Err(Refusal::new(
            400,
            50024,
            "Cannot execute action on this channel type",
        ));
    }
    Ok(channel_id)
}
