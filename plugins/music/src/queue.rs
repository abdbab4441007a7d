//! What waits to be played in one guild, in order, and what has been played.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// Where the sound of an item comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// A file of the library.
    File(PathBuf),
    /// An uploaded file, by its address.
    Link(String),
}

/// One wish: what to play, and who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Where the sound comes from.
    pub origin: Origin,
    /// What to call it in front of people: `Artist – Title`, or the file's name.
    pub label: String,
    /// How long it is, where that is known.
    pub length: Option<Duration>,
    /// Who asked for it.
    pub requester: UserId,
    /// Where to begin: zero, or where an interruption left off.
    pub start: Duration,
}

/// No more room: the queue already holds this many items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// The limit that was reached.
    pub limit: usize,
}

/// The waiting items (the one being played is not among them) and the played ones.
#[derive(Debug)]
pub struct Queue {
    waiting: VecDeque<Item>,
    played: VecDeque<Item>,
    limit: usize,
    keep: usize,
}

impl Queue {
    /// An empty queue of at most `limit` waiting items that remembers the last `keep` played ones.
    #[must_use]
    pub fn new(limit: usize, keep: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            played: VecDeque::new(),
            limit,
            keep,
        }
    }

    /// Puts an item at the end and returns its place in line, counted from 1.
    ///
    /// # Errors
    /// [`Full`] when the limit is reached; nothing changes then.
    pub fn push(&mut self, item: Item) -> Result<usize, Full> {
        if self.waiting.len() >= self.limit {
            return Err(Full { limit: self.limit });
        }
        self.waiting.push_back(item);
        Ok(self.waiting.len())
    }

    /// Puts an interrupted item back in front. This may exceed the limit by one: an item that was
    /// already accepted is never dropped for lack of room.
    pub fn put_back(&mut self, item: Item) {
        self.waiting.push_front(item);
    }

    /// Takes the next item out of the line.
    pub fn take(&mut self) -> Option<Item> {
        self.waiting.pop_front()
    }

    /// Remembers an item as played; the oldest memory goes when there are too many.
    pub fn remember(&mut self, item: Item) {
        self.played.push_front(Item {
            start: Duration::ZERO,
            ..item
        });
        self.played.truncate(self.keep);
    }

    /// Puts a played item to the end, from its beginning, to come round again. Likewise never
    /// refused.
    pub fn recycle(&mut self, item: Item) {
        self.waiting.push_back(Item {
            start: Duration::ZERO,
            ..item
        });
    }

    /// Takes an item that was [recycled](Self::recycle) last back out.
    pub fn unrecycle(&mut self, item: &Item) {
        if self.waiting.back() == Some(item) {
            self.waiting.pop_back();
        }
    }

    /// Takes the latest item out of the memory of played ones.
    pub fn recall(&mut self) -> Option<Item> {
        self.played.pop_front()
    }

    /// Puts the waiting items into another order (Fisher and Yates), the same for the same dice.
    pub fn shuffle(&mut self, dice: u64) {
        let mut state = dice;
        let items = self.waiting.make_contiguous();
        for last in (1..items.len()).rev() {
            // splitmix64 (Steele, Lea, Flood 2014); the bias of the remainder is below 2^-50.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            items.swap(last, (z % (last as u64 + 1)) as usize);
        }
    }

    /// Takes out the items at these places (from 1), as many as there are.
    pub fn remove_all(&mut self, first: usize, last: usize) -> Vec<Item> {
        let end = last.min(self.waiting.len());
        match first.checked_sub(1) {
            Some(start) if start < end => self.waiting.drain(start..end).collect(),
            _ => Vec::new(),
        }
    }

    /// Moves the item at place `from` to place `to` (both from 1). `false`: no such place.
    pub fn shift(&mut self, from: usize, to: usize) -> bool {
        let places = 1..=self.waiting.len();
        if !places.contains(&from) || !places.contains(&to) {
            return false;
        }
        if let Some(item) = self.waiting.remove(from - 1) {
            self.waiting.insert(to - 1, item);
        }
        true
    }

    /// Drops everything that waits and says how many items that were. The played ones stay known.
    pub fn clear(&mut self) -> usize {
        let count = self.waiting.len();
        self.waiting.clear();
        count
    }

    /// How many items wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The most items that may wait.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The waiting items, next one first.
    pub fn waiting(&self) -> impl Iterator<Item = &Item> {
        self.waiting.iter()
    }

    /// The played items, latest first.
    pub fn played(&self) -> impl Iterator<Item = &Item> {
        self.played.iter()
    }

    /// How long the waiting items last together; `None` when one of them has no known length.
    #[must_use]
    pub fn length(&self) -> Option<Duration> {
        self.waiting
            .iter()
            .map(|item| Some(item.length?.saturating_sub(item.start)))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn item(label: &str) -> Item {
        Item {
            origin: Origin::File(label.into()),
            label: label.to_owned(),
            length: Some(Duration::from_secs(60)),
            requester: UserId::new(1),
            start: Duration::ZERO,
        }
    }

    fn filled(labels: &[&str]) -> Queue {
        let mut queue = Queue::new(4, 2);
        for label in labels {
            queue.push(item(label)).unwrap();
        }
        queue
    }

    fn labels(queue: &Queue) -> Vec<&str> {
        queue.waiting().map(|item| item.label.as_str()).collect()
    }

    #[test]
    fn items_come_out_in_the_order_they_came_in() {
        let mut queue = filled(&["a", "b"]);
        assert_eq!(queue.push(item("c")), Ok(3));
        let order: Vec<_> = std::iter::from_fn(|| queue.take())
            .map(|item| item.label)
            .collect();
        assert_eq!(order, ["a", "b", "c"]);
    }

    #[test]
    fn a_full_queue_refuses_but_takes_an_interrupted_item_back() {
        let mut queue = filled(&["a", "b", "c", "d"]);
        assert_eq!(queue.push(item("e")), Err(Full { limit: 4 }));
        queue.put_back(item("z"));
        assert_eq!(labels(&queue), ["z", "a", "b", "c", "d"]);
    }

    #[test]
    fn items_move_both_ways_and_bad_places_change_nothing() {
        let mut queue = filled(&["a", "b", "c", "d"]);
        assert!(queue.shift(1, 3));
        assert_eq!(labels(&queue), ["b", "c", "a", "d"]);
        assert!(queue.shift(4, 1));
        assert_eq!(labels(&queue), ["d", "b", "c", "a"]);
        for (from, to) in [(0, 1), (1, 0), (5, 1), (1, 5)] {
            assert!(!queue.shift(from, to));
        }
        assert_eq!(labels(&queue), ["d", "b", "c", "a"]);
        assert_eq!(queue.remove_all(2, 2)[0].label, "b");
        assert_eq!(queue.remove_all(0, 9), []);
        assert_eq!(queue.remove_all(4, 9), []);
        assert_eq!(queue.remove_all(2, 9).len(), 2);
        assert_eq!(labels(&queue), ["d"]);
    }

    #[test]
    fn shuffling_keeps_every_item_and_the_same_dice_fall_alike() {
        let shuffled = |dice| {
            let mut queue = Queue::new(100, 0);
            for n in 0..100 {
                queue.push(item(&n.to_string())).unwrap();
            }
            queue.shuffle(dice);
            queue
                .waiting()
                .map(|item| item.label.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(shuffled(7), shuffled(7));
        assert_ne!(shuffled(7), shuffled(8));
        let mut sorted = shuffled(7);
        sorted.sort_by_key(|label| label.parse::<u32>().unwrap());
        assert!(
            sorted.iter().map(String::as_str).eq((0..100)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str))
        );
        let fixed = shuffled(7)
            .iter()
            .enumerate()
            .filter(|(n, l)| n.to_string() == **l)
            .count();
        assert!(fixed < 10, "{fixed} of 100 stayed where they were");
    }

    #[test]
    fn what_comes_round_again_is_found_at_the_end_and_can_be_recalled() {
        let mut queue = filled(&["a"]);
        queue.recycle(item("z"));
        queue.remember(item("z"));
        assert_eq!(labels(&queue), ["a", "z"]);
        let back = queue.recall().unwrap();
        queue.unrecycle(&back);
        queue.unrecycle(&back);
        assert_eq!(labels(&queue), ["a"]);
        assert_eq!(queue.recall(), None);
    }

    #[test]
    fn only_the_latest_played_items_are_remembered_and_from_their_beginning() {
        let mut queue = filled(&[]);
        for label in ["a", "b", "c"] {
            queue.remember(Item {
                start: Duration::from_secs(9),
                ..item(label)
            });
        }
        let played: Vec<_> = queue
            .played()
            .map(|i| (i.label.as_str(), i.start))
            .collect();
        assert_eq!(played, [("c", Duration::ZERO), ("b", Duration::ZERO)]);
    }

    #[test]
    fn the_total_length_is_known_only_when_every_length_is() {
        let mut queue = filled(&["a", "b"]);
        assert_eq!(queue.length(), Some(Duration::from_secs(120)));
        queue
            .push(Item {
                length: None,
                ..item("c")
            })
            .unwrap();
        assert_eq!(queue.length(), None);
        assert_eq!(queue.clear(), 3);
        assert_eq!(queue.length(), Some(Duration::ZERO));
    }
}
