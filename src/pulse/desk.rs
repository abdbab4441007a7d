//! The control side's counter for one tick thread: orders go over it.
#![allow(
    clippy::disallowed_methods,
    reason = "control side: runs on callers' threads"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use mynah_audio::{Encoder, EncoderConfig};

use crate::feed::Feed;
use crate::mailbox::Sender;
use crate::order::{Order, Seat, What};
use crate::session::{MixConfig, Session};
use crate::shared::Board;
use crate::{OpenError, Sender as FrameSender, SessionKey};

/// A full mailbox empties at 64 orders each 5 ms; a caller looks again this often …
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// … and this many times: a thread that has not looked for a second does not live any more.
const FULL_LOOKS: u32 = 1000;

/// Posts orders to one tick thread.
pub(crate) struct Desk<L> {
    thread: u16,
    orders: Sender<Order<L>>,
    pub(crate) board: Arc<Board>,
}

impl<L> Desk<L> {
    pub(crate) fn new(thread: u16, orders: Sender<Order<L>>, board: Arc<Board>) -> Self {
        Self {
            thread,
            orders,
            board,
        }
    }

    /// Makes a mix and sends it to the tick; with a feed it is a bus.
    pub(crate) fn open(
        &self,
        serial: u32,
        mix: MixConfig,
        feed: Option<Arc<Feed>>,
    ) -> Result<SessionKey, OpenError> {
        let slot = match &feed {
            Some(_) => self.board.claim_early(serial),
            None => self.board.claim(serial),
        };
        let slot = slot.ok_or(OpenError::Full)?;
        let key = SessionKey {
            thread: self.thread,
            slot,
            serial,
        };
        let mut session = Session::new(key, Arc::clone(&self.board), mix);
        if let Some(feed) = feed {
            session.become_bus(feed);
        }
        self.send(key, What::Open(Some(Box::new(session))));
        Ok(key)
    }

    /// An encoder for a mix that has none yet. Of two made at once the tick sends one back.
    pub(crate) fn encoder_for(&self, to: SessionKey) -> Option<Box<Encoder>> {
        let slot = self.board.slots.get(usize::from(to.slot))?;
        if slot.equipped.load(Relaxed) {
            return None;
        }
        Encoder::new(EncoderConfig::default()).ok().map(Box::new)
    }

    /// Orders how the frames of a mix travel, and announces it on the slot's board: from then on no
    /// packet leaves before the order was read.
    pub(crate) fn sender(&self, to: SessionKey, sender: FrameSender) {
        let Some(slot) = self.board.slots.get(usize::from(to.slot)) else {
            return;
        };
        let turn = slot.ask();
        if self.send(to, What::Sender { turn, sender }) {
            slot.announce(to.serial, turn);
        }
    }

    /// Claims a place for a session of another thread, in the phase it has.
    pub(crate) fn reserve(&self, guest: SessionKey) -> Option<Seat> {
        let slot = self.board.claim_for(guest)?;
        Some(self.seat(slot))
    }

    /// A place that is claimed already.
    pub(crate) fn seat(&self, slot: u16) -> Seat {
        Seat {
            thread: self.thread,
            slot,
            board: Arc::clone(&self.board),
        }
    }

    /// Posts one order. Waits while the mailbox is full; false when it had to be given up.
    pub(crate) fn send(&self, to: SessionKey, what: What<L>) -> bool {
        let mut order = Box::new(Order::new(to, what));
        for _ in 0..FULL_LOOKS {
            if self.board.stopped.load(Acquire) {
                return false;
            }
            match self.orders.put(order) {
                Ok(()) => return true,
                Err(back) => order = back,
            }
            std::thread::sleep(FULL_PAUSE);
        }
        self.board.orders_lost.fetch_add(1, Relaxed);
        false
    }
}
