//! Commands about what is being said.

use mynah_plugin::{Cx, GuildId, Interaction};
use serde::Deserialize as _;

use super::reading::Written;
use super::room::Line;
use super::speech::{come, trouble};
use super::voice_names::{find, offers};
use super::{Tts, commands, words};
use crate::queue::Waiting;
use crate::text::plain_name;

/// A channel's list shows no more.
const MAX_SHOWN: usize = 10;

impl Tts {
    pub(super) fn command(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        let command = asked.command().to_owned();
        let for_managers = ["tts clear", "tts server-voice", "tts auto", "tts rules"];
        // Everybody may look.
        let open = ["tts auto list"];
        let managed = for_managers
            .iter()
            .any(|managed| command.starts_with(managed));
        // Reading the rules is no change of them.
        let only_looks = command == "tts rules" && !super::settings::changes_rules(&asked);
        if managed
            && !only_looks
            && !open.contains(&command.as_str())
            && !self.is_dj(&asked, guild, &command)
        {
            return cx.detach("an answer", asked.refuse(words::NOT_MANAGER));
        }
        match command.as_str() {
            "say" => self.say(cx, asked, guild),
            commands::SPEAK => self.speak_message(cx, asked, guild),
            "tts join" => self.join(cx, asked, guild),
            "tts leave" => self.leave(cx, asked, guild),
            "tts skip" => self.skip(cx, &asked, guild),
            "tts clear" => self.clear(cx, &asked, guild),
            _ => self.setting(cx, &asked, guild, &command),
        }
    }

    /// Managers; for what only concerns the moment, also DJs and whoever listens alone.
    fn is_dj(&self, asked: &Interaction, guild: GuildId, command: &str) -> bool {
        let manages = commands::may_manage(asked, &self.config.roles);
        let dj = asked.tier() == Some(mynah_plugin::Tier::Dj);
        manages || (command == "tts clear" && (dj || self.is_alone(asked, guild)))
    }

    /// Is this person the only one with the bot?
    fn is_alone(&self, asked: &Interaction, guild: GuildId) -> bool {
        let room = self.me.and_then(|me| self.people.voice(guild, me));
        let Some(room) = room else { return false };
        let mut others = self
            .people
            .in_channel(guild, room)
            .filter(|user| Some(*user) != self.me);
        others.next() == Some(asked.user_id()) && others.next().is_none()
    }

    fn say(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        let user = asked.user_id();
        let text = asked.text("text").unwrap_or_default();
        let spoken = self.spoken(cx, guild, user, text, &[]);
        if spoken.text.is_empty() {
            return cx.detach("an answer", asked.refuse(words::NOTHING_TO_SAY));
        }
        let mut voice = self.voice_of(cx, guild, user);
        if let Some(wanted) = asked.text("voice") {
            let Some((engine, name)) = find(&self.studio.voices(), wanted, None) else {
                self.studio.list();
                return cx.detach("an answer", asked.refuse(words::NO_SUCH_VOICE));
            };
            voice.engine = Some(engine);
            voice.name = Some(name);
        }
        let line = Line {
            name: plain_name(asked.user_name()),
            text: spoken.text,
            is_cut: spoken.is_cut,
            voice,
            asked: Some(asked.clone()),
        };
        self.bring(cx, asked, guild, line);
    }

    /// "Speak" in the menu of a message: its author said it, whoever asks has it waiting.
    fn speak_message(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        let message = asked
            .target_json()
            .and_then(|json| Written::deserialize(json).ok());
        let Some(message) = message else {
            return cx.detach("an answer", asked.refuse(words::NOTHING_TO_SAY));
        };
        let author = message.author().id;
        match self.store.is_out(guild.get(), author.get()) {
            Ok(false) => {}
            Ok(true) => return cx.detach("an answer", asked.refuse(words::THEY_OPTED_OUT)),
            Err(error) => {
                super::store_failed(cx, &error);
                return cx.detach("an answer", asked.refuse(words::STORED_BADLY));
            }
        }
        let mut line = self.line(cx, guild, &message);
        if line.text.is_empty() {
            return cx.detach("an answer", asked.refuse(words::NOTHING_TO_SAY));
        }
        line.asked = Some(asked.clone());
        self.bring(cx, asked, guild, line);
    }

    /// Comes to whoever asks, and lets the line wait there.
    fn bring(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId, line: Line) {
        let user = asked.user_id();
        let waiting = Waiting {
            author: user.get(),
            message: None,
            what: line,
        };
        let (ops, me) = (cx.voice(), self.me);
        let work = async move {
            // The answer comes when it is known; joining takes longer than Discord waits.
            let deferred = asked.defer(true).await;
            (come(ops, guild, user, me).await, deferred, asked)
        };
        cx.spawn(work, move |tts: &mut Self, cx, (came, deferred, asked)| {
            if let Err(error) = deferred {
                error.log(cx, "answering /say");
            }
            let answer = match came {
                Err(words) => words,
                Ok(_) => match tts.put(cx, guild, waiting) {
                    Ok(0) => return,
                    Ok(1) => "One message comes first.".to_owned(),
                    Ok(before) => format!("{before} messages come first."),
                    Err(full) => format!("Not now: {full}."),
                },
            };
            cx.detach("an answer", asked.edit(answer));
        });
    }

