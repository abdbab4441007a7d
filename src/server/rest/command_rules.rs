//! What a command definition must look like (rest.md section 6).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Form;
use super::form::at;

/// Slash commands per scope.
pub(super) const MAX_SLASH: usize = 100;
/// User commands and message commands per scope, each.
const MAX_CONTEXT: usize = 15;
/// Options of a command, choices of an option.
const MAX_OPTIONS: usize = 25;
/// Names, descriptions and choice values of one command together.
const MAX_CHARACTERS: usize = 8000;
/// Largest integer of an option: it has to survive a double.
const MAX_INTEGER: i64 = 1 << 53;

/// Discord, "Reference", "Locales".
const LOCALES: [&str; 32] = [
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl",
    "no", "pl", "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th",
    "zh-CN", "ja", "zh-TW", "ko",
];

const SUB_COMMAND: i64 = 1;
const SUB_COMMAND_GROUP: i64 = 2;

/// Checks one definition and returns it completed with Discord's defaults.
pub(super) fn check(form: &mut Form, value: &Value, path: &str) -> Option<Map<String, Value>> {
    let body = form.object(value, path)?;
    let kind = form
        .integer(body.get("type"), &at(path, "type"), 1..=4)
        .unwrap_or(1);
    let mut characters = 0;
    let name = form.required_text(body.get("name"), &at(path, "name"), 1..=32);
    if kind == 1 && !name.is_empty() && !is_name(&name) {
        bad_name(form, &at(path, "name"));
    }
    characters += name.chars().count();
    let mut out = Map::new();
    out.insert("type".into(), json!(kind));
    out.insert("name".into(), json!(name));
    let description = if kind == 1 {
        form.required_text(body.get("description"), &at(path, "description"), 1..=100)
    } else {
        form.text(body.get("description"), &at(path, "description"), 0..=0)
            .unwrap_or_default()
    };
    characters += description.chars().count();
    out.insert("description".into(), json!(description));
    if let Some(list) = form.list(body.get("options"), &at(path, "options")) {
        if kind != 1 && !list.is_empty() {
            let message = "Context menu commands cannot have options";
            form.error(
                &at(path, "options"),
                "APPLICATION_COMMAND_CONTEXT_MENU_OPTIONS_NOT_ALLOWED",
                message,
            );
        }
        let kept = options(form, list, &at(path, "options"), 0, &mut characters);
        out.insert("options".into(), Value::Array(kept));
    }
    if characters > MAX_CHARACTERS {
        let message = format!("Command exceeds maximum size ({MAX_CHARACTERS})");
        form.error(path, "APPLICATION_COMMAND_TOO_LARGE", message);
    }
    permissions(form, body, path, &mut out);
    let nsfw = form.boolean(body.get("nsfw"), &at(path, "nsfw"));
    out.insert("nsfw".into(), json!(nsfw.unwrap_or(false)));
    let dm = form.boolean(body.get("dm_permission"), &at(path, "dm_permission"));
    out.insert("dm_permission".into(), json!(dm.unwrap_or(true)));
    tongues(form, body, path, kind == 1);
    let defaults = [
        ("integration_types", json!([0])),
        ("contexts", Value::Null),
        ("name_localizations", Value::Null),
        ("description_localizations", Value::Null),
    ];
    for (key, default) in defaults {
        out.insert(key.into(), body.get(key).cloned().unwrap_or(default));
    }
    Some(out)
}

/// Rules over all commands of a scope.
pub(super) fn check_set(form: &mut Form, bodies: &[Map<String, Value>]) {
    let mut seen = BTreeSet::new();
    for (index, body) in bodies.iter().enumerate() {
        let kind = body.get("type").and_then(Value::as_i64).unwrap_or(1);
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        if !seen.insert((kind, name)) {
            let message = "Application command names must be unique";
            form.error(
                &format!("{index}.name"),
                "APPLICATION_COMMANDS_DUPLICATE_NAME",
                message,
            );
        }
    }
    for (kind, max) in [(1, MAX_SLASH), (2, MAX_CONTEXT), (3, MAX_CONTEXT)] {
        let count = seen.iter().filter(|(k, _)| *k == kind).count();
        form.length(count, "", 0..=max);
    }
}

