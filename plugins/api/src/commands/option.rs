//! One option of a command.

use super::{check_words, tongues::Tongues};
use crate::Choice;
use serde_json::{Map, Value, json};

/// One option of a command.
#[derive(Clone, Debug)]
pub struct Opt {
    kind: u8,
    pub(super) name: String,
    description: String,
    pub(super) required: bool,
    autocomplete: bool,
    choices: Vec<Choice>,
    extra: Map<String, Value>,
    tongues: Tongues,
}

impl Opt {
    fn new(kind: u8, name: &str, description: &str) -> Self {
        Self {
            kind,
            name: name.into(),
            description: description.into(),
            required: false,
            autocomplete: false,
            choices: Vec::new(),
            extra: Map::new(),
            tongues: Tongues::default(),
        }
    }

    /// Text.
    #[must_use]
    pub fn text(name: &str, description: &str) -> Self {
        Self::new(3, name, description)
    }

    /// A whole number.
    #[must_use]
    pub fn integer(name: &str, description: &str) -> Self {
        Self::new(4, name, description)
    }

    /// Yes or no.
    #[must_use]
    pub fn boolean(name: &str, description: &str) -> Self {
        Self::new(5, name, description)
    }

    /// A person.
    #[must_use]
    pub fn user(name: &str, description: &str) -> Self {
        Self::new(6, name, description)
    }

    /// A channel.
    #[must_use]
    pub fn channel(name: &str, description: &str) -> Self {
        Self::new(7, name, description)
    }

    /// A role.
    #[must_use]
    pub fn role(name: &str, description: &str) -> Self {
        Self::new(8, name, description)
    }

    /// A person or a role.
    #[must_use]
    pub fn mentionable(name: &str, description: &str) -> Self {
        Self::new(9, name, description)
    }

    /// A number.
    #[must_use]
    pub fn number(name: &str, description: &str) -> Self {
        Self::new(10, name, description)
    }

    /// A file.
    #[must_use]
    pub fn attachment(name: &str, description: &str) -> Self {
        Self::new(11, name, description)
    }

    /// Its name in other languages, by Discord's codes (`de`, `pt-BR`); the plugin is told the first
    /// name whoever uses it.
    #[must_use]
    pub fn named(mut self, texts: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        self.tongues.name(texts);
        self
    }

    /// Its description in other languages, see [`Catalogue::others`](crate::Catalogue::others).
    #[must_use]
    pub fn described(
        mut self,
        texts: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Self {
        self.tongues.describe(texts);
        self
    }

    /// Must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Asks the plugin for choices while the person types; for texts and numbers, not together
    /// with [`Opt::choice`].
    #[must_use]
    pub const fn autocomplete(mut self) -> Self {
        self.autocomplete = true;
        self
    }

    /// Adds one of up to 25 fixed choices.
    #[must_use]
    pub fn choice(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.choices.push(Choice::new(name, value));
        self
    }

    /// The smallest and greatest number allowed.
    #[must_use]
    pub fn range(mut self, min: impl Into<Value>, max: impl Into<Value>) -> Self {
        self.extra.insert("min_value".into(), min.into());
        self.extra.insert("max_value".into(), max.into());
        self
    }

    /// The shortest and longest text allowed, in characters.
    #[must_use]
    pub fn length(mut self, min: u16, max: u16) -> Self {
        self.extra.insert("min_length".into(), json!(min));
        self.extra.insert("max_length".into(), json!(max));
        self
    }

    /// Only voice and stage channels.
    #[must_use]
    pub fn voice_channels(mut self) -> Self {
        self.extra.insert("channel_types".into(), json!([2, 13]));
        self
    }

    pub(super) fn to_json(&self) -> Value {
        let mut json = self.extra.clone();
        json.insert("type".into(), json!(self.kind));
        json.insert("name".into(), json!(self.name));
        json.insert("description".into(), json!(self.description));
        self.tongues.write(&mut json);
        if self.required {
            json.insert("required".into(), json!(true));
        }
        if self.autocomplete {
            json.insert("autocomplete".into(), json!(true));
        }
        if !self.choices.is_empty() {
            let choices: Vec<Value> = self.choices.iter().map(Choice::to_json).collect();
            json.insert("choices".into(), json!(choices));
        }
        Value::Object(json)
    }

    pub(super) fn check(&self, at: &str, wrong: &mut Vec<String>) {
        let at = format!("{at} {}", self.name);
        check_words(wrong, &at, &self.name, &self.description);
        self.tongues.check(wrong, &at);
        if self.autocomplete && !self.choices.is_empty() {
            wrong.push(format!(
                "{at}: autocomplete and fixed choices exclude each other"
            ));
        }
        let typed = matches!(self.kind, 3 | 4 | 10);
        if !typed && (self.autocomplete || !self.choices.is_empty()) {
            wrong.push(format!("{at}: only texts and numbers can have choices"));
        }
        if self.choices.len() > 25 {
            wrong.push(format!("{at}: more than 25 choices"));
        }
    }
}
