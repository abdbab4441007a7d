//! Messages (rest.md section 4).

use mynah_wire::{ChannelId, MessageId};
use serde_json::{Value, json};

use super::message_body::{self, Place};
use super::{Call, Form, Rate, Refusal, Reply, Route};
use crate::realm::{Audience, Event};
use crate::store::permissions::{
    ATTACH_FILES, MANAGE_MESSAGES, READ_MESSAGE_HISTORY, SEND_MESSAGES,
};
use crate::store::{Message, MessageOrigin};

/// Messages per `GET`, at most.
const PAGE: i64 = 100;

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/channels/{channel_id}/messages", Rate::COMMON, list),
    Route::new(
        "POST",
        "/channels/{channel_id}/messages",
        Rate::new(5, 5000),
        create,
    ),
    Route::new(
        "POST",
        "/channels/{channel_id}/messages/bulk-delete",
        Rate::new(1, 1000),
        bulk_delete,
    ),
    Route::new(
        "GET",
        "/channels/{channel_id}/messages/{message_id}",
        Rate::COMMON,
        show,
    ),
    Route::new(
        "PATCH",
        "/channels/{channel_id}/messages/{message_id}",
        Rate::new(5, 5000),
        edit,
    ),
    Route::new(
        "DELETE",
        "/channels/{channel_id}/messages/{message_id}",
        Rate::new(5, 1000),
        delete,
    ),
];

impl Call<'_> {
    /// A message of the path. Ephemeral ones are only reachable through their interaction.
    pub(super) fn message(&self) -> Result<&Message, Refusal> {
        let message = self
            .realm
            .store
            .message(self.channel()?.id, self.id("message_id")?);
        message
            .filter(|message| !message.is_ephemeral())
            .ok_or_else(Refusal::unknown_message)
    }

    fn shown(&self, channel_id: ChannelId, id: MessageId) -> Result<Reply, Refusal> {
        let store = &self.realm.store;
        let message = store
            .message(channel_id, id)
            .ok_or_else(Refusal::unknown_message)?;
        Ok(Reply::ok(store.message_json(message, self.bot)))
    }
}

fn show(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let message = call.message()?;
    call.shown(message.channel_id, message.id)
}

fn list(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel_id = call.channel()?.id;
    call.needs(channel_id, READ_MESSAGE_HISTORY)?;
    let mut form = Form::default();
    let number = |name| {
        call.request
            .query(name)
            .map(|text| Value::String(text.to_owned()))
    };
    let limit = form.integer(number("limit").as_ref(), "limit", 1..=PAGE);
    let mut id = |name| number(name).and_then(|value| form.snowflake(&value, name));
    let (before, after, around) = (id("before"), id("after"), id("around"));
    form.finish()?;
    let limit = usize::try_from(limit.unwrap_or(50)).unwrap_or(50);
    let all: Vec<&Message> = call
        .realm
        .store
        .messages
        .get(&channel_id)
        .into_iter()
        .flat_map(|messages| messages.values())
        .filter(|message| !message.is_ephemeral())
        .collect();
    let index_of = |id: u64| all.partition_point(|message| message.id.get() < id);
    // Oldest first in the store, newest first in the answer.
    let (start, end) = if let Some(after) = after {
        let start = index_of(after.saturating_add(1));
        (start, (start + limit).min(all.len()))
    } else if let Some(around) = around {
        let start = index_of(around).saturating_sub(limit / 2);
        (start, (start + limit).min(all.len()))
    } else {
        let end = before.map_or(all.len(), index_of);
        (end.saturating_sub(limit), end)
    };
    let page = all.get(start..end).unwrap_or_default();
    let store = &call.realm.store;
    let shown = page
        .iter()
        .rev()
        .map(|message| store.message_json(message, call.bot));
    Ok(Reply::ok(Value::Array(shown.collect())))
}

