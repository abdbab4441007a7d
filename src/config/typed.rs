//! The settings as the rest of the program sees them.

use std::path::PathBuf;
use std::time::Duration;

use mynah_wire::{GuildId, RoleId, Secret, UserId};

use super::plugins::Plugin;

/// Everything `bot.toml` says.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of the file; empty when that is the current one.
    pub folder: PathBuf,
    /// `[discord]`
    pub discord: Discord,
    /// `[paths]`
    pub paths: Paths,
    /// `[log]`
    pub log: Log,
    /// `[net]`
    pub net: Net,
    /// `[voice]`
    pub voice: Voice,
    /// `[permissions]`, and `owners` of `[discord]`.
    pub permissions: Permissions,
    /// `[server]`
    pub server: Server,
    /// `[plugins.*]`, one for each plugin this program has.
    pub plugins: Vec<Plugin>,
}

/// `[discord]`
#[derive(Debug, Clone)]
pub struct Discord {
    /// Where the bot lives.
    pub api: Api,
    /// The bot token; always there unless the bot lives on the embedded server.
    pub token: Option<Secret>,
    /// An additional root certificate for the voice websocket, PEM.
    pub ca_file: Option<PathBuf>,
    /// Where slash commands are registered.
    pub command_scope: CommandScope,
    /// The guilds for [`CommandScope::Guild`].
    pub dev_guilds: Vec<GuildId>,
    /// Number of shards; `None` takes what Discord recommends.
    pub shards: Option<u32>,
    /// What the member list shows.
    pub status: Status,
}

/// Where the bot lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Api {
    /// On the server in this process.
    Embedded,
    /// On Discord.
    Discord,
    /// On another server: its REST base without a version, such as `http://127.0.0.1:8080/api`.
    Other(String),
}

/// Where slash commands are registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandScope {
    /// Everywhere.
    Global,
    /// In the development guilds only; changes show at once.
    Guild,
}

/// What the member list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The verb.
    pub kind: StatusKind,
    /// What follows it.
    pub text: String,
}

/// The verb of a status; the numbers are Discord's activity types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusKind {
    /// No activity.
    None,
    /// 0
    Playing,
    /// 2
    Listening,
    /// 3
    Watching,
    /// 4: the text alone.
    Custom,
    /// 5
    Competing,
}

impl Status {
    /// The presence to identify with (gateway.md, "Update Presence").
    pub fn presence(&self) -> serde_json::Value {
        let activity = |kind: u8| serde_json::json!([{ "name": self.text, "type": kind }]);
        let activities = match self.kind {
            StatusKind::None => serde_json::json!([]),
            StatusKind::Playing => activity(0),
            StatusKind::Listening => activity(2),
            StatusKind::Watching => activity(3),
            // A custom status shows `state`; `name` is required but not shown.
            StatusKind::Custom => {
                serde_json::json!([{ "name": "Custom Status", "type": 4, "state": self.text }])
            }
            StatusKind::Competing => activity(5),
        };
        serde_json::json!({ "since": null, "activities": activities, "status": "online", "afk": false })
    }
}

/// `[paths]`; all absolute or relative to the working directory.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The data folder.
    pub data: PathBuf,
    /// Folders with music.
    pub library: Vec<PathBuf>,
    /// Where downloads are kept while they play.
    pub cache: PathBuf,
}

/// `[log]`
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// Least severity shown.
    pub level: LogLevel,
    /// How it is written.
    pub format: LogFormat,
}

/// Least severity shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what looks wrong.
    Warn,
    /// And what happened.
    Info,
    /// And why.
    Debug,
    /// And every packet.
    Trace,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// `[net]`
#[derive(Debug, Clone)]
pub struct Net {
    /// Largest download in bytes.
    pub max_body_bytes: u64,
    /// How long a server may be silent.
    pub timeout: Duration,
    /// How often a download may be sent on.
    pub max_redirects: usize,
    /// Origins that are not public, where plugins may send requests all the same.
    pub private_origins: Vec<String>,
}

/// Who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// They may everything.
    pub owners: Owners,
    /// Roles that decide for all who listen.
    pub dj_roles: Vec<RoleId>,
    /// Roles that manage a plugin, by its id.
    pub manager_roles: Vec<(String, Vec<RoleId>)>,
    /// Not served at all.
    pub blocked_users: Vec<UserId>,
}

/// Who owns the bot; with nobody named, the owner of its application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// By id.
    pub ids: Vec<UserId>,
    /// And everybody in the application's team.
    pub team: bool,
}

/// `[voice]`
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// Fixed bitrate in bits per second; `None` takes the channel's.
    pub bitrate_bps: Option<u32>,
    /// Encoder complexity, 0 to 10.
    pub complexity: u8,
    /// How long a broken connection is tried again.
    pub reconnect_give_up: Duration,
    /// How long the bot stays where nobody else is; `None` for ever.
    pub idle_leave: Option<Duration>,
    /// Ask for real-time scheduling.
    pub realtime: bool,
    /// Number of tick threads, at least 1.
    pub threads: usize,
    /// End-to-end encryption.
    pub dave: bool,
    /// Accept withdrawn encryption modes.
    pub allow_legacy_modes: bool,
    /// `[voice.mix]`
    pub mix: Mix,
}

/// `[voice.mix]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// How far music goes down for speech, dB, 0 or less.
    pub duck_speech_db: f32,
    /// How far music goes down for effects, dB, 0 or less.
    pub duck_fx_db: f32,
    /// How music and effects go down for people who talk.
    pub human: HumanTalk,
}

/// `duck_on_human_talk` of `[voice.mix]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HumanTalk {
    /// Whether they do.
    pub enabled: bool,
    /// How far, dB, 0 or less.
    pub db: f32,
    /// How long the way down takes.
    pub attack: Duration,
    /// How long the way back takes.
    pub release: Duration,
}

/// `[server]`
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// Port of REST, gateway and control API; 0 takes a free one.
    pub http_port: u16,
    /// Port of the voice websocket; 0 takes a free one.
    pub voice_port: u16,
    /// Decides the ids of the default guild, its channels and its bot.
    pub seed: u64,
    /// Offer withdrawn encryption modes.
    pub legacy_modes: bool,
}
