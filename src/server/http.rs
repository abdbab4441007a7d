//! The HTTP shell: one port for gateway, REST, control and files.
//!
//! A request is read completely and with limits, answered by code that does not wait, and written.
//! Only control calls and websockets live longer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HOST, ORIGIN,
    VIA,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use mynah_wire::AttachmentId;
use serde_json::{Map, Value, json};

use crate::clock;
use crate::control::{self, Answer, Ask, Problem};
use crate::gateway::shell;
use crate::rest::{self, Form, Refusal, Reply, Upload};
use crate::server::Shared;

/// A whole REST request (rest.md section 4), with room for the multipart wrapping.
const MAX_REST_BYTES: usize = (25 << 20) + (64 << 10);
/// A control request is a small JSON object.
const MAX_CONTROL_BYTES: usize = 1 << 20;
/// A body that is not here by then will not come.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Parts of a multipart body: 10 files and the loose fields.
const MAX_PARTS: usize = 40;

/// The one service of the port.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .fallback(serve)
        // Bodies are limited where they are read; axum's own 2 MB would cut attachments.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn serve(State(shared): State<Arc<Shared>>, mut request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if matches!(path.as_str(), "/" | "/gateway" | "/gateway/") && shell::is_upgrade(&request) {
        return shell::accept(&shared, &mut request);
    }
    if path == "/" {
        return index(&shared);
    }
    if let Some(rest) = path
        .strip_prefix("/control")
        .filter(|rest| rest.starts_with('/'))
    {
        return control_call(&shared, rest.to_owned(), request).await;
    }
    if let Some(rest) = path.strip_prefix("/attachments/") {
        return attachment(&shared, rest);
    }
    let reply = match read_rest(request).await {
        Ok(request) => rest::handle(clock::now(), &mut shared.realm(), &request),
        Err(refusal) => refusal.into(),
    };
    json_response(reply)
}

/// What a browser or a curious person sees.
fn index(shared: &Shared) -> Response {
    let realm = shared.realm();
    let base = realm.base_url();
    json_response(Reply::ok(json!({
        "server": "mynah", "api": format!("{base}/api"), "gateway": realm.gateway_url(),
        "control": format!("{base}/control"),
    })))
}

/// Content-Type is exactly `application/json`: with a charset discord.py's login fails. `Via` is
/// there because clients take a 429 without it for a ban (interop.md section 8, rest.md section 2).
fn json_response(reply: Reply) -> Response {
    let body = reply
        .body
        .as_ref()
        .map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if reply.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(VIA, HeaderValue::from_static("1.1 mynah"));
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn query(request: &Request) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

async fn read_rest(request: Request) -> Result<rest::Request, Refusal> {
    let mut read = rest::Request {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: query(&request),
        authorization: text(request.headers(), &AUTHORIZATION).map(str::to_owned),
        body: rest::Body::default(),
    };
    let (parts, body) = request.into_parts();
    let bytes = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_REST_BYTES)).await;
    let bytes = bytes.map_err(|_| Refusal::new(408, 0, "408: Request Timeout"))?;
    let bytes = bytes.map_err(|_| Refusal::new(413, 40005, "Request entity too large"))?;
    if bytes.is_empty() {
        return Ok(read);
    }
    let kind = text(&parts.headers, &CONTENT_TYPE)
        .unwrap_or_default()
        .to_owned();
    if kind.starts_with("application/json") {
        read.body.json = serde_json::from_slice(&bytes).map_err(|_| invalid_json())?;
    } else if kind.starts_with("multipart/form-data") {
        let request = Request::from_parts(parts, Body::from(bytes));
        read.body = multipart(request).await?;
    } else if kind.starts_with("application/x-www-form-urlencoded") {
        read.body.json = urlencoded(&bytes)?;
    } else {
        let mut form = Form::default();
        let message = "Expected \"Content-Type\" header to be one of {'application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'}.";
        form.error("", "CONTENT_TYPE_INVALID", message);
        return Err(form.refusal());
    }
    Ok(read)
}

const fn invalid_json() -> Refusal {
    Refusal::new(400, 50109, "The request body contains invalid JSON.")
}

/// `payload_json`, `files[n]` and loose fields (rest.md section 4).
async fn multipart(request: Request) -> Result<rest::Body, Refusal> {
    let broken = || {
        let mut form = Form::default();
        form.error(
            "",
            "MULTIPART_INVALID",
            "The multipart body could not be read.",
        );
        form.refusal()
    };
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|_| broken())?;
    let mut body = rest::Body::default();
    let mut loose = Map::new();
    for _ in 0..MAX_PARTS {
        let Some(part) = parts.next_field().await.map_err(|_| broken())? else {
            break;
        };
        let name = part.name().unwrap_or_default().to_owned();
        let filename = part.file_name().map(str::to_owned);
        let kind = part.content_type().map(str::to_owned);
        let bytes = part.bytes().await.map_err(|_| broken())?;
        match (name.as_str(), filename) {
            ("payload_json", _) => {
                body.json = serde_json::from_slice(&bytes).map_err(|_| invalid_json())?;
            }
            (_, Some(filename)) => body.files.push(Upload {
                index: file_index(&name),
                filename,
                content_type: kind.unwrap_or_else(|| "application/octet-stream".to_owned()),
                bytes,
            }),
            (_, None) => {
                let text = String::from_utf8(bytes.to_vec()).map_err(|_| broken())?;
                loose.insert(name, Value::String(text));
            }
        }
    }
    if body.json.is_null() {
        body.json = Value::Object(loose);
    }
    Ok(body)
}

