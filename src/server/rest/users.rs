//! Accounts and direct messages (rest.md section 3).

use mynah_wire::UserId;
use serde_json::{Value, json};

use super::{Call, Form, Rate, Refusal, Reply, Route};

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/users/@me", Rate::COMMON, me),
    Route::new("PATCH", "/users/@me", Rate::new(2, 10_000), rename),
    Route::new("GET", "/users/@me/guilds", Rate::COMMON, my_guilds),
    Route::new("POST", "/users/@me/channels", Rate::COMMON, open_direct),
    Route::new("GET", "/users/{user_id}", Rate::COMMON, show),
];

fn me(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::ok(call.realm.store.current_user_json(call.bot()?)))
}

fn rename(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let id = call.bot()?;
    let mut form = Form::default();
    let name = form.text(call.object()?.get("username"), "username", 2..=32);
    form.finish()?;
    if let (Some(name), Some(user)) = (name, call.realm.store.users.get_mut(&id)) {
        user.username = name;
    }
    me(call)
}

fn my_guilds(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let bot = call.bot()?;
    let store = &call.realm.store;
    let guilds: Vec<Value> = store
        .guilds_of(bot)
        .map(|guild| {
            json!({"id": guild.id, "name": guild.name, "icon": null, "banner": null,
                "owner": guild.owner_id == bot, "features": [],
                "permissions": store.guild_permissions(guild.id, bot).to_string()})
        })
        .collect();
    Ok(Reply::ok(Value::Array(guilds)))
}

fn show(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let id: UserId = call.id("user_id")?;
    if !call.realm.store.users.contains_key(&id) {
        return Err(Refusal::unknown_user());
    }
    Ok(Reply::ok(call.realm.store.user_json(id)))
}

fn open_direct(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let bot = call.bot()?;
    let mut form = Form::default();
    let recipient = match call.object()?.get("recipient_id") {
        Some(value) => form.snowflake(value, "recipient_id"),
        None => {
            form.required("recipient_id");
            None
        }
    };
    form.finish()?;
    let recipient = UserId::new(recipient.unwrap_or_default());
    let user = call.realm.store.users.get(&recipient);
    let user = user.ok_or_else(Refusal::unknown_user)?;
    if user.bot {
        return Err(Refusal::new(
            403,
            50007,
            "Cannot send messages to this user",
        ));
    }
    let id = call.realm.direct_channel(bot, recipient);
    let store = &call.realm.store;
    let channel = store
        .channels
        .get(&id)
        .ok_or_else(Refusal::unknown_channel)?;
    Ok(Reply::ok(store.channel_json(channel)))
}