fn permissions(
    form: &mut Form,
    body: &Map<String, Value>,
    path: &str,
    out: &mut Map<String, Value>,
) {
    let key = "default_member_permissions";
    let bits = match body.get(key) {
        None | Some(Value::Null) => Value::Null,
        Some(value) => match form.snowflake(value, &at(path, key)) {
            Some(bits) => json!(bits.to_string()),
            None => Value::Null,
        },
    };
    out.insert(key.into(), bits);
}

/// Options of a command (`level` 0), a subcommand group (1) or a subcommand (2).
fn options(
    form: &mut Form,
    list: &[Value],
    path: &str,
    level: u8,
    characters: &mut usize,
) -> Vec<Value> {
    form.length(list.len(), path, 0..=MAX_OPTIONS);
    let mut names = BTreeSet::new();
    let mut optional_seen = false;
    let mut kept = Vec::with_capacity(list.len().min(MAX_OPTIONS));
    for (index, option) in list.iter().enumerate().take(MAX_OPTIONS) {
        let path = at(path, index);
        let Some(option) = form.object(option, &path) else {
            continue;
        };
        let name = form.required_text(option.get("name"), &at(&path, "name"), 1..=32);
        if !name.is_empty() && !is_name(&name) {
            bad_name(form, &at(&path, "name"));
        }
        if !names.insert(name.clone()) {
            let message = "Option name already exists";
            form.error(
                &at(&path, "name"),
                "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
                message,
            );
        }
        let about = at(&path, "description");
        let description = form.required_text(option.get("description"), &about, 1..=100);
        *characters += name.chars().count() + description.chars().count();
        let Some(kind) = form.integer(option.get("type"), &at(&path, "type"), 1..=11) else {
            form.required(&at(&path, "type"));
            continue;
        };
        let nested = matches!(kind, SUB_COMMAND | SUB_COMMAND_GROUP);
        let fits = match kind {
            SUB_COMMAND => level < 2,
            SUB_COMMAND_GROUP => level == 0,
            _ => level != 1,
        };
        if !fits {
            let message = "Sub-command and sub-command group option types are mutually exclusive to all other types";
            form.error(
                &at(&path, "type"),
                "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
                message,
            );
            continue;
        }
        let required = form.boolean(option.get("required"), &at(&path, "required"));
        let required = required.unwrap_or(false);
        if required && optional_seen && !nested {
            let message = "Required options must be placed before non-required options";
            form.error(
                &path,
                "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                message,
            );
        }
        optional_seen |= !required && !nested;
        tongues(form, option, &path, true);
        let mut out = option.clone();
        if nested {
            let inner = form
                .list(option.get("options"), &at(&path, "options"))
                .unwrap_or_default();
            let level = if kind == SUB_COMMAND_GROUP { 1 } else { 2 };
            let inner = options(form, inner, &at(&path, "options"), level, characters);
            out.insert("options".into(), Value::Array(inner));
        } else {
            value_rules(form, option, kind, &path, characters);
        }
        kept.push(Value::Object(out));
    }
    kept
}

fn value_rules(
    form: &mut Form,
    option: &Map<String, Value>,
    kind: i64,
    path: &str,
    characters: &mut usize,
) {
    let choosable = matches!(kind, 3 | 4 | 10);
    let completes = form.boolean(option.get("autocomplete"), &at(path, "autocomplete"));
    let choices = form
        .list(option.get("choices"), &at(path, "choices"))
        .unwrap_or_default();
    form.length(choices.len(), &at(path, "choices"), 0..=MAX_OPTIONS);
    if completes == Some(true) && (!choices.is_empty() || !choosable) {
        let message = "Autocomplete cannot be used with choices or with this option type";
        form.error(
            &at(path, "autocomplete"),
            "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID",
            message,
        );
    }
    for (index, choice) in choices.iter().enumerate() {
        let path = at(&at(path, "choices"), index);
        let Some(choice) = form.object(choice, &path) else {
            continue;
        };
        let name = form.required_text(choice.get("name"), &at(&path, "name"), 1..=100);
        *characters += name.chars().count();
        let path = at(&path, "value");
        match (kind, choice.get("value")) {
            (_, None) => form.required(&path),
            (3, value) => {
                let text = form.required_text(value, &path, 0..=100);
                *characters += text.chars().count();
            }
            (4, value) => {
                form.integer(value, &path, -MAX_INTEGER..=MAX_INTEGER);
            }
            (10, Some(Value::Number(_))) => {}
            _ => form.choice(&path, "values of the option's type"),
        }
    }
    if kind == 4 {
        for key in ["min_value", "max_value"] {
            form.integer(option.get(key), &at(path, key), -MAX_INTEGER..=MAX_INTEGER);
        }
    }
    form.integer(option.get("min_length"), &at(path, "min_length"), 0..=6000);
    form.integer(option.get("max_length"), &at(path, "max_length"), 1..=6000);
}

