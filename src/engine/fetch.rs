//! The one fetcher: everything that comes from the web to be played goes through here.
//!
//! Addresses come from messages, so from outside. They are checked after DNS resolution and again on
//! every redirect ([`address`]): no private, loopback, link-local or otherwise special target, unless
//! its origin was allowed by configuration (the embedded server's own address). One request decides
//! what happens: a file of known, moderate length is downloaded and kept; what is longer, or has no
//! end, is read while it plays ([`stream`]). Bytes that are no sound are refused by what they are, not
//! by what the server calls them; nothing is unpacked; every wait has a limit ([`pace`]).

mod address;
mod client;
mod error;
mod kept;
mod pace;
mod request;
mod stream;
mod window;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use mynah_media::{Media, MediaError, OpenOptions};
use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use crate::live::Live;

use address::{Barrier, Reach};
use client::{Answer, Asker, Body, Refused, Web};
pub use error::FetchError;
use kept::Kept;
use pace::{Pace, Times};
pub use request::{WebAnswer, WebRequest};
pub use stream::HttpSource;

/// Files of an earlier run go after this long; addresses of attachments live no longer (rest.md
/// section 4).
const KEPT_OVER: Duration = Duration::from_secs(24 * 3600);
/// So many of the largest downloads may be kept at once, or more smaller ones.
const KEPT_LARGEST: u64 = 4;
/// What is not longer is downloaded first: it can be played again, and jumps cost nothing.
const DOWNLOAD_BYTES: u64 = 32 << 20;
/// From so many bytes it is judged what they are.
const HEAD_BYTES: usize = 512;

/// Downloads into the cache folder and remembers what it has; opens what is too long for that.
#[derive(Debug)]
pub struct Fetcher {
    /// For everything in the world: resolver and redirects are checked.
    public: reqwest::Client,
    /// For the allowed origins only; follows no redirect.
    trusted: reqwest::Client,
    trusted_origins: Vec<String>,
    /// For requests of plugins: as `public`, but follows no redirect.
    asking: reqwest::Client,
    /// Where plugins may ask although it is not public.
    asked_origins: Vec<String>,
    reach: Reach,
    times: Times,
    dir: PathBuf,
    max_bytes: u64,
    kept: Mutex<Kept>,
    /// Names unfinished files, so that two downloads of one address do not write into each other.
    parts: AtomicU64,
}

/// What the operator allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a server may be silent.
    pub silence: Duration,
    /// Redirects followed for one request.
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Times::default().idle,
            redirects: address::REDIRECTS,
        }
    }
}

/// Where the bytes of a sound are.
#[derive(Clone, Debug)]
pub enum Input {
    /// A file on this machine; a download stays in the cache while this is held.
    File(Arc<PathBuf>),
    /// Bytes that come while it plays; closed when the last clone goes.
    Stream(Arc<HttpSource>),
    /// Sound that is made while it plays; its maker stops when the last clone goes.
    Live(Live),
}

