//! Sessions that move to another tick thread. Tick code.
//!
//! A session moves by value, with everything it has: tracks, mix, encoder, line, subscription. It
//! leaves when its turn is over and its packet is sent, which gives it three wakes to arrive before its
//! next turn; its place over there is in the same phase. Frames, sequence numbers and timestamps go on
//! as if nothing had been.
//!
//! Orders go to the thread that opened the session, its *home*, for ever: that thread passes them on.
//! Whoever moves does so over its home, which lets the orders wait until it has arrived. So each
//! caller's orders are carried out in their order, wherever the session is. Between two threads there
//! is one ring in each direction.

use rtrb::{Consumer, Producer, RingBuffer};

use super::{Place, Transmit, Wheel};
use crate::SessionKey;
use crate::order::{Order, Queue, What};
use crate::session::Session;
use crate::shared::{SLOTS, Stay};

/// Orders that may be on their way between two threads; more wait where they are.
const ON_THE_WAY: usize = 256;
/// Frames that are made up for when a session arrives late: as many as a thread makes up for that
/// was late itself.
const MOST_LATE: u64 = 2;

/// Where a session is that was opened here.
#[derive(Clone, Copy)]
enum Whereabouts {
    Here,
    Guest {
        thread: u16,
        slot: u16,
    },
    /// Asked back, to stay or to be sent elsewhere; its orders wait.
    OnTheWay,
}

type Outward<L> = Producer<Box<Order<L>>>;

struct Route<L> {
    serial: u32,
    at: Whereabouts,
    waiting: Queue<L>,
}

/// The ways between the tick threads, seen from one of them.
pub(crate) struct Roads<L> {
    pub(super) thread: u16,
    routes: Box<[Route<L>]>,
    /// Orders that have waited and come before all others now.
    resumed: Queue<L>,
    /// For each thread: what its ring had no room for.
    jammed: Box<[Queue<L>]>,
    /// None to itself.
    outward: Box<[Option<Outward<L>>]>,
    inward: Box<[Consumer<Box<Order<L>>>]>,
}

impl<L> Roads<L> {
    #[allow(clippy::disallowed_methods, reason = "control side")]
    pub(super) fn new(thread: u16) -> Self {
        let route = || Route {
            serial: 0,
            at: Whereabouts::Here,
            waiting: Queue::new(),
        };
        Self {
            thread,
            routes: std::iter::repeat_with(route).take(SLOTS).collect(),
            resumed: Queue::new(),
            jammed: Box::default(),
            outward: Box::default(),
            inward: Box::default(),
        }
    }

    /// The next order that came over here or has waited. *Tick-safe.*
    pub(super) fn take(&mut self) -> Option<Box<Order<L>>> {
        let from_others = || self.inward.iter_mut().find_map(|ring| ring.pop().ok());
        self.resumed.pop().or_else(from_others)
    }

    /// Sends an order to another thread, behind all that were sent before. *Tick-safe.*
    fn post(&mut self, thread: u16, order: Box<Order<L>>) {
        if let Some(jam) = self.jammed.get_mut(usize::from(thread)) {
            jam.push(order);
        }
        self.clear_jams();
    }

    /// Sends on what has waited for room. *Tick-safe.*
    pub(super) fn clear_jams(&mut self) {
        let ways = self.jammed.iter_mut().zip(&mut self.outward);
        for (jam, ring) in ways.filter_map(|(jam, ring)| Some((jam, ring.as_mut()?))) {
            while let Some(order) = jam.pop() {
                if let Err(rtrb::PushError::Full(order)) = ring.push(order) {
                    jam.put_back(order);
                    break;
                }
            }
        }
    }

    /// The route of a session that was opened here.
    fn route(&mut self, session: SessionKey) -> Option<&mut Route<L>> {
        let route = self.routes.get_mut(usize::from(session.slot))?;
        (route.serial == session.serial).then_some(route)
    }

    /// A new session comes into a slot: its orders stay here. Those of the one before find nobody.
    /// *Tick-safe.*
    pub(crate) fn open(&mut self, session: SessionKey) {
        if let Some(route) = self.routes.get_mut(usize::from(session.slot)) {
            route.serial = session.serial;
            route.at = Whereabouts::Here;
            while let Some(order) = route.waiting.pop() {
                self.resumed.push(order);
            }
        }
    }

