//! The whole server over real sockets on free ports. Nothing sleeps: every wait is for an event.

use std::time::Duration;

use flate2::{Decompress, FlushDecompress};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::rig::USUAL;
use crate::{ReadyFile, Server, ServerConfig, ServerError};

/// Far above anything expected; a hang fails instead of blocking the suite.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Up {
    pub server: Server,
    pub ready: ReadyFile,
    _data: tempfile::TempDir,
}

impl Up {
    pub fn of(server: Server, data: tempfile::TempDir) -> Self {
        let ready = server.ready();
        Self {
            server,
            ready,
            _data: data,
        }
    }
}

pub async fn up() -> Up {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(ServerConfig::new(data.path())).await.unwrap();
    Up::of(server, data)
}

/// An HTTP answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One request on a fresh connection.
pub async fn http(
    up: &Up,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(up.server.address()).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", up.server.address());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.unwrap();
    let split = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..split].to_vec())
        .unwrap()
        .to_lowercase();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body: answer[split + 4..].to_vec(),
    }
}

/// A JSON request of the default bot.
pub async fn bot(up: &Up, method: &str, path: &str, body: &Value) -> Answer {
    let token = format!("Bot {}", up.ready.bots[0].token.expose());
    let headers = [
        ("Authorization", token.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    http(up, method, &format!("/api/v10{path}"), &headers, &body).await
}

pub async fn control(up: &Up, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    http(up, method, &format!("/control{path}"), &[], &body).await
}

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn open(up: &Up, path: &str) -> Socket {
    let address = format!("ws://{}{path}", up.server.address());
    connect_async(address).await.unwrap().0
}

/// The next websocket message that is not a ping.
async fn next(socket: &mut Socket) -> Message {
    let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
    message.unwrap().unwrap()
}

/// The next payload of an uncompressed connection.
pub async fn payload(socket: &mut Socket) -> Value {
    match next(socket).await {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Skips to the dispatch of that name.
pub async fn event(socket: &mut Socket, name: &str) -> Value {
    loop {
        let payload = payload(socket).await;
        if payload["t"] == name {
            return payload["d"].clone();
        }
    }
}

pub async fn say(socket: &mut Socket, payload: Value) {
    socket
        .send(Message::text(payload.to_string()))
        .await
        .unwrap();
}

pub async fn login(up: &Up) -> Socket {
    let mut socket = open(up, "/?v=10&encoding=json").await;
    say(&mut socket, identify(up)).await;
    event(&mut socket, "GUILD_CREATE").await;
    socket
}

fn identify(up: &Up) -> Value {
    let token = up.ready.bots[0].token.expose();
    json!({"op": 2, "d": {"token": token, "intents": USUAL, "properties": {}}})
}

#[tokio::test]
async fn a_stopped_server_leaves_its_port_free() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(ServerConfig::new(data.path())).await.unwrap();
    let address = server.address();
    server.stop().await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "the port is free again"
    );
}

#[tokio::test]
async fn the_ready_file_has_every_key_of_the_contract() {
    let up = up().await;
    let ready = serde_json::to_value(&up.ready).unwrap();
    for key in [
        "pid",
        "api",
        "gateway",
        "voice_endpoint",
        "ca_file",
        "control",
        "bots",
        "guild_id",
        "text_channel_id",
        "voice_channel_ids",
        "stage_channel_id",
    ] {
        assert!(ready.get(key).is_some(), "{key}");
    }
    assert!(ready["bots"][0]["token"].as_str().unwrap().len() > 50);
    assert!(up.ready.voice_endpoint.starts_with("localhost:"));
    assert!(up.ready.ca_file.is_file());
    up.server.stop().await;
}

#[tokio::test]
async fn a_port_in_use_and_an_open_control_api_are_refused_with_a_remedy() {
    let up = up().await;
    let data = tempfile::tempdir().unwrap();
    let mut config = ServerConfig::new(data.path());
    config.http_port = up.server.address().port();
    let error = Server::start(config).await.err().unwrap();
    assert!(
        matches!(error, ServerError::Listen { .. }) && error.remedy().contains("another program")
    );
    let mut config = ServerConfig::new(data.path());
    config.bind = std::net::Ipv4Addr::UNSPECIFIED.into();
    let error = Server::start(config).await.err().unwrap();
    assert!(matches!(error, ServerError::OpenControl { .. }));
    up.server.stop().await;
}

#[tokio::test]
async fn the_gateway_is_open_at_all_three_paths() {
    let up = up().await;
    for path in [
        "/?v=10&encoding=json",
        "/gateway?v=10",
        "/gateway/?encoding=json&v=10",
    ] {
        let mut socket = open(&up, path).await;
        assert_eq!(payload(&mut socket).await["op"], 10, "{path}");
    }
    let url = bot(&up, "GET", "/gateway", &Value::Null).await.json();
    assert_eq!(url["url"], up.ready.gateway.as_str());
    up.server.stop().await;
}

#[tokio::test]
async fn a_wrong_token_closes_4004_on_the_wire() {
    let up = up().await;
    let mut socket = open(&up, "/?v=10").await;
    payload(&mut socket).await;
    say(
        &mut socket,
        json!({"op": 2, "d": {"token": "bad", "intents": 1}}),
    )
    .await;
    match next(&mut socket).await {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 4004),
        other => panic!("{other:?}"),
    }
    up.server.stop().await;
}

#[tokio::test]
async fn a_zlib_stream_decodes_with_one_context() {
    let up = up().await;
    let mut socket = open(&up, "/?v=10&encoding=json&compress=zlib-stream").await;
    let mut inflate = Decompress::new(true);
    say(&mut socket, identify(&up)).await;
    for expected in [Value::Null, json!("READY"), json!("GUILD_CREATE")] {
        let Message::Binary(bytes) = next(&mut socket).await else {
            panic!("compressed payloads are binary");
        };
        assert!(bytes.ends_with(&[0, 0, 0xFF, 0xFF]));
        let mut text = Vec::with_capacity(1 << 20);
        inflate
            .decompress_vec(&bytes, &mut text, FlushDecompress::Sync)
            .unwrap();
        let payload: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(payload["t"], expected);
    }
    up.server.stop().await;
}

#[tokio::test]
async fn a_zstd_stream_decodes_with_one_context() {
    let up = up().await;
    let mut socket = open(&up, "/?v=10&encoding=json&compress=zstd-stream").await;
    let mut decoder = Decoder::new().unwrap();
    say(&mut socket, identify(&up)).await;
    for expected in [Value::Null, json!("READY"), json!("GUILD_CREATE")] {
        let Message::Binary(bytes) = next(&mut socket).await else {
            panic!("compressed payloads are binary");
        };
        let mut text = vec![0; 1 << 20];
        let mut input = InBuffer::around(&bytes);
        let mut output = OutBuffer::around(text.as_mut_slice());
        while input.pos() < bytes.len() {
            decoder.run(&mut input, &mut output).unwrap();
        }
        let payload: Value = serde_json::from_slice(output.as_slice()).unwrap();
        assert_eq!(payload["t"], expected);
    }
    up.server.stop().await;
}

#[tokio::test]
async fn a_broken_connection_resumes_with_what_was_missed() {
    let up = up().await;
    let mut socket = open(&up, "/?v=10").await;
    say(&mut socket, identify(&up)).await;
    let session = event(&mut socket, "READY").await["session_id"].clone();
    event(&mut socket, "GUILD_CREATE").await;
    drop(socket);
    let path = format!("/channels/{}/messages", up.ready.text_channel_id);
    assert_eq!(
        bot(&up, "POST", &path, &json!({"content": "missed"}))
            .await
            .status,
        200
    );
    let mut socket = open(&up, "/?v=10").await;
    let token = up.ready.bots[0].token.expose();
    say(
        &mut socket,
        json!({"op": 6, "d": {"token": token, "session_id": session, "seq": 2}}),
    )
    .await;
    assert_eq!(
        event(&mut socket, "MESSAGE_CREATE").await["content"],
        "missed"
    );
    assert!(event(&mut socket, "RESUMED").await.is_object());
    up.server.stop().await;
}

#[tokio::test]
async fn op_4_is_answered_in_the_order_songbird_needs() {
    let up = up().await;
    let mut socket = login(&up).await;
    let request = json!({"guild_id": up.ready.guild_id, "channel_id": up.ready.voice_channel_ids[0],
        "self_mute": false, "self_deaf": false});
    say(&mut socket, json!({"op": 4, "d": request})).await;
    assert_eq!(payload(&mut socket).await["t"], "VOICE_STATE_UPDATE");
    let server = payload(&mut socket).await;
    assert_eq!(server["t"], "VOICE_SERVER_UPDATE");
    assert_eq!(server["d"]["endpoint"], up.ready.voice_endpoint.as_str());
    up.server.stop().await;
}

#[tokio::test]
async fn answers_are_exactly_application_json_with_rate_limit_headers() {
    let up = up().await;
    let answer = bot(&up, "GET", "/users/@me", &Value::Null).await;
    assert!(
        answer.head.contains("content-type: application/json\r\n"),
        "{}",
        answer.head
    );
    for header in [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-reset-after",
        "x-ratelimit-bucket",
        "via",
    ] {
        assert!(answer.head.contains(&format!("\n{header}: ")), "{header}");
    }
    up.server.stop().await;
}

/// A multipart body with boundary `X`.
fn multipart(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (head, content) in parts {
        body += &format!("--X\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    }
    (body + "--X--\r\n").into_bytes()
}

#[tokio::test]
async fn a_multipart_upload_is_stored_and_served_from_its_url() {
    let up = up().await;
    let token = format!("Bot {}", up.ready.bots[0].token.expose());
    let headers = [
        ("Authorization", token.as_str()),
        ("Content-Type", "multipart/form-data; boundary=X"),
    ];
    let path = format!("/v10/channels/{}/messages", up.ready.text_channel_id);
    let body = multipart(&[
        (
            "name=\"payload_json\"\r\nContent-Type: application/json",
            r#"{"content":"rec","attachments":[{"id":0,"description":"session"}]}"#,
        ),
        (
            "name=\"files[0]\"; filename=\"rec.ogg\"\r\nContent-Type: audio/ogg",
            "OggS-bytes",
        ),
    ]);
    let message = http(&up, "POST", &path, &headers, &body).await.json();
    let file = &message["attachments"][0];
    assert_eq!(
        (&file["content_type"], &file["description"]),
        (&json!("audio/ogg"), &json!("session"))
    );
    let url = file["url"].as_str().unwrap();
    let local = url
        .strip_prefix(&format!("http://{}", up.server.address()))
        .unwrap();
    let served = http(&up, "GET", local, &[], b"").await;
    assert_eq!(
        (served.status, served.body.as_slice()),
        (200, b"OggS-bytes".as_slice())
    );
    let loose = multipart(&[("name=\"content\"", "bare")]);
    let message = http(&up, "POST", &path, &headers, &loose).await.json();
    assert_eq!(message["content"], "bare");
    up.server.stop().await;
}

#[tokio::test]
async fn bodies_that_are_not_json_or_too_large_are_refused() {
    let up = up().await;
    let token = format!("Bot {}", up.ready.bots[0].token.expose());
    let path = format!("/api/v10/channels/{}/messages", up.ready.text_channel_id);
    let auth = ("Authorization", token.as_str());
    let json = ("Content-Type", "application/json");
    let broken = http(&up, "POST", &path, &[auth, json], b"{").await;
    assert_eq!(
        (broken.status, &broken.json()["code"]),
        (400, &json!(50109))
    );
    let untyped = http(&up, "POST", &path, &[auth], b"{}").await;
    assert_eq!(
        (untyped.status, &untyped.json()["code"]),
        (400, &json!(50035))
    );
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let encoded = b"payload_json=%7B%22content%22%3A%22x%22%7D";
    let sent = http(&up, "POST", &path, &[auth, kind], encoded).await;
    assert_eq!(sent.json()["content"], "x");
    let half = multipart(&[("name=\"files[0]\"; filename=\"x\"", "x")]);
    let form = ("Content-Type", "multipart/form-data; boundary=X");
    let cut = http(&up, "POST", &path, &[auth, form], &half[..half.len() - 8]).await;
    assert_eq!((cut.status, &cut.json()["code"]), (400, &json!(50035)));
    up.server.stop().await;
}

#[tokio::test]
async fn the_sixth_message_in_five_seconds_is_a_429_with_all_headers() {
    let up = up().await;
    let path = format!("/channels/{}/messages", up.ready.text_channel_id);
    for _ in 0..5 {
        assert_eq!(
            bot(&up, "POST", &path, &json!({"content": "x"}))
                .await
                .status,
            200
        );
    }
    let limited = bot(&up, "POST", &path, &json!({"content": "x"})).await;
    assert_eq!(limited.status, 429);
    assert!(limited.json()["retry_after"].as_f64().unwrap() > 0.0);
    for header in [
        "retry-after",
        "x-ratelimit-scope: user",
        "x-ratelimit-remaining: 0",
    ] {
        assert!(limited.head.contains(header), "{header}");
    }
    up.server.stop().await;
}
