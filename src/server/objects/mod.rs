//! JSON shapes, as `impl Store` methods: what exists, written the way Discord writes it.
//!
//! Field sets follow gateway.md section 9 (the minimum serenity and twilight deserialise) and
//! rest.md; a missing key there breaks a client, an additional one breaks nobody.

mod channels;
mod guilds;
mod messages;
mod people;
mod voice;

use serde_json::{Value, json};

pub(crate) use messages::{attachment_json, emoji_json};
pub(crate) use people::role_json;

/// An application object (rest.md section 3).
pub(crate) fn application(bot: &crate::store::Bot, owner: &Value) -> Value {
    json!({
        "id": bot.application_id(), "name": bot.name, "icon": null, "description": "",
        "bot_public": true, "bot_require_code_grant": false,
        // Ed25519 key of HTTP interactions, which this server does not send.
        "verify_key": "0".repeat(64),
        "owner": owner, "flags": application_flags(bot.privileged_intents), "summary": "", "team": null,
        "interactions_endpoint_url": null, "role_connections_verification_url": null,
        "rpc_origins": [], "tags": [], "hook": true, "approximate_guild_count": 1,
        "integration_types_config": {"0": {}, "1": {}},
    })
}

/// `APPLICATION_COMMAND_BADGE` (bit 23) and, where the privileged intents are switched on,
/// `GATEWAY_PRESENCE`, `GATEWAY_GUILD_MEMBERS`, `GATEWAY_MESSAGE_CONTENT` in their limited form for
/// small bots (bits 13, 15, 19).
pub(crate) const fn application_flags(privileged_intents: bool) -> u64 {
    let intents = (1 << 13) | (1 << 15) | (1 << 19);
    (1 << 23) | if privileged_intents { intents } else { 0 }
}
