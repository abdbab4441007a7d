//! Servers that want to hurt: each costs little, and what is said about it is clear.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use mynah_media::ByteStream;

use super::server::{OUTSIDE, Reply, Server, Then, fetcher, serve, short_times};
use crate::FetchError;
use crate::fetch::Input;

/// Opens what a server of a trusted origin gives for `/song.mp3?sig=secret`.
async fn open(reply: fn(&str) -> Reply) -> (Result<Input, FetchError>, Server) {
    let server = serve("127.0.0.1", reply).await;
    let trusted = vec![server.origin.clone()];
    let (fetcher, folder) = fetcher(HashMap::new(), trusted, short_times());
    let address = format!("{}/song.mp3?sig=secret", server.origin);
    let opened = fetcher.open(&address).await;
    let mut left: Vec<_> = std::fs::read_dir(&folder.0).unwrap().collect();
    left.retain(|file| !matches!(opened, Ok(Input::File(_))) || file.is_err());
    assert!(left.is_empty(), "nothing stays of what was refused");
    (opened, server)
}

/// Opens, and gives what is said when it is refused.
async fn refused(reply: fn(&str) -> Reply) -> String {
    let (opened, server) = open(reply).await;
    let text = opened.unwrap_err().to_string();
    assert!(
        text.contains(&format!("{}/song.mp3", server.origin)),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
    text.replace(&server.origin, "")
}

#[tokio::test]
async fn web_pages_text_and_pictures_are_refused_whatever_they_are_called() {
    let page = refused(|_| {
        let head = "200 OK\nContent-Type: audio/mpeg\nContent-Length: 900000";
        Reply::new(
            head,
            &b"<!DOCTYPE html><title>Sign in</title> ".repeat(100),
            Then::Hang,
        )
    });
    assert_eq!(
        page.await,
        "/song.mp3 is not audio Mynah can play: it looks like a web page (HTML), perhaps an error \
         page saved under this name; use the address of the sound itself"
    );
    let picture = refused(|_| {
        let png = [&b"\x89PNG\r\n\x1a\n"[..], &[1; 600]].concat();
        Reply::new(
            "200 OK\nTransfer-Encoding: chunked",
            &chunk(&png),
            Then::Hang,
        )
    });
    assert!(picture.await.contains("looks like a PNG picture"));
    let text = refused(|_| Reply::new("200 OK\nContent-Length: 5", b"hello", Then::Close));
    assert!(text.await.contains("looks like text"));
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

#[tokio::test]
async fn a_file_of_five_gigabytes_is_refused_by_its_head() {
    let text = refused(|_| {
        let head = "200 OK\nContent-Length: 5368709120";
        Reply::new(head, b"ID3\x04", Then::Again(vec![0; 4096]))
    });
    assert_eq!(
        text.await,
        "/song.mp3: the file is larger than 256 MiB; play a smaller one, or raise net.max_body"
    );
}

#[tokio::test]
async fn a_packed_answer_is_refused_and_never_unpacked() {
    let text = refused(|request| {
        assert!(
            request
                .to_ascii_lowercase()
                .contains("accept-encoding: identity")
        );
        // 1 MB of zeros, packed: the beginning is enough.
        let packed = b"\x1F\x8B\x08\0\0\0\0\0\0\x03\xED\xC1\x01\x01\0\0\0\x80\x90\xFE\xAF\xEE\x08";
        let head = "200 OK\nContent-Encoding: gzip\nContent-Length: 1024";
        Reply::new(head, packed, Then::Hang)
    });
    assert_eq!(
        text.await,
        "/song.mp3: the server sends it compressed (gzip); use another server"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_or_stops_in_its_head_is_left() {
    let silent = refused(|_| Reply(Vec::new(), Then::Hang));
    assert!(
        silent
            .await
            .contains("no answer within 0 s; try again later")
    );
    let half = refused(|_| Reply(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(), Then::Hang));
    assert!(half.await.contains("no answer within"));
    let no_body = refused(|_| Reply::new("200 OK\nContent-Length: 1000", b"ID3", Then::Hang));
    assert!(no_body.await.contains("no sound came within"));
    let stops = refused(|_| Reply::new("200 OK\nContent-Length: 100000", &[1; 600], Then::Hang));
    assert!(stops.await.contains("nothing came any more"));
    let empty = refused(|_| Reply::new("200 OK\nContent-Length: 0", b"", Then::Close));
    assert_eq!(
        empty.await,
        "/song.mp3: the file is empty (0 bytes); check the address"
    );
}

#[tokio::test]
async fn a_head_without_end_is_left() {
    let endless = refused(|_| {
        let line = b"X-More: and more and more and more and more\r\n".to_vec();
        Reply(b"HTTP/1.1 200 OK\r\n".to_vec(), Then::Again(line))
    });
    endless.await;
}

#[tokio::test]
async fn error_answers_are_named_with_what_to_do() {
    let gone = refused(|_| Reply::new("404 Not Found\nContent-Length: 0", b"", Then::Close));
    assert_eq!(
        gone.await,
        "/song.mp3: the server answered 404; check the address"
    );
    let expired = refused(|_| Reply::new("403 Forbidden\nContent-Length: 0", b"", Then::Close));
    assert!(
        expired
            .await
            .ends_with("it may have expired, or be for others only")
    );
}

#[tokio::test]
async fn an_endless_answer_is_read_as_far_as_it_is_heard() {
    let (opened, server) = open(|_| {
        let again = chunk(&[0x01; 4096]);
        Reply::new(
            "200 OK\nTransfer-Encoding: chunked",
            &chunk(&[0x01; 512]),
            Then::Again(again),
        )
    })
    .await;
    let Ok(Input::Stream(source)) = opened else {
        panic!("not a stream: {opened:?}");
    };
    assert_eq!((source.len_bytes(), source.can_seek()), (None, false));
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = [0; 4096];
        let mut at = 0;
        while at < 3 << 20 {
            at += source.read_at(at, &mut bytes).unwrap() as u64;
        }
        // No more than the ring is ahead of the reader.
        source.ready_bytes()
    });
    assert!(read.await.unwrap() <= 256 << 10);
    assert_eq!(server.count(), 1);
}

/// A fetcher for which `sound.test` is outside and `inside.test` is not.
fn outside() -> HashMap<&'static str, Vec<Vec<IpAddr>>> {
    let (outside, inside) = (OUTSIDE.parse().unwrap(), "127.0.0.1".parse().unwrap());
    HashMap::from([
        ("sound.test", vec![vec![outside]]),
        ("inside.test", vec![vec![inside]]),
        // Both at once: only the one outside is connected to.
        ("both.test", vec![vec![inside, outside]]),
        // Outside when asked first, inside from then on.
        ("turning.test", vec![vec![outside], vec![inside]]),
    ])
}

fn sound(_: &str) -> Reply {
    let head = "200 OK\nConnection: close\nContent-Length: 600";
    Reply::new(head, &[1; 600], Then::Close)
}

#[tokio::test]
async fn redirects_into_the_private_network_are_not_followed() {
    for inside in [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://localhost/",
        "http://inside.test/",
        "//127.0.0.1/",
    ] {
        let head = format!("302 Found\nConnection: close\nLocation: {inside}\nContent-Length: 0");
        let server = serve(OUTSIDE, move |_| Reply::new(&head, b"", Then::Close)).await;
        let (fetcher, _folder) = fetcher(outside(), Vec::new(), short_times());
        let address = format!("http://sound.test:{}/a?sig=secret", server.port);
        let refused = fetcher.open(&address).await.unwrap_err();
        assert!(
            matches!(refused, FetchError::PrivateAddress(_)),
            "{inside}: {refused}"
        );
        assert!(!refused.to_string().contains("secret"));
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn circles_and_long_chains_of_redirects_and_those_out_of_the_web_are_refused() {
    for (location, requests, why) in [
        ("/a", 5, "it is redirected more than 4 times"),
        (
            "file:///etc/passwd",
            1,
            "redirected to where nothing is fetched",
        ),
    ] {
        let head = format!("301 Moved\nConnection: close\nLocation: {location}\nContent-Length: 0");
        let server = serve(OUTSIDE, move |_| Reply::new(&head, b"", Then::Close)).await;
        let (fetcher, _folder) = fetcher(outside(), Vec::new(), short_times());
        let address = format!("http://sound.test:{}/a", server.port);
        let refused = fetcher.open(&address).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(server.count(), requests);
    }
}

#[tokio::test]
async fn four_redirects_are_followed() {
    let server = serve(OUTSIDE, |request| match request.as_bytes()[5] {
        b'4' => sound(request),
        n => {
            let next = char::from(n + 1);
            let head = format!("307 Go\nConnection: close\nLocation: /{next}\nContent-Length: 0");
            Reply::new(&head, b"", Then::Close)
        }
    })
    .await;
    let (fetcher, _folder) = fetcher(outside(), Vec::new(), short_times());
    let address = format!("http://sound.test:{}/0", server.port);
    assert!(matches!(fetcher.open(&address).await, Ok(Input::File(_))));
    assert_eq!(server.count(), 5);
}

#[tokio::test]
async fn a_name_that_points_inside_or_turns_there_is_never_connected_to() {
    let beyond = serve(OUTSIDE, sound).await;
    // The same port, inside: nobody may come.
    let inside = tokio::net::TcpListener::bind(("127.0.0.1", beyond.port)).await;
    let (fetcher, _folder) = fetcher(outside(), Vec::new(), short_times());
    let open = async |name: &str, path: &str| {
        let address = format!("http://{name}:{}/{path}", beyond.port);
        fetcher.open(&address).await
    };
    let private = |opened| matches!(opened, Err(FetchError::PrivateAddress(_)));
    assert!(private(open("inside.test", "1").await));
    assert!(open("both.test", "2").await.is_ok());
    assert!(open("turning.test", "3").await.is_ok());
    assert!(
        private(open("turning.test", "4").await),
        "asked anew, it points inside"
    );
    assert_eq!(beyond.count(), 2);
    if let Ok(inside) = inside {
        let nobody = tokio::time::timeout(Duration::from_millis(1), inside.accept()).await;
        assert!(nobody.is_err(), "somebody came");
    }
}

#[tokio::test]
async fn a_stream_whose_name_turns_inside_ends_instead_of_going_there() {
    let file: Vec<u8> = vec![3; 40 << 20];
    let server = serve(OUTSIDE, move |request| {
        Reply::range(request, &file, 100_000)
    })
    .await;
    let (fetcher, _folder) = fetcher(outside(), Vec::new(), short_times());
    let address = format!("http://turning.test:{}/long.mp3", server.port);
    let Ok(Input::Stream(source)) = fetcher.open(&address).await else {
        panic!("not a stream");
    };
    let ended = tokio::task::spawn_blocking(move || {
        let mut bytes = [0; 4096];
        let mut at = 0;
        loop {
            match source.read_at(at, &mut bytes) {
                Ok(count) => at += count as u64,
                Err(error) => return (at, error.to_string()),
            }
        }
    });
    let (at, why) = ended.await.unwrap();
    assert_eq!(at, 100_000);
    assert!(why.contains("private address"), "{why}");
    assert_eq!(server.count(), 1);
}
