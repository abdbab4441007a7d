//! Repeats: "noooooooo", "!!!!!!", "hahahahaha", the same word over and over.

/// A letter is said at most this often in a row, and a syllable of two to four letters.
const MAX_LETTERS: usize = 3;
const MAX_SYLLABLES: usize = 4;
/// A word.
const MAX_WORDS: usize = 3;

/// Shortens repeats. Digits stay: a million has six noughts.
#[must_use]
pub fn squash(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let (unit, times, kept) = repeat(&chars, at);
        if times <= kept {
            out.push(c);
            at += 1;
            continue;
        }
        let part = chars.get(at..at + unit).unwrap_or_default();
        if c == '.' && unit == 1 {
            out.push('…');
        } else {
            for _ in 0..kept {
                out.extend(part);
            }
        }
        at += unit * times;
    }
    words(&out)
}

/// The repeat that begins here: how many characters, how often, and how often it is kept. The
/// shortest unit that repeats too often counts.
fn repeat(chars: &[char], at: usize) -> (usize, usize, usize) {
    for unit in 1..=4 {
        let Some(part) = chars.get(at..at + unit) else {
            break;
        };
        let spoken = part.iter().all(|c| !c.is_numeric() && !c.is_whitespace());
        if !spoken {
            break;
        }
        let mut times = 1;
        while chars.get(at + unit * times..at + unit * (times + 1)) == Some(part) {
            times += 1;
        }
        let letters = part.iter().all(|c| c.is_alphanumeric());
        let kept = match unit {
            1 if letters => MAX_LETTERS,
            1 => 1,
            _ => MAX_SYLLABLES,
        };
        if times > kept {
            return (unit, times, kept);
        }
    }
    (1, 1, 1)
}

/// The same word at most three times in a row.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = String::new();
    let mut times = 0;
    for part in text.split_inclusive(char::is_whitespace) {
        let word = part.trim().to_lowercase();
        if !word.is_empty() {
            times = if word == last { times + 1 } else { 1 };
            last = word;
        }
        let number = last.chars().all(char::is_numeric);
        if times <= MAX_WORDS || number {
            out.push_str(part);
        } else if part.ends_with('\n') {
            out.push('\n');
        }
    }
    out
}
