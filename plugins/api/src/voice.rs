//! Voice and files: typed ops.

use crate::{Call, ChannelId, Fade, Filters, GuildId, Host, Lane, Track, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Voice ops; needs `voice.speak` (or, to join without playing, `voice.listen`).
#[derive(Clone, Debug)]
pub struct Voice {
    host: Host,
}

/// What to play: a description, so that no sample crosses the plugin line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playable {
    /// A file; needs `fs.read:DIR` for a folder above it.
    Path(String),
    /// An address; needs `net.http:HOST`.
    Url(String),
}

impl Playable {
    pub(crate) fn put(self, mut args: Value) -> Value {
        let (key, what) = match self {
            Self::Path(path) => ("path", path),
            Self::Url(url) => ("url", url),
        };
        if let Some(args) = args.as_object_mut() {
            args.insert(key.into(), what.into());
        }
        args
    }
}

/// How to play it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayOptions {
    /// 1.0 leaves the sound as it is.
    pub gain: f32,
    /// Where to begin.
    pub start: Duration,
    /// Begin paused.
    pub paused: bool,
    /// Which lane it is heard on. Lanes but the bed need a grant of their own, see [`Lane`].
    pub lane: Lane,
    /// Rise from silence at the start.
    pub fade_in: Option<Fade>,
    /// Again and again, without a seam, until [`Voice::repeat`] ends that.
    pub repeat: bool,
    /// Its effects.
    pub filters: Filters,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            gain: 1.0,
            start: Duration::ZERO,
            paused: false,
            lane: Lane::Bed,
            fade_in: None,
            repeat: false,
            filters: Filters::default(),
        }
    }
}

impl PlayOptions {
    pub(crate) fn to_json(&self) -> Value {
        let mut args = json!({
            "gain": self.gain, "start_ms": ms(self.start), "paused": self.paused,
        });
        // What is left out is as it always was: an older host reads no more than it knows.
        if self.lane != Lane::Bed {
            put(&mut args, "lane", json!(self.lane));
        }
        if let Some(fade) = self.fade_in {
            put(&mut args, "fade_in", fade.to_json());
        }
        if self.repeat {
            put(&mut args, "repeat", json!(true));
        }
        if self.filters != Filters::default() {
            put(&mut args, "filters", json!(self.filters));
        }
        args
    }
}

/// Who is where.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct VoiceState {
    /// The channel the person is in.
    pub channel_id: Option<ChannelId>,
    /// The channel the bot is in.
    pub bot_channel_id: Option<ChannelId>,
}

/// What a file or address contains.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MediaInfo {
    /// From the tags.
    pub title: Option<String>,
    /// From the tags.
    pub artist: Option<String>,
    /// From the tags.
    pub album: Option<String>,
    /// Milliseconds; `None` for streams and files that do not say.
    pub duration_ms: Option<u64>,
    /// For instance `mp3`.
    #[serde(default)]
    pub codec: String,
    /// Before it is resampled.
    #[serde(default)]
    pub sample_rate_hz: u32,
    /// Before they are mixed to two.
    #[serde(default)]
    pub channels: u16,
}

impl MediaInfo {
    /// How long it plays, if known.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration_ms.map(Duration::from_millis)
    }
}

impl Voice {
    pub(crate) fn new(host: Host) -> Self {
        Self { host }
    }

    /// Joins, or moves to, a voice channel; done when sound can flow.
    pub fn join(&self, guild: GuildId, channel: ChannelId) -> Call<()> {
        self.host
            .op(
                "voice.join",
                json!({ "guild_id": guild, "channel_id": channel }),
            )
            .unit()
    }

    /// Leaves; tracks end.
    pub fn leave(&self, guild: GuildId) -> Call<()> {
        self.host
            .op("voice.leave", json!({ "guild_id": guild }))
            .unit()
    }

    /// Where a person and the bot are.
    pub fn state(&self, guild: GuildId, user: UserId) -> Call<VoiceState> {
        self.host
            .op("voice.state", json!({ "guild_id": guild, "user_id": user }))
            .read()
    }

    /// Who is in a voice channel, the bot included, as the gateway tells it.
    pub fn people(&self, guild: GuildId, channel: ChannelId) -> Call<Vec<UserId>> {
        #[derive(Deserialize)]
        struct People {
            user_ids: Vec<UserId>,
        }
        Call {
            op: self.host.op(
                "voice.people",
                json!({ "guild_id": guild, "channel_id": channel }),
            ),
            read: |body| Ok(serde_json::from_value::<People>(body)?.user_ids),
        }
    }

    /// Keeps the bot in a channel: until [`Voice::unpin`], or this plugin's end, no other plugin moves it
    /// or makes it leave. They are refused with `why`, a sentence for people; moderators still move it.
    /// A second pin of this plugin replaces the first.
    pub fn pin(&self, guild: GuildId, channel: ChannelId, why: &str) -> Call<()> {
        let args = json!({ "guild_id": guild, "channel_id": channel, "why": why });
        self.host.op("voice.pin", args).unit()
    }

    /// Takes [`Voice::pin`] back.
    pub fn unpin(&self, guild: GuildId) -> Call<()> {
        self.host
            .op("voice.unpin", json!({ "guild_id": guild }))
            .unit()
    }

