//! A text in pieces that are spoken one after the other, so that the first is heard while the next
//! is still being made.

/// The first piece may end at a comma from here on, in characters.
const EARLY_CHARS: usize = 40;
/// No piece is longer, in characters: an engine's work before its first sound, and what goes to its
/// standard input at once (at most four bytes each, less than the smallest pipe, 4096).
pub const MAX_CHARS: usize = 250;
/// A sentence shorter than this, in characters, is spoken with the next one.
const SHORT_CHARS: usize = 12;
/// A full stop after these ends no sentence.
const SHORT_WORDS: [&str; 15] = [
    "mr", "mrs", "ms", "dr", "st", "vs", "etc", "e.g", "i.e", "prof", "jr", "sr", "z.b", "bzw",
    "ca",
];

/// Splits at the ends of sentences and lines; the first piece at a comma, too, if it is long.
/// Together the pieces are all words of the text, in order.
#[must_use]
pub fn split(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for line in text.lines() {
        for sentence in sentences(line) {
            add(&mut pieces, sentence);
        }
    }
    let mut out = Vec::with_capacity(pieces.len() + 1);
    for (at, piece) in pieces.iter().enumerate() {
        let mut rest = piece.as_str();
        if at == 0
            && let Some((first, after)) = early(rest)
        {
            out.push(first.to_owned());
            rest = after;
        }
        while let Some((part, after)) = too_long(rest) {
            out.push(part.to_owned());
            rest = after;
        }
        if !rest.is_empty() {
            out.push(rest.to_owned());
        }
    }
    out
}

/// Adds a sentence, to the one before if that is very short; a line end is heard as a pause.
fn add(pieces: &mut Vec<String>, sentence: &str) {
    let sentence = sentence.trim();
    if sentence.is_empty() {
        return;
    }
    match pieces.last_mut() {
        Some(last) if last.chars().count() < SHORT_CHARS => {
            if last.ends_with(char::is_alphanumeric) {
                last.push(',');
            }
            last.push(' ');
            last.push_str(sentence);
        }
        _ => pieces.push(sentence.to_owned()),
    }
}

/// The sentences of a line.
fn sentences(line: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map(|(_, next)| *next);
        let wide = matches!(c, '。' | '！' | '？');
        let ends = matches!(c, '.' | '!' | '?' | '…') && after.is_none_or(char::is_whitespace);
        if !(wide || ends) {
            continue;
        }
        let end = at + c.len_utf8();
        let so_far = line.get(start..at).unwrap_or_default();
        if c == '.' && !wide && is_short_word(so_far) {
            continue;
        }
        out.push(line.get(start..end).unwrap_or_default());
        start = end;
    }
    out.push(line.get(start..).unwrap_or_default());
    out
}

/// "Dr", "e.g", one letter.
fn is_short_word(so_far: &str) -> bool {
    let word = so_far
        .rsplit(char::is_whitespace)
        .next()
        .unwrap_or_default();
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let one = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    one || SHORT_WORDS
        .iter()
        .any(|short| word.eq_ignore_ascii_case(short))
}

/// The first clause of a long first sentence, and the rest.
fn early(text: &str) -> Option<(&str, &str)> {
    if text.chars().count() < 2 * EARLY_CHARS {
        return None;
    }
    let from = text.char_indices().nth(EARLY_CHARS / 2)?.0;
    let tail = text.get(from..)?;
    let found = tail
        .char_indices()
        .zip(tail.chars().skip(1))
        .find(|((_, c), next)| matches!(c, ',' | ';' | ':') && next.is_whitespace());
    let ((at, c), _) = found?;
    let (first, rest) = text.split_at_checked(from + at + c.len_utf8())?;
    Some((first, rest.trim_start()))
}

/// What is over the limit is cut at a space, or anywhere in an endless word.
fn too_long(text: &str) -> Option<(&str, &str)> {
    let (limit, _) = text.char_indices().nth(MAX_CHARS)?;
    let head = text.get(..limit)?;
    let comma = head
        .rfind(", ")
        .map(|at| at + 1)
        .filter(|at| at * 2 > limit);
    let space = head.rfind(char::is_whitespace).filter(|at| *at > 0);
    let (first, rest) = text.split_at_checked(comma.or(space).unwrap_or(limit))?;
    Some((first.trim_end(), rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_people_would_end_them() {
        assert_eq!(
            split(
                "Good morning everyone! How are you today? Dr. Smith is 3.14 years old, e.g. now."
            ),
            [
                "Good morning everyone!",
                "How are you today?",
                "Dr. Smith is 3.14 years old, e.g. now."
            ]
        );
        assert_eq!(
            split("one line here\nand another line"),
            ["one line here", "and another line"]
        );
        assert_eq!(
            split("Hi. Ok. This is the rest."),
            ["Hi. Ok. This is the rest."]
        );
        assert_eq!(
            split("これはペンです。それは本ですか？はい"),
            ["これはペンです。 それは本ですか？", "はい"]
        );
        assert!(split(" \n ").is_empty());
    }

    #[test]
    fn a_long_first_sentence_is_heard_early() {
        let text = "When the weather is fine in the evening, everybody goes down to the river and swims across it";
        let pieces = split(text);
        assert_eq!(pieces[0], "When the weather is fine in the evening,");
        assert_eq!(pieces.join(" "), text);
    }

    #[test]
    fn no_piece_is_too_long_and_no_word_is_lost() {
        let words: String = (0..200).map(|n| format!("word{n} ")).collect();
        let pieces = split(&words);
        assert!(
            pieces
                .iter()
                .all(|piece| piece.chars().count() <= MAX_CHARS)
        );
        assert_eq!(pieces.join(" "), words.trim());
        let endless = "x".repeat(1_000);
        let pieces = split(&endless);
        assert!(
            pieces
                .iter()
                .all(|piece| piece.chars().count() <= MAX_CHARS)
        );
        assert_eq!(pieces.concat(), endless);
    }
}
