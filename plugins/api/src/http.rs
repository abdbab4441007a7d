//! Questions to services on the web, through the host's one checked fetcher.
//!
//! ```
//! # use mynah_plugin::*;
//! # fn ask<P: Plugin>(cx: &mut Cx<'_, P>) {
//! let asked = cx.http(&Request::get("https://api.example.com/weather?city=Oslo"));
//! cx.spawn(asked, |_plugin: &mut P, cx, answer| match answer {
//!     Ok(answer) if answer.is_success() => cx.info(&answer.text()),
//!     Ok(answer) => cx.warn(&format!("the service answered {}", answer.status)),
//!     Err(error) => error.log(cx, "asking for the weather"),
//! });
//! # }
//! ```

use crate::{Call, Cx, Error, Host, Plugin, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use std::{collections::BTreeMap, fmt, time::Duration};

/// One question. Needs `net.http:<host>`; addresses that are not public are refused unless the operator
/// names them in `[net] private_origins`. Redirects are answers: ask again if you want to follow.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    method: &'static str,
    url: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    max_bytes: u64,
    timeout: Duration,
}

impl fmt::Debug for Request {
    /// Headers carry keys, addresses and bodies may: none of them is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Request {
    fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: BTreeMap::new(),
            body: Vec::new(),
            max_bytes: 1 << 20,
            timeout: Duration::from_secs(30),
        }
    }

    /// Asks for what is there.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Sends something there.
    #[must_use]
    pub fn post(url: impl Into<String>, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = Self::new("POST", url).header("content-type", content_type);
        request.body = body.into();
        request
    }

    /// Sends anything serde can write, as JSON.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it can not be written as JSON.
    pub fn post_json(url: impl Into<String>, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body)?;
        Ok(Self::post(url, "application/json", body))
    }

    /// Sets a header, at most 32 of them. Those of the connection itself are refused.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// A longer answer is refused: 1 MiB unless said otherwise, 16 MiB at most.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The whole answer has to be there by then: 30 s unless said otherwise, 2 min at most.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }
}

/// What a service answered; any status is an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAnswer {
    /// HTTP status.
    pub status: u16,
    /// By their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// All of it.
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Json {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    base64: String,
}

impl WebAnswer {
    /// 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a type.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not JSON of that form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// What a host answers: for the scripts of [`crate::testing::Stage`].
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "status": self.status, "headers": self.headers,
            "base64": BASE64_STANDARD.encode(&self.body),
        })
    }
}

impl Host {
    /// Asks a service on the web.
    pub fn http(&self, request: &Request) -> Call<WebAnswer> {
        let args = json!({
            "method": request.method, "url": request.url, "headers": request.headers,
            "base64": BASE64_STANDARD.encode(&request.body), "max_bytes": request.max_bytes,
            "timeout_ms": u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX),
        });
        Call {
            op: self.op("http.request", args),
            read: |body| {
                let Json {
                    status,
                    headers,
                    base64,
                } = serde_json::from_value(body)?;
                let body = BASE64_STANDARD.decode(base64).map_err(Error::invalid)?;
                Ok(WebAnswer {
                    status,
                    headers,
                    body,
                })
            },
        }
    }
}

impl<P: Plugin> Cx<'_, P> {
    /// Asks a service on the web.
    pub fn http(&self, request: &Request) -> Call<WebAnswer> {
        self.host().http(request)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_printed_with_its_request() {
        let request = Request::post_json("https://a/?key=hunter2", &json!({ "a": "hunter2" }));
        let request = request.unwrap().header("authorization", "Bearer hunter2");
        assert!(!format!("{request:?}").contains("hunter2"), "{request:?}");
    }

    #[test]
    fn an_answer_is_read_as_text_and_as_json() {
        let answer = WebAnswer {
            status: 201,
            headers: BTreeMap::new(),
            body: b"{\"n\":4}".to_vec(),
        };
        assert!(answer.is_success());
        assert_eq!(answer.text(), "{\"n\":4}");
        assert_eq!(answer.json::<BTreeMap<String, u8>>().unwrap()["n"], 4);
        assert!(answer.json::<u8>().is_err());
        assert_eq!(answer.to_json()["base64"], "eyJuIjo0fQ==");
    }
}
