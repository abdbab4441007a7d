//! Finding sounds: while people type, by tag, by chance, page by page.

use super::library::Library;
use super::name::fold;
use super::sound::{Sound, Viewer};

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By name.
    #[default]
    Name,
    /// Most used first.
    Plays,
    /// Newest first.
    Newest,
    /// Shortest first.
    Length,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<'a> {
    /// What is on it.
    pub sounds: Vec<&'a Sound>,
    /// Its number, from 0.
    pub page: usize,
    /// How many pages there are; at least one.
    pub pages: usize,
    /// How many sounds there are on all of them.
    pub of: usize,
}

/// What somebody may mean who has typed this: by name, then alias, then tag, the most used first. All
/// there are when nothing has been typed.
#[must_use]
pub fn offer<'a>(library: &'a Library, typed: &str, viewer: Viewer, most: usize) -> Vec<&'a Sound> {
    let typed = fold(typed);
    let mut found: Vec<(u8, &Sound)> = library
        .seen(viewer)
        .filter_map(|sound| Some((rank(sound, &typed)?, sound)))
        .collect();
    found.sort_by(|(a, one), (b, other)| {
        let used = other.plays.cmp(&one.plays);
        a.cmp(b).then(used).then_with(|| one.name.cmp(&other.name))
    });
    found
        .into_iter()
        .take(most)
        .map(|(_, sound)| sound)
        .collect()
}

/// 0 fits best.
fn rank(sound: &Sound, typed: &str) -> Option<u8> {
    if typed.is_empty() {
        return Some(0);
    }
    let name = fold(&sound.name);
    let aliases = || sound.aliases.iter().map(|alias| fold(alias));
    let word = |name: &str| name.split_whitespace().any(|word| word.starts_with(typed));
    if name == typed || aliases().any(|alias| alias == typed) {
        Some(0)
    } else if name.starts_with(typed) {
        Some(1)
    } else if aliases().any(|alias| alias.starts_with(typed)) {
        Some(2)
    } else if word(&name) || aliases().any(|alias| word(&alias)) {
        Some(3)
    } else if sound.tags.iter().any(|tag| tag.starts_with(typed)) {
        Some(4)
    } else if name.contains(typed) || aliases().any(|alias| alias.contains(typed)) {
        Some(5)
    } else {
        None
    }
}

/// Tags that begin so, the most frequent first.
#[must_use]
pub fn tags(library: &Library, typed: &str, viewer: Viewer, most: usize) -> Vec<String> {
    let typed = fold(typed);
    let mut count: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for tag in library.seen(viewer).flat_map(|sound| &sound.tags) {
        *count.entry(tag).or_default() += 1;
    }
    let mut tags: Vec<(&str, usize)> = count
        .into_iter()
        .filter(|(tag, _)| tag.contains(&typed))
        .collect();
    tags.sort_by(|(a, some), (b, more)| more.cmp(some).then(a.cmp(b)));
    let names = tags.into_iter().take(most);
    names.map(|(tag, _)| tag.to_owned()).collect()
}

/// One of them by chance; `roll` is any number, evenly spread.
#[must_use]
pub fn random<'a>(
    library: &'a Library,
    tag: Option<&str>,
    viewer: Viewer,
    roll: u64,
) -> Option<&'a Sound> {
    let fits = tagged(library, tag, viewer);
    let at = usize::try_from(roll % u64::try_from(fits.len()).ok()?.max(1)).ok()?;
    fits.get(at).copied()
}

/// One page of what a person may see; a page beyond the last is the last.
#[must_use]
pub fn page<'a>(
    library: &'a Library,
    tag: Option<&str>,
    order: Order,
    viewer: Viewer,
    page: usize,
    per_page: usize,
) -> Page<'a> {
    let mut all = tagged(library, tag, viewer);
    all.sort_by(|one, other| {
        let by_name = || fold(&one.name).cmp(&fold(&other.name));
        match order {
            Order::Name => by_name(),
            Order::Plays => other.plays.cmp(&one.plays).then_with(by_name),
            Order::Newest => (other.added_ms, other.id).cmp(&(one.added_ms, one.id)),
            Order::Length => one.length_ms.cmp(&other.length_ms).then_with(by_name),
        }
    });
    let (of, per_page) = (all.len(), per_page.max(1));
    let pages = of.div_ceil(per_page).max(1);
    let page = page.min(pages - 1);
    let sounds = all.into_iter().skip(page * per_page).take(per_page);
    let sounds = sounds.collect();
    Page {
        sounds,
        page,
        pages,
        of,
    }
}

fn tagged<'a>(library: &'a Library, tag: Option<&str>, viewer: Viewer) -> Vec<&'a Sound> {
    let tag = tag.map(|tag| fold(tag.trim_start_matches('#')));
    library
        .seen(viewer)
        .filter(|sound| tag.as_ref().is_none_or(|tag| sound.tags.contains(tag)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::library::{
        Limits,
        tests::{ANN, sound},
    };
    use super::*;

    fn library() -> Library {
        let mut horn = sound(1, "airhorn", &["loud"], 2);
        horn.aliases.push("tröt".into());
        let all = [
            horn,
            sound(2, "horn of doom", &["loud", "long"], 9),
            sound(3, "Air raid", &["siren"], 5),
            sound(4, "drum", &["horn-free"], 1),
        ];
        Library::new(
            Limits {
                sounds: 10,
                per_user: 10,
            },
            all,
        )
    }

    fn ids(sounds: &[&Sound]) -> Vec<i64> {
        sounds.iter().map(|sound| sound.id).collect()
    }

    #[test]
    fn names_come_before_aliases_and_tags_and_the_most_used_first() {
        let library = library();
        assert_eq!(ids(&offer(&library, "air", ANN, 25)), [3, 1]);
        assert_eq!(ids(&offer(&library, "HORN", ANN, 25)), [2, 4, 1]);
        assert_eq!(ids(&offer(&library, "TRÖ", ANN, 25)), [1]);
        assert_eq!(ids(&offer(&library, "sir", ANN, 25)), [3]);
        assert_eq!(
            ids(&offer(&library, "", ANN, 2)),
            [2, 3],
            "nothing typed: the most used"
        );
        assert!(offer(&library, "xyz", ANN, 25).is_empty());
    }

    #[test]
    fn chance_stays_within_a_tag_and_needs_a_sound() {
        let library = library();
        let loud: Vec<i64> = (0..4)
            .filter_map(|roll| Some(random(&library, Some("#Loud"), ANN, roll)?.id))
            .collect();
        assert_eq!(loud, [1, 2, 1, 2]);
        assert!(random(&library, Some("nothing"), ANN, u64::MAX).is_none());
        assert!(random(&library, None, ANN, u64::MAX).is_some());
    }

    #[test]
    fn a_page_beyond_the_last_is_the_last_and_an_empty_board_has_one() {
        let library = library();
        let last = page(&library, None, Order::Plays, ANN, 99, 3);
        assert_eq!(
            (ids(&last.sounds), last.page, last.pages, last.of),
            (vec![4], 1, 2, 4)
        );
        let first = page(&library, None, Order::Name, ANN, 0, 2);
        assert_eq!(ids(&first.sounds), [3, 1]);
        let none = page(&library, Some("nothing"), Order::Name, ANN, 3, 20);
        assert_eq!((none.page, none.pages, none.of), (0, 1, 0));
    }

    #[test]
    fn tags_are_offered_by_how_often_they_are_used() {
        assert_eq!(tags(&library(), "", ANN, 2), ["loud", "horn-free"]);
        assert_eq!(tags(&library(), "SI", ANN, 9), ["siren"]);
    }
}
