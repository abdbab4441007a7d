//! How to start the server, and what it tells about itself.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use mynah_wire::{ApplicationId, ChannelId, GuildId, Secret, UserId};
use serde::Serialize;

use crate::voice::DavePolicy;

/// Everything the embedded server needs to know.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address of both listeners. Anything but loopback needs `control_token`.
    pub bind: IpAddr,
    /// REST, gateway and control port; 0 takes a free one.
    pub http_port: u16,
    /// Voice websocket port; 0 takes a free one.
    pub voice_port: u16,
    /// Speak TLS on the HTTP port too, with the certificate of the voice server: for clients that
    /// insist on `https://` and `wss://` everywhere.
    pub tls: bool,
    /// Decides the ids of the default guild, its channels and its bot.
    pub seed: u64,
    /// Offer the historical encryption modes too.
    pub legacy_modes: bool,
    /// Where the voice certificate authority is kept.
    pub data_dir: PathBuf,
    /// The bot of the default guild; `None` takes one called `mynah`.
    pub bot: Option<BotSpec>,
    /// Must accompany control requests as `Authorization: Bearer …` when set.
    pub control_token: Option<Secret>,
    /// End-to-end encryption of voice channels that do not say anything themselves.
    pub dave: DavePolicy,
    /// Which of Discord's limits are enforced.
    pub limits: Limits,
}

impl ServerConfig {
    /// Loopback, free ports, seed 0, [`DavePolicy::SHIPPED`], everything enforced.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            http_port: 0,
            voice_port: 0,
            tls: false,
            seed: 0,
            legacy_modes: false,
            data_dir: data_dir.into(),
            bot: None,
            control_token: None,
            dave: DavePolicy::SHIPPED,
            limits: Limits::default(),
        }
    }
}

/// The first bot.
#[derive(Clone, Debug)]
pub struct BotSpec {
    /// User name.
    pub name: String,
    /// Token it logs in with; `None` makes one.
    pub token: Option<Secret>,
    /// Permission bits of its role; `None` takes
    /// [`BOT_DEFAULT`](crate::permissions::BOT_DEFAULT).
    pub permissions: Option<u64>,
}

impl Default for BotSpec {
    fn default() -> Self {
        Self {
            name: "mynah".to_owned(),
            token: None,
            permissions: None,
        }
    }
}

/// Switches for Discord's limits. All on by default: a bot that lives with them here lives with
/// them there.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// REST buckets and the global 50 requests a second (rest.md section 2).
    pub rest: bool,
    /// 120 gateway payloads in 60 s (gateway.md section 7).
    pub gateway_sends: bool,
    /// One Identify per key in 5 s (gateway.md section 5).
    pub identify: bool,
    /// Identifies allowed per 5 s, told by `/gateway/bot` (gateway.md section 8).
    pub max_concurrency: u32,
    /// Milliseconds between two heartbeats asked for in Hello (gateway.md section 4).
    pub heartbeat_interval_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rest: true,
            gateway_sends: true,
            identify: true,
            max_concurrency: 1,
            heartbeat_interval_ms: 41_250,
        }
    }
}

/// Where everything is: the ready file of interfaces.md section 1.
#[derive(Clone, Debug, Serialize)]
pub struct ReadyFile {
    /// Process id.
    pub pid: u32,
    /// REST base without version.
    pub api: String,
    /// Gateway websocket.
    pub gateway: String,
    /// `host:port` of the voice websocket.
    pub voice_endpoint: String,
    /// Certificate authority to trust for voice.
    pub ca_file: PathBuf,
    /// Control API base.
    pub control: String,
    /// Bots that exist.
    pub bots: Vec<ReadyBot>,
    /// The default guild.
    pub guild_id: GuildId,
    /// Its text channel.
    pub text_channel_id: ChannelId,
    /// Its voice channels.
    pub voice_channel_ids: Vec<ChannelId>,
    /// Its stage channel.
    pub stage_channel_id: ChannelId,
}

/// One bot of the ready file. `Debug` shows no token; serialising does, on purpose: the file is how
/// a test learns it.
#[derive(Clone, Debug, Serialize)]
pub struct ReadyBot {
    /// User name.
    pub name: String,
    /// Login token.
    #[serde(serialize_with = "expose")]
    pub token: Secret,
    /// Application id.
    pub application_id: ApplicationId,
    /// User id.
    pub user_id: UserId,
}

fn expose<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}
