//! What is known of a plugin before anything of it runs.

use super::{
    bench::{neighbour, puppet},
    puppet::{PUPPET, Puppet},
};
use crate::{check, check_grants, describe, intents};
use mynah_plugin::abi;
use serde_json::json;

#[test]
fn a_configuration_is_checked_without_starting_anything() {
    assert_eq!(check(&PUPPET, &json!({ "count": 3 })), []);
    let found = check(&PUPPET, &json!({ "cuont": 3, "count": "x" }));
    let pointers: Vec<&str> = found.iter().map(|found| found.pointer.as_str()).collect();
    assert_eq!(pointers, ["/cuont", "/count"]);
    assert_eq!(found[0].suggestion.as_deref(), Some("count"));
}

#[test]
fn missing_grants_and_the_union_of_intents_are_known_before_the_start() {
    let missing = check_grants(&PUPPET, &["voice.speak".into()]);
    assert_eq!(
        (
            missing[0].pointer.as_str(),
            missing[0].suggestion.as_deref()
        ),
        ("/grant", Some("commands"))
    );
    assert_eq!(check_grants(&PUPPET, &["commands".into()]), []);
    // Messages are asked for only on behalf of a plugin that may be told of them.
    let quiet = (1 << 0) | (1 << 7);
    assert_eq!(intents(&[puppet(&[]), neighbour()]), quiet);
    let told = puppet(&["gateway.events:MESSAGE_CREATE"]);
    assert_eq!(intents(&[told, neighbour()]), quiet | (1 << 9));
}

/// The puppet's table with one thing wrong.
fn broken(change: impl FnOnce(&mut abi::Entry)) -> String {
    let mut entry = mynah_plugin::entry!(Puppet);
    change(&mut entry);
    describe(&*Box::leak(Box::new(entry)))
        .unwrap_err()
        .to_string()
}

#[test]
fn tables_that_can_not_be_used_are_refused_in_words() {
    assert!(broken(|entry| entry.magic = 1).contains("magic"));
    assert!(broken(|entry| entry.major = 2).contains("version 2"));
    assert!(broken(|entry| entry.size = 8).contains("too short"));
    assert!(broken(|entry| entry.flags = 0).contains("panic=abort"));
    assert!(broken(|entry| entry.create = None).contains("create"));
    assert!(broken(|entry| entry.desc = std::ptr::null()).contains("too short"));
    assert_eq!(describe(&PUPPET).unwrap().needs[0].cap, "commands");
}
