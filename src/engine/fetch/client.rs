//! One request, and what its answer says before the first byte.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use reqwest::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName,
    IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode};
use url::Url;

use super::FetchError;
use super::address::Barrier;
use crate::rest::innermost;

/// The bytes of an answer; an error ends them.
pub type Body = BoxStream<'static, Result<Bytes, String>>;

/// By what two answers are known to be of the same file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// `ETag`.
    pub tag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
    /// Length of the whole.
    pub len_bytes: Option<u64>,
}

impl Entity {
    /// What fits `If-Range`: a strong tag, else the date (RFC 9110 section 13.1.5).
    fn validator(&self) -> Option<&str> {
        let strong = self.tag.as_deref().filter(|tag| !tag.starts_with("W/"));
        strong.or(self.modified.as_deref())
    }

    /// What speaks against `other` being the same file.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        if let (Some(was), Some(is)) = (self.len_bytes, other.len_bytes)
            && was != is
        {
            return Some(format!("the file had {was} bytes and has {is} now"));
        }
        if differ(&self.tag, &other.tag) || differ(&self.modified, &other.modified) {
            return Some("the file was replaced by another one meanwhile".to_owned());
        }
        None
    }
}

/// An answer whose head was read.
pub struct Answer {
    /// What it is.
    pub entity: Entity,
    /// Place of the first byte.
    pub from: u64,
    /// Whether the server can begin anywhere.
    pub ranges: bool,
    /// The bytes from `from` on.
    pub body: Body,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("entity", &self.entity)
            .field("from", &self.from)
            .field("ranges", &self.ranges)
            .finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// For people.
    pub error: FetchError,
    /// Whether trying again may help.
    pub may_pass: bool,
}

impl From<FetchError> for Refused {
    fn from(error: FetchError) -> Self {
        Self {
            error,
            may_pass: false,
        }
    }
}

/// Asks for a file. A seam: what is made of the answers is tested in virtual time.
pub trait Ask: Send + Sync {
    /// Asks for the file from byte `from` on; `known` is what it was before.
    fn ask<'a>(
        &'a self,
        from: u64,
        known: Option<&'a Entity>,
    ) -> BoxFuture<'a, Result<Answer, Refused>>;

    /// The address as it may be shown.
    fn shown(&self) -> &str;
}

/// Asks the web.
pub struct Web {
    /// Checks addresses and redirects.
    pub client: reqwest::Client,
    /// What is asked for.
    pub url: Url,
    /// The same without query.
    pub shown: String,
    /// Longest time until the head of the answer is there.
    pub patience: Duration,
}

impl Ask for Web {
    fn ask<'a>(
        &'a self,
        from: u64,
        known: Option<&'a Entity>,
    ) -> BoxFuture<'a, Result<Answer, Refused>> {
        Box::pin(async move {
            let mut request = self.client.get(self.url.clone());
            // A decoder that unpacks 10 GB from 10 MB is not built in; what comes packed is refused.
            request = request.header(ACCEPT_ENCODING, "identity");
            request = request.header(RANGE, format!("bytes={from}-"));
            if let Some(validator) = known.filter(|_| from > 0).and_then(Entity::validator) {
                request = request.header(IF_RANGE, validator);
            }
            match tokio::time::timeout(self.patience, request.send()).await {
                Ok(Ok(response)) => read_head(response, from, &self.shown),
                Ok(Err(error)) => Err(why(error, &self.shown)),
                Err(_) => Err(Refused {
                    error: FetchError::TooSlow {
                        url: self.shown.clone(),
                        reason: format!("no answer within {} s", self.patience.as_secs()),
                    },
                    may_pass: true,
                }),
            }
        })
    }

    fn shown(&self) -> &str {
        &self.shown
    }
}

