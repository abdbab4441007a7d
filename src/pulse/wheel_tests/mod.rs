//! The wheel in virtual time, under the allocation guard.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod controls;
mod overload;
mod packets;
mod rig;
mod steady;
