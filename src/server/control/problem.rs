//! Errors of the control API: what happened, and what to do.

use serde_json::{Map, Value, json};

/// `{"error": …, "hint": …}` with a fitting status.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub status: u16,
    pub error: String,
    pub hint: String,
    /// Further keys, such as the known commands.
    pub more: Option<Map<String, Value>>,
}

impl Problem {
    pub fn new(status: u16, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            hint: hint.into(),
            more: None,
        }
    }

    /// 400.
    pub fn bad(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(400, error, hint)
    }

    /// 404.
    pub fn unknown(what: &str, id: impl std::fmt::Display) -> Self {
        let error = format!("there is no {what} {id}");
        Self::new(
            404,
            error,
            "GET /control/state lists everything that exists",
        )
    }

    /// Adds a key.
    pub fn with(mut self, key: &str, value: Value) -> Self {
        let more = self.more.get_or_insert_default();
        more.insert(key.to_owned(), value);
        self
    }

    /// The body.
    pub fn body(&self) -> Value {
        let mut body = json!({"error": self.error, "hint": self.hint});
        if let (Some(fields), Some(more)) = (body.as_object_mut(), &self.more) {
            fields.extend(more.clone());
        }
        body
    }
}
