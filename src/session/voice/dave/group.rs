//! Where the group is: at home, or away in a job; and what waits for it.

use std::collections::VecDeque;

use mynah_dave::group::Group;

use super::job::{Answer, Done, Job, Ticket, Work};
use super::message::Message;

/// Messages that may wait while a job is out. A job takes milliseconds; even a thousand sessions
/// sharing two threads leave no more than some dozen messages to each.
const MAX_WAITING: usize = 512;
/// Bytes they may hold together.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// A message together with those who were recognised when it came: it is judged as if it had been
/// handled at that moment.
#[derive(Debug)]
pub(super) struct Waiting {
    pub message: Message,
    pub recognized: Vec<u64>,
}

impl Waiting {
    const fn bytes(&self) -> usize {
        self.message.bytes() + self.recognized.len() * size_of::<u64>()
    }
}

/// The group's place, and the queue before it.
pub(super) struct Desk {
    generation: u64,
    serial: u64,
    group: Option<Box<Group>>,
    out: Option<Ticket>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
}

impl Desk {
    pub const fn new(generation: u64) -> Self {
        Self {
            generation,
            serial: 0,
            group: None,
            out: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    pub const fn is_out(&self) -> bool {
        self.out.is_some()
    }

    pub const fn has_group(&self) -> bool {
        self.group.is_some()
    }

    /// Nothing is being computed and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.out.is_none() && self.waiting.is_empty()
    }

    /// Queues a message; false when there is no room.
    #[must_use = "a message that is not queued is lost, and the group with it"]
    pub fn queue(&mut self, waiting: Waiting) -> bool {
        let bytes = self.waiting_bytes + waiting.bytes();
        if self.waiting.len() >= MAX_WAITING || bytes > MAX_WAITING_BYTES {
            return false;
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back(waiting);
        true
    }

    /// The next message; none while a job is out.
    pub fn next(&mut self) -> Option<Waiting> {
        if self.is_out() {
            return None;
        }
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes -= waiting.bytes();
        Some(waiting)
    }

    /// Gives the group away. Only when none is out.
    pub fn give(&mut self, work: Work) -> Job {
        self.serial += 1;
        let ticket = Ticket {
            generation: self.generation,
            serial: self.serial,
        };
        self.out = Some(ticket);
        Job::new(ticket, self.group.take(), work)
    }

    /// Takes the group back; `None` when this is not the job that is out.
    pub fn take_back(&mut self, done: Done) -> Option<Answer> {
        if self.out != Some(done.ticket) {
            return None;
        }
        self.out = None;
        self.group = done.group;
        Some(done.answer)
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("out", &self.out)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(bytes: usize) -> Waiting {
        Waiting {
            message: Message::ExternalSender(vec![0; bytes]),
            recognized: vec![1, 2],
        }
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_bytes_and_keeps_its_order() {
        let mut desk = Desk::new(1);
        for bytes in 0..MAX_WAITING {
            assert!(desk.queue(waiting(bytes)));
        }
        assert!(!desk.queue(waiting(0)));
        for bytes in 0..MAX_WAITING {
            assert_eq!(desk.next().unwrap().message.bytes(), bytes);
        }
        assert!(desk.is_idle() && desk.waiting_bytes == 0);
        assert!(desk.queue(waiting(MAX_WAITING_BYTES - 16)));
        assert!(!desk.queue(waiting(1)));
    }

    #[test]
    fn only_the_job_that_is_out_comes_back() {
        let mut desk = Desk::new(1);
        let mut other = Desk::new(2);
        let first = desk.give(Work::Renew { announce: true });
        let foreign = other.give(Work::Renew { announce: true });
        assert_ne!(first, foreign);
        assert!(desk.take_back(foreign.run()).is_none());
        assert!(desk.is_out());
        assert!(matches!(
            desk.take_back(first.run()),
            Some(Answer::Broken(_))
        ));
        assert!(!desk.is_out() && !desk.has_group());
    }
}
