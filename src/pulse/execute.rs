//! Carrying out orders on the wheel. Tick code.

use crate::event::EventKind;
use crate::order::{Order, What};
use crate::wheel::{Place, Transmit, Wheel};
use crate::{Sender, SessionKey, TrackId};

impl<L> Wheel<L> {
    /// Carries out one order; what it replaced is left in it. An order for a session that is gone
    /// does nothing. *Tick-safe.*
    pub(crate) fn execute<T: Transmit<Link = L>>(&mut self, order: &mut Order<L>, io: &mut T) {
        let place = Place::of(order.to.slot);
        if let What::Open(session) = &mut order.what {
            self.seat(place, session);
            return;
        }
        match self.session(place) {
            Some(session) if session.key == order.to => {}
            _ => return,
        }
        match &mut order.what {
            What::Open(_) => {}
            What::Attach(line) => {
                self.interrupt(place, order.to, io);
                let tick = self.next_tick(place);
                if let Some(session) = self.session(place) {
                    session.attach(line, tick);
                }
            }
            What::Detach(line) => {
                self.interrupt(place, order.to, io);
                if let Some(session) = self.session(place) {
                    session.detach(line);
                }
            }
            What::Sender { turn, sender } => self.change_sender(place, order.to, *turn, sender),
            What::Close => self.close(place),
            What::Play(track) => {
                let id = track.as_ref().map(|t| t.id());
                let taken = self.session(place).is_some_and(|s| s.take_track(track));
                if let (false, Some(id)) = (taken, id) {
                    self.tell(order.to, EventKind::Refused(id));
                }
            }
            What::Pause(id) => self.track(place, order.to, *id, |t| t.pause()),
            What::Resume(id) => self.track(place, order.to, *id, |t| t.resume()),
            What::Stop(id) => self.track(place, order.to, *id, |t| t.stop()),
            What::Gain(id, gain) => self.track(place, order.to, *id, |t| {
                t.set_gain(*gain);
                None
            }),
            What::Bitrate(bps) => {
                if let Some(session) = self.session(place) {
                    session.set_bitrate(*bps);
                }
            }
        }
        self.settle(place);
    }

    /// The line is about to change in mid-sound. The packet that waits is sent now, a few
    /// milliseconds early: its sound has been taken from the rings and would be lost. The tracks
    /// then hold still and fade in when there is a line again.
    fn interrupt<T: Transmit<Link = L>>(&mut self, place: Place, key: SessionKey, io: &mut T) {
        self.send_early(place, io);
        self.hush(place, key);
    }

    /// The tracks hold still where they are, and fade in when they go on.
    fn hush(&mut self, place: Place, key: SessionKey) {
        for i in 0..crate::MAX_TRACKS {
            let track = self.session(place).and_then(|s| s.tracks.get_mut(i));
            let news = track.and_then(|t| t.as_mut()).and_then(|t| t.hush());
            if let Some(kind) = news {
                self.tell(key, kind);
            }
        }
    }

    /// Frames travel another way. The packet that waits is sealed when it leaves, so it follows
    /// along; if nothing is sent any more, it stays here.
    fn change_sender(&mut self, place: Place, key: SessionKey, turn: u32, sender: &mut Sender) {
        let Some(session) = self.session(place) else {
            return;
        };
        session.turn = turn;
        if session.line.is_some() && !session.flows_on(sender) {
            self.withhold(place);
            self.hush(place, key);
        }
        if let Some(session) = self.session(place) {
            session.change_sender(sender);
        }
    }

    fn track(
        &mut self,
        place: Place,
        key: SessionKey,
        id: TrackId,
        act: impl FnOnce(&mut crate::track::Track) -> Option<EventKind>,
    ) {
        let track = self.session(place).and_then(|s| s.track(id));
        if let Some(kind) = track.and_then(act) {
            self.tell(key, kind);
        }
    }
}
