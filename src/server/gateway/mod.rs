//! The main gateway: sessions, connections, compression, sockets (gateway.md).
//!
//! [`Peer`] is one connection as a machine without sockets or clock. A [`Session`] outlives
//! connections: it numbers and keeps every dispatch, so the replay of a Resume and normal sending
//! are the same thing, a cursor walking over the session's log.

mod compress;
mod identify;
mod peer;
mod query;
mod requests;
mod session;
pub(crate) mod shell;

pub use compress::Compressor;
pub use peer::{Input, Output, Peer};
pub use query::{Compression, Query};
pub(crate) use session::{KEPT_AFTER_DISCONNECT, Link, Order};
pub use session::{LinkId, Session};
