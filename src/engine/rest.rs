//! REST: one thin client that respects the rate limits (rest.md sections 1 and 2).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_session::rest::{Buckets, Decision, Limits, Route};
use mynah_wire::Secret;
use reqwest::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::turns::Turns;
use crate::{BotConfig, RestError, StartError, clock};

/// Discord wants `DiscordBot (url, version)`; anything else may be blocked (code 40333).
pub const USER_AGENT: &str = concat!(
    "DiscordBot (https://github.com/mynah-bot/mynah, ",
    env!("CARGO_PKG_VERSION"),
    ")"
);

const API_VERSION: u8 = 10;
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Tries for one call: 429s and server errors (rest.md section 2 recommends about five).
const MAX_TRIES: u32 = 5;
/// A caller waits no longer than this for a rate limit.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// A file to upload.
#[derive(Clone, Debug)]
pub struct File {
    /// Name shown to people.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// The REST client of one bot.
pub struct Rest {
    http: reqwest::Client,
    base: String,
    token: Secret,
    buckets: Mutex<Buckets>,
    turns: Turns,
    /// After a 401 nothing is sent any more: Cloudflare bans callers that go on.
    unauthorized: AtomicBool,
}

impl Rest {
    /// A client for `config.api_base`.
    ///
    /// # Errors
    /// The TLS settings are unusable.
    pub fn new(config: &BotConfig, tls: &Arc<ClientConfig>) -> Result<Self, StartError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(tls))
            .user_agent(USER_AGENT)
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            // Tokens must never follow a redirect.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| StartError::Certificate(error.to_string()))?;
        Ok(Self {
            http,
            base: format!("{}/v{API_VERSION}", config.api_base.trim_end_matches('/')),
            token: config.token.clone(),
            buckets: Mutex::new(Buckets::new(clock::now())),
            turns: Turns::default(),
            unauthorized: AtomicBool::new(false),
        })
    }

    /// GET as a type.
    ///
    /// # Errors
    /// See [`RestError`]; an unexpected shape is reported as a network error.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, RestError> {
        let body = self.call("GET", path, None, Vec::new()).await?;
        serde_json::from_value(body).map_err(|error| RestError::Network {
            method: "GET".to_owned(),
            path: path.to_owned(),
            reason: format!("the answer has an unexpected shape: {error}"),
        })
    }

    /// One call; waits for rate limits, repeats what may be repeated. Changes of the same thing (PATCH and
    /// PUT of one address) go one after the other, in the order of the calls.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        files: Vec<File>,
    ) -> Result<Value, RestError> {
        let verb = Method::from_bytes(method.as_bytes())
            .map_err(|_| RestError::BadCall(method.to_owned()))?;
        if !is_plain_path(path) {
            return Err(RestError::BadCall(masked(path)));
        }
        let call = Call {
            rest: self,
            verb,
            path,
            route: Route::of(method, path),
            body,
            files,
        };
        let changes = matches!(call.verb, Method::PATCH | Method::PUT);
        let _turn = match changes {
            true => Some(self.turns.take(format!("{method} {path}")).await),
            false => None,
        };
        call.run().await
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Call<'a> {
    rest: &'a Rest,
    verb: Method,
    path: &'a str,
    route: Route,
    body: Option<Value>,
    files: Vec<File>,
}

