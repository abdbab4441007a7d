//! Texts in more than one language: plain tables inside the plugin.

/// Key and text, for one language.
pub type Texts = &'static [(&'static str, &'static str)];

/// What a plugin says, in every language that it speaks. The first language has every text and is
/// what people read whose own is not there.
///
/// ```
/// use mynah_plugin::Catalogue;
///
/// const WORDS: Catalogue = Catalogue::new(&[
///     ("en", &[("hello", "Hello, {name}!"), ("bye", "Good bye")]),
///     ("de", &[("hello", "Hallo, {name}!")]),
/// ]);
///
/// let tongue = WORDS.for_locale(Some("de-AT"));
/// assert_eq!(tongue.fill("hello", &[("name", "Ann")]), "Hallo, Ann!");
/// assert_eq!(tongue.text("bye"), "Good bye");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    languages: &'static [(&'static str, Texts)],
}

/// One person's language; from [`Catalogue::for_locale`] or
/// [`Interaction::tongue`](crate::Interaction::tongue).
#[derive(Clone, Copy, Debug)]
pub struct Tongue {
    /// From the most wanted to the first of all.
    chain: [Option<Texts>; 3],
}

impl Catalogue {
    /// Languages by their codes as Discord writes them (`de`, `pt-BR`), each with its texts.
    #[must_use]
    pub const fn new(languages: &'static [(&'static str, Texts)]) -> Self {
        Self { languages }
    }

    /// For `de-AT`: texts of `de-AT`, then those of `de`, then those of the first language.
    #[must_use]
    pub fn for_locale(&self, locale: Option<&str>) -> Tongue {
        let known = |code: &str| {
            let same = |(known, _): &&(&str, Texts)| known.eq_ignore_ascii_case(code);
            self.languages.iter().find(same).map(|(_, texts)| *texts)
        };
        let whole = locale.and_then(known);
        let short = locale.and_then(|code| code.split('-').next());
        let first = self.languages.first().map(|(_, texts)| *texts);
        Tongue {
            chain: [whole, short.and_then(known), first],
        }
    }

    /// Texts of every other language for `key`, with their codes: for names and descriptions of
    /// commands, see [`Slash::described`](crate::Slash::described).
    pub fn others(&self, key: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
        let others = self.languages.iter().skip(1);
        others.filter_map(move |(code, texts)| Some((*code, find(texts, key)?)))
    }

    /// Keys that a language lacks or has beside the first one's, as `de: hello`: for a test that
    /// nothing was forgotten.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let first = self.languages.first().map_or(&[][..], |(_, texts)| *texts);
        let others = self.languages.iter().skip(1);
        others
            .flat_map(|(code, texts)| {
                let odd = |mine: Texts, theirs: Texts| {
                    let keys = mine.iter().map(|(key, _)| *key);
                    keys.filter(move |key| find(theirs, key).is_none())
                };
                odd(first, texts)
                    .chain(odd(texts, first))
                    .map(move |key| format!("{code}: {key}"))
            })
            .collect()
    }
}

impl Tongue {
    /// The text; the key itself if no language has it, which shows what is missing.
    #[must_use]
    pub fn text(&self, key: &'static str) -> &'static str {
        let mut texts = self.chain.iter().flatten();
        texts.find_map(|texts| find(texts, key)).unwrap_or(key)
    }

    /// The text with each `{name}` in it replaced. What is filled in is not looked at again, so a
    /// person's name with braces is only a name.
    #[must_use]
    pub fn fill(&self, key: &'static str, values: &[(&str, &str)]) -> String {
        let mut rest = self.text(key);
        let mut out = String::with_capacity(rest.len());
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let found = after.split_once('}').and_then(|(name, after)| {
                let (_, value) = values.iter().find(|(known, _)| *known == name)?;
                Some((*value, after))
            });
            match found {
                Some((value, after)) => {
                    out.push_str(value);
                    rest = after;
                }
                None => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

fn find(texts: &[(&'static str, &'static str)], key: &str) -> Option<&'static str> {
    let found = texts.iter().find(|(known, _)| *known == key);
    found.map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Catalogue = Catalogue::new(&[
        ("en-US", &[("a", "{x} and {x} of {y} {"), ("b", "b")]),
        ("pt-BR", &[("a", "{x}!")]),
        ("pt", &[("a", "pt"), ("b", "bb"), ("c", "too much")]),
    ]);

    #[test]
    fn a_language_falls_back_to_its_parent_and_then_to_the_first() {
        let say = |locale, key| WORDS.for_locale(locale).text(key);
        assert_eq!(say(Some("pt-BR"), "a"), "{x}!");
        assert_eq!(say(Some("pt-BR"), "b"), "bb");
        assert_eq!(say(Some("pt-PT"), "a"), "pt");
        for unknown in [Some("ja"), Some(""), Some("-"), None] {
            assert_eq!(say(unknown, "b"), "b");
        }
        assert_eq!(say(None, "gone"), "gone");
    }

    #[test]
    fn what_is_filled_in_is_never_filled_again() {
        let tongue = WORDS.for_locale(None);
        let filled = tongue.fill("a", &[("x", "{y}"), ("z", "?")]);
        assert_eq!(filled, "{y} and {y} of {y} {");
    }

    #[test]
    fn forgotten_texts_are_named() {
        assert_eq!(WORDS.gaps(), ["pt-BR: b", "pt: c"]);
        assert_eq!(WORDS.others("b").collect::<Vec<_>>(), [("pt", "bb")]);
    }
}
