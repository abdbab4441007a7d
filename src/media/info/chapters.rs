//! The chapters of a file.

use std::time::Duration;

use symphonia::core::meta::{Chapter as Marked, ChapterGroup, ChapterGroupItem, StandardTag};

use super::clean;
use crate::limits::MAX_CHAPTERS;

/// A place in a sound that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Where it begins.
    pub start: Duration,
    /// What it is called; at most 300 characters, never empty.
    pub title: String,
}

/// All chapters of a group and its groups, in the order they are played; of too many the first
/// [`MAX_CHAPTERS`].
pub fn of_group(group: &ChapterGroup) -> Vec<Chapter> {
    let mut found = Vec::new();
    // Groups may lie in groups, as deep as a file likes.
    let mut open = vec![group.items.iter()];
    while let Some(items) = open.last_mut() {
        match items.next() {
            Some(ChapterGroupItem::Chapter(chapter)) => {
                let nanos = u64::try_from(chapter.start_time.as_nanos()).unwrap_or(0);
                found.push((Duration::from_nanos(nanos), title(chapter)));
            }
            Some(ChapterGroupItem::Group(group)) => open.push(group.items.iter()),
            None => {
                open.pop();
            }
        }
    }
    in_order(found)
}

/// Sorts, bounds and names them.
pub fn in_order(mut found: Vec<(Duration, Option<String>)>) -> Vec<Chapter> {
    found.sort_by_key(|(start, _)| *start);
    found.truncate(MAX_CHAPTERS);
    let numbered = found.into_iter().zip(1..);
    let chapters = numbered.map(|((start, title), number)| Chapter {
        start,
        title: title
            .as_deref()
            .and_then(clean)
            .unwrap_or_else(|| format!("Chapter {number}")),
    });
    chapters.collect()
}

fn title(chapter: &Marked) -> Option<String> {
    chapter.tags.iter().find_map(|tag| match &tag.std {
        Some(StandardTag::ChapterTitle(title)) => Some(title.as_str().to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_are_sorted_named_and_bounded() {
        let at = Duration::from_secs;
        let found = vec![
            (at(9), Some("  End\n".to_owned())),
            (at(3), Some(String::new())),
        ];
        let chapters = in_order(found);
        let named: Vec<_> = chapters
            .iter()
            .map(|c| (c.start, c.title.as_str()))
            .collect();
        assert_eq!(named, [(at(3), "Chapter 1"), (at(9), "End")]);
        let many = (0..5_000).rev().map(|n| (at(n), None)).collect();
        let chapters = in_order(many);
        assert_eq!(chapters.len(), MAX_CHAPTERS);
        assert_eq!(
            chapters.last().map(|c| c.start),
            Some(at(MAX_CHAPTERS as u64 - 1))
        );
    }
}
