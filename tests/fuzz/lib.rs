//! What the fuzz targets share: how an input becomes messages, and a room of real machines that
//! have come far enough to be worth attacking.
#![forbid(unsafe_code)]

mod plan;
mod room;

pub use plan::Plan;
pub use room::{Client, Room};
