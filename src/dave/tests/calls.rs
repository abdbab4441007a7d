//! Whole calls: our groups among themselves, with `davey`'s sessions, and with peers that send
//! whatever they like.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod rig;

#[path = "calls/davey_peers.rs"]
mod davey_peers;
#[path = "calls/groups.rs"]
mod groups;
#[path = "calls/hostile.rs"]
mod hostile;
