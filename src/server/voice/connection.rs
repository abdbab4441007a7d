//! The tokio shell of one voice websocket: carries frames between the wire, the peer and the hub.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use mynah_wire::voice::close_code;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};

use super::hub::{ConnectionId, Link};
use super::outbox::Frame;
use super::peer::{ABRUPT, Input, Output, Peer};
use super::shared::{Shared, ToPeer};
use crate::clock;

/// From TCP accept to the end of the websocket handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not read for this long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for the client's answer to our close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// The largest payload is a DAVE commit with a Welcome for a full room (dave.md section 3).
const MAX_MESSAGE_BYTES: usize = 256 * 1024;
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// RFC 6455 section 7.4.1: the server goes away.
const GOING_AWAY: u16 = 1001;

type Ws = WebSocketStream<TlsStream<TcpStream>>;

/// Runs one accepted TCP connection to its end.
pub(super) async fn run(shared: &Shared, tcp: TcpStream) {
    let media_ip = media_ip(shared, &tcp);
    // Small packets in both directions; a delayed heartbeat helps nobody.
    let _ = tcp.set_nodelay(true);
    let Ok(Some((ws, version))) = timeout(HANDSHAKE_TIMEOUT, handshake(shared, tcp)).await else {
        tracing::debug!("voice handshake failed");
        return;
    };
    let peer = Peer::new(clock::now(), version);
    let link = Link {
        id: ConnectionId(shared.new_connection_number()),
        version: peer.version(),
        media_ip,
    };
    let inbox = shared.open_route(link.id);
    converse(shared, link, peer, ws, inbox).await;
    shared.close_route(link.id);
}

/// TLS, then the websocket upgrade; any path is fine, only the query matters (interop.md
/// section 7, point 2).
async fn handshake(shared: &Shared, tcp: TcpStream) -> Option<(Ws, Option<u8>)> {
    let tls = shared.tls.accept(tcp).await.ok()?;
    let mut version = None;
    #[expect(
        clippy::result_large_err,
        reason = "the callback's type is tungstenite's"
    )]
    let read_version = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        version = request.uri().query().and_then(version_of);
        Ok(response)
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(READ_BUFFER_BYTES)
        .max_write_buffer_size(4 * MAX_MESSAGE_BYTES);
    let ws = tokio_tungstenite::accept_hdr_async_with_config(tls, read_version, Some(config))
        .await
        .ok()?;
    Some((ws, version))
}

/// The `v` of `?v=8&encoding=json`.
fn version_of(query: &str) -> Option<u8> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("v="))?
        .parse()
        .ok()
}

/// The loop of architecture B3: one event, one `handle`, `poll` until `Wait`.
async fn converse(
    shared: &Shared,
    link: Link,
    mut peer: Peer,
    mut ws: Ws,
    mut inbox: mpsc::Receiver<ToPeer>,
) {
    let mut is_stopping = false;
    loop {
        let Some(deadline) = drain(shared, link, &mut peer, &mut ws).await else {
            return;
        };
        tokio::select! {
            frame = ws.next() => match frame {
                Some(Ok(WsMessage::Text(text))) => peer.handle(clock::now(), Input::Text(&text)),
                Some(Ok(WsMessage::Binary(bytes))) => {
                    peer.handle(clock::now(), Input::Binary(&bytes));
                }
                Some(Ok(WsMessage::Close(frame))) => {
                    let code = frame.map(|frame| frame.code.into());
                    peer.handle(clock::now(), Input::Closed(code));
                    // Let tungstenite send its answer to the close frame.
                    let _ = timeout(CLOSE_TIMEOUT, ws.flush()).await;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => peer.handle(clock::now(), Input::Closed(None)),
            },
            message = inbox.recv() => match message {
                Some(ToPeer::Tell(message)) => peer.handle(clock::now(), Input::Tell(message)),
                Some(ToPeer::Close(code)) => peer.handle(clock::now(), Input::Close(code)),
                Some(ToPeer::Hang(hangs)) => peer.handle(clock::now(), Input::Hang(hangs)),
                // The inbox overflowed: this client does not keep up. It may resume.
                None => peer.handle(clock::now(), Input::Close(ABRUPT)),
            },
            () = sleep_until(deadline.into()) => peer.handle(clock::now(), Input::Tick),
            () = shared.stopping.cancelled(), if !is_stopping => {
                is_stopping = true;
                peer.handle(clock::now(), Input::Close(GOING_AWAY));
            }
        }
    }
}

/// Does everything the peer wants done. Gives its deadline, or `None` when the connection is over.
async fn drain(shared: &Shared, link: Link, peer: &mut Peer, ws: &mut Ws) -> Option<Instant> {
    loop {
        match peer.poll() {
            Output::Send(frame) => {
                let message = match frame {
                    Frame::Text(text) => WsMessage::text(text),
                    Frame::Binary(bytes) => WsMessage::binary(bytes),
                };
                if !matches!(timeout(SEND_TIMEOUT, ws.send(message)).await, Ok(Ok(()))) {
                    peer.handle(clock::now(), Input::Closed(None));
                }
            }
            Output::Ask(ask) => {
                if let Some(verdict) = shared.answer(link, ask) {
                    peer.handle(clock::now(), Input::Verdict(verdict));
                }
            }
            Output::Close(ABRUPT) => {}
            Output::Close(code) => close(ws, code).await,
            Output::Wait(Some(deadline)) => return Some(deadline),
            Output::Wait(None) => return None,
        }
    }
}

/// Says goodbye and waits a moment for the answer, so that the code is not lost in a TCP reset.
async fn close(ws: &mut Ws, code: u16) {
    let reason = close_code(code).map_or("", |row| row.meaning);
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    let goodbye = async {
        ws.close(Some(frame)).await.ok()?;
        while let Some(Ok(_)) = ws.next().await {}
        Some(())
    };
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
}

/// The IPv4 address at which this client reaches the media socket: the socket's own, or, when that
/// listens everywhere, the one the client connected to.
fn media_ip(shared: &Shared, tcp: &TcpStream) -> Ipv4Addr {
    let bound = *shared.sfu.address().ip();
    if !bound.is_unspecified() {
        return bound;
    }
    match tcp.local_addr().map(|address| address.ip().to_canonical()) {
        Ok(IpAddr::V4(ip)) if !ip.is_unspecified() => ip,
        _ => Ipv4Addr::LOCALHOST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_anywhere_in_the_query() {
        assert_eq!(version_of("v=8"), Some(8));
        assert_eq!(version_of("encoding=json&v=4&x=v=9"), Some(4));
        assert_eq!(version_of("v=eight"), None);
        assert_eq!(version_of("encoding=json"), None);
        assert_eq!(version_of("v=800"), None);
    }
}
