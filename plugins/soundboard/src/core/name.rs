//! Names, tags and emoji: what people may write, and what counts as the same.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// Characters of a name: as many as fit on a button beside its emoji.
pub const MAX_NAME_CHARS: usize = 32;
/// Characters of a tag.
pub const MAX_TAG_CHARS: usize = 20;
/// Other names of one sound.
pub const MAX_ALIASES: usize = 5;
/// Tags of one sound.
pub const MAX_TAGS: usize = 10;

/// Why a name was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left of it.
    #[error("a name needs at least one letter or digit")]
    Empty,
    /// Too many characters.
    #[error("`{name}…` is too long: at most {most} characters")]
    Long {
        /// How it begins.
        name: String,
        /// Characters that are allowed.
        most: usize,
    },
    /// A character that is neither letter, digit, mark nor one of `-_'!?&+`.
    #[error("`{0}` is not possible in a name: letters, digits, spaces and - _ ' ! ? & + are")]
    Character(String),
    /// More names or tags than a sound may have.
    #[error("too many: at most {0}")]
    Many(usize),
}

/// A name as it is kept: composed (NFC), with single spaces between words.
///
/// # Errors
/// [`NameError`] when it is empty, too long, or has characters that no name may have. Separators of
/// folders, dots and characters without a width are among the latter.
pub fn name(text: &str) -> Result<String, NameError> {
    words(text, MAX_NAME_CHARS)
}

/// A name after that of a file: without folders and extension, with nothing in it that no name may have.
#[must_use]
pub fn of_file(file: &str) -> String {
    let last = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
    let plain = |c: char| c.is_alphanumeric() || "-_'!?&+".contains(c);
    let text: String = stem
        .chars()
        .take(MAX_NAME_CHARS * 4)
        .map(|c| if plain(c) { c } else { ' ' })
        .collect();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = words.chars().take(MAX_NAME_CHARS).collect();
    name(&short).unwrap_or_else(|_| "sound".to_owned())
}

/// The name with a number behind it, shortened to fit.
#[must_use]
pub fn with_number(name: &str, number: usize) -> String {
    let behind = format!(" {number}");
    let short: String = name.chars().take(MAX_NAME_CHARS - behind.len()).collect();
    format!("{}{behind}", short.trim_end())
}

/// The words between commas, each as [`name`] wants them; none twice.
///
/// # Errors
/// As [`name`], and [`NameError::Many`].
pub fn aliases(text: &str) -> Result<Vec<String>, NameError> {
    list(text, MAX_ALIASES, MAX_NAME_CHARS)
}

/// Tags between commas or after `#`, in small letters; none twice.
///
/// # Errors
/// As [`name`], and [`NameError::Many`].
pub fn tags(text: &str) -> Result<Vec<String>, NameError> {
    let list = list(&text.replace('#', ","), MAX_TAGS, MAX_TAG_CHARS)?;
    Ok(list.into_iter().map(|tag| fold(&tag)).collect())
}

/// What two ways to write the same name have in common.
#[must_use]
pub fn fold(text: &str) -> String {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    let lower = text.trim().to_lowercase();
    nfc.normalize(&lower).into_owned()
}

/// An emoji that Discord takes on a button: one of Unicode's, or a server's own as `<:name:1>`.
#[must_use]
pub fn emoji(text: &str) -> Option<String> {
    let text = text.trim();
    if emojis::get(text).is_some() || custom_emoji(text).is_some() {
        return Some(text.to_owned());
    }
    None
}

/// Whether a server's own emoji moves, its name and its id.
#[must_use]
pub fn custom_emoji(text: &str) -> Option<(bool, &str, u64)> {
    let inner = text.strip_prefix('<')?.strip_suffix('>')?;
    let moves = inner.starts_with('a');
    let inner = inner.strip_prefix('a').unwrap_or(inner).strip_prefix(':')?;
    let (name, id) = inner.split_once(':')?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let fits = plain && (2..=32).contains(&name.len()) && id.len() <= 20;
    fits.then(|| id.parse().ok())?.map(|id| (moves, name, id))
}

