//! Everything that is wrong in a plugin's table is said at once, where it is, with a suggestion.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use mynah_plugin::{Diagnostic, read_config};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, PartialEq)]
#[allow(dead_code)]
struct Config {
    library: Vec<String>,
    #[serde(default)]
    volume: u8,
    #[serde(default)]
    order: Order,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    engine: Option<Engine>,
    #[serde(default)]
    names: std::collections::BTreeMap<String, u16>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    ByName,
    Random,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Limits {
    queue: u32,
    per_user: u32,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Engine {
    Piper { model: String },
    Command(String),
}

fn wrong(config: &Value) -> Vec<Diagnostic> {
    read_config::<Config>(config.to_string().as_bytes()).expect_err("it is wrong")
}

#[test]
fn a_good_table_is_read_with_its_defaults() {
    let config = json!({ "library": ["media"], "engine": { "piper": { "model": "a" } } });
    let config = read_config::<Config>(config.to_string().as_bytes()).unwrap();
    assert_eq!(config.library, ["media"]);
    assert_eq!(config.order, Order::ByName);
    assert_eq!(config.engine, Some(Engine::Piper { model: "a".into() }));
}

#[test]
fn an_unknown_key_is_named_with_the_key_that_was_meant() {
    let found = wrong(&json!({ "library": [], "volum": 3 }));
    assert_eq!(
        found,
        [Diagnostic::new("/volum", "unknown key `volum`").suggest("volume")],
        "one mistake, one diagnostic"
    );
}

#[test]
fn a_missing_and_a_misspelt_key_are_both_reported() {
    let found = wrong(&json!({ "libary": ["media"] }));
    assert_eq!(
        found[0],
        Diagnostic::new("/libary", "unknown key `libary`").suggest("library")
    );
    assert_eq!(
        found[1],
        Diagnostic::new("", "the key `library` is missing")
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn every_wrong_type_is_reported_at_once_with_its_pointer() {
    let found = wrong(&json!({
        "library": "media", "volume": 1000, "order": "by_nmae",
        "limits": { "queue": "many", "per_usr": 3 }, "names": { "a/b~c": "x" },
    }));
    let pointers: Vec<&str> = found.iter().map(|found| found.pointer.as_str()).collect();
    for expected in [
        "/library",
        "/volume",
        "/order",
        "/limits/queue",
        "/limits/per_usr",
        "/names/a~1b~0c",
    ] {
        assert!(
            pointers.contains(&expected),
            "{expected} is missing from {found:#?}"
        );
    }
    assert_eq!(pointers.len(), 6, "{found:#?}");
    let order = found
        .iter()
        .find(|found| found.pointer == "/order")
        .unwrap();
    assert_eq!(order.suggestion.as_deref(), Some("by_name"));
    let usr = found
        .iter()
        .find(|found| found.pointer == "/limits/per_usr")
        .unwrap();
    assert_eq!(usr.suggestion.as_deref(), Some("per_user"));
}

#[test]
fn a_wrong_element_of_a_list_is_pointed_at() {
    let found = wrong(&json!({ "library": ["a", 3, "c"] }));
    assert_eq!(found[0].pointer, "/library/1");
    assert_eq!(found[0].message, "expected a text, found `3`");
}

#[test]
fn types_are_explained_in_plain_words() {
    let found = wrong(&json!({ "library": "media", "volume": 1000, "limits": true }));
    let said: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
    assert!(
        said.contains(&"expected a list, found the text \"media\""),
        "{said:?}"
    );
    assert!(
        said.contains(&"expected a whole number from 0 to 255, found `1000`"),
        "{said:?}"
    );
    assert!(said.contains(&"expected a table, found `true`"), "{said:?}");
}

#[test]
fn a_wrong_value_deep_inside_does_not_hide_the_next() {
    let found = wrong(&json!({
        "library": [], "engine": { "piper": { "model": 1 } }, "volume": "loud",
    }));
    let pointers: Vec<&str> = found.iter().map(|found| found.pointer.as_str()).collect();
    assert_eq!(pointers, ["/engine/piper/model", "/volume"]);
}

#[test]
fn unknown_keys_inside_an_enum_are_found_too() {
    let found =
        wrong(&json!({ "library": [], "engine": { "piper": { "model": "a", "sped": 1 } } }));
    assert_eq!(found[0].pointer, "/engine/piper/sped");
}

#[test]
fn nonsense_far_from_every_key_gets_no_suggestion() {
    let found = wrong(&json!({ "library": [], "zzzzzz": 1 }));
    assert_eq!(found[0].suggestion, None);
}

#[test]
fn no_table_at_all_is_an_empty_one() {
    let found = read_config::<Config>(b"").expect_err("library is missing");
    assert_eq!(found[0].message, "the key `library` is missing");
}
