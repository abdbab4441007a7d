//! The one fetcher: every download of the bot goes through here.
//!
//! Attachment addresses come from messages, so from outside. An address is checked after DNS
//! resolution and again on every redirect: no private, loopback, link-local or otherwise special
//! target, unless its origin was allowed by configuration (the embedded server's own address).

mod kept;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;
use url::{Host, Url};

use crate::FetchError;
use crate::rest::innermost;
use kept::Kept;

const MAX_REDIRECTS: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence inside a transfer.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest transfer: a server that drips bytes must not hold a request for ever.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(600);
/// Files of an earlier run go after this long; addresses of attachments live no longer (rest.md
/// section 4).
const KEPT_OVER: Duration = Duration::from_secs(24 * 3600);
/// So many of the largest downloads may be kept at once, or more smaller ones.
const KEPT_LARGEST: u64 = 4;

/// Downloads into the cache folder and remembers what it has.
#[derive(Debug)]
pub struct Fetcher {
    /// For everything in the world: resolver and redirects are checked.
    public: reqwest::Client,
    /// For the allowed origins only; follows no redirect.
    trusted: reqwest::Client,
    trusted_origins: Vec<String>,
    dir: PathBuf,
    max_bytes: u64,
    kept: Mutex<Kept>,
    /// Names unfinished files, so that two downloads of one address do not write into each other.
    parts: AtomicU64,
}

impl Fetcher {
    /// A fetcher that writes below `dir`, which must exist.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(
        tls: &Arc<ClientConfig>,
        dir: PathBuf,
        max_bytes: u64,
        trusted_origins: Vec<String>,
    ) -> Result<Self, reqwest::Error> {
        let base = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(ClientConfig::clone(tls))
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(READ_TIMEOUT)
                .timeout(TRANSFER_TIMEOUT)
                .no_proxy()
                .user_agent(crate::rest::USER_AGENT)
        };
        let redirects = reqwest::redirect::Policy::custom(|attempt| {
            if attempt.previous().len() > MAX_REDIRECTS {
                attempt.error("too many redirects")
            } else if literal_is_private(attempt.url()) {
                attempt.error("redirect into a private network")
            } else {
                attempt.follow()
            }
        });
        sweep(&dir);
        let leftovers = kept::leftovers(&dir, is_finished_download);
        let kept = Kept::new(max_bytes.saturating_mul(KEPT_LARGEST), leftovers);
        Ok(Self {
            public: base()
                .redirect(redirects)
                .dns_resolver(Arc::new(PublicOnly))
                .build()?,
            trusted: base().redirect(reqwest::redirect::Policy::none()).build()?,
            trusted_origins,
            dir,
            max_bytes,
            kept: Mutex::new(kept),
            parts: AtomicU64::new(0),
        })
    }

    /// The downloaded file behind `address`; a second call for the same address does not download
    /// again. The file stays while somebody holds what is returned; after that it may go to make room.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, address: &str) -> Result<Arc<PathBuf>, FetchError> {
        let url = Url::parse(address).map_err(|_| FetchError::BadUrl(shorten(address)))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(FetchError::BadUrl(shorten(address)));
        }
        let path = self.dir.join(file_name(&url, address));
        if let Some(kept) = self.kept().take(&path, address) {
            return Ok(kept);
        }
        let client = if self
            .trusted_origins
            .contains(&url.origin().ascii_serialization())
        {
            &self.trusted
        } else if literal_is_private(&url) {
            return Err(FetchError::PrivateAddress(shorten(address)));
        } else {
            &self.public
        };
        let bytes = self.download(client, url, &path).await?;
        Ok(self.kept().add(path, address, bytes))
    }

    /// Downloads into a file; how many bytes it has.
    async fn download(
        &self,
        client: &reqwest::Client,
        url: Url,
        path: &Path,
    ) -> Result<u64, FetchError> {
        let shown = without_query(&url);
        let response = client
            .get(url)
            .send()
            .await
            .map_err(|error| network(error, &shown))?;
        if !response.status().is_success() {
            return Err(FetchError::Status {
                url: shown,
                status: response.status().as_u16(),
            });
        }
        let too_large = FetchError::TooLarge {
            limit: self.max_bytes,
        };
        if response
            .content_length()
            .is_some_and(|length| length > self.max_bytes)
        {
            return Err(too_large);
        }
        let disk = |error: std::io::Error| FetchError::Disk(error.to_string());
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let part = Part(path.with_extension(format!("{}-{number}.part", std::process::id())));
        let mut file = tokio::fs::File::create(&part.0).await.map_err(disk)?;
        let mut written = 0u64;
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| network(error, &shown))?;
            written += chunk.len() as u64;
            if written > self.max_bytes {
                return Err(too_large);
            }
            file.write_all(&chunk).await.map_err(disk)?;
        }
        file.flush().await.map_err(disk)?;
        drop(file);
        tokio::fs::rename(&part.0, path).await.map_err(disk)?;
        Ok(written)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An unfinished download: gone when it fails or is given up.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // After a success it has another name, and there is nothing to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Removes what earlier runs have left, and nothing that is not a download.
