//! The tick wheel: a plain value that is stepped, knowing neither clock nor socket.
//!
//! Every 5 ms one of four phases is *flushed* (its packets, prepared before, are sent at the
//! deadline), then waiting orders are carried out, then the phase due next is *prepared*. A packet
//! is sealed when it is flushed, not when it is prepared: keys may change in between. Between two
//! sessions the clock is looked at; when the next phase has become due meanwhile, the step ends
//! and the next one begins with the flush, so that sending is late by one encode at most, however
//! much there is to do. Deadlines are `start + n × 5 ms` and never move.
//!
//! Everything here is tick code (design/architecture.md B7).

mod moving;
mod seats;
mod send;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::bits::{Bits, PER_PHASE};
use crate::desk::Desk;
use crate::event::{Dated, Event, News};
use crate::load::Load;
use crate::mailbox::{Inbox, mailbox};
use crate::order::{Order, Retired};
use crate::session::{Made, Session};
use crate::shared::{Board, Counter, SLOTS};

use moving::Roads;
pub(crate) use moving::connect;

/// Phases of the wheel: a session is served every fourth wake.
pub const PHASES: usize = 4;
/// One wake every 5 ms.
pub const WAKE_NS: u64 = 5_000_000;

/// Orders that may wait for one thread (design/architecture.md B6, row 4).
const ORDERS: usize = 1024;
/// Orders carried out per wake.
const ORDERS_PER_WAKE: usize = 64;
/// Events that may wait to be read (row 5).
const EVENTS: usize = 1024;
/// Boxes that may wait to be dropped (row 7).
const RETIRED: usize = 4096;
/// Orders wait while the janitor has less room than the work of one order can retire.
const RETIRED_RESERVE: usize = 16;

/// Being this many wakes (35 ms) behind is made good by sending late: two late packets and the one
/// that was ready, three in a burst at most; or one late, if the next is due at once.
const CATCH_UP_WAKES: u64 = 7;
/// Being more than this (100 ms) behind is not made good at all: jump to now.
const HOPELESS_WAKES: u64 = 20;

/// The outside world of a wheel.
pub trait Transmit {
    /// What a [`Transport`](crate::Transport) holds for sending: a socket, or a test's stand-in.
    type Link;
    /// Monotonic time in nanoseconds. *Tick-safe.*
    fn now_ns(&mut self) -> u64;
    /// Sends one datagram without blocking. *Tick-safe.*
    fn send(&mut self, link: &Self::Link, datagram: &[u8]) -> Sent;
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel has it.
    Done,
    /// The kernel had no room (`EAGAIN`, `ENOBUFS`); late audio is worth nothing, so it is dropped.
    Full,
    /// The kernel refused it.
    Failed,
}

/// The next session to prepare.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    wake: u64,
    at: usize,
}

/// All sessions of one tick thread.
pub struct Wheel<L> {
    start_ns: u64,
    /// The wake that is flushed next.
    wake: u64,
    cursor: Cursor,
    pub(crate) sessions: Box<[Option<Box<Session<L>>>]>,
    /// Sessions that want ticks.
    awake: [Bits; PHASES],
    /// Sessions whose packet waits to be flushed.
    ready: [Bits; PHASES],
    /// Of these, the ones that were due and wait for an order that comes over another thread.
    stuck: [Bits; PHASES],
    open: usize,
    load: Load,
    busy_ns: u64,
    orders: Inbox<Order<L>>,
    pub(crate) roads: Roads<L>,
    winding_down: bool,
    events: News,
    retired: Producer<Retired<L>>,
    board: Arc<Board>,
}

/// A wheel and the ends of its queues.
pub(crate) struct Parts<L> {
    pub(crate) wheel: Wheel<L>,
    pub(crate) desk: Desk<L>,
    pub(crate) events: Consumer<Dated>,
    pub(crate) retired: Consumer<Retired<L>>,
}

