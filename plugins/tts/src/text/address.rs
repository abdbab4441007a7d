//! Addresses: found, and said as something else.

use super::Links;

/// Endings that make a bare word an address; others need a path behind them.
const ENDINGS: [&str; 26] = [
    "com", "org", "net", "edu", "gov", "info", "biz", "io", "gg", "tv", "co", "me", "app", "dev",
    "ly", "xyz", "onion", "de", "uk", "eu", "fr", "nl", "jp", "ru", "be", "us",
];
/// The longest host that is spoken, in characters.
const MAX_HOST_CHARS: usize = 60;

/// The length in bytes of the address that begins here, without marks behind it; `None` if none
/// does.
pub(super) fn length(rest: &str) -> Option<usize> {
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"'));
    let token = rest.get(..end.unwrap_or(rest.len()))?;
    if !is_address(token) {
        return None;
    }
    let closing = |c: char| {
        matches!(
            c,
            '.' | ',' | ':' | ';' | '!' | '?' | '\'' | ')' | ']' | '*' | '_' | '~'
        )
    };
    let token = token.trim_end_matches(closing);
    (!token.is_empty()).then_some(token.len())
}

/// A scheme, `www.`, a mail address, or a host that is one by its ending or the path behind it.
fn is_address(token: &str) -> bool {
    if let Some((scheme, _)) = token.split_once("://") {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        return !scheme.is_empty() && scheme.chars().all(fits);
    }
    if let Some((name, host)) = token.split_once('@') {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
        return !name.is_empty() && name.chars().all(fits) && bare(host);
    }
    if let Some(rest) = token
        .strip_prefix("mailto:")
        .or_else(|| token.strip_prefix("tel:"))
    {
        return !rest.is_empty();
    }
    bare(token)
}

/// `example.org`, `www.anything.else`, `host.word/path`.
fn bare(token: &str) -> bool {
    let end = token.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '.' | '_')));
    let (host, after) = token
        .split_at_checked(end.unwrap_or(token.len()))
        .unwrap_or((token, ""));
    let host = host.trim_end_matches('.');
    let Some((name, ending)) = host.rsplit_once('.') else {
        return false;
    };
    let letters = ending.chars().count() >= 2 && ending.chars().all(char::is_alphabetic);
    if name.is_empty() || !letters {
        return false;
    }
    let www = host
        .get(..4)
        .is_some_and(|www| www.eq_ignore_ascii_case("www."));
    let known = ENDINGS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known));
    let path = after.starts_with('/') || after.starts_with('?') || after.starts_with('#') || {
        let port = after.strip_prefix(':').unwrap_or_default();
        port.starts_with(|c: char| c.is_ascii_digit())
    };
    www || known || path
}

/// What is said instead of an address.
pub(super) fn words(address: &str, how: Links) -> String {
    match how {
        Links::Skip => String::new(),
        Links::Word => "a link".to_owned(),
        Links::Host => host(address).map_or_else(
            || "a link".to_owned(),
            |host| format!("a link to {}", host.replace('.', " dot ")),
        ),
    }
}

/// The host of an address, if it can be said.
fn host(address: &str) -> Option<String> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next()?;
    // A name and a password may stand before the host.
    let host = host.rsplit('@').next()?;
    let host = host.split(':').next()?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    let fits = host
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    let short = host.chars().count() <= MAX_HOST_CHARS;
    (fits && short && host.contains('.')).then(|| host.to_ascii_lowercase())
}

/// Replaces what looks like an address after all.
pub(super) fn scrub(text: &str, how: Links) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(char::is_whitespace) {
        let token = part.trim_end_matches(char::is_whitespace);
        if holds(token) {
            out.push_str(&words(
                "",
                if how == Links::Skip { how } else { Links::Word },
            ));
            out.push_str(part.get(token.len()..).unwrap_or_default());
        } else {
            out.push_str(part);
        }
    }
    out
}

/// Does an address begin anywhere in it?
fn holds(token: &str) -> bool {
    if token.contains("://") {
        return true;
    }
    let mut before = None;
    token.char_indices().any(|(at, c)| {
        let starts = before.is_none_or(|before: char| !before.is_ascii_alphanumeric());
        before = Some(c);
        starts && token.get(at..).is_some_and(is_address)
    })
}
