//! Commands about how things are read: voices, channels, words, rules.

use mynah_plugin::{ChannelId, Cx, GuildId, Interaction, UserId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::voice_names::find;
use super::{Tts, commands, store_failed, words};
use crate::rules::{Effective, Rules};
use crate::store::StoreError;
use crate::text::check_word;
use crate::voices::{Choice, PERCENT, VOLUME_PERCENT, Voice};

/// A list in an answer shows no more lines: Discord takes 2000 characters.
const MAX_LINES: usize = 25;

type Words = core::result::Result<String, StoreError>;

/// Does `/tts rules` change anything?
pub(super) fn changes_rules(asked: &Interaction) -> bool {
    wanted_rules(asked) != Rules::default()
}

impl Tts {
    pub(super) fn setting(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
        command: &str,
    ) {
        let user = asked.user_id();
        let words = match command {
            "tts voice" => self.set_voice(asked, guild, Some(user)),
            "tts server-voice" => self.set_voice(asked, guild, None),
            "tts auto add" => self.set_auto(asked, guild, true),
            "tts auto remove" => self.set_auto(asked, guild, false),
            "tts auto list" => self.list_autos(guild),
            "tts auto voice-chat" => self.set_rules(
                guild,
                &Rules {
                    voice_chat: asked.boolean("on"),
                    ..Rules::default()
                },
            ),
            "tts dictionary add" => self.add_word(asked, guild),
            "tts dictionary remove" => self.remove_word(asked, guild),
            "tts dictionary list" => self.list_words(asked, guild),
            "tts optout" => self.opt(guild, user, true),
            "tts optin" => self.opt(guild, user, false),
            "tts rules" => self.set_rules(guild, &wanted_rules(asked)),
            _ => Ok(words::UNKNOWN.to_owned()),
        };
        let words = words.unwrap_or_else(|error| match error {
            StoreError::Full(_) => format!("Not written down: {error}; {}.", error.remedy()),
            error => {
                store_failed(cx, &error);
                words::STORED_BADLY.to_owned()
            }
        });
        cx.detach("an answer", asked.refuse(words));
        if command == "tts optout"
            && let Some(room) = self.rooms.get_mut(&guild)
        {
            room.queue.clear_author(user.get());
            // A command is no message: what somebody asked for goes on.
            let is_theirs = room
                .now
                .as_ref()
                .is_some_and(|now| now.author == user.get() && now.message.is_some());
            if is_theirs {
                self.skip_now(cx, guild);
            }
        }
    }

    /// `user` is `None` for everybody who chose nothing.
    fn set_voice(&self, asked: &Interaction, guild: GuildId, user: Option<UserId>) -> Words {
        let (guild, user) = (guild.get(), user.map(UserId::get));
        let read = |store: &crate::store::Store| match user {
            Some(user) => store.voice(guild, user),
            None => store.server_voice(guild),
        };
        let write = |choice: &Choice| match user {
            Some(user) => self.store.set_voice(guild, user, choice),
            None => self.store.set_server_voice(guild, choice),
        };
        if asked.boolean("reset") == Some(true) {
            write(&Choice::default())?;
            let words = if user.is_some() {
                words::VOICE_RESET
            } else {
                words::SERVER_VOICE_RESET
            };
            return Ok(words.to_owned());
        }
        let mut mine = read(&self.store)?;
        match self.wanted_voice(asked) {
            Ok(wanted) if wanted.is_empty() => {}
            Ok(wanted) => {
                mine.change(wanted);
                write(&mine)?;
            }
            Err(words) => return Ok(words.to_owned()),
        }
        let server = self.store.server_voice(guild)?;
        let voice = if user.is_some() {
            mine.over(&server)
        } else {
            mine.over(&Choice::default())
        };
        let who = if user.is_some() {
            "You sound"
        } else {
            "Whoever chose nothing sounds"
        };
        Ok(format!("{who} like this: {}.", in_words(&voice)))
    }

    /// What the options of a command choose.
    fn wanted_voice(&self, asked: &Interaction) -> core::result::Result<Choice, &'static str> {
        let engine = asked.text("engine");
        let known = |engine: &str| {
            self.studio
                .chain()
                .engines()
                .iter()
                .any(|known| known.id() == engine)
        };
        if engine.is_some_and(|engine| !known(engine)) {
            return Err(words::NO_SUCH_ENGINE);
        }
        let percent = |name: &str, range: &core::ops::RangeInclusive<u16>| {
            let number = asked.integer(name)?;
            let within = number.clamp((*range.start()).into(), (*range.end()).into());
            u16::try_from(within).ok()
        };
        let mut choice = Choice {
            engine: engine.map(str::to_owned),
            voice: None,
            speed: percent("speed", &PERCENT),
            pitch: percent("pitch", &PERCENT),
            volume: percent("volume", &VOLUME_PERCENT),
        };
        if let Some(wanted) = asked.text("voice") {
            let Some((engine, name)) = find(&self.studio.voices(), wanted, engine) else {
                self.studio.list();
                return Err(words::NO_SUCH_VOICE);
            };
            choice.engine = Some(engine);
            choice.voice = Some(name);
        }
        Ok(choice)
    }

    fn set_auto(&self, asked: &Interaction, guild: GuildId, on: bool) -> Words {
        let Some(channel) = asked.channel("channel").or(asked.channel_id()) else {
            return Ok(words::UNKNOWN.to_owned());
        };
        let is_new = self.store.set_auto(guild.get(), channel.get(), on)?;
        Ok(self.auto_words(channel, on, is_new))
    }

    fn auto_words(&self, channel: ChannelId, on: bool, is_new: bool) -> String {
        match (on, is_new) {
            (true, _) if !self.reads => {
                format!(
                    "<#{channel}> is on the list, but not read yet. {}",
                    words::CANNOT_READ
                )
            }
            (true, true) => {
                format!("<#{channel}> is read from now on, wherever `/tts join` brought me.")
            }
            (true, false) => format!("<#{channel}> is read already."),
            (false, true) => format!("<#{channel}> is not read any more."),
            (false, false) => format!("<#{channel}> is not read anyway."),
        }
    }

    fn list_autos(&self, guild: GuildId) -> Words {
        if !self.reads {
            return Ok(words::CANNOT_READ.to_owned());
        }
        let autos = self.store.autos(guild.get())?;
        let voice_chat = self.store.rules(guild.get())?.over(&self.rules).voice_chat;
        Ok(super::asks::channels_in_words(&autos, voice_chat))
    }

    fn opt(&self, guild: GuildId, user: UserId, out: bool) -> Words {
        self.store.set_out(guild.get(), user.get(), out)?;
        Ok(if out {
            words::OPTED_OUT
        } else {
            words::OPTED_IN
        }
        .to_owned())
    }

    /// Whose words a command is about; the words if they may not be touched.
    fn scope(
        &self,
        asked: &Interaction,
        writes: bool,
    ) -> core::result::Result<Option<u64>, &'static str> {
        match asked.text("scope") {
            Some("server") if writes && !commands::may_manage(asked, &self.config.roles) => {
                Err(words::NOT_MANAGER)
            }
            Some("server") => Ok(None),
            _ => Ok(Some(asked.user_id().get())),
        }
    }

    fn add_word(&self, asked: &Interaction, guild: GuildId) -> Words {
        let scope = match self.scope(asked, true) {
            Ok(scope) => scope,
            Err(words) => return Ok(words.to_owned()),
        };
        let (word, reading) = (asked.text("word"), asked.text("reading"));
        match check_word(word.unwrap_or_default(), reading.unwrap_or_default()) {
            Err(error) => Ok(format!("Not written down: {error}.")),
            Ok((word, reading)) => {
                self.store.add_word(guild.get(), scope, &word, &reading)?;
                Ok(format!("\"{word}\" is spoken as \"{reading}\"."))
            }
        }
    }

    fn remove_word(&self, asked: &Interaction, guild: GuildId) -> Words {
        let scope = match self.scope(asked, true) {
            Ok(scope) => scope,
            Err(words) => return Ok(words.to_owned()),
        };
        let word = asked.text("word").unwrap_or_default().trim().to_lowercase();
        let gone = self.store.remove_word(guild.get(), scope, &word)?;
        Ok(if gone {
            format!("\"{word}\" is spoken as it is written.")
        } else {
            words::NO_WORD.to_owned()
        })
    }

    fn list_words(&self, asked: &Interaction, guild: GuildId) -> Words {
        let scope = self.scope(asked, false).unwrap_or(None);
        let words = self.store.words(guild.get(), scope)?;
        if words.is_empty() {
            return Ok("The dictionary is empty.".to_owned());
        }
        let shown = words.iter().take(MAX_LINES);
        let mut lines: Vec<String> = shown
            .map(|(word, reading)| format!("{word}: {reading}"))
            .collect();
        if words.len() > MAX_LINES {
            lines.push(format!("… and {} more", words.len() - MAX_LINES));
        }
        Ok(lines.join("\n"))
    }

    fn set_rules(&self, guild: GuildId, wanted: &Rules) -> Words {
        let mut rules = self.store.rules(guild.get())?;
        if *wanted != Rules::default() {
            let mut wanted = wanted.clone();
            // Everybody has the role with the server's own number.
            wanted.role = wanted
                .role
                .map(|role| if role == guild.get() { 0 } else { role });
            rules.change(&wanted);
            self.store.set_rules(guild.get(), &rules)?;
        }
        Ok(rules_in_words(&rules.over(&self.rules)))
    }
}

