//! What can go wrong here, by name.

use mynah_plugin::abi;
use serde_json::{Value, json};

/// The host could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A plugin's table is not one this host can use.
    #[error("plugin `{plugin}` can not be used: {reason}")]
    Entry {
        /// Its id, as far as known.
        plugin: String,
        /// Why.
        reason: String,
    },
    /// Two plugins have the same id.
    #[error("two plugins call themselves `{0}`")]
    SameId(String),
    /// There is no such plugin.
    #[error("no plugin `{0}` runs here")]
    Unknown(String),
    /// It was not exchanged for another one.
    #[error("plugin `{plugin}` is not reloaded: {reason}")]
    Reload {
        /// Its id.
        plugin: String,
        /// Why.
        reason: String,
    },
    /// It goes on with the settings it had.
    #[error("plugin `{plugin}` does not take its new settings: {reason}")]
    Settings {
        /// Its id.
        plugin: String,
        /// Why.
        reason: String,
    },
    /// A thread could not be started.
    #[error("no thread for plugin `{plugin}`")]
    Thread {
        /// Its id.
        plugin: String,
        /// Why.
        source: std::io::Error,
    },
}

impl HostError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Entry { .. } => {
                "build the plugin with the current mynah-plugin, or switch it off"
            }
            Self::Unknown(_) => "`mynah plugin list` shows those that there are",
            Self::Reload { .. } => "the one that ran before goes on; mend the new one",
            Self::Settings { .. } => "it goes on with those it had; mend its table in bot.toml",
            Self::SameId(_) => "switch one of them off in bot.toml",
            Self::Thread { .. } => "raise the limit of threads for this user",
        }
    }
}

/// An op that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// Not granted.
    #[error("{0}")]
    Denied(String),
    /// Makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Addressed to something that is gone.
    #[error("{0}")]
    Closed(String),
    /// Too much at once.
    #[error("{0}")]
    Busy(String),
    /// Not known here.
    #[error("{0}")]
    Unsupported(String),
    /// Discord refused it.
    #[error("Discord answered {http} (code {code}): {message}")]
    Discord {
        /// HTTP status.
        http: u16,
        /// Discord's code, or 0.
        code: u64,
        /// Discord's words.
        message: String,
    },
    /// It was tried and did not work.
    #[error("{0}")]
    Failed(String),
}

impl OpError {
    pub(crate) fn status(&self) -> abi::Status {
        match self {
            Self::Denied(_) => abi::E_DENIED,
            Self::Invalid(_) => abi::E_INVALID,
            Self::Closed(_) => abi::E_CLOSED,
            Self::Busy(_) => abi::E_BUSY,
            Self::Unsupported(_) => abi::E_UNSUPPORTED,
            Self::Discord { .. } | Self::Failed(_) => abi::E_FAILED,
        }
    }

    /// The body of `done`: `{"message": …}`, and for Discord's refusals `http` and `code`.
    pub(crate) fn body(&self) -> Value {
        match self {
            Self::Discord {
                http,
                code,
                message,
            } => {
                json!({ "message": message, "http": http, "code": code })
            }
            other => json!({ "message": other.to_string() }),
        }
    }
}
