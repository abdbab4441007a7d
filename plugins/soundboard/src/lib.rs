//! The soundboard: short sounds over whatever plays.
//!
//! [`core`] is pure: names, quotas, cooldowns, who may see what, what is heard at once. [`shelf`] keeps
//! it: an index in SQLite and one Ogg Opus file for each sound, named by its hash. `plugin` puts both on
//! the plugin SDK: `/sound`, the board of buttons, "Save as sound".
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
mod plugin;
pub mod shelf;

pub use plugin::{Config, KEYS, Key, Soundboard, Upload, commands};

mynah_plugin::export!(Soundboard);
