//! The whole plugin as one machine: inputs in, actions out. It knows no host, no clock and no disk.

mod kept;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use self::kept::{Kept, Left};
use self::shelf::{Looked, Shelf};
use crate::calls::{Action, Ask, Caller, Input, Upload};
use crate::card::Card;
use crate::desk::Desk;
use crate::ids::{ChannelId, GuildId};
use crate::library::Entry;
use crate::queue::{Item, Origin};
use crate::room::{Room, Rules, Wish};
use crate::says;

/// A line offered while somebody types into `/play query:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What the person reads.
    pub label: String,
    /// What `/play` gets: the id of a library file.
    pub id: String,
}

/// The most lines Discord shows while somebody types (rest.md section 5: `choices` <= 25).
pub const MAX_OFFERS: usize = 25;

/// The music of all servers.
#[derive(Debug)]
pub struct Core {
    rules: Rules,
    desk: Desk,
    shelf: Shelf,
    rooms: BTreeMap<GuildId, Room>,
}

impl Core {
    /// Music by these rules, from these folders; the actions begin the first scan.
    #[must_use]
    pub fn new(now: Duration, rules: Rules, folders: Vec<PathBuf>) -> (Self, Vec<Action>) {
        let mut desk = Desk::default();
        let shelf = Shelf::new(&mut desk, now, folders);
        let mut core = Self {
            rules,
            desk,
            shelf,
            rooms: BTreeMap::new(),
        };
        let actions = core.desk.drain();
        (core, actions)
    }

    /// Takes in what happened and says what is to be done, in order. `now` never goes back.
    pub fn handle(&mut self, now: Duration, input: Input) -> Vec<Action> {
        match input {
            Input::Command(caller, ask) => {
                self.desk.accept(caller.reply, caller.at);
                self.command(now, caller, ask);
            }
            Input::Outcome(ticket, outcome) => {
                if self.shelf.awaits(ticket) {
                    for (caller, query) in self.shelf.outcome(&mut self.desk, now, ticket, outcome)
                    {
                        self.look_up(now, caller, &query);
                    }
                } else if let Some(room) = self.rooms.values_mut().find(|room| room.awaits(ticket))
                {
                    room.outcome(&mut self.desk, now, ticket, outcome);
                    room.unpark(&mut self.desk, now);
                }
            }
            Input::Track(guild, track, news) => {
                let room = self.rooms.get_mut(&guild);
                if let Some(room) = room {
                    room.track(&mut self.desk, now, track, news);
                    room.unpark(&mut self.desk, now);
                }
            }
            Input::Voice(guild, news) => {
                let room = room(&mut self.rooms, &self.rules, guild);
                room.voice(&mut self.desk, now, news);
                room.unpark(&mut self.desk, now);
            }
            Input::Audience(guild, channel, listeners) => {
                if let Some(room) = self.rooms.get_mut(&guild) {
                    room.audience(&mut self.desk, now, channel, listeners);
                    room.unpark(&mut self.desk, now);
                }
            }
            Input::Tick => {
                for room in self.rooms.values_mut() {
                    room.unpark(&mut self.desk, now);
                }
            }
        }
        for room in self.rooms.values_mut() {
            room.look_ahead(&mut self.desk, now);
        }
        let wakes = self.rooms.values().filter_map(|room| room.wake(now));
        let wake = wakes.min();
        self.desk.mind_the_time(now, wake);
        self.desk.drain()
    }

    /// What to offer for the letters typed so far; with none, what was played here lately comes first.
    #[must_use]
    pub fn offers(&self, guild: Option<GuildId>, typed: &str) -> Vec<Offer> {
        let library = self.shelf.library();
        let lately = guild
            .filter(|_| typed.trim().is_empty())
            .and_then(|guild| self.rooms.get(&guild));
        let lately = lately
            .into_iter()
            .flat_map(Room::played)
            .filter_map(|item| match &item.origin {
                Origin::File(path) => library.at_path(path),
                Origin::Link(_) => None,
            });
        let mut offers: Vec<Offer> = Vec::with_capacity(MAX_OFFERS);
        for entry in lately.chain(library.suggest(typed, MAX_OFFERS)) {
            if offers.len() < MAX_OFFERS && !offers.iter().any(|offer| offer.id == entry.id) {
                let label = entry.label();
                let taken = offers.iter().any(|offer| offer.label == label);
                offers.push(Offer {
                    label: if taken { entry.relative.clone() } else { label },
                    id: entry.id.clone(),
                });
            }
        }
        offers
    }

    /// The voice channels where something played when the bot ended.
    #[must_use]
    pub fn comebacks(&self) -> Vec<(GuildId, ChannelId)> {
        let rooms = self.rooms.iter();
        rooms
            .filter_map(|(guild, room)| Some((*guild, room.comeback()?)))
            .collect()
    }

