//! Plugins on their real threads, through the real C table, on a scripted bot.
#![allow(clippy::indexing_slicing, clippy::panic)]

mod before;
mod bench;
mod bounds;
mod commands;
mod ears;
mod events;
mod faults;
mod from_files;
mod mouths;
mod ops;
mod permissions;
mod puppet;
mod reloads;
mod stays;
mod voice;
