//! Logging in, against a gateway that takes its time.

use futures_util::{SinkExt, StreamExt};
use mynah_wire::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use super::*;

/// Answers the three calls of a login; the gateway is at `gateway`.
async fn serve_rest(listener: TcpListener, gateway: String) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let line = String::from_utf8_lossy(&request[..read]).into_owned();
        let body = if line.contains("/gateway/bot") {
            format!(r#"{{"url":"{gateway}","shards":1}}"#)
        } else {
            r#"{"id":"90000000000000001"}"#.to_owned()
        };
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
        let answer = format!("{head} {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn being_told_to_stop_during_the_login_closes_the_gateway_with_1000() {
    let rest = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = BotConfig::new(
        Secret::new("t"),
        format!("http://{}", rest.local_addr().unwrap()),
    );
    let dir = std::env::temp_dir().join(format!("mynah-login-{:x}", clock::seed()));
    config.cache_dir = dir.clone();
    config.fifo = false;
    let url = format!("ws://{}", gateway.local_addr().unwrap());
    tokio::spawn(serve_rest(rest, url));
    let (identified, stop) = oneshot::channel::<()>();
    // Says Hello, hears Identify, and never says READY.
    let closed = tokio::spawn(async move {
        let (stream, _) = gateway.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let hello = r#"{"op":10,"d":{"heartbeat_interval":41250}}"#;
        socket.send(Message::text(hello)).await.unwrap();
        let mut identified = Some(identified);
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) if text.contains(r#""op":2"#) => {
                    identified.take().unwrap().send(()).unwrap();
                }
                Message::Close(frame) => return frame.map(|frame| u16::from(frame.code)),
                _ => {}
            }
        }
        None
    });
    let told = async {
        let _ = stop.await;
    };
    let started = Bot::start_unless(config, told).await;
    assert!(started.unwrap().is_none());
    assert_eq!(closed.await.unwrap(), Some(1000));
    std::fs::remove_dir_all(dir).unwrap();
}
