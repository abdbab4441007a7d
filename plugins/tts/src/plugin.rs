//! The TTS bridge on the plugin SDK: commands and messages in; speech out.
//!
//! ```text
//! /say, a message ─► Line ─► Room (a queue for each server) ─► Studio (threads) ─► Take ─► speech lane
//! ```
//! No text is written anywhere: lines live in memory until they are spoken, and logs name no words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mynah_plugin::{
    About, Cx, Diagnostic, Error, Event, GuildId, Interaction, Kind, Need, Plugin, Result, Saved,
    UserId, VoiceKind, Why, intents,
};
use serde_json::Value;

use self::people::People;
use self::post::Postbox;
use self::room::Room;
use crate::engines::EngineError;
use crate::rules::Effective;
use crate::store::{Store, StoreError};
use crate::studio::Studio;

mod asks;
mod commands;
mod config;
mod people;
mod post;
mod reading;
mod room;
mod settings;
mod speech;
#[cfg(test)]
mod tests;
mod voice_names;
mod words;

pub use commands::commands;
pub use config::{Config, ENGINES, KEYS, Keep, Key};

/// The application may read messages (docs.discord.com/developers/resources/application, flags
/// GATEWAY_MESSAGE_CONTENT and GATEWAY_MESSAGE_CONTENT_LIMITED).
const MAY_READ: u64 = 1 << 18 | 1 << 19;

/// The TTS plugin.
pub struct Tts {
    config: Config,
    rules: Effective,
    store: Store,
    studio: Studio,
    people: People,
    rooms: BTreeMap<GuildId, Room>,
    /// Servers where `/tts join` asked for reading: music alone in a channel is no reason to read.
    joined: BTreeSet<GuildId>,
    me: Option<UserId>,
    /// Messages of people arrive with their text.
    reads: bool,
    /// Every message that is spoken has a number.
    serial: u64,
}

impl Plugin for Tts {
    const ABOUT: About = About::new(
        "tts",
        "Text to speech",
        env!("CARGO_PKG_VERSION"),
        "Reads messages aloud in voice channels.",
    )
    .intents(
        intents::GUILDS
            | intents::GUILD_VOICE_STATES
            | intents::GUILD_MESSAGES
            | intents::MESSAGE_CONTENT,
    )
    .events(&[
        "GUILD_CREATE",
        "VOICE_STATE_UPDATE",
        "CHANNEL_CREATE",
        "CHANNEL_UPDATE",
        "GUILD_ROLE_CREATE",
        "GUILD_ROLE_UPDATE",
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "MESSAGE_DELETE",
        "MESSAGE_DELETE_BULK",
    ])
    .needs(&[
        Need::required("voice.speak:speech", "to speak"),
        Need::required("commands", "to offer /say and /tts"),
        Need::required("process", "to run the programs that make speech"),
        Need::required(
            "fs.write:*",
            "to keep voices, words and rules in its folder",
        ),
        Need::optional(
            "net.http:*",
            "to ask the speech service that bot.toml names",
        ),
        Need::required("discord.rest", "to mark messages that were too long"),
        Need::required(
            "gateway.events:GUILD_CREATE",
            "to know people by their names",
        ),
        Need::required("gateway.events:VOICE_STATE_UPDATE", "to know who is there"),
        Need::optional(
            "gateway.events:CHANNEL_CREATE",
            "to say the names of new channels",
        ),
        Need::optional("gateway.events:CHANNEL_UPDATE", "and of renamed ones"),
        Need::optional(
            "gateway.events:GUILD_ROLE_CREATE",
            "to say the names of new roles",
        ),
        Need::optional("gateway.events:GUILD_ROLE_UPDATE", "and of renamed ones"),
        Need::optional("gateway.events:MESSAGE_CREATE", "to read messages aloud"),
        Need::optional(
            "gateway.events:MESSAGE_UPDATE",
            "not to read what was changed since",
        ),
        Need::optional(
            "gateway.events:MESSAGE_DELETE",
            "not to read what was deleted",
        ),
        Need::optional("gateway.events:MESSAGE_DELETE_BULK", "likewise"),
    ]);

    type Config = Config;

    fn check(config: &Config) -> Vec<Diagnostic> {
        config.wrongs()
    }