/// Makes the wheel of tick thread number `thread`, whose first wake is at `start_ns`.
#[allow(clippy::disallowed_methods, reason = "control side")]
pub(crate) fn wheel<L>(thread: u16, start_ns: u64) -> Parts<L> {
    let (sender, orders) = mailbox(ORDERS);
    let (events_in, events) = RingBuffer::new(EVENTS);
    let (retired_in, retired) = RingBuffer::new(RETIRED);
    let board = Arc::new(Board::default());
    Parts {
        wheel: Wheel {
            start_ns,
            wake: 0,
            cursor: Cursor { wake: 0, at: 0 },
            sessions: std::iter::repeat_with(|| None).take(SLOTS).collect(),
            awake: [Bits::default(); PHASES],
            ready: [Bits::default(); PHASES],
            stuck: [Bits::default(); PHASES],
            open: 0,
            load: Load::default(),
            busy_ns: 0,
            orders,
            roads: Roads::new(thread),
            winding_down: false,
            events: News::new(events_in),
            retired: retired_in,
            board: Arc::clone(&board),
        },
        desk: Desk::new(thread, sender, board),
        events,
        retired,
    }
}

/// Where a slot lies on the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) phase: usize,
    pub(crate) at: usize,
}

impl Place {
    pub(crate) fn of(slot: u16) -> Self {
        let slot = usize::from(slot);
        Self {
            phase: slot / PER_PHASE % PHASES,
            at: slot % PER_PHASE,
        }
    }

    fn slot(self) -> usize {
        self.phase * PER_PHASE + self.at
    }
}

impl<L> Wheel<L> {
    /// Does what is due and returns when to step again. *Tick-safe.*
    pub fn step<T: Transmit<Link = L>>(&mut self, io: &mut T) -> u64 {
        let begin = io.now_ns();
        self.events.stamp = self.events.stamp.max(self.wake);
        self.flush_due(begin, io);
        self.drain(ORDERS_PER_WAKE, io);
        self.catch_up();
        let end = self.prepare(io);
        let cost = end.saturating_sub(begin);
        self.busy_ns = self.busy_ns.saturating_add(cost);
        self.board.wake_cost.record(cost);
        self.deadline(self.wake)
    }

    /// Asks every session to go, as when the program ends. *Tick-safe.*
    pub fn wind_down(&mut self) {
        self.winding_down = true;
        for slot in 0..SLOTS as u16 {
            self.close(Place::of(slot));
            self.settle(Place::of(slot));
        }
    }

    /// True when no session is left. *Tick-safe.*
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// What this wheel shares with the rest of the program.
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    fn deadline(&self, wake: u64) -> u64 {
        self.start_ns + wake * WAKE_NS
    }

    /// Sends the packets of every phase that has become due.
    fn flush_due<T: Transmit<Link = L>>(&mut self, now: u64, io: &mut T) {
        if now < self.deadline(self.wake) {
            return;
        }
        let due = (now - self.start_ns) / WAKE_NS;
        let missed = due + 1 - self.wake;
        self.flush_stuck(io);
        for wake in (self.wake..=due).take(PHASES) {
            self.flush((wake % PHASES as u64) as usize, io);
            self.board.lateness.record(now - self.deadline(wake));
        }
        self.wake = due + 1;
        self.board.wakes.add(missed);
        let busy = std::mem::take(&mut self.busy_ns);
        self.board.note_busy(busy / missed.max(1));
        self.load.note(busy, missed);
        self.board.rung.store(self.load.rung(), Relaxed);
        self.board.shed.store(self.load.shed(), Relaxed);
        self.board
            .overloaded
            .store(self.load.is_overloaded(), Relaxed);
    }

    /// Carries out the orders that wait, `most` at most.
    fn drain<T: Transmit<Link = L>>(&mut self, most: usize, io: &mut T) {
        self.roads.clear_jams();
        for _ in 0..most {
            if self.retired.slots() < RETIRED_RESERVE {
                return;
            }
            let Some(order) = self.roads.take().or_else(|| self.orders.take()) else {
                return;
            };
            let Some(order) = self.execute(order, io) else {
                continue;
            };
            // There is room, as was just made sure of: at most 16 boxes come from one order.
            if let Err(rtrb::PushError::Full(order)) = self.retired.push(Retired::Order(order)) {
                std::mem::forget(order);
            }
        }
    }

