//! The recorder: one Ogg Opus file per person, in step with each other, whole after any crash.
//!
//! This is the pure core: packets, times and a folder go in, files come out. Nothing here knows Discord,
//! reads a clock or starts a thread. The format on disk is described in `plugins/recorder/README.md`.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::print_stderr
    )
)]

pub mod core;
