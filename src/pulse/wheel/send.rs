//! What leaves: every packet is sealed at this moment, under what was ordered last. Tick code.

use super::{ORDERS, PHASES, Place, Sent, Transmit, Wheel};

impl<L> Wheel<L> {
    /// Sends the packets of one phase.
    pub(super) fn flush<T: Transmit<Link = L>>(&mut self, phase: usize, io: &mut T) {
        let mut from = 0;
        while let Some(at) = self.ready.get(phase).and_then(|bits| bits.next_from(from)) {
            self.send_due(Place { phase, at }, io);
            self.depart(Place { phase, at });
            from = at + 1;
        }
    }

    /// Tries those again whose order may have come meanwhile.
    pub(super) fn flush_stuck<T: Transmit<Link = L>>(&mut self, io: &mut T) {
        for phase in 0..PHASES {
            let mut from = 0;
            while let Some(at) = self.stuck.get(phase).and_then(|bits| bits.next_from(from)) {
                if let Some(stuck) = self.stuck.get_mut(phase) {
                    stuck.clear(at);
                }
                self.send_due(Place { phase, at }, io);
                self.depart(Place { phase, at });
                from = at + 1;
            }
        }
    }

    /// Sends the session's packet. If its keys have changed and the order still waits, the mailbox
    /// is emptied first: nobody who was told of the new keys gets a packet under the old ones. This
    /// is rare, and bounded by the size of the mailbox.
    pub(super) fn send_due<T: Transmit<Link = L>>(&mut self, place: Place, io: &mut T) {
        if self.is_stale(place) {
            self.drain(ORDERS, io);
        }
        if self.is_guest(place) && self.is_ready(place) && self.is_stale(place) {
            // The thread that opened the session reads the order in this wake and passes it on; the
            // packet leaves at the next one.
            if let Some(stuck) = self.stuck.get_mut(place.phase) {
                stuck.set(place.at);
            }
            return;
        }
        self.send_anyway(place, io);
    }

    /// Sends the session's packet under the keys there are. An order may have sent it already, or
    /// withheld it.
    pub(super) fn send_anyway<T: Transmit<Link = L>>(&mut self, place: Place, io: &mut T) {
        if self.take_ready(place) {
            if self.is_stale(place) {
                self.count_stale(place);
            }
            self.send(place, io);
        }
    }

    /// Sends the session's packet before its time, if one waits. Orders are being read: one that
    /// would change the keys is further back, and then the packet is withheld.
    pub(crate) fn send_early<T: Transmit<Link = L>>(&mut self, place: Place, io: &mut T) {
        if self.is_stale(place) {
            self.withhold(place);
        } else if self.take_ready(place) {
            self.send(place, io);
        }
    }

    /// The packet that waits is not sent; its sound is kept.
    pub(crate) fn withhold(&mut self, place: Place) {
        if self.take_ready(place)
            && let Some(session) = self.session(place)
        {
            session.hold_back();
        }
    }

    /// True while the session's packet waits.
    pub(super) fn is_ready(&self, place: Place) -> bool {
        let ready = self.ready.get(place.phase);
        ready.is_some_and(|bits| bits.next_from(place.at) == Some(place.at))
    }

    fn take_ready(&mut self, place: Place) -> bool {
        let waited = self.is_ready(place);
        if let Some(ready) = self.ready.get_mut(place.phase) {
            ready.clear(place.at);
        }
        waited
    }

    /// True when a sender order for the session has been posted and not carried out.
    fn is_stale(&self, place: Place) -> bool {
        let Some(Some(session)) = self.sessions.get(place.slot()) else {
            return false;
        };
        let announced = session.own_slot();
        announced.is_some_and(|slot| slot.is_stale(session.key.serial, session.turn))
    }

    fn count_stale(&self, place: Place) {
        self.board.sealed_stale.add(1);
        if let Some(mine) = self.board.slots.get(place.slot()) {
            mine.sealed_stale.add(1);
        }
    }

    fn send<T: Transmit<Link = L>>(&mut self, place: Place, io: &mut T) {
        let slot = place.slot();
        let (Some(Some(session)), Some(board)) =
            (self.sessions.get_mut(slot), self.board.slots.get(slot))
        else {
            return;
        };
        let Some(line) = &mut session.line else {
            return;
        };
        if !line.seal(&mut session.packet) {
            self.board.codec_errors.add(1);
            return;
        }
        if let Some(lanes) = &mut session.mixer.lanes {
            lanes.sent(session.packet.tick(), io.now_ns());
        }
        let (mine, all) = match io.send(&line.link, session.packet.datagram()) {
            Sent::Done => (&board.sent, &self.board.sent),
            Sent::Full => (&board.dropped, &self.board.dropped),
            Sent::Failed => (&board.failed, &self.board.failed),
        };
        mine.add(1);
        all.add(1);
    }
}
