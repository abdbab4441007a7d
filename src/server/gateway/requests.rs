//! What a client may ask on the gateway once it is identified: ops 3, 4, 8, 31, 43.

use std::time::Duration;

use mynah_wire::gateway::{VoiceStateRequest, close, op};
use mynah_wire::{GuildId, UserId, intents};
use serde_json::{Value, json};

use super::Peer;
use crate::realm::{Audience, Event, Realm};

/// Members per GUILD_MEMBERS_CHUNK (Discord docs).
const CHUNK: usize = 1000;
/// A full member list may be asked for once per guild in this time (gateway.md section 7).
const FULL_LIST_PAUSE: Duration = Duration::from_secs(30);

impl Peer {
    /// One request of an identified client.
    pub(super) fn request(&mut self, code: u8, body: Value, session: &str, realm: &mut Realm) {
        let done = match code {
            op::PRESENCE_UPDATE => presence(body, session, realm),
            op::VOICE_STATE_UPDATE => voice_state(body, session, realm),
            op::REQUEST_GUILD_MEMBERS => members(&body, session, realm),
            op::REQUEST_SOUNDBOARD_SOUNDS => sounds(&body, session, realm),
            op::REQUEST_CHANNEL_INFO => channel_info(&body, session, realm),
            _ => return self.close(close::UNKNOWN_OPCODE, "Unknown opcode."),
        };
        if done.is_none() {
            self.close(close::DECODE_ERROR, "Error while decoding payload.");
        }
    }
}

fn presence(body: Value, session: &str, realm: &mut Realm) -> Option<()> {
    let status = body.get("status")?.as_str()?.to_owned();
    let activities = body.get("activities").cloned().unwrap_or_else(|| json!([]));
    let session = realm.sessions.get_mut(session)?;
    session.presence = Some(body);
    let user_id = session.user_id;
    let guilds: Vec<GuildId> = realm.store.guilds_of(user_id).map(|g| g.id).collect();
    for guild_id in guilds {
        realm.emit(Event {
            name: "PRESENCE_UPDATE",
            to: Audience::Guild(guild_id),
            intent: intents::GUILD_PRESENCES,
            data: json!({"user": {"id": user_id}, "guild_id": guild_id, "status": status,
                "activities": activities, "client_status": {"desktop": status}}),
        });
    }
    Some(())
}

fn voice_state(body: Value, session: &str, realm: &mut Realm) -> Option<()> {
    let request: VoiceStateRequest = serde_json::from_value(body).ok()?;
    realm.request_voice(session, request);
    Some(())
}

fn members(body: &Value, session: &str, realm: &mut Realm) -> Option<()> {
    let guild_id: GuildId = id(body.get("guild_id")?)?;
    let nonce = body.get("nonce").cloned();
    let bot = realm.sessions.get(session)?.user_id;
    let wanted: Option<Vec<UserId>> = match body.get("user_ids") {
        None | Some(Value::Null) => None,
        Some(Value::Array(ids)) => Some(ids.iter().filter_map(id).collect()),
        Some(one) => Some(vec![id(one)?]),
    };
    let query = body
        .get("query")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let limit = body.get("limit").and_then(Value::as_u64).unwrap_or(0);
    let known = realm.store.guilds.get(&guild_id);
    if known.is_none_or(|guild| !guild.members.contains_key(&bot)) {
        return Some(());
    }
    if wanted.is_none() && query.is_empty() && limit == 0 {
        let wait = realm.pause_left((bot, guild_id), FULL_LIST_PAUSE);
        if let Some(wait) = wait.filter(|_| realm.limits.gateway_sends) {
            let limited = json!({"opcode": 8, "retry_after": wait.as_secs_f64(),
                "meta": {"guild_id": guild_id, "nonce": nonce}});
            realm.emit(Event::to_session("RATE_LIMITED", session, limited));
            return Some(());
        }
    }
    let Some(guild) = realm.store.guilds.get(&guild_id) else {
        return Some(());
    };
    let found: Vec<UserId> = guild
        .members
        .keys()
        .filter(|user| match &wanted {
            Some(ids) => ids.contains(user),
            None => realm
                .store
                .users
                .get(user)
                .is_some_and(|u| u.username.to_lowercase().starts_with(&query.to_lowercase())),
        })
        .copied()
        .take(if limit == 0 {
            usize::MAX
        } else {
            limit.min(100) as usize
        })
        .collect();
    let missing: Vec<UserId> = wanted
        .unwrap_or_default()
        .into_iter()
        .filter(|user| !found.contains(user))
        .collect();
    // An empty result is one empty chunk, so that the client's wait ends.
    let count = found.len().div_ceil(CHUNK).max(1);
    for index in 0..count {
        let part: Vec<Value> = found
            .iter()
            .skip(index * CHUNK)
            .take(CHUNK)
            .filter_map(|user| realm.store.member_json(guild_id, *user))
            .collect();
        let mut chunk = json!({"guild_id": guild_id, "members": part, "chunk_index": index,
            "chunk_count": count, "not_found": missing});
        if let (Some(nonce), Some(fields)) = (&nonce, chunk.as_object_mut()) {
            fields.insert("nonce".into(), nonce.clone());
        }
        realm.emit(Event::to_session("GUILD_MEMBERS_CHUNK", session, chunk));
    }
    Some(())
}

fn sounds(body: &Value, session: &str, realm: &mut Realm) -> Option<()> {
    let bot = realm.sessions.get(session)?.user_id;
    for guild_id in body
        .get("guild_ids")?
        .as_array()?
        .iter()
        .filter_map(id::<GuildId>)
    {
        let guild = realm.store.guilds.get(&guild_id);
        let Some(guild) = guild.filter(|guild| guild.members.contains_key(&bot)) else {
            continue;
        };
        let sounds: Vec<Value> = guild.sounds.values().cloned().collect();
        let data = json!({"guild_id": guild_id, "soundboard_sounds": sounds});
        realm.emit(Event::to_session("SOUNDBOARD_SOUNDS", session, data));
    }
    Some(())
}

fn channel_info(body: &Value, session: &str, realm: &mut Realm) -> Option<()> {
    let guild_id: GuildId = id(body.get("guild_id")?)?;
    let fields = body.get("fields")?.as_array()?;
    let asks = |name: &str| fields.iter().any(|field| field == name);
    let bot = realm.sessions.get(session)?.user_id;
    if !realm
        .store
        .guilds
        .get(&guild_id)?
        .members
        .contains_key(&bot)
    {
        return Some(());
    }
    let channels: Vec<Value> = realm
        .store
        .guild_channels(guild_id)
        .filter(|channel| channel.kind.is_voice())
        .map(|channel| {
            let mut value = json!({"id": channel.id});
            if let Some(object) = value.as_object_mut() {
                if asks("status") {
                    object.insert("status".into(), json!(channel.status));
                }
                if asks("voice_start_time") {
                    object.insert("voice_start_time".into(), json!(channel.voice_start_s));
                }
            }
            value
        })
        .collect();
    let data = json!({"guild_id": guild_id, "channels": channels});
    realm.emit(Event::to_session("CHANNEL_INFO", session, data));
    Some(())
}

/// A snowflake as string or integer.
fn id<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}
