//! A gateway websocket on tokio: frames in and out of a [`Peer`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use super::{Compressor, Input, Output, Peer, Query};
use crate::clock;
use crate::server::Shared;

/// Larger than any legal payload (4096 bytes), so that a too large one can be answered with 4002.
const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// Most payloads are small; the default of 128 KiB per connection is not needed.
const READ_BUFFER_BYTES: usize = 8 << 10;
/// A client that takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// After our close frame the client has this long to send its own.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// The request wants to become a websocket.
pub(crate) fn is_upgrade(request: &Request) -> bool {
    has_token(request.headers(), &UPGRADE, "websocket")
        && has_token(request.headers(), &CONNECTION, "upgrade")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// Answers the handshake (RFC 6455 section 4.2.2) and lets the connection go on as a task. No
/// extension is accepted: transport compression is the gateway's own.
pub(crate) fn accept(shared: &Arc<Shared>, request: &mut Request) -> Response {
    let headers = request.headers();
    let key = headers
        .get(SEC_WEBSOCKET_KEY)
        .map(|key| derive_accept_key(key.as_bytes()));
    let version = headers
        .get(SEC_WEBSOCKET_VERSION)
        .map(HeaderValue::as_bytes);
    let accept = key.and_then(|key| HeaderValue::from_str(&key).ok());
    let Some(accept) = accept.filter(|_| version == Some(b"13")) else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    };
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let upgrade = hyper::upgrade::on(request);
    let task = Arc::clone(shared);
    shared.tasks.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let config = WebSocketConfig::default()
                    .read_buffer_size(READ_BUFFER_BYTES)
                    .max_message_size(Some(MAX_MESSAGE_BYTES))
                    .max_frame_size(Some(MAX_MESSAGE_BYTES));
                let io = TokioIo::new(upgraded);
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                run(socket, query, &task).await;
            }
            Err(error) => tracing::debug!(%error, "websocket upgrade failed"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// What the loop does next.
enum Next {
    /// Something for the peer.
    Input(Owned),
    /// The socket is over, with the client's close code if it sent one.
    Over(Option<u16>),
}

enum Owned {
    Text(String),
    Binary,
    Tick,
}

async fn run(mut socket: Socket, query: Query, shared: &Shared) {
    let Ok(mut compressor) = Compressor::new(query.compression) else {
        return;
    };
    let wake = Arc::new(Notify::new());
    let mut peer = {
        let mut realm = shared.realm();
        let now = clock::now();
        let link = realm.open_link(Arc::clone(&wake));
        let mut peer = Peer::new(link, now);
        peer.handle(now, Input::Opened(&query), &mut realm);
        peer
    };
    let mut closing: Option<Instant> = None;
    let mut client_code = None;
    loop {
        let (outputs, deadline) = drain(&mut peer, shared);
        if send(&mut socket, &mut compressor, outputs, &mut closing)
            .await
            .is_err()
        {
            break;
        }
        let deadline = [deadline, closing].into_iter().flatten().min();
        match next(&mut socket, &wake, deadline, shared, &mut closing).await {
            Next::Over(code) => {
                client_code = code;
                break;
            }
            Next::Input(_) if closing.is_some_and(|until| clock::now() >= until) => break,
            Next::Input(input) => {
                let mut realm = shared.realm();
                let input = match &input {
                    Owned::Text(text) => Input::Text(text),
                    Owned::Binary => Input::Binary,
                    Owned::Tick => Input::Tick,
                };
                peer.handle(clock::now(), input, &mut realm);
            }
        }
    }
    let mut realm = shared.realm();
    peer.handle(clock::now(), Input::Closed(client_code), &mut realm);
}

/// Everything the peer wants now. Bounded by the session's log.
fn drain(peer: &mut Peer, shared: &Shared) -> (Vec<Output>, Option<Instant>) {
    let mut realm = shared.realm();
    let mut outputs = Vec::new();
    loop {
        match peer.poll(&mut realm) {
            Output::Wait(deadline) => return (outputs, deadline),
            output => outputs.push(output),
        }
    }
}

/// The socket cannot be written to any more.
struct Gone;

async fn send(
    socket: &mut Socket,
    compressor: &mut Compressor,
    outputs: Vec<Output>,
    closing: &mut Option<Instant>,
) -> Result<(), Gone> {
    for output in outputs {
        let message = match output {
            Output::Send(text) => match compressor.compress(&text).map_err(|_| Gone)? {
                Some(bytes) => Message::Binary(bytes.into()),
                None => Message::text(text),
            },
            Output::Close { code, reason } => {
                *closing = Some(clock::now() + CLOSE_GRACE);
                Message::Close(Some(CloseFrame {
                    code: CloseCode::from(code),
                    reason: reason.into(),
                }))
            }
            Output::Wait(_) => continue,
        };
        let fed = tokio::time::timeout(SEND_TIMEOUT, socket.feed(message)).await;
        fed.map_err(|_| Gone)?.map_err(|_| Gone)?;
    }
    // Events of one moment leave in one write: discord.py loses a wake-up, and its join times out,
    // when VOICE_SERVER_UPDATE comes microseconds after VOICE_STATE_UPDATE instead of with it.
    let flushed = tokio::time::timeout(SEND_TIMEOUT, socket.flush()).await;
    flushed.map_err(|_| Gone)?.map_err(|_| Gone)
}

async fn next(
    socket: &mut Socket,
    wake: &Notify,
    deadline: Option<Instant>,
    shared: &Shared,
    closing: &mut Option<Instant>,
) -> Next {
    loop {
        tokio::select! {
            message = socket.next() => return match message {
                None | Some(Err(_)) => Next::Over(None),
                Some(Ok(Message::Text(text))) => Next::Input(Owned::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(_))) => Next::Input(Owned::Binary),
                Some(Ok(Message::Close(frame))) => {
                    // The answer to the client's close is queued: push it out before leaving.
                    let flushed = tokio::time::timeout(CLOSE_GRACE, socket.flush()).await;
                    tracing::trace!(?flushed, "client closed the gateway");
                    Next::Over(frame.map(|frame| frame.code.into()))
                }
                // Pings are answered by tungstenite.
                Some(Ok(_)) => continue,
            },
            () = wake.notified() => return Next::Input(Owned::Tick),
            () = sleep_until(deadline) => return Next::Input(Owned::Tick),
            () = shared.stop.cancelled(), if closing.is_none() => {
                *closing = Some(clock::now() + Duration::from_millis(500));
                let away = CloseFrame { code: CloseCode::Away, reason: "server stops".into() };
                if socket.close(Some(away)).await.is_err() {
                    return Next::Over(None);
                }
                return Next::Input(Owned::Tick);
            }
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
