//! `/help`: everything this bot can be asked, its own commands and those of its plugins.

use super::Question;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What Discord takes in one message.
const MAX_LETTERS: usize = 2_000;
/// What Discord offers at most.
pub(super) const MAX_CHOICES: usize = 25;

pub(super) fn definition() -> Value {
    json!({
        "type": 1, "name": "help", "description": "What this bot can do", "contexts": [0, 1],
        "options": [{
            "type": 3, "name": "topic", "autocomplete": true,
            "description": "A command, to see everything about it",
        }],
    })
}

/// Commands that are typed, in order of their names.
fn commands(list: &[Value]) -> Vec<&Value> {
    let typed = |command: &&Value| command.get("type").and_then(Value::as_u64).unwrap_or(1) == 1;
    let mut all: Vec<&Value> = list.iter().filter(typed).collect();
    all.sort_by_key(|command| name(command));
    all
}

fn name(of: &Value) -> &str {
    of.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn about(of: &Value) -> &str {
    let about = of.get("description").and_then(Value::as_str);
    about.unwrap_or_default()
}

fn options(of: &Value) -> &[Value] {
    let options = of.get("options").and_then(Value::as_array);
    options.map_or(&[], Vec::as_slice)
}

/// rest.md section 6: 1 is a subcommand, 2 a group of them.
fn is_subcommand(option: &Value) -> bool {
    option.get("type").and_then(Value::as_u64) == Some(1)
}

pub(super) fn say(list: &[Value], question: &Question) -> String {
    let Some(topic) = question.text("topic") else {
        return overview(list);
    };
    let topic = topic.trim().trim_start_matches('/');
    let first = topic.split(' ').next().unwrap_or_default();
    match commands(list)
        .into_iter()
        .find(|command| name(command) == first)
    {
        Some(command) => fitted(details(command)),
        None => format!("I know no command `/{first}`. `/help` shows all of them."),
    }
}

fn overview(list: &[Value]) -> String {
    let mut text = "**What I can do.** `/help topic:` tells more of each.\n".to_owned();
    for command in commands(list) {
        let subs = options(command)
            .iter()
            .filter(|option| is_subcommand(option));
        let subs: Vec<&str> = subs.map(name).collect();
        let _ = match subs.is_empty() {
            true => writeln!(text, "`/{}` {}", name(command), about(command)),
            false => writeln!(
                text,
                "`/{}` {}: {}",
                name(command),
                about(command),
                subs.join(", ")
            ),
        };
    }
    fitted(text)
}

fn details(command: &Value) -> String {
    let mut text = format!("**/{}** {}\n", name(command), about(command));
    let subs = options(command)
        .iter()
        .filter(|option| is_subcommand(option));
    let mut has_subs = false;
    for sub in subs {
        has_subs = true;
        let _ = writeln!(text, "`/{} {}` {}", name(command), name(sub), about(sub));
        for option in options(sub) {
            describe(&mut text, option);
        }
    }
    if !has_subs {
        options(command)
            .iter()
            .for_each(|option| describe(&mut text, option));
    }
    text
}

fn describe(text: &mut String, option: &Value) {
    let needed = option.get("required").and_then(Value::as_bool) == Some(true);
    let mark = if needed { "" } else { ", if you like" };
    let _ = writeln!(text, "· `{}`{mark}: {}", name(option), about(option));
}

/// Discord refuses longer messages; lines that do not fit are left out whole.
fn fitted(text: String) -> String {
    if text.chars().count() <= MAX_LETTERS {
        return text;
    }
    let mut kept = String::new();
    for line in text.lines() {
        if kept.chars().count() + line.chars().count() + 4 > MAX_LETTERS {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept + "…"
}

/// Commands whose name contains what is typed.
pub(super) fn offers(list: &[Value], question: &Question) -> Vec<Value> {
    let typed = question.text("topic").unwrap_or_default();
    let typed = typed.trim().trim_start_matches('/').to_lowercase();
    let names = commands(list).into_iter().map(name);
    names
        .filter(|name| name.contains(&typed))
        .take(MAX_CHOICES)
        .map(|name| json!({ "name": format!("/{name}"), "value": name }))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ask(topic: Option<&str>) -> Question {
        let options = topic.map(|topic| json!([{ "name": "topic", "type": 3, "value": topic }]));
        Question {
            id: 1,
            guild: None,
            user: None,
            permissions: 0,
            tier: None,
            data: json!({ "name": "help", "options": options.unwrap_or(json!([])) }),
        }
    }

    fn list() -> Vec<Value> {
        vec![
            json!({ "type": 1, "name": "record", "description": "Record", "options": [
                { "type": 1, "name": "start", "description": "Begin", "options": [
                    { "type": 3, "name": "title", "description": "What it is called" },
                    { "type": 7, "name": "channel", "description": "Where", "required": true },
                ] },
                { "type": 1, "name": "stop", "description": "End" },
            ] }),
            json!({ "name": "play", "description": "Play music" }),
            json!({ "type": 3, "name": "Save as sound" }),
        ]
    }

    #[test]
    fn everything_that_is_typed_is_listed_by_name() {
        let said = say(&list(), &ask(None));
        let lines: Vec<&str> = said.lines().skip(1).collect();
        assert_eq!(
            lines,
            ["`/play` Play music", "`/record` Record: start, stop"]
        );
    }

    #[test]
    fn a_topic_is_shown_with_all_its_parts_and_an_unknown_one_is_named() {
        let said = say(&list(), &ask(Some("/record start")));
        for part in [
            "`/record stop` End",
            "· `channel`: Where",
            "· `title`, if you like: What",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(say(&list(), &ask(Some("dance"))).contains("`/dance`"));
        let offers = offers(&list(), &ask(Some("ec")));
        assert_eq!(offers, [json!({ "name": "/record", "value": "record" })]);
    }

    #[test]
    fn a_bot_with_a_hundred_commands_still_fits_a_message() {
        let many: Vec<Value> = (0..100)
            .map(|n| json!({ "name": format!("command{n}"), "description": "x".repeat(100) }))
            .collect();
        assert!(say(&many, &ask(None)).chars().count() <= MAX_LETTERS);
    }
}
