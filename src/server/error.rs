//! What can go wrong when the server starts.

use std::net::SocketAddr;

use crate::voice::VoiceError;

/// Starting the embedded server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The HTTP port could not be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Bound beyond loopback without a control token.
    #[error("{address} is not a loopback address and no control token is set")]
    OpenControl {
        /// The address asked for.
        address: std::net::IpAddr,
    },
    /// The system has no random numbers for tokens.
    #[error("the operating system gave no random numbers")]
    NoRandomness,
    /// The voice server did not start.
    #[error("the voice server did not start: {0}")]
    Voice(#[from] VoiceError),
}

impl ServerError {
    /// What the operator can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                "another program uses this port: stop it, or choose another port (0 = any free one)"
            }
            Self::Listen { .. } => "check the bind address and port",
            Self::OpenControl { .. } => {
                "set a control token, or bind to 127.0.0.1: the control API can act as any user"
            }
            Self::NoRandomness => "check that the system provides random numbers (getrandom)",
            Self::Voice(_) => "check the voice port and that the data folder can be written",
        }
    }
}
