//! The TTS bridge: what people write is spoken in their voice channel.
//!
//! ```text
//! /say, a message ─► text ─► queue ─► sentences ─► studio (threads) ─► engines ─► the speech lane
//! ```
//! [`text`], [`sentences`], [`queue`] and [`voices`] are pure: words in, words out, times as
//! arguments. [`store`] keeps settings in SQLite and never a message. [`engines`] turn words into
//! sound, in processes of their own. `plugin` puts it on the plugin SDK.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::print_stderr
    )
)]

pub mod cache;
pub mod engines;
mod plugin;
pub mod queue;
pub mod rules;
pub mod sentences;
pub mod store;
pub mod studio;
pub mod take;
pub mod text;
pub mod voices;

pub use plugin::{Config, ENGINES, KEYS, Keep, Key, Tts, commands};

mynah_plugin::export!(Tts);