    /// Goes on there if `somebody` is still in the channel; else `/resume` will. What was paused because
    /// nobody listened waits there again.
    pub fn come_back(&mut self, guild: GuildId, somebody: bool) -> Vec<Action> {
        if let Some(room) = self.rooms.get_mut(&guild) {
            room.come_back(&mut self.desk, somebody);
        }
        self.desk.drain()
    }

    /// The voice channels where something plays or is paused: there people are looked for.
    #[must_use]
    pub fn stages(&self) -> Vec<(GuildId, ChannelId)> {
        let rooms = self.rooms.iter();
        rooms
            .filter_map(|(guild, room)| Some((*guild, room.stage()?)))
            .collect()
    }

    /// Everything that plays and waits, each from its beginning.
    #[must_use]
    pub fn list(&self, guild: GuildId) -> Vec<Item> {
        self.rooms.get(&guild).map(Room::list).unwrap_or_default()
    }

    /// Whether anything plays anywhere.
    #[must_use]
    pub fn plays(&self) -> bool {
        self.rooms.values().any(Room::is_playing)
    }

    /// Whether something plays, or is about to, in this server.
    #[must_use]
    pub fn plays_in(&self, guild: GuildId) -> bool {
        self.rooms.get(&guild).is_some_and(Room::is_playing)
    }

    /// What the card of a server shows.
    #[must_use]
    pub fn card(&self, guild: GuildId, now: Duration) -> Card {
        match self.rooms.get(&guild) {
            Some(room) => room.card(now),
            None => Card::default(),
        }
    }

    /// Somebody may be about to use the library: looks for new files, unless that was done just now.
    pub fn freshen(&mut self, now: Duration) -> Vec<Action> {
        self.shelf.freshen(&mut self.desk, now);
        self.desk.drain()
    }

    fn command(&mut self, now: Duration, caller: Caller, ask: Ask) {
        let Some(guild) = caller.guild else {
            return self.desk.whisper(caller.reply, says::ONLY_IN_SERVERS);
        };
        let room = room(&mut self.rooms, &self.rules, guild);
        let (query, file) = match ask {
            Ask::Enqueue { name, items } => {
                return room.enqueue(&mut self.desk, caller, &name, items);
            }
            Ask::Play { query, file } => (query.filter(|query| !query.trim().is_empty()), file),
            Ask::Mistake(text) => return self.desk.whisper(caller.reply, text),
            Ask::Control(control) => {
                room.control(&mut self.desk, now, caller, control);
                return room.unpark(&mut self.desk, now);
            }
        };
        match (query, file, room.refuses_play(&caller)) {
            (None, None, _) => self.desk.whisper(caller.reply, says::NOTHING_GIVEN),
            (Some(_), Some(_), _) => self.desk.whisper(caller.reply, says::BOTH_GIVEN),
            (_, _, Some(refusal)) => self.desk.whisper(caller.reply, refusal),
            (Some(query), None, None) => self.look_up(now, caller, &query),
            (None, Some(upload), None) => self.play(now, upload_wish(caller, upload)),
        }
    }

    fn look_up(&mut self, now: Duration, caller: Caller, query: &str) {
        match self.shelf.look_up(&mut self.desk, now, &caller, query) {
            Looked::Found(entry) => {
                let wish = library_wish(caller, entry);
                self.play(now, wish);
            }
            Looked::Later => {}
            Looked::Nothing(text) => self.desk.whisper(caller.reply, text),
        }
    }

    fn play(&mut self, now: Duration, wish: Wish) {
        let Some(guild) = wish.caller.guild else {
            return;
        };
        room(&mut self.rooms, &self.rules, guild).play(&mut self.desk, now, wish);
    }
}

fn room<'a>(rooms: &'a mut BTreeMap<GuildId, Room>, rules: &Rules, guild: GuildId) -> &'a mut Room {
    rooms
        .entry(guild)
        .or_insert_with(|| Room::new(guild, rules.clone()))
}

fn library_wish(caller: Caller, entry: &Entry) -> Wish {
    let item = Item {
        origin: Origin::File(entry.path.clone()),
        label: entry.label(),
        length: entry.tags.as_ref().and_then(|tags| tags.length),
        requester: caller.user,
        start: Duration::ZERO,
    };
    Wish {
        caller,
        item,
        file_name: entry.relative.clone(),
        known: entry.tags.is_some(),
    }
}

fn upload_wish(caller: Caller, upload: Upload) -> Wish {
    let item = Item {
        origin: Origin::Link(upload.url),
        label: upload.name.clone(),
        length: None,
        requester: caller.user,
        start: Duration::ZERO,
    };
    Wish {
        caller,
        item,
        file_name: upload.name,
        known: false,
    }
}
