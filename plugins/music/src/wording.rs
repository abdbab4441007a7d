//! The small parts of sentences: counts, reasons, progress, and foreign text made safe to show.

use std::time::Duration;

use crate::queue::Item;
use crate::spans::clock;

/// The longest message Discord takes (rest.md section 4: `content`, 2000 characters).
pub(crate) const MAX_MESSAGE: usize = 2000;
/// Titles are cut here so that ten of them fit one message.
const MAX_LABEL: usize = 120;

/// `**Title** (3:07)`.
pub(crate) fn named(item: &Item) -> String {
    let length = item
        .length
        .map_or_else(String::new, |length| format!(" ({})", clock(length)));
    format!("**{}**{length}", shown(&item.label))
}

/// `1 track waits`, `3 tracks wait`.
pub(crate) fn wait_count(n: usize) -> String {
    if n == 1 {
        "1 track waits".to_owned()
    } else {
        format!("{n} tracks wait")
    }
}

/// `1 track`, `3 tracks`.
pub(crate) fn items(n: usize) -> String {
    if n == 1 {
        "1 track".to_owned()
    } else {
        format!("{n} tracks")
    }
}

/// A reason as a sentence, with a full stop at its end.
pub(crate) fn sentence(reason: &str) -> String {
    match reason.trim() {
        "" => "the reason is not known.".to_owned(),
        reason if reason.ends_with(['.', '!', '?']) => reason.to_owned(),
        reason => format!("{reason}."),
    }
}

/// Fifteen steps of progress.
pub(crate) fn bar(at: Duration, length: Duration) -> String {
    const STEPS: u128 = 15;
    let done = (at.as_millis() * STEPS)
        .checked_div(length.as_millis())
        .unwrap_or(0)
        .min(STEPS);
    (0..STEPS)
        .map(|step| if step < done { '▰' } else { '▱' })
        .collect()
}

/// Foreign text as it may be shown: no markdown, no mention, no line breaks, not too long.
pub(crate) fn shown(text: &str) -> String {
    let letters: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
    let mut out = String::with_capacity(text.len());
    for (n, c) in letters.iter().copied().enumerate() {
        if n == MAX_LABEL {
            out.push('…');
            break;
        }
        let before = n.checked_sub(1).and_then(|n| letters.get(n)).copied();
        let after = letters.get(n + 1).copied();
        if is_markup(before, c, after) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether Discord would read this letter as formatting, given its neighbours. An underscore inside a
/// word, as file names have them, is only an underscore.
fn is_markup(before: Option<char>, c: char, after: Option<char>) -> bool {
    match c {
        '\\' | '*' | '`' | '<' | '[' => true,
        '~' | '|' => before == Some(c) || after == Some(c),
        '_' => ![before, after]
            .iter()
            .all(|near| near.is_some_and(char::is_alphanumeric)),
        _ => false,
    }
}

/// A text of at most the length Discord takes, cut at a line.
pub(crate) fn fitted(text: &str) -> String {
    if text.chars().count() <= MAX_MESSAGE {
        return text.to_owned();
    }
    let head: String = text.chars().take(MAX_MESSAGE - 2).collect();
    format!(
        "{}\n…",
        head.rsplit_once('\n')
            .map_or(head.as_str(), |(lines, _)| lines)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_titles_cannot_format_or_mention() {
        assert_eq!(
            shown("**big** <@1> `x` ||y|| _z_"),
            r"\*\*big\*\* \<@1> \`x\` \|\|y\|\| \_z\_"
        );
        assert_eq!(shown("two_tone [live] a|b ~1"), r"two_tone \[live] a|b ~1");
        assert_eq!(shown("line\nbreak\u{7}"), "linebreak");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), MAX_LABEL + 1);
    }

    #[test]
    fn progress_never_leaves_its_bar() {
        let length = Duration::from_secs(60);
        assert_eq!(
            bar(Duration::from_secs(90), length).matches('▰').count(),
            15
        );
        assert_eq!(bar(Duration::from_secs(30), length).matches('▰').count(), 7);
        assert_eq!(
            bar(Duration::from_secs(30), Duration::ZERO)
                .matches('▰')
                .count(),
            0
        );
    }
}
