//! Packets that wait, mostly for a fault: a timer heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Instant;

/// Packets held at once; more are dropped, as an overfull router would.
const MAX_HELD: usize = 65_536;

/// Where a held packet goes on when its time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Onward {
    /// It arrives here from this address.
    Arrive(SocketAddr),
    /// It leaves to this address.
    Leave(SocketAddr),
}

/// Due time, order of arrival, destination, bytes; compared in this order.
type Entry = (Instant, u64, Onward, Vec<u8>);

/// See the module. Packets due at the same instant keep their order.
#[derive(Debug, Default)]
pub(super) struct Held {
    heap: BinaryHeap<Reverse<Entry>>,
    serial: u64,
}

impl Held {
    /// Holds a packet until `due`.
    pub fn put(&mut self, due: Instant, onward: Onward, packet: &[u8]) {
        if self.heap.len() < MAX_HELD {
            self.serial += 1;
            self.heap
                .push(Reverse((due, self.serial, onward, packet.to_vec())));
        }
    }

    /// When the next packet is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, ..))| *due)
    }

    /// Takes the next packet that is due.
    pub fn take(&mut self, now: Instant) -> Option<(Onward, Vec<u8>)> {
        if self.next_due()? > now {
            return None;
        }
        self.heap
            .pop()
            .map(|Reverse((_, _, onward, packet))| (onward, packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn packets_come_out_by_time_then_by_arrival() {
        let start = crate::clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let onward = Onward::Leave(([127, 0, 0, 1], 9).into());
        let mut held = Held::default();
        for (ms, byte) in [(30, 1), (10, 2), (10, 3), (20, 4)] {
            held.put(at(ms), onward, &[byte]);
        }
        assert_eq!(held.next_due(), Some(at(10)));
        assert_eq!(held.take(at(9)), None);
        let order: Vec<_> = std::iter::from_fn(|| held.take(at(30)))
            .flat_map(|(_, packet)| packet)
            .collect();
        assert_eq!(order, [2, 3, 4, 1]);
    }
}
