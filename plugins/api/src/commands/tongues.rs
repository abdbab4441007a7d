//! Names and descriptions of commands in other languages.

use super::{check_description, check_name};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What Discord's clients are translated into (Discord, "Reference", "Locales"); it refuses others.
const LOCALES: [&str; 32] = [
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl",
    "no", "pl", "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th",
    "zh-CN", "ja", "zh-TW", "ko",
];

type Texts = BTreeMap<&'static str, &'static str>;

#[derive(Clone, Debug, Default)]
pub(super) struct Tongues {
    names: Texts,
    descriptions: Texts,
}

impl Tongues {
    pub(super) fn name(&mut self, texts: impl IntoIterator<Item = (&'static str, &'static str)>) {
        self.names.extend(texts);
    }

    pub(super) fn describe(
        &mut self,
        texts: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) {
        self.descriptions.extend(texts);
    }

    pub(super) fn write(&self, json: &mut Map<String, Value>) {
        if !self.names.is_empty() {
            json.insert("name_localizations".into(), json!(self.names));
        }
        if !self.descriptions.is_empty() {
            json.insert("description_localizations".into(), json!(self.descriptions));
        }
    }

    pub(super) fn check(&self, wrong: &mut Vec<String>, at: &str) {
        for (locale, name) in &self.names {
            known(wrong, at, locale);
            check_name(wrong, &format!("{at} ({locale})"), name);
        }
        for (locale, description) in &self.descriptions {
            known(wrong, at, locale);
            check_description(wrong, &format!("{at} ({locale})"), description);
        }
    }
}

fn known(wrong: &mut Vec<String>, at: &str, locale: &str) {
    if !LOCALES.contains(&locale) {
        wrong.push(format!("{at}: Discord has no language `{locale}`"));
    }
}
