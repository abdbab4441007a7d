//! The application itself (rest.md section 3).

use super::{Call, Rate, Refusal, Reply, Route};
use crate::objects;

pub(super) const ROUTES: &[Route] = &[
    // discord.py asks for this in login(), before it connects.
    Route::new("GET", "/oauth2/applications/@me", Rate::COMMON, show),
    Route::new("GET", "/applications/@me", Rate::COMMON, show),
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
