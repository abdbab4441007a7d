//! Simulated users: people made of software, for the embedded server's rooms.
//!
//! Each is a real voice client: its own websocket, UDP socket, transport and end-to-end keys, Opus
//! encoder and decoders, driven by the same machine as the bot ([`mynah_session::voice`]). They speak what they
//! are given ([`Users::say`]) and hear what a person in their place would hear ([`Users::hear`]).
//! The embedded server does not know this crate; the binary joins the two, because server and client
//! must stay independent readings of the protocol.
//!
//! One tokio task per user ([`user`]): it owns the sockets, paces the speech and takes packets in.
//! Reading and encoding of what is said, and decoding of what was heard, happen on blocking threads.
//! Every buffer has a named limit.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod clock;
mod crowd;
mod error;
mod hear;
mod socket;
mod speech;
mod ticket;
mod types;
mod user;

pub use crowd::Users;
pub use error::Error;
pub use ticket::TicketOffice;
pub use types::{
    HearFormat, HearRequest, HearStats, Heard, KeyLosses, Privacy, SayReport, SayRequest, SayWhat,
    VoiceTicket,
};
