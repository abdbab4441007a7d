//! Channels (rest.md sections 3 and 9).

use mynah_wire::ChannelId;
use serde_json::{Map, Value, json};

use super::form::at;
use super::{Call, Form, Rate, Refusal, Reply, Route};
use crate::realm::{Event, NewChannel};
use crate::store::permissions::{
    CONNECT, MANAGE_CHANNELS, SEND_MESSAGES, SET_VOICE_CHANNEL_STATUS, VIEW_CHANNEL,
};
use crate::store::{Channel, ChannelKind, Overwrite};

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/channels/{channel_id}", Rate::COMMON, show),
    Route::new(
        "PATCH",
        "/channels/{channel_id}",
        Rate::new(5, 5000),
        change,
    ),
    Route::new("DELETE", "/channels/{channel_id}", Rate::COMMON, remove),
    Route::new(
        "POST",
        "/channels/{channel_id}/typing",
        Rate::new(5, 5000),
        typing,
    ),
    Route::new(
        "PUT",
        "/channels/{channel_id}/voice-status",
        Rate::COMMON,
        set_status,
    ),
    Route::new("GET", "/guilds/{guild_id}/channels", Rate::COMMON, list),
    Route::new("POST", "/guilds/{guild_id}/channels", Rate::COMMON, create),
];

impl<'a> Call<'a> {
    /// The channel of the path, if the bot may see it.
    pub(super) fn channel(&self) -> Result<&Channel, Refusal> {
        let id: ChannelId = self.id("channel_id")?;
        let store = &self.realm.store;
        let channel = store
            .channels
            .get(&id)
            .ok_or_else(Refusal::unknown_channel)?;
        if !store.may(self.bot()?, id, VIEW_CHANNEL) {
            return Err(Refusal::missing_access());
        }
        Ok(channel)
    }

    /// Refuses unless the bot has these permissions in the channel.
    pub(super) fn needs(&self, channel_id: ChannelId, permissions: u64) -> Result<(), Refusal> {
        if self.realm.store.may(self.bot()?, channel_id, permissions) {
            Ok(())
        } else {
            Err(Refusal::missing_permissions())
        }
    }
}

fn show(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::ok(call.realm.store.channel_json(call.channel()?)))
}

fn list(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let guild_id = call.guild()?.id;
    let store = &call.realm.store;
    let channels = store
        .guild_channels(guild_id)
        .map(|c| store.channel_json(c));
    Ok(Reply::ok(Value::Array(channels.collect())))
}

fn create(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let guild_id = call.guild()?.id;
    let permissions = call.realm.store.guild_permissions(guild_id, call.bot()?);
    if permissions & MANAGE_CHANNELS == 0 {
        return Err(Refusal::missing_permissions());
    }
    let body = call.object()?;
    let mut form = Form::default();
    let name = form.required_text(body.get("name"), "name", 1..=100);
    let kind = form.integer(body.get("type"), "type", 0..=16).unwrap_or(0);
    let kind = u64::try_from(kind).ok().and_then(ChannelKind::from_number);
    if kind.is_none_or(|kind| kind == ChannelKind::Direct) {
        form.choice("type", "0, 2, 4, 13");
    }
    let new = NewChannel {
        guild_id,
        kind: kind.unwrap_or(ChannelKind::Text),
        name,
        bitrate_bps: bitrate(&mut form, body, call, guild_id),
        user_limit: limit(&mut form, body, kind).unwrap_or(0),
        topic: form.text(body.get("topic"), "topic", 0..=1024),
        parent_id: parent(&mut form, body),
        overwrites: overwrites(&mut form, body).unwrap_or_default(),
        dave: None,
    };
    form.finish()?;
    let id = call.realm.make_channel(new);
    let store = &call.realm.store;
    let channel = store
        .channels
        .get(&id)
        .ok_or_else(Refusal::unknown_channel)?;
    Ok(Reply::json(201, store.channel_json(channel)))
}

fn change(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel = call.channel()?;
    let (id, kind, guild_id) = (channel.id, channel.kind, channel.guild_id);
    let guild_id = guild_id.ok_or(Refusal::new(
        403,
        50003,
        "Cannot execute action on a DM channel",
    ))?;
    call.needs(id, MANAGE_CHANNELS)?;
    let body = call.object()?;
    let mut form = Form::default();
    let name = form.text(body.get("name"), "name", 1..=100);
    let topic = form.text(body.get("topic"), "topic", 0..=1024);
    let bitrate_bps = bitrate(&mut form, body, call, guild_id);
    let user_limit = limit(&mut form, body, Some(kind));
    let nsfw = form.boolean(body.get("nsfw"), "nsfw");
    let position = form.integer(body.get("position"), "position", 0..=i64::from(u16::MAX));
    let slowmode = form.integer(
        body.get("rate_limit_per_user"),
        "rate_limit_per_user",
        0..=21_600,
    );
    let parent_id = parent(&mut form, body);
    let overwrites = overwrites(&mut form, body);
    form.finish()?;
    if let Some(channel) = call.realm.store.channels.get_mut(&id) {
        channel.name = name.unwrap_or_else(|| channel.name.clone());
        channel.bitrate_bps = bitrate_bps.unwrap_or(channel.bitrate_bps);
        channel.user_limit = user_limit.unwrap_or(channel.user_limit);
        channel.nsfw = nsfw.unwrap_or(channel.nsfw);
        if body.contains_key("topic") {
            channel.topic = topic;
        }
        if body.contains_key("parent_id") {
            channel.parent_id = parent_id;
        }
        if let Some(overwrites) = overwrites {
            channel.overwrites = overwrites;
        }
        let as_u32 = |n: i64| u32::try_from(n).unwrap_or(0);
        channel.position = position.map_or(channel.position, as_u32);
        channel.slowmode_s = slowmode.map_or(channel.slowmode_s, as_u32);
    }
    call.realm.channel_changed(id);
    show(call)
}

