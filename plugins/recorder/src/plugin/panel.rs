//! The panel of a recording: posted, kept up to date, and put right when the bot ended without a word.

use mynah_plugin::{ChannelId, Cx, GuildId, Message, MessageId, Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::room::Room;
use super::{Indicator, Recorder};

/// The setting that remembers what people see of a recording that runs.
const SIGN: &str = "sign";

/// What people see of a recording that runs, and would go on seeing if nobody took it back.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Sign {
    id: String,
    /// Where the panel is.
    text: ChannelId,
    panel: Option<MessageId>,
}

impl Recorder {
    pub(super) fn post_panel(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId) {
        let now_us = cx.now_us();
        let Some(room) = self.rooms.get_mut(&guild) else {
            return;
        };
        room.shown = room.panel_text(now_us, &self.people);
        let path = format!("/channels/{}/messages", room.text);
        let json = room.panel(now_us, &self.people).to_json();
        let posted = cx.host().rest("POST", &path, json).read::<Message>();
        cx.spawn(
            posted,
            move |recorder: &mut Self, cx, posted| match posted {
                Ok(message) => {
                    if let Some(room) = recorder.rooms.get_mut(&guild) {
                        room.panel = Some(message.id);
                    }
                    recorder.remember_sign(cx, guild);
                }
                Err(error) => error.log(cx, "showing that a recording runs"),
            },
        );
    }

    /// Brings the panel up to date. One edit is under way at a time: whatever happens meanwhile is in
    /// the next one, so that ten presses do not become ten edits, which Discord would spread over time.
    pub(super) fn show(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId) {
        if !self.config.tells_by(Indicator::Panel) {
            return;
        }
        let Some(room) = self.rooms.get_mut(&guild) else {
            return;
        };
        if room.editing {
            room.stale = true;
            return;
        }
        let edit = room.panel_edit(cx.now_us(), &self.people);
        let (Some(panel), Some(edit)) = (room.panel, edit) else {
            return;
        };
        room.editing = true;
        let edited = cx.host().rest("PATCH", &edit.0, edit.1);
        cx.spawn(edited.unit(), move |recorder: &mut Self, cx, edited| {
            if let Err(error) = edited {
                error.log(cx, "showing how a recording goes");
            }
            if let Some(edit) = recorder.last_words.remove(&panel) {
                return say_last(cx, edit);
            }
            // Another recording may have begun meanwhile, with a panel of its own.
            let room = recorder.rooms.get_mut(&guild);
            let Some(room) = room.filter(|room| room.panel == Some(panel)) else {
                return;
            };
            room.editing = false;
            if std::mem::take(&mut room.stale) {
                recorder.show(cx, guild);
            }
        });
    }

    /// The panel's last words. The room is no longer among those that run.
    pub(super) fn close_panel(&mut self, cx: &mut Cx<'_, Self>, room: &mut Room) {
        if let Err(error) = self.index().set(&room.guild.to_string(), SIGN, None) {
            cx.warn(&format!("the index of recordings: {error}"));
        }
        let now_us = cx.now_us();
        let Some(edit) = room.panel_edit(now_us, &self.people) else {
            return;
        };
        // Of two edits at once either may come last.
        match room.panel.filter(|_| room.editing) {
            Some(panel) => drop(self.last_words.insert(panel, edit)),
            None => say_last(cx, edit),
        }
    }

    /// Writes down what people see, for a start after an end without a word.
    pub(super) fn remember_sign(&self, cx: &mut Cx<'_, Self>, guild: GuildId) {
        let Some(room) = self.rooms.get(&guild) else {
            return;
        };
        let sign = Sign {
            id: room.id.clone(),
            text: room.text,
            panel: room.panel,
        };
        let sign = serde_json::to_string(&sign).unwrap_or_default();
        if let Err(error) = self.index().set(&guild.to_string(), SIGN, Some(&sign)) {
            cx.warn(&format!("the index of recordings: {error}"));
        }
    }

    /// Takes back what people still see of recordings that ended without a word: the panels' buttons,
    /// and the dot before the name.
    pub(super) fn clear_signs(&mut self, cx: &mut Cx<'_, Self>) {
        let left = self.index().settings(SIGN).unwrap_or_default();
        for (guild, sign) in left {
            let cleared = self.index().set(&guild, SIGN, None);
            if let Err(error) = cleared {
                cx.warn(&format!("the index of recordings: {error}"));
            }
            let sign = serde_json::from_str::<Sign>(&sign);
            let (Ok(guild), Ok(sign)) = (guild.parse::<GuildId>(), sign) else {
                continue;
            };
            if let Some(panel) = sign.panel {
                let path = format!("/channels/{}/messages/{panel}", sign.text);
                let words = format!(
                    "⏹️ **The recording is over**: I was stopped while it ran.\n-# `{}`",
                    sign.id
                );
                let over: Value = Reply::text(words).components(Vec::new()).to_json();
                let edited = cx.host().rest("PATCH", &path, over);
                cx.detach("showing that a recording is over", edited);
            }
            // What goes on puts the dot there again, and knows the name without it.
            let mut interrupted = self.interrupted.iter_mut();
            let goes_on = interrupted.find(|one| one.guild == guild && one.id == sign.id);
            if let Some(one) = goes_on {
                one.text = Some(sign.text);
            } else if self.config.tells_by(Indicator::Nickname) {
                self.repair_nick(cx, guild);
            }
        }
    }
}

/// The last edit of a panel.
fn say_last(cx: &mut Cx<'_, Recorder>, (path, json): (String, Value)) {
    let edited = cx.host().rest("PATCH", &path, json);
    cx.detach("showing that a recording is over", edited);
}
