#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
//! The whole voice server over TLS and UDP on loopback, with a hand-made client.
use super::*;
use crate::voice::seal::Transport;
use futures_util::{SinkExt, StreamExt};
use mynah_wire::rtp::Header;
use mynah_wire::udp::{Datagram, classify};
use mynah_wire::{ChannelId, Ssrc};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::net::{TcpStream, UdpSocket};
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

const GUILD: GuildId = GuildId::new(1);
/// For a test that fails; nothing waits this long otherwise.
const LIMIT: Duration = Duration::from_secs(30);

async fn server(dir: &Path) -> VoiceServer {
    VoiceServer::start(VoiceConfig {
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        legacy_modes: false,
        data_dir: dir.to_owned(),
        seed: 3,
    })
    .await
    .unwrap()
}

fn grant(server: &VoiceServer, user: u64) {
    server.grant(Grant {
        guild_id: GUILD,
        channel_id: ChannelId::new(10),
        user_id: UserId::new(user),
        session_id: format!("s{user}"),
        token: format!("t{user}").into(),
        dave: DavePolicy::Off,
    });
}

struct Client {
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    udp: UdpSocket,
    transport: Option<Transport>,
    ssrc: Ssrc,
    seq: Option<u64>,
}

impl Client {
    /// A websocket that trusts exactly the server's `ca.pem`.
    async fn connect(server: &VoiceServer, query: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(server.ca_file()).unwrap();
        roots
            .add(CertificateDer::from_pem_slice(&pem).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let url = format!("wss://{}{query}", server.endpoint());
        let connector = Some(Connector::Rustls(Arc::new(tls)));
        let (ws, _) = tokio_tungstenite::connect_async_tls_with_config(url, None, true, connector)
            .await
            .unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self {
            ws,
            udp,
            transport: None,
            ssrc: Ssrc(0),
            seq: None,
        }
    }

    async fn join(server: &VoiceServer, user: u64, mode: EncryptionMode) -> Self {
        grant(server, user);
        let mut client = Self::connect(server, "/?v=8").await;
        assert_eq!(client.next().await["op"], 8);
        client
            .send(
                json!({"op": 0, "d": {"server_id": "1", "user_id": user.to_string(),
                "session_id": format!("s{user}"), "token": format!("t{user}")}}),
            )
            .await;
        let ready = client.until(2).await;
        client.ssrc = Ssrc(ready["ssrc"].as_u64().unwrap() as u32);
        let media = format!("{}:{}", ready["ip"].as_str().unwrap(), ready["port"]);
        client.udp.connect(media).await.unwrap();
        let address = client.udp.local_addr().unwrap();
        client
            .send(
                json!({"op": 1, "d": {"protocol": "udp", "data": {"mode": mode.name(),
                "address": address.ip().to_string(), "port": address.port()}}}),
            )
            .await;
        let description = client.until(4).await;
        let key: [u8; 32] = serde_json::from_value(description["secret_key"].clone()).unwrap();
        client.transport = Some(Transport::new(mode, &key, 0, 0));
        client
            .send(json!({"op": 5, "d": {"speaking": 1, "delay": 0}}))
            .await;
        client
    }

    async fn send(&mut self, payload: Value) {
        self.ws
            .send(WsMessage::text(payload.to_string()))
            .await
            .unwrap();
    }

    /// The next payload, or the close code as a number.
    async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(LIMIT, self.ws.next()).await.unwrap();
        match next {
            Some(Ok(WsMessage::Text(text))) => {
                let payload: Value = serde_json::from_str(&text).unwrap();
                self.seq = payload["seq"].as_u64().or(self.seq);
                payload
            }
            Some(Ok(WsMessage::Close(Some(frame)))) => json!(u16::from(frame.code)),
            _ => Value::Null,
        }
    }

    /// Skips to a payload with this opcode and gives its body.
    async fn until(&mut self, op: u64) -> Value {
        loop {
            let payload = self.next().await;
            assert!(payload.is_object(), "connection ended: {payload}");
            if payload["op"] == op {
                return payload["d"].clone();
            }
        }
    }

    async fn speak(&mut self, sequence: u16) {
        let transport = self.transport.as_mut().unwrap();
        let mut packet = Header::opus(sequence, 0, self.ssrc).write().to_vec();
        packet.extend(b"frame");
        packet.resize(17 + transport.mode().overhead_bytes(), 0);
        transport.seal(&mut packet, 17).unwrap();
        self.udp.send(&packet).await.unwrap();
    }

    async fn hear(&mut self) -> (Header, Vec<u8>) {
        let mut packet = [0; 2048];
        let length = loop {
            let received = tokio::time::timeout(LIMIT, self.udp.recv(&mut packet));
            let length = received.await.unwrap().unwrap();
            // Reports about the own stream come in between.
            if classify(&packet[..length]) == Datagram::Rtp {
                break length;
            }
        };
        let packet = &mut packet[..length];
        let opened = self.transport.as_ref().unwrap().open(packet).unwrap();
        (opened.header, packet[opened.payload].to_vec())
    }
}

