//! Epochs, and the transitions from one to the next.

use std::collections::VecDeque;

use mynah_dave::BaseSecret;
use mynah_dave::group::{Group, GroupError};

/// Transitions that may be open at once. Servers have one or two; beyond this the oldest is dropped,
/// as if the server had never executed it.
const MAX_OPEN: usize = 16;

/// All there is to know of an epoch of the group.
#[derive(Clone, Debug)]
pub(super) struct Epoch {
    pub number: u64,
    pub privacy_code: String,
    /// User and signature key, ascending, ourselves included.
    pub members: Vec<(u64, Vec<u8>)>,
    /// The secret of every member, in the order of `members`.
    pub secrets: Vec<(u64, BaseSecret)>,
}

impl Epoch {
    pub fn read(group: &Group) -> Result<Self, GroupError> {
        let mut members: Vec<(u64, Vec<u8>)> = group
            .members()
            .into_iter()
            .map(|member| (member.user_id, member.signature_key))
            .collect();
        members.sort_unstable();
        let mut secrets = group.base_secrets()?;
        secrets.sort_unstable_by_key(|(user, _)| *user);
        Ok(Self {
            number: group.epoch().unwrap_or_default(),
            privacy_code: group.privacy_code().unwrap_or_default(),
            members,
            secrets,
        })
    }

    pub fn has(&self, user_id: u64) -> bool {
        self.members.iter().any(|(member, _)| *member == user_id)
    }

    /// What `user_id` needs to send in this epoch; `None` when not a member.
    pub fn sending_keys(&self, user_id: u64) -> Option<SendingKeys> {
        let (_, base) = self.secrets.iter().find(|(user, _)| *user == user_id)?;
        Some(SendingKeys {
            epoch: self.number,
            base: base.clone(),
            members: self.members.iter().map(|(member, _)| *member).collect(),
        })
    }
}

/// Keys of our own to send with, and who could open what they seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SendingKeys {
    pub epoch: u64,
    pub base: BaseSecret,
    pub members: Vec<u64>,
}

/// A change that was prepared and waits for op 22.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transition {
    pub id: u16,
    /// To which version.
    pub version: u16,
    /// The epoch it belongs to; `None` for a mere change of version (op 21).
    pub keys: Option<SendingKeys>,
}

/// The open transitions, in the order in which they were prepared.
#[derive(Debug, Default)]
pub(super) struct Transitions(VecDeque<Transition>);

impl Transitions {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one, instead of an earlier one of the same id.
    pub fn add(&mut self, transition: Transition) {
        self.0.retain(|open| open.id != transition.id);
        if self.0.len() >= MAX_OPEN {
            self.0.pop_front();
        }
        self.0.push_back(transition);
    }

    /// Takes one out to execute it. Those before it are over, too: going back to an older epoch
    /// would lock out whoever came since.
    pub fn take(&mut self, id: u16) -> Option<Transition> {
        let at = self.0.iter().position(|open| open.id == id)?;
        self.0.drain(..=at).next_back()
    }

    /// A transition at once overtakes all that are open.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(id: u16) -> Transition {
        Transition {
            id,
            version: 1,
            keys: None,
        }
    }

    #[test]
    fn executing_a_transition_ends_the_ones_before_it() {
        let mut open = Transitions::default();
        for id in 1..=3 {
            open.add(to(id));
        }
        assert_eq!(open.take(2), Some(to(2)));
        assert_eq!(open.take(1), None);
        assert_eq!(open.take(3), Some(to(3)));
        assert!(open.is_empty());
    }

    #[test]
    fn an_id_that_comes_again_replaces_the_old_one() {
        let mut open = Transitions::default();
        open.add(to(1));
        open.add(to(2));
        open.add(Transition {
            version: 0,
            ..to(1)
        });
        assert_eq!(open.take(1).map(|t| t.version), Some(0));
        assert_eq!(open.take(2), None, "prepared before the new 1");
    }

    #[test]
    fn open_transitions_are_bounded() {
        let mut open = Transitions::default();
        for id in 0..1000 {
            open.add(to(id));
        }
        assert_eq!(open.0.len(), MAX_OPEN);
        assert!(open.take(999).is_some());
    }
}
