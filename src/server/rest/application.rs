//! The application itself (rest.md section 3).

use serde_json::json;

use super::{Call, Rate, Refusal, Reply, Route};
use crate::objects;

pub(super) const ROUTES: &[Route] = &[
    // discord.py asks for this in login(), before it connects.
    Route::new("GET", "/oauth2/applications/@me", Rate::COMMON, show),
    Route::new("GET", "/applications/@me", Rate::COMMON, show),
    Route::new("GET", "/applications/{app_id}/emojis", Rate::COMMON, emojis),
];

fn show(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let id = call.bot()?;
    let bot = call
        .realm
        .store
        .bots
        .get(&id)
        .ok_or_else(Refusal::unauthorized)?;
    let owner = call.realm.store.user_json(call.realm.defaults.owner_id);
    Ok(Reply::ok(objects::application(bot, &owner)))
}

/// Applications of this server have no emojis; unlike a guild's, the list is in an object.
fn emojis(_: &mut Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::ok(json!({"items": []})))
}
