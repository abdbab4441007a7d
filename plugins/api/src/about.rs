//! What a plugin says about itself, as constants.

use crate::abi;

/// Who a plugin is and what it needs; `const ABOUT: About = About::new(…)`.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) about: &'static str,
    pub(crate) intents: u64,
    pub(crate) events: &'static [&'static str],
    pub(crate) needs: &'static [Need],
    pub(crate) keeps_tracks: bool,
}

impl About {
    /// `id` is kebab-case and equals `[plugins.<id>]`; `about` is one sentence for people.
    #[must_use]
    pub const fn new(
        id: &'static str,
        name: &'static str,
        version: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            id,
            name,
            version,
            about,
            intents: 0,
            events: &[],
            needs: &[],
            keeps_tracks: false,
        }
    }

    /// Gateway intents ([`intents`]) beyond `GUILDS` and `GUILD_VOICE_STATES`, which the bot has.
    #[must_use]
    pub const fn intents(mut self, intents: u64) -> Self {
        self.intents = intents;
        self
    }

    /// Names of the gateway events to be told about, for instance `VOICE_STATE_UPDATE`. Each needs
    /// the capability `gateway.events:NAME`. Interactions with the plugin's own commands and
    /// buttons, `mynah.track` and `mynah.voice` arrive without being named.
    #[must_use]
    pub const fn events(mut self, events: &'static [&'static str]) -> Self {
        self.events = events;
        self
    }

    /// Capabilities, each with its reason.
    #[must_use]
    pub const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// Its tracks play on while it is reloaded, because its saved state names them
    /// ([`crate::Track::get`]). Without this they are stopped then.
    #[must_use]
    pub const fn keeps_tracks(mut self) -> Self {
        self.keeps_tracks = true;
        self
    }

    /// The plugin's id.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }
}

/// One capability: `voice.speak` (music), `voice.speak:LANE` (`speech`, `fx`, `notice`),
/// `voice.listen`, `voice.opus`, `chat.send`, `commands`, `gateway.events:NAME`, `net.http:HOST`, `fs.read:DIR`, `fs.write:DIR`, `discord.rest`, `store`,
/// `process`. `*` after the colon stands for all.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    cap: &'static str,
    why: &'static str,
    required: bool,
}

impl Need {
    /// The plugin does not start without it.
    #[must_use]
    pub const fn required(cap: &'static str, why: &'static str) -> Self {
        Self {
            cap,
            why,
            required: true,
        }
    }

    /// The plugin can do without.
    #[must_use]
    pub const fn optional(cap: &'static str, why: &'static str) -> Self {
        Self {
            cap,
            why,
            required: false,
        }
    }
}

/// Gateway intents, bit by bit (Discord, "Gateway Intents").
pub mod intents {
    /// Guilds, channels, roles.
    pub const GUILDS: u64 = 1 << 0;
    /// Members; privileged.
    pub const GUILD_MEMBERS: u64 = 1 << 1;
    /// Who is in which voice channel.
    pub const GUILD_VOICE_STATES: u64 = 1 << 7;
    /// Messages in guilds.
    pub const GUILD_MESSAGES: u64 = 1 << 9;
    /// Reactions in guilds.
    pub const GUILD_MESSAGE_REACTIONS: u64 = 1 << 10;
    /// Direct messages.
    pub const DIRECT_MESSAGES: u64 = 1 << 12;
    /// The text of messages; privileged.
    pub const MESSAGE_CONTENT: u64 = 1 << 15;
}

/// Table rows for [`crate::entry!`]; lengths are known there, where the plugin is a concrete type.
#[doc(hidden)]
pub mod table {
    use super::{About, Need, abi};

    pub const fn flags(about: &About) -> u32 {
        if about.keeps_tracks {
            abi::KEEPS_TRACKS
        } else {
            0
        }
    }

    pub const fn n_events(about: &About) -> usize {
        about.events.len()
    }

    pub const fn n_needs(about: &About) -> usize {
        about.needs.len()
    }

    #[allow(clippy::indexing_slicing)] // evaluated by the compiler: out of range does not build
    pub const fn events<const N: usize>(about: &About) -> [abi::Str; N] {
        let mut rows = [abi::Str::of(""); N];
        let mut i = 0;
        while i < N {
            rows[i] = abi::Str::of(about.events[i]);
            i += 1;
        }
        rows
    }

    #[allow(clippy::indexing_slicing)] // as above
    pub const fn needs<const N: usize>(about: &About) -> [abi::Need; N] {
        let mut rows = [abi::Need {
            cap: abi::Str::of(""),
            why: abi::Str::of(""),
            required: 0,
        }; N];
        let mut i = 0;
        while i < N {
            let Need { cap, why, required } = about.needs[i];
            rows[i] = abi::Need {
                cap: abi::Str::of(cap),
                why: abi::Str::of(why),
                required: required as u32,
            };
            i += 1;
        }
        rows
    }

    #[allow(clippy::cast_possible_truncation)] // a handful of rows
    pub const fn desc(
        about: &About,
        events: &'static [abi::Str],
        needs: &'static [abi::Need],
    ) -> abi::Desc {
        abi::Desc {
            size: size_of::<abi::Desc>() as u32,
            id: abi::Str::of(about.id),
            name: abi::Str::of(about.name),
            version: abi::Str::of(about.version),
            about: abi::Str::of(about.about),
            intents: about.intents,
            events: events.as_ptr(),
            n_events: events.len() as u32,
            needs: needs.as_ptr(),
            n_needs: needs.len() as u32,
            config_schema: abi::Str::of(""),
        }
    }
}