    fn start(cx: &mut Cx<'_, Self>, config: Config, saved: Option<Saved>) -> Result<Self> {
        let store = Store::open(&config.folder)
            .map_err(|error| Error::failed(format!("{error}; {}", error.remedy())))?;
        let postbox = Postbox::default();
        let chain = config
            .chain(Some(Arc::new(postbox.clone())))
            .map_err(|error| {
                Error::failed(format!("{}: {error}", config.http_api_key_file.display()))
            })?;
        let host = cx.host();
        let clock = Arc::new(move || host.now_us());
        let host = cx.host();
        let tell = Arc::new(move |words: &str| host.log(mynah_plugin::abi::LOG_WARN, words));
        let studio = Studio::new(chain, config.limits(), clock, tell)?;
        cx.set_commands(&commands())?;
        post::carry(cx, postbox);
        cx.spawn(studio.listed(), |tts: &mut Self, cx, ()| {
            // Who runs the bot learns it before people ask.
            if let Some(error) = tts.trouble() {
                cx.warn(&format!(
                    "nothing can be spoken: {error}; {}",
                    error.remedy()
                ));
            }
        });
        let me = cx.host().rest("GET", "/users/@me", Value::Null);
        // What an older version saved is not worth a failure.
        let read: Vec<GuildId> = saved
            .and_then(|saved| saved.read().ok())
            .unwrap_or_default();
        cx.spawn(
            me.read::<Myself>(),
            move |tts: &mut Self, cx, me| match me {
                Ok(me) => {
                    tts.me = Some(me.id);
                    read.into_iter()
                        .for_each(|guild| go_on_reading(cx, guild, me.id));
                }
                Err(error) => error.log(cx, "asking who I am"),
            },
        );
        if config.auto_read {
            ask_whether_it_reads(cx);
        }
        Ok(Self {
            rules: config.rules(),
            reads: config.auto_read,
            config,
            store,
            studio,
            people: People::default(),
            rooms: BTreeMap::new(),
            joined: BTreeSet::new(),
            me: None,
            serial: 0,
        })
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        match event {
            Event::Interaction(asked) => self.asked(cx, asked),
            Event::Discord(told) => match told.name() {
                "GUILD_CREATE" => self.people.guild(told.json()?),
                "VOICE_STATE_UPDATE" => self.people.state(&told.json()?),
                "CHANNEL_CREATE" | "CHANNEL_UPDATE" => self.people.channel(told.json()?),
                "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => self.people.role(told.json()?),
                "MESSAGE_CREATE" => self.written(cx, &told.json()?),
                "MESSAGE_UPDATE" => self.edited(cx, &told.json()?),
                "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => self.deleted(cx, &told.json()?),
                _ => {}
            },
            Event::Track(track) => self.track(cx, &track),
            Event::Voice(voice) => {
                if let VoiceKind::Ended(_) = voice.kind {
                    self.ended(voice.guild_id);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Saved> {
        Saved::json(&self.joined)
    }

    fn stop(self, _: &mut Cx<'_, Self>, _: Why) {
        // The studio ends what its engines do.
    }
}

#[derive(serde::Deserialize)]
struct Myself {
    id: UserId,
}

#[derive(serde::Deserialize)]
struct Application {
    #[serde(default)]
    flags: u64,
}

impl Tts {
    fn asked(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) {
        let Some(guild) = asked.guild_id() else {
            return cx.detach("an answer", asked.refuse(words::NO_SERVER));
        };
        match asked.kind() {
            Kind::Autocomplete => self.offer(cx, &asked),
            _ => self.command(cx, asked, guild),
        }
    }

    /// Why nothing can be spoken; `None` if an engine can.
    fn trouble(&self) -> Option<EngineError> {
        let reports = self.studio.chain().reports();
        let silent = reports.iter().all(|report| report.trouble.is_some());
        let last = reports.into_iter().next_back().filter(|_| silent);
        last.and_then(|report| report.trouble)
    }

    /// The rules of a server.
    fn rules(&self, cx: &Cx<'_, Self>, guild: GuildId) -> Effective {
        match self.store.rules(guild.get()) {
            Ok(rules) => rules.over(&self.rules),
            Err(error) => {
                store_failed(cx, &error);
                self.rules
            }
        }
    }
}

/// Messages come without their text unless the application may read them.
fn ask_whether_it_reads(cx: &mut Cx<'_, Tts>) {
    let application = cx.host().rest("GET", "/applications/@me", Value::Null);
    cx.spawn(
        application.read::<Application>(),
        |tts: &mut Tts, cx, found| match found {
            Ok(application) => {
                tts.reads = application.flags & MAY_READ != 0;
                if !tts.reads {
                    cx.warn(words::CANNOT_READ);
                }
            }
            Err(error) => error.log(cx, "asking whether I may read messages"),
        },
    );
}

/// After a reload: the bot may still be where it was, with the people it read.
fn go_on_reading(cx: &mut Cx<'_, Tts>, guild: GuildId, me: UserId) {
    let voice = cx.voice();
    let find = async move {
        let channel = voice.state(guild, me).await?.bot_channel_id;
        let Some(channel) = channel else {
            return Ok(None);
        };
        Ok(Some((channel, voice.people(guild, channel).await?)))
    };
    cx.spawn(
        find,
        move |tts: &mut Tts, cx, found: Result<_>| match found {
            Ok(None) => {}
            Ok(Some((channel, people))) => {
                tts.joined.insert(guild);
                for person in people.into_iter().chain([me]) {
                    tts.people.place(guild, person, Some(channel));
                }
            }
            Err(error) => error.log(cx, "going on after a reload"),
        },
    );
}

/// Tells the operator.
fn store_failed(cx: &Cx<'_, Tts>, error: &StoreError) {
    cx.error(&format!("{error}; {}", error.remedy()));
}

/// Seconds since 1970.
fn wall_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
