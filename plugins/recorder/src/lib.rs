//! The recorder: one Ogg Opus file per person, in step with each other, whole after any crash.
//!
//! [`core`] is pure: packets, times and a folder go in, files come out. Nothing there knows Discord,
//! reads a clock or starts a thread. The format on disk is described in `plugins/recorder/README.md`.
//! `plugin` puts it on the plugin SDK: `/record`, the panel, consent, the disk thread.
//! [`library`] is the index of all recordings. [`export_job`] makes files of a finished recording, for the plugin and for the command line.
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
pub mod export_job;
pub mod library;
mod plugin;

/// Who does not want to be recorded, in a server's folder: a JSON array of marks, see `plugin::privacy`.
pub(crate) const OPT_OUTS: &str = "optout.json";

pub use plugin::{Config, Indicator, KEYS, Key, Recorder, commands};

mynah_plugin::export!(Recorder);
