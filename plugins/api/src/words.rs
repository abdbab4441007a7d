//! Words for what is wrong in a configuration.

use serde::de::{Expected, Unexpected};

/// What was expected, for people who do not write Rust.
pub(crate) fn expected_words(expected: &dyn Expected) -> String {
    let words = expected.to_string();
    let whole = |min: &str, max: &str| format!("a whole number from {min} to {max}");
    match words.as_str() {
        "a string" => "a text".into(),
        "a sequence" => "a list".into(),
        "a boolean" => "true or false".into(),
        "a map" => "a table".into(),
        "f32" | "f64" => "a number".into(),
        "i8" => whole("-128", "127"),
        "u8" => whole("0", "255"),
        "i16" => whole("-32768", "32767"),
        "u16" => whole("0", "65535"),
        "u32" => whole("0", "4294967295"),
        "u64" | "usize" => "a whole number, 0 or more".into(),
        "i32" | "i64" | "isize" => "a whole number".into(),
        other if other.starts_with("struct ") => "a table".into(),
        _ => words,
    }
}

/// What was found instead.
pub(crate) fn found_words(found: &Unexpected<'_>) -> String {
    use Unexpected as Found;
    match found {
        Found::Bool(yes) => format!("`{yes}`"),
        Found::Unsigned(number) => format!("`{number}`"),
        Found::Signed(number) => format!("`{number}`"),
        Found::Float(number) => format!("`{number}`"),
        Found::Str(text) => format!("the text \"{text}\""),
        Found::Seq => "a list".into(),
        Found::Map => "a table".into(),
        Found::Unit | Found::Option => "nothing".into(),
        other => other.to_string(),
    }
}

/// The known word that is close enough to be a slip of the finger.
#[must_use]
pub fn nearest(word: &str, known: &[&str]) -> Option<String> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| (*candidate).to_owned())
}

/// Edits from one word to the other; two swapped neighbours count as one ("optimal string
/// alignment").
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let swap = usize::from(from != to);
            let mut best = (at(&last, j) + swap)
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from) {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = core::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}
