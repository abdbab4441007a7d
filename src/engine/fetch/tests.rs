//! Downloads from a server on this machine, and the addresses that are refused.

mod feed;
mod hostile;
mod play;
mod request;
mod server;
mod stall;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::address::is_public;
use super::*;

impl Fetcher {
    /// The file behind `address`; these tests have no long sounds.
    async fn fetch(&self, address: &str) -> Result<Arc<PathBuf>, FetchError> {
        match self.open(address).await? {
            Input::File(path) => Ok(path),
            other => panic!("{other:?} is no file"),
        }
    }
}

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
        "3fff::1",
        "64:ff9b:1::1",
        "::ffff:0:7f00:1",
        "::127.0.0.1",
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
            Limits::default(),
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
        "http://LOCALHOST./a.mp3",
        "http://a.localhost/a.mp3",
        "http://0x7f.1/a",
        "http://2130706433/a",
        "http://017700000001/a",
        "http://127.1/a",
        "http://0/a",
        "http://[::ffff:7f00:1]/a",
        "http://[::ffff:127.0.0.1]/a",
        "http://[64:ff9b::7f00:1]/a",
        "http://169.254.169.254/latest/meta-data",
        "http://user@10.0.0.1/a",
    ] {
        let refused = fetcher.fetch(address).await;
        assert!(
            matches!(refused, Err(FetchError::PrivateAddress(_))),
            "{refused:?}"
        );
    }
    for address in [
        "file:///etc/passwd",
        "ftp://a/b",
        "/etc/passwd",
        "",
        "http://",
    ] {
        let refused = fetcher.fetch(address).await;
        assert!(matches!(refused, Err(FetchError::BadUrl(_))), "{refused:?}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}

/// The next connection, its request read.
async fn asked(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await.unwrap();
    stream
}

async fn serve_once(body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut stream = asked(&listener).await;
        let size = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(body).await;
    });
    origin
}

#[tokio::test]
async fn an_allowed_origin_is_downloaded_once() {
    let origin = serve_once(b"\x01sound").await;
    let (fetcher, dir) = fetcher(vec![origin.clone()]);
    let address = format!("{origin}/attachments/song.mp3");
    let first = fetcher.fetch(&address).await.unwrap();
    assert_eq!(std::fs::read(&*first).unwrap(), b"\x01sound");
    // The server answers only once: the second fetch must come from the cache.
    assert_eq!(fetcher.fetch(&address).await.unwrap(), first);
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn who_takes_less_is_not_sent_more_and_what_is_forgotten_is_gone() {
    let origin = serve_once(&[7; 900]).await;
    let (fetcher, dir) = fetcher(vec![origin.clone()]);
    let address = format!("{origin}/song.mp3?sig=secret");
    let refused = fetcher.open_at_most(&address, 899).await.unwrap_err();
    assert!(
        matches!(refused, FetchError::TooLarge { limit: 899, .. }),
        "{refused}"
    );
    let origin = serve_once(&[7; 900]).await;
    let fetcher = Fetcher {
        trusted_origins: vec![origin.clone()],
        ..fetcher
    };
    let address = format!("{origin}/song.mp3");
    let held = fetcher.open_at_most(&address, 900).await.unwrap();
    fetcher.forget(&address);
    assert_eq!(
        std::fs::read_dir(&dir).unwrap().count(),
        1,
        "somebody reads it"
    );
    drop(held);
    fetcher.forget(&address);
    fetcher.forget("no address");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn two_downloads_of_one_address_at_once_both_give_the_whole_file() {
    let body: &[u8] = &[7; 900];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (first_is_written, second_may_start) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 900\r\n\r\n";
        let mut first = asked(&listener).await;
        first.write_all(head).await.unwrap();
        first.write_all(&body[..500]).await.unwrap();
        first_is_written.send(()).unwrap();
        // The second one begins while the first one is half done, and stays half done.
        let mut second = asked(&listener).await;
        second.write_all(head).await.unwrap();
        second.write_all(&body[..10]).await.unwrap();
        first.write_all(&body[500..]).await.unwrap();
        // It has been read to its end: only then the second one goes on.
        while first.read(&mut [0; 64]).await.unwrap_or(0) > 0 {}
        second.write_all(&body[10..]).await.unwrap();
    });
    let (fetcher, dir) = fetcher(vec![origin.clone()]);
    let address = format!("{origin}/song.mp3");
    let second = async {
        second_may_start.await.unwrap();
        fetcher.fetch(&address).await
    };
    let (first, second) = tokio::join!(fetcher.fetch(&address), second);
    assert_eq!(std::fs::read(&*first.unwrap()).unwrap(), body);
    assert_eq!(std::fs::read(&*second.unwrap()).unwrap(), body);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_broken_download_leaves_nothing_behind() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut stream = asked(&listener).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nabc";
        stream.write_all(head).await.unwrap();
    });
    let (fetcher, dir) = fetcher(vec![origin.clone()]);
    let broken = fetcher
        .fetch(&format!("{origin}/song.mp3?sig=secret"))
        .await;
    assert!(
        matches!(&broken, Err(error @ FetchError::Network { .. }) if !error.to_string().contains("secret"))
    );
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn files_of_earlier_runs_are_swept_and_foreign_files_are_not() {
    let dir = std::env::temp_dir().join(format!("mynah-sweep-{:x}", crate::clock::seed()));
    std::fs::create_dir_all(&dir).unwrap();
    let long_ago = std::time::SystemTime::now() - 2 * KEPT_OVER;
    let old = [
        "0123456789abcdef.mp3",
        "0123456789abcdef.9-1.part",
        "notes.txt",
    ];
    for name in old {
        let file = std::fs::File::create(dir.join(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    std::fs::write(dir.join("fedcba9876543210.mp3"), "new").unwrap();
    sweep(&dir);
    let mut left: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["fedcba9876543210.mp3", "notes.txt"]);
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_file_over_the_limit_is_not_downloaded() {
    let origin = serve_once(&[7; 2000]).await;
    let (fetcher, dir) = fetcher(vec![origin.clone()]);
    let url = format!("{origin}/big.mp3");
    let refused = fetcher.fetch(&url).await;
    assert_eq!(refused, Err(FetchError::TooLarge { url, limit: 1000 }));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    std::fs::remove_dir_all(dir).unwrap();
}

/// Answers every request with so many bytes as the name of the file says.
async fn serve_sizes() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let line = String::from_utf8_lossy(&request[..read]).into_owned();
            let size = line.split(['/', '-']).nth(1).unwrap();
            let size: usize = size.parse().unwrap();
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![7; size]).await.unwrap();
        }
    });
    origin
}