impl Call<'_> {
    async fn run(&self) -> Result<Value, RestError> {
        let mut last = None;
        for attempt in 0..MAX_TRIES {
            if self.rest.unauthorized.load(Ordering::Relaxed) {
                return Err(RestError::Unauthorized);
            }
            let slot = self.wait_for_permit().await?;
            let sent = self.request().send().await;
            let response = match sent {
                Ok(response) => response,
                Err(error) => {
                    // Nothing has arrived where no connection was made.
                    let harmless = self.repeatable() || error.is_connect();
                    slot.failed();
                    let error = self.network(error);
                    // A request that may have arrived is only repeated when that does no harm.
                    if !harmless || attempt + 1 == MAX_TRIES {
                        return Err(error);
                    }
                    last = Some(error);
                    tokio::time::sleep(pause(attempt)).await;
                    continue;
                }
            };
            let status = response.status();
            let limits = limits(status, response.headers());
            let text = response.text().await.unwrap_or_default();
            let limits = with_body(limits, status, &text);
            slot.answered(&limits);
            match status {
                StatusCode::UNAUTHORIZED if !self.route.is_interaction() => {
                    self.rest.unauthorized.store(true, Ordering::Relaxed);
                    return Err(RestError::Unauthorized);
                }
                StatusCode::TOO_MANY_REQUESTS => {
                    last = Some(self.api_error(status, &text));
                }
                status if status.is_server_error() => {
                    last = Some(self.api_error(status, &text));
                    tokio::time::sleep(pause(attempt)).await;
                }
                status if status.is_success() => {
                    return Ok(serde_json::from_str(&text).unwrap_or(Value::Null));
                }
                status => return Err(self.api_error(status, &text)),
            }
        }
        Err(last.unwrap_or_else(|| RestError::BadCall(masked(self.path))))
    }

    async fn wait_for_permit(&self) -> Result<Slot<'_>, RestError> {
        let mut waited = Duration::ZERO;
        loop {
            let decision = self.rest.buckets().request(clock::now(), &self.route);
            let wait = match decision {
                Decision::Send => {
                    return Ok(Slot {
                        rest: self.rest,
                        route: &self.route,
                        taken: true,
                    });
                }
                Decision::Delay(until) => until.saturating_duration_since(clock::now()),
            };
            let wait = wait.max(Duration::from_millis(1));
            waited += wait;
            if waited > MAX_WAIT {
                return Err(RestError::RateLimited {
                    method: self.verb.to_string(),
                    path: masked(self.path),
                    wait,
                });
            }
            tracing::debug!(path = masked(self.path), ?wait, "rate limited");
            tokio::time::sleep(wait).await;
        }
    }

    fn request(&self) -> reqwest::RequestBuilder {
        let url = format!("{}{}", self.rest.base, self.path);
        let request = self.rest.http.request(self.verb.clone(), url);
        // Interaction and webhook routes carry their own token in the path (rest.md section 1).
        let request = if self.route.is_interaction() {
            request
        } else {
            request.header(AUTHORIZATION, format!("Bot {}", self.rest.token.expose()))
        };
        if !self.files.is_empty() {
            return request.multipart(self.form());
        }
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// `payload_json` plus `files[n]` (rest.md section 4).
    fn form(&self) -> reqwest::multipart::Form {
        use reqwest::multipart::{Form, Part};
        let json = self
            .body
            .as_ref()
            .map_or_else(|| "{}".to_owned(), Value::to_string);
        let payload = Part::text(json.clone())
            .mime_str("application/json")
            .unwrap_or_else(|_| Part::text(json));
        let form = Form::new().part("payload_json", payload);
        self.files.iter().enumerate().fold(form, |form, (n, file)| {
            let part = || Part::bytes(file.bytes.clone()).file_name(file.name.clone());
            let part = part()
                .mime_str(&file.content_type)
                .unwrap_or_else(|_| part());
            form.part(format!("files[{n}]"), part)
        })
    }

    fn repeatable(&self) -> bool {
        matches!(self.verb, Method::GET | Method::PUT | Method::DELETE)
    }

    fn network(&self, error: reqwest::Error) -> RestError {
        RestError::Network {
            method: self.verb.to_string(),
            path: masked(self.path),
            reason: innermost(error),
        }
    }

    fn api_error(&self, status: StatusCode, text: &str) -> RestError {
        let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let message = body
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or("no explanation");
        let fields = body
            .get("errors")
            .map(|errors| format!(": {errors}"))
            .unwrap_or_default();
        RestError::Api {
            method: self.verb.to_string(),
            path: masked(self.path),
            status: status.as_u16(),
            code: body.get("code").and_then(Value::as_u64).unwrap_or(0),
            message: format!("{message}{fields}"),
        }
    }
}

