//! A session that is a bus: it has no line; what it says goes into a feed.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::event::EventKind;
use crate::feed::Feed;
use crate::shared::SlotBoard;

use super::{Made, Session, Tail};

impl<L> Session<L> {
    /// Makes a bus of a session that has not reached the tick yet. Allocates.
    pub(crate) fn become_bus(&mut self, feed: Arc<Feed>) {
        self.feed = Some(feed);
        self.mixer.keep_dry();
    }

    /// The session is gone; nobody waits for its frames any more. *Tick-safe.*
    pub(crate) fn leave(&self) {
        if let Some(feed) = &self.feed {
            feed.close();
        }
    }

    /// Mixes, encodes and publishes the frame of `tick`. Nothing is encoded for nobody, but the
    /// tracks go on, unless they are to wait: a radio does not. *Tick-safe.*
    pub(super) fn broadcast(
        &mut self,
        feed: &Feed,
        tick: u64,
        most: u8,
        board: &SlotBoard,
        tell: &mut impl FnMut(EventKind),
    ) -> Made {
        let alone = feed.listeners() == 0;
        let rests = alone && feed.rests();
        if rests {
            self.mixer.hush(tell);
        }
        let sound = !rests && self.mixer.next(None, tell);
        board.sounding.store(sound, Relaxed);
        if alone {
            feed.fall_quiet(tick);
            if self.tail != Tail::Quiet {
                self.begin();
            }
            return Made::Nothing;
        }
        let begins = sound && self.tail != Tail::Sounding;
        let wished = sound && !begins && feed.takes_wish(tick);
        if wished {
            self.encoder.begin();
        }
        let says = sound || self.tail == Tail::Sounding;
        match self.speak(sound, tick, most, board) {
            Made::Packet if says => {
                let frame = self.packet.frame();
                if let Some(dry) = self.mixer.dry() {
                    feed.publish(tick, frame, begins || wished, dry);
                }
                Made::Nothing
            }
            // The silence frames are each subscriber's own.
            Made::Packet | Made::Nothing => {
                feed.fall_quiet(tick);
                Made::Nothing
            }
            Made::Failed => Made::Failed,
        }
    }
}
