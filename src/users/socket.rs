//! A websocket in a task of its own, so that no write, handshake or close ever delays the speech
//! that the user's task paces.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use crate::Error;

const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Frames waiting in either direction. Full outwards means the peer no longer reads: the connection
/// is given up. Full inwards stops reading, which TCP passes on to the peer.
const QUEUE: usize = 64;
/// Voice payloads are small; a larger message is an attack.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// The TLS settings with `ca_pem` as the only root: simulated users talk to one server.
///
/// # Errors
/// [`Error::Certificate`] when the text holds no usable certificate.
pub fn tls(ca_pem: &[u8]) -> Result<Arc<ClientConfig>, Error> {
    let unusable = |error: &dyn std::fmt::Display| Error::Certificate(error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        return Err(unusable(&"no certificate in it"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What came from the websocket.
#[derive(Debug)]
pub enum SocketEvent {
    /// The handshake is done.
    Opened,
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// It is gone, or never opened; nothing follows.
    Closed {
        /// Close code of the peer.
        code: Option<u16>,
        /// For the log.
        reason: String,
    },
}

/// One websocket. Dropping it drops the connection; its events die with it.
#[derive(Debug)]
pub struct Socket {
    outwards: mpsc::Sender<Message>,
    inwards: mpsc::Receiver<SocketEvent>,
}

impl Socket {
    /// Starts opening `url`.
    pub fn open(url: String, tls: Arc<ClientConfig>) -> Self {
        let (outwards, outbox) = mpsc::channel(QUEUE);
        let (inbox, inwards) = mpsc::channel(QUEUE);
        tokio::spawn(run(url, tls, outbox, inbox));
        Self { outwards, inwards }
    }

    /// Queues one frame; false when the peer no longer reads and the connection should be dropped.
    pub fn send(&self, message: Message) -> bool {
        self.outwards.try_send(message).is_ok()
    }

    /// Sends a close frame behind everything queued and lets go.
    pub fn close(self, code: u16) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "".into(),
        };
        self.send(Message::Close(Some(frame)));
    }

    /// The next event. Safe to cancel.
    pub async fn next(&mut self) -> SocketEvent {
        self.inwards.recv().await.unwrap_or(SocketEvent::Closed {
            code: None,
            reason: "the connection was dropped".to_owned(),
        })
    }
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn run(
    url: String,
    tls: Arc<ClientConfig>,
    mut outbox: mpsc::Receiver<Message>,
    inbox: mpsc::Sender<SocketEvent>,
) {
    let closed = match timeout(OPEN_TIMEOUT, connect(&url, tls)).await {
        Ok(Ok(mut stream)) => {
            if inbox.send(SocketEvent::Opened).await.is_err() {
                return;
            }
            exchange(&mut stream, &mut outbox, &inbox).await
        }
        Ok(Err(reason)) => Some((None, reason)),
        Err(_) => Some((None, "the server did not answer in 10 s".to_owned())),
    };
    if let Some((code, reason)) = closed {
        // Nobody listens any more when the user moved on to another socket.
        let _ = inbox.send(SocketEvent::Closed { code, reason }).await;
    }
}

async fn connect(url: &str, tls: Arc<ClientConfig>) -> Result<Stream, String> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    connect_async_tls_with_config(url, Some(config), true, Some(Connector::Rustls(tls)))
        .await
        .map(|(stream, _)| stream)
        .map_err(|error| error.to_string())
}

/// Carries frames both ways until an end; `None` when our side wanted it.
async fn exchange(
    stream: &mut Stream,
    outbox: &mut mpsc::Receiver<Message>,
    inbox: &mpsc::Sender<SocketEvent>,
) -> Option<(Option<u16>, String)> {
    loop {
        let event = tokio::select! {
            message = outbox.recv() => {
                // Both ends of the queue gone: the user dropped this socket.
                let message = message?;
                let closing = message.is_close();
                match timeout(WRITE_TIMEOUT, stream.send(message)).await {
                    Ok(Ok(())) if closing => {
                        // Read until the peer's echo, so that the close is clean on both sides.
                        let echo = async { while let Some(Ok(_)) = stream.next().await {} };
                        let _ = timeout(CLOSE_TIMEOUT, echo).await;
                        return None;
                    }
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => return Some((None, error.to_string())),
                    Err(_) => return Some((None, "writing took more than 5 s".to_owned())),
                }
            }
            frame = stream.next() => match frame {
                Some(Ok(Message::Text(text))) => SocketEvent::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => SocketEvent::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => {
                    let _ = timeout(CLOSE_TIMEOUT, stream.flush()).await;
                    let code = frame.as_ref().map(|frame| u16::from(frame.code));
                    let reason = frame.map(|frame| frame.reason.to_string());
                    return Some((code, reason.unwrap_or_default()));
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Some((None, error.to_string())),
                None => return Some((None, "the connection was closed".to_owned())),
            },
        };
        if inbox.send(event).await.is_err() {
            return None;
        }
    }
}
