//! Soundboard lookups and sending (rest.md section 8). Guild sounds cannot be uploaded yet, so
//! every guild has none of its own.

use mynah_wire::{GuildId, intents};
use serde_json::{Value, json};

use super::{Call, Form, Rate, Refusal, Reply, Route};
use crate::realm::{Audience, Event};
use crate::store::permissions::{SPEAK, USE_SOUNDBOARD};

pub(super) const ROUTES: &[Route] = &[
    // py-cord asks before on_ready and hangs for ever on a 404 (interop.md section 8).
    Route::new("GET", "/soundboard-default-sounds", Rate::COMMON, defaults),
    Route::new(
        "GET",
        "/guilds/{guild_id}/soundboard-sounds",
        Rate::COMMON,
        list,
    ),
    Route::new(
        "POST",
        "/channels/{channel_id}/send-soundboard-sound",
        Rate::new(5, 5000),
        send,
    ),
];

/// Discord's own sounds, by id.
const DEFAULTS: [(&str, &str, &str); 6] = [
    ("1", "quack", "🦆"),
    ("2", "airhorn", "🔊"),
    ("3", "cricket", "🦗"),
    ("4", "golf clap", "👏"),
    ("5", "sad horn", "🎺"),
    ("7", "ba dum tss", "🥁"),
];

fn default_sound((id, name, emoji): (&str, &str, &str)) -> Value {
    json!({"sound_id": id, "name": name, "volume": 1.0, "emoji_id": null, "emoji_name": emoji,
        "available": true})
}

fn defaults(_: &mut Call<'_>) -> Result<Reply, Refusal> {
    let sounds = DEFAULTS.into_iter().map(default_sound);
    Ok(Reply::ok(Value::Array(sounds.collect())))
}

fn list(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let sounds: Vec<&Value> = call.guild()?.sounds.values().collect();
    Ok(Reply::ok(json!({"items": sounds})))
}

/// Plays a sound: everybody's client plays it itself, the server only tells (rest.md section 8).
fn send(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let channel = call.channel()?;
    let (id, guild_id) = (channel.id, channel.guild_id);
    let guild_id = guild_id.ok_or_else(Refusal::unknown_channel)?;
    let bot = call.bot()?;
    call.needs(id, SPEAK | USE_SOUNDBOARD)?;
    let mut form = Form::default();
    let sound_id = match call.object()?.get("sound_id") {
        Some(value) => form.snowflake(value, "sound_id"),
        None => {
            form.required("sound_id");
            None
        }
    };
    form.finish()?;
    let sound_id = sound_id.unwrap_or_default();
    let sound = find(call, guild_id, sound_id).ok_or(Refusal::new(404, 10097, "Unknown sound"))?;
    let state = call.realm.store.voice_state(guild_id, bot);
    let state = state.filter(|state| state.channel_id == id);
    let state = state.ok_or_else(Refusal::not_in_voice)?;
    let member = call.realm.store.guilds.get(&guild_id);
    let member = member.and_then(|guild| guild.members.get(&bot));
    let silenced = member.is_some_and(|m| m.mute || m.deaf) || state.self_deaf || state.suppress;
    if silenced {
        return Err(Refusal::new(
            400,
            50167,
            "Cannot send voice effect when user is server muted, deafened, or suppressed",
        ));
    }
    let data = json!({"channel_id": id, "guild_id": guild_id, "user_id": bot,
        "emoji": {"id": null, "name": sound.get("emoji_name"), "animated": false},
        "animation_type": 1, "animation_id": 0, "sound_id": sound_id.to_string(),
        "sound_volume": sound.get("volume")});
    // Only bots in that channel get it (gateway.md section 9).
    let listeners: Vec<_> = call
        .realm
        .store
        .voice_members(id)
        .map(|state| state.user_id)
        .filter(|user| call.realm.store.bots.contains_key(user))
        .collect();
    for listener in listeners {
        call.realm.emit(Event {
            name: "VOICE_CHANNEL_EFFECT_SEND",
            to: Audience::Bot(listener, Some(guild_id)),
            intent: intents::GUILD_VOICE_STATES,
            data: data.clone(),
        });
    }
    Ok(Reply::empty())
}

fn find(call: &Call<'_>, guild_id: GuildId, sound_id: u64) -> Option<Value> {
    let own = call
        .realm
        .store
        .guilds
        .get(&guild_id)?
        .sounds
        .get(&sound_id);
    let of_discord = || {
        let id = sound_id.to_string();
        DEFAULTS
            .into_iter()
            .find(|sound| sound.0 == id)
            .map(default_sound)
    };
    own.cloned().or_else(of_discord)
}
