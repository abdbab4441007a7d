//! Who speaks next: one message of each person in turn, in the order they came.
//!
//! Bounded in both directions; what does not fit is refused when it comes, so that whoever wrote it
//! can be told. Nothing is dropped in silence.

use std::collections::VecDeque;

/// Messages that wait in one server, of everybody together.
pub const MAX_WAITING: usize = 100;
/// From this many waiting messages on, speech becomes faster …
const BACKLOG_FROM: usize = 3;
/// … by so much for each one more, in percent, …
const BACKLOG_STEP_PERCENT: u16 = 5;
/// … up to this.
const BACKLOG_MAX_PERCENT: u16 = 130;
/// A speaker is named again after this time without a word, in microseconds.
const NAMED_FOR_US: u64 = 60_000_000;

/// Something that waits to be spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<T> {
    /// Who wrote it.
    pub author: u64,
    /// The message it came from; `None` for a command.
    pub message: Option<u64>,
    /// What is to be said.
    pub what: T,
}

/// Why something cannot wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The person has enough waiting.
    #[error("you have {0} messages waiting already")]
    Author(usize),
    /// Everybody together has.
    #[error("{MAX_WAITING} messages are waiting already")]
    All,
}

/// What waits in one server.
#[derive(Debug, Clone)]
pub struct Queue<T> {
    per_author: usize,
    /// People with something waiting, the next one first; none of them has an empty line.
    turns: VecDeque<(u64, VecDeque<Waiting<T>>)>,
    count: usize,
}

impl<T> Queue<T> {
    /// At most `per_author` messages of one person wait, at least 1.
    #[must_use]
    pub fn new(per_author: usize) -> Self {
        Self {
            per_author: per_author.max(1),
            turns: VecDeque::new(),
            count: 0,
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many of a person wait.
    #[must_use]
    pub fn of(&self, author: u64) -> usize {
        let line = self.turns.iter().find(|(who, _)| *who == author);
        line.map_or(0, |(_, line)| line.len())
    }

    /// Lets something wait.
    ///
    /// # Errors
    /// [`Full`]; nothing is changed.
    pub fn put(&mut self, new: Waiting<T>) -> Result<(), Full> {
        if self.of(new.author) >= self.per_author {
            return Err(Full::Author(self.per_author));
        }
        if self.count >= MAX_WAITING {
            return Err(Full::All);
        }
        self.count += 1;
        let author = new.author;
        match self.turns.iter_mut().find(|(who, _)| *who == author) {
            Some((_, line)) => line.push_back(new),
            None => self.turns.push_back((author, VecDeque::from([new]))),
        }
        Ok(())
    }

    /// The next one. Its author's turn comes again after everybody else's.
    pub fn take(&mut self) -> Option<Waiting<T>> {
        let (author, mut line) = self.turns.pop_front()?;
        let next = line.pop_front();
        if !line.is_empty() {
            self.turns.push_back((author, line));
        }
        self.count -= usize::from(next.is_some());
        next
    }

    /// A message was edited or deleted: it is not spoken any more. True if it waited.
    pub fn forget(&mut self, message: u64) -> bool {
        self.retain(|waiting| waiting.message != Some(message)) > 0
    }

    /// Everything a person wrote goes; how many that were.
    pub fn clear_author(&mut self, author: u64) -> usize {
        self.retain(|waiting| waiting.author != author)
    }

    /// Everything goes; how many that were.
    pub fn clear(&mut self) -> usize {
        self.turns.clear();
        core::mem::take(&mut self.count)
    }

    fn retain(&mut self, keep: impl Fn(&Waiting<T>) -> bool) -> usize {
        for (_, line) in &mut self.turns {
            line.retain(&keep);
        }
        self.turns.retain(|(_, line)| !line.is_empty());
        let before = self.count;
        self.count = self.turns.iter().map(|(_, line)| line.len()).sum();
        before - self.count
    }

    /// How fast to speak with so much waiting, in percent: 100 to 130.
    #[must_use]
    pub fn hurry_percent(&self) -> u16 {
        let over = self
            .count
            .saturating_sub(BACKLOG_FROM)
            .min(usize::from(u8::MAX));
        (100 + over as u16 * BACKLOG_STEP_PERCENT).min(BACKLOG_MAX_PERCENT)
    }
}

/// When "Ann said" is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SayName {
    /// Never.
    Never,
    /// When somebody else speaks than before, or nobody has for a minute.
    #[default]
    OnChange,
    /// Before every message.
    Always,
}

/// Who spoke last, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastSpeaker {
    last: Option<(u64, u64)>,
}

