//! From a queue to the speech lane: one message after the other.

use mynah_plugin::{
    ChannelId, Cx, Error, Filters, GuildId, Interaction, Lane, PlayOptions, Timescale, TrackEvent,
    TrackKind, UserId, Voice as VoiceOps,
};

use super::room::{Line, Now, Room};
use super::{Tts, words};
use crate::engines::EngineError;
use crate::queue::{Full, Waiting};
use crate::sentences;
use crate::take::{Begin, Playing};

/// The bot is where it is needed.
pub(super) struct Came {
    pub channel: ChannelId,
    /// It was not there before.
    pub is_new: bool,
}

/// Brings the bot to a person's channel, unless it is among other people.
///
/// # Errors
/// Why not, for that person.
pub(super) async fn come(
    voice: VoiceOps,
    guild: GuildId,
    user: UserId,
    me: Option<UserId>,
) -> Result<Came, String> {
    let words = |error: Error| format!("I cannot join: {error}.");
    let state = voice.state(guild, user).await.map_err(words)?;
    let Some(channel) = state.channel_id else {
        return Err(words::NOT_IN_VOICE.to_owned());
    };
    match state.bot_channel_id {
        Some(at) if at == channel => {
            return Ok(Came {
                channel,
                is_new: false,
            });
        }
        Some(at) => {
            let people = voice.people(guild, at).await.map_err(words)?;
            if people.iter().any(|person| Some(*person) != me) {
                return Err(format!(
                    "I am with other people in <#{at}>. Come there, or ask me again later."
                ));
            }
        }
        None => {}
    }
    voice.join(guild, channel).await.map_err(words)?;
    Ok(Came {
        channel,
        is_new: true,
    })
}

/// An engine's trouble, for people.
pub(super) fn trouble(error: &EngineError) -> String {
    format!(
        "I cannot speak: {error}. Whoever runs this bot can help: {}.",
        error.remedy()
    )
}

impl Tts {
    pub(super) fn room(&mut self, guild: GuildId) -> &mut Room {
        let per_author = self.config.max_queue_per_user;
        self.rooms
            .entry(guild)
            .or_insert_with(|| Room::new(per_author))
    }

    /// Lets a line wait, and speaks it when its turn comes. How many come before it.
    pub(super) fn put(
        &mut self,
        cx: &mut Cx<'_, Self>,
        guild: GuildId,
        line: Waiting<Line>,
    ) -> Result<usize, Full> {
        let room = self.room(guild);
        let before = room.queue.len() + usize::from(room.now.is_some());
        room.queue.put(line)?;
        self.go_on(cx, guild);
        Ok(before)
    }

    /// Speaks the next line, if nothing is being said.
    pub(super) fn go_on(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId) {
        let say_name = self.rules(cx, guild).say_name;
        loop {
            let now_us = cx.now_us();
            self.serial += 1;
            let serial = self.serial;
            let room = self.room(guild);
            if room.now.is_some() {
                return;
            }
            let hurry = room.queue.hurry_percent();
            let Some(Waiting {
                author,
                message,
                what,
            }) = room.queue.take()
            else {
                return;
            };
            let Line {
                name,
                text,
                is_cut,
                voice,
                asked,
            } = what;
            room.told.remove(&author);
            let is_named = room.last.names(author, say_name, now_us) && !name.is_empty();
            let text = if is_named {
                format!("{name} said: {text}")
            } else {
                text
            };
            match self
                .studio
                .speak(sentences::split(&text), voice.clone(), hurry)
            {
                Ok(take) => {
                    let ready = take.ready();
                    self.room(guild).now = Some(Now {
                        serial,
                        author,
                        message,
                        voice,
                        take,
                        track: None,
                        is_cut,
                        asked,
                        since_us: now_us,
                    });
                    cx.spawn(ready, move |tts: &mut Self, cx, begin| {
                        tts.ready(cx, guild, serial, begin)
                    });
                    return;
                }
                Err(error) => failed(cx, asked.as_ref(), &error),
            }
        }
    }

