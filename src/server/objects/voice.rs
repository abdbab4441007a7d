//! Voice states.

use mynah_wire::{GuildId, UserId};
use serde_json::{Value, json};

use crate::clock::iso8601;
use crate::store::{Store, VoiceState};

impl Store {
    /// A voice state as GUILD_CREATE lists it: without `guild_id` and `member`.
    pub(crate) fn bare_voice_state_json(&self, state: &VoiceState) -> Value {
        let member = self
            .guilds
            .get(&state.guild_id)
            .and_then(|guild| guild.members.get(&state.user_id));
        json!({
            "channel_id": state.channel_id, "user_id": state.user_id,
            "session_id": state.session_id, "deaf": member.is_some_and(|m| m.deaf),
            "mute": member.is_some_and(|m| m.mute), "self_deaf": state.self_deaf,
            "self_mute": state.self_mute, "self_stream": false, "self_video": false,
            "suppress": state.suppress,
            "request_to_speak_timestamp": state.request_to_speak_ms.map(iso8601),
        })
    }

    /// The full voice state of VOICE_STATE_UPDATE and REST; `left` writes `channel_id: null`.
    pub(crate) fn voice_state_json(&self, state: &VoiceState, left: bool) -> Value {
        let mut value = self.bare_voice_state_json(state);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("guild_id".into(), json!(state.guild_id));
            if let Some(member) = self.member_json(state.guild_id, state.user_id) {
                fields.insert("member".into(), member);
            }
            if left {
                fields.insert("channel_id".into(), Value::Null);
            }
        }
        value
    }

    /// Where somebody is in voice.
    pub(crate) fn voice_state(&self, guild_id: GuildId, user_id: UserId) -> Option<&VoiceState> {
        self.voice.get(&(guild_id, user_id))
    }
}