impl LastSpeaker {
    /// Whether this person is named now; remembers that they speak.
    pub fn names(&mut self, author: u64, rule: SayName, now_us: u64) -> bool {
        let before = self.last.replace((author, now_us));
        match rule {
            SayName::Never => false,
            SayName::Always => true,
            SayName::OnChange => before.is_none_or(|(who, at_us)| {
                who != author || now_us.saturating_sub(at_us) >= NAMED_FOR_US
            }),
        }
    }

    /// They have finished: the minute begins now.
    pub fn finished(&mut self, now_us: u64) {
        if let Some((_, at_us)) = &mut self.last {
            *at_us = now_us;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(author: u64, message: u64) -> Waiting<u64> {
        Waiting {
            author,
            message: Some(message),
            what: message,
        }
    }

    #[test]
    fn everybody_has_a_turn_before_anybody_has_a_second() {
        let mut queue = Queue::new(5);
        for message in 0..5 {
            queue.put(waiting(1, message)).unwrap();
        }
        queue.put(waiting(2, 10)).unwrap();
        queue.put(waiting(3, 20)).unwrap();
        assert_eq!(queue.put(waiting(1, 5)), Err(Full::Author(5)));
        let order: Vec<u64> = std::iter::from_fn(|| queue.take())
            .map(|one| one.what)
            .collect();
        assert_eq!(order, [0, 10, 20, 1, 2, 3, 4]);
        assert!(queue.is_empty());
    }

    #[test]
    fn edited_and_deleted_messages_leave() {
        let mut queue = Queue::new(5);
        for message in 0..3 {
            queue.put(waiting(1, message)).unwrap();
        }
        queue.put(waiting(2, 9)).unwrap();
        assert!(queue.forget(1) && !queue.forget(1));
        assert_eq!(queue.clear_author(2), 1);
        assert_eq!(queue.take().map(|one| one.what), Some(0));
        assert_eq!(queue.clear(), 1);
        assert_eq!((queue.len(), queue.take()), (0, None));
    }

    /// One person floods; ten others say something now and then.
    #[test]
    fn five_hundred_messages_in_ten_seconds_stay_fair_and_bounded() {
        let mut queue = Queue::new(5);
        let mut refused = 0;
        let mut heard: Vec<u64> = Vec::new();
        let mut waited_most = 0;
        let mut others: Vec<(u64, usize)> = Vec::new();
        for message in 0..500_u64 {
            // 450 of 500 are one person's.
            let author = if message % 10 == 9 {
                2 + message / 10 % 10
            } else {
                1
            };
            match queue.put(waiting(author, message)) {
                Ok(()) if author != 1 => others.push((message, heard.len())),
                Ok(()) => {}
                Err(full) => {
                    assert_eq!(
                        (author, full),
                        (1, Full::Author(5)),
                        "only who floods is refused"
                    );
                    refused += 1;
                }
            }
            assert!(queue.len() <= MAX_WAITING && queue.of(author) <= 5);
            // One is spoken for every eight that come.
            if message % 8 == 0 {
                let one = queue.take().unwrap();
                heard.push(one.what);
            }
        }
        heard.extend(std::iter::from_fn(|| queue.take()).map(|one| one.what));
        for (message, then) in &others {
            let at = heard.iter().position(|one| one == message).unwrap();
            waited_most = waited_most.max(at - then);
        }
        assert_eq!(others.len(), 50, "nobody else loses a message");
        assert_eq!(heard.len() + refused, 500);
        // Five of each of eleven people is the most that can be ahead.
        assert!(waited_most <= 55, "{waited_most}");
    }

    #[test]
    fn a_thousand_people_cannot_make_it_grow() {
        let mut queue = Queue::new(5);
        let put = (0..1_000)
            .filter(|who| queue.put(waiting(*who, *who)).is_ok())
            .count();
        assert_eq!((put, queue.len()), (MAX_WAITING, MAX_WAITING));
        assert_eq!(queue.put(waiting(5_000, 0)), Err(Full::All));
        assert_eq!(queue.hurry_percent(), 130);
        queue.clear();
        assert_eq!(queue.hurry_percent(), 100);
    }

    #[test]
    fn a_name_is_said_when_the_speaker_changes_or_after_a_minute() {
        let mut last = LastSpeaker::default();
        let s = 1_000_000;
        assert!(last.names(1, SayName::OnChange, 0));
        assert!(!last.names(1, SayName::OnChange, 10 * s));
        assert!(last.names(2, SayName::OnChange, 11 * s));
        last.finished(40 * s);
        assert!(!last.names(2, SayName::OnChange, 99 * s));
        assert!(last.names(2, SayName::OnChange, 159 * s));
        assert!(!last.names(3, SayName::Never, 160 * s));
        assert!(last.names(3, SayName::Always, 161 * s));
    }
}
