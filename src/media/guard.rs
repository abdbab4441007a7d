//! No panic of a demuxer or decoder may leave this room.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A demuxer or decoder panicked on the file's bytes. Its state must not be used again.
#[derive(Debug)]
pub struct Panicked;

/// Runs `work` and turns a panic inside into [`Panicked`].
///
/// `AssertUnwindSafe` is sound here because every caller throws the panicked object away.
pub fn guard<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}
