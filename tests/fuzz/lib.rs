//! What the fuzz targets share: how an input becomes messages, and a room of real machines that
//! have come far enough to be worth attacking.
#![forbid(unsafe_code)]

mod fence;
mod plan;
mod room;
pub mod track;

pub use fence::{escaping, expect_fences};
pub use plan::Plan;
pub use room::{Client, Room};
