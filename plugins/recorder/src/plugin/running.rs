//! A recording while it runs, and its end.

use std::sync::atomic::Ordering;

use mynah_plugin::{ChannelId, Cx, GuildId, Interaction, Reply};

use super::room::{Room, clock, size};
use super::scribe::Job;
use super::start::set_nick;
use super::{LOOK_EVERY, LOOKS_PER_PANEL, Recorder, commands, post, words};
use crate::core::events::Event;
use crate::core::recording::Notice;

impl Recorder {
    /// The recording that runs, for somebody who may do something about it; else they are told.
    fn running(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
    ) -> Option<&mut Room> {
        let refusal = match self.rooms.get(&guild) {
            None => words::NOTHING_RUNS,
            Some(room) if room.ending => words::ENDS,
            Some(room) => {
                let mut there = self.people.of(guild, room.channel);
                let is_there = there.any(|(user, _)| user == asked.user_id());
                if is_there || commands::may_record(asked, &self.config.roles) {
                    return self.rooms.get_mut(&guild);
                }
                words::NOT_IN_CHANNEL
            }
        };
        cx.detach("an answer", asked.refuse(refusal));
        None
    }

    pub(super) fn pause(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
        pause: bool,
    ) {
        let staff = commands::may_record(asked, &self.config.roles);
        // Going on records people again: that is for those who may record.
        if !staff && (!pause || !self.config.participant_pause) {
            let words = if pause {
                words::PAUSE_BY_STAFF
            } else {
                words::NOT_ALLOWED
            };
            return cx.detach("an answer", asked.refuse(words));
        }
        let now_us = cx.now_us();
        let Some(room) = self.running(cx, asked, guild) else {
            return;
        };
        let (at, by) = (room.at(now_us), asked.user_id());
        let written = room.written(by);
        let words = match (room.paused, pause) {
            (true, true) => return cx.detach("an answer", asked.refuse(words::PAUSED_ALREADY)),
            (false, false) => return cx.detach("an answer", asked.refuse(words::NOT_PAUSED)),
            (_, true) => {
                room.scribe.order(Job::Pause(at, written));
                format!(
                    "⏸️ Paused by <@{by}> at {}: only silence is written.",
                    clock(at)
                )
            }
            (_, false) => {
                room.scribe.order(Job::Resume(at, written));
                format!("🔴 <@{by}> goes on with the recording at {}.", clock(at))
            }
        };
        room.paused = pause;
        cx.detach("an answer", asked.reply(Reply::text(words)));
        self.show(cx, guild);
    }

    pub(super) fn note(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
        text: &str,
        kind: &str,
    ) {
        let text: String = text.trim().chars().take(200).collect();
        let now_us = cx.now_us();
        let Some(room) = self.running(cx, asked, guild) else {
            return;
        };
        if text.is_empty() {
            return cx.detach("an answer", asked.refuse("Say what is to be remembered."));
        }
        let at = room.at(now_us);
        if room.is_excluded(asked.user_id().get()) {
            let words =
                "You are not recorded by your own wish, so nothing of yours is written down.";
            return cx.detach("an answer", asked.refuse(words));
        }
        let note = Event::Note {
            by: asked.user_id().to_string(),
            note: kind.to_owned(),
            text: text.clone(),
        };
        room.scribe.order(Job::Event(at, note));
        let words = format!("📌 {} · {}", clock(at), super::room::plain(&text));
        cx.detach("an answer", asked.reply(Reply::text(words)));
    }

    pub(super) fn status(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let words = match self.rooms.get(&guild) {
            Some(room) => room.panel_text(cx.now_us(), &self.people),
            None => words::NOTHING_RUNS.to_owned(),
        };
        cx.detach("an answer", asked.refuse(words));
    }

    // --- the end -------------------------------------------------------------------------------

    pub(super) fn stop_command(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
    ) {
        let by = match self.rooms.get(&guild) {
            None => return cx.detach("an answer", asked.refuse(words::NOTHING_RUNS)),
            Some(room) if room.ending => {
                return cx.detach("an answer", asked.refuse(words::ENDS));
            }
            Some(room) if !self.is_staff(&asked) && room.starter != asked.user_id() => {
                return cx.detach("an answer", asked.refuse(words::NOT_ALLOWED));
            }
            Some(room) => room.written(asked.user_id()),
        };
        let deferred = asked.defer(false);
        let reason = format!("stopped by {by}");
        cx.spawn(deferred, move |recorder, cx, deferred| {
            if let Err(error) = deferred {
                error.log(cx, "saying that it takes a moment");
            }
            recorder.end(cx, guild, &reason, Some(asked));
        });
    }

    /// Stops listening; the disk thread writes the rest, and [`Recorder::look`] sees when it has.
    pub(super) fn end(
        &mut self,
        cx: &mut Cx<'_, Self>,
        guild: GuildId,
        reason: &str,
        asked: Option<Interaction>,
    ) {
        let Some(room) = self.rooms.get_mut(&guild) else {
            if let Some(asked) = asked {
                cx.detach("an answer", asked.edit(Reply::text(words::NOTHING_RUNS)));
            }
            return;
        };
        room.waiting.extend(asked);
        if !room.ending {
            room.begin_end(reason);
            cx.unlisten(room.listening);
        }
        self.keep_looking(cx);
    }

