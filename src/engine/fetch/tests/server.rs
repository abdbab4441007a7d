//! A web server of a few lines, on this machine, that does what a test tells it.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::address::{Lookup, Reach};
use super::super::{Fetcher, Times};

/// What follows the bytes of a reply.
#[derive(Clone)]
pub enum Then {
    /// The connection is closed.
    Close,
    /// Nothing, for ever.
    Hang,
    /// These bytes again and again, as fast as they are taken.
    Again(Vec<u8>),
}

/// A reply, byte for byte.
pub struct Reply(pub Vec<u8>, pub Then);

impl Reply {
    pub fn new(head: &str, body: &[u8], then: Then) -> Self {
        let head = format!("HTTP/1.1 {}\r\n\r\n", head.replace('\n', "\r\n"));
        Self([head.as_bytes(), body].concat(), then)
    }

    /// As a server that knows ranges answers `request`, but for what comes after byte `cut`.
    pub fn range(request: &str, file: &[u8], cut: usize) -> Self {
        let from = asked_from(request);
        let last = file.len() - 1;
        let head = format!(
            "206 Partial Content\nContent-Range: bytes {from}-{last}/{}\nContent-Length: {}\nETag: \"1\"",
            file.len(),
            file.len() - from
        );
        Self::new(&head, &file[from..cut.max(from)], Then::Close)
    }
}

/// The first byte a request asks for.
pub fn asked_from(request: &str) -> usize {
    let line = request.lines().find_map(|line| {
        let line = line.to_ascii_lowercase();
        line.strip_prefix("range: bytes=").map(str::to_owned)
    });
    line.unwrap().trim_end_matches('-').parse().unwrap()
}

pub struct Server {
    /// `http://127.0.0.1:PORT`
    pub origin: String,
    pub port: u16,
    /// The first lines and headers of what was asked.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

pub async fn serve(host: &str, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind((host, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let (log, reply) = (Arc::clone(&requests), Arc::new(reply));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
            tokio::spawn(async move {
                let _ = answer(stream, &log, reply.as_ref()).await;
            });
        }
    });
    Server {
        origin: format!("http://{address}"),
        port: address.port(),
        requests,
    }
}

async fn answer(
    mut stream: TcpStream,
    log: &Mutex<Vec<String>>,
    reply: &(impl Fn(&str) -> Reply + Send + Sync),
) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8(request).unwrap();
    log.lock().unwrap().push(request.clone());
    let Reply(bytes, then) = reply(&request);
    stream.write_all(&bytes).await?;
    match then {
        Then::Close => stream.shutdown().await,
        // Until the other side closes.
        Then::Hang => stream.read_u8().await.map(|_| ()),
        Then::Again(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
    }
}

/// Names with the addresses they have, one list after the other; the last one stays.
pub struct Names(pub Mutex<HashMap<&'static str, Vec<Vec<IpAddr>>>>);

impl Lookup for Names {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut names = self.0.lock().unwrap();
        let found = match names.get_mut(name.as_str()) {
            Some(lists) if lists.len() > 1 => Ok(lists.remove(0)),
            Some(lists) => Ok(lists[0].clone()),
            None => Err(io::Error::other("no such name")),
        };
        Box::pin(std::future::ready(found))
    }
}

/// What the world is here: a second address of this machine is outside, all others are inside.
pub const OUTSIDE: &str = "127.0.0.2";

/// Every time short enough for a test that waits for it.
pub fn short_times() -> Times {
    Times {
        head: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        back_off: vec![Duration::from_millis(1); 5],
        read: Duration::from_millis(600),
        prime: Duration::from_millis(50),
        ..Times::default()
    }
}

/// A fetcher for `trusted` origins and, through these names, for [`OUTSIDE`]; and its folder.
pub fn fetcher(
    names: HashMap<&'static str, Vec<Vec<IpAddr>>>,
    trusted: Vec<String>,
    times: Times,
) -> (Fetcher, Folder) {
    let outside = |address: IpAddr| address.to_string() == OUTSIDE;
    let reach = Reach::new(Arc::new(Names(Mutex::new(names))), outside);
    let dir = std::env::temp_dir().join(format!(
        "mynah-web-{}-{:x}",
        std::process::id(),
        crate::clock::seed()
    ));
    std::fs::create_dir_all(&dir).unwrap();
    let tls = crate::connect::tls(None).unwrap();
    let max_bytes = 256 << 20;
    let made = Fetcher::within(&tls, dir.clone(), max_bytes, trusted, reach, times);
    (made.unwrap(), Folder(dir))
}

/// A folder that goes with the test.
pub struct Folder(pub std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
