//! Who waits for a join, and when the answer is due: not before the user is heard and hears.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// A connected user without keys is answered for after this long: the others or the server are
/// broken, and whoever asked should find out by what is not heard.
const KEYS_LIMIT: Duration = Duration::from_secs(3);
/// How long after the keys of the connection the server may take to say who is here. It says so in
/// the message behind them (voice.md section 5); nobody by then means alone, with nobody to wait for.
const COMPANY_LIMIT: Duration = Duration::from_millis(100);

/// The callers' ends.
pub type Done = oneshot::Sender<Result<(), String>>;

/// Callers of a join that has not been answered.
#[derive(Debug, Default)]
pub struct Joining {
    waiting: Vec<Done>,
    /// Since when there is a connection that sound could pass.
    connected: Option<Instant>,
}

/// What the user knows about sound right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// No connection, or no keys for it.
    Nothing,
    /// Connected; end-to-end keys are to come. `alone`: nobody else is known to be here.
    Held {
        /// See above.
        alone: bool,
    },
    /// Sound passes, or would if anybody were here.
    Open,
}

impl Joining {
    /// Another caller.
    pub fn push(&mut self, done: Done) {
        self.waiting.push(done);
    }

    /// How things stand; answers when the time has come. True if a join is complete, whether or not
    /// anybody waited for it.
    pub fn look(&mut self, now: Instant, hearing: Hearing) -> bool {
        if hearing == Hearing::Nothing {
            self.connected = None;
            return false;
        }
        self.connected.get_or_insert(now);
        let complete = self.due(hearing).is_some_and(|due| due <= now);
        if complete {
            for done in self.waiting.drain(..) {
                let _ = done.send(Ok(()));
            }
        }
        complete
    }

    /// When to look again though nothing happened.
    pub fn wake(&self, hearing: Hearing) -> Option<Instant> {
        self.due(hearing).filter(|_| !self.waiting.is_empty())
    }

    /// The session ended first.
    pub fn fail(&mut self, reason: &str) {
        for done in self.waiting.drain(..) {
            let _ = done.send(Err(reason.to_owned()));
        }
    }

    fn due(&self, hearing: Hearing) -> Option<Instant> {
        let patience = match hearing {
            Hearing::Nothing => return None,
            Hearing::Held { alone: true } => COMPANY_LIMIT,
            Hearing::Held { alone: false } => KEYS_LIMIT,
            Hearing::Open => Duration::ZERO,
        };
        Some(self.connected? + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Hearing = Hearing::Held { alone: false };
    const ALONE: Hearing = Hearing::Held { alone: true };

    fn waiting() -> (Joining, oneshot::Receiver<Result<(), String>>, Instant) {
        let mut joining = Joining::default();
        let (done, answer) = oneshot::channel();
        joining.push(done);
        (joining, answer, Instant::now())
    }

    #[test]
    fn a_join_with_others_is_answered_when_the_keys_are_there() {
        let (mut joining, mut answer, start) = waiting();
        assert!(!joining.look(start, Hearing::Nothing));
        assert_eq!(joining.wake(Hearing::Nothing), None);
        let connected = start + Duration::from_secs(1);
        assert!(!joining.look(connected, HELD));
        assert!(answer.try_recv().is_err());
        assert!(joining.look(connected + Duration::from_millis(150), Hearing::Open));
        assert_eq!(answer.try_recv().unwrap(), Ok(()));
        assert_eq!(joining.wake(HELD), None, "nobody waits any more");
    }

    #[test]
    fn keys_that_do_not_come_are_waited_for_three_seconds() {
        let (mut joining, mut answer, start) = waiting();
        assert!(!joining.look(start, HELD));
        assert_eq!(joining.wake(HELD), Some(start + KEYS_LIMIT));
        assert!(!joining.look(start + KEYS_LIMIT - Duration::from_millis(1), HELD));
        assert!(joining.look(start + KEYS_LIMIT, HELD));
        assert_eq!(answer.try_recv().unwrap(), Ok(()));
    }

    #[test]
    fn who_is_alone_is_answered_soon_unless_somebody_turns_up() {
        let (mut joining, mut answer, start) = waiting();
        assert!(!joining.look(start, ALONE));
        let soon = start + Duration::from_millis(50);
        assert!(!joining.look(soon, HELD), "the list of users came");
        assert!(!joining.look(start + COMPANY_LIMIT, HELD));
        assert!(answer.try_recv().is_err());

        let (mut joining, mut answer, start) = waiting();
        assert!(!joining.look(start, ALONE));
        assert_eq!(joining.wake(ALONE), Some(start + COMPANY_LIMIT));
        assert!(joining.look(start + COMPANY_LIMIT, ALONE));
        assert_eq!(answer.try_recv().unwrap(), Ok(()));
    }

    #[test]
    fn a_lost_connection_starts_the_clock_anew_and_an_end_says_why() {
        let (mut joining, mut answer, start) = waiting();
        assert!(!joining.look(start, HELD));
        let lost = start + Duration::from_secs(2);
        assert!(!joining.look(lost, Hearing::Nothing));
        assert!(!joining.look(lost + Duration::from_secs(2), HELD));
        joining.fail("closed");
        assert_eq!(answer.try_recv().unwrap(), Err("closed".to_owned()));
    }
}
