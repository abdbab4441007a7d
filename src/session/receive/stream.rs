//! The packets of one stream that wait, in order of arrival.

use std::collections::VecDeque;
use std::time::Instant;

use mynah_wire::rtp::sequence_distance;

use super::Head;

/// What a packet costs beside its frame.
const OVERHEAD_BYTES: usize = size_of::<Held>();

/// What a packet waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Only for those before it.
    Nothing,
    /// To know whose it is.
    Owner,
    /// A key.
    Key,
}

/// A waiting packet.
#[derive(Debug)]
pub(super) struct Held {
    pub head: Head,
    pub frame: Box<[u8]>,
    pub need: Need,
}

impl Held {
    pub const fn bytes(&self) -> usize {
        OVERHEAD_BYTES + self.frame.len()
    }
}

/// The packets.
#[derive(Debug, Default)]
pub(super) struct Stream(VecDeque<Held>);

impl Stream {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn push(&mut self, held: Held) {
        self.0.push_back(held);
    }

    pub fn pop(&mut self) -> Option<Held> {
        self.0.pop_front()
    }

    /// The first packet, if it waits only for its turn.
    pub fn pop_free(&mut self) -> Option<Held> {
        self.0.pop_front_if(|held| held.need == Need::Nothing)
    }

    /// When the first packet arrived.
    pub fn oldest(&self) -> Option<Instant> {
        self.0.front().map(|held| held.head.arrival)
    }

    /// Takes out those that were sent before `sequence`.
    pub fn take_before(&mut self, sequence: u16) -> VecDeque<Held> {
        let all = std::mem::take(&mut self.0);
        let (before, rest) = all
            .into_iter()
            .partition(|held| sequence_distance(held.head.sequence, sequence) > 0);
        self.0 = rest;
        before
    }
}
