//! The recorder on the plugin SDK: commands, buttons and events in; requests to the host out.
//!
//! ```text
//! /record ─► Recorder ─► Room (one for each server that records) ─► Scribe: the disk thread ─► core
//! people ─► Ear (the plugin's audio thread) ───────────────────────────┘
//! ```
//! Nothing is written on the control or audio thread. Once a second the plugin looks at what the disk
//! thread has left for it: limits, failures, counters for the panel.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mynah_plugin::{
    About, ChannelId, Cx, Diagnostic, Event, GuildId, Interaction, Kind, MessageId, Need, Plugin,
    Reply, Result, Saved, UserId, Why, intents,
};

use self::exports::Export;
use self::people::People;
use self::privacy::Privacy;
use self::room::Room;
use self::tones::Tones;
use crate::core::events;
use crate::library::Library;

mod commands;
mod config;
mod exports;
mod files;
mod news;
mod panel;
mod people;
mod privacy;
mod recovery;
mod room;
mod running;
mod scribe;
mod sink;
mod start;
#[cfg(test)]
mod tests;
mod tones;
mod words;

pub use commands::commands;
pub use config::{Config, Indicator, KEYS, Key};

/// The disk threads are looked at this often, and panels changed at every fifth look.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS_PER_PANEL: u64 = 5;

/// The recorder plugin.
pub struct Recorder {
    config: Config,
    folder: PathBuf,
    tones: Tones,
    privacy: Privacy,
    /// The index; the disk threads write to it, too.
    library: Arc<Mutex<Library>>,
    exports: Vec<Export>,
    /// Exports so far.
    exported: u64,
    people: People,
    rooms: BTreeMap<GuildId, Room>,
    /// Servers where a recording is being started.
    starting: BTreeSet<GuildId>,
    /// The last edits of panels that are still being edited.
    last_words: BTreeMap<MessageId, (String, serde_json::Value)>,
    /// Recordings that a crash cut off: they go on as soon as it is known who is still there.
    interrupted: Vec<Interrupted>,
    me: Option<UserId>,
    /// Something looks at the rooms once a second.
    looking: bool,
    looks: u64,
}

/// A recording that was cut off.
#[derive(Debug, Clone)]
pub(crate) struct Interrupted {
    guild: GuildId,
    channel: ChannelId,
    /// Where its panel was.
    text: Option<ChannelId>,
    starter: UserId,
    id: String,
    title: String,
}

impl Plugin for Recorder {
    const ABOUT: About = About::new(
        "recorder",
        "Recorder",
        env!("CARGO_PKG_VERSION"),
        "Records voice channels, one track for each person.",
    )
    .intents(intents::GUILDS | intents::GUILD_VOICE_STATES)
    .events(&["GUILD_CREATE", "VOICE_STATE_UPDATE"])
    .needs(&[
        Need::required("voice.opus", "to record what people say"),
        Need::required(
            "voice.speak:notice",
            "to let people hear that they are recorded",
        ),
        Need::required("commands", "to offer /record"),
        Need::required(
            "chat.send",
            "to show that a recording runs, and how it goes",
        ),
        Need::required(
            "discord.rest",
            "to put a red dot before its name while it records",
        ),
        Need::required("gateway.events:GUILD_CREATE", "to know who is there"),
        Need::required(
            "gateway.events:VOICE_STATE_UPDATE",
            "to know who comes and goes",
        ),
        Need::required("fs.write:*", "to write recordings to its folder"),
        Need::required("fs.read:*", "to play its notes and to attach exports"),
    ]);

    type Config = Config;

    fn check(config: &Config) -> Vec<Diagnostic> {
        config.wrongs()
    }

    fn start(cx: &mut Cx<'_, Self>, config: Config, _: Option<Saved>) -> Result<Self> {
        let folder = config.folder.clone();
        let tones = Tones::write(&folder.join("notes")).map_err(|error| {
            mynah_plugin::Error::failed(format!("{}: {error}", folder.display()))
        })?;
        cx.set_commands(&commands())?;
        let interrupted = recovery::recover(cx, &folder);
        let library = Library::open(&folder)
            .map_err(|error| mynah_plugin::Error::failed(format!("{error}; {}", error.remedy())))?;
        let me = cx.host().rest("GET", "/users/@me", serde_json::Value::Null);
        cx.spawn(
            me.read::<Myself>(),
            |recorder: &mut Self, cx, me| match me {
                Ok(me) => {
                    recorder.me = Some(me.id);
                    recorder.clear_signs(cx);
                    recorder.go_on(cx);
                    recorder.tidy(cx);
                }
                Err(error) => error.log(cx, "asking who I am"),
            },
        );
        Ok(Self {
            privacy: Privacy::new(&folder),
            library: Arc::new(Mutex::new(library)),
            exports: Vec::new(),
            exported: 0,
            folder,
            config,
            tones,
            people: People::default(),
            rooms: BTreeMap::new(),
            starting: BTreeSet::new(),
            last_words: BTreeMap::new(),
            interrupted,
            me: None,
            looking: false,
            looks: 0,
        })
    }

