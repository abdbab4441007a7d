//! How single words are read instead.

use std::collections::BTreeMap;

use super::{Links, address, clean, head, squash, tidy};

/// The longest word, and the longest reading, in characters.
pub const MAX_WORD_CHARS: usize = 32;
/// See [`MAX_WORD_CHARS`].
pub const MAX_READING_CHARS: usize = 100;

/// What cannot be an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// Only whole words are replaced.
    #[error("that is not one word: up to {MAX_WORD_CHARS} letters and digits")]
    Word,
    /// It would read out nothing, or a novel.
    #[error("that cannot be spoken: up to {MAX_READING_CHARS} characters, no address")]
    Reading,
}

/// A person's words over those of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary {
    words: BTreeMap<String, String>,
}

impl Dictionary {
    /// Entries of [`check_word`]; the later ones win.
    #[must_use]
    pub fn new(
        server: impl IntoIterator<Item = (String, String)>,
        person: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            words: server.into_iter().chain(person).collect(),
        }
    }

    /// Replaces whole words, each once: readings are not looked up again. Ends after `max_chars`.
    #[must_use]
    pub fn apply(&self, text: &str, max_chars: usize) -> String {
        let mut out = String::with_capacity(text.len());
        let mut room = max_chars;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = if is_letter(first) {
                rest.find(|c| !is_letter(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = after;
            let reading = is_letter(first)
                .then(|| self.words.get(&word.to_lowercase()))
                .flatten();
            let said = reading.map_or(word, String::as_str);
            let Some(left) = room.checked_sub(said.chars().count()) else {
                // One over the limit, so that whoever asked sees that more was there.
                let (fits, _) = head(said, room.saturating_add(1));
                out.push_str(fits);
                break;
            };
            room = left;
            out.push_str(said);
        }
        out
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '\''
}

/// An entry as it is kept: the word in small letters, the reading cleaned.
///
/// # Errors
/// [`WordError`] says which of the two is wrong.
pub fn check_word(word: &str, reading: &str) -> Result<(String, String), WordError> {
    let word = clean(word.trim()).to_lowercase();
    let length = word.chars().count();
    if length == 0 || length > MAX_WORD_CHARS || !word.chars().all(is_letter) {
        return Err(WordError::Word);
    }
    if reading.chars().count() > MAX_READING_CHARS {
        return Err(WordError::Reading);
    }
    let cleaned = clean(reading);
    let scrubbed = address::scrub(&cleaned, Links::Word);
    let reading = tidy(&squash(&scrubbed.replace('\n', " ")));
    if reading.is_empty() || scrubbed != cleaned {
        return Err(WordError::Reading);
    }
    Ok((word, reading))
}
