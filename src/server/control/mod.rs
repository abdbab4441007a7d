//! The control API (interfaces.md section 2): act as a person would, and script trouble.
//!
//! Everything that touches the world goes through the same rules as gateway and REST. Handlers may
//! wait (for a bot's answer, for a voice client), but never with the realm locked.

mod answer;
mod commands;
mod components;
mod faults;
mod find;
mod messages;
mod options;
mod people;
mod problem;
mod state;
mod voice;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) use faults::Faults;
pub(crate) use problem::Problem;

use crate::server::Shared;

/// What a control request gets.
pub(crate) enum Answer {
    /// JSON.
    Json(Value),
    /// A recording.
    Sound {
        /// The file.
        bytes: Vec<u8>,
        /// Its MIME type.
        content_type: &'static str,
        /// `X-Voice-Stats`.
        stats: String,
    },
}

/// A control request.
pub(crate) struct Ask {
    /// HTTP method.
    pub method: String,
    /// Path after `/control`.
    pub path: String,
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// The JSON body; null without one.
    pub body: Value,
}

impl Ask {
    /// A query parameter.
    fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Every call, for the answer to an unknown one.
const CALLS: &[(&str, &str)] = &[
    ("GET", "/state"),
    ("POST", "/bots"),
    ("POST", "/users"),
    ("POST", "/guilds"),
    ("POST", "/channels"),
    ("POST", "/dm"),
    ("POST", "/messages"),
    ("GET", "/messages"),
    ("POST", "/commands"),
    ("POST", "/autocomplete"),
    ("POST", "/components"),
    ("POST", "/modals"),
    ("POST", "/voice/join"),
    ("POST", "/voice/leave"),
    ("POST", "/voice/state"),
    ("POST", "/voice/move"),
    ("POST", "/voice/kick"),
    ("POST", "/voice/say"),
    ("GET", "/voice/hear"),
    ("POST", "/faults"),
    ("DELETE", "/faults"),
];

/// Reads the JSON body. Only an object will do; nothing is nothing.
pub(crate) fn parse_body(bytes: &Bytes) -> Result<Value, Problem> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::bad(
            format!("the body is not JSON: {error}"),
            "send a JSON object",
        )
    })
}

/// Answers one control request.
pub(crate) async fn handle(shared: &Arc<Shared>, ask: Ask) -> Result<Answer, Problem> {
    let path = ask.path.trim_end_matches('/').to_owned();
    let method = ask.method.clone();
    let result = match (method.as_str(), path.as_str()) {
        ("GET", "/state") => state::show(shared),
        ("POST", "/bots") => people::bot(shared, &ask.body),
        ("POST", "/users") => people::user(shared, &ask.body),
        ("POST", "/guilds") => people::guild(shared, &ask.body),
        ("POST", "/channels") => people::channel(shared, &ask.body),
        ("POST", "/dm") => people::direct(shared, &ask.body),
        ("POST", "/messages") => messages::post(shared, &ask.body).await,
        ("GET", "/messages") => messages::list(shared, &ask),
        ("POST", "/commands") => commands::run(shared, &ask.body).await,
        ("POST", "/autocomplete") => commands::complete(shared, &ask.body).await,
        ("POST", "/components") => components::click(shared, &ask.body).await,
        ("POST", "/modals") => components::submit(shared, &ask.body).await,
        ("POST", "/voice/join") => voice::join(shared, &ask.body).await,
        ("POST", "/voice/leave" | "/voice/kick") => voice::leave(shared, &ask.body).await,
        ("POST", "/voice/state") => voice::state(shared, &ask.body),
        ("POST", "/voice/move") => voice::move_to(shared, &ask.body).await,
        ("POST", "/voice/say") => voice::say(shared, &ask.body).await,
        ("GET", "/voice/hear") => return voice::hear(shared, &ask).await,
        ("POST", "/faults") => faults::start(shared, &ask.body),
        ("DELETE", "/faults") => faults::end(shared, None),
        ("DELETE", other) if other.starts_with("/faults/") => {
            faults::end(shared, other.strip_prefix("/faults/"))
        }
        _ => Err(unknown(&method, &path)),
    };
    // Moves and kicks leave something for the voice clients to do; it is done before the answer.
    shared.run_errands().await;
    result.map(Answer::Json)
}

fn unknown(method: &str, path: &str) -> Problem {
    let known: Vec<String> = CALLS
        .iter()
        .map(|(m, p)| format!("{m} /control{p}"))
        .collect();
    let status = if CALLS.iter().any(|(_, p)| *p == path) {
        405
    } else {
        404
    };
    Problem {
        status,
        error: format!("there is no {method} /control{path}"),
        hint: format!("known calls: {}", known.join(", ")),
        more: None,
    }
}

/// `{"name": value}`.
fn one(name: &str, value: impl serde::Serialize) -> Value {
    json!({ name: value })
}
