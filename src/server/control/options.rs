//! Options of a command as a person fills them in: by name, typed by the command's definition.

use std::collections::BTreeMap;

use mynah_wire::{ChannelId, RoleId, UserId};
use serde_json::{Map, Value, json};

use super::Problem;
use crate::objects::{attachment_json, role_json};
use crate::realm::{NewFile, Realm};

/// What a person filled in.
pub(super) struct Filled {
    /// By option name.
    pub options: Map<String, Value>,
    /// Files by option name.
    pub files: BTreeMap<String, NewFile>,
    /// The option being typed, for autocomplete: then nothing is required and nothing checked.
    pub focused: Option<String>,
}

/// `options` and `resolved` of the interaction's data.
pub(super) struct Typed {
    pub options: Vec<Value>,
    pub resolved: Map<String, Value>,
}

/// Walks down subcommand words. Returns the definitions of the last one.
pub(super) fn descend<'d>(
    definitions: &'d [Value],
    words: &[&str],
) -> Result<&'d [Value], Problem> {
    let Some((word, rest)) = words.split_first() else {
        if let Some(first) = definitions.iter().find(|d| is_nested(d)) {
            let error = "this command needs a subcommand".to_owned();
            let hint = format!("for example add ` {}` to `command`", text(first, "name"));
            return Err(Problem::bad(error, hint));
        }
        return Ok(definitions);
    };
    let found = definitions
        .iter()
        .find(|d| is_nested(d) && text(d, "name") == *word);
    let Some(found) = found else {
        let known: Vec<&str> = definitions
            .iter()
            .filter(|d| is_nested(d))
            .map(|d| text(d, "name"))
            .collect();
        let hint = format!("known subcommands: {}", known.join(", "));
        return Err(Problem::new(
            404,
            format!("there is no subcommand `{word}`"),
            hint,
        ));
    };
    descend(list(found, "options"), rest)
}

/// Wraps typed options into their subcommands, innermost first.
pub(super) fn wrap(definitions: &[Value], words: &[&str], inner: Vec<Value>) -> Vec<Value> {
    let Some((word, rest)) = words.split_first() else {
        return inner;
    };
    let found = definitions
        .iter()
        .find(|d| is_nested(d) && text(d, "name") == *word);
    let Some(found) = found else { return inner };
    let kind = found.get("type").cloned().unwrap_or(json!(1));
    let inner = wrap(list(found, "options"), rest, inner);
    vec![json!({"name": word, "type": kind, "options": inner})]
}

/// Types every option, and resolves what it names.
pub(super) fn fill(
    realm: &mut Realm,
    channel_id: ChannelId,
    definitions: &[Value],
    mut filled: Filled,
) -> Result<Typed, Problem> {
    let names: Vec<&str> = definitions.iter().map(|d| text(d, "name")).collect();
    let given = filled
        .options
        .keys()
        .chain(filled.files.keys())
        .chain(&filled.focused);
    for name in given {
        if !names.contains(&name.as_str()) {
            let hint = format!("known options: {}", names.join(", "));
            return Err(Problem::bad(format!("there is no option `{name}`"), hint));
        }
    }
    let mut typed = Typed {
        options: Vec::new(),
        resolved: Map::new(),
    };
    for definition in definitions {
        let name = text(definition, "name");
        let kind = definition.get("type").and_then(Value::as_i64).unwrap_or(3);
        let focused = filled.focused.as_deref() == Some(name);
        if let Some(file) = filled.files.remove(name) {
            if kind != 11 {
                let error = format!("option `{name}` takes no file");
                return Err(Problem::bad(error, "give it in `options`"));
            }
            let id = attach(realm, channel_id, file, &mut typed.resolved);
            typed
                .options
                .push(json!({"name": name, "type": kind, "value": id}));
            continue;
        }
        let value = filled.options.remove(name).filter(|value| !value.is_null());
        let Some(value) = value else {
            let required = definition.get("required") == Some(&json!(true));
            if focused {
                typed
                    .options
                    .push(json!({"name": name, "type": kind, "value": "", "focused": true}));
            } else if required && filled.focused.is_none() {
                let error = format!("option `{name}` is required");
                return Err(Problem::bad(error, text(definition, "description")));
            }
            continue;
        };
        if focused {
            // What is being typed is text, whatever the option's type (rest.md section 5).
            let partial = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            typed
                .options
                .push(json!({"name": name, "type": kind, "value": partial, "focused": true}));
            continue;
        }
        let value = one(
            realm,
            channel_id,
            definition,
            kind,
            value,
            &mut typed.resolved,
        )?;
        typed
            .options
            .push(json!({"name": name, "type": kind, "value": value}));
    }
    Ok(typed)
}

