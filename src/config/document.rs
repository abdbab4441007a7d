//! The settings as one tree in which every key and every value knows where it was written.
//!
//! The file and the environment end up in the same tree, so every later check is written once and
//! points at the right line or the right variable by itself.

use std::ops::Range;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

/// Where a text came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A configuration file.
    File(PathBuf),
    /// An environment variable; the text is `NAME=value`.
    Variable(String),
    /// A default of the key table ([`super::keys`]).
    Default,
}

/// One text that settings were read from.
#[derive(Debug, Clone)]
pub struct Text {
    /// Where it came from.
    pub origin: Origin,
    /// The whole text.
    pub content: String,
}

/// A stretch of one of the texts: which one, and the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index into the report's texts.
    pub text: usize,
    /// Byte range inside that text.
    pub span: Range<usize>,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where the value stands.
    pub place: Place,
    /// The value.
    pub value: Value,
}

/// A key of a table with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key, unquoted.
    pub name: String,
    /// Where the key stands.
    pub place: Place,
    /// What it is set to.
    pub node: Node,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer; saturated at the ends of `i128`.
    Whole(i128),
    /// A floating point number.
    Decimal(f64),
    /// A boolean.
    Flag(bool),
    /// A date or time, kept as text: no key takes one.
    Date(String),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(Vec<Entry>),
}

impl Value {
    /// What to call this kind of value in a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Whole(_) => "an integer",
            Value::Decimal(_) => "a decimal number",
            Value::Flag(_) => "a boolean",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

impl Node {
    /// The entries when this is a table.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of that name when this is a table.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.name == name)
    }

    /// Follows a dotted path of keys.
    pub fn find(&self, dotted: &str) -> Option<&Entry> {
        let (tables, last) = dotted.rsplit_once('.').unwrap_or(("", dotted));
        let mut at = self;
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            at = &at.entry(name)?.node;
        }
        at.entry(last)
    }

    /// The value as JSON, for a plugin's own check. Dates become strings.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Text(text) => Json::from(text.as_str()),
            Value::Whole(whole) => match (i64::try_from(*whole), u64::try_from(*whole)) {
                (Ok(signed), _) => Json::from(signed),
                (_, Ok(unsigned)) => Json::from(unsigned),
                _ => Json::from(*whole as f64),
            },
            Value::Decimal(decimal) => Json::from(*decimal),
            Value::Flag(flag) => Json::from(*flag),
            Value::Date(date) => Json::from(date.as_str()),
            Value::List(nodes) => nodes.iter().map(Node::to_json).collect(),
            Value::Table(entries) => Json::Object(
                entries
                    .iter()
                    .map(|entry| (entry.name.clone(), entry.node.to_json()))
                    .collect(),
            ),
        }
    }
}

/// What a JSON pointer leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The key that holds the value; `None` for the root and for list elements.
    pub key: Option<&'a Place>,
    /// The value.
    pub value: &'a Place,
}

/// Maps a JSON pointer (RFC 6901) of a plugin's diagnostic to the place it was written at.
///
/// A pointer that leads further than the tree does (a missing key, say) gives the deepest part that
/// exists, so a finding about something absent still points at the table it is absent from.
pub fn pointer_to_span<'a>(root: &'a Node, pointer: &str) -> Found<'a> {
    let mut found = Found {
        key: None,
        value: &root.place,
    };
    let mut at = root;
    for token in pointer.split('/').skip(1) {
        // RFC 6901 section 4: `~1` first, then `~0`.
        let token = token.replace("~1", "/").replace("~0", "~");
        let step = match &at.value {
            Value::Table(_) => at
                .entry(&token)
                .map(|entry| (Some(&entry.place), &entry.node)),
            Value::List(nodes) => token
                .parse::<usize>()
                .ok()
                .and_then(|index| nodes.get(index))
                .map(|node| (None, node)),
            _ => None,
        };
        let Some((key, node)) = step else { break };
        found = Found {
            key,
            value: &node.place,
        };
        at = node;
    }
    found
}

/// A syntax error and where it is.
pub(super) struct Syntax {
    pub message: String,
    pub place: Place,
}

