//! A plugin's table of bot.toml: everything wrong in it at once, with a JSON pointer and a
//! suggestion, from nothing but the author's `Deserialize` (architecture C5.8).

use crate::{Error, strict};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// One thing that is wrong in a plugin's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Where, as a JSON pointer (RFC 6901) into the plugin's table; empty for the table itself.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Diagnostic {
    /// Something wrong at a JSON pointer, for instance `/library/0`.
    #[must_use]
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
            suggestion: None,
        }
    }

    /// Adds what was probably meant.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }
}

/// More is not worth reading at once.
const MAX_DIAGNOSTICS: usize = 32;

/// Reads a configuration or says everything that is wrong with it.
///
/// serde stops at the first wrong value. So that an operator sees all of them, each wrong value is
/// skipped after it was noted and the rest is read again.
///
/// # Errors
/// Everything that is wrong, ordered as found: never empty.
pub fn read<C: DeserializeOwned>(json: &[u8]) -> Result<C, Vec<Diagnostic>> {
    let value: Value = match json {
        [] => Value::Object(serde_json::Map::new()),
        json => serde_json::from_slice(json)
            .map_err(|error| vec![Diagnostic::new("", format!("not JSON: {error}"))])?,
    };
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut skip: Vec<String> = Vec::new();
    while found.len() < MAX_DIAGNOSTICS {
        let (result, unknown) = strict::read::<C>(&value, &skip);
        for unknown in unknown {
            if !found.contains(&unknown) {
                found.push(unknown);
            }
        }
        let wrong = match result {
            Ok(config) if found.is_empty() => return Ok(config),
            Ok(_) => break,
            Err(wrong) => wrong,
        };
        // What can not be skipped by itself (the contents of an enum) goes with what holds it.
        let mut pointer = wrong.pointer.as_str();
        while let Some((parent, _)) = pointer.rsplit_once('/')
            && skip.iter().any(|gone| gone == pointer)
        {
            pointer = parent;
        }
        let pointer = pointer.to_owned();
        if !wrong.follows_from(&skip) {
            found.push(wrong.into_diagnostic());
        }
        if pointer.is_empty() {
            break;
        }
        skip.push(pointer);
    }
    Err(found)
}

pub(crate) fn words(found: Vec<Diagnostic>) -> Error {
    let lines: Vec<String> = found
        .into_iter()
        .map(
            |Diagnostic {
                 pointer,
                 message,
                 suggestion,
             }| {
                let hint = suggestion
                    .map(|s| format!(" (did you mean `{s}`?)"))
                    .unwrap_or_default();
                format!("{pointer}: {message}{hint}")
            },
        )
        .collect();
    Error::Invalid(lines.join("; "))
}
