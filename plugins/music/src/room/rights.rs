//! Who may decide what: DJs everything, everybody what is their own, and together whether to skip.

use super::{Current, Room};
use crate::calls::{Caller, Control, Tweak};
use crate::desk::Desk;
use crate::tells;

/// What somebody may do.
pub(super) enum Right {
    /// It.
    Yes,
    /// Vote for it.
    Vote,
    /// Nothing of the kind.
    No,
}

impl Room {
    /// May this person do this here and now?
    pub(super) fn right(&self, caller: &Caller, control: &Control) -> Right {
        // Whoever listens alone bothers nobody.
        if caller.is_dj || caller.listeners <= 1 || only_looks(control) {
            return Right::Yes;
        }
        let own = |current: &Current| current.item.requester == caller.user;
        let current_is_theirs = self.current.as_ref().is_some_and(own);
        let is_theirs = match *control {
            // Nothing plays: nobody is bothered.
            Control::Resume | Control::Toggle | Control::Leave | Control::Previous => {
                self.current.is_none()
            }
            Control::Replay => self.current.is_none() || current_is_theirs,
            Control::Seek(_) => current_is_theirs,
            Control::Skip if !current_is_theirs && self.current.is_some() => return Right::Vote,
            Control::Skip => true,
            Control::Remove { first, last } => self.all_theirs(caller, first, last),
            _ => false,
        };
        if is_theirs { Right::Yes } else { Right::No }
    }

    /// Whether all items between two places are of this person.
    fn all_theirs(&self, caller: &Caller, first: i64, last: i64) -> bool {
        let (first, last) = (first.min(last), first.max(last));
        let Ok(before) = usize::try_from(first.saturating_sub(1)) else {
            return true; // there is no such place, which the answer will say
        };
        let count = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(0);
        let mut meant = self.queue.waiting().skip(before).take(count);
        meant.all(|item| item.requester == caller.user)
    }

    /// A vote to skip; true when there are enough.
    pub(super) fn vote(&mut self, desk: &mut Desk, caller: &Caller) -> bool {
        if let Some(refusal) = self.refuses_control(caller) {
            desk.whisper(caller.reply, refusal);
            return false;
        }
        let needed = (caller.listeners as f64 * self.rules.vote_skip).ceil();
        let needed = (needed as usize).clamp(1, caller.listeners.max(1));
        let Some(current) = &mut self.current else {
            return true;
        };
        let is_new = current.votes.insert(caller.user);
        let votes = current.votes.len();
        current.votes_needed = needed;
        if votes >= needed {
            return true;
        }
        let text = tells::voted(&current.item, votes, needed);
        if is_new {
            desk.say(caller.reply, text);
        } else {
            desk.whisper(caller.reply, text);
        }
        false
    }
}

/// Whether it changes nothing.
pub(super) fn only_looks(control: &Control) -> bool {
    matches!(
        control,
        Control::Queue
            | Control::NowPlaying
            | Control::History
            | Control::Volume(None)
            | Control::Repeat(None)
    ) || *control == Control::Filter(Tweak::default())
}
