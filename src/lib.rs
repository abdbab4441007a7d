//! Mynah, a self-hosted Discord voice bot, as a library: the facade of the house.
//!
//! `src/main.rs` is this crate's [`cli::main`]. Programs that embed a bot use the rooms through the
//! names here: [`engine::Bot`] is the bot without plugins, [`server::Server`] the Discord-compatible
//! server, [`CrowdOfUsers`] its simulated people, [`media`] and [`audio`] the signal path, [`plugin`] what plugins are written against.
//!
//! The plan of the house is `src/README.md`.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod cli;
pub mod config;

pub use cli::CrowdOfUsers;

pub use mynah_audio as audio;
pub use mynah_engine as engine;
pub use mynah_host as host;
pub use mynah_media as media;
pub use mynah_plugin as plugin;
pub use mynah_server as server;
pub use mynah_users as users;
pub use mynah_wire as wire;
