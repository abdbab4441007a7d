//! Text made comparable: lower case, no accents, no punctuation.

/// The words of a text as the search compares them: `Beyoncé – Déjà Vu!` gives `beyonce deja vu`.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            // Combining marks: file names from macOS arrive decomposed (e + U+0301).
            '\u{300}'..='\u{36f}' => {}
            // An apostrophe does not split a word: `don't` is found as `dont`.
            '\'' | '’' | '‘' | '`' => {}
            c if c.is_alphanumeric() => match folded(c) {
                Some(text) => out.push_str(text),
                None => out.push(c),
            },
            _ if out.ends_with(' ') || out.is_empty() => {}
            _ => out.push(' '),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The plain Latin spelling of an accented lower-case letter (Latin-1 and Latin Extended-A).
fn folded(c: char) -> Option<&'static str> {
    Some(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        'þ' => "th",
        _ => return None,
    })
}

/// How much of `query` is found in `text`, both plain: the share of its three-letter pieces, 0 to 1.
///
/// This is what survives a typo: `bohemain rapsody` still shares half its pieces with the right title.
#[must_use]
pub fn alike(query: &str, text: &str) -> f32 {
    let letters: Vec<char> = query.chars().filter(|c| *c != ' ').collect();
    if letters.len() < 3 {
        return if !query.is_empty() && text.contains(query) {
            1.0
        } else {
            0.0
        };
    }
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    let mut piece = String::with_capacity(12);
    let (mut shared, mut all) = (0_u16, 0_u16);
    for window in letters.windows(3) {
        piece.clear();
        piece.extend(window);
        all = all.saturating_add(1);
        shared = shared.saturating_add(u16::from(text.contains(piece.as_str())));
    }
    f32::from(shared) / f32::from(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_case_and_punctuation_do_not_matter() {
        assert_eq!(
            plain("  Beyoncé – Déjà Vu! (feat. JAY‐Z)"),
            "beyonce deja vu feat jay z"
        );
        assert_eq!(plain("Sigur Rós_Ára bátur"), "sigur ros ara batur");
        assert_eq!(plain("Don’t Stop"), plain("dont stop"));
        assert_eq!(plain("Straße"), "strasse");
    }

    #[test]
    fn decomposed_accents_fold_like_composed_ones() {
        assert_eq!(plain("Cafe\u{301}"), plain("Café"));
    }

    #[test]
    fn other_scripts_are_kept() {
        assert_eq!(
            plain("宇多田ヒカル - First Love"),
            "宇多田ヒカル first love"
        );
        assert_eq!(plain("КИНО — Группа крови"), "кино группа крови");
    }

    #[test]
    fn a_typo_still_resembles_its_title_and_noise_does_not() {
        let title = "queen bohemian rhapsody";
        assert!(alike("bohemain rapsody", title) > 0.45);
        assert!(alike("xylophone", title) < 0.2);
        assert!(alike("qu", title) > 0.9);
        assert!(alike("", title) < 0.1);
    }
}
