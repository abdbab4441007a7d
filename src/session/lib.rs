//! The client's half of the protocol, without I/O (architecture B3).
//!
//! Two machines do all the talking: [`gateway::Shard`] for the main gateway and [`voice::Session`]
//! for one voice connection. Both take the time and what happened (`handle`), and answer what to do
//! next (`poll`, until it says `Wait`). A small shell of sockets and timers around them lives in
//! `mynah-engine` and `mynah-users`; tests drive them in virtual time.
//!
//! Beside them: [`transport`] seals and opens RTP packets, [`receive`] makes sound packets of known
//! people from datagrams, [`rest`] keeps the REST rate limits, and
//! [`backoff`] spaces retries.
//!
//! The embedded server never uses this crate: client and server are two independent readings of the
//! protocol, so that one misreading cannot agree with itself.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod backoff;
pub mod gateway;
pub mod receive;
pub mod rest;
pub mod transport;
pub mod voice;
