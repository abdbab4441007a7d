//! Components of messages and forms (rest.md section 7).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Form;
use super::form::at;

/// Components of a V2 message, nested ones counted.
const MAX_V2: usize = 40;
/// Nesting that can be legal: container, section, text.
const MAX_DEPTH: usize = 4;

/// Where a component stands; decides what may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A message without the V2 flag.
    Message,
    /// A message with it.
    MessageV2,
    /// Inside of a container.
    Container,
    /// Inside of an action row.
    Row,
    /// Inside of a section.
    Section,
    /// Beside a section's text.
    Accessory,
    /// A form.
    Modal,
    /// Inside of a label.
    Label,
}

impl Place {
    fn allows(self, kind: i64) -> bool {
        match self {
            Self::Message => kind == 1,
            Self::MessageV2 => matches!(kind, 1 | 9 | 10 | 12 | 13 | 14 | 17),
            Self::Container => matches!(kind, 1 | 9 | 10 | 12 | 13 | 14),
            Self::Row => matches!(kind, 2..=8),
            Self::Section => kind == 10,
            Self::Accessory => matches!(kind, 2 | 11),
            Self::Modal => matches!(kind, 1 | 10 | 18),
            Self::Label => matches!(kind, 3..=8 | 19 | 21..=23),
        }
    }
}

struct Checker<'f> {
    form: &'f mut Form,
    custom_ids: BTreeSet<String>,
    count: usize,
    next_id: u64,
    /// In a form, rows may hold text inputs (deprecated in favour of labels).
    modal: bool,
}

/// Checks a message's components and gives every one an id.
pub(super) fn check_message(
    form: &mut Form,
    value: Option<&Value>,
    path: &str,
    v2: bool,
) -> Option<Vec<Value>> {
    let place = if v2 { Place::MessageV2 } else { Place::Message };
    let max = if v2 { MAX_V2 } else { 5 };
    check(form, value, path, place, 0..=max)
}

/// Checks the components of a form.
pub(super) fn check_modal(
    form: &mut Form,
    value: Option<&Value>,
    path: &str,
) -> Option<Vec<Value>> {
    if value.is_none() {
        form.required(path);
    }
    check(form, value, path, Place::Modal, 1..=5)
}

fn check(
    form: &mut Form,
    value: Option<&Value>,
    path: &str,
    place: Place,
    length: std::ops::RangeInclusive<usize>,
) -> Option<Vec<Value>> {
    let list = form.list(value, path)?;
    form.length(list.len(), path, length);
    let mut checker = Checker {
        form,
        custom_ids: BTreeSet::new(),
        count: 0,
        next_id: 1,
        modal: place == Place::Modal,
    };
    let kept = checker.children(list, path, place, 0);
    if checker.count > MAX_V2 {
        let message = format!("Must be {MAX_V2} or fewer in length.");
        form.error(path, "BASE_TYPE_MAX_LENGTH", message);
    }
    Some(kept)
}

