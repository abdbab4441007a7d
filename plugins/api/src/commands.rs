//! Slash commands, built by functions (protocol/rest.md section 6).

use crate::Choice;
use serde_json::{Map, Value, json};

/// A plugin's commands.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    list: Vec<Slash>,
    on_messages: Vec<String>,
}

impl Commands {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            list: Vec::new(),
            on_messages: Vec::new(),
        }
    }

    /// Adds one.
    #[must_use]
    pub fn slash(mut self, command: Slash) -> Self {
        self.list.push(command);
        self
    }

    /// Adds one to the menu of every message in a server, see
    /// [`Interaction::target_message`](crate::Interaction::target_message). `name`: 1 to 32
    /// characters, spaces and capitals too.
    #[must_use]
    pub fn on_message(mut self, name: impl Into<String>) -> Self {
        self.on_messages.push(name.into());
        self
    }

    /// Discord's JSON of the list.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let on_message = |name: &String| json!({ "type": 3, "name": name, "contexts": [0] });
        let slash = self.list.iter().map(Slash::to_json);
        slash
            .chain(self.on_messages.iter().map(on_message))
            .collect()
    }

    /// Every rule of Discord that is broken, in words; empty when all is well.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        twice(
            &mut wrong,
            "",
            "command",
            self.list.iter().map(|slash| slash.name.as_str()),
        );
        for slash in &self.list {
            slash.check(&mut wrong);
        }
        for name in &self.on_messages {
            if !(1..=32).contains(&name.chars().count()) {
                wrong.push(format!("`{name}`: a name is 1 to 32 characters"));
            }
        }
        wrong
    }
}

/// One slash command.
#[derive(Clone, Debug)]
pub struct Slash {
    name: String,
    description: String,
    options: Vec<Opt>,
    subs: Vec<Slash>,
    permissions: Option<u64>,
    in_private: bool,
}

impl Slash {
    /// `name`: 1 to 32 small letters, digits, `-`, `_`. `description`: 1 to 100 characters.
    #[must_use]
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            options: Vec::new(),
            subs: Vec::new(),
            permissions: None,
            in_private: false,
        }
    }

    /// Adds an option; required ones first.
    #[must_use]
    pub fn option(mut self, option: Opt) -> Self {
        self.options.push(option);
        self
    }

    /// Adds a subcommand, or a group when it has subcommands itself. A command with subcommands
    /// has no options of its own.
    #[must_use]
    pub fn subcommand(mut self, sub: Self) -> Self {
        self.subs.push(sub);
        self
    }

    /// Who sees it unless the server's administrators say otherwise: whoever has all these
    /// permission bits (0: administrators only).
    #[must_use]
    pub const fn default_member_permissions(mut self, bits: u64) -> Self {
        self.permissions = Some(bits);
        self
    }

    /// Offers it in direct messages too; without this it exists in servers only.
    #[must_use]
    pub const fn also_in_private(mut self) -> Self {
        self.in_private = true;
        self
    }

    fn to_json(&self) -> Value {
        let mut json = self.body();
        json.insert("type".into(), json!(1));
        if let Some(bits) = self.permissions {
            json.insert("default_member_permissions".into(), json!(bits.to_string()));
        }
        // rest.md section 6: contexts 0 guild, 1 private chat with the bot.
        let contexts = if self.in_private {
            json!([0, 1])
        } else {
            json!([0])
        };
        json.insert("contexts".into(), contexts);
        Value::Object(json)
    }

    fn sub_json(&self) -> Value {
        let mut json = self.body();
        let group = !self.subs.is_empty();
        json.insert("type".into(), json!(if group { 2 } else { 1 }));
        Value::Object(json)
    }

    fn body(&self) -> Map<String, Value> {
        let subs = self.subs.iter().map(Self::sub_json);
        let options: Vec<Value> = subs.chain(self.options.iter().map(Opt::to_json)).collect();
        let mut json = Map::new();
        json.insert("name".into(), json!(self.name));
        json.insert("description".into(), json!(self.description));
        if !options.is_empty() {
            json.insert("options".into(), json!(options));
        }
        json
    }

    fn check(&self, wrong: &mut Vec<String>) {
        let at = format!("/{}", self.name);
        check_words(wrong, &at, &self.name, &self.description);
        if !self.subs.is_empty() && !self.options.is_empty() {
            wrong.push(format!("{at}: has subcommands, so it can not have options"));
        }
        if self.subs.len() > 25 || self.options.len() > 25 {
            wrong.push(format!("{at}: more than 25 options"));
        }
        twice(
            wrong,
            &at,
            "option",
            self.options.iter().map(|option| option.name.as_str()),
        );
        twice(
            wrong,
            &at,
            "subcommand",
            self.subs.iter().map(|sub| sub.name.as_str()),
        );
        let mut optional_before = false;
        for option in &self.options {
            if option.required && optional_before {
                wrong.push(format!(
                    "{at}: required `{}` comes after an optional one",
                    option.name
                ));
            }
            optional_before |= !option.required;
            option.check(&at, wrong);
        }
        for sub in &self.subs {
            sub.check(wrong);
        }
    }
}

/// One option of a command.
#[derive(Clone, Debug)]
pub struct Opt {
    kind: u8,
    name: String,
    description: String,
    required: bool,
    autocomplete: bool,
    choices: Vec<Choice>,
    extra: Map<String, Value>,
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

    fn to_json(&self) -> Value {
        let mut json = self.extra.clone();
        json.insert("type".into(), json!(self.kind));
        json.insert("name".into(), json!(self.name));
        json.insert("description".into(), json!(self.description));
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

    fn check(&self, at: &str, wrong: &mut Vec<String>) {
        let at = format!("{at} {}", self.name);
        check_words(wrong, &at, &self.name, &self.description);
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

fn check_words(wrong: &mut Vec<String>, at: &str, name: &str, description: &str) {
    let letters = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '\''));
    let small = name.to_lowercase() == name;
    if !(1..=32).contains(&name.chars().count()) || !letters || !small {
        wrong.push(format!(
            "{at}: a name is 1 to 32 small letters, digits, `-` or `_`"
        ));
    }
    if !(1..=100).contains(&description.chars().count()) {
        wrong.push(format!("{at}: a description is 1 to 100 characters"));
    }
}

fn twice<'a>(wrong: &mut Vec<String>, at: &str, what: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            wrong.push(format!("{at}: two times the {what} `{name}`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_of_messages_has_names_with_spaces_and_no_description() {
        let commands = Commands::new()
            .slash(Slash::new("save", "Saves"))
            .on_message("Save as sound");
        let json = commands.to_json();
        assert_eq!(
            json.get(1),
            Some(&json!({ "type": 3, "name": "Save as sound", "contexts": [0] }))
        );
        assert!(commands.check().is_empty());
        assert_eq!(Commands::new().on_message("").check().len(), 1);
        assert_eq!(Commands::new().on_message("x".repeat(33)).check().len(), 1);
    }
}
