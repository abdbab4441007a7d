//! Changes of one thing, one after the other: two edits of a message that wait for the same rate limit
//! must not overtake each other, or the older one would be what people see in the end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// So many are remembered before those that nobody waits for are forgotten.
const MANY: usize = 256;

/// Who is next, for each thing that is being changed.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits until all who came before are done; in the order of asking. Done when what comes back is
    /// dropped.
    pub async fn take(&self, what: String) -> OwnedMutexGuard<()> {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MANY {
                all.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(all.entry(what).or_default())
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn changes_of_one_thing_wait_for_each_other_in_order_and_others_do_not() {
        let turns = Turns::default();
        let take = |what: &str| Box::pin(turns.take(what.to_owned()));
        let first = take("a").now_or_never();
        let (mut second, mut third) = (take("a"), take("a"));
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        assert!(take("b").now_or_never().is_some());
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "it is not its turn");
        let second = second.now_or_never();
        assert!(second.is_some());
        drop(second);
        assert!(third.now_or_never().is_some());
    }

    #[test]
    fn who_gives_up_holds_up_nobody_and_what_is_over_is_forgotten() {
        let turns = Turns::default();
        let first = turns.take("a".to_owned()).now_or_never();
        drop(Box::pin(turns.take("a".to_owned())).now_or_never());
        drop(first);
        assert!(turns.take("a".to_owned()).now_or_never().is_some());
        for number in 0..10 * MANY {
            assert!(turns.take(number.to_string()).now_or_never().is_some());
        }
        let known = turns.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert!(known <= MANY, "{known}");
    }
}
