//! What plugins ask services: where to, what arrives there, and what comes back.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::{FetchError, Fetcher, WebRequest};
use super::server::{Folder, OUTSIDE, Reply, Server, Then, fetcher, serve, short_times};

fn ask(url: String) -> WebRequest {
    WebRequest {
        post: false,
        url,
        headers: Vec::new(),
        body: Vec::new(),
        max_bytes: 1000,
        timeout: Duration::from_secs(20),
    }
}

/// A fetcher that may ask at these origins.
fn asks(origins: &[&str]) -> (Fetcher, Folder) {
    let (fetcher, folder) = fetcher(Default::default(), Vec::new(), short_times());
    let origins = origins.iter().map(ToString::to_string).collect();
    (fetcher.with_asked_origins(origins), folder)
}

/// A service on this machine, and a fetcher that may ask there.
async fn with(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Server, Fetcher, Folder) {
    let server = serve("127.0.0.1", reply).await;
    let (fetcher, folder) = asks(&[&server.origin]);
    (server, fetcher, folder)
}

#[tokio::test]
async fn what_is_sent_arrives_and_the_answer_comes_back_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let service = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"say \"hi\"") {
            asked.push(stream.read_u8().await.unwrap());
        }
        let answer =
            b"HTTP/1.1 418 I'm a teapot\r\nX-Kind: Pot\r\nContent-Length: 5\r\n\r\n\x00\xfftea";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    let (fetcher, _folder) = asks(&[&origin]);
    let request = WebRequest {
        post: true,
        headers: vec![("authorization".into(), "Bearer hunter2".into())],
        body: b"say \"hi\"".to_vec(),
        ..ask(format!("{origin}/v1/speech?x=1"))
    };
    assert!(!format!("{request:?}").contains("hunter2"));
    let answer = fetcher.request(&request).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (418, &b"\x00\xfftea"[..])
    );
    let kind = ("x-kind".to_owned(), "Pot".to_owned());
    assert!(answer.headers.contains(&kind), "{:?}", answer.headers);
    let asked = service.await.unwrap();
    assert!(asked.starts_with("POST /v1/speech?x=1 "), "{asked}");
    assert!(asked.contains("authorization: Bearer hunter2"), "{asked}");
}

#[tokio::test]
async fn private_addresses_are_asked_only_where_the_operator_allows_it() {
    let (server, fetcher, _folder) =
        with(|_| Reply::new("200 OK\nContent-Length: 2", b"ok", Then::Hang)).await;
    let answer = fetcher.request(&ask(server.origin.clone())).await;
    assert_eq!(answer.unwrap().body, b"ok");
    // Another port is another origin, and being asked is not being played from.
    for url in [
        "http://127.0.0.1:9/".to_owned(),
        "http://localhost/".to_owned(),
        format!("http://127.1:{}", server.port + 1),
    ] {
        let refused = fetcher.request(&ask(url)).await;
        assert!(
            matches!(refused, Err(FetchError::PrivateAddress(_))),
            "{refused:?}"
        );
    }
    let played = fetcher.open(&format!("{}/a.mp3", server.origin)).await;
    assert!(
        matches!(played, Err(FetchError::PrivateAddress(_))),
        "{played:?}"
    );
    let odd = fetcher.request(&ask("ftp://a/b".into())).await;
    assert!(matches!(odd, Err(FetchError::BadUrl(_))), "{odd:?}");
    let header = WebRequest {
        headers: vec![("x".into(), "a\r\nEvil: 1".into())],
        ..ask(server.origin.clone())
    };
    assert!(matches!(
        fetcher.request(&header).await,
        Err(FetchError::BadUrl(_))
    ));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = serve(OUTSIDE, |_| {
        Reply::new("200 OK\nContent-Length: 0", b"", Then::Hang)
    })
    .await;
    let to = elsewhere.origin.clone();
    let head = format!("302 Found\nLocation: {to}/b\nContent-Length: 0");
    let server = serve(OUTSIDE, move |_| Reply::new(&head, b"", Then::Hang)).await;
    let (fetcher, _folder) = asks(&[]);
    let answer = fetcher.request(&ask(server.origin.clone())).await.unwrap();
    assert_eq!(answer.status, 302);
    let location = answer.headers.iter().find(|(name, _)| name == "location");
    assert_eq!(
        location.map(|(_, to)| to.as_str()),
        Some(format!("{to}/b").as_str())
    );
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn an_answer_that_is_too_large_packed_or_broken_is_refused_by_name() {
    let said = async |head: &'static str, body: &'static [u8], then: fn() -> Then| {
        let (server, fetcher, _folder) = with(move |_| Reply::new(head, body, then())).await;
        let refused = fetcher.request(&ask(server.origin.clone())).await;
        refused.unwrap_err().to_string()
    };
    let large = said("200 OK\nContent-Length: 5000", b"", || Then::Hang).await;
    assert!(large.contains("the answer is larger than"), "{large}");
    // It does not say how long it is.
    let endless = said("200 OK", b"", || Then::Again(vec![7; 100])).await;
    assert!(endless.contains("the answer is larger than"), "{endless}");
    let packed = said(
        "200 OK\nContent-Encoding: gzip\nContent-Length: 2",
        b"\x1f\x8b",
        || Then::Hang,
    );
    let packed = packed.await;
    assert!(packed.contains("compressed (gzip)"), "{packed}");
    let broken = said("200 OK\nContent-Length: 90", b"half", || Then::Close).await;
    assert!(broken.contains("broke"), "{broken}");
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up() {
    let (server, fetcher, _folder) = with(|_| Reply(Vec::new(), Then::Hang)).await;
    let request = WebRequest {
        timeout: Duration::from_millis(40),
        ..ask(server.origin.clone())
    };
    let refused = fetcher.request(&request).await.unwrap_err();
    assert!(matches!(refused, FetchError::TooSlow { .. }), "{refused:?}");
}
