//! Who comes and goes, who speaks, and how the bot's own connection is.

use mynah_plugin::{Cx, GuildId, UserId, VoiceKind};

use super::people::Change;
use super::scribe::Job;
use super::{Recorder, events};

impl Recorder {
    /// Somebody came, left or was muted.
    pub(super) fn changed(
        &mut self,
        cx: &mut Cx<'_, Self>,
        guild: GuildId,
        user: UserId,
        changes: &[Change],
    ) {
        let now_us = cx.now_us();
        let Some(room) = self.rooms.get_mut(&guild).filter(|room| !room.ending) else {
            return;
        };
        if Some(user) == self.me || room.is_excluded(user.get()) {
            return;
        }
        let at = room.at(now_us);
        let id = user.to_string();
        let mut came = false;
        for change in changes {
            let event = match change {
                Change::Came(channel) if *channel == room.channel => {
                    came = true;
                    let name = self.people.name(guild, user).unwrap_or(&id).to_owned();
                    room.scribe.order(Job::Name(user.get(), name.clone()));
                    events::Event::Join {
                        user: id.clone(),
                        name,
                    }
                }
                Change::Left(channel) if *channel == room.channel => {
                    room.said_us.remove(&user);
                    events::Event::Leave { user: id.clone() }
                }
                Change::Muted(channel, muted) if *channel == room.channel => events::Event::Mute {
                    user: id.clone(),
                    muted: *muted,
                },
                _ => continue,
            };
            room.scribe.order(Job::Event(at, event));
        }
        if came {
            let told = events::Event::Consent {
                user: id,
                what: "told".into(),
            };
            room.scribe.order(Job::Event(at, told));
            self.chime(cx, guild);
            self.show(cx, guild);
        }
    }

    /// News of the bot's own connection.
    pub(super) fn voice(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId, kind: VoiceKind) {
        let now_us = cx.now_us();
        let Some(room) = self.rooms.get_mut(&guild).filter(|room| !room.ending) else {
            return;
        };
        let at = room.at(now_us);
        match kind {
            VoiceKind::Speaking(user, true) if !room.is_excluded(user.get()) => {
                room.said_us.insert(user, at);
            }
            VoiceKind::Speaking(user, _) => {
                room.said_us.remove(&user);
            }
            VoiceKind::Epoch { version, epoch } => {
                let dave = events::Event::Dave { version, epoch };
                room.scribe.order(Job::Event(at, dave));
            }
            VoiceKind::Lost => {
                room.lost_us.get_or_insert(at);
            }
            VoiceKind::Resumed | VoiceKind::Connected(_) => {
                if let Some(lost) = room.lost_us.take() {
                    let outage = events::Event::Outage {
                        length_us: at.saturating_sub(lost),
                        reason: "the voice connection was mended".into(),
                    };
                    room.scribe.order(Job::Event(at, outage));
                }
            }
            VoiceKind::Moved(channel) => self.moved(cx, guild, channel),
            VoiceKind::Ended(reason) => {
                let words = format!("the bot left the voice channel: {reason}");
                self.end(cx, guild, &words, None);
            }
            _ => {}
        }
    }
}
