//! Carrying out orders on the wheel. Tick code.

use crate::event::EventKind;
use crate::order::{Act, Order, What};
use crate::wheel::{Place, Transmit, Wheel};
use crate::{Sender, SessionKey, TrackId};

impl<L> Wheel<L> {
    /// Carries out one order; what it replaced is left in it. An order for a session that is gone
    /// does nothing, one for a session that has moved follows it. Returns the order if it is done
    /// with. *Tick-safe.*
    pub(crate) fn execute<T: Transmit<Link = L>>(
        &mut self,
        mut order: Box<Order<L>>,
        io: &mut T,
    ) -> Option<Box<Order<L>>> {
        if let What::Open(session) = &mut order.what {
            self.roads.open(order.to);
            self.seat(Place::of(order.to.slot), session);
            return Some(order);
        }
        let (mut order, place) = self.direct(order)?;
        match &order.what {
            What::Move(_) => return self.set_out(place, order),
            What::Arrive(..) => return self.arrive(order, io),
            _ => {}
        }
        let here = self.session(place).filter(|s| s.key == order.to);
        if here.is_some() {
            self.carry_out(place, &mut order, io);
        }
        Some(order)
    }

    fn carry_out<T: Transmit<Link = L>>(&mut self, place: Place, order: &mut Order<L>, io: &mut T) {
        match &mut order.what {
            What::Open(_) | What::Move(_) | What::Arrive(..) | What::Nothing => {}
            What::Attach(line) => {
                self.interrupt(place, io);
                let tick = self.next_tick(place);
                if let Some(session) = self.session(place) {
                    session.attach(line, tick);
                }
            }
            What::Detach(line) => {
                self.interrupt(place, io);
                if let Some(session) = self.session(place) {
                    session.detach(line);
                }
            }
            What::Sender { turn, sender } => self.change_sender(place, *turn, sender),
            What::Close => self.close(place),
            What::Play(track) => {
                let id = track.as_ref().map(|t| t.id());
                let taken = self.session(place).is_some_and(|s| s.take_track(track));
                if let (false, Some(id)) = (taken, id) {
                    self.tell(order.to, EventKind::Refused(id));
                }
            }
            What::Track(id, act) => self.track(place, order.to, *id, act),
            What::Duck(matrix) => {
                if let Some(session) = self.session(place) {
                    session.mixer.set_ducking(*matrix);
                }
            }
            What::Talk(talks) => {
                if let Some(session) = self.session(place) {
                    session.mixer.set_talking(*talks);
                }
            }
            What::Subscribe(tap) => {
                if let Some(session) = self.session(place) {
                    session.subscribe(tap);
                }
            }
            What::Lanes(tap) => {
                if let Some(session) = self.session(place) {
                    std::mem::swap(&mut session.mixer.lanes, tap);
                }
            }
            What::Encoder(settings) => {
                if let Some(session) = self.session(place) {
                    session.set_encoder(*settings);
                }
            }
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
    fn interrupt<T: Transmit<Link = L>>(&mut self, place: Place, io: &mut T) {
        self.send_early(place, io);
        self.hush(place);
    }

    /// Frames travel another way. The packet that waits is sealed when it leaves, so it follows
    /// along; if nothing is sent any more, it stays here.
    fn change_sender(&mut self, place: Place, turn: u32, sender: &mut Sender) {
        let Some(session) = self.session(place) else {
            return;
        };
        session.turn = turn;
        if session.line.is_some() && !session.flows_on(sender) {
            self.withhold(place);
            self.hush(place);
        }
        if let Some(session) = self.session(place) {
            session.change_sender(sender);
        }
    }

    fn track(&mut self, place: Place, key: SessionKey, id: TrackId, act: &mut Act) {
        let track = self.session(place).and_then(|s| s.mixer.tracks.find(id));
        if let Some(kind) = track.and_then(|t| t.act(act)) {
            self.tell(key, kind);
        }
    }
}