#[tokio::test]
async fn the_least_recently_used_download_goes_first_and_none_that_is_in_use() {
    let origin = serve_sizes().await;
    // A file may have 1,000 bytes, all of them together four times that.
    let (fetcher, dir) = fetcher(vec![origin.clone()]);
    let fetch = async |name: &str| {
        fetcher
            .fetch(&format!("{origin}/{name}.mp3"))
            .await
            .unwrap()
    };
    let in_use = fetch("1000-a").await;
    let unused = fetch("1000-b").await.to_path_buf();
    let used_again = fetch("1000-c").await.to_path_buf();
    fetch("900-d").await;
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 4, "all fit");
    assert_eq!(*fetch("1000-c").await, used_again);
    fetch("1000-e").await;
    assert!(!unused.exists(), "longest unused of those nobody holds");
    assert!(in_use.exists() && used_again.exists());
    // A small one does not push out more than it must: 3,900 bytes and 100 are just enough.
    fetch("100-f").await;
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 5);
    // Whatever comes, the one in use stays until it is let go.
    for name in ["1000-g", "1000-h", "1000-i", "1000-j"] {
        fetch(name).await;
    }
    assert!(in_use.exists() && !used_again.exists());
    let path = in_use.to_path_buf();
    drop(in_use);
    fetch("1000-k").await;
    assert!(!path.exists());
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn what_earlier_runs_left_counts_and_is_never_handed_out() {
    let origin = serve_sizes().await;
    let address = format!("{origin}/5-a.mp3");
    let dir = std::env::temp_dir().join(format!("mynah-left-{:x}", crate::clock::seed()));
    std::fs::create_dir_all(&dir).unwrap();
    let name = file_name(&Url::parse(&address).unwrap(), &address);
    let same_name = dir.join(&name);
    std::fs::write(&same_name, "of another server that had this address").unwrap();
    std::fs::write(dir.join("0123456789abcdef.mp3"), [0; 3000]).unwrap();
    std::fs::write(dir.join("notes.txt"), [0; 9000]).unwrap();
    let older = std::time::SystemTime::now() - Duration::from_secs(60);
    let old = dir.join("0123456789abcdef.mp3");
    let file = std::fs::File::options().append(true).open(old).unwrap();
    file.set_modified(older).unwrap();
    let tls = crate::connect::tls(None).unwrap();
    let fetcher = Fetcher::new(&tls, dir.clone(), 750, vec![origin], Limits::default());
    let fetcher = fetcher.unwrap();
    assert!(
        !dir.join("0123456789abcdef.mp3").exists(),
        "3,039 bytes were too many"
    );
    assert!(same_name.exists() && dir.join("notes.txt").exists());
    let fetched = fetcher.fetch(&address).await.unwrap();
    assert_eq!(std::fs::read(&*fetched).unwrap(), [7; 5]);
    std::fs::remove_dir_all(dir).unwrap();
}
