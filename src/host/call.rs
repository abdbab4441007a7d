//! Ops as types: `mynah.ops/1` kinds and their JSON arguments.

use crate::{
    OpError,
    grants::Grants,
    sound::{self, FadeArg, checked_gain},
};
use base64::Engine as _;
use mynah_engine::filters::FilterSpec;
use mynah_engine::{Fade, PlayOptions, WebRequest};
use mynah_wire::{ChannelId, GuildId, UserId};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

mod http;
mod ingest;

pub(crate) use http::answer as web_answer;
pub use ingest::Ingest;

/// A timer beyond this is a mistake; a plugin can set another one.
const MAX_TIMER: Duration = Duration::from_secs(24 * 3600);

/// What to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file, as the plugin named it.
    Path(String),
    /// A web address.
    Url(String),
}

/// A file to send along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// As people see it.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// What to play where, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// Where.
    pub guild: GuildId,
    /// What.
    pub what: What,
    /// How.
    pub options: PlayOptions,
}

/// One op, checked for form.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Call {
    /// A Discord REST request.
    Rest {
        /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
        method: String,
        /// From the version on: `/channels/1/messages`.
        path: String,
        /// JSON, if any.
        body: Option<Value>,
        /// Files, sent as multipart.
        files: Vec<Attached>,
    },
    /// Join or move.
    Join(GuildId, ChannelId),
    /// Leave.
    Leave(GuildId),
    /// Nobody but this plugin moves the bot out of there, or lets it leave; the text says why.
    Pin(GuildId, ChannelId, String),
    /// Takes that back.
    Unpin(GuildId),
    /// Where a person and the bot are.
    State(GuildId, UserId),
    /// Who is in a voice channel.
    People(GuildId, ChannelId),
    /// Play.
    Play(Box<Play>),
    /// Play it after a track, without a gap, from there on.
    Next(u64, What, Duration),
    /// Take back a [`Call::Next`].
    CancelNext(u64),
    /// Hold a track.
    Pause(u64),
    /// Let it go on.
    Resume(u64),
    /// End it.
    Stop(u64),
    /// Let it fade away and end it.
    StopWith(u64, Fade),
    /// Change its loudness.
    Gain(u64, f32),
    /// Walk its loudness to another one.
    Fade(u64, f32, Fade),
    /// Play it again and again, or not.
    Repeat(u64, bool),
    /// Change its effects.
    Filters(u64, Box<FilterSpec>),
    /// How far it is.
    Position(u64),
    /// Look into something without playing it.
    Probe(What),
    /// Make a short sound ready and keep it.
    Ingest(Box<Ingest>),
    /// Ask a service on the web.
    Ask(Box<WebRequest>),
    /// Every file in a folder.
    List(String),
    /// One of the plugin's numbers changes.
    Measure(crate::Measured),
    /// Wait.
    Timer(Duration),
    /// What the plugin keeps under a name.
    StoreGet(String),
    /// Keeps something under a name; null takes it away.
    StoreSet(String, Value),
    /// What it keeps under names that begin so, after a name.
    StoreList(String, String),
}

impl Call {
    /// Done in memory: run in place, in the order the plugin asked.
    pub(crate) fn is_instant(&self) -> bool {
        matches!(
            self,
            Self::State(..)
                | Self::People(..)
                | Self::Pin(..)
                | Self::Unpin(_)
                | Self::Pause(_)
                | Self::Resume(_)
                | Self::Stop(_)
                | Self::StopWith(..)
                | Self::Gain(..)
                | Self::Fade(..)
                | Self::Repeat(..)
                | Self::Filters(..)
                | Self::Position(_)
                | Self::Measure(_)
                | Self::StoreGet(_)
                | Self::StoreSet(..)
                | Self::StoreList(..)
        )
    }

    /// Its outcome is a new track.
    pub(crate) fn plays(&self) -> bool {
        matches!(self, Self::Play(_) | Self::Next(..))
    }

    /// Nothing outside the bot notices when it is given up half-way.
    pub(crate) fn can_be_dropped(&self) -> bool {
        matches!(
            self,
            Self::Probe(_) | Self::Ingest(_) | Self::Ask(_) | Self::List(_) | Self::Timer(_)
        )
    }

