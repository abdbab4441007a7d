//! What outlives the plugin: queues and volumes.

use serde::{Deserialize, Serialize};

use super::{Core, room};
use crate::calls::Repeat;
use crate::effect::Effect;
use crate::ids::{ChannelId, GuildId};
use crate::queue::Item;
use crate::room::Comeback;

/// The state of all servers, as it is written down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    servers: Vec<KeptRoom>,
}

/// The state of one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptRoom {
    guild: GuildId,
    volume: u16,
    /// What is played again.
    #[serde(default)]
    repeat: Repeat,
    /// What is done to the sound.
    #[serde(default)]
    effect: Effect,
    /// What waits, with the interrupted item first.
    waiting: Vec<Item>,
    /// What has been played, latest first.
    #[serde(default)]
    played: Vec<Item>,
    /// Where it played.
    #[serde(default)]
    comeback: Option<Comeback>,
    /// Where the room tells what nobody asked.
    #[serde(default)]
    text: Option<ChannelId>,
}

/// The engine's tracks of one server, by their numbers: they play on while the plugin is reloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Where.
    pub guild: GuildId,
    /// What plays or is held.
    pub track: Option<u64>,
    /// What was made ready to follow it.
    pub next: Option<u64>,
}

impl Core {
    /// The tracks that the engine has now.
    #[must_use]
    pub fn tracks(&self) -> Vec<Left> {
        let rooms = self.rooms.iter();
        let left = rooms.map(|(guild, room)| {
            let (track, next) = room.tracks();
            Left {
                guild: *guild,
                track: track.map(mynah_plugin::Track::get),
                next: next.map(mynah_plugin::Track::get),
            }
        });
        left.filter(|left| left.track.or(left.next).is_some())
            .collect()
    }

    /// What to start from next time. Changes nothing.
    #[must_use]
    pub fn keep(&self, now: std::time::Duration) -> Kept {
        let rooms = self.rooms.iter();
        let servers = rooms.map(|(guild, room)| {
            let (repeat, effect) = room.manner();
            let (comeback, text) = room.place();
            KeptRoom {
                comeback,
                text,
                played: room.played().cloned().collect(),
                guild: *guild,
                volume: room.volume(),
                repeat,
                effect,
                waiting: room.unfinished(now),
            }
        });
        Kept {
            servers: servers.collect(),
        }
    }

    /// Takes up what was kept. Nothing plays yet: [`Core::comebacks`] tells where it did. Limits may have
    /// become tighter.
    pub fn restore(&mut self, kept: Kept) {
        for KeptRoom {
            guild,
            volume,
            repeat,
            effect,
            waiting,
            played,
            comeback,
            text,
        } in kept.servers
        {
            room(&mut self.rooms, &self.rules, guild).restore(
                volume,
                (repeat, effect),
                (waiting, played),
                (comeback, text),
            );
        }
    }
}
