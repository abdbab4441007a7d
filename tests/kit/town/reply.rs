//! What a person gets for what they did.

use serde_json::Value;

/// An answer as a person sees it.
#[derive(Clone, Debug)]
pub struct Reply(pub(super) Result<Value, Value>);

impl Reply {
    /// The text of the answer: of everything that the bot said to it, a line each, with the texts of
    /// embeds and of text displays. Empty without one.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for message in self.messages() {
            texts(message, &mut lines);
        }
        lines.join("\n")
    }

    /// The messages that answer, first the answer itself.
    #[must_use]
    pub fn messages(&self) -> Vec<&Value> {
        let messages = self.json().get("messages").and_then(Value::as_array);
        messages.into_iter().flatten().collect()
    }

    /// Only this person sees it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.json().get("ephemeral") == Some(&Value::Bool(true))
    }

    /// Why the server did not let them, or why the bot did not answer.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        let problem = self.0.as_ref().err()?;
        let words = problem.get("error").and_then(Value::as_str);
        Some(words.unwrap_or("refused").to_owned())
    }

    /// What an autocompletion offers, by name.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        let choices = self.json().get("choices").and_then(Value::as_array);
        let name = |choice: &Value| Some(choice.get("name")?.as_str()?.to_owned());
        choices.into_iter().flatten().filter_map(name).collect()
    }

    /// The answer as the server has it.
    #[must_use]
    pub fn json(&self) -> &Value {
        match &self.0 {
            Ok(value) | Err(value) => value,
        }
    }

    pub(super) fn interaction_id(&self) -> Option<String> {
        Some(self.json().get("interaction_id")?.as_str()?.to_owned())
    }
}

/// Everything in a message that people read.
fn texts(value: &Value, lines: &mut Vec<String>) {
    const READ: [&str; 5] = ["content", "title", "description", "name", "value"];
    for key in READ {
        if let Some(text) = value
            .get(key)
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty())
        {
            lines.push(text.to_owned());
        }
    }
    for key in ["embeds", "fields", "components"] {
        let parts = value.get(key).and_then(Value::as_array);
        parts
            .into_iter()
            .flatten()
            .for_each(|part| texts(part, lines));
    }
}
