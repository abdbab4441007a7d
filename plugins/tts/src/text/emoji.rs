//! Emoji by their names.

use super::Emoji;

/// No emoji has more code points (families with skin tones have ten).
const MAX_POINTS: usize = 10;
/// The longest name of a server's own emoji that is spoken, in characters: Discord allows 32.
const MAX_NAME_CHARS: usize = 32;

/// Replaces emoji by their names, or by nothing. The same one again and again is said once.
pub(super) fn read(text: &str, how: Emoji) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last: Option<&'static str> = None;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((emoji, bytes)) = at(rest, first) {
            if how == Emoji::Name && last != Some(emoji.as_str()) {
                if !out.ends_with(char::is_whitespace) {
                    out.push(' ');
                }
                out.push_str(emoji.name());
            }
            out.push(' ');
            last = Some(emoji.as_str());
            rest = rest.get(bytes..).unwrap_or_default();
            continue;
        }
        if !first.is_whitespace() {
            last = None;
        }
        out.push(first);
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    out
}

/// The emoji that begins here, and its length in bytes.
fn at(rest: &str, first: char) -> Option<(&'static emojis::Emoji, usize)> {
    // Digits, `#` and `*` are emoji only in a key cap.
    let cap = first.is_ascii()
        && rest
            .get(1..)
            .is_some_and(|rest| rest.starts_with(['\u{fe0f}', '\u{20e3}']));
    if first < '\u{a9}' && !cap {
        return None;
    }
    let ends = rest
        .char_indices()
        .skip(1)
        .map(|(end, _)| end)
        .chain([rest.len()]);
    let ends: Vec<usize> = ends.take(MAX_POINTS).collect();
    let longest = ends.into_iter().rev().filter(|end| !cap || *end > 1);
    let mut found = longest.filter_map(|end| Some((emojis::get(rest.get(..end)?)?, end)));
    found.next()
}

/// The name of a server's own emoji as words: `party_parrot`, `PartyParrot`.
pub(super) fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut was_small = false;
    for c in name.chars().take(MAX_NAME_CHARS) {
        if c == '_' || (was_small && c.is_ascii_uppercase()) {
            out.push(' ');
        }
        was_small = c.is_ascii_lowercase();
        if c != '_' {
            out.push(c);
        }
    }
    out
}