    /// Enough was made to begin, or nothing will be.
    fn ready(
        &mut self,
        cx: &mut Cx<'_, Self>,
        guild: GuildId,
        serial: u64,
        begin: Result<Begin, EngineError>,
    ) {
        let room = self.room(guild);
        let Some(now) = room.now.as_mut().filter(|now| now.serial == serial) else {
            return;
        };
        let begin = match begin {
            Ok(begin) => begin,
            Err(error) => {
                let asked = now.asked.take();
                room.now = None;
                failed(cx, asked.as_ref(), &error);
                return self.go_on(cx, guild);
            }
        };
        let mut filters = Filters::default();
        if !begin.bends && now.voice.pitch != 100 {
            let pitch = f64::from(now.voice.pitch) / 100.0;
            filters.timescale = Some(Timescale {
                pitch,
                ..Timescale::default()
            });
        }
        let options = PlayOptions {
            gain: f32::from(now.voice.volume) / 100.0,
            lane: Lane::Speech,
            filters,
            ..PlayOptions::default()
        };
        let waited_ms = cx.now_us().saturating_sub(now.since_us) / 1_000;
        match cx.play_source(guild, Playing::new(now.take.clone()), options) {
            Ok(track) => {
                now.track = Some(track);
                cx.debug(&format!("the first sound was made in {waited_ms} ms"));
                if let Some(asked) = now.asked.take() {
                    let cut = if now.is_cut {
                        " It was too long; the end was left out."
                    } else {
                        ""
                    };
                    cx.detach("an answer", asked.edit(format!("🔊 Said.{cut}")));
                }
            }
            Err(error) => {
                let asked = now.asked.take();
                now.take.stop();
                room.now = None;
                error.log(cx, "speaking");
                if let Some(asked) = asked {
                    cx.detach("an answer", asked.edit(format!("I cannot speak: {error}.")));
                }
                self.go_on(cx, guild);
            }
        }
    }

    /// A track ended: whose turn is it?
    pub(super) fn track(&mut self, cx: &mut Cx<'_, Self>, event: &TrackEvent) {
        let is_over = matches!(
            event.kind,
            TrackKind::Ended | TrackKind::Stopped | TrackKind::Failed(_)
        );
        let now_us = cx.now_us();
        let Some(room) = self.rooms.get_mut(&event.guild_id) else {
            return;
        };
        let is_ours = room
            .now
            .as_ref()
            .is_some_and(|now| now.track == Some(event.track));
        if is_over && is_ours {
            room.now = None;
            room.last.finished(now_us);
            self.go_on(cx, event.guild_id);
        }
    }

    /// Ends what is being said, and goes on. False if nothing was.
    pub(super) fn skip_now(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId) -> bool {
        let Some(room) = self.rooms.get_mut(&guild) else {
            return false;
        };
        // What was ended a moment ago is not ended again.
        let Some(now) = room.now.as_ref().filter(|now| now.goes_on()) else {
            return false;
        };
        now.take.stop();
        match now.track {
            // The track's end brings the next one.
            Some(track) => cx.detach("ending speech", cx.voice().stop(track)),
            None => {
                room.now = None;
                self.go_on(cx, guild);
            }
        }
        true
    }

    /// The bot left voice: nothing waits any longer.
    pub(super) fn ended(&mut self, guild: GuildId) {
        self.joined.remove(&guild);
        if let Some(room) = self.rooms.remove(&guild)
            && let Some(now) = room.now
        {
            now.take.stop();
        }
    }
}

/// Nobody speaks: whoever asked is told, and the operator.
fn failed(cx: &mut Cx<'_, Tts>, asked: Option<&Interaction>, error: &EngineError) {
    if *error == EngineError::Stopped {
        return;
    }
    cx.warn(&format!(
        "nothing can be spoken: {error}; {}",
        error.remedy()
    ));
    if let Some(asked) = asked {
        cx.detach("an answer", asked.edit(trouble(error)));
    }
}
