//! `http.request`: a question of a plugin's to a service on the web.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mynah_engine::{WebAnswer, WebRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::OpError;

/// Headers of one request.
const MAX_HEADERS: usize = 32;
/// Of all of them together, names and values.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// What may be sent along.
const MAX_BODY_BYTES: usize = 8 << 20;
/// The largest answer a plugin may ask for.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// What they are made of is the HTTP client's business.
const NOT_THEIRS: [&str; 7] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
];

#[derive(Deserialize)]
pub(super) struct Args {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    base64: String,
    #[serde(default = "max_bytes")]
    max_bytes: u64,
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
}

fn get() -> String {
    "GET".to_owned()
}

const fn max_bytes() -> u64 {
    1 << 20
}

const fn timeout_ms() -> u64 {
    30_000
}

/// Checked for form; where it goes is checked against the grants, and again by the fetcher.
pub(super) fn request(args: Args) -> Result<WebRequest, OpError> {
    let wrong = |words: String| Err(OpError::Invalid(format!("http.request: {words}")));
    let post = match args.method.as_str() {
        "GET" => false,
        "POST" => true,
        other => return wrong(format!("the method is GET or POST, not `{other}`")),
    };
    let bytes: usize = args.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
    if args.headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return wrong(format!(
            "{MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together are the most"
        ));
    }
    let theirs = |name: &&String| !NOT_THEIRS.contains(&name.to_ascii_lowercase().as_str());
    if let Some(name) = args.headers.keys().find(|name| !theirs(name)) {
        return wrong(format!("the header `{name}` is not a plugin's to set"));
    }
    if args.max_bytes > MAX_ANSWER_BYTES {
        return wrong(format!("max_bytes is {MAX_ANSWER_BYTES} at most"));
    }
    if args.base64.len() > MAX_BODY_BYTES / 3 * 4 + 4 {
        return wrong(format!("the body has {MAX_BODY_BYTES} bytes at most"));
    }
    let Ok(body) = BASE64_STANDARD.decode(args.base64) else {
        return wrong("the body is no base64".to_owned());
    };
    Ok(WebRequest {
        post,
        url: args.url,
        headers: args.headers.into_iter().collect(),
        body,
        max_bytes: args.max_bytes,
        timeout: Duration::from_millis(args.timeout_ms),
    })
}

/// `{status, headers, base64}`.
pub(crate) fn answer(answer: WebAnswer) -> Value {
    let headers: BTreeMap<String, String> = answer.headers.into_iter().collect();
    json!({
        "status": answer.status, "headers": headers, "base64": BASE64_STANDARD.encode(answer.body),
    })
}
