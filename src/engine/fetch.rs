//! The one fetcher: every download of the bot goes through here.
//!
//! Attachment addresses come from messages, so from outside. An address is checked after DNS
//! resolution and again on every redirect: no private, loopback, link-local or otherwise special
//! target, unless its origin was allowed by configuration (the embedded server's own address).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;
use url::{Host, Url};

use crate::FetchError;

const MAX_REDIRECTS: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence inside a transfer.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Downloads kept at once; the oldest file goes first.
const MAX_KEPT: usize = 64;

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
}

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<String, PathBuf>,
    order: std::collections::VecDeque<String>,
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
        Ok(Self {
            public: base()
                .redirect(redirects)
                .dns_resolver(Arc::new(PublicOnly))
                .build()?,
            trusted: base().redirect(reqwest::redirect::Policy::none()).build()?,
            trusted_origins,
            dir,
            max_bytes,
            kept: Mutex::default(),
        })
    }

    /// The downloaded file behind `address`; a second call for the same address does not download
    /// again.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, address: &str) -> Result<PathBuf, FetchError> {
        if let Some(path) = self.kept().files.get(address)
            && path.exists()
        {
            return Ok(path.clone());
        }
        let url = Url::parse(address).map_err(|_| FetchError::BadUrl(shorten(address)))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(FetchError::BadUrl(shorten(address)));
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
        let path = self.dir.join(file_name(&url, address));
        self.download(client, url, &path).await?;
        self.remember(address, path.clone());
        Ok(path)
    }

    async fn download(
        &self,
        client: &reqwest::Client,
        url: Url,
        path: &Path,
    ) -> Result<(), FetchError> {
        let shown = without_query(&url);
        let response = client
            .get(url)
            .send()
            .await
            .map_err(|error| network(&error, &shown))?;
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
        let part = path.with_extension("part");
        let mut file = tokio::fs::File::create(&part).await.map_err(disk)?;
        let mut written = 0u64;
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| network(&error, &shown))?;
            written += chunk.len() as u64;
            if written > self.max_bytes {
                drop(file);
                let _ = tokio::fs::remove_file(&part).await;
                return Err(too_large);
            }
            file.write_all(&chunk).await.map_err(disk)?;
        }
        file.flush().await.map_err(disk)?;
        drop(file);
        tokio::fs::rename(&part, path).await.map_err(disk)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, address: &str, path: PathBuf) {
        let mut kept = self.kept();
        if kept.files.insert(address.to_owned(), path).is_none() {
            kept.order.push_back(address.to_owned());
        }
        while kept.order.len() > MAX_KEPT {
            let Some(oldest) = kept.order.pop_front() else {
                break;
            };
            if let Some(path) = kept.files.remove(&oldest) {
                // A track that still plays it keeps its open file.
                let _ = std::fs::remove_file(path);
            }
        }
    }
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

fn network(error: &reqwest::Error, shown: &str) -> FetchError {
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    if source.to_string() == PrivateTarget.to_string() {
        return FetchError::PrivateAddress(shown.to_owned());
    }
    FetchError::Network(source.to_string())
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
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn file_names_keep_only_a_clean_extension() {
        let name = |text: &str| file_name(&Url::parse(text).unwrap(), text);
        assert!(name("http://a/b/song.mp3?ex=1").ends_with(".mp3"));
        assert!(name("http://a/%2e%2e/etc/passwd").ends_with(".bin"));
        assert!(
            name("http://a/x.m%2F..p3")
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '.')
        );
        assert_ne!(name("http://a/1.mp3"), name("http://a/2.mp3"));
    }

    fn fetcher(origins: Vec<String>) -> (Fetcher, PathBuf) {
        let dir = std::env::temp_dir().join(format!(
            "mynah-fetch-{}-{:x}",
            std::process::id(),
            crate::clock::seed()
        ));
        std::fs::create_dir_all(&dir).unwrap();
        (
            Fetcher::new(
                &crate::connect::tls(None).unwrap(),
                dir.clone(),
                1000,
                origins,
            )
            .unwrap(),
            dir,
        )
    }

    #[tokio::test]
    async fn private_targets_are_refused_by_literal_and_by_name() {
        let (fetcher, dir) = fetcher(Vec::new());
        for address in [
            "http://127.0.0.1:9/a.mp3",
            "http://[::1]/a",
            "http://localhost/a.mp3",
        ] {
            let refused = fetcher.fetch(address).await;
            assert!(
                matches!(refused, Err(FetchError::PrivateAddress(_))),
                "{refused:?}"
            );
        }
        assert!(matches!(
            fetcher.fetch("file:///etc/passwd").await,
            Err(FetchError::BadUrl(_))
        ));
        std::fs::remove_dir_all(dir).unwrap();
    }

    async fn serve_once(body: &'static [u8]) -> String {
        use tokio::io::AsyncReadExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body).await.unwrap();
        });
        origin
    }

    #[tokio::test]
    async fn an_allowed_origin_is_downloaded_once() {
        let origin = serve_once(b"sound").await;
        let (fetcher, dir) = fetcher(vec![origin.clone()]);
        let address = format!("{origin}/attachments/song.mp3");
        let first = fetcher.fetch(&address).await.unwrap();
        assert_eq!(std::fs::read(&first).unwrap(), b"sound");
        // The server answers only once: the second fetch must come from the cache.
        assert_eq!(fetcher.fetch(&address).await.unwrap(), first);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_cut_off_and_removed() {
        let origin = serve_once(&[7; 2000]).await;
        let (fetcher, dir) = fetcher(vec![origin.clone()]);
        let refused = fetcher.fetch(&format!("{origin}/big.mp3")).await;
        assert_eq!(refused, Err(FetchError::TooLarge { limit: 1000 }));
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
