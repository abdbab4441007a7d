//! What can go wrong, by name.

use crate::abi;
use serde_json::Value;

/// The result of everything a plugin asks of the host.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// What went wrong; [`Error::remedy`] says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator has not granted the capability.
    #[error("not allowed: {0}")]
    Denied(String),
    /// Too much at once.
    #[error("busy: {0}")]
    Busy(String),
    /// The arguments make no sense.
    #[error("{0}")]
    Invalid(String),
    /// The thing addressed is gone, or the bot is stopping.
    #[error("gone: {0}")]
    Closed(String),
    /// The other side panicked.
    #[error("panicked: {0}")]
    Panicked(String),
    /// Not known or not offered by this host.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Discord refused a request.
    #[error("Discord answered {http} (code {code}): {message}")]
    Discord {
        /// HTTP status.
        http: u16,
        /// Discord's own error code, 0 if none.
        code: u64,
        /// Discord's words.
        message: String,
    },
    /// It was tried and did not work.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// It was tried and did not work.
    #[must_use]
    pub fn failed(why: impl core::fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }

    /// The arguments make no sense.
    #[must_use]
    pub fn invalid(why: impl core::fmt::Display) -> Self {
        Self::Invalid(why.to_string())
    }

    /// What whoever reads it can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Denied(_) => "add the capability to `grant` in the plugin's table of bot.toml",
            Self::Busy(_) => "try again in a moment",
            Self::Invalid(_) => "correct the request",
            Self::Closed(_) => "start again from the beginning",
            Self::Panicked(_) => "report the panic to the plugin's author; the host restarts it",
            Self::Unsupported(_) => "use a newer version of the bot",
            Self::Discord { .. } => "look the code up in Discord's documentation",
            Self::Failed(_) => "see the message",
        }
    }

    /// The number that crosses the C table.
    #[must_use]
    pub fn status(&self) -> abi::Status {
        match self {
            Self::Denied(_) => abi::E_DENIED,
            Self::Busy(_) => abi::E_BUSY,
            Self::Invalid(_) => abi::E_INVALID,
            Self::Closed(_) => abi::E_CLOSED,
            Self::Panicked(_) => abi::E_PANIC,
            Self::Unsupported(_) => abi::E_UNSUPPORTED,
            Self::Discord { .. } | Self::Failed(_) => abi::E_FAILED,
        }
    }

    /// From a status below zero and bare words; no status at all: the host is gone.
    pub(crate) fn refused(status: Option<abi::Status>, words: &[u8]) -> Self {
        let Some(status) = status else {
            return Self::Closed("the plugin is stopping".into());
        };
        if words.is_empty() {
            return Self::from_status(status, &[]);
        }
        let message = String::from_utf8_lossy(words);
        let body = serde_json::json!({ "message": message }).to_string();
        Self::from_status(status, body.as_bytes())
    }

    /// From a status below zero and the op's body, `{"message": …, "http"?: …, "code"?: …}`.
    pub(crate) fn from_status(status: abi::Status, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let message = body
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or("no reason given");
        let message = message.to_owned();
        if let Some(http) = body.get("http").and_then(Value::as_u64) {
            let code = body.get("code").and_then(Value::as_u64).unwrap_or(0);
            return Self::Discord {
                http: http.try_into().unwrap_or(0),
                code,
                message,
            };
        }
        match status {
            abi::E_DENIED => Self::Denied(message),
            abi::E_BUSY => Self::Busy(message),
            abi::E_INVALID => Self::Invalid(message),
            abi::E_CLOSED => Self::Closed(message),
            abi::E_PANIC => Self::Panicked(message),
            abi::E_UNSUPPORTED => Self::Unsupported(message),
            _ => Self::Failed(message),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