fn create(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel = call.channel()?;
    let (channel_id, kind) = (channel.id, channel.kind);
    let bot = call.bot()?;
    if !kind.has_messages() {
        return Err(Refusal::new(
            400,
            50008,
            "Cannot send messages in a non-text channel",
        ));
    }
    call.needs(channel_id, SEND_MESSAGES)?;
    if !call.request.body.files.is_empty() {
        call.needs(channel_id, ATTACH_FILES)?;
    }
    let body = call.object()?;
    if let Some(old) = same_nonce(call, channel_id) {
        return call.shown(channel_id, old);
    }
    let mut form = Form::default();
    let files = &call.request.body.files;
    let mut draft = message_body::draft(&mut form, body, files, Place::Channel, "");
    draft.reply_to = reply_to(call, &mut form, channel_id);
    form.finish()?;
    message_body::check(&draft)?;
    let id = call
        .realm
        .post(bot, channel_id, draft, MessageOrigin::Plain);
    call.shown(channel_id, id)
}

/// With `enforce_nonce` a repeated message is the old one (rest.md section 4).
fn same_nonce(call: &Call<'_>, channel_id: ChannelId) -> Option<MessageId> {
    let body = call.json();
    if body.get("enforce_nonce") != Some(&json!(true)) {
        return None;
    }
    let nonce = body.get("nonce").filter(|nonce| !nonce.is_null())?;
    let messages = call.realm.store.messages.get(&channel_id)?;
    messages
        .values()
        .rev()
        .find(|message| {
            Some(message.author_id) == call.bot && message.nonce.as_ref() == Some(nonce)
        })
        .map(|message| message.id)
}

fn reply_to(call: &Call<'_>, form: &mut Form, channel_id: ChannelId) -> Option<MessageId> {
    let reference = call
        .json()
        .get("message_reference")
        .filter(|r| r.is_object())?;
    let path = "message_reference";
    let Some(id) = reference
        .get("message_id")
        .and_then(|id| form.snowflake(id, path))
    else {
        form.required("message_reference.message_id");
        return None;
    };
    let id = MessageId::new(id);
    if call.realm.store.message(channel_id, id).is_some() {
        return Some(id);
    }
    if reference.get("fail_if_not_exists") != Some(&json!(false)) {
        form.error(path, "REPLIES_UNKNOWN_MESSAGE", "Unknown message");
    }
    None
}

fn edit(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let message = call.message()?.clone();
    let own = Some(message.author_id) == call.bot;
    let body = call.object()?;
    // A moderator may only hide embeds of others.
    let only_flags = body.keys().all(|key| key == "flags");
    if !own && !only_flags {
        return Err(Refusal::new(
            403,
            50005,
            "Cannot edit a message authored by another user",
        ));
    }
    if !own {
        call.needs(message.channel_id, MANAGE_MESSAGES)?;
    }
    let mut form = Form::default();
    let files = &call.request.body.files;
    let patch = message_body::patch(&mut form, body, files, &message, "");
    form.finish()?;
    message_body::check_edit(&message, &patch)?;
    call.realm.edit(message.channel_id, message.id, patch);
    call.shown(message.channel_id, message.id)
}

fn delete(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let message = call.message()?;
    let (channel_id, id) = (message.channel_id, message.id);
    if Some(message.author_id) != call.bot {
        call.needs(channel_id, MANAGE_MESSAGES)?;
    }
    call.realm.delete(channel_id, id);
    Ok(Reply::empty())
}

fn bulk_delete(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel = call.channel()?;
    let (channel_id, guild_id) = (channel.id, channel.guild_id);
    call.needs(channel_id, MANAGE_MESSAGES)?;
    let mut form = Form::default();
    let list = form
        .list(call.object()?.get("messages"), "messages")
        .unwrap_or_default();
    form.length(list.len(), "messages", 2..=100);
    let ids: Vec<MessageId> = list
        .iter()
        .filter_map(|id| form.snowflake(id, "messages"))
        .map(MessageId::new)
        .collect();
    form.finish()?;
    let gone: Vec<MessageId> = ids
        .into_iter()
        .filter(|id| call.realm.store.take_message(channel_id, *id).is_some())
        .collect();
    if let Some(guild_id) = guild_id.filter(|_| !gone.is_empty()) {
        call.realm.emit(Event {
            name: "MESSAGE_DELETE_BULK",
            to: Audience::Guild(guild_id),
            intent: mynah_wire::intents::GUILD_MESSAGES,
            data: json!({"ids": gone, "channel_id": channel_id, "guild_id": guild_id}),
        });
    }
    Ok(Reply::empty())
}
