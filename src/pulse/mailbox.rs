//! The way orders reach a tick thread: many senders, one reader that never waits.
//!
//! Why not a ready-made queue: the reader of the usual bounded MPSC array queues spins while a
//! sender stands between claiming a cell and filling it. A tick thread at `SCHED_FIFO` that has
//! pushed exactly this sender off the CPU would then spin for ever. Here the reader takes what is
//! there and looks again at the next wake.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;

struct Cells<T> {
    cells: Box<[AtomicCell<Option<Box<T>>>]>,
    /// Next cell a sender claims; counts up for ever.
    tail: CachePadded<AtomicUsize>,
    /// Next cell the reader looks at.
    head: CachePadded<AtomicUsize>,
}

impl<T> Cells<T> {
    fn at(&self, count: usize) -> Option<&AtomicCell<Option<Box<T>>>> {
        self.cells.get(count % self.cells.len())
    }
}

/// The sending end; cheap to clone.
pub(crate) struct Sender<T>(Arc<Cells<T>>);

/// The reading end; there is one.
pub(crate) struct Inbox<T>(Arc<Cells<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A mailbox for at most `capacity` (rounded up to a power of two) boxes.
#[allow(clippy::disallowed_methods, reason = "control side")]
pub(crate) fn mailbox<T>(capacity: usize) -> (Sender<T>, Inbox<T>) {
    // Otherwise AtomicCell would fall back to a lock.
    const { assert!(AtomicCell::<Option<Box<T>>>::is_lock_free()) };
    // A power of two, so that the position stays right when the counters wrap.
    let capacity = capacity.next_power_of_two();
    let cells = Arc::new(Cells {
        cells: (0..capacity).map(|_| AtomicCell::new(None)).collect(),
        tail: CachePadded::new(AtomicUsize::new(0)),
        head: CachePadded::new(AtomicUsize::new(0)),
    });
    (Sender(Arc::clone(&cells)), Inbox(cells))
}

impl<T> Sender<T> {
    /// Posts one box.
    ///
    /// # Errors
    /// Hands the box back when the mailbox is full.
    pub(crate) fn put(&self, item: Box<T>) -> Result<(), Box<T>> {
        let cells = &self.0;
        let mut tail = cells.tail.load(Ordering::Relaxed);
        loop {
            // Acquire: a cell seen as passed by the reader has been emptied by it.
            let head = cells.head.load(Ordering::Acquire);
            if tail.wrapping_sub(head) >= cells.cells.len() {
                let now = cells.tail.load(Ordering::Relaxed);
                if now == tail {
                    return Err(item);
                }
                tail = now;
                continue;
            }
            let next = tail.wrapping_add(1);
            match cells
                .tail
                .compare_exchange_weak(tail, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => tail = now,
            }
        }
        let Some(cell) = cells.at(tail) else {
            unreachable!("a position modulo the length is within it")
        };
        cell.store(Some(item));
        Ok(())
    }
}

impl<T> Inbox<T> {
    /// The oldest box, or `None` when there is none *ready*: a sender that has claimed a cell and
    /// was interrupted holds back those after it until the next look. *Tick-safe.*
    pub(crate) fn take(&mut self) -> Option<Box<T>> {
        let head = self.0.head.load(Ordering::Relaxed);
        let item = self.0.at(head)?.take()?;
        self.0.head.store(head.wrapping_add(1), Ordering::Release);
        Some(item)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn boxes_come_out_in_the_order_they_went_in() {
        let (sender, mut inbox) = mailbox(4);
        assert!(inbox.take().is_none());
        for round in 0..10 {
            for i in 0..4 {
                sender.put(Box::new(round * 4 + i)).unwrap();
            }
            assert_eq!(sender.put(Box::new(99)), Err(Box::new(99)), "full");
            for i in 0..4 {
                assert_eq!(inbox.take().as_deref(), Some(&(round * 4 + i)));
            }
        }
        assert!(inbox.take().is_none());
    }

    #[test]
    fn nothing_is_lost_or_doubled_between_four_senders() {
        const EACH: usize = 20_000;
        let (sender, mut inbox) = mailbox(64);
        let threads: Vec<_> = (0..4)
            .map(|who| {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    for i in 0..EACH {
                        let mut item = Box::new((who, i));
                        while let Err(back) = sender.put(item) {
                            item = back;
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let mut next = [0; 4];
        while next != [EACH; 4] {
            if let Some(item) = inbox.take() {
                let (who, i): (usize, usize) = *item;
                assert_eq!(next[who], i, "each sender's own order is kept");
                next[who] += 1;
            } else {
                std::thread::yield_now();
            }
        }
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert!(inbox.take().is_none());
    }

    #[test]
    fn boxes_left_inside_are_freed_with_it() {
        let witness = Arc::new(());
        let (sender, inbox) = mailbox(4);
        sender.put(Box::new(Arc::clone(&witness))).unwrap();
        drop((sender, inbox));
        assert_eq!(Arc::strong_count(&witness), 1);
    }
}
