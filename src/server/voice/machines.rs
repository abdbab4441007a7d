//! The voice gateway's machines for worlds in virtual time: tests outside of this room that put
//! real clients to a real hub without a socket between them.
//!
//! Hidden because it is no interface of the server: it may change with any commit.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use mynah_server::voice::machines::{
//!     ConnectionId, DavePolicy, GatewaySigner, Grant, Hub, HubOutput, Input, Link, Output, Peer,
//! };
//! use mynah_wire::{ChannelId, EncryptionMode, GuildId, UserId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Instant::now(); // a world moves this by hand
//! // One hub. The seed of the signer decides the external sender; the other seed only ssrcs.
//! let signer = Arc::new(GatewaySigner::new(&[7; 32])?);
//! let mut hub = Hub::new(EncryptionMode::CURRENT.to_vec(), 50_004, 1, signer);
//!
//! // What the main gateway does on op 4: the credentials, and the channel with its policy.
//! hub.grant(now, Grant {
//!     guild_id: GuildId::new(1),
//!     channel_id: ChannelId::new(10),
//!     user_id: UserId::new(5),
//!     session_id: "session".to_owned(),
//!     token: "token".into(),
//!     dave: DavePolicy::Required,
//! });
//!
//! // One peer for each websocket; its version decides the framing.
//! let link = Link { id: ConnectionId(1), version: 8, media_ip: Ipv4Addr::LOCALHOST };
//! let mut peer = Peer::new(now, Some(link.version));
//! // A frame of the client: Input::Text, Input::Binary, or Input::Closed(code).
//! peer.handle(now, Input::Text(r#"{"op":0,"d":{"server_id":"1","user_id":"5",
//!     "session_id":"session","token":"token","max_dave_protocol_version":1}}"#));
//!
//! // Then carry messages until everybody waits. Every peer:
//! let mut frames = Vec::new();
//! loop {
//!     match peer.poll() {
//!         Output::Send(frame) => frames.push(frame), // to the client: Frame::Text or ::Binary
//!         Output::Close(_code) => {}                 // to the client; nothing follows
//!         Output::Ask(ask) => {
//!             // The last argument is the transport key of an op 4: random in a server.
//!             if let Some(verdict) = hub.answer(now, link, ask, [9; 32]) {
//!                 peer.handle(now, Input::Verdict(verdict));
//!             }
//!         }
//!         Output::Wait(_deadline) => break, // Input::Tick when it passes
//!     }
//! }
//! // … and the hub, whose outputs may wake peers again:
//! loop {
//!     match hub.poll() {
//!         HubOutput::Table(_table) => {} // who is where, with which ssrc and transport key
//!         HubOutput::Tell(_to, message) => peer.handle(now, Input::Tell(message)),
//!         HubOutput::Close(_to, code) => peer.handle(now, Input::Close(code)),
//!         HubOutput::Hang(_to, hangs) => peer.handle(now, Input::Hang(hangs)),
//!         HubOutput::Wait(_deadline) => break, // hub.tick(now) when it passes
//!     }
//! }
//! assert_eq!(frames.len(), 1); // Hello; Ready waits in the peer
//! assert!(hub.present_in(ChannelId::new(10)).is_empty()); // until op 1
//! # Ok(())
//! # }
//! ```
//!
//! Media: a [`Table`] names every session's room (`channel_id`), stream (`ssrc`) and rights. A world
//! that does not care for transport encryption carries frames itself: from a member with
//! `may_speak` and `has_spoken` to every other member of the same `channel_id` with `may_hear`,
//! unless the receiver `is_deaf_to_sealed` and the frame ends with `FA FA`. One that does puts
//! datagrams through a [`Forwarder`]: `adopt` every table, `receive` every datagram, `tick` at
//! `next_due`.
//!
//! Connections break by `Input::Closed(None)` (resumable for 60 s) or `Closed(Some(1000))` (a
//! leave); a resume is a new `Peer` with a new [`ConnectionId`] and op 7. [`Hub::grant`] into another
//! channel is a move, [`Hub::revoke`] a kick. [`Hub::reports`] has epoch and key fingerprint of every
//! session as the server sees them; [`Hub::set_dave_fault`] and [`Hub::set_hang`] make trouble.

use mynah_wire::UserId;

pub use super::dave::{BATCH_DELAY, COMMIT_WITHIN, Delivery, GatewaySigner};
pub use super::fault::{DaveFault, Scope, UdpFault};
pub use super::grant::{Flags, Grant, SessionReport};
pub use super::hub::{ConnectionId, Hub, Link, Output as HubOutput, RESUME_WINDOW};
pub use super::outbox::{Frame, Message};
pub use super::peer::{Ask, Gone, Input, Output, Peer, Verdict};
pub use super::sfu::{Forwarder, Member, Outlet, Table};

pub use super::dave::DavePolicy;

/// The server's own readers of MLS, for fuzzing: the commit of an op 28 with its Welcome, which is
/// cut to each of its targets. True when all of it can be read.
pub fn read_commit(payload: &[u8]) -> bool {
    super::dave::read_commit(payload)
}

/// Likewise the whole check of an op 26. True when the key package would be taken.
pub fn read_key_package(user: UserId, payload: &[u8]) -> bool {
    super::dave::read_key_package(user, payload)
}
