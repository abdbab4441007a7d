//! Patience while others are here, but no group.

use std::time::{Duration, Instant};

use mynah_wire::dave::AT_ONCE;

/// How long to wait for a group the first time; twice as long each time after. By then the server has
/// tried all it does by itself: members that do not commit are started anew after 3 to 5 s (dave.md
/// section 9).
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(80);

/// A wait for a commit or welcome that may have got lost. Then a new key package is sent: servers take
/// it instead of the one before, or take us out of the group that we never got into, and add us
/// again. Other clients stay deaf and dumb until they reconnect.
#[derive(Debug)]
pub(super) struct Search {
    since: Instant,
    patience: Duration,
    /// A transition that the server executed with us, as it believes.
    missed: Option<u16>,
}

impl Search {
    pub const fn new(now: Instant) -> Self {
        Self {
            since: now,
            patience: FIRST,
            missed: None,
        }
    }

    /// A key package is sent: from now on there is something to wait for.
    pub fn begin(&mut self, now: Instant) {
        self.since = now;
        self.missed = None;
    }

    /// The websocket was away, and with it perhaps what we asked for last, of which nothing is
    /// repeated by a resume: the wait begins again, as short as the first.
    pub const fn resume(&mut self, now: Instant) {
        self.since = now;
        self.patience = FIRST;
    }

    /// Op 22 for a transition we know nothing of.
    pub fn missed(&mut self, transition_id: u16) {
        self.missed = Some(transition_id).filter(|id| *id != AT_ONCE);
    }

    /// How long to wait when there have been others since `company`.
    pub fn deadline(&self, company: Instant) -> Instant {
        self.since.max(company) + self.patience
    }

    /// The wait was in vain; the next takes longer. Answers what to name in an op 31: only a
    /// transition that is known to have passed us by.
    pub fn give_up(&mut self) -> Option<u16> {
        self.patience = LONGEST.min(self.patience * 2);
        self.missed.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_doubles_in_vain_and_is_short_again_after_a_break() {
        let start = Instant::now();
        let mut search = Search::new(start);
        search.begin(start);
        assert_eq!(search.deadline(start), start + FIRST);
        for doubled in [2, 4, 8, 16, 16] {
            assert_eq!(search.give_up(), None);
            assert_eq!(search.deadline(start), start + FIRST * doubled);
        }
        let back = start + Duration::from_secs(3);
        search.resume(back);
        assert_eq!(search.deadline(start), back + FIRST);
    }
}
