//! Where things from the tick are dropped: freeing memory and closing sockets is not tick work.
#![allow(clippy::disallowed_methods, reason = "runs on the janitor thread")]

use rtrb::Consumer;

use crate::order::Retired;

/// Drops what tick threads have retired.
pub struct Janitor<L> {
    queues: Vec<Consumer<Retired<L>>>,
}

impl<L> Janitor<L> {
    pub(crate) fn new(queues: Vec<Consumer<Retired<L>>>) -> Self {
        Self { queues }
    }

    /// Drops everything that waits and returns how much that was.
    pub fn sweep(&mut self) -> usize {
        let mut swept = 0;
        for queue in &mut self.queues {
            while let Ok(retired) = queue.pop() {
                drop(retired);
                swept += 1;
            }
        }
        swept
    }

    /// True when all tick threads are gone.
    pub(crate) fn is_alone(&self) -> bool {
        self.queues.iter().all(Consumer::is_abandoned)
    }
}

impl<L> std::fmt::Debug for Janitor<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting: usize = self.queues.iter().map(Consumer::slots).sum();
        write!(f, "Janitor({waiting} waiting)")
    }
}
