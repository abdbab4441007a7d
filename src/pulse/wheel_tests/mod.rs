//! The wheel in virtual time, under the allocation guard.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod controls;
mod dave;
mod holding;
mod overload;
mod packets;
mod rig;
mod steady;