    fn join(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        let (ops, me, user) = (cx.voice(), self.me, asked.user_id());
        let work = async move {
            let deferred = asked.defer(true).await;
            (come(ops, guild, user, me).await, deferred, asked)
        };
        cx.spawn(work, move |tts: &mut Self, cx, (came, deferred, asked)| {
            if let Err(error) = deferred {
                error.log(cx, "answering /tts join");
            }
            let answer = match came {
                Err(words) => words,
                Ok(came) => {
                    tts.joined.insert(guild);
                    let word = if came.is_new {
                        "I am in"
                    } else {
                        "I am already in"
                    };
                    format!(
                        "{word} <#{}>. {}",
                        came.channel,
                        tts.what_is_read(cx, guild)
                    )
                }
            };
            cx.detach("an answer", asked.edit(answer));
        });
    }

    /// What is read here, in words.
    pub(super) fn what_is_read(&self, cx: &Cx<'_, Self>, guild: GuildId) -> String {
        if let Some(error) = self.trouble() {
            return trouble(&error);
        }
        if !self.reads {
            return words::CANNOT_READ.to_owned();
        }
        let autos = self.store.autos(guild.get()).unwrap_or_else(|error| {
            super::store_failed(cx, &error);
            Vec::new()
        });
        channels_in_words(&autos, self.rules(cx, guild).voice_chat)
    }

    fn leave(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, guild: GuildId) {
        let room = self.me.and_then(|me| self.people.voice(guild, me));
        let Some(room) = room else {
            return cx.detach("an answer", asked.refuse(words::NOT_THERE));
        };
        let may = commands::may_manage(&asked, &self.config.roles);
        let (voice, user) = (cx.voice(), asked.user_id());
        // Who is there is asked for: what this plugin was told of begins with its own start.
        let others = async move { (voice.others(guild, room).await, asked) };
        cx.spawn(others, move |tts: &mut Self, cx, (others, asked)| {
            let others = others.unwrap_or_default();
            if !others.is_empty() && !others.contains(&user) && !may {
                let words = format!("I am with people in <#{room}>; they decide when I leave.");
                return cx.detach("an answer", asked.refuse(words));
            }
            tts.ended(guild);
            let leave = cx.voice().leave(guild);
            let work = async move {
                let words = match leave.await {
                    Ok(()) => "I have left.".to_owned(),
                    Err(error) => format!("I cannot leave: {error}."),
                };
                asked.refuse(words).await
            };
            cx.detach("leaving", work);
        });
    }

    fn skip(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let user = asked.user_id().get();
        let answer = if asked.text("what") == Some("mine") {
            let gone = self.room(guild).queue.clear_author(user);
            let is_mine = self
                .room(guild)
                .now
                .as_ref()
                .is_some_and(|now| now.author == user);
            let gone = gone + usize::from(is_mine && self.skip_now(cx, guild));
            match gone {
                0 => "Nothing of yours is waiting.".to_owned(),
                1 => "One message of yours will not be read.".to_owned(),
                gone => format!("{gone} messages of yours will not be read."),
            }
        } else {
            let now = self.room(guild).now.as_ref();
            let author = now.filter(|now| now.goes_on()).map(|now| now.author);
            let may = author == Some(user)
                || commands::may_manage(asked, &self.config.roles)
                || self.is_alone(asked, guild);
            match author {
                None => words::NOTHING.to_owned(),
                Some(_) if !may => words::NOT_YOURS.to_owned(),
                Some(_) => {
                    self.skip_now(cx, guild);
                    words::SKIPPED.to_owned()
                }
            }
        };
        cx.detach("an answer", asked.refuse(answer));
    }

    fn clear(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let waiting = self.room(guild).queue.clear();
        let gone = waiting + usize::from(self.skip_now(cx, guild));
        let answer = match gone {
            0 => words::NOTHING.to_owned(),
            1 => "One message will not be read.".to_owned(),
            gone => format!("{gone} messages will not be read."),
        };
        cx.detach("an answer", asked.refuse(answer));
    }

    /// Offers voices while somebody types.
    pub(super) fn offer(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction) {
        let typed = match asked.focused() {
            Some(("voice", typed)) => typed.to_owned(),
            _ => return cx.detach("choices", asked.choices([])),
        };
        let mut listing = self.studio.voices();
        if listing.values().all(Vec::is_empty) {
            // Something may have been installed since.
            self.studio.list();
        }
        if let Some(engine) = asked.text("engine") {
            listing.retain(|id, _| *id == engine);
        }
        cx.detach("choices", asked.choices(offers(&listing, &typed)));
    }
}

/// The channels that are read, in words.
pub(super) fn channels_in_words(autos: &[u64], voice_chat: bool) -> String {
    let mut read: Vec<String> = Vec::new();
    if voice_chat {
        read.push("the chat of my voice channel".to_owned());
    }
    read.extend(
        autos
            .iter()
            .take(MAX_SHOWN)
            .map(|channel| format!("<#{channel}>")),
    );
    let more = autos.len().saturating_sub(MAX_SHOWN);
    if more > 0 {
        read.push(format!("{more} more channels"));
    }
    if read.is_empty() {
        return "No channel is read by itself; `/tts auto add` changes that.".to_owned();
    }
    format!("I read {}.", read.join(", "))
}
