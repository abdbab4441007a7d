//! Slash commands, built by functions (protocol/rest.md section 6).

mod option;
mod tongues;

pub use option::Opt;

use serde_json::{Map, Value, json};
use tongues::Tongues;

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
    tongues: Tongues,
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
            tongues: Tongues::default(),
        }
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
        self.tongues.write(&mut json);
        if !options.is_empty() {
            json.insert("options".into(), json!(options));
        }
        json
    }

    fn check(&self, wrong: &mut Vec<String>) {
        let at = format!("/{}", self.name);
        check_words(wrong, &at, &self.name, &self.description);
        self.tongues.check(wrong, &at);
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

fn check_words(wrong: &mut Vec<String>, at: &str, name: &str, description: &str) {
    check_name(wrong, at, name);
    check_description(wrong, at, description);
}

fn check_name(wrong: &mut Vec<String>, at: &str, name: &str) {
    let letters = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '\''));
    let small = name.to_lowercase() == name;
    if !(1..=32).contains(&name.chars().count()) || !letters || !small {
        wrong.push(format!(
            "{at}: a name is 1 to 32 small letters, digits, `-` or `_`"
        ));
    }
}

fn check_description(wrong: &mut Vec<String>, at: &str, description: &str) {
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

    #[test]
    fn names_and_descriptions_in_other_languages_are_written_and_checked() {
        let sides = Opt::integer("sides", "How many")
            .named([("de", "seiten")])
            .described([("de", "Wie viele")]);
        let dice = Slash::new("dice", "Throws")
            .named([("de", "würfel")])
            .described([("de", "Würfelt"), ("fr", "Lance")])
            .default_member_permissions(8)
            .option(sides);
        let good = Commands::new().slash(dice.clone());
        assert_eq!(good.check(), Vec::<String>::new());
        let json = good.to_json();
        let at = |pointer| json.pointer(pointer).and_then(Value::as_str);
        assert_eq!(at("/0/name_localizations/de"), Some("würfel"));
        assert_eq!(at("/0/description_localizations/fr"), Some("Lance"));
        assert_eq!(at("/0/default_member_permissions"), Some("8"));
        assert_eq!(at("/0/options/0/name_localizations/de"), Some("seiten"));

        let odd = dice.named([("de", "Würfel"), ("tlh", "x")]);
        let wrong = Commands::new().slash(odd).check();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(
            wrong.iter().any(|words| words.contains("`tlh`")),
            "{wrong:?}"
        );
    }
}