    /// Everything is on the disk.
    fn ended(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId) {
        let Some(mut room) = self.rooms.remove(&guild) else {
            return;
        };
        room.ending = true;
        let seen = room.scribe.seen();
        let mut words = format!(
            "⏹️ Recorded {} from {} people, {}. `/record export id:{}` makes files of it.",
            clock(seen.length_us),
            seen.people.len(),
            size(seen.bytes),
            room.id
        );
        if let Some(failed) = &seen.failed {
            words = format!(
                "⚠️ The recording `{}` could not go on: {failed}. What was written is safe.",
                room.id
            );
            cx.error(&format!("a recording could not go on: {failed}"));
        }
        if room.waiting.is_empty() {
            post(cx, room.text, words.clone());
        }
        let waiting = std::mem::take(&mut room.waiting);
        self.starting.insert(guild);
        self.close_panel(cx, &mut room);
        let host = cx.host();
        let (before, came) = (room.nick_before.take(), room.came);
        cx.spawn(
            async move {
                host.voice().unpin(guild).await?;
                if let Some(before) = before {
                    set_nick(&host, guild, before.as_deref()).await?;
                }
                // Whoever plays music meanwhile is not cut off: their tracks would be in this guild,
                // too, but a bot that came for the recording alone goes with it.
                if came {
                    host.voice().leave(guild).await?;
                }
                Ok::<(), mynah_plugin::Error>(())
            },
            // Told last, so that whoever begins another one at once finds the bot gone and not going.
            move |recorder, cx, done| {
                recorder.starting.remove(&guild);
                if let Err(error) = done {
                    error.log(cx, "tidying up after a recording");
                }
                for asked in waiting {
                    cx.detach("an answer", asked.edit(Reply::text(words.clone())));
                }
            },
        );
        room.scribe.join();
    }

    // --- once a second -------------------------------------------------------------------------

    /// Looks at the disk threads once a second while anything is recorded.
    pub(super) fn keep_looking(&mut self, cx: &mut Cx<'_, Self>) {
        if self.looking {
            return;
        }
        self.looking = true;
        let sleep = cx.host().sleep(LOOK_EVERY);
        cx.spawn(sleep, |recorder: &mut Self, cx, _| {
            recorder.looking = false;
            recorder.look(cx);
            if !recorder.rooms.is_empty() {
                recorder.keep_looking(cx);
            }
        });
    }

    fn look(&mut self, cx: &mut Cx<'_, Self>) {
        self.looks += 1;
        let shows = self.looks.is_multiple_of(LOOKS_PER_PANEL);
        let guilds: Vec<GuildId> = self.rooms.keys().copied().collect();
        for guild in guilds {
            self.look_at(cx, guild, shows);
        }
    }

    fn look_at(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId, shows: bool) {
        let now_us = cx.now_us();
        let Some(room) = self.rooms.get_mut(&guild) else {
            return;
        };
        let seen = room.scribe.seen();
        if seen.ended {
            if !room.ending {
                cx.unlisten(room.listening);
            }
            return self.ended(cx, guild);
        }
        let at = room.at(now_us);
        room.scribe.idle(at);
        let (text, notices) = (room.text, room.scribe.notices());
        let overrun = room.scribe.shared.overrun.load(Ordering::Relaxed);
        if overrun > room.told_overrun {
            cx.warn(&format!(
                "the disk is too slow: {overrun} packets of a recording are lost"
            ));
            if room.told_overrun == 0 {
                let limit = Event::Limit {
                    what: "the disk is too slow".into(),
                };
                room.scribe.order(Job::Event(at, limit));
            }
            room.told_overrun = overrun;
        }
        for notice in notices {
            let (words, ends) = told(notice);
            if !ends {
                cx.warn(&words);
                post(cx, text, format!("⚠️ {words}"));
            } else if !self.rooms.get(&guild).is_none_or(|room| room.ending) {
                post(cx, text, format!("⏹️ The recording ends: {words}"));
                self.end(cx, guild, &words, None);
            }
        }
        if shows {
            self.show(cx, guild);
        }
        self.end_if_empty(cx, guild, at);
    }

    /// Nobody is left to be recorded, for long enough.
    fn end_if_empty(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId, at: u64) {
        let (Some(limit), Some(room)) = (self.config.empty_stop_us(), self.rooms.get_mut(&guild))
        else {
            return;
        };
        let me = self.me;
        let somebody = self
            .people
            .of(guild, room.channel)
            .any(|(user, person)| Some(user) != me && !person.is_bot);
        if somebody || room.ending {
            room.empty_us = None;
            return;
        }
        let since = *room.empty_us.get_or_insert(at);
        if at.saturating_sub(since) >= limit {
            let text = room.text;
            let words = "everybody has left";
            post(cx, text, format!("⏹️ The recording ends: {words}."));
            self.end(cx, guild, words, None);
        }
    }

    /// Somebody moved the bot: it records the people it is with now, who have to know.
    pub(super) fn moved(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId, channel: ChannelId) {
        let Some(room) = self.rooms.get_mut(&guild) else {
            return;
        };
        room.channel = channel;
        super::start::pin(cx, guild, channel);
        let Some(room) = self.rooms.get_mut(&guild) else {
            return;
        };
        for (user, person) in self.people.of(guild, channel) {
            if !room.is_excluded(user.get()) {
                room.scribe
                    .order(Job::Name(user.get(), person.name.clone()));
            }
        }
        self.chime(cx, guild);
        self.show(cx, guild);
    }
}

/// A notice in words, and whether the recording has to end.
fn told(notice: Notice) -> (String, bool) {
    match notice {
        Notice::RoomLow { free_bytes } => (
            format!("the disk has only {} left", size(free_bytes)),
            false,
        ),
        Notice::RoomOut { free_bytes } => {
            (format!("the disk has only {} left", size(free_bytes)), true)
        }
        Notice::Longest => (
            "it is as long as a recording may be (max_duration)".into(),
            true,
        ),
        Notice::Largest => (
            "it is as large as a recording may be (max_size)".into(),
            true,
        ),
    }
}
