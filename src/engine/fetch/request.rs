//! A request of a plugin's own: a question to a service, and its whole answer.
//!
//! The same checks as for everything that is fetched: addresses after DNS resolution, time, size. It
//! follows no redirect, since what it carries was meant for one host: a plugin that wants to go on asks
//! again, and is asked for its grant again.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::address::Barrier;
use super::client::barrier;
use super::{FetchError, Fetcher, shown};
use crate::rest::innermost;

/// The largest answer, whatever was asked for.
pub const MOST_BYTES: u64 = 32 << 20;
/// The longest a request may take, whatever was asked for.
pub const LONGEST: Duration = Duration::from_secs(120);
/// Headers of an answer that are handed on; those that matter come early.
const MAX_HEADERS: usize = 64;

/// What to ask.
#[derive(Clone, PartialEq, Eq)]
pub struct WebRequest {
    /// `GET` or `POST`.
    pub post: bool,
    /// Where, `http://` or `https://`.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent along.
    pub body: Vec<u8>,
    /// A longer answer is refused, in bytes; up to [`MOST_BYTES`].
    pub max_bytes: u64,
    /// The whole of it takes no longer; up to [`LONGEST`].
    pub timeout: Duration,
}

impl std::fmt::Debug for WebRequest {
    /// Headers carry keys, and bodies what people write: neither is ever shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebRequest")
            .field("post", &self.post)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What came back; any status is an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAnswer {
    /// HTTP status.
    pub status: u16,
    /// Names in small letters, and values that are text.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Fetcher {
    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// See [`FetchError`]; a status that is no success is none.
    pub async fn request(&self, request: &WebRequest) -> Result<WebAnswer, FetchError> {
        let bad = || FetchError::BadUrl(super::without_tail(&request.url));
        let url = Url::parse(&request.url).map_err(|_| bad())?;
        let client = self.client_to_ask(&url)?;
        let shown = shown(&url);
        let method = if request.post {
            Method::POST
        } else {
            Method::GET
        };
        let patience = request.timeout.min(LONGEST);
        let until = Instant::now() + patience;
        let too_slow = |_| FetchError::TooSlow {
            url: shown.clone(),
            reason: format!("it was not answered within {} s", patience.as_secs()),
        };
        let sent = client
            .request(method, url)
            .headers(headers(&request.headers).ok_or_else(bad)?)
            .body(request.body.clone())
            .send();
        let response = timeout_at(until, sent).await.map_err(too_slow)?;
        let response = response.map_err(|error| match barrier(&error) {
            Some(Barrier::Private) => FetchError::PrivateAddress(shown.clone()),
            _ => FetchError::Network {
                url: shown.clone(),
                reason: innermost(error),
            },
        })?;
        let limit = request.max_bytes.min(MOST_BYTES);
        let read = read(response, limit, &shown);
        timeout_at(until, read).await.map_err(too_slow)?
    }

    /// Who may ask there. What the operator allows may be on this machine.
    fn client_to_ask(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        let origin = url.origin().ascii_serialization();
        if matches!(url.scheme(), "http" | "https") && self.asked_origins.contains(&origin) {
            return Ok(&self.trusted);
        }
        match self.reach.check(url) {
            Ok(()) => Ok(&self.asking),
            Err(Barrier::Private) => Err(FetchError::PrivateAddress(shown(url))),
            Err(_) => Err(FetchError::BadUrl(shown(url))),
        }
    }
}

/// `None` when one of them is none.
fn headers(list: &[(String, String)]) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value).ok()?;
        // Not even in the HTTP client's own debugging words.
        value.set_sensitive(true);
        map.insert(name, value);
    }
    Some(map)
}

async fn read(response: Response, limit: u64, shown: &str) -> Result<WebAnswer, FetchError> {
    let too_large = || FetchError::AnswerTooLarge {
        url: shown.to_owned(),
        limit,
    };
    let status = response.status().as_u16();
    let text = |value: &HeaderValue| Some(value.to_str().ok()?.to_owned());
    let headers: Vec<(String, String)> = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
        .take(MAX_HEADERS)
        .collect();
    let encoding = response.headers().get(CONTENT_ENCODING).and_then(text);
    if let Some(encoding) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let encoding = encoding.chars().take(20).collect();
        let url = shown.to_owned();
        return Err(FetchError::Compressed { url, encoding });
    }
    if response.content_length().is_some_and(|len| len > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| FetchError::Network {
            url: shown.to_owned(),
            reason: innermost(error),
        })?;
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(WebAnswer {
        status,
        headers,
        body,
    })
}
