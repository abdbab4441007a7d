//! Bytes to types and back: the vocabulary that client and server share.
//!
//! This room knows how Discord's gateway, voice gateway, RTP and UDP control packets look on the
//! wire. It does no I/O, reads no clock and holds no key. Client (`mynah-session`) and embedded
//! server (`mynah-server`) are two independent readings of the protocol; this crate is the only
//! thing they have in common, so it contains shapes and tables, never behaviour over time.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod dave;
pub mod gateway;
pub mod ids;
pub mod intents;
pub mod mode;
pub mod rng;
pub mod rtcp;
pub mod rtp;
pub mod secret;
pub mod udp;
pub mod voice;

pub use ids::{
    ApplicationId, AttachmentId, ChannelId, CommandId, GuildId, InteractionId, MessageId, RoleId,
    Ssrc, UserId,
};
pub use mode::EncryptionMode;
pub use secret::Secret;

/// The three bytes of an Opus frame that carry 20 ms of silence (`F8 FF FE`), sent five times at
/// the end of every talkspurt (Discord docs, "Voice Data Interpolation"; voice.md section 4).
pub const OPUS_SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];