impl Input {
    /// Opens it and decodes its first sound; for media threads.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub fn open(&self, options: &OpenOptions) -> Result<Media, MediaError> {
        match self {
            Self::File(path) => mynah_media::open(path, options),
            Self::Stream(source) => {
                let source = Arc::clone(source);
                mynah_media::open_stream(source, options)
            }
            Self::Live(live) => mynah_media::open_stream(live.stream(), options),
        }
    }
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
        limits: Limits,
    ) -> Result<Self, reqwest::Error> {
        let reach = Reach::default().with_redirects(limits.redirects);
        let times = Times::default().with_silence(limits.silence);
        Self::within(tls, dir, max_bytes, trusted_origins, reach, times)
    }

    /// Plugins may ask at these origins (`http://127.0.0.1:5050`) although they are not public.
    #[must_use]
    pub fn with_asked_origins(mut self, origins: Vec<String>) -> Self {
        self.asked_origins = origins;
        self
    }

    fn within(
        tls: &Arc<ClientConfig>,
        dir: PathBuf,
        max_bytes: u64,
        trusted_origins: Vec<String>,
        reach: Reach,
        times: Times,
    ) -> Result<Self, reqwest::Error> {
        let base = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(ClientConfig::clone(tls))
                .connect_timeout(times.connect)
                .no_proxy()
                .user_agent(crate::rest::USER_AGENT)
        };
        sweep(&dir);
        let leftovers = kept::leftovers(&dir, is_finished_download);
        let kept = Kept::new(max_bytes.saturating_mul(KEPT_LARGEST), leftovers);
        Ok(Self {
            public: base()
                .redirect(reach.redirects())
                .dns_resolver(Arc::new(reach.clone()))
                .build()?,
            trusted: base().redirect(reqwest::redirect::Policy::none()).build()?,
            asking: base()
                .redirect(reqwest::redirect::Policy::none())
                .dns_resolver(Arc::new(reach.clone()))
                .build()?,
            asked_origins: Vec::new(),
            trusted_origins,
            reach,
            times,
            dir,
            max_bytes,
            kept: Mutex::new(kept),
            parts: AtomicU64::new(0),
        })
    }

    /// The sound behind `address`. A second call for the same address does not download again; the file
    /// stays while somebody holds what is returned, after that it may go to make room.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn open(&self, address: &str) -> Result<Input, FetchError> {
        self.open_at_most(address, self.max_bytes).await
    }

    /// The same for who takes less: a file of more than `most` bytes is refused before it is read, if
    /// the server says how long it is.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn open_at_most(&self, address: &str, most: u64) -> Result<Input, FetchError> {
        let url = Url::parse(address).map_err(|_| FetchError::BadUrl(without_tail(address)))?;
        let path = self.dir.join(file_name(&url, address));
        if let Some(kept) = self.kept().take(&path, address) {
            return Ok(Input::File(kept));
        }
        let shown = shown(&url);
        let asker: Asker = Arc::new(Web {
            client: self.client_for(&url)?.clone(),
            url,
            shown: shown.clone(),
            patience: self.times.head,
        });
        let until = Instant::now() + self.times.head;
        let mut first = asker.ask(0, None).await.map_err(refused)?;
        let len = first.entity.len_bytes;
        let limit = most.min(self.max_bytes);
        if len.is_some_and(|len| len > limit) {
            return Err(FetchError::TooLarge { url: shown, limit });
        }
        let head = timeout_at(until, read_head(&mut first, &shown)).await;
        let head = head.map_err(|_| FetchError::TooSlow {
            url: shown.clone(),
            reason: format!("no sound came within {} s", self.times.head.as_secs()),
        })??;
        if let Some(looks) = mynah_media::looks_like_no_sound(&head) {
            return Err(FetchError::NotSound { url: shown, looks });
        }
        let rest = std::mem::replace(&mut first.body, futures_util::stream::empty().boxed());
        first.body = futures_util::stream::iter([Ok(head)]).chain(rest).boxed();
        if len.is_none_or(|len| len > DOWNLOAD_BYTES) {
            let source = HttpSource::start(asker, first, self.times.clone()).await;
            return Ok(Input::Stream(Arc::new(source)));
        }
        let written = timeout(self.times.download, self.download(first, &path, &shown)).await;
        let written = written.map_err(|_| FetchError::TooSlow {
            reason: format!("the download took over {} s", self.times.download.as_secs()),
            url: shown,
        })??;
        Ok(Input::File(self.kept().add(path, address, written)))
    }

    /// Throws away what came from `address`, unless somebody holds it.
    pub fn forget(&self, address: &str) {
        if let Ok(url) = Url::parse(address) {
            let path = self.dir.join(file_name(&url, address));
            self.kept().forget(&path, address);
        }
    }

    /// Who may ask for this address.
    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        let origin = url.origin().ascii_serialization();
        let is_web = matches!(url.scheme(), "http" | "https");
        if is_web && self.trusted_origins.contains(&origin) {
            return Ok(&self.trusted);
        }
        match self.reach.check(url) {
            Ok(()) => Ok(&self.public),
            Err(Barrier::Private) => Err(FetchError::PrivateAddress(shown(url))),
            Err(_) => Err(FetchError::BadUrl(shown(url))),
        }
    }

    /// Downloads into a file; how many bytes it has.
    async fn download(&self, answer: Answer, path: &Path, shown: &str) -> Result<u64, FetchError> {
        let disk = |error: std::io::Error| FetchError::Disk(error.to_string());
        let broke = |reason: String| FetchError::Network {
            url: shown.to_owned(),
            reason,
        };
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let part = Part(path.with_extension(format!("{}-{number}.part", std::process::id())));
        let mut file = tokio::fs::File::create(&part.0).await.map_err(disk)?;
        let (mut written, mut pace, mut body) = (0u64, Pace::default(), answer.body);
        loop {
            let asked = Instant::now();
            let chunk = timeout(self.times.idle, body.next()).await;
            let Some(chunk) = chunk.map_err(|_| broke("nothing came any more".to_owned()))? else {
                break;
            };
            let chunk = chunk.map_err(broke)?;
            written += chunk.len() as u64;
            if !pace.is_enough(&self.times, asked.elapsed(), chunk.len() as u64) {
                return Err(stream::too_slow(shown, &self.times));
            }
            // A server that says less than it sends is cut off by the HTTP client already.
            if written > self.max_bytes {
                let (url, limit) = (shown.to_owned(), self.max_bytes);
                return Err(FetchError::TooLarge { url, limit });
            }
            file.write_all(&chunk).await.map_err(disk)?;
        }
        if answer.entity.len_bytes.is_some_and(|len| written < len) {
            return Err(broke("it ended too early".to_owned()));
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

fn refused(refused: Refused) -> FetchError {
    refused.error
}

/// The first bytes, enough to see what they are unless there are fewer.
async fn read_head(answer: &mut Answer, shown: &str) -> Result<Bytes, FetchError> {
    let mut head = Vec::new();
    let body: &mut Body = &mut answer.body;
    while head.len() < HEAD_BYTES
        && let Some(chunk) = body.next().await
    {
        let chunk = chunk.map_err(|reason| FetchError::Network {
            url: shown.to_owned(),
            reason,
        })?;
        head.extend_from_slice(&chunk);
    }
    if head.is_empty() {
        let url = shown.to_owned();
        return Err(FetchError::Empty { url });
    }
    Ok(head.into())
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

/// Signed attachment addresses carry their signature in the query, others a password before the host:
/// never shown.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Fails for addresses that cannot have these, and so have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    shorten(url.as_str())
}

/// The same for what is no address at all.
fn without_tail(address: &str) -> String {
    shorten(address.split(['?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