    /// What runs goes on with the settings it began with, but for who may end it and when it ends by
    /// itself; another folder is another index.
    fn reconfigure(&mut self, _: &mut Cx<'_, Self>, config: Config) -> Result<()> {
        if config.folder != self.folder {
            let words = "another folder while it runs";
            return Err(mynah_plugin::Error::Unsupported(words.into()));
        }
        self.config = config;
        Ok(())
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        match event {
            Event::Interaction(asked) => self.asked(cx, asked),
            Event::Discord(told) if told.name() == "GUILD_CREATE" => {
                self.people.guild(told.json()?);
            }
            Event::Discord(told) if told.name() == "VOICE_STATE_UPDATE" => {
                let state: people::State = told.json()?;
                let changes = self.people.state(&state);
                if let Some(guild) = state.guild() {
                    self.changed(cx, guild, state.user(), &changes);
                }
            }
            Event::Voice(voice) => self.voice(cx, voice.guild_id, voice.kind),
            _ => {}
        }
        Ok(())
    }

    fn stop(self, _: &mut Cx<'_, Self>, why: Why) {
        let reason = match why {
            Why::Shutdown => "the bot was stopped",
            _ => "the recorder was stopped",
        };
        // The ears are gone and have said their last; the disk threads write it down.
        for (_, mut room) in self.rooms {
            if !room.ending {
                room.begin_end(reason);
            }
            room.scribe.join();
        }
    }
}

#[derive(serde::Deserialize)]
struct Myself {
    id: UserId,
}

impl Recorder {
    fn asked(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) {
        let Some(guild) = asked.guild_id() else {
            return cx.detach("an answer", asked.refuse(words::NO_SERVER));
        };
        match asked.kind() {
            Kind::Autocomplete => self.offer(cx, &asked, guild),
            Kind::Component => self.pressed(cx, asked, guild),
            Kind::Modal => {
                let text = asked.field("text").unwrap_or_default().to_owned();
                self.note(cx, &asked, guild, &text, "chapter");
            }
            _ => self.command(cx, asked, guild),
        }
    }

    fn command(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        let command = asked.command().to_owned();
        // Each of the others looks for itself who may.
        let for_staff = ["record start"];
        if for_staff.contains(&command.as_str()) && !self.is_staff(&asked) {
            return cx.detach("an answer", asked.refuse(words::NOT_ALLOWED));
        }
        match command.as_str() {
            "record start" => self.start_command(cx, asked, guild),
            "record stop" => self.stop_command(cx, asked, guild),
            "record pause" => self.pause(cx, &asked, guild, true),
            "record resume" => self.pause(cx, &asked, guild, false),
            "record note" => {
                let text = asked.text("text").unwrap_or_default().to_owned();
                let kind = asked.text("kind").unwrap_or("chapter").to_owned();
                self.note(cx, &asked, guild, &text, &kind);
            }
            "record status" => self.status(cx, &asked, guild),
            "record list" => self.list(cx, &asked, guild),
            "record info" => self.info(cx, &asked, guild),
            "record export" => self.export(cx, asked, guild),
            "record keep" => self.keep(cx, &asked, guild),
            "record delete" => self.delete(cx, &asked, guild),
            "record optout" => self.opt(cx, &asked, guild, true),
            "record optin" => self.opt(cx, &asked, guild, false),
            _ => cx.detach("an unknown command", asked.refuse(words::UNKNOWN)),
        }
    }

    fn pressed(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        match asked.action() {
            "pause" => self.pause(cx, &asked, guild, true),
            "resume" => self.pause(cx, &asked, guild, false),
            "note" => cx.detach("a dialog", asked.modal(room::note_dialog())),
            "optout" => self.opt(cx, &asked, guild, true),
            "stop" => self.stop_command(cx, asked, guild),
            action if let Some(number) = action.strip_prefix("calloff") => {
                self.call_off(cx, &asked, number);
            }
            _ => cx.detach("an unknown button", asked.refuse(words::UNKNOWN)),
        }
    }

    fn opt(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId, out: bool) {
        let user = asked.user_id().get();
        // What runs obeys first, whatever the disk says.
        if let Some(room) = self.rooms.get(&guild) {
            room.set_excluded(user, out);
        }
        let done = self.privacy.set(guild.get(), user, out);
        if let Ok(mark) = &done
            && let Err(error) = self.index().opt(&guild.to_string(), mark, out)
        {
            cx.warn(&format!("the index of recordings: {error}"));
        }
        let words = match done {
            Ok(_) if out => words::OPTED_OUT.to_owned(),
            Ok(_) => words::OPTED_IN.to_owned(),
            Err(error) => {
                cx.error(&format!("an opt-out cannot be written: {error}"));
                format!(
                    "This holds for the recording that runs now, but I could not write it down for \
                     later ones: {}. Please tell the operator.",
                    error.remedy()
                )
            }
        };
        cx.detach("an answer", asked.refuse(words));
        self.show(cx, guild);
    }
}

/// Milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Says something in a text channel.
fn post(cx: &mut Cx<'_, Recorder>, channel: ChannelId, text: impl Into<String>) {
    let path = format!("/channels/{channel}/messages");
    let said = cx.host().rest("POST", &path, Reply::text(text).to_json());
    cx.detach("a message about a recording", said);
}
