//! Requests as handlers see them, and replies.

use std::str::FromStr;

use bytes::Bytes;
use mynah_wire::UserId;
use serde_json::Value;

use super::{Form, Refusal};
use crate::realm::Realm;

/// A request whose body has been read and parsed.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub authorization: Option<String>,
    pub body: Body,
}

/// A body: JSON with any number of files.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// Null without a body.
    pub json: Value,
    pub files: Vec<Upload>,
}

/// One file part of a multipart body.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    /// `n` of `files[n]`.
    pub index: Option<u64>,
    pub filename: String,
    pub content_type: String,
    pub bytes: Bytes,
}

impl Request {
    /// The token of `Authorization: Bot …`.
    pub fn bot_token(&self) -> Option<&str> {
        self.authorization.as_deref()?.strip_prefix("Bot ")
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A boolean query parameter: `true`, `True` or `1` (rest.md section 1).
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.query(name), Some("true" | "True" | "1"))
    }
}

/// A request on its way through a handler.
pub(crate) struct Call<'a> {
    pub realm: &'a mut Realm,
    pub request: &'a Request,
    pub bot: Option<UserId>,
    pub params: Vec<(&'static str, String)>,
}

impl<'a> Call<'a> {
    /// The bot that asks.
    pub fn bot(&self) -> Result<UserId, Refusal> {
        self.bot.ok_or_else(Refusal::unauthorized)
    }

    /// A segment of the path.
    pub fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// A snowflake in the path.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<T, Refusal> {
        let text = self.param(name);
        text.parse().map_err(|_| {
            let mut form = Form::default();
            let message = format!("Value \"{text}\" is not snowflake.");
            form.error(name, "NUMBER_TYPE_COERCE", message);
            form.refusal()
        })
    }

    /// The JSON body.
    pub fn json(&self) -> &'a Value {
        &self.request.body.json
    }

    /// The JSON body, which has to be an object.
    pub fn object(&self) -> Result<&'a serde_json::Map<String, Value>, Refusal> {
        self.json().as_object().ok_or_else(|| {
            let mut form = Form::default();
            form.error(
                "",
                "DICT_TYPE_CONVERT",
                "Only dictionaries may be used in a DictType",
            );
            form.refusal()
        })
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub body: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// 204.
    pub fn empty() -> Self {
        Self {
            status: 204,
            body: None,
            headers: Vec::new(),
        }
    }

    /// 200.
    pub fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    /// Any status with a body.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            headers: Vec::new(),
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, refusal.body())
    }
}

/// `%XX` to bytes, bytes to text; what is not UTF-8 becomes U+FFFD.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