fn read_head(response: Response, asked_from: u64, shown: &str) -> Result<Answer, Refused> {
    let (url, status) = (shown.to_owned(), response.status());
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        // Asked from byte 0 on, a server with an empty file has nothing to give.
        let reason = format!("the file has no byte {asked_from} any more");
        return Err(match asked_from {
            0 => FetchError::Empty { url },
            _ => FetchError::Changed { url, reason },
        }
        .into());
    }
    if status.is_redirection() {
        // Within the web it would have been followed, unless its origin is one of the allowed ones.
        let reason = "it is redirected to where nothing is fetched from".to_owned();
        return Err(FetchError::Redirect { url, reason }.into());
    }
    if !status.is_success() || status == StatusCode::NO_CONTENT {
        let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        let status_code = status.as_u16();
        return Err(Refused {
            error: FetchError::Status {
                url,
                status: status_code,
            },
            may_pass: status.is_server_error() || passing.contains(&status),
        });
    }
    let headers = response.headers();
    let encoding = text(headers, CONTENT_ENCODING).unwrap_or_default();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        let encoding = encoding.chars().take(20).collect();
        return Err(FetchError::Compressed { url, encoding }.into());
    }
    let range = text(headers, CONTENT_RANGE).and_then(|range| part(&range));
    let (from, len_bytes) = match (status, range) {
        (StatusCode::PARTIAL_CONTENT, Some(range)) => range,
        (StatusCode::PARTIAL_CONTENT, None) => {
            let reason = "a part of the file without saying which".to_owned();
            return Err(FetchError::Network { url, reason }.into());
        }
        _ => (0, response.content_length()),
    };
    let is_part = status == StatusCode::PARTIAL_CONTENT;
    let entity = Entity {
        tag: text(headers, ETAG),
        modified: text(headers, LAST_MODIFIED),
        len_bytes,
    };
    let accepts = text(headers, ACCEPT_RANGES).is_some_and(|unit| unit.contains("bytes"));
    let chunks = response.bytes_stream();
    Ok(Answer {
        ranges: len_bytes.is_some() && (is_part || accepts),
        entity,
        from,
        body: chunks.map(|chunk| chunk.map_err(innermost)).boxed(),
    })
}

/// Headers longer than this are no tags and dates.
const MAX_HEADER_BYTES: usize = 256;

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (text.len() <= MAX_HEADER_BYTES).then(|| text.to_owned())
}

/// Reads `bytes 5-9/10` or `bytes 5-9/*`: the first byte, and the length of the whole.
fn part(range: &str) -> Option<(u64, Option<u64>)> {
    let (place, len) = range.strip_prefix("bytes ")?.split_once('/')?;
    let from = place.split_once('-')?.0.trim().parse().ok()?;
    Some((from, len.trim().parse().ok()))
}

/// Sorts an error of the client by what it means.
fn why(error: reqwest::Error, shown: &str) -> Refused {
    let url = shown.to_owned();
    match barrier(&error) {
        Some(Barrier::Private) => FetchError::PrivateAddress(url).into(),
        Some(barrier) => {
            let reason = barrier.to_string();
            FetchError::Redirect { url, reason }.into()
        }
        None => Refused {
            error: FetchError::Network {
                url,
                reason: innermost(error),
            },
            may_pass: true,
        },
    }
}

/// What kept a request from leaving this machine, if that is what failed.
pub fn barrier(error: &reqwest::Error) -> Option<Barrier> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(barrier) = error.downcast_ref::<Barrier>() {
            return Some(*barrier);
        }
        source = error.source();
    }
    None
}

/// Shares an asker between the first answer and the stream that goes on from it.
pub type Asker = Arc<dyn Ask>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_and_nonsense_is_not() {
        assert_eq!(part("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(part("bytes 0-/*"), Some((0, None)));
        for nonsense in [
            "bytes */10",
            "lines 5-9/10",
            "bytes -5/10",
            "bytes 5/10",
            "",
        ] {
            assert_eq!(part(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn another_length_tag_or_date_is_another_file_and_a_missing_one_is_not() {
        let entity = |tag: &str, len| Entity {
            tag: Some(tag.to_owned()),
            modified: None,
            len_bytes: len,
        };
        let known = entity("\"a\"", Some(10));
        assert_eq!(known.difference(&known.clone()), None);
        assert_eq!(known.difference(&Entity::default()), None);
        assert!(known.difference(&entity("\"b\"", Some(10))).is_some());
        assert!(known.difference(&entity("\"a\"", Some(11))).is_some());
        assert_eq!(known.validator(), Some("\"a\""));
        assert_eq!(
            entity("W/\"a\"", None).validator(),
            None,
            "a weak tag does not hold for parts"
        );
    }
}
