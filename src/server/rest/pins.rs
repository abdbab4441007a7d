//! Pinned messages, under their present paths and the older ones serenity and twilight still use.

use mynah_wire::MessageId;
use serde_json::{Value, json};

use super::{Call, Rate, Refusal, Reply, Route};
use crate::clock::iso8601;
use crate::store::Message;
use crate::store::permissions::{PIN_MESSAGES, READ_MESSAGE_HISTORY};

/// Pins a channel may have.
const MAX_PINS: usize = 250;
/// Pins on one page.
const PAGE: i64 = 50;

pub(super) const ROUTES: &[Route] = &[
    Route::new(
        "GET",
        "/channels/{channel_id}/messages/pins",
        Rate::COMMON,
        page,
    ),
    Route::new(
        "PUT",
        "/channels/{channel_id}/messages/pins/{message_id}",
        Rate::COMMON,
        pin,
    ),
    Route::new(
        "DELETE",
        "/channels/{channel_id}/messages/pins/{message_id}",
        Rate::COMMON,
        unpin,
    ),
    Route::new("GET", "/channels/{channel_id}/pins", Rate::COMMON, all),
    Route::new(
        "PUT",
        "/channels/{channel_id}/pins/{message_id}",
        Rate::COMMON,
        pin,
    ),
    Route::new(
        "DELETE",
        "/channels/{channel_id}/pins/{message_id}",
        Rate::COMMON,
        unpin,
    ),
];

/// Pins with their times, newest first; `before` is a time, not an id.
fn page(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel_id = readable(call)?;
    let mut form = super::Form::default();
    let limit = call.request.query("limit").map(Value::from);
    let limit = form.integer(limit.as_ref(), "limit", 1..=PAGE);
    form.finish()?;
    let limit = usize::try_from(limit.unwrap_or(PAGE)).unwrap_or_default();
    let before = call.request.query("before");
    let mut pins = call
        .realm
        .store
        .pins(channel_id)
        .filter_map(|message| Some((message, iso8601(message.pinned_ms?))))
        // All times are written alike, so their order as text is their order.
        .filter(|(_, pinned_at)| before.is_none_or(|before| pinned_at.as_str() < before));
    let items: Vec<Value> = pins
        .by_ref()
        .take(limit)
        .map(
            |(message, pinned_at)| json!({"pinned_at": pinned_at, "message": shown(call, message)}),
        )
        .collect();
    let has_more = pins.next().is_some();
    Ok(Reply::ok(json!({"items": items, "has_more": has_more})))
}

/// The older form: a bare array.
fn all(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel_id = readable(call)?;
    let pins = call.realm.store.pins(channel_id);
    let pins = pins.map(|message| shown(call, message));
    Ok(Reply::ok(Value::Array(pins.collect())))
}

fn pin(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel_id = call.channel()?.id;
    if call.realm.store.pins(channel_id).count() >= MAX_PINS {
        let message = "Maximum number of pins reached for the channel (250)";
        return Err(Refusal::new(400, 30003, message));
    }
    set(call, true)
}

fn unpin(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    set(call, false)
}

fn set(call: &mut Call<'_>, pinned: bool) -> Result<Reply, Refusal> {
    let (bot, channel_id) = (call.bot()?, call.channel()?.id);
    call.needs(channel_id, PIN_MESSAGES | READ_MESSAGE_HISTORY)?;
    let id: MessageId = call.message()?.id;
    call.realm.pin(channel_id, id, bot, pinned);
    Ok(Reply::empty())
}

fn readable(call: &Call<'_>) -> Result<mynah_wire::ChannelId, Refusal> {
    let channel_id = call.channel()?.id;
    call.needs(channel_id, READ_MESSAGE_HISTORY)?;
    Ok(channel_id)
}

fn shown(call: &Call<'_>, message: &Message) -> Value {
    call.realm.store.message_json(message, call.bot)
}
