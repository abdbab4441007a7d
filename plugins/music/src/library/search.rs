//! Which files a few words mean, best first.

use std::cmp::Reverse;

use super::words::{alike, plain};
use super::{Entry, Words};

/// From this likeness on a title is worth suggesting when nothing fits.
const WORTH_NAMING: f32 = 0.22;
/// Longer queries are cut here: Discord allows 6000 letters in an option, no title needs them.
const MAX_QUERY_LETTERS: usize = 200;

/// Up to `count` entries that hold every word of the query, best first.
pub(super) fn ranked<'a>(entries: &'a [Entry], query: &str, count: usize) -> Vec<&'a Entry> {
    let query = plain(&cut(query));
    let wanted: Vec<&str> = query.split(' ').filter(|word| !word.is_empty()).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let scored = entries
        .iter()
        .filter_map(|entry| Some((score(&entry.words, &query, &wanted)?, entry)));
    best(
        scored
            .map(|(score, entry)| ((Reverse(score), entry.words.title.len()), entry))
            .collect(),
        count,
    )
}

/// Up to `count` entries whose artist and title look most like the query.
pub(super) fn closest<'a>(entries: &'a [Entry], query: &str, count: usize) -> Vec<&'a Entry> {
    let query = plain(&cut(query));
    let scored = entries.iter().filter_map(|entry| {
        let text = format!(
            "{} {} {}",
            entry.words.artist, entry.words.title, entry.words.folder
        );
        let likeness = alike(&query, &text);
        (likeness >= WORTH_NAMING).then(|| {
            let thousandths = (likeness * 1000.0) as u16; // 0..=1000
            (
                (Reverse(u32::from(thousandths)), entry.words.title.len()),
                entry,
            )
        })
    });
    best(scored.collect(), count)
}

type Rank = (Reverse<u32>, usize);

/// Sorts by rank, then by place in the library, and keeps the first few.
fn best(mut scored: Vec<(Rank, &Entry)>, count: usize) -> Vec<&Entry> {
    let order = |a: &(Rank, &Entry), b: &(Rank, &Entry)| {
        a.0.cmp(&b.0).then_with(|| a.1.relative.cmp(&b.1.relative))
    };
    if scored.len() > count && count > 0 {
        scored.select_nth_unstable_by(count - 1, order); // the rest of a large library stays unsorted
    }
    scored.truncate(count);
    scored.sort_by(order);
    scored.into_iter().map(|(_, entry)| entry).collect()
}

/// `None` when a word is nowhere to be found.
fn score(words: &Words, query: &str, wanted: &[&str]) -> Option<u32> {
    let mut total = 0;
    for word in wanted {
        // A word counts where it says most: in the title, then artist, album, folder and file name.
        total += [
            fit(&words.title, word, [12, 8, 4]),
            fit(&words.artist, word, [9, 6, 3]),
            fit(&words.album, word, [4, 3, 2]),
            fit(&words.folder, word, [4, 3, 1]),
        ]
        .into_iter()
        .max()
        .filter(|points| *points > 0)?;
    }
    if words.title == query || format!("{} {}", words.artist, words.title) == query {
        total += 100;
    } else if words.title.starts_with(query) {
        total += 20;
    } else if words.title.contains(query) {
        total += 10;
    }
    Some(total)
}

/// The points of a word in a text: as a whole word, as the beginning of one, or inside one.
fn fit(text: &str, word: &str, [whole, beginning, inside]: [u32; 3]) -> u32 {
    if !text.contains(word) {
        return 0;
    }
    let mut points = inside;
    for candidate in text.split(' ') {
        if candidate == word {
            return whole;
        }
        if candidate.starts_with(word) {
            points = beginning;
        }
    }
    points
}

fn cut(query: &str) -> String {
    query.chars().take(MAX_QUERY_LETTERS).collect()
}
