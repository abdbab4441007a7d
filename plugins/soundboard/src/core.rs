//! The soundboard without Discord, disk or clock: times, rolls and ids go in, decisions come out.

pub mod library;
pub mod name;
pub mod pace;
pub mod search;
pub mod sound;
#[cfg(test)]
mod storm;
pub mod voices;

pub use library::{Library, Limits, Refusal};
pub use sound::{Edit, Sound, Viewer};