/// What the options of `/tts rules` want.
fn wanted_rules(asked: &Interaction) -> Rules {
    Rules {
        links: word(asked, "links"),
        emoji: word(asked, "emoji"),
        say_name: word(asked, "say-name"),
        max_chars: asked
            .integer("max-length")
            .and_then(|chars| usize::try_from(chars).ok())
            .map(|chars| {
                chars.clamp(
                    *crate::rules::MAX_CHARS.start(),
                    *crate::rules::MAX_CHARS.end(),
                )
            }),
        ignore_bots: asked.boolean("ignore-bots"),
        same_channel: asked.boolean("same-channel"),
        role: asked.role("role").map(|role| role.get()),
        voice_chat: None,
    }
}

/// One of the words a rule knows.
fn word<T: DeserializeOwned>(asked: &Interaction, option: &str) -> Option<T> {
    serde_json::from_value(Value::String(asked.text(option)?.to_owned())).ok()
}

/// A word as it is written in settings.
fn written(word: impl serde::Serialize) -> String {
    let value = serde_json::to_value(word).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

fn rules_in_words(rules: &Effective) -> String {
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    let role = rules
        .role
        .map_or_else(|| "everybody".to_owned(), |role| format!("<@&{role}>"));
    [
        format!("Links: {}", written(rules.style.links)),
        format!("Emoji: {}", written(rules.style.emoji)),
        format!("\"Ann said\": {}", written(rules.say_name)),
        format!("Longest text: {} characters", rules.style.max_chars),
        format!("Bots are ignored: {}", yes(rules.ignore_bots)),
        format!(
            "Only people in my voice channel: {}",
            yes(rules.same_channel)
        ),
        format!("Who is read: {role}"),
        format!("The chat of my voice channel: {}", yes(rules.voice_chat)),
    ]
    .join("\n")
}

fn in_words(voice: &Voice) -> String {
    let name = voice.name.as_deref().unwrap_or("the engine's own voice");
    let engine = voice
        .engine
        .as_deref()
        .unwrap_or("the first engine there is");
    format!(
        "{name} of {engine}, speed {} %, pitch {} %, volume {} %",
        voice.speed, voice.pitch, voice.volume
    )
}