    /// The track it is about.
    pub(crate) fn track(&self) -> Option<u64> {
        match *self {
            Self::Next(track, ..)
            | Self::CancelNext(track)
            | Self::Pause(track)
            | Self::Resume(track)
            | Self::Stop(track)
            | Self::StopWith(track, _)
            | Self::Gain(track, _)
            | Self::Fade(track, ..)
            | Self::Repeat(track, _)
            | Self::Filters(track, _)
            | Self::Position(track) => Some(track),
            _ => None,
        }
    }

    /// Refuses what the operator has not granted. Files are looked at later, off this thread.
    pub(crate) fn check(&self, grants: &Grants) -> Result<(), OpError> {
        match self {
            Self::Rest { path, .. } => grants.require(rest_capability(path)),
            Self::Join(..)
            | Self::Leave(_)
            | Self::Pin(..)
            | Self::Unpin(_)
            | Self::State(..)
            | Self::People(..) => {
                grants.require_any_kind_of(&["voice.speak", "voice.listen", "voice.opus"])
            }
            Self::Play(play) => {
                grants.require(sound::lane_capability(play.options.lane))?;
                check_what(&play.what, grants)
            }
            Self::Probe(what) => check_what(what, grants),
            Self::Ask(request) => grants.url(&request.url),
            Self::Ingest(ingest) => {
                grants.require_any_kind_of(&["fs.write"])?;
                check_what(&ingest.what, grants)
            }
            Self::Next(_, what, _) => {
                grants.require_any_kind_of(&["voice.speak"])?;
                check_what(what, grants)
            }
            // A track on whatever lane, which was granted when it began.
            Self::CancelNext(_)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Stop(_)
            | Self::StopWith(..)
            | Self::Gain(..)
            | Self::Fade(..)
            | Self::Repeat(..)
            | Self::Filters(..)
            | Self::Position(_) => grants.require_any_kind_of(&["voice.speak"]),
            Self::StoreGet(_) | Self::StoreSet(..) | Self::StoreList(..) => grants.require("store"),
            Self::Measure(_) | Self::List(_) | Self::Timer(_) => Ok(()),
        }
    }

