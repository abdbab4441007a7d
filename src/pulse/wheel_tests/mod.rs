//! The wheel in virtual time, under the allocation guard.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod buses;
mod capacity;
mod controls;
mod dave;
mod encoder;
mod hall;
mod holding;
mod lanes;
mod moving;
mod overload;
mod packets;
mod passthrough;
mod rig;
mod steady;
mod taps;
