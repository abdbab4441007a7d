//! Reads `[discord]`.

use std::path::Path;

use super::diagnostic::Severity;
use super::document::{Node, Value};
use super::parse::{self, Folders, Parsed, Problem};
use super::reader::Reader;
use super::sections::existing;
use super::suggest::nearest;
use super::token;
use super::typed::{Api, CommandScope, Discord, Status, StatusKind};

/// The table; `None` when anything in it is wrong.
pub(super) fn discord(
    reader: &mut Reader<'_>,
    folders: &Folders<'_>,
    variables: &[(String, String)],
) -> Option<Discord> {
    let api = reader.read("discord", "api", api);
    let token = match &api {
        Some(Api::Embedded) => None,
        Some(other) => token::read(reader, folders, variables, *other == Api::Discord),
        None => None,
    };
    let ca_file = reader.entry("discord", "ca_file").map(|entry| {
        let path = parse::path(&entry.node, folders);
        path.and_then(|path| existing(&entry.node, path, Path::is_file, "file"))
    });
    let ca_file = match ca_file.transpose() {
        Ok(path) => Some(path),
        Err(problem) => {
            reader.problem("discord", problem);
            None
        }
    };
    let command_scope = reader.read("discord", "command_scope", |node| {
        parse::choice(
            node,
            &[
                ("global", CommandScope::Global),
                ("guild", CommandScope::Guild),
            ],
        )
    });
    let dev_guilds = reader.read("discord", "dev_guilds", |node| parse::list(node, parse::id));
    if command_scope == Some(CommandScope::Guild)
        && dev_guilds.as_ref().is_some_and(Vec::is_empty)
        && api != Some(Api::Embedded)
        && let Some(entry) = reader.entry("discord", "command_scope")
    {
        let place = entry.node.place.clone();
        let message = "commands are to be registered in dev_guilds, and there are none";
        reader.note(
            Severity::Error,
            "discord",
            place,
            message,
            "set dev_guilds = [\"GUILD ID\"]",
        );
    }
    let shards = reader.read("discord", "shards", shards);
    let status = reader.read("discord", "status", status);
    Some(Discord {
        api: api?,
        token,
        ca_file: ca_file?,
        command_scope: command_scope?,
        dev_guilds: dev_guilds?,
        shards: shards?,
        status: status?,
    })
}

fn api(node: &Node) -> Parsed<Api> {
    let written = parse::filled(node)?;
    let help = "write \"embedded\", \"discord\", or a URL such as \"http://127.0.0.1:8080/api\"";
    match written.as_str() {
        "embedded" => return Ok(Api::Embedded),
        "discord" => return Ok(Api::Discord),
        _ => {}
    }
    let rest = written
        .strip_prefix("http://")
        .or_else(|| written.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| !rest.starts_with('/') && !rest.is_empty()) else {
        let help = match nearest(&written, ["embedded", "discord"]) {
            Some(word) => format!("did you mean `{word}`?"),
            None => help.to_owned(),
        };
        return Err(Problem::at(
            node,
            format!("`{written}` is no place a bot can live"),
            help,
        ));
    };
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if written.starts_with("http://") && !loopback {
        return Err(Problem::at(
            node,
            "the token would cross the network unencrypted",
            "use https://, or a server on this machine (127.0.0.1)",
        ));
    }
    Ok(Api::Other(written.trim_end_matches('/').to_owned()))
}

fn shards(node: &Node) -> Parsed<Option<u32>> {
    match &node.value {
        Value::Text(text) if text == "auto" => Ok(None),
        // A thousand shards serve more guilds than one machine has ever had to.
        Value::Whole(_) => Ok(u32::try_from(parse::whole(node, 1, 1000)?).ok()),
        _ => Err(Problem::at(
            node,
            "this is no number of shards",
            "write \"auto\", or a number from 1 to 1000 without quotes",
        )),
    }
}

fn status(node: &Node) -> Result<Status, Vec<Problem>> {
    let Value::Table(entries) = &node.value else {
        let help = "write it as { kind = \"listening\", text = \"/play\" }";
        let message = format!("expected a table, found {}", node.value.kind());
        return Err(vec![Problem::at(node, message, help)]);
    };
    let mut status = Status {
        kind: StatusKind::Playing,
        text: String::new(),
    };
    let mut problems = Vec::new();
    for entry in entries {
        let outcome = match entry.name.as_str() {
            "kind" => parse::choice(
                &entry.node,
                &[
                    ("playing", StatusKind::Playing),
                    ("listening", StatusKind::Listening),
                    ("watching", StatusKind::Watching),
                    ("competing", StatusKind::Competing),
                    ("custom", StatusKind::Custom),
                    ("none", StatusKind::None),
                ],
            )
            .map(|kind| status.kind = kind),
            "text" => status_text(&entry.node).map(|text| status.text = text),
            other => Err(Problem {
                message: format!("unknown key `{other}`"),
                help: match nearest(other, ["kind", "text"]) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "known here: kind, text".to_owned(),
                },
                place: entry.place.clone(),
            }),
        };
        problems.extend(outcome.err());
    }
    if status.text.is_empty() && status.kind != StatusKind::None && problems.is_empty() {
        problems.push(Problem::at(
            node,
            "the status has no text",
            "set text = \"…\", or kind = \"none\"",
        ));
    }
    if problems.is_empty() {
        Ok(status)
    } else {
        Err(problems)
    }
}

fn status_text(node: &Node) -> Parsed<String> {
    let text = parse::filled(node)?;
    // Discord shows at most 128 characters of an activity.
    if text.chars().count() > 128 {
        return Err(Problem::at(
            node,
            "the status is too long",
            "Discord shows 128 characters at most",
        ));
    }
    Ok(text)
}