    pub(crate) fn parse(kind: &str, args: &[u8]) -> Result<Self, OpError> {
        let args: Value = match args {
            [] => Value::Object(serde_json::Map::new()),
            args => serde_json::from_slice(args)
                .map_err(|error| OpError::Invalid(format!("{kind}: not JSON: {error}")))?,
        };
        match kind {
            "rest" => rest(read(kind, args)?),
            "voice.join" => {
                let Join {
                    guild_id,
                    channel_id,
                } = read(kind, args)?;
                Ok(Self::Join(guild_id, channel_id))
            }
            "voice.leave" => read(kind, args).map(|Leave { guild_id }| Self::Leave(guild_id)),
            "voice.pin" => {
                let pin: PinArgs = read(kind, args)?;
                Ok(Self::Pin(pin.guild_id, pin.channel_id, pin.why))
            }
            "voice.unpin" => read(kind, args).map(|Leave { guild_id }| Self::Unpin(guild_id)),
            "voice.state" => {
                let State { guild_id, user_id } = read(kind, args)?;
                Ok(Self::State(guild_id, user_id))
            }
            "voice.people" => {
                let Join {
                    guild_id,
                    channel_id,
                } = read(kind, args)?;
                Ok(Self::People(guild_id, channel_id))
            }
            "voice.play" => {
                let play = play(read(kind, args)?)?;
                Ok(Self::Play(Box::new(play)))
            }
            "track.pause" => read(kind, args).map(|Track { track }| Self::Pause(track)),
            "track.resume" => read(kind, args).map(|Track { track }| Self::Resume(track)),
            "track.stop" => {
                let Stop { track, fade } = read(kind, args)?;
                match fade {
                    Some(fade) => Ok(Self::StopWith(track, fade.checked()?)),
                    None => Ok(Self::Stop(track)),
                }
            }
            "track.next" => {
                let next: Next = read(kind, args)?;
                let start = Duration::from_millis(next.start_ms);
                Ok(Self::Next(next.track, what(next.path, next.url)?, start))
            }
            "track.cancel" => read(kind, args).map(|Track { track }| Self::CancelNext(track)),
            "track.repeat" => {
                read(kind, args).map(|Repeat { track, repeat }| Self::Repeat(track, repeat))
            }
            "track.fade" => {
                let Faded { track, gain, fade } = read(kind, args)?;
                Ok(Self::Fade(track, checked_gain(gain)?, fade.checked()?))
            }
            "track.filters" => {
                let Filters { track, filters } = read(kind, args)?;
                let filters = Box::new(sound::filters(filters)?);
                Ok(Self::Filters(track, filters))
            }
            "track.position" => read(kind, args).map(|Track { track }| Self::Position(track)),
            "track.gain" => {
                let Gain { track, gain } = read(kind, args)?;
                Ok(Self::Gain(track, checked_gain(gain)?))
            }
            "media.probe" => {
                let Probe { path, url } = read(kind, args)?;
                what(path, url).map(Self::Probe)
            }
            "media.ingest" => {
                let ingest = ingest::ingest(read(kind, args)?)?;
                Ok(Self::Ingest(Box::new(ingest)))
            }
            "http.request" => {
                let request = http::request(read(kind, args)?)?;
                Ok(Self::Ask(Box::new(request)))
            }
            "metrics.add" | "metrics.set" | "metrics.record" => {
                crate::Measured::new(kind, read(kind, args)?).map(Self::Measure)
            }
            "fs.list" => read(kind, args).map(|List { dir }| Self::List(dir)),
            "store.get" => read(kind, args).map(|Key { key }| Self::StoreGet(key)),
            "store.set" => {
                read(kind, args).map(|KeyValue { key, value }| Self::StoreSet(key, value))
            }
            "store.list" => {
                read(kind, args).map(|Keys { prefix, after }| Self::StoreList(prefix, after))
            }
            "timer" => read(kind, args)
                .map(|Timer { ms }| Self::Timer(Duration::from_millis(ms).min(MAX_TIMER))),
            _ => Err(OpError::Unsupported(format!(
                "this host does not know the op `{kind}`"
            ))),
        }
    }
}

/// Answers to interactions come with commands; messages are chat; the rest is everything.
fn rest_capability(path: &str) -> &'static str {
    let mut parts = path.split(['/', '?']).filter(|part| !part.is_empty());
    match (parts.next(), parts.next(), parts.next()) {
        (Some("interactions" | "webhooks"), ..) => "commands",
        (Some("channels"), Some(_), Some("messages" | "typing")) => "chat.send",
        _ => "discord.rest",
    }
}

fn check_what(what: &What, grants: &Grants) -> Result<(), OpError> {
    match what {
        What::Url(url) => grants.url(url),
        What::Path(_) => Ok(()),
    }
}

fn read<T: DeserializeOwned>(kind: &str, args: Value) -> Result<T, OpError> {
    serde_json::from_value(args).map_err(|error| OpError::Invalid(format!("{kind}: {error}")))
}

fn what(path: Option<String>, url: Option<String>) -> Result<What, OpError> {
    match (path, url) {
        (Some(path), None) => Ok(What::Path(path)),
        (None, Some(url)) => Ok(What::Url(url)),
        _ => Err(OpError::Invalid("give either `path` or `url`".into())),
    }
}

fn play(args: PlayArgs) -> Result<Play, OpError> {
    let fade_in = args.fade_in.map(|fade| fade.checked());
    let options = PlayOptions {
        gain: checked_gain(args.gain)?,
        start: Duration::from_millis(args.start_ms),
        paused: args.paused,
        lane: sound::lane(args.lane),
        fade_in: fade_in.transpose()?,
        repeat: sound::repeat(args.repeat),
        filters: sound::filters(args.filters)?,
    };
    Ok(Play {
        guild: args.guild_id,
        what: what(args.path, args.url)?,
        options,
    })
}

