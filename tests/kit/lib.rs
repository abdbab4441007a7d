//! What tests share.
//!
//! * [`alloc`]: the allocation guard that keeps the tick thread honest.
//! * [`Scene`], [`Program`], [`Control`]: the real binary in a fresh folder, driven through the
//!   control API as a person would.

pub mod alloc;
mod control;
mod program;
mod scene;

pub use control::{Control, Heard, spoken, text};
pub use program::{Finished, Program, run};
pub use scene::{Scene, song};