/// A place in a rate-limit bucket, held until the answer is there. A caller may stop waiting at any
/// await: then the place is free at once, for the next call of that route.
#[must_use = "dropping it gives the place back"]
struct Slot<'a> {
    rest: &'a Rest,
    route: &'a Route,
    taken: bool,
}

impl Slot<'_> {
    fn answered(mut self, limits: &Limits) {
        self.taken = false;
        let mut buckets = self.rest.buckets();
        buckets.answered(clock::now(), self.route, limits);
    }

    /// No answer will come, and nothing was used up.
    fn failed(mut self) {
        self.taken = false;
        self.rest.buckets().failed(clock::now(), self.route);
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if self.taken {
            self.rest.buckets().given_up(clock::now(), self.route);
        }
    }
}

/// What lies at the bottom of a failed request. Never its address: that may hold a token.
pub(crate) fn innermost(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut source: &dyn std::error::Error = &error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}

/// 0.25, 0.5, 1, 2 s.
fn pause(attempt: u32) -> Duration {
    Duration::from_millis(250 << attempt.min(4))
}

/// Whether a path means to Discord what it says here: no dot segments in any spelling, no
/// backslashes (a URL takes them for slashes), no fragment that would cut off the rest. Otherwise a
/// caller could name one route, for grants and rate limits, and reach another.
pub fn is_plain_path(path: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '\\');
    let route = path.split('?').next().unwrap_or(path);
    path.starts_with('/')
        && !path.contains(odd)
        && !path.contains("..")
        && !route.to_ascii_lowercase().contains("%2e")
        && !route.split('/').any(|part| part == ".")
}

/// A path without interaction and webhook tokens, for errors and logs.
fn masked(path: &str) -> String {
    let has_token = path.starts_with("/interactions/") || path.starts_with("/webhooks/");
    let shown = |(place, part): (usize, &'_ str)| {
        let hidden = has_token && place == 3 || part.len() > 30;
        if hidden {
            "…".to_owned()
        } else {
            part.to_owned()
        }
    };
    let parts: Vec<String> = path.split('/').enumerate().map(shown).collect();
    parts.join("/")
}

fn limits(status: StatusCode, headers: &HeaderMap) -> Limits {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let seconds = |name: &str| {
        text(name)
            .and_then(|text| text.parse::<f64>().ok())
            .and_then(duration)
    };
    Limits {
        bucket: text("x-ratelimit-bucket").map(str::to_owned),
        limit: text("x-ratelimit-limit").and_then(|text| text.parse().ok()),
        remaining: text("x-ratelimit-remaining").and_then(|text| text.parse().ok()),
        reset_after: seconds("x-ratelimit-reset-after"),
        retry_after: (status == StatusCode::TOO_MANY_REQUESTS)
            .then(|| seconds(RETRY_AFTER.as_str()))
            .flatten(),
        global: text("x-ratelimit-global").is_some(),
    }
}

