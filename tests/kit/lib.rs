//! What tests share.
//!
//! * [`alloc`]: the allocation guard that keeps the tick thread honest.
//! * [`Scene`], [`Program`], [`Control`]: the real binary in a fresh folder, driven through the
//!   control API as a person would.
//! * `Town`: a plugin's own tests: host, server and people in virtual time.
//! * `world`: clients and the server's machines in virtual time, for end-to-end encryption.

pub mod alloc;
mod book;
mod builtins;
mod control;
mod lateness;
mod program;
mod scene;
mod talk;
#[cfg(feature = "town")]
pub mod town;
#[cfg(feature = "world")]
pub mod world;

pub use book::{Book, Excuse, Used};
pub use builtins::{BUILTINS, built_plugin};
pub use control::{Control, Heard, spoken, text};
pub use lateness::Lateness;
pub use program::{Finished, Program, run};
pub use scene::{Scene, song};
pub use talk::{Bot, Talk, check, count};
#[cfg(feature = "town")]
pub use town::{Said, Town, User};

/// The snippets of the guide for plugins are tests: of this room, because one of them needs a town.
#[cfg(all(doctest, feature = "town"))]
#[doc = include_str!("../../plugins/README.md")]
pub struct Guide;
