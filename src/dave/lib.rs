//! End-to-end encryption of Discord voice (DAVE, protocol version 1).
//!
//! Two halves that share no state and no lock (architecture A, decision 3):
//!
//! * [`group`]: the MLS group of a call, for the control side. A call takes milliseconds.
//! * [`frame`]: sealing and opening of media frames in place, for the sound threads. A call takes a
//!   fifth of a microsecond and allocates nothing.
//!
//! What passes between them is a [`BaseSecret`]: one for each member and epoch. [`code`] makes the
//! numbers that people compare to know that nobody listens in.
//!
//! This room knows no other. Who may be in the call, when an epoch begins to be used and what to do
//! about bad messages is decided by the voice session (`mynah-session`). The embedded server has its
//! own reading of the protocol and never uses this crate.
//!
//! Sources: the DAVE protocol paper 1.1.4, cited by section; RFC 9420 (MLS); NIST SP 800-38D (GCM).
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod code;
pub mod frame;
pub mod group;
mod secret;

pub use secret::BaseSecret;

/// The protocol version of this crate, and the only one in use.
pub const VERSION: u16 = 1;
