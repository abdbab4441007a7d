//! What can go wrong when the voice server starts.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The voice server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VoiceError {
    /// The websocket port cannot be taken.
    #[error("cannot listen for voice websockets on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The media port cannot be taken.
    #[error("cannot open the voice media socket on {address}")]
    Media {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Discord's media address is always IPv4 (voice.md section 2), so an IPv6 address other than
    /// loopback and unspecified cannot carry voice.
    #[error("voice media needs an IPv4 address, not {0}")]
    NeedsIpv4(SocketAddr),
    /// A file of the certificate authority cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make the voice server's certificate: {0}")]
    Certificate(String),
    /// The media thread could not be started.
    #[error("cannot start the media thread")]
    Thread(#[source] io::Error),
    /// The key that signs proposals of end-to-end encrypted rooms could not be made.
    #[error("cannot make the signing key of the voice gateway: {0}")]
    SigningKey(String),
    /// The operating system gives no random numbers, so there can be no keys.
    #[error("the operating system gives no random numbers")]
    Random,
}

impl VoiceError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }

    /// What the operator can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Listen { .. } | Self::Media { .. } => {
                "another program may hold the port: choose a different voice port, or 0 for any"
            }
            Self::NeedsIpv4(_) => "bind to an IPv4 address, for example 127.0.0.1",
            Self::File { .. } => "check that the data folder exists and belongs to you",
            Self::Certificate(_) => "delete ca.pem and ca-key.pem in the data folder and try again",
            Self::Thread(_) | Self::SigningKey(_) | Self::Random => {
                "the system is short of resources: try again"
            }
        }
    }
}

impl From<rcgen::Error> for VoiceError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error.to_string())
    }
}

impl From<rustls::Error> for VoiceError {
    fn from(error: rustls::Error) -> Self {
        Self::Certificate(error.to_string())
    }
}
