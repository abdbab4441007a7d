//! Reactions (rest.md section 4).

use mynah_wire::{MessageId, UserId};
use serde_json::Value;

use super::{Call, Rate, Refusal, Reply, Route};
use crate::store::permissions::{ADD_REACTIONS, MANAGE_MESSAGES, READ_MESSAGE_HISTORY};

/// One every 250 ms is what clients observe.
const REACTION_RATE: Rate = Rate::new(1, 250);

pub(super) const ROUTES: &[Route] = &[
    Route::new(
        "PUT",
        "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me",
        REACTION_RATE,
        add,
    ),
    Route::new(
        "DELETE",
        "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me",
        REACTION_RATE,
        remove_mine,
    ),
    Route::new(
        "DELETE",
        "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/{user_id}",
        REACTION_RATE,
        remove,
    ),
    Route::new(
        "GET",
        "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}",
        Rate::COMMON,
        list,
    ),
    Route::new(
        "DELETE",
        "/channels/{channel_id}/messages/{message_id}/reactions",
        REACTION_RATE,
        clear,
    ),
    Route::new(
        "DELETE",
        "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}",
        REACTION_RATE,
        clear,
    ),
];

fn add(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let bot = call.bot()?;
    let channel_id = call.channel()?.id;
    call.needs(channel_id, ADD_REACTIONS | READ_MESSAGE_HISTORY)?;
    set(call, bot, true)
}

fn remove_mine(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let bot = call.bot()?;
    set(call, bot, false)
}

fn remove(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel_id = call.channel()?.id;
    call.needs(channel_id, MANAGE_MESSAGES)?;
    let user = call.id("user_id")?;
    set(call, user, false)
}

/// All reactions, or all with the emoji of the path.
fn clear(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let message = call.message()?;
    let (channel_id, message_id) = (message.channel_id, message.id);
    call.needs(channel_id, MANAGE_MESSAGES)?;
    let emoji = Some(call.param("emoji").to_owned()).filter(|emoji| !emoji.is_empty());
    call.realm
        .clear_reactions(channel_id, message_id, emoji.as_deref());
    Ok(Reply::empty())
}

fn set(call: &mut Call<'_>, user: UserId, on: bool) -> Result<Reply, Refusal> {
    let channel_id = call.channel()?.id;
    let message_id: MessageId = call.id("message_id")?;
    let emoji = call.param("emoji").to_owned();
    let message = call.realm.store.message(channel_id, message_id);
    if message.is_none_or(crate::store::Message::is_ephemeral) {
        return Err(Refusal::unknown_message());
    }
    // A custom emoji is `name:id`; plain ASCII words are no emoji at all.
    let custom = emoji
        .rsplit_once(':')
        .is_some_and(|(_, id)| id.parse::<u64>().is_ok());
    if !custom && emoji.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(Refusal::new(400, 10014, "Unknown Emoji"));
    }
    call.realm.react(channel_id, message_id, user, &emoji, on);
    Ok(Reply::empty())
}

fn list(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel_id = call.channel()?.id;
    let message = call.realm.store.message(channel_id, call.id("message_id")?);
    let message = message.ok_or_else(Refusal::unknown_message)?;
    let users = message
        .reactions
        .iter()
        .filter(|reaction| reaction.emoji == call.param("emoji"))
        .flat_map(|reaction| &reaction.users)
        .map(|user| call.realm.store.user_json(*user));
    Ok(Reply::ok(Value::Array(users.collect())))
}