/// Names and descriptions in other languages: the same rules, and languages that Discord has.
fn tongues(form: &mut Form, body: &Map<String, Value>, path: &str, plain_name: bool) {
    for (key, max) in [
        ("name_localizations", 32),
        ("description_localizations", 100),
    ] {
        let path = at(path, key);
        let Some(value) = body.get(key).filter(|value| !value.is_null()) else {
            continue;
        };
        let Some(texts) = form.object(value, &path) else {
            continue;
        };
        for (locale, text) in texts.iter().take(LOCALES.len() + 1) {
            let path = at(&path, locale);
            if !LOCALES.contains(&locale.as_str()) {
                form.choice(&path, "locales of Discord");
                continue;
            }
            let text = form.required_text(Some(text), &path, 1..=max);
            if key == "name_localizations" && plain_name && !text.is_empty() && !is_name(&text) {
                bad_name(form, &path);
            }
        }
    }
}

fn bad_name(form: &mut Form, path: &str) {
    form.error(
        path,
        "APPLICATION_COMMAND_INVALID_NAME",
        "Command name is invalid",
    );
}

/// `^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$`, lowercase where a lowercase form exists.
/// Devanagari and Thai are added as blocks because their vowel signs are marks, not letters.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '-' | '_' | '\'')
            || matches!(c, '\u{900}'..='\u{97F}' | '\u{E00}'..='\u{E7F}')
    };
    (1..=32).contains(&name.chars().count())
        && name.chars().all(allowed)
        && name.to_lowercase() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(command: &Value) -> Value {
        let mut form = Form::default();
        check(&mut form, command, "");
        if form.is_clean() {
            Value::Null
        } else {
            form.refusal().body()["errors"].clone()
        }
    }

    #[test]
    fn names_are_lowercase_words() {
        for good in ["play", "now-playing", "ça", "日本", "นั่ง"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["Play", "two words", "", "a/b", &"x".repeat(33)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn required_options_come_first() {
        let option = |name: &str, required| json!({"type": 3, "name": name, "description": "d", "required": required});
        let command = |options: Value| json!({"name": "x", "description": "d", "options": options});
        assert!(errors(&command(json!([option("a", true), option("b", false)]))).is_null());
        let wrong = errors(&command(json!([option("a", false), option("b", true)])));
        assert_eq!(
            wrong["options"]["1"]["_errors"][0]["code"],
            "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
        );
    }

    #[test]
    fn groups_hold_subcommands_and_nothing_else() {
        let leaf = json!({"type": 1, "name": "start", "description": "d"});
        let group = |inner: Value| {
            json!({"name": "x", "description": "d", "options": [
                {"type": 2, "name": "record", "description": "d", "options": [inner]}]})
        };
        assert!(errors(&group(leaf)).is_null());
        assert!(!errors(&group(json!({"type": 3, "name": "a", "description": "d"}))).is_null());
        let nested = json!({"type": 2, "name": "g", "description": "d", "options": []});
        assert!(!errors(&group(nested)).is_null());
    }

    #[test]
    fn two_commands_of_one_name_are_refused() {
        let body = check(
            &mut Form::default(),
            &json!({"name": "a", "description": "d"}),
            "",
        )
        .unwrap();
        let mut form = Form::default();
        check_set(&mut form, &[body.clone(), body]);
        assert!(!form.is_clean());
    }
}
