//! An embedded, Discord-compatible server: gateway, REST, voice, and a control API that acts as
//! people would.
//!
//! Read in this order: `store` is what exists, `realm` the rules, `gateway` and `rest` the two ways
//! in for bots, `control` the one for tests and people, [`voice`] the media. `http` and
//! `server` are the tokio shell around them; everything else neither waits nor reads a clock.
//!
//! This room never links the client's protocol machines (`mynah-session`): server and client are
//! two independent readings of the protocol, so that one misreading cannot agree with itself.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod clock;
mod config;
mod control;
pub mod crowd;
mod error;
mod gateway;
mod http;
pub mod indoors;
mod objects;
mod realm;
mod rest;
mod server;
mod store;
#[cfg(test)]
mod tests;
pub mod voice;
mod voice_link;

pub use clock::Clock;
pub use config::{BotSpec, Limits, ReadyBot, ReadyFile, ServerConfig};
pub use crowd::{
    BoxFuture, Crowd, HearFormat, HearRequest, HearStats, Heard, KeyLosses, SayReport, SayRequest,
    SayWhat, UserDave, VoiceTicket,
};
pub use error::ServerError;
pub use server::Server;
pub use store::permissions;