fn sweep(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(is_download);
        let modified = entry.metadata().and_then(|about| about.modified());
        let age = modified.ok().and_then(|at| at.elapsed().ok());
        if ours && age.is_some_and(|age| age > KEPT_OVER) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A name that [`file_name`] gave.
fn is_download(name: &str) -> bool {
    let hash = name.split_once('.').map_or("", |(hash, _)| hash);
    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Likewise, and not the part of one that another program may still be writing.
fn is_finished_download(name: &str) -> bool {
    is_download(name) && !name.ends_with(".part")
}

/// A file name that keeps the extension (the demuxer's hint) and nothing else of the address.
fn file_name(url: &Url, address: &str) -> String {
    let mut hasher = DefaultHasher::new();
    address.hash(&mut hasher);
    let extension: String = url
        .path()
        .rsplit_once('.')
        .map(|(_, extension)| {
            extension
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(8)
                .collect()
        })
        .unwrap_or_default();
    let extension = if extension.is_empty() {
        "bin"
    } else {
        extension.as_str()
    };
    format!("{:016x}.{extension}", hasher.finish())
}

fn shorten(address: &str) -> String {
    address.chars().take(120).collect()
}

/// Signed attachment addresses carry their signature in the query: never shown.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    shorten(url.as_str())
}

fn network(error: reqwest::Error, shown: &str) -> FetchError {
    let reason = innermost(error);
    if reason == PrivateTarget.to_string() {
        return FetchError::PrivateAddress(shown.to_owned());
    }
    FetchError::Network(reason)
}

fn literal_is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => !is_public(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => !is_public(IpAddr::V6(v6)),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => true,
    }
}

/// Whether an address is reachable for everybody: not private, loopback, link-local, multicast,
/// documentation, shared or reserved space (IANA special-purpose registries, RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    // Mapped, compatible, 6to4 and NAT64 addresses are as public as the IPv4 inside them.
    let segments = v6.segments();
    let embedded = match segments {
        [0, 0, 0, 0, 0, 0 | 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => {
            Some((high, low))
        }
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = embedded {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Global unicast is 2000::/3; 2001:db8::/32 is documentation, 2001::/23 protocol assignments.
    (segments[0] & 0xE000) == 0x2000
        && !(segments[0] == 0x2001 && (segments[1] == 0x0DB8 || segments[1] < 0x0200))
}

#[derive(Debug, thiserror::Error)]
#[error("the name leads to a private address")]
struct PrivateTarget;

/// A resolver that answers with public addresses only, so that a name cannot be pointed inside
/// after it was checked: the address that passed is the one connected to.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| is_public(address.ip()))
                .collect();
            if public.is_empty() {
                return Err(PrivateTarget.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
