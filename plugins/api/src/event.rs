//! What happens, as a plugin sees it.

use crate::{ChannelId, Error, GuildId, Host, Interaction, Result, Tier, Track, UserId, abi};
use serde::{Deserialize, de::DeserializeOwned};

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A person used one of the plugin's commands, buttons, menus or dialogs, or is typing one of
    /// its options. Must be answered within three seconds (`reply`, `defer`, `choices`, …).
    Interaction(Interaction),
    /// A track this plugin plays started, ended, …
    Track(TrackEvent),
    /// The bot's voice session in a guild changed.
    Voice(VoiceEvent),
    /// The plugin was too slow and missed this many events.
    Lost(u64),
    /// A gateway event named in `About::events`.
    Discord(Dispatch<'a>),
    /// An event of the bot that this SDK does not know.
    Host(Dispatch<'a>),
}

/// An event with its JSON untouched.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<'a> {
    name: &'a str,
    json: &'a [u8],
    guild_id: Option<GuildId>,
    at_us: u64,
}

impl<'a> Dispatch<'a> {
    /// For instance `VOICE_STATE_UPDATE`.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The guild it concerns, if any.
    #[must_use]
    pub fn guild_id(&self) -> Option<GuildId> {
        self.guild_id
    }

    /// When it arrived, on the clock of [`Host::now_us`].
    #[must_use]
    pub fn at_us(&self) -> u64 {
        self.at_us
    }

    /// The bytes as they came.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.json
    }

    /// Reads the part of the data the plugin needs.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the JSON has another form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(self.json)?)
    }
}

/// A track of this plugin changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackEvent {
    /// Where it plays.
    pub guild_id: GuildId,
    /// Which.
    pub track: Track,
    /// What.
    pub kind: TrackKind,
}

/// What became of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrackKind {
    /// The first sound went out.
    Started,
    /// It played to its end.
    Ended,
    /// It was stopped.
    Stopped,
    /// The source is too slow: silence until it catches up.
    Stalled,
    /// The source caught up.
    Recovered,
    /// It can not go on.
    Failed(String),
    /// Something newer than this SDK.
    Other(String),
}

/// The bot's voice session in a guild changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceEvent {
    /// Where.
    pub guild_id: GuildId,
    /// What.
    pub kind: VoiceKind,
}

/// What became of a voice session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VoiceKind {
    /// Sound can flow.
    Connected(ChannelId),
    /// Somebody moved the bot.
    Moved(ChannelId),
    /// The connection is interrupted; it is being resumed.
    Lost,
    /// And it is back.
    Resumed,
    /// The session is over.
    Ended(String),
    /// Somebody says that they begin (`true`) or cease to send sound. Clients say so when they feel like it:
    /// what is heard tells more. Told while anybody listens, to plugins that may.
    Speaking(UserId, bool),
    /// A new epoch of the end-to-end encryption. Told while anybody listens, to plugins that may.
    Epoch {
        /// The protocol's version.
        version: u16,
        /// Its number.
        epoch: u64,
    },
    /// Something newer than this SDK.
    Other(String),
}

#[derive(Deserialize)]
struct TrackJson {
    guild_id: GuildId,
    track: Track,
    kind: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct VoiceJson {
    guild_id: GuildId,
    kind: String,
    channel_id: Option<ChannelId>,
    #[serde(default)]
    reason: String,
    user_id: Option<UserId>,
    #[serde(default)]
    speaks: bool,
    #[serde(default)]
    version: u16,
    #[serde(default)]
    epoch: u64,
}

#[derive(Deserialize)]
struct LostJson {
    n: u64,
}

impl<'a> Event<'a> {
    /// # Safety
    /// `event` and what it points to stay readable and unchanged for `'a`.
    pub(crate) unsafe fn read(event: &'a abi::Event, host: &Host) -> Result<Self> {
        // SAFETY: promised by the caller.
        let (name, json) = unsafe { (event.name.read(), event.json.read()) };
        let name = name.ok_or_else(|| Error::invalid("an event's name is not UTF-8"))?;
        let guild_id = (event.session != 0).then(|| GuildId::new(event.session));
        let dispatch = Dispatch {
            name,
            json,
            guild_id,
            at_us: event.at_us,
        };
        match (event.kind, name) {
            (abi::EVENT_DISCORD, "INTERACTION_CREATE") => {
                let tier = Tier::from_abi(event.tier);
                Interaction::parse(json, tier, host.clone()).map(Self::Interaction)
            }
            (abi::EVENT_DISCORD, _) => Ok(Self::Discord(dispatch)),
            (_, "mynah.track") => Ok(Self::Track(track(dispatch.json()?))),
            (_, "mynah.voice") => Ok(Self::Voice(voice(dispatch.json()?))),
            (_, "mynah.lost") => dispatch.json().map(|LostJson { n }| Self::Lost(n)),
            _ => Ok(Self::Host(dispatch)),
        }
    }
}

fn track(json: TrackJson) -> TrackEvent {
    let TrackJson {
        guild_id,
        track,
        kind,
        reason,
    } = json;
    let kind = match kind.as_str() {
        "started" => TrackKind::Started,
        "ended" => TrackKind::Ended,
        "stopped" => TrackKind::Stopped,
        "stalled" => TrackKind::Stalled,
        "recovered" => TrackKind::Recovered,
        "failed" => TrackKind::Failed(reason),
        _ => TrackKind::Other(kind),
    };
    TrackEvent {
        guild_id,
        track,
        kind,
    }
}

fn voice(json: VoiceJson) -> VoiceEvent {
    let kind = match (json.kind.as_str(), json.channel_id, json.user_id) {
        ("connected", Some(channel), _) => VoiceKind::Connected(channel),
        ("moved", Some(channel), _) => VoiceKind::Moved(channel),
        ("lost", ..) => VoiceKind::Lost,
        ("resumed", ..) => VoiceKind::Resumed,
        ("ended", ..) => VoiceKind::Ended(json.reason),
        ("speaking", _, Some(user)) => VoiceKind::Speaking(user, json.speaks),
        ("epoch", ..) => VoiceKind::Epoch {
            version: json.version,
            epoch: json.epoch,
        },
        _ => VoiceKind::Other(json.kind),
    };
    VoiceEvent {
        guild_id: json.guild_id,
        kind,
    }
}