fn one(
    realm: &Realm,
    channel_id: ChannelId,
    definition: &Value,
    kind: i64,
    value: Value,
    resolved: &mut Map<String, Value>,
) -> Result<Value, Problem> {
    let name = text(definition, "name");
    let wrong = |what: &str| {
        let error = format!("option `{name}` is {value}, but it takes {what}");
        Problem::bad(error, text(definition, "description"))
    };
    let typed = match kind {
        3 => json!(
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        ),
        4 => json!(as_integer(&value).ok_or_else(|| wrong("a whole number"))?),
        5 => json!(as_bool(&value).ok_or_else(|| wrong("true or false"))?),
        10 => json!(as_number(&value).ok_or_else(|| wrong("a number"))?),
        6..=9 => {
            let id = as_id(&value).ok_or_else(|| wrong("an id"))?;
            let known = match kind {
                6 => resolve_user(realm, channel_id, id, resolved),
                7 => resolve_channel(realm, id, resolved),
                8 => resolve_role(realm, channel_id, id, resolved),
                _ => {
                    resolve_user(realm, channel_id, id, resolved)
                        || resolve_role(realm, channel_id, id, resolved)
                }
            };
            if !known {
                return Err(wrong("the id of something that exists"));
            }
            json!(id.to_string())
        }
        11 => {
            let hint = "give it as `attachments: {\"option\": \"/path\"}`";
            return Err(Problem::bad(format!("option `{name}` takes a file"), hint));
        }
        _ => return Err(wrong("nothing this server knows")),
    };
    check(definition, typed, &wrong)
}

/// Choices (by value or by the name a person sees), ranges and lengths.
fn check(
    definition: &Value,
    typed: Value,
    wrong: &dyn Fn(&str) -> Problem,
) -> Result<Value, Problem> {
    let choices = list(definition, "choices");
    if !choices.is_empty() {
        let same = |choice: &&Value| {
            choice.get("value") == Some(&typed)
                || choice
                    .get("value")
                    .and_then(Value::as_f64)
                    .is_some_and(|v| Some(v) == typed.as_f64())
                || choice.get("name") == Some(&typed)
        };
        let found = choices
            .iter()
            .find(same)
            .and_then(|choice| choice.get("value"));
        let names: Vec<&str> = choices.iter().map(|choice| text(choice, "name")).collect();
        return found
            .cloned()
            .ok_or_else(|| wrong(&format!("one of {}", names.join(", "))));
    }
    let bound = |key: &str| definition.get(key).and_then(Value::as_f64);
    let size = match &typed {
        Value::String(text) => Some((text.chars().count() as f64, "min_length", "max_length")),
        Value::Number(number) => number.as_f64().map(|n| (n, "min_value", "max_value")),
        _ => None,
    };
    if let Some((size, min, max)) = size {
        if bound(min).is_some_and(|min| size < min) {
            return Err(wrong(&format!(
                "at least {}",
                definition.get(min).unwrap_or(&Value::Null)
            )));
        }
        if bound(max).is_some_and(|max| size > max) {
            return Err(wrong(&format!(
                "at most {}",
                definition.get(max).unwrap_or(&Value::Null)
            )));
        }
    }
    Ok(typed)
}

/// Uploads the file of an option; it belongs to no message. Returns its id.
fn attach(
    realm: &mut Realm,
    channel_id: ChannelId,
    file: NewFile,
    resolved: &mut Map<String, Value>,
) -> Value {
    let mut id = Value::Null;
    for attachment in realm.keep_files(channel_id, vec![file], true) {
        id = json!(attachment.id);
        resolve(
            resolved,
            "attachments",
            attachment.id,
            attachment_json(&attachment),
        );
    }
    id
}

fn resolve(resolved: &mut Map<String, Value>, kind: &str, id: impl ToString, value: Value) {
    let table = resolved.entry(kind).or_insert_with(|| json!({}));
    if let Value::Object(table) = table {
        table.insert(id.to_string(), value);
    }
}

/// Adds a user and, in a guild, its member.
pub(super) fn resolve_user(
    realm: &Realm,
    channel_id: ChannelId,
    id: u64,
    resolved: &mut Map<String, Value>,
) -> bool {
    let user_id = UserId::new(id);
    if !realm.store.users.contains_key(&user_id) {
        return false;
    }
    let (user, member) = realm.resolve_user(channel_id, user_id);
    resolve(resolved, "users", id, user);
    if let Some(member) = member {
        resolve(resolved, "members", id, member);
    }
    true
}

fn resolve_channel(realm: &Realm, id: u64, resolved: &mut Map<String, Value>) -> bool {
    let channel = realm.resolve_channel(ChannelId::new(id));
    let known = channel.is_some();
    if let Some(channel) = channel {
        resolve(resolved, "channels", id, channel);
    }
    known
}

fn resolve_role(
    realm: &Realm,
    channel_id: ChannelId,
    id: u64,
    resolved: &mut Map<String, Value>,
) -> bool {
    let guild = realm
        .store
        .channels
        .get(&channel_id)
        .and_then(|channel| channel.guild_id);
    let guild = guild.and_then(|id| realm.store.guilds.get(&id));
    let role = guild.and_then(|guild| guild.roles.get(&RoleId::new(id)));
    if let Some(role) = role {
        resolve(resolved, "roles", id, role_json(role));
    }
    role.is_some()
}

fn is_nested(definition: &Value) -> bool {
    matches!(definition.get("type").and_then(Value::as_i64), Some(1 | 2))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn as_integer(value: &Value) -> Option<i64> {
    let whole = || {
        value
            .as_f64()
            .filter(|f| f.fract() == 0.0)
            .map(|f| f as i64)
    };
    value
        .as_i64()
        .or_else(whole)
        .or_else(|| value.as_str()?.parse().ok())
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn as_bool(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

/// An id, plain or in a mention (`<@5>`, `<#5>`, `<@&5>`).
fn as_id(value: &Value) -> Option<u64> {
    let digits = |text: &str| {
        let inner = text.trim_start_matches(['<', '@', '#', '&', '!']);
        inner.trim_end_matches('>').parse().ok()
    };
    value.as_u64().or_else(|| digits(value.as_str()?))
}
