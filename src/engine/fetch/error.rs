//! Why nothing was fetched.

/// What is behind a web address was refused or could not be had. The texts name the address without
/// its query, which may hold a signature, say what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Not an http or https address.
    #[error("`{0}` is not a web address; give one that begins with http:// or https://")]
    BadUrl(String),
    /// The address, its name or a redirect leads into a private network.
    #[error(
        "`{0}` leads to a private address, which is not fetched; use one that everybody can reach"
    )]
    PrivateAddress(String),
    /// A circle or a long chain of redirects, or one to something else than http and https.
    #[error("{url}: {reason}; use the address it should lead to")]
    Redirect {
        /// Address without query.
        url: String,
        /// What is wrong with the redirect.
        reason: String,
    },
    /// The server answered with an error status.
    #[error("{url}: the server answered {status}; {}", remedy_of(*.status))]
    Status {
        /// Address without query.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// Larger than allowed.
    #[error("{url}: the file is larger than {}; play a smaller one, or raise net.max_body", size(*.limit))]
    TooLarge {
        /// Address without query.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// An answer to a plugin's question is larger than it takes.
    #[error("{url}: the answer is larger than {}; ask for less", size(*.limit))]
    AnswerTooLarge {
        /// Address without query.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The server has an empty file.
    #[error("{url}: the file is empty (0 bytes); check the address")]
    Empty {
        /// Address without query.
        url: String,
    },
    /// The first bytes are no sound.
    #[error("{url} is not audio Mynah can play: {looks}; use the address of the sound itself")]
    NotSound {
        /// Address without query.
        url: String,
        /// What the bytes look like.
        looks: String,
    },
    /// The server sends the file compressed although it was asked not to.
    #[error("{url}: the server sends it compressed ({encoding}); use another server")]
    Compressed {
        /// Address without query.
        url: String,
        /// The `Content-Encoding`.
        encoding: String,
    },
    /// Nothing came, or next to nothing.
    #[error("{url}: {reason}; try again later, or use another server")]
    TooSlow {
        /// Address without query.
        url: String,
        /// What was waited for.
        reason: String,
    },
    /// The server has something else there than at the beginning, or cannot go on in the middle.
    #[error("{url}: the connection broke and cannot be taken up: {reason}; play it again")]
    Changed {
        /// Address without query.
        url: String,
        /// What differs.
        reason: String,
    },
    /// The transfer broke.
    #[error("{url}: the connection broke: {reason}; check the address and try again")]
    Network {
        /// Address without query.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The file could not be written here.
    #[error("cannot keep the download: {0}; make room on the disk of the cache folder")]
    Disk(String),
}

fn remedy_of(status: u16) -> &'static str {
    match status {
        401 | 403 => "it may have expired, or be for others only",
        404 | 410 => "check the address",
        _ => "try again later",
    }
}

/// `1000 bytes`, `32 MiB`.
fn size(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{bytes} bytes"),
        mib => format!("{mib} MiB"),
    }
}
