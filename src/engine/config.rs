//! What the embedding program decides about a bot.

use std::path::PathBuf;
use std::time::Duration;

use mynah_wire::Secret;
use serde_json::Value;

use crate::{DuckMatrix, Resolvers};

/// Encoder bitrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bitrate {
    /// The voice channel's own bitrate (64 to 384 kbit/s by boost tier; rest.md section 9).
    Auto,
    /// A fixed number of bits per second, 8,000 to 510,000.
    Fixed(u32),
}

/// Everything [`crate::Bot::start`] needs.
#[derive(Clone, Debug)]
pub struct BotConfig {
    /// Bot token, without the `Bot ` prefix.
    pub token: Secret,
    /// REST base without version: `https://discord.com/api` or `http://127.0.0.1:PORT/api`.
    pub api_base: String,
    /// An additional root certificate (PEM) for the voice websocket; the embedded server's CA.
    pub ca_pem: Option<Vec<u8>>,
    /// Gateway intents, the union of what the plugins need.
    pub intents: u64,
    /// Number of shards; `None` takes what Discord recommends.
    pub shards: Option<u32>,
    /// Whether discontinued encryption modes may be chosen when nothing better is offered.
    pub allow_legacy_modes: bool,
    /// End-to-end encryption (DAVE). Discord has refused bots without it since March 2026; only for
    /// servers of one's own.
    pub dave: bool,
    /// Encoder bitrate.
    pub bitrate: Bitrate,
    /// Encoder complexity, 0 to 10.
    pub complexity: u8,
    /// Which lane turns which down in every new voice session.
    pub duck: DuckMatrix,
    /// The loudness every track is brought to, LUFS (EBU R128); `None` leaves them as they are.
    pub loudness_lufs: Option<f32>,
    /// Ask for real-time scheduling of the tick threads.
    pub fifo: bool,
    /// Number of tick threads, at least 1.
    pub tick_threads: usize,
    /// Presence to identify with.
    pub presence: Option<Value>,
    /// How long a voice session is tried again before it is given up.
    pub reconnect_give_up: Duration,
    /// Where downloads are kept while they play.
    pub cache_dir: PathBuf,
    /// Largest download in bytes.
    pub max_fetch_bytes: u64,
    /// How long a server that is fetched from may be silent.
    pub fetch_timeout: Duration,
    /// How many redirects one request may be sent through.
    pub fetch_redirects: usize,
    /// Origins (`http://127.0.0.1:PORT`) that may be fetched from although they are not public.
    pub fetch_origins: Vec<String>,
    /// Origins that plugins may send requests to although they are not public; nothing is played from
    /// there.
    pub request_origins: Vec<String>,
    /// Who else finds sounds, in this order, before files and web addresses as they are.
    pub resolvers: Resolvers,
    /// Seed of all jitter; `None` takes one from the clock.
    pub seed: Option<u64>,
}

impl BotConfig {
    /// A configuration with the defaults of the shipped bot.toml.
    pub fn new(token: Secret, api_base: impl Into<String>) -> Self {
        Self {
            token,
            api_base: api_base.into(),
            ca_pem: None,
            intents: mynah_wire::intents::GUILDS | mynah_wire::intents::GUILD_VOICE_STATES,
            shards: None,
            allow_legacy_modes: false,
            dave: true,
            bitrate: Bitrate::Auto,
            complexity: 10,
            duck: DuckMatrix::HOUSE,
            loudness_lufs: None,
            fifo: true,
            tick_threads: 1,
            presence: None,
            reconnect_give_up: Duration::from_secs(600),
            cache_dir: std::env::temp_dir().join("mynah-cache"),
            max_fetch_bytes: 256 << 20,
            fetch_timeout: Duration::from_secs(15),
            fetch_redirects: 4,
            fetch_origins: Vec::new(),
            request_origins: Vec::new(),
            resolvers: Resolvers::default(),
            seed: None,
        }
    }
}
