//! Who sits where on the wheel: sessions coming, going, falling asleep. Tick code.

use std::sync::atomic::Ordering::Relaxed;

use rtrb::Producer;

use super::{PHASES, Place, RETIRED_RESERVE, Wheel};
use crate::SessionKey;
use crate::event::{Event, EventKind};
use crate::order::Retired;
use crate::session::Session;

/// Tracks and rings handed over at once; the rest waits for the next tick. With the session itself
/// and an order's own box this is what one order can retire.
const LEFTOVERS: usize = RETIRED_RESERVE - 2;

impl<L> Wheel<L> {
    /// The tick of `place`'s session that will be prepared next.
    pub(crate) fn next_tick(&self, place: Place) -> u64 {
        let phases = PHASES as u64;
        let ahead = (place.phase as u64 + phases - self.cursor.wake % phases) % phases;
        let tick = (self.cursor.wake + ahead) / phases;
        // Its turn in this very phase may be over already.
        tick + u64::from(ahead == 0 && self.cursor.at > place.at)
    }

    /// Puts a new session into its slot; leaves it where it is if the slot is taken.
    pub(crate) fn seat(&mut self, place: Place, session: &mut Option<Box<Session<L>>>) {
        if let Some(seat @ None) = self.sessions.get_mut(place.slot()) {
            std::mem::swap(seat, session);
            self.open += usize::from(seat.is_some());
        }
    }

    /// The session in `place`.
    pub(crate) fn session(&mut self, place: Place) -> Option<&mut Session<L>> {
        self.sessions.get_mut(place.slot())?.as_deref_mut()
    }

    /// Stops all tracks of a session; settled afterwards, it goes once it has faded and said its
    /// silence.
    pub(crate) fn close(&mut self, place: Place) {
        let slot = place.slot();
        let Some(Some(session)) = self.sessions.get_mut(slot) else {
            return;
        };
        session.closing = true;
        let (moves, key) = (session.moves(), session.key);
        let (events, board) = (&mut self.events, &self.board);
        session.mixer.stop_all(moves, &mut |kind| {
            events.tell(board, Event { session: key, kind });
        });
    }

    /// The tracks of a session hold still where they are, and fade in when they go on.
    pub(crate) fn hush(&mut self, place: Place) {
        let Some(Some(session)) = self.sessions.get_mut(place.slot()) else {
            return;
        };
        let (key, events, board) = (session.key, &mut self.events, &self.board);
        session.mixer.hush(&mut |kind| {
            events.tell(board, Event { session: key, kind });
        });
    }

    /// After anything changed: hands over what is done with and decides whether the session needs
    /// the next tick. What the janitor has no room for stays, and is tried again then.
    pub(crate) fn settle(&mut self, place: Place) {
        let slot = place.slot();
        let packet_waits = self.is_ready(place);
        let (Some(seat), Some(mine), Some(awake)) = (
            self.sessions.get_mut(slot),
            self.board.slots.get(slot),
            self.awake.get_mut(place.phase),
        ) else {
            return;
        };
        let Some(session) = seat else {
            return;
        };
        let room = self.retired.slots().min(LEFTOVERS);
        let retired = &mut self.retired;
        session.mixer.tracks.take_leftovers(room, |leftover| {
            retire(retired, &mut Some(leftover), |leftover| leftover);
        });
        mine.attached.store(session.line.is_some(), Relaxed);
        if session.is_over() && !packet_waits && !self.retired.is_full() {
            awake.clear(place.at);
            let Some(mut session) = seat.take() else {
                return;
            };
            session.leave();
            mine.free();
            self.open -= 1;
            self.call_off(&mut session);
            let key = session.key;
            if key.thread != self.roads.thread
                && let Some(home) = session.own_slot()
            {
                home.free();
            }
            retire(&mut self.retired, &mut Some(session), Retired::Session);
            let (session, kind) = (key, EventKind::Closed);
            self.events.tell(&self.board, Event { session, kind });
        } else if session.is_awake() || session.closing {
            mine.awake.store(true, Relaxed);
            awake.set(place.at);
        } else {
            session.mixer.rest();
            mine.sounding.store(false, Relaxed);
            mine.awake.store(false, Relaxed);
            awake.clear(place.at);
        }
    }

    /// Reports something about `session`.
    pub(crate) fn tell(&mut self, session: SessionKey, kind: EventKind) {
        self.events.tell(&self.board, Event { session, kind });
    }
}

/// Moves what is in `from` to the janitor; leaves it when there is no room.
fn retire<L, B>(
    retired: &mut Producer<Retired<L>>,
    from: &mut Option<B>,
    wrap: impl FnOnce(B) -> Retired<L>,
) {
    if retired.is_full() {
        return;
    }
    if let Some(item) = from.take()
        && let Err(rtrb::PushError::Full(item)) = retired.push(wrap(item))
    {
        // Cannot be: there is one producer and it has just looked. Leaking beats freeing here.
        std::mem::forget(item);
    }
}