    /// Who is in a voice channel beside this bot.
    pub fn others(&self, guild: GuildId, channel: ChannelId) -> Call<Vec<UserId>> {
        #[derive(Deserialize)]
        struct People {
            user_ids: Vec<UserId>,
            bot_id: Option<UserId>,
        }
        Call {
            op: self.host.op(
                "voice.people",
                json!({ "guild_id": guild, "channel_id": channel }),
            ),
            read: |body| {
                let People { user_ids, bot_id } = serde_json::from_value(body)?;
                let others = user_ids.into_iter().filter(|user| Some(*user) != bot_id);
                Ok(others.collect())
            },
        }
    }

    /// Plays beside whatever plays already; done when the file was opened and the track exists.
    pub fn play(&self, guild: GuildId, what: Playable, options: PlayOptions) -> Call<Track> {
        let mut args = options.to_json();
        put(&mut args, "guild_id", json!(guild));
        self.played("voice.play", what.put(args))
    }

    /// Plays something when `after` ends, without a gap: its first sample follows the last one of
    /// `after`, whose lane, gain, effects and pause it has. It is opened at once; another call takes
    /// the place of what was to come before.
    ///
    /// Fails as [`Error::Closed`](crate::Error::Closed) when `after` has been read to its end, which
    /// is up to 320 ms before it is heard: then play it by itself.
    pub fn play_next(&self, after: Track, what: Playable, start: Duration) -> Call<Track> {
        let args = what.put(json!({ "track": after, "start_ms": ms(start) }));
        self.played("track.next", args)
    }

    /// Takes back a [`Voice::play_next`]: the track ends as stopped before it is heard.
    ///
    /// Fails as [`Error::Closed`](crate::Error::Closed) when it has begun, or is about to and is
    /// read already: then it begins, and [`Voice::stop`] ends it.
    pub fn cancel_next(&self, next: Track) -> Call<()> {
        self.host
            .op("track.cancel", json!({ "track": next }))
            .unit()
    }

    fn played(&self, kind: &'static str, args: Value) -> Call<Track> {
        #[derive(Deserialize)]
        struct Played {
            track: Track,
        }
        Call {
            op: self.host.op(kind, args),
            read: |body| Ok(serde_json::from_value::<Played>(body)?.track),
        }
    }

    /// Holds a track where it is.
    pub fn pause(&self, track: Track) -> Call<()> {
        self.host
            .op("track.pause", json!({ "track": track }))
            .unit()
    }

    /// Lets it go on.
    pub fn resume(&self, track: Track) -> Call<()> {
        self.host
            .op("track.resume", json!({ "track": track }))
            .unit()
    }

    /// Ends it.
    pub fn stop(&self, track: Track) -> Call<()> {
        self.host.op("track.stop", json!({ "track": track })).unit()
    }

    /// Lets it fade away, then ends it. With another's `fade_in` this is a crossfade.
    pub fn stop_with(&self, track: Track, fade: Fade) -> Call<()> {
        let args = json!({ "track": track, "fade": fade.to_json() });
        self.host.op("track.stop", args).unit()
    }

    /// Plays it again and again from here on, or no longer.
    pub fn repeat(&self, track: Track, forever: bool) -> Call<()> {
        self.host
            .op("track.repeat", json!({ "track": track, "repeat": forever }))
            .unit()
    }

    /// Changes its effects while it plays, without a click and from where it is.
    pub fn filters(&self, track: Track, filters: &Filters) -> Call<()> {
        self.host
            .op(
                "track.filters",
                json!({ "track": track, "filters": filters }),
            )
            .unit()
    }

    /// Walks its loudness to another one.
    pub fn fade(&self, track: Track, gain: f32, fade: Fade) -> Call<()> {
        let args = json!({ "track": track, "gain": gain, "fade": fade.to_json() });
        self.host.op("track.fade", args).unit()
    }

    /// Changes its loudness without a click; 1.0 leaves the sound as it is.
    pub fn gain(&self, track: Track, gain: f32) -> Call<()> {
        self.host
            .op("track.gain", json!({ "track": track, "gain": gain }))
            .unit()
    }

    /// How far it has played; `None` when it is over.
    pub fn position(&self, track: Track) -> Call<Option<Duration>> {
        #[derive(Deserialize)]
        struct At {
            position_ms: Option<u64>,
        }
        Call {
            op: self.host.op("track.position", json!({ "track": track })),
            read: |body| {
                Ok(serde_json::from_value::<At>(body)?
                    .position_ms
                    .map(Duration::from_millis))
            },
        }
    }

    /// Opens something without playing it: tags, length, and whether it can be played at all.
    pub fn probe(&self, what: Playable) -> Call<MediaInfo> {
        self.host.op("media.probe", what.put(json!({}))).read()
    }
}

fn put(args: &mut Value, key: &str, value: Value) {
    if let Some(args) = args.as_object_mut() {
        args.insert(key.to_owned(), value);
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Files in granted folders.
#[derive(Clone, Debug)]
pub struct Files {
    host: Host,
}

/// What a folder contains.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Listing {
    /// Files, sorted by path.
    pub files: Vec<File>,
    /// There were more than the host lists.
    #[serde(default)]
    pub truncated: bool,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct File {
    /// What [`Playable::Path`] takes.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// Seconds since 1970 of the last change, 0 if unknown.
    #[serde(default)]
    pub modified_s: u64,
}

impl Files {
    pub(crate) fn new(host: Host) -> Self {
        Self { host }
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Every file in a folder and the folders inside it; needs `fs.read:DIR`. Hidden files are left
    /// out, links are not followed out of the folder.
    pub fn list(&self, dir: impl Into<String>) -> Call<Listing> {
        self.host.op("fs.list", json!({ "dir": dir.into() })).read()
    }
}