/// Parses a TOML document, with best effort recovery so that one slip does not hide the others.
pub(super) fn parse(content: &str, text: usize) -> (Node, Vec<Syntax>) {
    let (table, errors) = DeTable::parse_recoverable(content);
    let errors = errors
        .iter()
        .map(|error| Syntax {
            message: error.message().to_owned(),
            place: Place {
                text,
                span: error.span().unwrap_or(0..0),
            },
        })
        .collect();
    let place = Place { text, span: 0..0 };
    (
        Node {
            place,
            value: Value::Table(entries_of(table.get_ref(), text, 0)),
        },
        errors,
    )
}

/// Parses one TOML value that stands at `offset` of text number `text`.
pub(super) fn parse_value(literal: &str, text: usize, offset: usize) -> Option<Node> {
    let value = DeValue::parse(literal).ok()?;
    Some(node_of(value.get_ref(), value.span(), text, offset))
}

fn entries_of(table: &DeTable<'_>, text: usize, offset: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            name: key.get_ref().to_string(),
            place: Place {
                text,
                span: shift(key.span(), offset),
            },
            node: node_of(value.get_ref(), value.span(), text, offset),
        })
        .collect();
    entries.sort_by_key(|entry| entry.place.span.start);
    entries
}

// The depth is bounded by the parser's own recursion limit.
fn node_of(value: &DeValue<'_>, span: Range<usize>, text: usize, offset: usize) -> Node {
    let value = match value {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Integer(integer) => Value::Whole(
            i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or_else(|_| {
                if integer.as_str().starts_with('-') {
                    i128::MIN
                } else {
                    i128::MAX
                }
            }),
        ),
        DeValue::Float(float) => Value::Decimal(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(array) => Value::List(
            array
                .iter()
                .map(|item| node_of(item.get_ref(), item.span(), text, offset))
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(entries_of(table, text, offset)),
    };
    Node {
        place: Place {
            text,
            span: shift(span, offset),
        },
        value,
    }
}

fn shift(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn slice<'a>(text: &'a str, place: &Place) -> &'a str {
        &text[place.span.clone()]
    }

    #[test]
    fn a_pointer_leads_to_the_value_and_its_key() {
        let text = "[music]\nlibrary = [\"a\", \"b\"]\nsources = { 'x/y' = { on = true } }\n";
        let (root, errors) = parse(text, 0);
        assert!(errors.is_empty());
        let music = &root.find("music").unwrap().node;
        let second = pointer_to_span(music, "/library/1");
        assert_eq!(slice(text, second.value), "\"b\"");
        assert_eq!(second.key, None);
        let on = pointer_to_span(music, "/sources/x~1y/on");
        assert_eq!(slice(text, on.value), "true");
        assert_eq!(slice(text, on.key.unwrap()), "on");
    }

    #[test]
    fn a_pointer_to_nothing_gives_the_deepest_part_that_exists() {
        let text = "[music]\nsources = { http = true }\n";
        let (root, _) = parse(text, 0);
        let found = pointer_to_span(&root, "/music/sources/ytdlp/path");
        assert_eq!(slice(text, found.value), "{ http = true }");
    }

    #[test]
    fn numbers_of_every_notation_are_read_and_huge_ones_saturate() {
        let (root, errors) = parse("a = 0x1F\nb = 1_000\nc = -2\n", 0);
        assert!(errors.is_empty());
        let whole = |name: &str| match root.find(name).unwrap().node.value {
            Value::Whole(whole) => whole,
            ref other => panic!("{other:?}"),
        };
        assert_eq!((whole("a"), whole("b"), whole("c")), (31, 1000, -2));
        let huge = parse_value(&"9".repeat(60), 0, 0).unwrap();
        assert!(matches!(huge.value, Value::Whole(i128::MAX)));
    }

    #[test]
    fn a_syntax_error_does_not_hide_the_rest() {
        let (root, errors) = parse("a = = 1\nb = 2\n", 0);
        assert!(!errors.is_empty());
        assert!(root.find("b").is_some());
    }
}
