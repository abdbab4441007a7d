//! Checking bodies: every mistake at once, in Discord's `errors` tree (rest.md section 1).

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::Refusal;

/// Collects the mistakes of one body. Paths are `embeds.0.title`; an empty path is the body itself.
#[derive(Debug, Default)]
pub(crate) struct Form {
    tree: Map<String, Value>,
}

impl Form {
    /// Notes a mistake.
    pub fn error(&mut self, path: &str, code: &str, message: impl Into<String>) {
        let mut node = &mut self.tree;
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let next = node
                .entry(step)
                .or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(next) = next else { return };
            node = next;
        }
        let list = node.entry("_errors").or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(json!({"code": code, "message": message.into()}));
        }
    }

    /// No mistakes so far.
    pub fn is_clean(&self) -> bool {
        self.tree.is_empty()
    }

    /// The body is fine, or it is refused.
    ///
    /// # Errors
    /// 50035 with everything that was wrong.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.is_clean() {
            Ok(())
        } else {
            Err(self.refusal())
        }
    }

    /// The refusal itself.
    pub fn refusal(self) -> Refusal {
        Refusal {
            errors: Some(Value::Object(self.tree)),
            ..Refusal::new(400, 50035, "Invalid Form Body")
        }
    }

    /// A field that must be there.
    pub fn required(&mut self, path: &str) {
        self.error(path, "BASE_TYPE_REQUIRED", "This field is required");
    }

    /// A value that is not one of the possible ones.
    pub fn choice(&mut self, path: &str, choices: &str) {
        let message = format!("Value must be one of {{{choices}}}.");
        self.error(path, "BASE_TYPE_CHOICES", message);
    }

    /// An optional text of a length counted in characters; null is nothing.
    pub fn text(
        &mut self,
        value: Option<&Value>,
        path: &str,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let text = match value? {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            other => {
                let message = format!("Could not interpret \"{other}\" as string.");
                self.error(path, "STRING_TYPE_CONVERT", message);
                return None;
            }
        };
        self.length(text.chars().count(), path, length);
        Some(text)
    }

    /// A text that must be there.
    pub fn required_text(
        &mut self,
        value: Option<&Value>,
        path: &str,
        length: RangeInclusive<usize>,
    ) -> String {
        if value.is_none_or(Value::is_null) {
            self.required(path);
            return String::new();
        }
        self.text(value, path, length).unwrap_or_default()
    }

    /// A count of characters or entries.
    pub fn length(&mut self, length: usize, path: &str, allowed: RangeInclusive<usize>) {
        if allowed.contains(&length) {
            return;
        }
        let (min, max) = (*allowed.start(), *allowed.end());
        if length > max && min == 0 {
            let message = format!("Must be {max} or fewer in length.");
            self.error(path, "BASE_TYPE_MAX_LENGTH", message);
        } else {
            let message = format!("Must be between {min} and {max} in length.");
            self.error(path, "BASE_TYPE_BAD_LENGTH", message);
        }
    }

    /// An optional integer, also as decimal text.
    pub fn integer(
        &mut self,
        value: Option<&Value>,
        path: &str,
        allowed: RangeInclusive<i64>,
    ) -> Option<i64> {
        let value = value.filter(|value| !value.is_null())?;
        let number = value
            .as_i64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
            .or_else(|| {
                value
                    .as_f64()
                    .filter(|f| f.fract() == 0.0)
                    .map(|f| f as i64)
            });
        let Some(number) = number else {
            let message = format!("Value \"{}\" is not int.", plain(value));
            self.error(path, "NUMBER_TYPE_COERCE", message);
            return None;
        };
        if number < *allowed.start() {
            let message = format!(
                "int value should be greater than or equal to {}.",
                allowed.start()
            );
            self.error(path, "NUMBER_TYPE_MIN", message);
        } else if number > *allowed.end() {
            let message = format!(
                "int value should be less than or equal to {}.",
                allowed.end()
            );
            self.error(path, "NUMBER_TYPE_MAX", message);
        }
        Some(number)
    }

    /// An optional boolean.
    pub fn boolean(&mut self, value: Option<&Value>, path: &str) -> Option<bool> {
        match value? {
            Value::Null => None,
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text == "true" || text == "false" => Some(text == "true"),
            _ => {
                self.error(
                    path,
                    "BOOLEAN_TYPE_CONVERT",
                    "Must be either true or false.",
                );
                None
            }
        }
    }

    /// An optional list; null is nothing.
    pub fn list<'v>(&mut self, value: Option<&'v Value>, path: &str) -> Option<&'v [Value]> {
        match value? {
            Value::Null => None,
            Value::Array(items) => Some(items),
            _ => {
                let message = "Only iterables may be used in a ListType";
                self.error(path, "LIST_TYPE_CONVERT", message);
                None
            }
        }
    }

    /// An object that must be one.
    pub fn object<'v>(&mut self, value: &'v Value, path: &str) -> Option<&'v Map<String, Value>> {
        let object = value.as_object();
        if object.is_none() {
            let message = "Only dictionaries may be used in a DictType";
            self.error(path, "DICT_TYPE_CONVERT", message);
        }
        object
    }

    /// A snowflake as text or number.
    pub fn snowflake(&mut self, value: &Value, path: &str) -> Option<u64> {
        let id = value
            .as_u64()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        if id.is_none() {
            let message = format!("Value \"{}\" is not snowflake.", plain(value));
            self.error(path, "NUMBER_TYPE_COERCE", message);
        }
        id
    }
}

/// `path.key`, or `key` at the top.
pub(crate) fn at(path: &str, key: impl std::fmt::Display) -> String {
    if path.is_empty() {
        key.to_string()
    } else {
        format!("{path}.{key}")
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_form_a_tree_by_field_and_index() {
        let mut form = Form::default();
        let long = json!("x".repeat(257));
        form.text(Some(&long), "embeds.0.title", 0..=256);
        form.required("name");
        assert_eq!(
            form.refusal().body(),
            json!({"message": "Invalid Form Body", "code": 50035, "errors": {
                "embeds": {"0": {"title": {"_errors": [
                    {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 256 or fewer in length."}]}}},
                "name": {"_errors": [
                    {"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}]},
            }})
        );
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        let mut form = Form::default();
        form.text(Some(&json!("🦆".repeat(2000))), "content", 0..=2000);
        assert!(form.is_clean());
    }

    #[test]
    fn numbers_are_read_from_text_and_checked() {
        let mut form = Form::default();
        assert_eq!(form.integer(Some(&json!("7")), "n", 0..=9), Some(7));
        assert!(form.is_clean());
        form.integer(Some(&json!(10)), "n", 0..=9);
        form.integer(Some(&json!("x")), "m", 0..=9);
        let errors = form.refusal().body();
        assert_eq!(
            errors["errors"]["n"]["_errors"][0]["code"],
            "NUMBER_TYPE_MAX"
        );
        assert_eq!(
            errors["errors"]["m"]["_errors"][0]["code"],
            "NUMBER_TYPE_COERCE"
        );
    }
}
