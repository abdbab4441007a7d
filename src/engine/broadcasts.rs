//! Broadcasts: what is mixed and encoded once and heard in many guilds.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mynah_pulse::{Bus, SessionKey};
use mynah_wire::GuildId;

use crate::{Bitrate, DuckMatrix, Event, PlayError, TrackEvent, TrackId};

/// Names a broadcast for its whole life; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BroadcastId(pub u64);

impl fmt::Display for BroadcastId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a broadcast does while no guild listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alone {
    /// It goes on, unheard, as a radio does. Nothing is encoded meanwhile.
    #[default]
    GoOn,
    /// Its tracks hold still, and fade in where they were when somebody listens again.
    Wait,
}

/// How a broadcast is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BroadcastOptions {
    /// The encoder's bitrate; [`Bitrate::Auto`] is 128 kbit/s here, because the channels it is heard
    /// in may differ.
    pub bitrate: Bitrate,
    /// Which lane of the broadcast turns which down.
    pub duck: DuckMatrix,
    /// What happens while nobody listens.
    pub alone: Alone,
}

impl Default for BroadcastOptions {
    fn default() -> Self {
        Self {
            bitrate: Bitrate::Auto,
            duck: DuckMatrix::HOUSE,
            alone: Alone::GoOn,
        }
    }
}

/// Who hears a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The voice channel of one guild.
    Guild(GuildId),
    /// All guilds that are tuned in.
    Broadcast(BroadcastId),
}

impl Audience {
    /// What the host is told about a track of theirs.
    pub const fn event(self, track: TrackId, kind: TrackEvent) -> Event {
        match self {
            Self::Guild(guild_id) => Event::Track {
                guild_id,
                track,
                kind,
            },
            Self::Broadcast(broadcast) => Event::Broadcast {
                broadcast,
                track,
                kind,
            },
        }
    }
}

/// All broadcasts.
#[derive(Debug, Default)]
pub struct Broadcasts(Mutex<Register>);

#[derive(Debug, Default)]
struct Register {
    last: u64,
    on_air: HashMap<BroadcastId, Entry>,
}

#[derive(Debug)]
struct Entry {
    bus: Bus,
    /// It fades out and takes nothing more.
    ending: bool,
}

impl Broadcasts {
    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a broadcast.
    pub fn insert(&self, bus: Bus) -> BroadcastId {
        let mut register = self.lock();
        register.last += 1;
        let id = BroadcastId(register.last);
        let entry = Entry { bus, ending: false };
        register.on_air.insert(id, entry);
        id
    }

    /// The bus of a broadcast that has not been ended.
    pub fn bus(&self, id: BroadcastId) -> Result<Bus, PlayError> {
        let register = self.lock();
        let entry = register.on_air.get(&id).filter(|entry| !entry.ending);
        let entry = entry.ok_or(PlayError::UnknownBroadcast(id.0))?;
        Ok(entry.bus.clone())
    }

    /// Takes no more tracks and listeners; the bus that is to be closed.
    pub fn end(&self, id: BroadcastId) -> Result<Bus, PlayError> {
        let mut register = self.lock();
        let entry = register.on_air.get_mut(&id).filter(|entry| !entry.ending);
        let entry = entry.ok_or(PlayError::UnknownBroadcast(id.0))?;
        entry.ending = true;
        Ok(entry.bus.clone())
    }

    /// Forgets the broadcast whose mix is gone, if it was one.
    pub fn remove(&self, mix: SessionKey) -> Option<BroadcastId> {
        let mut register = self.lock();
        let mut entries = register.on_air.iter();
        let id = entries.find_map(|(id, entry)| (entry.bus.key() == mix).then_some(*id))?;
        register.on_air.remove(&id);
        Some(id)
    }
}