/// Telephones write these instead of what is meant.
fn plain(c: char) -> char {
    match c {
        '’' | '‘' | '`' | '´' => '\'',
        '–' | '—' | '‐' => '-',
        c => c,
    }
}

fn list(text: &str, most: usize, chars: usize) -> Result<Vec<String>, NameError> {
    let mut all: Vec<String> = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let part = words(part, chars)?;
        if all.iter().all(|known| fold(known) != fold(&part)) {
            all.push(part);
        }
        if all.len() > most {
            return Err(NameError::Many(most));
        }
    }
    Ok(all)
}

fn words(text: &str, most: usize) -> Result<String, NameError> {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    // A bound before anything is done with it; composing never makes a text longer than this.
    let start: String = text.chars().take(most * 4).map(plain).collect();
    let composed = nfc.normalize(&start);
    let joined = composed.split_whitespace().collect::<Vec<_>>().join(" ");
    let known = CodePointMapData::<GeneralCategory>::new();
    let is_mark = |c| {
        use GeneralCategory as G;
        matches!(known.get(c), G::NonspacingMark | G::SpacingMark)
    };
    let wrong = joined
        .chars()
        .find(|c| !(c.is_alphanumeric() || is_mark(*c) || " -_'!?&+".contains(*c)));
    if let Some(wrong) = wrong {
        let shown = if wrong.is_control() {
            wrong.escape_unicode().to_string()
        } else {
            wrong.to_string()
        };
        return Err(NameError::Character(shown));
    }
    if !joined.chars().any(char::is_alphanumeric) {
        return Err(NameError::Empty);
    }
    if joined.chars().count() > most {
        let name = joined.chars().take(12).collect();
        return Err(NameError::Long { name, most });
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_names() {
        for good in [
            "airhorn",
            "Ach du grüne Neune!",
            "नमस्ते",
            "拍手",
            "שלום",
            "9",
        ] {
            assert_eq!(name(good).as_deref(), Ok(good), "{good}");
        }
        assert_eq!(name("don’t – stop").as_deref(), Ok("don't - stop"));
        assert_eq!(name("  air \t horn ").as_deref(), Ok("air horn"));
        assert_eq!(name("e\u{301}clat").as_deref(), Ok("éclat"));
        assert_eq!(fold(" E\u{301}CLAT"), fold("éclat"));
    }

    #[test]
    fn paths_markup_and_invisible_characters_are_refused_by_name() {
        for bad in [
            "../../x",
            "a/b",
            "a\\b",
            "a.b",
            "C:x",
            "@here",
            "<b>",
            "a\u{200b}b",
            "a\u{202e}b",
            "a\0b",
        ] {
            assert!(matches!(name(bad), Err(NameError::Character(_))), "{bad:?}");
        }
        for empty in ["", "  ", "--", "\u{301}"] {
            assert_eq!(name(empty), Err(NameError::Empty), "{empty:?}");
        }
        let long = "x".repeat(1 << 20);
        assert!(matches!(name(&long), Err(NameError::Long { .. })));
    }

    #[test]
    fn tags_are_small_once_and_few() {
        assert_eq!(
            tags("Loud, #loud meme,,FUNNY ").unwrap(),
            ["loud", "loud meme", "funny"]
        );
        assert_eq!(tags("").unwrap(), Vec::<String>::new());
        let many = (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(tags(&many), Err(NameError::Many(MAX_TAGS)));
        assert_eq!(aliases("a, A ,b").unwrap(), ["a", "b"]);
    }

    #[test]
    fn an_emoji_is_one_that_discord_knows() {
        assert_eq!(emoji(" 📯 ").as_deref(), Some("📯"));
        assert_eq!(emoji("<:horn:123>").as_deref(), Some("<:horn:123>"));
        assert_eq!(custom_emoji("<a:horn:123>"), Some((true, "horn", 123)));
        for bad in [
            "x",
            "📯📯",
            "<:h:1>",
            "<:horn:x>",
            "<:ho rn:1>",
            "",
            ":horn:",
        ] {
            assert_eq!(emoji(bad), None, "{bad}");
        }
    }
}