/// The body of a 429 knows the wait more exactly than the header's whole seconds.
fn with_body(mut limits: Limits, status: StatusCode, text: &str) -> Limits {
    if status == StatusCode::TOO_MANY_REQUESTS {
        let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let exact = body
            .get("retry_after")
            .and_then(Value::as_f64)
            .and_then(duration);
        limits.retry_after = exact
            .or(limits.retry_after)
            .or(Some(Duration::from_secs(1)));
        limits.global |= body.get("global").and_then(Value::as_bool).unwrap_or(false);
    }
    limits
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_paths_are_masked() {
        let token = "aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OTA";
        let shown = masked(&format!(
            "/webhooks/90000000000000001/{token}/messages/@original"
        ));
        assert_eq!(shown, "/webhooks/90000000000000001/…/messages/@original");
        assert_eq!(
            masked("/interactions/1/short/callback"),
            "/interactions/1/…/callback"
        );
    }

    #[test]
    fn a_path_that_would_reach_another_route_than_it_names_is_refused() {
        for path in [
            "/channels/1#/messages",
            "/channels/1/messages/%2e%2E/%2e./x",
            "/channels/1/messages/../../2",
            "/channels/1/messages/./2",
            "/channels\\1",
            "/channels/1/mess\tages",
            "channels/1",
            "",
        ] {
            assert!(!is_plain_path(path), "{path}");
        }
        for path in [
            "/channels/1/messages?after=1.5&x=%2E",
            "/channels/1/messages/2/reactions/%F0%9F%8E%B5/@me",
            "/channels/1/messages/2/reactions/🎵/@me",
            "/webhooks/1/aW5.x-_y/messages/@original",
        ] {
            assert!(is_plain_path(path), "{path}");
        }
    }

    #[tokio::test]
    async fn a_failed_request_never_tells_its_address() {
        let tls = crate::connect::tls(None).unwrap();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&tls))
            .no_proxy()
            .build()
            .unwrap();
        for url in [
            "http://127.0.0.1:1/secret",
            "nonsense://x/secret",
            "http://[/secret",
        ] {
            let error = http.get(url).send().await.unwrap_err();
            let said = innermost(error);
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[tokio::test]
    async fn a_call_dropped_on_its_way_makes_room_for_the_next_one_at_once() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let tls = crate::connect::tls(None).unwrap();
        let config = BotConfig::new(Secret::new("t"), base);
        let rest = Rest::new(&config, &tls).unwrap();
        let call = || rest.call("GET", "/users/@me", None, Vec::new());
        // The first caller gives up once its request has arrived.
        let arrived = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream
        };
        let unanswered = tokio::select! {
            answer = call() => panic!("{answer:?}"),
            stream = arrived => stream,
        };
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
            stream.write_all(answer).await.unwrap();
        };
        let began = clock::now();
        let (answer, ()) = tokio::join!(call(), answering);
        assert_eq!(answer.unwrap(), serde_json::json!({}));
        assert!(began.elapsed() < Duration::from_secs(5), "it had to wait");
        drop(unanswered);
    }

    #[tokio::test]
    async fn an_edit_that_met_a_limit_is_not_overtaken_by_the_next_one() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let tls = crate::connect::tls(None).unwrap();
        let rest = Rest::new(&BotConfig::new(Secret::new("t"), base), &tls).unwrap();
        let edit = |text: &str| {
            let body = serde_json::json!({ "content": text });
            rest.call("PATCH", "/channels/1/messages/2", Some(body), Vec::new())
        };
        // The first request is told to come again; then everything is welcome.
        let answering = async {
            let mut came = Vec::new();
            while came.len() < 3 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"}") {
                    asked.push(stream.read_u8().await.unwrap());
                }
                let body = if came.is_empty() {
                    r#"{"retry_after":0.05}"#
                } else {
                    "{}"
                };
                let status = if came.is_empty() {
                    "429 Too Many Requests"
                } else {
                    "200 OK"
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                came.push(String::from_utf8(asked).unwrap().contains("older"));
            }
            came
        };
        let (older, newer, came) = tokio::join!(edit("older"), edit("newer"), answering);
        assert!(older.is_ok() && newer.is_ok());
        assert_eq!(came, [true, true, false]);
    }

    #[test]
    fn the_body_of_a_429_wins_over_its_header() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "2".parse().unwrap());
        headers.insert("x-ratelimit-remaining", "0".parse().unwrap());
        let status = StatusCode::TOO_MANY_REQUESTS;
        let read = with_body(
            limits(status, &headers),
            status,
            r#"{"retry_after":1.337,"global":true}"#,
        );
        assert_eq!(read.retry_after, Some(Duration::from_millis(1337)));
        assert_eq!((read.remaining, read.global), (Some(0), true));
        let bare = with_body(limits(status, &HeaderMap::new()), status, "banned");
        assert_eq!(bare.retry_after, Some(Duration::from_secs(1)));
    }
}
