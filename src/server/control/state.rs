//! `GET /control/state`.

use std::collections::BTreeSet;
use std::sync::Arc;

use mynah_wire::UserId;
use serde_json::{Value, json};

use super::Problem;
use crate::realm::Realm;
use crate::server::Shared;
use crate::store::VoiceOwner;
use crate::voice::DavePolicy;

pub(super) fn show(shared: &Arc<Shared>) -> Result<Value, Problem> {
    // The crowd is asked without the realm's lock: it has locks of its own.
    let (mut state, simulated) = snapshot(&shared.realm());
    let crowd = shared.crowd();
    for session in state["voice_sessions"].as_array_mut().into_iter().flatten() {
        let user = session["user_id"].as_str().and_then(|id| id.parse().ok());
        let user = user.filter(|user| simulated.contains(user));
        let known = crowd.as_ref().zip(user);
        if let Some(dave) = known.and_then(|(crowd, user)| crowd.dave(user)) {
            session["privacy_code"] = json!(dave.privacy_code);
            session["dave_members"] = json!(dave.members);
            session["dave_epoch"] = json!(dave.epoch);
        }
    }
    Ok(state)
}

/// All but what simulated users know themselves, and who of those in voice is one.
fn snapshot(realm: &Realm) -> (Value, BTreeSet<UserId>) {
    let store = &realm.store;
    let guilds: Vec<Value> = store
        .guilds
        .values()
        .map(|guild| {
            let roles = guild.roles.values();
            let roles: Vec<Value> = roles
                .map(|role| json!({"id": role.id, "name": role.name}))
                .collect();
            json!({"id": guild.id, "name": guild.name, "owner_id": guild.owner_id,
                "members": guild.members.keys().collect::<Vec<_>>(), "roles": roles})
        })
        .collect();
    let channels: Vec<Value> = store
        .channels
        .values()
        .map(|channel| {
            json!({"id": channel.id, "guild_id": channel.guild_id, "name": channel.name,
                "kind": channel.kind.word(), "bitrate": channel.bitrate_bps,
                "user_limit": channel.user_limit, "status": channel.status,
                "dave": realm.dave_policy_of(channel).map(DavePolicy::word),
                "recipients": channel.recipients})
        })
        .collect();
    let users: Vec<Value> = store
        .users
        .values()
        .map(|user| json!({"user_id": user.id, "name": user.username, "bot": user.bot}))
        .collect();
    let voice_states: Vec<Value> = store
        .voice
        .values()
        .map(|state| {
            let mut value = store.bare_voice_state_json(state);
            if let Some(fields) = value.as_object_mut() {
                fields.remove("session_id"); // with the token it is the voice credential
                fields.insert("guild_id".into(), json!(state.guild_id));
                let simulated = state.owner == VoiceOwner::Simulated;
                fields.insert("simulated".into(), json!(simulated));
            }
            value
        })
        .collect();
    let simulated = store
        .voice
        .values()
        .filter(|state| state.owner == VoiceOwner::Simulated)
        .map(|state| state.user_id)
        .collect();
    let state = json!({
        "guilds": guilds, "channels": channels, "users": users, "bots": bots(realm),
        "voice_states": voice_states, "voice_sessions": realm.voice.sessions(),
        "faults": realm.faults.list(),
    });
    (state, simulated)
}

/// Bots with the state of their gateway sessions.
fn bots(realm: &Realm) -> Vec<Value> {
    let state_of = |bot| {
        let mut sessions = realm
            .sessions
            .values()
            .filter(|s| s.user_id == bot)
            .peekable();
        if sessions.peek().is_none() {
            return "offline";
        }
        if sessions.any(|s| s.link.is_some()) {
            "connected"
        } else {
            "disconnected"
        }
    };
    realm
        .store
        .bots
        .values()
        .map(|bot| {
            let sessions: Vec<Value> = realm
                .sessions
                .values()
                .filter(|session| session.user_id == bot.user_id)
                .map(|session| {
                    json!({"shard": [session.shard.0, session.shard.1], "seq": session.seq(),
                        "intents": session.intents, "connected": session.link.is_some(),
                        "presence": session.presence})
                })
                .collect();
            let commands: Vec<&str> = realm
                .store
                .commands
                .everywhere(bot.application_id())
                .map(|command| command.name.as_str())
                .collect();
            json!({"user_id": bot.user_id, "application_id": bot.application_id(),
                "name": bot.name, "gateway": state_of(bot.user_id), "sessions": sessions,
                "commands": commands})
        })
        .collect()
}
