//! The environment twins of the keys: `MYNAH__SECTION__KEY`, put into the same tree as the file.

use super::diagnostic::Report;
use super::document::{Entry, Node, Origin, Place, Value, parse_value};
use super::keys::{Kind, PREFIX, find};

/// Puts every `MYNAH__…` variable into the tree, over what the file says.
pub(super) fn merge(root: &mut Node, report: &mut Report, variables: &[(String, String)]) {
    let mut ours: Vec<_> = variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    // The order of the environment means nothing; a fixed one keeps messages stable.
    ours.sort();
    for (name, value) in ours {
        let path = name
            .get(PREFIX.len()..)
            .unwrap_or_default()
            .to_lowercase()
            .replace("__", ".");
        let content = format!("{name}={value}");
        let text = report.text(Origin::Variable(name.clone()), content);
        let key = Place {
            text,
            span: 0..name.len(),
        };
        let node = read(&path, value, text, name.len() + 1);
        put(root, &path, &key, node);
    }
}

/// The value of a variable in the type its key wants; the checks that follow judge it.
fn read(path: &str, value: &str, text: usize, offset: usize) -> Node {
    let place = Place {
        text,
        span: offset..offset + value.len(),
    };
    let as_text = || Node {
        place: place.clone(),
        value: Value::Text(value.to_owned()),
    };
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    match find(section, name).map(|key| key.kind) {
        Some(Kind::Text) => as_text(),
        Some(Kind::List) if !value.trim_start().starts_with('[') => Node {
            place: place.clone(),
            value: Value::List(words(value, text, offset)),
        },
        // A plugin's own keys have types only the plugin knows: TOML if it is, else a string.
        _ => parse_value(value, text, offset).unwrap_or_else(as_text),
    }
}

fn words(value: &str, text: usize, offset: usize) -> Vec<Node> {
    let mut at = offset;
    let mut nodes = Vec::new();
    for part in value.split(',') {
        let word = part.trim();
        let start = at + part.len() - part.trim_start().len();
        if !word.is_empty() {
            let place = Place {
                text,
                span: start..start + word.len(),
            };
            nodes.push(Node {
                place,
                value: Value::Text(word.to_owned()),
            });
        }
        at += part.len() + 1;
    }
    nodes
}

fn put(at: &mut Node, path: &str, key: &Place, node: Node) {
    // Something that is no table is in the way: the variable wins over it, as over any value.
    if !matches!(at.value, Value::Table(_)) {
        *at = Node {
            place: key.clone(),
            value: Value::Table(Vec::new()),
        };
    }
    let Value::Table(entries) = &mut at.value else {
        return;
    };
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let known = entries.iter().position(|entry| entry.name == name);
    match (known.and_then(|index| entries.get_mut(index)), rest) {
        (Some(entry), Some(rest)) => put(&mut entry.node, rest, key, node),
        (Some(entry), None) => {
            entry.place = key.clone();
            entry.node = node;
        }
        (None, Some(rest)) => {
            let mut table = Node {
                place: key.clone(),
                value: Value::Table(Vec::new()),
            };
            put(&mut table, rest, key, node);
            entries.push(Entry {
                name: name.to_owned(),
                place: key.clone(),
                node: table,
            });
        }
        (None, None) => {
            entries.push(Entry {
                name: name.to_owned(),
                place: key.clone(),
                node,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::document::parse;
    use super::*;

    fn merged(file: &str, variables: &[(&str, &str)]) -> Node {
        let (mut root, _) = parse(file, 0);
        let mut report = Report::new("bot.toml");
        report.text(Origin::File("bot.toml".into()), file.to_owned());
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        merge(&mut root, &mut report, &variables);
        root
    }

    #[test]
    fn a_variable_wins_over_the_file_and_makes_missing_tables() {
        let root = merged(
            "[server]\nhttp_port = 1\n",
            &[
                ("MYNAH__SERVER__HTTP_PORT", "8080"),
                ("MYNAH__VOICE__BITRATE", "96k"),
                ("UNRELATED", "1"),
            ],
        );
        assert!(matches!(
            root.find("server.http_port").unwrap().node.value,
            Value::Whole(8080)
        ));
        let bitrate = &root.find("voice.bitrate").unwrap().node.value;
        assert!(matches!(bitrate, Value::Text(text) if text == "96k"));
        assert!(root.find("unrelated").is_none());
    }

    #[test]
    fn text_stays_text_and_lists_may_be_words_with_commas() {
        let root = merged(
            "",
            &[
                ("MYNAH__DISCORD__TOKEN", "true"),
                ("MYNAH__PATHS__LIBRARY", "/a, /b"),
                ("MYNAH__DISCORD__DEV_GUILDS", "[\"1\"]"),
            ],
        );
        assert!(matches!(
            root.find("discord.token").unwrap().node.value,
            Value::Text(_)
        ));
        for (key, count) in [("paths.library", 2), ("discord.dev_guilds", 1)] {
            match &root.find(key).unwrap().node.value {
                Value::List(nodes) => assert_eq!(nodes.len(), count, "{key}"),
                other => panic!("{key}: {other:?}"),
            }
        }
    }
}
