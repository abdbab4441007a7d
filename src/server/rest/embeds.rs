//! Embeds: limits, and the form in which they come back (rest.md section 4).

use serde_json::{Map, Value, json};

use super::Form;
use super::form::at;

/// Characters over all texts of all embeds.
const MAX_TOTAL: usize = 6000;
const MAX_EMBEDS: usize = 10;
const MAX_FIELDS: usize = 25;

/// Checks a list of embeds and returns them trimmed, as Discord stores them.
pub(super) fn check(form: &mut Form, value: Option<&Value>, path: &str) -> Option<Vec<Value>> {
    let list = form.list(value, path)?;
    form.length(list.len(), path, 0..=MAX_EMBEDS);
    let mut total = 0;
    let mut kept = Vec::with_capacity(list.len());
    for (index, embed) in list.iter().enumerate() {
        let path = at(path, index);
        if let Some(embed) = form.object(embed, &path) {
            kept.push(one(form, embed, &path, &mut total));
        }
    }
    if total > MAX_TOTAL {
        let message = format!("Embed size exceeds maximum size of {MAX_TOTAL}");
        form.error(path, "MAX_EMBED_SIZE_EXCEEDED", message);
    }
    Some(kept)
}

fn one(form: &mut Form, embed: &Map<String, Value>, path: &str, total: &mut usize) -> Value {
    let mut out = Map::new();
    // `type` is required by twilight when the embed comes back.
    out.insert("type".into(), json!("rich"));
    for (key, max) in [("title", 256), ("description", 4096)] {
        if let Some(text) = counted(form, embed.get(key), &at(path, key), max, total) {
            out.insert(key.into(), json!(text));
        }
    }
    if let Some(link) = url(form, embed.get("url"), &at(path, "url"), false) {
        out.insert("url".into(), json!(link));
    }
    if let Some(color) = form.integer(embed.get("color"), &at(path, "color"), 0..=0xFF_FFFF) {
        out.insert("color".into(), json!(color));
    }
    if let Some(stamp) = form.text(embed.get("timestamp"), &at(path, "timestamp"), 1..=64) {
        out.insert("timestamp".into(), json!(stamp));
    }
    for key in ["image", "thumbnail"] {
        if let Some(media) = embed.get(key).and_then(Value::as_object) {
            let path = at(&at(path, key), "url");
            if let Some(link) = url(form, media.get("url"), &path, true) {
                out.insert(key.into(), json!({"url": link}));
            }
        }
    }
    let named = [("footer", "text", 2048), ("author", "name", 256)];
    for (key, text_key, max) in named {
        let Some(part) = embed.get(key).and_then(Value::as_object) else {
            continue;
        };
        let path = at(path, key);
        let Some(text) = counted(form, part.get(text_key), &at(&path, text_key), max, total) else {
            continue;
        };
        let mut kept = Map::from_iter([(text_key.to_owned(), json!(text))]);
        for link_key in ["icon_url", "url"] {
            if let Some(link) = url(form, part.get(link_key), &at(&path, link_key), true) {
                kept.insert(link_key.into(), json!(link));
            }
        }
        out.insert(key.into(), Value::Object(kept));
    }
    if let Some(fields) = fields(form, embed.get("fields"), &at(path, "fields"), total) {
        out.insert("fields".into(), Value::Array(fields));
    }
    Value::Object(out)
}

fn fields(
    form: &mut Form,
    value: Option<&Value>,
    path: &str,
    total: &mut usize,
) -> Option<Vec<Value>> {
    let list = form.list(value, path)?;
    form.length(list.len(), path, 0..=MAX_FIELDS);
    let mut kept = Vec::with_capacity(list.len());
    for (index, field) in list.iter().enumerate() {
        let path = at(path, index);
        let Some(field) = form.object(field, &path) else {
            continue;
        };
        let mut part = |key: &str, max| {
            let path = at(&path, key);
            let text = counted(form, field.get(key), &path, max, total);
            if text.is_none() {
                form.required(&path);
            }
            text.unwrap_or_default()
        };
        let (name, text) = (part("name", 256), part("value", 1024));
        let inline = form.boolean(field.get("inline"), &at(&path, "inline"));
        kept.push(json!({"name": name, "value": text, "inline": inline.unwrap_or(false)}));
    }
    Some(kept)
}

/// A text without the spaces around it; it counts towards the total.
fn counted(
    form: &mut Form,
    value: Option<&Value>,
    path: &str,
    max: usize,
    total: &mut usize,
) -> Option<String> {
    let trimmed = value?.as_str().map(|text| json!(text.trim()));
    let text = form.text(trimmed.as_ref().or(value), path, 0..=max)?;
    *total += text.chars().count();
    (!text.is_empty()).then_some(text)
}

fn url(form: &mut Form, value: Option<&Value>, path: &str, attachments: bool) -> Option<String> {
    let text = form
        .text(value, path, 0..=2048)
        .filter(|text| !text.is_empty())?;
    let web = text.starts_with("http://") || text.starts_with("https://");
    if web || (attachments && text.starts_with("attachment://")) {
        return Some(text);
    }
    let scheme = text.split(':').next().unwrap_or_default();
    let message =
        format!("Scheme \"{scheme}\" is not supported. Scheme must be one of ('http', 'https').");
    form.error(path, "URL_TYPE_INVALID_SCHEME", message);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(embeds: Value) -> Value {
        let mut form = Form::default();
        check(&mut form, Some(&embeds), "embeds");
        if form.is_clean() {
            Value::Null
        } else {
            form.refusal().body()["errors"].clone()
        }
    }

    #[test]
    fn spaces_around_a_text_do_not_count() {
        let title = format!("   {}   ", "x".repeat(256));
        assert_eq!(errors(json!([{"title": title}])), Value::Null);
    }

    #[test]
    fn all_embeds_together_have_six_thousand_characters() {
        let long = "x".repeat(3001);
        assert_eq!(errors(json!([{"description": long}])), Value::Null);
        let both = errors(json!([{"description": long}, {"description": long}]));
        assert_eq!(
            both["embeds"]["_errors"][0]["code"],
            "MAX_EMBED_SIZE_EXCEEDED"
        );
    }

    #[test]
    fn fields_need_name_and_value() {
        let errors = errors(json!([{"fields": [{"name": "a"}]}]));
        assert_eq!(
            errors["embeds"]["0"]["fields"]["0"]["value"]["_errors"][0]["code"],
            "BASE_TYPE_REQUIRED"
        );
    }

    #[test]
    fn links_are_http_or_attachments() {
        let bad = errors(json!([{"image": {"url": "ftp://x"}}]));
        assert_eq!(
            bad["embeds"]["0"]["image"]["url"]["_errors"][0]["code"],
            "URL_TYPE_INVALID_SCHEME"
        );
        assert_eq!(
            errors(json!([{"image": {"url": "attachment://a.png"}}])),
            Value::Null
        );
    }
}
