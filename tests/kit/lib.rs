//! What tests share.
//!
//! * [`alloc`]: the allocation guard that keeps the tick thread honest.
//! * [`Scene`], [`Program`], [`Control`]: the real binary in a fresh folder, driven through the
//!   control API as a person would.
//! * `world`: clients and the server's machines in virtual time, for end-to-end encryption.

pub mod alloc;
mod control;
mod program;
mod scene;
#[cfg(feature = "world")]
pub mod world;

pub use control::{Control, Heard, spoken, text};
pub use program::{Finished, Program, run};
pub use scene::{Scene, song};
