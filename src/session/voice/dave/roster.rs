//! Who is in the call, as the voice gateway says (op 11 and 13): these users may be in the group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A welcome may still name somebody who left so short a time ago: the commit it belongs to was made
/// before. Refusing it would cost a whole round of removing and adding us, and show nothing: the
/// next epoch is without them. (The reference implementation only logs such a name; dave.md
/// section 11.)
const LEFT_GRACE: Duration = Duration::from_secs(10);
/// Users a server may name; further ones are not recognised. Far above any encrypted call: a group
/// of some hundred members is all that the key exchange can carry.
const MAX_USERS: usize = 4096;

/// Everybody else in the call.
#[derive(Debug)]
pub(super) struct Roster {
    own: u64,
    others: BTreeSet<u64>,
    left: BTreeMap<u64, Instant>,
    /// Since when there are others, if there are.
    company_since: Option<Instant>,
}

impl Roster {
    pub const fn new(own: u64) -> Self {
        Self {
            own,
            others: BTreeSet::new(),
            left: BTreeMap::new(),
            company_since: None,
        }
    }

    /// Op 11. Names may repeat, and may include ourselves.
    pub fn join(&mut self, now: Instant, users: impl IntoIterator<Item = u64>) {
        for user in users {
            if user != self.own && self.others.len() < MAX_USERS {
                self.others.insert(user);
                self.left.remove(&user);
            }
        }
        if !self.others.is_empty() {
            self.company_since.get_or_insert(now);
        }
    }

    /// Op 13.
    pub fn leave(&mut self, now: Instant, user: u64) {
        self.left.retain(|_, at| is_fresh(*at, now));
        if self.others.remove(&user) && self.left.len() < MAX_USERS {
            self.left.insert(user, now);
        }
        if self.others.is_empty() {
            self.company_since = None;
        }
    }

    pub fn has(&self, user: u64) -> bool {
        self.others.contains(&user)
    }

    pub const fn company_since(&self) -> Option<Instant> {
        self.company_since
    }

    /// Whom a proposal may add: all here, ourselves included.
    pub fn recognized(&self) -> Vec<u64> {
        self.others.iter().copied().chain([self.own]).collect()
    }

    /// Whom a welcome may name: all here, and who just left.
    pub fn welcomed(&self, now: Instant) -> Vec<u64> {
        let left = self.left.iter().filter(|(_, at)| is_fresh(**at, now));
        let mut users = self.recognized();
        users.extend(left.map(|(user, _)| *user));
        users
    }
}

fn is_fresh(left_at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(left_at) < LEFT_GRACE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognised_are_all_who_came_and_did_not_leave_and_ourselves() {
        let now = Instant::now();
        let mut roster = Roster::new(1);
        assert_eq!(roster.recognized(), [1]);
        roster.join(now, [3, 2, 3, 1]);
        roster.leave(now, 3);
        roster.leave(now, 9);
        assert_eq!(roster.recognized(), [2, 1]);
        assert!(roster.has(2) && !roster.has(3) && !roster.has(1));
    }

    #[test]
    fn a_welcome_may_name_who_left_within_ten_seconds() {
        let now = Instant::now();
        let mut roster = Roster::new(1);
        roster.join(now, [2]);
        roster.leave(now, 2);
        let at = |s| now + Duration::from_secs(s);
        assert_eq!(roster.welcomed(at(9)), [1, 2]);
        assert_eq!(roster.welcomed(at(10)), [1]);
        roster.join(at(11), [2]);
        assert_eq!(roster.welcomed(at(11)), [2, 1]);
    }

    #[test]
    fn company_lasts_from_the_first_to_the_last() {
        let now = Instant::now();
        let mut roster = Roster::new(1);
        roster.join(now, [1]);
        assert_eq!(roster.company_since(), None);
        roster.join(now, [2]);
        roster.join(now + Duration::from_secs(1), [3]);
        roster.leave(now, 2);
        assert_eq!(roster.company_since(), Some(now));
        roster.leave(now, 3);
        assert_eq!(roster.company_since(), None);
    }

    #[test]
    fn names_are_bounded() {
        let now = Instant::now();
        let mut roster = Roster::new(1);
        roster.join(now, 2..100_000);
        assert_eq!(roster.recognized().len(), MAX_USERS + 1);
        for user in 2..100_000 {
            roster.leave(now, user);
            roster.join(now, [user + 1_000_000]);
        }
        assert!(roster.welcomed(now).len() <= 2 * MAX_USERS + 1);
    }
}
