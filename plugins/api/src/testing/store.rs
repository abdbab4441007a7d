//! What a plugin on stage keeps: in memory, as a host would answer.

use super::{Request, Stage};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Kept(BTreeMap<String, Value>);

impl Kept {
    /// The answer to an op of the store.
    pub(super) fn answer(&mut self, request: &Request) -> Option<Value> {
        let text = |name: &str| request.args[name].as_str().unwrap_or_default();
        match request.kind.as_str() {
            "store.get" => Some(json!({ "value": self.0.get(text("key")) })),
            "store.set" => {
                let (key, value) = (text("key").to_owned(), request.args["value"].clone());
                if value.is_null() {
                    self.0.remove(&key);
                } else {
                    self.0.insert(key, value);
                }
                Some(Value::Null)
            }
            "store.list" => {
                let (prefix, after) = (text("prefix"), text("after"));
                let fitting = self.0.iter();
                let fitting = fitting
                    .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after)
                    .map(|(key, value)| json!({ "key": key, "value": value }));
                Some(json!({ "entries": fitting.collect::<Vec<_>>() }))
            }
            // Whoever counts does not wait for an answer.
            kind if kind.starts_with("metrics.") => Some(Value::Null),
            _ => None,
        }
    }
}

impl Stage {
    /// What the plugin keeps in its store. Ops of the store are answered by the stage itself; the
    /// script never sees them.
    #[must_use]
    pub fn kept(&self) -> BTreeMap<String, Value> {
        self.host.state().store.0.clone()
    }

    /// Keeps something before the plugin asks for it.
    pub fn keep(&mut self, key: &str, value: Value) {
        self.host.state().store.0.insert(key.to_owned(), value);
    }
}