#[tokio::test]
async fn two_clients_talk_over_tls_and_udp() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut alice = Client::join(&server, 5, EncryptionMode::Aes256GcmRtpSize).await;
    let mut bob = Client::join(&server, 6, EncryptionMode::XChaCha20Poly1305RtpSize).await;
    assert_eq!(bob.until(11).await, json!({"user_ids": ["5"]}));
    let speaking = bob.until(5).await;
    assert_eq!(speaking["ssrc"], alice.ssrc.get());
    assert_eq!(alice.until(11).await, json!({"user_ids": ["6"]}));
    for sequence in 0..20 {
        alice.speak(sequence).await;
        let (header, frame) = bob.hear().await;
        assert_eq!((header.sequence, header.ssrc), (sequence, alice.ssrc));
        assert_eq!(frame, b"frame");
    }
    let reports = server.sessions();
    assert_eq!(reports[0].packets_in, 20);
    assert_eq!(reports[1].packets_out, 20);
    assert_eq!(server.endpoint().split(':').next(), Some("localhost"));
    server.stop().await;
    assert_eq!(alice.until_closed().await, json!(1001));
}

impl Client {
    async fn until_closed(&mut self) -> Value {
        loop {
            let payload = self.next().await;
            if !payload.is_object() {
                return payload;
            }
        }
    }
}

#[tokio::test]
async fn a_scripted_close_is_resumed_and_media_never_stops() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut alice = Client::join(&server, 5, EncryptionMode::Aes256GcmRtpSize).await;
    let mut bob = Client::join(&server, 6, EncryptionMode::Aes256GcmRtpSize).await;
    let scope = Scope {
        user_id: Some(UserId::new(5)),
        channel_id: None,
    };
    server.close_sockets(scope, 4015, false);
    assert_eq!(alice.until_closed().await, json!(4015));
    alice.speak(1).await;
    assert_eq!(bob.hear().await.0.sequence, 1);
    let mut back = Client::connect(&server, "/?v=8").await;
    back.next().await;
    back.send(
        json!({"op": 7, "d": {"server_id": "1", "session_id": "s5", "token": "t5",
        "seq_ack": alice.seq.unwrap()}}),
    )
    .await;
    assert_eq!(back.next().await["op"], 9);
    alice.speak(2).await;
    assert_eq!(bob.hear().await.0.sequence, 2);
    server.stop().await;
}

#[tokio::test]
async fn a_torn_down_connection_ends_without_a_close_frame() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut alice = Client::join(&server, 5, EncryptionMode::Aes256GcmRtpSize).await;
    server.close_sockets(Scope::default(), peer::ABRUPT, false);
    assert_eq!(alice.until_closed().await, Value::Null);
    server.stop().await;
}

#[tokio::test]
async fn old_versions_are_closed_after_the_upgrade() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    for query in ["/?v=3", "/", "/?encoding=json"] {
        let mut client = Client::connect(&server, query).await;
        assert_eq!(client.until_closed().await, json!(4012), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let started = VoiceServer::start(VoiceConfig {
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: taken.local_addr().unwrap().port(),
        legacy_modes: false,
        data_dir: dir.path().to_owned(),
        seed: 0,
    })
    .await;
    let Err(error) = started else {
        panic!("two servers on one port");
    };
    assert!(matches!(error, VoiceError::Listen { .. }), "{error}");
    assert!(error.remedy().contains("port"));
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let mut alice = Client::join(&server, 5, EncryptionMode::Aes256GcmRtpSize).await;
    let second_handle = server.clone();
    drop(server);
    assert_eq!(second_handle.sessions().len(), 1);
    drop(second_handle);
    assert_eq!(alice.until_closed().await, json!(1001));
}

#[tokio::test]
async fn garbage_on_the_tls_port_hurts_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let address = server.endpoint().replace("localhost", "127.0.0.1");
    let mut raw = TcpStream::connect(address).await.unwrap();
    raw.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(LIMIT, raw.read_to_end(&mut answer));
    let _ = closed.await.unwrap();
    Client::join(&server, 5, EncryptionMode::Aes256GcmRtpSize).await;
    server.stop().await;
}

#[test]
fn media_is_ipv4_whatever_the_websocket_binds_to() {
    let ip = |bind: &str| media_bind(bind.parse().unwrap(), 0).map(|address| *address.ip());
    assert_eq!(ip("127.0.0.1").unwrap(), Ipv4Addr::LOCALHOST);
    assert_eq!(ip("::1").unwrap(), Ipv4Addr::LOCALHOST);
    assert_eq!(ip("::").unwrap(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(ip("192.0.2.1").unwrap(), Ipv4Addr::new(192, 0, 2, 1));
    assert!(matches!(ip("2001:db8::1"), Err(VoiceError::NeedsIpv4(_))));
}
