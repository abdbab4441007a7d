//! The bot without plugins: everything that needs tokio.
//!
//! This room keeps the gateway shard, the voice sessions and REST going by driving the sans-IO
//! machines of `mynah-session`, decodes music on media threads ahead of time, and hands sound to the
//! tick threads of `mynah-pulse`. It knows no plugin: it offers one handle, [`Bot`], and one stream
//! of [`Event`]s. `mynah-host` turns those into the plugin interface.
//!
//! Threads (architecture.md B5): tokio workers run the shells in [`shard`] and [`voice`]; `media-k`
//! threads run [`pool`]; `crypto-k` threads run [`crypto`]; nothing here ever runs on a tick thread.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod bench;
mod bot;
mod broadcasts;
pub mod by_hand;
mod cache;
mod clock;
mod config;
mod connect;
mod crypto;
mod decode;
mod error;
mod event;
mod fetch;
mod fill;
mod ingest;
mod lanes;
mod live;
mod loudness;
mod past;
mod pool;
mod pump;
mod reel;
mod resolve;
mod rest;
mod router;
mod shard;
mod standing;
mod status;
mod tracks;
mod turns;
mod voice;
mod when;
mod ws;

pub use bot::{Bot, Listening, Want};
pub(crate) use broadcasts::Audience;
pub use broadcasts::{Alone, BroadcastId, BroadcastOptions};
pub use config::{Bitrate, BotConfig};
pub use connect::tls as tls_config;
pub use error::{PlayError, RestError, StartError, VoiceError};
pub use event::{Event, EventStream, TrackEvent, VoiceEvent};
pub use fetch::{FetchError, WebAnswer, WebRequest};
pub use ingest::{IngestError, IngestHow, Made};
pub use live::{LIVE_BLOCKS, Live, LiveWriter, live};
pub use mynah_audio::filters::{self, FilterSpec};
pub use mynah_audio::{Curve, DuckMatrix, Fade, Lane};
/// What is heard, and its threads.
pub use mynah_ear as ear;
pub use mynah_media::Info;
pub use mynah_pulse::Stats as TickStats;
pub use mynah_session::gateway::StopReason;
pub use reel::Repeat;
pub use resolve::{Query, ResolveError, Resolved, Resolver, Resolvers, Target};
pub use rest::{File, is_plain_path};
pub use standing::{Because, Denied};
pub use status::VoiceStatus;
pub use tracks::{PlayOptions, PlayWhat, TrackId};