fn remove(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel = call.channel()?;
    let id = channel.id;
    if channel.guild_id.is_some() {
        call.needs(id, MANAGE_CHANNELS)?;
    }
    let removed = call.realm.remove_channel(id);
    let channel = removed.ok_or_else(Refusal::unknown_channel)?;
    Ok(Reply::ok(call.realm.store.channel_json(&channel)))
}

fn typing(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel = call.channel()?;
    let (id, guild_id, bot) = (channel.id, channel.guild_id, call.bot()?);
    call.needs(id, SEND_MESSAGES)?;
    if let Some(guild_id) = guild_id {
        let data = json!({"channel_id": id, "guild_id": guild_id, "user_id": bot,
            "timestamp": call.realm.unix_ms() / 1000,
            "member": call.realm.store.member_json(guild_id, bot)});
        let mut event = Event::guild("TYPING_START", guild_id, data);
        event.intent = mynah_wire::intents::GUILD_MESSAGE_TYPING;
        call.realm.emit(event);
    }
    Ok(Reply::empty())
}

/// The text under a voice channel's name (rest.md section 9).
fn set_status(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel = call.channel()?;
    let (id, kind, guild_id) = (channel.id, channel.kind, channel.guild_id);
    let Some(guild_id) = guild_id.filter(|_| kind.is_voice()) else {
        return Err(Refusal::new(
            400,
            50024,
            "Cannot execute action on this channel type",
        ));
    };
    let bot = call.bot()?;
    call.needs(id, SET_VOICE_CHANNEL_STATUS | CONNECT)?;
    let inside = call.realm.store.voice_state(guild_id, bot);
    if inside.is_none_or(|state| state.channel_id != id) {
        call.needs(id, MANAGE_CHANNELS)?;
    }
    let mut form = Form::default();
    let status = form.text(call.object()?.get("status"), "status", 0..=500);
    form.finish()?;
    let status = status.filter(|text| !text.is_empty());
    if let Some(channel) = call.realm.store.channels.get_mut(&id) {
        channel.status.clone_from(&status);
    }
    let data = json!({"id": id, "guild_id": guild_id, "status": status});
    call.realm
        .emit(Event::guild("VOICE_CHANNEL_STATUS_UPDATE", guild_id, data));
    Ok(Reply::empty())
}

fn bitrate(
    form: &mut Form,
    body: &Map<String, Value>,
    call: &Call<'_>,
    guild_id: mynah_wire::GuildId,
) -> Option<u32> {
    let guild = call.realm.store.guilds.get(&guild_id);
    let max = guild.map_or(96_000, crate::store::Guild::max_bitrate_bps);
    let bps = form.integer(body.get("bitrate"), "bitrate", 8000..=i64::from(max))?;
    u32::try_from(bps).ok()
}

fn limit(form: &mut Form, body: &Map<String, Value>, kind: Option<ChannelKind>) -> Option<u32> {
    let max = if kind == Some(ChannelKind::Stage) {
        10_000
    } else {
        99
    };
    let limit = form.integer(body.get("user_limit"), "user_limit", 0..=max)?;
    u32::try_from(limit).ok()
}

fn parent(form: &mut Form, body: &Map<String, Value>) -> Option<ChannelId> {
    let value = body.get("parent_id").filter(|value| !value.is_null())?;
    form.snowflake(value, "parent_id").map(ChannelId::new)
}

fn overwrites(form: &mut Form, body: &Map<String, Value>) -> Option<Vec<Overwrite>> {
    let path = "permission_overwrites";
    let list = form.list(body.get(path), path)?;
    let mut overwrites = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let path = at(path, index);
        let Some(item) = form.object(item, &path) else {
            continue;
        };
        let id = item
            .get("id")
            .and_then(|id| form.snowflake(id, &at(&path, "id")));
        let kind = form.integer(item.get("type"), &at(&path, "type"), 0..=1);
        let mut bits = |key: &str| match item.get(key) {
            None | Some(Value::Null) => 0,
            Some(value) => form.snowflake(value, &at(&path, key)).unwrap_or(0),
        };
        let (allow, deny) = (bits("allow"), bits("deny"));
        match id {
            Some(id) => overwrites.push(Overwrite {
                id,
                member: kind == Some(1),
                allow,
                deny,
            }),
            None => form.required(&at(&path, "id")),
        }
    }
    Some(overwrites)
}
