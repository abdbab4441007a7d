//! Music for voice channels: `/play` from folders and uploads, a queue for every server, and the
//! controls that go with it.
//!
//! The plugin is a pure core in a thin shell. [`Core`] takes in what happened ([`Input`]: a command, an
//! outcome, news of a track or of the voice connection) and says what is to be done ([`Action`]: answer,
//! post, ask the host). It knows no host, no clock and no disk, so every conversation in its tests runs
//! without any of them. [`Music`] is the shell: it reads Discord's commands, carries the actions out
//! through the plugin SDK and brings outcomes home.
//!
//! ```text
//!  Discord ──► plugin.rs ── Input ──► core.rs ──► room/   one server: commands judged, what plays
//!     ▲        requests.rs                 │       queue    what waits, what was played
//!     └────────────── Action ◄── desk ◄────┴───► shelf    library/: index, search, scan
//! ```
//!
//! Three promises shape it. An answer to `/play` and `/skip` is sent when the music can be heard, not
//! when it was ordered. Every command is answered exactly once, within Discord's three seconds: what
//! takes longer is deferred first (`desk.rs`). A control given while a track is starting waits for it and
//! then does what it would have done.
//!
//! Everything people read is in `says.rs` and `tells.rs`, put together from the small parts in `wording.rs`.
#![forbid(unsafe_code)]

mod calls;
mod card;
mod config;
mod core;
mod desk;
mod effect;
mod ids;
mod library;
mod moment;
mod plugin;
mod queue;
mod requests;
mod room;
mod says;
mod spans;
mod tells;
mod wording;

pub use crate::calls::{
    Action, Ask, Call, Caller, Control, Input, Outcome, Repeat, TrackNews, Tweak, Upload, VoiceNews,
};
pub use crate::config::{Config, KEYS, Key, Loudness, Wrong};
pub use crate::core::{Core, Kept, MAX_OFFERS, Offer};
pub use crate::effect::{Effect, Preset};
pub use crate::ids::{Reply, Ticket};
pub use crate::library::scan::{File, Listing};
pub use crate::library::{Entry, Library, Search, Tags};
pub use crate::moment::{Moment, Nowhere};
pub use crate::plugin::{Music, commands};
pub use crate::queue::{Full, Item, Origin, Queue};
pub use crate::room::Rules;

mynah_plugin::export!(Music);
