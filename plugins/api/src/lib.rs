//! Write a plugin for Mynah.
//!
//! Implement [`Plugin`] for one struct, name it to [`export!`], done: the same crate is linked into
//! the bot or loaded by it at run time, through the same C table ([`abi`],
//! `include/mynah_plugin.h`).
//!
//! ```
//! use mynah_plugin::{About, Commands, Cx, Event, Need, Plugin, Result, Saved, Slash};
//!
//! struct Hello { greeting: String }
//!
//! #[derive(serde::Deserialize)]
//! struct Config { greeting: String }
//!
//! impl Plugin for Hello {
//!     const ABOUT: About = About::new("hello", "Hello", "1.0.0", "Says hello.")
//!         .needs(&[Need::required("commands", "to offer /hello")]);
//!     type Config = Config;
//!
//!     fn start(cx: &mut Cx<'_, Self>, config: Config, _: Option<Saved>) -> Result<Self> {
//!         cx.set_commands(&Commands::new().slash(Slash::new("hello", "Says hello")))?;
//!         Ok(Self { greeting: config.greeting })
//!     }
//!
//!     fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
//!         if let Event::Interaction(asked) = event {
//!             cx.detach("/hello", asked.reply(format!("{}, {}!", self.greeting, asked.user_name())));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! mynah_plugin::export!(Hello);
//! # fn main() {}
//! ```

pub mod abi;
mod about;
mod answer;
pub mod audio;
mod catalogue;
mod commands;
mod components;
mod config;
mod cx;
pub mod ear;
mod error;
mod event;
mod exec;
mod host;
mod http;
mod id;
mod ingest;
mod interaction;
mod metrics;
mod panics;
mod plugin;
#[doc(hidden)]
pub mod shim;
mod sound;
mod store;
mod strict;
pub mod testing;
mod tier;
mod voice;
mod words;

#[doc(hidden)]
pub use about::table;
pub use about::{About, Need, intents};
pub use answer::{Choice, Message, Reply};
pub use audio::Source;
pub use catalogue::{Catalogue, Texts, Tongue};
pub use commands::{Commands, Opt, Slash};
pub use components::{Component, Embed, Form, Style};
pub use config::{Diagnostic, read as read_config};
pub use cx::Cx;
pub use ear::{Heard, Listening, Packet, Sink, Want};
pub use error::{Error, Result};
pub use event::{Dispatch, Event, TrackEvent, TrackKind, VoiceEvent, VoiceKind};
pub use host::{Call, Host, Op};
pub use http::{Request, WebAnswer};
pub use id::{ChannelId, GuildId, MessageId, RoleId, Track, UserId};
pub use ingest::{Ingest, Ingested};
pub use interaction::{Attachment, Interaction, Kind};
pub use metrics::{Counter, Gauge, Histogram, Metrics};
pub use panics::{IMAGE, install_hook};
pub use plugin::{Plugin, Saved, Why};
pub use sound::{
    BANDS, ChannelMix, Curve, Fade, Filters, Karaoke, Lane, LowPass, Rotation, Timescale, Tremolo,
};
pub use store::{Entry, Store};
pub use tier::Tier;
pub use voice::{File, Files, Listing, MediaInfo, PlayOptions, Playable, Voice, VoiceState};
#[doc(hidden)]
pub use words::nearest;

/// The [`abi::Entry`] of a plugin type, without exporting a symbol: for tests and for plugins that
/// share a crate.
#[macro_export]
macro_rules! entry {
    ($plugin:ty) => {{
        const ABOUT: $crate::About = <$plugin as $crate::Plugin>::ABOUT;
        static EVENTS: [$crate::abi::Str; $crate::table::n_events(&ABOUT)] =
            $crate::table::events(&ABOUT);
        static NEEDS: [$crate::abi::Need; $crate::table::n_needs(&ABOUT)] =
            $crate::table::needs(&ABOUT);
        static DESC: $crate::abi::Desc = $crate::table::desc(&ABOUT, &EVENTS, &NEEDS);
        $crate::abi::Entry {
            magic: $crate::abi::MAGIC,
            major: $crate::abi::MAJOR,
            minor: $crate::abi::MINOR,
            size: ::core::mem::size_of::<$crate::abi::Entry>() as u32,
            flags: $crate::shim::FLAGS | $crate::table::flags(&ABOUT),
            sdk: $crate::abi::Str::of($crate::shim::SDK),
            desc: &DESC,
            check: Some($crate::shim::check::<$plugin>),
            create: Some($crate::shim::create::<$plugin>),
        }
    }};
}

/// Makes a type the plugin of this crate: `pub static ENTRY`, exported as
/// `mynah_entry_v1__<crate>`. The name differs for each crate, so that any number of plugins can be
/// linked into one bot.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        /// The plugin's table: what the bot links or looks up.
        #[unsafe(export_name = concat!("mynah_entry_v1__", env!("CARGO_CRATE_NAME")))]
        pub static ENTRY: $crate::abi::Entry = $crate::entry!($plugin);
    };
}
