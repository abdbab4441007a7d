//! What a plugin's threads are inside of, and since when: for the log, `/bot plugins`, and whoever
//! wonders why it is quiet.

use crate::clock;
use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A thread that plugin code runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// `p:<id>/ctl`
    Control,
    /// `p:<id>/src`
    Sound,
    /// `p:<id>/aud`
    Ears,
}

type Slot = Mutex<Option<(Instant, Cow<'static, str>)>>;

/// One slot for each thread.
#[derive(Default)]
pub(crate) struct Busy {
    control: Slot,
    sound: Slot,
    ears: Slot,
}

impl Busy {
    fn slot(&self, on: On) -> &Slot {
        match on {
            On::Control => &self.control,
            On::Sound => &self.sound,
            On::Ears => &self.ears,
        }
    }

    /// Runs a callback; with its result, how long it took.
    pub(crate) fn during<T>(
        &self,
        on: On,
        what: impl Into<Cow<'static, str>>,
        call: impl FnOnce() -> T,
    ) -> (T, Duration) {
        let begun = clock::now();
        let set = |to| *self.slot(on).lock().unwrap_or_else(PoisonError::into_inner) = to;
        set(Some((begun, what.into())));
        let result = call();
        set(None);
        (result, clock::now().duration_since(begun))
    }

    /// What has been going on for the longest time, on any thread, and since when.
    pub(crate) fn longest(&self) -> Option<(Instant, String)> {
        let slots = [&self.control, &self.sound, &self.ears];
        let busy = slots
            .into_iter()
            .filter_map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let longest = busy.min_by_key(|(since, _)| *since);
        longest.map(|(since, what)| (since, what.into_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_call_of_any_thread_is_told_until_it_is_over() {
        let busy = Busy::default();
        assert_eq!(busy.longest(), None);
        busy.during(On::Sound, "pull", || {
            busy.during(On::Control, "save", || {
                assert_eq!(busy.longest().unwrap().1, "pull");
            });
            assert_eq!(busy.longest().unwrap().1, "pull");
        });
        assert_eq!(busy.longest(), None);
    }
}
