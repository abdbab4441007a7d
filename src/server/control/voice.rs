//! People in voice, and moderators over them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mynah_wire::{ChannelId, GuildId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::find::{channel, id, person, read, simulated};
use super::{Answer, Ask, Problem};
use crate::crowd::{Crowd, HearFormat, HearRequest, SayRequest, SayWhat};
use crate::realm::{Realm, VoiceRefusal};
use crate::server::Shared;

/// A voice client that is not live by then will not be.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest recording of one call: an hour of 48 kHz stereo is 691 MB as WAV.
const MAX_HEAR_S: f64 = 3600.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    user_id: UserId,
    channel_id: ChannelId,
}

pub(super) async fn join(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let place: Place = read(body)?;
    let crowd = crowd(shared)?;
    shared.run_errands().await;
    let ticket = {
        let mut realm = shared.realm();
        simulated(&realm, place.user_id)?;
        channel(&realm, place.channel_id)?;
        let joined = realm.join_as_person(place.user_id, place.channel_id);
        joined.map_err(|refusal| refused(refusal, &place))?
    };
    let guild_id = ticket.guild_id;
    let joined = tokio::time::timeout(JOIN_TIMEOUT, crowd.join(ticket)).await;
    let problem = match joined {
        Ok(Ok(())) => return Ok(json!({"ok": true})),
        Ok(Err(problem)) => problem,
        Err(_) => format!("it was not live after {} s", JOIN_TIMEOUT.as_secs()),
    };
    // Nobody stays listed in a channel without a voice client.
    shared.realm().leave_voice(guild_id, place.user_id);
    let error = format!(
        "the voice client of user {} could not join: {problem}",
        place.user_id
    );
    Err(Problem::new(
        502,
        error,
        "is a voice fault active? DELETE /control/faults ends them",
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    user_id: UserId,
}

/// Leaving, and being kicked: the same for everybody who watches.
pub(super) async fn leave(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let who: Who = read(body)?;
    {
        let mut realm = shared.realm();
        person(&realm, who.user_id)?;
        for guild_id in places(&realm, who.user_id)? {
            realm.leave_voice(guild_id, who.user_id);
        }
    }
    shared.run_errands().await;
    Ok(json!({"ok": true}))
}

/// A moderator moves somebody, bot or person.
pub(super) async fn move_to(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let place: Place = read(body)?;
    {
        let mut realm = shared.realm();
        person(&realm, place.user_id)?;
        channel(&realm, place.channel_id)?;
        let moved = realm.move_member(place.user_id, place.channel_id);
        moved.map_err(|refusal| refused(refusal, &place))?;
    }
    shared.run_errands().await;
    Ok(json!({"ok": true}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switches {
    user_id: UserId,
    self_mute: Option<bool>,
    self_deaf: Option<bool>,
    /// A moderator's switch.
    mute: Option<bool>,
    /// A moderator's switch.
    deaf: Option<bool>,
    /// Stage: into the audience or out of it.
    suppress: Option<bool>,
}

pub(super) fn state(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let switches: Switches = read(body)?;
    let user_id = switches.user_id;
    let mut realm = shared.realm();
    person(&realm, user_id)?;
    for guild_id in places(&realm, user_id)? {
        let before = realm.store.voice_state(guild_id, user_id);
        let (was_mute, was_deaf) = before.map_or((false, false), |s| (s.self_mute, s.self_deaf));
        if switches.self_mute.is_some() || switches.self_deaf.is_some() {
            simulated(&realm, user_id)?;
            let mute = switches.self_mute.unwrap_or(was_mute);
            let deaf = switches.self_deaf.unwrap_or(was_deaf);
            realm.set_self_flags(guild_id, user_id, mute, deaf);
            if let Some(crowd) = shared.crowd() {
                crowd.set_flags(user_id, mute, deaf);
            }
        }
        if switches.mute.is_some() || switches.deaf.is_some() {
            realm.set_server_flags(guild_id, user_id, switches.mute, switches.deaf);
        }
        if switches.suppress.is_some() {
            realm.set_stage(guild_id, user_id, switches.suppress, None);
        }
    }
    Ok(json!({"ok": true}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {
    user_id: UserId,
    path: Option<PathBuf>,
    tone: Option<Tone>,
    #[serde(default, rename = "loop")]
    looped: bool,
    #[serde(default)]
    wait: bool,
    #[serde(default)]
    skew_ppm: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tone {
    hz: f64,
    seconds: f64,
    #[serde(default = "quiet")]
    dbfs: f64,
}

fn quiet() -> f64 {
    -20.0
}

pub(super) async fn say(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let say: Say = read(body)?;
    let crowd = crowd(shared)?;
    {
        let realm = shared.realm();
        simulated(&realm, say.user_id)?;
        places(&realm, say.user_id)?;
    }
    let what = match (say.path, say.tone) {
        (Some(path), None) => SayWhat::Path(path),
        (None, Some(tone)) => tone_of(&tone)?,
        _ => {
            let hint = "give `path` or `tone: {hz, seconds, dbfs}`";
            return Err(Problem::bad("say needs exactly one sound", hint));
        }
    };
    if say.looped && say.wait {
        return Err(Problem::bad(
            "a loop has no end to wait for",
            "leave `wait` or `loop` out",
        ));
    }
    let request = SayRequest {
        what,
        looped: say.looped,
        wait: say.wait,
        skew_ppm: say.skew_ppm,
    };
    let said = crowd.say(say.user_id, request).await;
    let report =
        said.map_err(|error| Problem::bad(error, "any format the bot can decode will do"))?;
    Ok(json!(report))
}

fn tone_of(tone: &Tone) -> Result<SayWhat, Problem> {
    let fine = (1.0..=24_000.0).contains(&tone.hz)
        && tone.seconds > 0.0
        && tone.seconds <= MAX_HEAR_S
        && (-120.0..=0.0).contains(&tone.dbfs);
    if !fine {
        let hint = "hz 1 to 24000, seconds up to 3600, dbfs -120 to 0";
        return Err(Problem::bad("the tone is out of range", hint));
    }
    Ok(SayWhat::Tone {
        hz: tone.hz,
        seconds: tone.seconds,
        dbfs: tone.dbfs,
    })
}

pub(super) async fn hear(shared: &Arc<Shared>, ask: &Ask) -> Result<Answer, Problem> {
    let crowd = crowd(shared)?;
    let hint = "GET /control/voice/hear?user_id=…&seconds=…&from=…&format=wav|ogg|packets";
    let Some(user_id) = ask.query("user_id") else {
        return Err(Problem::bad("user_id is missing", hint));
    };
    let user_id: UserId = id(user_id, "user_id")?;
    let seconds = ask
        .query("seconds")
        .and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|s| *s > 0.0 && *s <= MAX_HEAR_S);
    let seconds =
        seconds.ok_or_else(|| Problem::bad("seconds is missing or out of range", hint))?;
    let from = ask.query("from").filter(|text| !text.is_empty());
    let from: Option<UserId> = from.map(|text| id(text, "from")).transpose()?;
    let (format, content_type) = match ask.query("format").unwrap_or("wav") {
        "wav" => (HearFormat::Wav, "audio/wav"),
        "ogg" => (HearFormat::Ogg, "audio/ogg"),
        "packets" => (HearFormat::Packets, "application/json"),
        other => {
            return Err(Problem::bad(
                format!("`{other}` is no format"),
                "wav, ogg or packets",
            ));
        }
    };
    {
        let realm = shared.realm();
        simulated(&realm, user_id)?;
        places(&realm, user_id)?;
        if let Some(from) = from {
            person(&realm, from)?;
        }
    }
    let request = HearRequest {
        seconds,
        from,
        format,
    };
    let heard = crowd.hear(user_id, request).await;
    let heard = heard.map_err(|error| Problem::bad(error, hint))?;
    Ok(Answer::Sound {
        bytes: heard.bytes,
        content_type,
        stats: json!(heard.stats).to_string(),
    })
}

fn crowd(shared: &Arc<Shared>) -> Result<Arc<dyn Crowd>, Problem> {
    let hint = "this program runs the server without them: use `mynah serve` or `mynah run`";
    shared
        .crowd()
        .ok_or_else(|| Problem::new(501, "there are no simulated voice users", hint))
}

/// Guilds in whose voice somebody is: at least one, or a problem.
fn places(realm: &Realm, user_id: UserId) -> Result<Vec<GuildId>, Problem> {
    let places: Vec<GuildId> = realm
        .store
        .voice
        .keys()
        .filter(|(_, user)| *user == user_id)
        .map(|(guild_id, _)| *guild_id)
        .collect();
    if places.is_empty() {
        let error = format!("user {user_id} is not in voice");
        return Err(Problem::new(409, error, "POST /control/voice/join first"));
    }
    Ok(places)
}

fn refused(refusal: VoiceRefusal, place: &Place) -> Problem {
    let Place {
        user_id,
        channel_id,
    } = place;
    match refusal {
        VoiceRefusal::NotVoice => {
            let error = format!("channel {channel_id} has no voice");
            Problem::bad(error, "choose a voice or stage channel")
        }
        VoiceRefusal::NotAllowed => {
            let error = format!("user {user_id} may not join channel {channel_id}");
            Problem::new(403, error, "check the channel's permissions")
        }
        VoiceRefusal::Full => {
            let error = format!("channel {channel_id} is full");
            Problem::new(409, error, "its user_limit is reached")
        }
        VoiceRefusal::NotConnected => {
            let error = format!("user {user_id} is not in voice in that guild");
            Problem::new(409, error, "POST /control/voice/join first")
        }
    }
}
