//! What the control side asks of the tick, and what the tick sends to be dropped.

use std::sync::Arc;

use mynah_audio::{DuckMatrix, EncoderSettings, Fade};

use crate::line::Line;
use crate::session::{Session, Tap};
use crate::shared::Board;
use crate::swap::Swap;
use crate::tap::LaneTap;
use crate::tracks::Node;
use crate::{Sender, SessionKey, TrackId};

/// One request. The box it comes in, and whatever the request replaced, go to the janitor: the
/// tick only swaps pointers.
pub(crate) struct Order<L> {
    pub(crate) to: SessionKey,
    pub(crate) what: What<L>,
    /// The session's slot where it is a guest: filled in by the thread that passes the order on.
    pub(crate) at: Option<u16>,
    /// What is told after this order has come is younger than this.
    pub(crate) stamp: u64,
    /// The next one in a [`Queue`].
    next: Option<Box<Order<L>>>,
}

impl<L> Order<L> {
    pub(crate) fn new(to: SessionKey, what: What<L>) -> Self {
        Self {
            to,
            what,
            at: None,
            stamp: 0,
            next: None,
        }
    }
}

/// A place on a tick thread that has been claimed for a session.
pub(crate) struct Seat {
    pub(crate) thread: u16,
    pub(crate) slot: u16,
    pub(crate) board: Arc<Board>,
}

impl Seat {
    /// The session does not come. Its own place is kept, whoever opened it frees that.
    pub(crate) fn give_up(&self, session: SessionKey) {
        let mine = self.board.slots.get(usize::from(self.slot));
        if let Some(mine) = mine.filter(|_| self.thread != session.thread) {
            mine.free();
        }
    }
}

/// Orders that wait, oldest first, linked through their own boxes: nothing is allocated.
pub(crate) struct Queue<L> {
    /// In the order they leave.
    first: Option<Box<Order<L>>>,
    /// Those that came later, the other way round.
    newest: Option<Box<Order<L>>>,
}

impl<L> Queue<L> {
    pub(crate) const fn new() -> Self {
        Self {
            first: None,
            newest: None,
        }
    }

    /// *Tick-safe.*
    pub(crate) fn push(&mut self, mut order: Box<Order<L>>) {
        order.next = self.newest.take();
        self.newest = Some(order);
    }

    /// Back to where it was popped. *Tick-safe.*
    pub(crate) fn put_back(&mut self, mut order: Box<Order<L>>) {
        order.next = self.first.take();
        self.first = Some(order);
    }

    /// *Tick-safe.*
    pub(crate) fn pop(&mut self) -> Option<Box<Order<L>>> {
        if self.first.is_none() {
            while let Some(mut order) = self.newest.take() {
                self.newest = order.next.take();
                order.next = self.first.take();
                self.first = Some(order);
            }
        }
        let mut order = self.first.take()?;
        self.first = order.next.take();
        Some(order)
    }
}

/// The options are `Some` on the way in; what is in them on the way out is dropped by the janitor.
pub(crate) enum What<L> {
    Open(Option<Box<Session<L>>>),
    Attach(Option<Box<Line<L>>>),
    Detach(Option<Box<Line<L>>>),
    /// `turn` counts these orders of a session, see [`SlotBoard`](crate::shared::SlotBoard).
    Sender {
        turn: u32,
        sender: Sender,
    },
    Close,
    Play(Option<Box<Node>>),
    Track(TrackId, Act),
    Duck(DuckMatrix),
    Talk(bool),
    Bitrate(u32),
    Encoder(EncoderSettings),
    Subscribe(Option<Box<Tap>>),
    /// Copy lanes into this tap, or into none.
    Lanes(Option<Box<LaneTap>>),
    /// Move to another tick thread.
    Move(Seat),
    /// The session itself, on its way; without one, it had ended before it could leave.
    Arrive(Option<Box<Session<L>>>, Seat),
    /// Nothing: what an order is while its content is being changed.
    Nothing,
}

/// What is to be done with one track.
pub(crate) enum Act {
    Pause,
    Resume,
    Stop,
    StopWith(Fade),
    Gain(f32),
    Fade(f32, Fade),
    Swap(Option<Box<Swap>>),
}

/// Something the tick has done with.
#[allow(dead_code, reason = "only ever dropped, by the janitor")]
pub(crate) enum Retired<L> {
    Order(Box<Order<L>>),
    Track(Box<Node>),
    Swap(Box<Swap>),
    Session(Box<Session<L>>),
}
