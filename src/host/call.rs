//! Ops as types: `mynah.ops/1` kinds and their JSON arguments.

use crate::{OpError, grants::Grants};
use base64::Engine as _;
use mynah_wire::{ChannelId, GuildId, UserId};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

/// A gain beyond this is a mistake, not loudness (12 dB).
const MAX_GAIN: f32 = 4.0;
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
    /// Where a person and the bot are.
    State(GuildId, UserId),
    /// Play.
    Play {
        /// Where.
        guild: GuildId,
        /// What.
        what: What,
        /// 1.0 leaves it as it is.
        gain: f32,
        /// Where to begin.
        start: Duration,
        /// Begin paused.
        paused: bool,
    },
    /// Hold a track.
    Pause(u64),
    /// Let it go on.
    Resume(u64),
    /// End it.
    Stop(u64),
    /// Change its loudness.
    Gain(u64, f32),
    /// How far it is.
    Position(u64),
    /// Look into something without playing it.
    Probe(What),
    /// Every file in a folder.
    List(String),
    /// Wait.
    Timer(Duration),
}

impl Call {
    /// Done in memory: run in place, in the order the plugin asked.
    pub(crate) fn is_instant(&self) -> bool {
        matches!(
            self,
            Self::State(..)
                | Self::Pause(_)
                | Self::Resume(_)
                | Self::Stop(_)
                | Self::Gain(..)
                | Self::Position(_)
        )
    }

    /// Nothing outside the bot notices when it is given up half-way.
    pub(crate) fn can_be_dropped(&self) -> bool {
        matches!(self, Self::Probe(_) | Self::List(_) | Self::Timer(_))
    }

    /// The track it is about.
    pub(crate) fn track(&self) -> Option<u64> {
        match *self {
            Self::Pause(track)
            | Self::Resume(track)
            | Self::Stop(track)
            | Self::Gain(track, _)
            | Self::Position(track) => Some(track),
            _ => None,
        }
    }

    /// Refuses what the operator has not granted. Files are looked at later, off this thread.
    pub(crate) fn check(&self, grants: &Grants) -> Result<(), OpError> {
        match self {
            Self::Rest { path, .. } => grants.require(rest_capability(path)),
            Self::Join(..) | Self::Leave(_) | Self::State(..) => {
                grants.require_one_of(&["voice.speak", "voice.listen", "voice.opus"])
            }
            Self::Play { what, .. } => {
                grants.require("voice.speak")?;
                check_what(what, grants)
            }
            Self::Probe(what) => check_what(what, grants),
            Self::Pause(_)
            | Self::Resume(_)
            | Self::Stop(_)
            | Self::Gain(..)
            | Self::Position(_) => grants.require("voice.speak"),
            Self::List(_) | Self::Timer(_) => Ok(()),
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
            "voice.state" => {
                let State { guild_id, user_id } = read(kind, args)?;
                Ok(Self::State(guild_id, user_id))
            }
            "voice.play" => play(read(kind, args)?),
            "track.pause" => read(kind, args).map(|Track { track }| Self::Pause(track)),
            "track.resume" => read(kind, args).map(|Track { track }| Self::Resume(track)),
            "track.stop" => read(kind, args).map(|Track { track }| Self::Stop(track)),
            "track.position" => read(kind, args).map(|Track { track }| Self::Position(track)),
            "track.gain" => {
                let Gain { track, gain } = read(kind, args)?;
                Ok(Self::Gain(track, checked_gain(gain)?))
            }
            "media.probe" => {
                let Probe { path, url } = read(kind, args)?;
                what(path, url).map(Self::Probe)
            }
            "fs.list" => read(kind, args).map(|List { dir }| Self::List(dir)),
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

fn checked_gain(gain: f32) -> Result<f32, OpError> {
    if (0.0..=MAX_GAIN).contains(&gain) {
        return Ok(gain);
    }
    Err(OpError::Invalid(format!(
        "a gain is 0 to {MAX_GAIN}, not {gain}"
    )))
}

fn play(args: Play) -> Result<Call, OpError> {
    Ok(Call::Play {
        guild: args.guild_id,
        what: what(args.path, args.url)?,
        gain: checked_gain(args.gain)?,
        start: Duration::from_millis(args.start_ms),
        paused: args.paused,
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
struct Leave {
    guild_id: GuildId,
}

#[derive(Deserialize)]
struct State {
    guild_id: GuildId,
    user_id: UserId,
}

#[derive(Deserialize)]
struct Play {
    guild_id: GuildId,
    path: Option<String>,
    url: Option<String>,
    #[serde(default = "unity")]
    gain: f32,
    #[serde(default)]
    start_ms: u64,
    #[serde(default)]
    paused: bool,
}

fn unity() -> f32 {
    1.0
}

#[derive(Deserialize)]
struct Track {
    track: u64,
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
struct Timer {
    ms: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_op_is_unsupported_and_a_malformed_one_invalid() {
        assert!(matches!(
            Call::parse("voice.fly", b"{}"),
            Err(OpError::Unsupported(_))
        ));
        for (kind, args) in [
            ("voice.join", "{\"guild_id\":\"1\"}"),
            ("voice.play", "{\"guild_id\":\"1\"}"),
            (
                "voice.play",
                "{\"guild_id\":\"1\",\"path\":\"a\",\"url\":\"b\"}",
            ),
            ("track.gain", "{\"track\":1,\"gain\":5}"),
            ("track.gain", "{\"track\":1,\"gain\":-1}"),
            ("rest", "{\"method\":\"GET\",\"path\":\"/a/../b\"}"),
            ("rest", "{\"method\":\"GET\",\"path\":\"http://x\"}"),
            // Would be granted as a message and delete the channel.
            (
                "rest",
                "{\"method\":\"DELETE\",\"path\":\"/channels/1#/messages\"}",
            ),
            ("rest", "{\"method\":\"BREW\",\"path\":\"/coffee\"}"),
            ("timer", "nonsense"),
        ] {
            let call = Call::parse(kind, args.as_bytes());
            assert!(
                matches!(call, Err(OpError::Invalid(_))),
                "{kind} {args}: {call:?}"
            );
        }
    }

    #[test]
    fn ids_are_read_as_texts_and_numbers() {
        let expected = Call::Join(GuildId::new(1), ChannelId::new(2));
        for args in [
            "{\"guild_id\":\"1\",\"channel_id\":\"2\"}",
            "{\"guild_id\":1,\"channel_id\":2}",
        ] {
            assert_eq!(
                Call::parse("voice.join", args.as_bytes()).unwrap(),
                expected
            );
        }
    }

    #[test]
    fn every_rest_path_needs_the_capability_it_belongs_to() {
        assert_eq!(
            rest_capability("/interactions/1/token/callback"),
            "commands"
        );
        assert_eq!(
            rest_capability("/webhooks/1/token/messages/@original"),
            "commands"
        );
        assert_eq!(rest_capability("/channels/1/messages?limit=1"), "chat.send");
        assert_eq!(rest_capability("/channels/1"), "discord.rest");
        assert_eq!(rest_capability("/guilds/1/members/2"), "discord.rest");
    }

    #[test]
    fn files_travel_as_base64() {
        let args = br#"{"method":"POST","path":"/channels/1/messages",
                        "files":[{"name":"a.txt","base64":"aGk="}]}"#;
        let Call::Rest { files, .. } = Call::parse("rest", args).unwrap() else {
            unreachable!()
        };
        assert_eq!(files[0].bytes, b"hi");
        assert_eq!(files[0].content_type, "application/octet-stream");
    }
}