    /// The session's orders go there from now on, those first that have waited.
    fn point(&mut self, session: SessionKey, to: Whereabouts) {
        if let Some(route) = self.routes.get_mut(usize::from(session.slot))
            && route.serial == session.serial
        {
            route.at = to;
            while let Some(order) = route.waiting.pop() {
                self.resumed.push(order);
            }
        }
    }
}

/// Joins wheels to each other, so that sessions can move between them. Before they first step.
#[allow(clippy::disallowed_methods, reason = "control side")]
pub(crate) fn connect<L>(wheels: &mut [Wheel<L>]) {
    let count = wheels.len();
    let mut inward: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
    for (from, wheel) in wheels.iter_mut().enumerate() {
        let mut outward = Vec::new();
        for (to, inward) in inward.iter_mut().enumerate() {
            outward.push((from != to).then(|| {
                let (producer, consumer) = RingBuffer::new(ON_THE_WAY);
                inward.push(consumer);
                producer
            }));
        }
        wheel.roads.outward = outward.into_boxed_slice();
        wheel.roads.jammed = (0..count).map(|_| Queue::new()).collect();
    }
    for (wheel, inward) in wheels.iter_mut().zip(inward) {
        wheel.roads.inward = inward.into_boxed_slice();
    }
}

impl<L> Wheel<L> {
    /// Where an order is to be carried out, if that is here and now; otherwise it has gone its way.
    /// *Tick-safe.*
    pub(crate) fn direct(&mut self, mut order: Box<Order<L>>) -> Option<(Box<Order<L>>, Place)> {
        let key = order.to;
        if key.thread != self.roads.thread {
            let slot = order.at.unwrap_or(key.slot);
            return Some((order, Place::of(slot)));
        }
        let own = Place::of(key.slot);
        let Some(route) = self.roads.route(key) else {
            return Some((order, own));
        };
        match route.at {
            _ if matches!(order.what, What::Arrive(..)) => {}
            Whereabouts::Here => {}
            Whereabouts::OnTheWay => {
                route.waiting.push(order);
                return None;
            }
            Whereabouts::Guest { thread, slot } => {
                if let What::Move(seat) = &order.what {
                    if seat.thread == thread {
                        seat.give_up(key);
                        order.what = What::Nothing;
                        return Some((order, own));
                    }
                    route.at = Whereabouts::OnTheWay;
                }
                order.at = Some(slot);
                self.roads.post(thread, order);
                return None;
            }
        }
        Some((order, own))
    }

    /// The session is to leave as soon as nothing of it waits here; `order` carries it. Returns the
    /// order if it does not go. *Tick-safe.*
    pub(crate) fn set_out(
        &mut self,
        place: Place,
        mut order: Box<Order<L>>,
    ) -> Option<Box<Order<L>>> {
        let key = order.to;
        let at_home = key.thread == self.roads.thread;
        let What::Move(seat) = &order.what else {
            return Some(order);
        };
        let here = seat.thread == self.roads.thread;
        match self.session(place).filter(|session| session.key == key) {
            Some(session) if session.departing.is_none() && !here => {
                session.departing = Some(order);
            }
            // It is here already, or about to leave.
            Some(_) => {
                seat.give_up(key);
                return Some(order);
            }
            None if at_home => {
                seat.give_up(key);
                return Some(order);
            }
            None => {
                order.what = not_coming(std::mem::replace(&mut order.what, What::Nothing));
                self.roads.post(key.thread, order);
                return None;
            }
        }
        let sleeps = self.awake.get(place.phase);
        if sleeps.is_none_or(|awake| awake.next_from(place.at) != Some(place.at)) {
            self.depart(place);
        }
        None
    }

