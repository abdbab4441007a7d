//! Transitions: everybody gets ready (op 23), then everybody switches (op 22).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mynah_wire::UserId;

/// How long a client that is not ready holds up the others (dave.md section 9).
pub(super) const READY_WITHIN: Duration = Duration::from_secs(2);

/// Numbers from 1 to 65535 and again; 0 means "at once" and is never given out here.
#[derive(Debug)]
pub(super) struct TransitionIds {
    next: u16,
}

impl TransitionIds {
    pub const fn starting_at(first: u16) -> Self {
        Self { next: first }
    }

    pub fn next(&mut self) -> u16 {
        let id = self.next.max(1);
        self.next = id.wrapping_add(1);
        id
    }
}

/// One transition under way. There is never a second one beside it.
#[derive(Debug)]
pub(super) struct Transition {
    pub id: u16,
    pub version: u16,
    /// Have not said op 23 yet.
    waiting: BTreeSet<UserId>,
    /// Must be told when it happens.
    told: BTreeSet<UserId>,
    deadline: Instant,
    /// Op 22 that goes out later, because of a fault.
    late: Vec<(Instant, UserId)>,
}

impl Transition {
    /// All of `told` are told; those of `waiting` are waited for.
    pub fn new(
        now: Instant,
        id: u16,
        version: u16,
        told: BTreeSet<UserId>,
        waiting: BTreeSet<UserId>,
    ) -> Self {
        Self {
            id,
            version,
            waiting,
            told,
            deadline: now + READY_WITHIN,
            late: Vec::new(),
        }
    }

    /// Op 23.
    pub fn ready(&mut self, user: UserId, id: u16) {
        if id == self.id {
            self.waiting.remove(&user);
        }
    }

    /// The member cannot answer now.
    pub fn excuse(&mut self, user: UserId) {
        self.waiting.remove(&user);
    }

    /// The member left, or failed: nothing is expected of it, and nothing is said to it.
    pub fn drop_member(&mut self, user: UserId) {
        self.waiting.remove(&user);
        self.told.remove(&user);
        self.late.retain(|(_, late)| *late != user);
    }

    /// Whom to send op 22 now. `delay` says how much later a member gets it than it should.
    pub fn execute(&mut self, now: Instant, delay: impl Fn(UserId) -> Duration) -> Vec<UserId> {
        if self.waiting.is_empty() || now >= self.deadline {
            self.waiting.clear();
            for user in std::mem::take(&mut self.told) {
                self.late.push((now + delay(user), user));
            }
        }
        let (due, late) = self.late.drain(..).partition(|(at, _)| *at <= now);
        self.late = late;
        let due: Vec<(Instant, UserId)> = due;
        due.into_iter().map(|(_, user)| user).collect()
    }

    /// Everybody was told.
    pub fn is_over(&self) -> bool {
        self.told.is_empty() && self.late.is_empty()
    }

    /// When [`execute`](Self::execute) has something to do without further messages.
    pub fn due(&self) -> Option<Instant> {
        let deadline = (!self.told.is_empty()).then_some(self.deadline);
        let late = self.late.iter().map(|(at, _)| *at).min();
        deadline.into_iter().chain(late).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transition(now: Instant, users: &[u64]) -> Transition {
        let users: BTreeSet<UserId> = users.iter().copied().map(UserId::new).collect();
        Transition::new(now, 5, 1, users.clone(), users)
    }

    #[test]
    fn ids_wrap_without_zero() {
        let mut ids = TransitionIds::starting_at(65_534);
        assert_eq!([ids.next(), ids.next(), ids.next()], [65_534, 65_535, 1]);
    }

    #[test]
    fn the_last_ready_member_or_the_deadline_ends_the_wait() {
        let now = crate::clock::now();
        let at_once = |_| Duration::ZERO;
        let mut ready = transition(now, &[1, 2, 3]);
        ready.ready(UserId::new(1), 5);
        ready.ready(UserId::new(2), 4);
        ready.drop_member(UserId::new(3));
        assert!(ready.execute(now, at_once).is_empty());
        ready.ready(UserId::new(2), 5);
        assert_eq!(
            ready.execute(now, at_once),
            [UserId::new(1), UserId::new(2)]
        );
        assert!(ready.is_over());
        let mut slow = transition(now, &[1]);
        assert_eq!(slow.due(), Some(now + READY_WITHIN));
        assert_eq!(slow.execute(now + READY_WITHIN, at_once), [UserId::new(1)]);
    }

    #[test]
    fn a_delayed_member_keeps_the_transition_open() {
        let now = crate::clock::now();
        let second = Duration::from_secs(1);
        let mut transition = transition(now, &[1, 2]);
        transition.ready(UserId::new(1), 5);
        transition.ready(UserId::new(2), 5);
        let delay = |user: UserId| {
            if user.get() == 2 {
                second
            } else {
                Duration::ZERO
            }
        };
        assert_eq!(transition.execute(now, delay), [UserId::new(1)]);
        assert!(!transition.is_over());
        assert_eq!(transition.due(), Some(now + second));
        assert_eq!(transition.execute(now + second, delay), [UserId::new(2)]);
        assert!(transition.is_over());
    }
}
