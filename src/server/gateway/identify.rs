//! Identify and Resume (gateway.md sections 5 and 6).

use std::time::Instant;

use mynah_wire::gateway::{close, op};
use mynah_wire::intents;
use serde_json::{Value, json};

use super::{Peer, Session};
use crate::objects::application_flags;
use crate::realm::Realm;

/// Guilds one shard may have (gateway.md section 8).
const GUILDS_PER_SHARD: usize = 2500;

impl Peer {
    /// Op 2. Checks in the order of the close codes' severity: who, what, which part.
    pub(super) fn identify(&mut self, now: Instant, body: &Value, realm: &mut Realm) {
        let Some(token) = body.get("token").and_then(Value::as_str) else {
            return self.close(close::DECODE_ERROR, "Error while decoding payload.");
        };
        let Some(bot) = realm.store.bot_by_token(token) else {
            return self.close(close::AUTHENTICATION_FAILED, "Authentication failed.");
        };
        let (user_id, privileged) = (bot.user_id, bot.privileged_intents);
        let Some(bits) = body.get("intents").and_then(as_u64) else {
            return self.close(close::INVALID_INTENTS, "Invalid intent(s).");
        };
        if intents::has_unknown(bits) {
            return self.close(close::INVALID_INTENTS, "Invalid intent(s).");
        }
        if !privileged && bits & intents::PRIVILEGED != 0 {
            return self.close(close::DISALLOWED_INTENTS, "Disallowed intent(s).");
        }
        let Some(shard) = shard(body.get("shard")) else {
            return self.close(close::INVALID_SHARD, "Invalid shard.");
        };
        if !realm.admit_identify(now, user_id, shard.0) {
            return self.send(op::INVALID_SESSION, &json!(false));
        }
        let id = realm.random.hex32();
        let mut session = Session::new(id.clone(), user_id, bits, shard, self.link);
        session.presence = body.get("presence").filter(|p| p.is_object()).cloned();
        let guilds: Vec<_> = realm
            .store
            .guilds_of(user_id)
            .map(|guild| guild.id)
            .filter(|id| session.covers(Some(*id)))
            .collect();
        if guilds.len() > GUILDS_PER_SHARD {
            return self.close(close::SHARDING_REQUIRED, "Sharding required.");
        }
        session.push("READY", ready(realm, &session, &guilds).to_string().into());
        for guild_id in guilds {
            if let Some(guild) = realm.store.guild_create_json(guild_id, user_id, bits) {
                session.push("GUILD_CREATE", guild.to_string().into());
            }
        }
        realm.attach(session);
        self.session = Some(id);
        self.cursor = 0;
    }

    /// Op 6. The replay needs no code of its own: it is the cursor set back.
    pub(super) fn resume(&mut self, body: &Value, realm: &mut Realm) {
        let text = |key| body.get(key).and_then(Value::as_str);
        let (Some(token), Some(id), Some(seq)) = (
            text("token"),
            text("session_id"),
            body.get("seq").and_then(as_u64),
        ) else {
            return self.close(close::DECODE_ERROR, "Error while decoding payload.");
        };
        let Some(user_id) = realm.store.bot_by_token(token).map(|bot| bot.user_id) else {
            return self.close(close::AUTHENTICATION_FAILED, "Authentication failed.");
        };
        let known = realm
            .sessions
            .get(id)
            .filter(|session| session.user_id == user_id);
        match known {
            Some(session) if seq > session.seq() => {
                self.close(close::INVALID_SEQ, "Invalid seq.");
            }
            Some(session) if session.can_replay_after(seq) => {
                self.cursor = seq;
                self.session = Some(id.to_owned());
                realm.reattach(id, self.link);
            }
            _ => self.send(op::INVALID_SESSION, &json!(false)),
        }
    }
}

/// READY, first dispatch of a session.
fn ready(realm: &Realm, session: &Session, guilds: &[mynah_wire::GuildId]) -> Value {
    let unavailable: Vec<Value> = guilds
        .iter()
        .map(|id| json!({"id": id, "unavailable": true}))
        .collect();
    let bot = realm.store.bots.get(&session.user_id);
    let flags = application_flags(bot.is_some_and(|bot| bot.privileged_intents));
    json!({
        "v": 10, "user": realm.store.current_user_json(session.user_id), "guilds": unavailable,
        "session_id": session.id, "session_type": "normal",
        "resume_gateway_url": realm.gateway_url(), "shard": [session.shard.0, session.shard.1],
        "application": {"id": session.user_id, "flags": flags},
        "private_channels": [], "relationships": [], "presences": [], "user_settings": {},
        "guild_join_requests": [], "geo_ordered_rtc_regions": ["local"], "_trace": ["mynah"],
    })
}

/// `[id, count]` with `id < count`; nothing means the only shard.
fn shard(value: Option<&Value>) -> Option<(u32, u32)> {
    let pair = match value {
        None | Some(Value::Null) => return Some((0, 1)),
        Some(value) => value.as_array()?,
    };
    let [id, count] = pair.as_slice() else {
        return None;
    };
    let id = u32::try_from(as_u64(id)?).ok()?;
    let count = u32::try_from(as_u64(count)?).ok()?;
    (id < count).then_some((id, count))
}

/// A number, or a number in a string: libraries differ.
fn as_u64(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}