    /// Gives up what is too late to be sent. Timestamps follow the tick number and so advance by
    /// themselves; sequence numbers count packets and do not.
    fn catch_up(&mut self) {
        let behind = self.wake.saturating_sub(self.cursor.wake);
        let skip = if behind > HOPELESS_WAKES {
            behind
        } else {
            behind.saturating_sub(CATCH_UP_WAKES)
        };
        if skip == 0 {
            return;
        }
        let awake: u64 = self.awake.iter().map(|bits| u64::from(bits.len())).sum();
        self.board.skipped_frames.add(skip * awake / PHASES as u64);
        if behind > HOPELESS_WAKES {
            self.board.resyncs.add(1);
        }
        self.cursor = Cursor {
            wake: self.cursor.wake + skip,
            at: 0,
        };
    }

    /// Prepares sessions until none is left to do or the next phase is due. Returns the time.
    fn prepare<T: Transmit<Link = L>>(&mut self, io: &mut T) -> u64 {
        let mut now = io.now_ns();
        let due = self.deadline(self.wake);
        while self.cursor.wake <= self.wake {
            let phase = (self.cursor.wake % PHASES as u64) as usize;
            let awake = self.awake.get(phase);
            let Some(at) = awake.and_then(|bits| bits.next_from(self.cursor.at)) else {
                self.cursor.wake += 1;
                self.cursor.at = 0;
                continue;
            };
            if now >= due {
                return now;
            }
            let place = Place { phase, at };
            if self.leaves_out(place) {
                self.cursor.at = at + 1;
                continue;
            }
            let tick = self.cursor.wake / PHASES as u64;
            if self.is_ready(place) {
                // What it waited for has not come in a whole round.
                self.send_anyway(place, io);
            }
            self.prepare_one(place, tick);
            let late = self.cursor.wake < self.wake;
            // Its turn is over, whatever orders are read before it is sent.
            self.cursor.at = at + 1;
            if late && self.is_ready(place) {
                self.board.late_packets.add(1);
                self.send_due(place, io);
            }
            self.settle(place);
            let after = io.now_ns();
            self.note_cost(place, after.saturating_sub(now));
            self.depart(place);
            now = after;
        }
        now
    }

    /// The last rung of the overload ladder: one in so many frames is not made. What costs next to
    /// nothing is not worth leaving out.
    fn leaves_out(&mut self, place: Place) -> bool {
        let tick = self.cursor.wake / PHASES as u64;
        let slot = place.slot();
        let left_out = self.load.sheds(tick, slot)
            && self
                .session(place)
                .is_some_and(|s| !s.closing && s.encodes());
        if left_out {
            self.board.skipped_frames.add(1);
        }
        left_out
    }

    fn note_cost(&mut self, place: Place, cost_ns: u64) {
        self.board.frame_cost.record(cost_ns);
        let (Some(Some(session)), Some(mine)) = (
            self.sessions.get(place.slot()),
            self.board.slots.get(place.slot()),
        ) else {
            return;
        };
        mine.cost.note(cost_ns, session.floor_percent());
    }

    fn prepare_one(&mut self, place: Place, tick: u64) {
        let slot = place.slot();
        let (Some(Some(session)), Some(mine)) =
            (self.sessions.get_mut(slot), self.board.slots.get(slot))
        else {
            return;
        };
        if tick < session.not_before {
            // It has said that where it was before.
            return;
        }
        let (events, board, key) = (&mut self.events, &self.board, session.key);
        let work = || [&mine.encoded, &mine.passed, &mine.unpacked].map(Counter::get);
        let before = work();
        let made = session.prepare(tick, self.load.complexity(), mine, &mut |kind| {
            events.tell(board, Event { session: key, kind });
        });
        let all = [
            &self.board.encoded,
            &self.board.passed,
            &self.board.unpacked,
        ];
        for ((all, after), before) in all.into_iter().zip(work()).zip(before) {
            all.add(after - before);
        }
        match made {
            Made::Packet => {
                if let Some(ready) = self.ready.get_mut(place.phase) {
                    ready.set(place.at);
                }
            }
            Made::Failed => self.board.codec_errors.add(1),
            Made::Nothing => {}
        }
    }
}

#[cfg(test)]
#[path = "wheel_tests/mod.rs"]
mod tests;
