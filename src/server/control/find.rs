//! Reading control bodies, and finding what they name.

use std::str::FromStr;

use mynah_wire::{ChannelId, UserId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Problem;
use crate::realm::Realm;
use crate::store::Channel;

/// A body as its type; what is missing or of the wrong type is said by name.
pub(super) fn read<T: DeserializeOwned>(body: &Value) -> Result<T, Problem> {
    let object = if body.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        body.clone()
    };
    serde_json::from_value(object).map_err(|error| {
        Problem::bad(
            error.to_string(),
            "src/server/README.md describes every call",
        )
    })
}

/// An id of a query parameter.
pub(super) fn id<T: FromStr>(text: &str, name: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| {
        let error = format!("{name} is `{text}`, which is not an id");
        Problem::bad(error, "ids are decimal numbers in strings")
    })
}

/// A person (or bot) that exists.
pub(super) fn person(realm: &Realm, user_id: UserId) -> Result<(), Problem> {
    if realm.store.users.contains_key(&user_id) {
        return Ok(());
    }
    let hint = "make one with POST /control/users, or see GET /control/state";
    Err(Problem::new(
        404,
        format!("there is no user {user_id}"),
        hint,
    ))
}

/// A simulated person: bots act through their own clients.
pub(super) fn simulated(realm: &Realm, user_id: UserId) -> Result<(), Problem> {
    person(realm, user_id)?;
    if realm.store.bots.contains_key(&user_id) {
        let hint = "make a person with POST /control/users";
        return Err(Problem::bad(
            format!("user {user_id} is a bot and acts for itself"),
            hint,
        ));
    }
    Ok(())
}

/// A channel that exists.
pub(super) fn channel(realm: &Realm, channel_id: ChannelId) -> Result<&Channel, Problem> {
    let channel = realm.store.channels.get(&channel_id);
    channel.ok_or_else(|| Problem::unknown("channel", channel_id))
}
