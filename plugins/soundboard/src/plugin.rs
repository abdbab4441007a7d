//! The soundboard on the plugin SDK: commands and buttons in; requests to the host out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mynah_plugin::{
    About, ChannelId, Choice, Cx, Diagnostic, Error, Event, GuildId, Interaction, Kind, Need,
    Plugin, Result, Saved, TrackKind, UserId, VoiceKind,
};

use crate::core::pace::Pace;
use crate::core::search;
use crate::core::voices::Voices;
use crate::core::{Library, Viewer};
use crate::shelf::{Shelf, ShelfError};

mod adding;
mod board;
mod changing;
mod commands;
mod config;
mod listing;
mod playing;
#[cfg(test)]
mod tests;
mod words;

pub use commands::commands;
pub use config::{Config, KEYS, Key, Upload};

/// How often the bin is emptied.
const TIDY_EVERY: Duration = Duration::from_secs(6 * 3600);
/// Discord shows no more choices.
const MOST_CHOICES: usize = 25;

/// The soundboard plugin.
pub struct Soundboard {
    config: Config,
    shelf: Shelf,
    rooms: BTreeMap<GuildId, Room>,
    /// Counts rolls, so that two in one microsecond differ.
    rolls: u64,
}

/// One server.
struct Room {
    library: Library,
    pace: Pace,
    voices: Voices,
    /// Where the bot is on its way to: of two people in two channels the first one has it.
    joining: Option<ChannelId>,
    /// Whose sounds are being added.
    adding: BTreeSet<UserId>,
}

impl Plugin for Soundboard {
    const ABOUT: About = About::new(
        "soundboard",
        "Soundboard",
        env!("CARGO_PKG_VERSION"),
        "Plays short sounds over whatever plays.",
    )
    .needs(&[
        Need::required("voice.speak:fx", "to play sounds in voice channels"),
        Need::required("commands", "to offer /sound"),
        Need::required("fs.write:*", "to keep sounds in its folder"),
        Need::required("fs.read:*", "to play them from there"),
        Need::optional(
            "net.http:*",
            "to fetch the files people add with /sound add",
        ),
        Need::optional(
            "chat.send",
            "to look at the message whose link is given to /sound add",
        ),
    ]);

    type Config = Config;

    fn check(config: &Config) -> Vec<Diagnostic> {
        config.wrongs()
    }

    fn start(cx: &mut Cx<'_, Self>, config: Config, _: Option<Saved>) -> Result<Self> {
        cx.set_commands(&commands())?;
        let (shelf, aside) = Shelf::open(&config.folder).map_err(failed)?;
        if aside {
            cx.error("the index of sounds was damaged: it was put aside, and a new one is empty");
        }
        let mut soundboard = Self {
            config,
            shelf,
            rooms: BTreeMap::new(),
            rolls: 0,
        };
        soundboard.tidy(cx);
        Ok(soundboard)
    }