/// A form without files: aiohttp writes it like this, so py-cord answers interactions with it.
fn urlencoded(bytes: &[u8]) -> Result<Value, Refusal> {
    let mut loose = Map::new();
    for (name, value) in url::form_urlencoded::parse(bytes) {
        if name == "payload_json" {
            return serde_json::from_str(&value).map_err(|_| invalid_json());
        }
        loose.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    Ok(Value::Object(loose))
}

/// `n` of `files[n]`.
fn file_index(name: &str) -> Option<u64> {
    name.strip_prefix("files[")?.strip_suffix(']')?.parse().ok()
}

/// `/attachments/{channel}/{id}/{filename}`.
fn attachment(shared: &Shared, rest: &str) -> Response {
    let mut parts = rest.split('/');
    let id = parts.nth(1).and_then(|id| id.parse::<AttachmentId>().ok());
    let filename = parts.next().unwrap_or_default();
    let realm = shared.realm();
    let file = id.and_then(|id| realm.store.file(id));
    let Some(file) = file.filter(|file| file.filename == filename) else {
        return json_response(Refusal::new(404, 0, "404: Not Found").into());
    };
    let mut response = Response::new(Body::from(file.bytes.clone()));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(&file.content_type);
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_TYPE, kind);
    // Never shown in the browser as a page of this origin: what is uploaded is not ours.
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=86400"),
    );
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    response
}

async fn control_call(shared: &Arc<Shared>, path: String, request: Request) -> Response {
    let result = match permitted(shared, request.headers()) {
        Ok(()) => run_control(shared, path, request).await,
        Err(problem) => Err(problem),
    };
    match result {
        Ok(Answer::Json(value)) => json_response(Reply::ok(value)),
        Ok(Answer::Sound {
            bytes,
            content_type,
            stats,
        }) => {
            let mut response = Response::new(Body::from(bytes));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            if let Ok(stats) = HeaderValue::from_str(&stats) {
                headers.insert(HeaderName::from_static("x-voice-stats"), stats);
            }
            response
        }
        Err(problem) => json_response(Reply::json(problem.status, problem.body())),
    }
}

async fn run_control(
    shared: &Arc<Shared>,
    path: String,
    request: Request,
) -> Result<Answer, Problem> {
    let method = request.method().to_string();
    let query = query(&request);
    let read = to_bytes(request.into_body(), MAX_CONTROL_BYTES);
    let bytes = tokio::time::timeout(BODY_TIMEOUT, read).await;
    let bytes = bytes.map_err(|_| {
        let hint = "is Content-Length right?";
        Problem::new(408, "the body did not arrive", hint)
    })?;
    let bytes = bytes.map_err(|_| {
        let hint = format!("at most {MAX_CONTROL_BYTES} bytes; files are given by path");
        Problem::new(413, "the body is too large", hint)
    })?;
    let body = control::parse_body(&bytes)?;
    let ask = Ask {
        method,
        path,
        query,
        body,
    };
    control::handle(shared, ask).await
}

/// The control API can act as anybody and read files. On loopback it must still be closed to web
/// pages: a page of another origin sends `Origin`, and one that has rebound a DNS name to loopback
/// sends that name in `Host`.
fn permitted(shared: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(token) = &shared.control_token {
        let given = text(headers, &AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        if !given.is_some_and(|given| same(given, token.expose())) {
            let hint = "send `Authorization: Bearer` with the control token";
            return Err(Problem::new(
                401,
                "the control token is missing or wrong",
                hint,
            ));
        }
    }
    let host = text(headers, &HOST).unwrap_or_default();
    if shared.loopback && !is_local(host) {
        let hint = "use the address of the ready file";
        return Err(Problem::new(
            403,
            format!("`{host}` is not this machine"),
            hint,
        ));
    }
    if let Some(origin) = text(headers, &ORIGIN)
        && origin != format!("http://{host}")
    {
        let hint = "only pages of this server may use the control API";
        return Err(Problem::new(
            403,
            format!("`{origin}` is another origin"),
            hint,
        ));
    }
    Ok(())
}

/// Equal, in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes()
            .zip(b.bytes())
            .fold(0, |diff, (a, b)| diff | (a ^ b))
            == 0
}

/// `localhost`, or any literal address, with or without port: names are what rebinding needs.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || literal.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn only_literal_addresses_and_localhost_are_this_machine() {
        for host in [
            "localhost:80",
            "127.0.0.1:4000",
            "127.0.0.1",
            "[::1]:80",
            "LOCALHOST",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in ["evil.example:80", "localhost.evil.example", ""] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn file_parts_are_numbered() {
        assert_eq!(file_index("files[3]"), Some(3));
        assert_eq!(file_index("file"), None);
    }
}
