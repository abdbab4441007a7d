//! How often sounds may be played: each person, the whole server, each sound.

use std::collections::{BTreeMap, VecDeque};

/// The window in which a server's plays are counted, in milliseconds.
pub const WINDOW_MS: u64 = 60_000;

/// Why a sound has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The person played one just now.
    You {
        /// Milliseconds until they may again.
        ms: u64,
    },
    /// The server played as many as it may in a minute.
    Server {
        /// Milliseconds until somebody may again.
        ms: u64,
    },
    /// This sound was played just now and has a cooldown of its own.
    Sound {
        /// Milliseconds until it may be heard again.
        ms: u64,
    },
}

impl Wait {
    /// What the person reads.
    #[must_use]
    pub fn words(&self) -> String {
        let seconds = |ms: u64| match ms.div_ceil(1_000) {
            0 | 1 => "a second".to_owned(),
            more => format!("{more} seconds"),
        };
        match *self {
            Self::You { ms } => format!("Not so fast: you may play again in {}.", seconds(ms)),
            Self::Server { ms } => format!(
                "Enough sounds for this minute: the next one may be played in {}.",
                seconds(ms)
            ),
            Self::Sound { ms } => format!("This sound rests for {} more.", seconds(ms)),
        }
    }
}

/// What was played lately in one server.
#[derive(Debug, Clone)]
pub struct Pace {
    user_ms: u64,
    per_minute: usize,
    users: BTreeMap<u64, u64>,
    sounds: BTreeMap<i64, u64>,
    plays: VecDeque<u64>,
}

impl Pace {
    /// `user_ms`: between two plays of a person. `per_minute`: plays of all people together.
    #[must_use]
    pub fn new(user_ms: u64, per_minute: usize) -> Self {
        Self {
            user_ms,
            per_minute: per_minute.max(1),
            users: BTreeMap::new(),
            sounds: BTreeMap::new(),
            plays: VecDeque::new(),
        }
    }

    /// Whether `user` may play `sound` now, and takes note if so. `rest_ms` is the cooldown of the
    /// sound itself, at most a day; `now_ms` never goes back.
    ///
    /// # Errors
    /// [`Wait`] says for whom and how long. Nothing is noted then: asking again does not add to it.
    pub fn ask(&mut self, now_ms: u64, user: u64, sound: i64, rest_ms: u64) -> Result<(), Wait> {
        self.forget(now_ms);
        if let Some(until) = self.users.get(&user).filter(|until| **until > now_ms) {
            return Err(Wait::You { ms: until - now_ms });
        }
        if let Some(until) = self.sounds.get(&sound).filter(|until| **until > now_ms) {
            return Err(Wait::Sound { ms: until - now_ms });
        }
        if self.plays.len() >= self.per_minute
            && let Some(first) = self.plays.front()
        {
            let until = first.saturating_add(WINDOW_MS);
            return Err(Wait::Server {
                ms: until.saturating_sub(now_ms),
            });
        }
        self.plays.push_back(now_ms);
        if self.user_ms > 0 {
            self.users.insert(user, now_ms.saturating_add(self.user_ms));
        }
        if rest_ms > 0 {
            self.sounds.insert(sound, now_ms.saturating_add(rest_ms));
        }
        Ok(())
    }

    /// Only what still holds somebody back is kept.
    fn forget(&mut self, now_ms: u64) {
        self.users.retain(|_, until| *until > now_ms);
        self.sounds.retain(|_, until| *until > now_ms);
        while self
            .plays
            .front()
            .is_some_and(|at| at.saturating_add(WINDOW_MS) <= now_ms)
        {
            self.plays.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_waits_between_two_sounds_and_others_do_not() {
        let mut pace = Pace::new(5_000, 10);
        assert_eq!(pace.ask(0, 1, 7, 0), Ok(()));
        assert_eq!(pace.ask(1_000, 1, 8, 0), Err(Wait::You { ms: 4_000 }));
        assert_eq!(pace.ask(1_000, 2, 7, 0), Ok(()));
        assert_eq!(pace.ask(5_000, 1, 8, 0), Ok(()));
    }

    #[test]
    fn a_server_hears_ten_sounds_a_minute() {
        let mut pace = Pace::new(0, 10);
        for n in 0..10 {
            assert_eq!(pace.ask(n, n, 1, 0), Ok(()));
        }
        assert_eq!(pace.ask(30_000, 99, 1, 0), Err(Wait::Server { ms: 30_000 }));
        assert_eq!(pace.ask(60_000, 99, 1, 0), Ok(()));
        assert_eq!(pace.ask(60_000, 98, 1, 0), Err(Wait::Server { ms: 1 }));
    }

    #[test]
    fn a_sound_may_rest_and_what_is_over_is_forgotten() {
        let mut pace = Pace::new(1, 1_000_000);
        for n in 0..1_000 {
            assert_eq!(pace.ask(n * 60_000, n, n as i64, 60_000), Ok(()));
        }
        assert!(pace.users.len() <= 1 && pace.sounds.len() <= 1 && pace.plays.len() <= 1);
        let last = 999 * 60_000;
        assert_eq!(
            pace.ask(last + 1, 5, 999, 1),
            Err(Wait::Sound { ms: 59_999 })
        );
        assert_eq!(
            Wait::You { ms: 4_001 }.words(),
            "Not so fast: you may play again in 5 seconds."
        );
    }
}