impl Checker<'_> {
    fn children(&mut self, list: &[Value], path: &str, place: Place, depth: usize) -> Vec<Value> {
        let mut kept = Vec::with_capacity(list.len().min(MAX_V2));
        for (index, item) in list.iter().enumerate().take(MAX_V2 + 1) {
            kept.extend(self.one(item, &at(path, index), place, depth));
        }
        kept
    }

    fn one(&mut self, item: &Value, path: &str, place: Place, depth: usize) -> Option<Value> {
        let item = self.form.object(item, path)?;
        let kind = item.get("type").and_then(Value::as_i64).unwrap_or(0);
        let text_input = kind == 4 && place == Place::Row && !self.modal;
        let allowed = place.allows(kind) && !text_input;
        if !allowed || depth > MAX_DEPTH {
            let message = format!("Component type {kind} cannot be used here.");
            self.form
                .error(&at(path, "type"), "UNION_TYPE_CHOICES", message);
            return None;
        }
        self.count += 1;
        let mut out = item.clone();
        if !item.get("id").is_some_and(Value::is_u64) {
            out.insert("id".into(), json!(self.next_id));
        }
        self.next_id += 1;
        self.fields(item, kind, path);
        self.nested(item, &mut out, kind, path, depth);
        Some(Value::Object(out))
    }

    fn nested(
        &mut self,
        item: &Map<String, Value>,
        out: &mut Map<String, Value>,
        kind: i64,
        path: &str,
        depth: usize,
    ) {
        let (place, length) = match kind {
            1 => (Place::Row, 1..=5),
            9 => (Place::Section, 1..=3),
            17 => (Place::Container, 1..=MAX_V2),
            _ => {
                if kind == 18 {
                    self.single(item, out, "component", path, Place::Label, depth);
                }
                return;
            }
        };
        let path_of = at(path, "components");
        let list = self
            .form
            .list(item.get("components"), &path_of)
            .unwrap_or_default();
        self.form.length(list.len(), &path_of, length);
        let selects = list
            .iter()
            .filter(|c| {
                c.get("type")
                    .and_then(Value::as_i64)
                    .is_some_and(|t| t != 2)
            })
            .count();
        if kind == 1 && selects > 0 && list.len() > 1 {
            let message = "The specified component exceeds the maximum width";
            self.form
                .error(&path_of, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message);
        }
        let kept = self.children(list, &path_of, place, depth + 1);
        out.insert("components".into(), Value::Array(kept));
        if kind == 9 {
            self.single(item, out, "accessory", path, Place::Accessory, depth);
        }
    }

    fn single(
        &mut self,
        item: &Map<String, Value>,
        out: &mut Map<String, Value>,
        key: &str,
        path: &str,
        place: Place,
        depth: usize,
    ) {
        let path = at(path, key);
        match item.get(key) {
            Some(inner) => {
                if let Some(kept) = self.one(inner, &path, place, depth + 1) {
                    out.insert(key.into(), kept);
                }
            }
            None => self.form.required(&path),
        }
    }

    fn fields(&mut self, item: &Map<String, Value>, kind: i64, path: &str) {
        let form = &mut *self.form;
        match kind {
            2 => self.button(item, path),
            3 => {
                self.custom_id(item, path);
                self.options(item, path, 25);
                self.values_range(item, path);
            }
            4 => {
                self.custom_id(item, path);
                let style = self
                    .form
                    .integer(item.get("style"), &at(path, "style"), 1..=2);
                if style.is_none() {
                    self.form.required(&at(path, "style"));
                }
                let text = |key: &str, max: usize| (item.get(key), at(path, key), 0..=max);
                for (value, path, length) in [
                    text("placeholder", 100),
                    text("value", 4000),
                    text("label", 45),
                ] {
                    self.form.text(value, &path, length);
                }
                self.form
                    .integer(item.get("min_length"), &at(path, "min_length"), 0..=4000);
                self.form
                    .integer(item.get("max_length"), &at(path, "max_length"), 1..=4000);
            }
            5..=8 => {
                self.custom_id(item, path);
                self.values_range(item, path);
            }
            10 => {
                form.required_text(item.get("content"), &at(path, "content"), 1..=4000);
            }
            11 => {
                form.text(item.get("description"), &at(path, "description"), 0..=1024);
            }
            12 => {
                let items = form
                    .list(item.get("items"), &at(path, "items"))
                    .unwrap_or_default();
                form.length(items.len(), &at(path, "items"), 1..=10);
            }
            14 => {
                form.integer(item.get("spacing"), &at(path, "spacing"), 1..=2);
            }
            17 => {
                form.integer(
                    item.get("accent_color"),
                    &at(path, "accent_color"),
                    0..=0xFF_FFFF,
                );
            }
            18 => {
                form.required_text(item.get("label"), &at(path, "label"), 1..=45);
                form.text(item.get("description"), &at(path, "description"), 0..=100);
            }
            19 | 23 => self.custom_id(item, path),
            21 | 22 => {
                self.custom_id(item, path);
                self.options(item, path, 10);
            }
            _ => {}
        }
    }

    fn button(&mut self, item: &Map<String, Value>, path: &str) {
        let style = self
            .form
            .integer(item.get("style"), &at(path, "style"), 1..=6);
        self.form
            .text(item.get("label"), &at(path, "label"), 0..=80);
        match style {
            None => self.form.required(&at(path, "style")),
            Some(5) => {
                self.form
                    .required_text(item.get("url"), &at(path, "url"), 1..=512);
            }
            Some(6) => {}
            Some(_) => {
                self.custom_id(item, path);
                if !item.contains_key("label") && !item.contains_key("emoji") {
                    let message = "A button must have a label or emoji";
                    self.form
                        .error(path, "BUTTON_COMPONENT_LABEL_OR_EMOJI_REQUIRED", message);
                }
            }
        }
    }

    fn custom_id(&mut self, item: &Map<String, Value>, path: &str) {
        let path = at(path, "custom_id");
        let id = self
            .form
            .required_text(item.get("custom_id"), &path, 1..=100);
        if !id.is_empty() && !self.custom_ids.insert(id) {
            let message = "Component custom id cannot be duplicated";
            self.form
                .error(&path, "COMPONENT_CUSTOM_ID_DUPLICATED", message);
        }
    }

    fn options(&mut self, item: &Map<String, Value>, path: &str, max: usize) {
        let path_of = at(path, "options");
        let options = self
            .form
            .list(item.get("options"), &path_of)
            .unwrap_or_default();
        self.form.length(options.len(), &path_of, 1..=max);
        for (index, option) in options.iter().enumerate() {
            let path = at(&path_of, index);
            let Some(option) = self.form.object(option, &path) else {
                continue;
            };
            self.form
                .required_text(option.get("label"), &at(&path, "label"), 1..=100);
            self.form
                .required_text(option.get("value"), &at(&path, "value"), 1..=100);
            self.form.text(
                option.get("description"),
                &at(&path, "description"),
                0..=100,
            );
        }
    }

    fn values_range(&mut self, item: &Map<String, Value>, path: &str) {
        self.form
            .text(item.get("placeholder"), &at(path, "placeholder"), 0..=150);
        self.form
            .integer(item.get("min_values"), &at(path, "min_values"), 0..=25);
        self.form
            .integer(item.get("max_values"), &at(path, "max_values"), 1..=25);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(components: Value, v2: bool) -> Value {
        let mut form = Form::default();
        check_message(&mut form, Some(&components), "components", v2);
        if form.is_clean() {
            Value::Null
        } else {
            form.refusal().body()["errors"].clone()
        }
    }

    fn button(id: &str) -> Value {
        json!({"type": 2, "style": 1, "label": "x", "custom_id": id})
    }

    #[test]
    fn a_row_of_buttons_is_fine_and_gets_ids() {
        let row = json!([{"type": 1, "components": [button("a"), button("b")]}]);
        let mut form = Form::default();
        let kept = check_message(&mut form, Some(&row), "components", false).unwrap();
        assert!(form.is_clean());
        assert_eq!(kept[0]["components"][1]["id"], 3);
    }

    #[test]
    fn custom_ids_are_unique_and_rows_hold_five() {
        let twice = errors(
            json!([{"type": 1, "components": [button("a"), button("a")]}]),
            false,
        );
        let path = &twice["components"]["0"]["components"]["1"]["custom_id"]["_errors"][0];
        assert_eq!(path["code"], "COMPONENT_CUSTOM_ID_DUPLICATED");
        let six: Vec<Value> = (0..6).map(|n| button(&n.to_string())).collect();
        assert!(!errors(json!([{"type": 1, "components": six}]), false).is_null());
    }

    #[test]
    fn text_displays_need_the_v2_flag() {
        let text = json!([{"type": 10, "content": "hello"}]);
        assert!(errors(text.clone(), true).is_null());
        assert!(!errors(text, false).is_null());
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let mut nested = json!({"type": 17, "components": []});
        for _ in 0..500 {
            nested = json!({"type": 17, "components": [nested]});
        }
        assert!(!errors(json!([nested]), true).is_null());
    }

    #[test]
    fn text_inputs_belong_into_forms() {
        let row = json!([{"type": 1, "components": [{"type": 4, "custom_id": "v", "style": 1}]}]);
        assert!(!errors(row.clone(), false).is_null());
        let mut form = Form::default();
        check_modal(&mut form, Some(&row), "data.components");
        assert!(form.is_clean());
    }
}