fn rest(args: Rest) -> Result<Call, OpError> {
    let Rest {
        method,
        path,
        body,
        files,
    } = args;
    if !mynah_engine::is_plain_path(&path) {
        return Err(OpError::Invalid(
            "rest: a path begins with `/` and has no `.`, `..`, `#`, `\\` or spaces".into(),
        ));
    }
    if !matches!(method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE") {
        return Err(OpError::Invalid(format!(
            "rest: `{method}` is not a method"
        )));
    }
    let files = files.into_iter().map(|file| {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(file.base64)
            .map_err(|error| OpError::Invalid(format!("rest: {}: {error}", file.name)))?;
        Ok(Attached {
            name: file.name,
            content_type: file.content_type,
            bytes,
        })
    });
    let files = files.collect::<Result<_, OpError>>()?;
    let body = (!body.is_null()).then_some(body);
    Ok(Call::Rest {
        method,
        path,
        body,
        files,
    })
}

#[derive(Deserialize)]
struct Rest {
    method: String,
    path: String,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    files: Vec<FileArg>,
}

#[derive(Deserialize)]
struct FileArg {
    name: String,
    #[serde(default = "octets")]
    content_type: String,
    base64: String,
}

fn octets() -> String {
    "application/octet-stream".into()
}

#[derive(Deserialize)]
struct Join {
    guild_id: GuildId,
    channel_id: ChannelId,
}

#[derive(Deserialize)]
struct PinArgs {
    guild_id: GuildId,
    channel_id: ChannelId,
    /// For people: a whole sentence.
    why: String,
}

#[derive(Deserialize)]
struct Leave {
    guild_id: GuildId,
}

#[derive(Deserialize)]
struct State {
    guild_id: GuildId,
    user_id: UserId,
}

#[derive(Deserialize)]
struct PlayArgs {
    guild_id: GuildId,
    path: Option<String>,
    url: Option<String>,
    #[serde(default = "unity")]
    gain: f32,
    #[serde(default)]
    start_ms: u64,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    lane: mynah_plugin::Lane,
    fade_in: Option<FadeArg>,
    #[serde(default)]
    repeat: bool,
    #[serde(default)]
    filters: mynah_plugin::Filters,
}

/// How a plugin's own source is played: what `voice.play` knows, but for what only files have.
/// And the track that it goes on with, if it takes one over.
pub(crate) fn source_options(
    guild: u64,
    options: &[u8],
) -> Result<(PlayOptions, Option<u64>), OpError> {
    let mut args: Value = match options {
        [] => Value::Object(serde_json::Map::new()),
        options => serde_json::from_slice(options)
            .map_err(|error| OpError::Invalid(format!("the options are not JSON: {error}")))?,
    };
    let Some(fields) = args.as_object_mut() else {
        return Err(OpError::Invalid("the options are no object".into()));
    };
    let taken = fields.remove("takes_over").and_then(|track| track.as_u64());
    fields.insert("guild_id".to_owned(), guild.to_string().into());
    fields.insert("path".to_owned(), "source".into());
    let options = play(read("mynah_audio.play", args)?)?.options;
    if options.repeat != mynah_engine::Repeat::Off || options.start != Duration::ZERO {
        return Err(OpError::Invalid(
            "a source plays once, and from its beginning".into(),
        ));
    }
    Ok((options, taken))
}

fn unity() -> f32 {
    1.0
}

#[derive(Deserialize)]
struct Track {
    track: u64,
}

#[derive(Deserialize)]
struct Stop {
    track: u64,
    fade: Option<FadeArg>,
}

#[derive(Deserialize)]
struct Next {
    track: u64,
    path: Option<String>,
    url: Option<String>,
    #[serde(default)]
    start_ms: u64,
}

#[derive(Deserialize)]
struct Repeat {
    track: u64,
    repeat: bool,
}

#[derive(Deserialize)]
struct Faded {
    track: u64,
    gain: f32,
    fade: FadeArg,
}

#[derive(Deserialize)]
struct Filters {
    track: u64,
    filters: mynah_plugin::Filters,
}

#[derive(Deserialize)]
struct Gain {
    track: u64,
    gain: f32,
}

#[derive(Deserialize)]
struct Probe {
    path: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct List {
    dir: String,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    after: String,
}

#[derive(Deserialize)]
struct Timer {
    ms: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