    /// Sounds play on; who has to wait begins anew.
    fn reconfigure(&mut self, _: &mut Cx<'_, Self>, config: Config) -> Result<()> {
        if config.folder != self.config.folder {
            return Err(Error::Unsupported("another folder while it runs".into()));
        }
        for room in self.rooms.values_mut() {
            room.pace = Pace::new(config.cooldown_ms(), config.max_per_minute);
        }
        self.config = config;
        Ok(())
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        match event {
            Event::Interaction(asked) => self.asked(cx, asked),
            Event::Track(event) => match event.kind {
                TrackKind::Ended => self.ended(cx, event.guild_id, event.track, true),
                TrackKind::Stopped => self.ended(cx, event.guild_id, event.track, false),
                TrackKind::Failed(why) => {
                    cx.warn(&format!("a sound broke off: {why}"));
                    self.ended(cx, event.guild_id, event.track, false);
                }
                _ => {}
            },
            Event::Voice(event) => {
                if let VoiceKind::Ended(_) = event.kind
                    && let Some(room) = self.rooms.get_mut(&event.guild_id)
                {
                    room.voices.take(None);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Soundboard {
    fn asked(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) {
        let Some(guild) = asked.guild_id() else {
            return cx.detach("an answer", asked.refuse(words::NO_SERVER));
        };
        if let Err(error) = self.open(guild) {
            cx.error(&format!("{error}; {}", error.remedy()));
            let words = "The sounds of this server cannot be read right now. The operator finds the \
                         reason in the log.";
            return cx.detach("an answer", asked.refuse(words));
        }
        match asked.kind() {
            Kind::Command => self.command(cx, asked, guild),
            Kind::Autocomplete => self.offer(cx, &asked, guild),
            Kind::Component => self.pressed(cx, asked, guild),
            _ => cx.detach("an answer", asked.refuse(words::UNKNOWN)),
        }
    }

    fn command(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        let command = asked.command().to_owned();
        match command.as_str() {
            "sound play" => self.play_command(cx, asked, guild),
            "sound random" => {
                let tag = asked.text("tag").map(str::to_owned);
                self.random(cx, asked, guild, tag.as_deref());
            }
            "sound stop" => {
                let all = asked.boolean("all").unwrap_or(false);
                self.stop(cx, asked, guild, all);
            }
            "sound board" => self.show_board(cx, &asked, guild),
            "sound list" => self.show_list(cx, &asked, guild),
            "sound info" => self.info(cx, &asked, guild),
            "sound add" => self.add_command(cx, asked, guild),
            "sound edit" => self.edit(cx, &asked, guild),
            "sound delete" => self.delete(cx, &asked, guild),
            "sound restore" => self.restore(cx, &asked, guild),
            commands::SAVE => self.save_message(cx, asked, guild),
            _ => cx.detach("an unknown command", asked.refuse(words::UNKNOWN)),
        }
    }

    fn pressed(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        let action = asked.action().to_owned();
        let (what, rest) = action.split_once(':').unwrap_or((&action, ""));
        match what {
            "play" => match rest.parse() {
                Ok(id) => self.play_button(cx, asked, guild, id),
                Err(_) => cx.detach("an answer", asked.refuse(words::GONE)),
            },
            "random" => {
                let tag = (!rest.is_empty()).then_some(rest);
                self.random(cx, asked, guild, tag);
            }
            "stop" => self.stop(cx, asked, guild, false),
            "page" => self.turn_board(cx, &asked, guild, rest),
            "list" => self.turn_list(cx, &asked, guild, rest),
            _ => cx.detach("an unknown button", asked.refuse(words::UNKNOWN)),
        }
    }

    /// Offers what somebody may mean who is typing.
    fn offer(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let (option, typed) = asked.focused().unwrap_or_default();
        let (viewer, most) = (self.viewer(asked), MOST_CHOICES);
        let choices: Vec<Choice> = match (asked.command(), option) {
            ("sound restore", _) => self.offer_bin(guild, typed, viewer),
            (_, "tag") => {
                let tags = self
                    .library(guild)
                    .map(|all| search::tags(all, typed, viewer, most));
                let tags = tags.unwrap_or_default().into_iter();
                tags.map(|tag| Choice::new(format!("#{tag}"), tag))
                    .collect()
            }
            (command, _) => {
                // Who changes something is offered what they may change.
                let own = matches!(command, "sound edit" | "sound delete");
                let library = self.library(guild);
                let found = library.map(|all| search::offer(all, typed, viewer, usize::MAX));
                let found = found.unwrap_or_default().into_iter();
                found
                    .filter(|sound| !own || sound.is_changed_by(viewer))
                    .take(most)
                    .map(|sound| Choice::new(listing::label(sound), sound.name.clone()))
                    .collect()
            }
        };
        cx.detach("an offer", asked.choices(choices));
    }

    /// Reads a server's sounds, once.
    fn open(&mut self, guild: GuildId) -> Result<(), ShelfError> {
        if self.rooms.contains_key(&guild) {
            return Ok(());
        }
        let stored = self.shelf.sounds(guild.get())?;
        let room = Room {
            library: Library::new(self.config.limits(), stored),
            pace: Pace::new(self.config.cooldown_ms(), self.config.max_per_minute),
            voices: Voices::default(),
            joining: None,
            adding: BTreeSet::new(),
        };
        self.rooms.insert(guild, room);
        Ok(())
    }

    fn library(&self, guild: GuildId) -> Option<&Library> {
        self.rooms.get(&guild).map(|room| &room.library)
    }

    /// Who looks, and whether they manage the soundboard: by a role, or because they manage the server.
    fn viewer(&self, asked: &Interaction) -> Viewer {
        let has_role =
            |roles: &[mynah_plugin::RoleId]| asked.roles().iter().any(|role| roles.contains(role));
        Viewer {
            user: asked.user_id().get(),
            manages: asked.manages() || has_role(&self.config.manager_roles),
        }
    }

    /// Empties the bin, now and every few hours.
    fn tidy(&mut self, cx: &mut Cx<'_, Self>) {
        let before = wall_ms().saturating_sub(self.config.bin_ms());
        match self.shelf.tidy(before) {
            Ok(0) => {}
            Ok(files) => cx.info(&format!("{files} files of deleted sounds were removed")),
            Err(error) => cx.warn(&format!("{error}; {}", error.remedy())),
        }
        let later = cx.host().sleep(TIDY_EVERY);
        cx.spawn(later, |soundboard: &mut Self, cx, waited| {
            if waited.is_ok() {
                soundboard.tidy(cx);
            }
        });
    }

    /// A number nobody foresees: enough for a game of chance without stakes (SplitMix64).
    fn roll(&mut self, cx: &Cx<'_, Self>) -> u64 {
        self.rolls = self.rolls.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = cx.now_us().wrapping_add(self.rolls);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Milliseconds since 1970.
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

fn failed(error: ShelfError) -> mynah_plugin::Error {
    mynah_plugin::Error::failed(format!("{error}; {}", error.remedy()))
}