    /// Sends the session away, if it is to go and nothing of it waits here. *Tick-safe.*
    pub(crate) fn depart(&mut self, place: Place) {
        let goes = |session: &mut Session<L>| session.departing.is_some();
        if !self.session(place).is_some_and(goes) || self.is_ready(place) {
            return;
        }
        let first_tick = self.next_tick(place);
        let (Some(seat), Some(mine), Some(awake)) = (
            self.sessions.get_mut(place.slot()),
            self.board.slots.get(place.slot()),
            self.awake.get_mut(place.phase),
        ) else {
            return;
        };
        let Some(mut order) = seat.as_mut().and_then(|session| session.departing.take()) else {
            return;
        };
        let (Some(mut session), What::Move(to)) = (
            seat.take(),
            std::mem::replace(&mut order.what, What::Nothing),
        ) else {
            return;
        };
        awake.clear(place.at);
        self.open -= 1;
        session.not_before = first_tick;
        let key = session.key;
        let home = key.thread;
        let over_there = to.board.slots.get(usize::from(to.slot));
        if let Some(over_there) = over_there {
            over_there.take_over(mine);
            let stay = if to.thread == home {
                Stay::Own
            } else {
                Stay::Guest
            };
            over_there.set_stay(stay);
        }
        let next = if home == self.roads.thread {
            mine.set_stay(Stay::Away);
            let (thread, slot) = (to.thread, to.slot);
            self.roads.point(key, Whereabouts::Guest { thread, slot });
            order.at = Some(slot);
            thread
        } else {
            mine.free();
            order.at = None;
            home
        };
        order.stamp = self.events.stamp;
        order.what = What::Arrive(Some(session), to);
        self.roads.post(next, order);
    }

    /// The session that was to leave has ended here: its home need not let orders wait. *Tick-safe.*
    pub(super) fn call_off(&mut self, session: &mut Session<L>) {
        let Some(mut order) = session.departing.take() else {
            return;
        };
        let key = session.key;
        if key.thread == self.roads.thread {
            if let What::Move(seat) = &order.what {
                seat.give_up(key);
            }
            // Goes with the session.
            session.departing = Some(order);
        } else {
            order.what = not_coming(std::mem::replace(&mut order.what, What::Nothing));
            self.roads.post(key.thread, order);
        }
    }

    /// A session has come, to stay or to go on from here. Returns the order that carried it unless
    /// that goes on, too. *Tick-safe.*
    pub(crate) fn arrive<T: Transmit<Link = L>>(
        &mut self,
        mut order: Box<Order<L>>,
        io: &mut T,
    ) -> Option<Box<Order<L>>> {
        let key = order.to;
        let at_home = key.thread == self.roads.thread;
        let What::Arrive(session, to) = &mut order.what else {
            return Some(order);
        };
        self.events.stamp = self.events.stamp.max(order.stamp + 1);
        let (thread, slot) = (to.thread, to.slot);
        if session.is_none() {
            to.give_up(key);
            self.roads.point(key, Whereabouts::Here);
            return Some(order);
        }
        if thread != self.roads.thread {
            self.roads.point(key, Whereabouts::Guest { thread, slot });
            order.at = Some(slot);
            order.stamp = self.events.stamp;
            self.roads.post(thread, order);
            return None;
        }
        let place = Place::of(slot);
        self.seat(place, session);
        if at_home {
            self.roads.point(key, Whereabouts::Here);
        }
        if self.winding_down {
            self.close(place);
        }
        self.make_up_for(place, io);
        self.settle(place);
        Some(order)
    }

    /// What the session should have said here before it came.
    fn make_up_for<T: Transmit<Link = L>>(&mut self, place: Place, io: &mut T) {
        let slot = place.slot();
        let next = self.next_tick(place);
        let Some(first) = self.session(place).map(|session| session.not_before) else {
            return;
        };
        let was_awake = self
            .board
            .slots
            .get(slot)
            .is_some_and(|mine| mine.is_awake());
        if !was_awake || first >= next {
            return;
        }
        let from = first.max(next.saturating_sub(MOST_LATE));
        self.board.skipped_frames.add(from - first);
        for tick in from..next {
            self.prepare_one(place, tick);
            if self.is_ready(place) {
                self.board.late_packets.add(1);
                self.send_due(place, io);
            }
        }
    }

    /// True when the session's orders come over another thread. *Tick-safe.*
    pub(super) fn is_guest(&self, place: Place) -> bool {
        let session = self.sessions.get(place.slot());
        session.is_some_and(|session| {
            let key = session.as_ref().map(|session| session.key);
            key.is_some_and(|key| key.thread != self.roads.thread)
        })
    }
}

/// The answer to a move of a session that has ended.
fn not_coming<L>(what: What<L>) -> What<L> {
    match what {
        What::Move(seat) => What::Arrive(None, seat),
        other => other,
    }
}
