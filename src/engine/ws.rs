//! A websocket as the sans-IO machines see it: it opens in the background, delivers frames, and
//! reports its end exactly once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::connect::{self, Socket};

/// A write that takes longer means the peer is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What came from the websocket.
#[derive(Debug)]
pub enum WsEvent {
    /// The handshake is done.
    Opened,
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// It is gone, or never opened. `code` when the peer gave one; `reason` for the log.
    Closed {
        /// Close code of the peer.
        code: Option<u16>,
        /// What the peer or the network said.
        reason: String,
    },
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Opening(JoinHandle<Result<Socket, String>>),
    Open(Box<Socket>),
    /// A write failed: the end is still to be reported.
    Broken(String),
}

/// One websocket at a time; opening a new one drops the old.
pub struct Ws {
    tls: Arc<ClientConfig>,
    state: State,
}

impl Ws {
    /// Nothing open yet.
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Self {
            tls,
            state: State::Idle,
        }
    }

    /// Starts opening `url`; [`WsEvent::Opened`] or [`WsEvent::Closed`] follows.
    pub fn open(&mut self, url: String) {
        self.drop_silently();
        let tls = Arc::clone(&self.tls);
        self.state = State::Opening(tokio::spawn(async move {
            match tokio::time::timeout(OPEN_TIMEOUT, connect::open(&url, tls)).await {
                Ok(opened) => opened,
                Err(_) => Err("the server did not answer in 10 s".to_owned()),
            }
        }));
    }

    /// Sends one frame. A failure is reported later as [`WsEvent::Closed`].
    pub async fn send(&mut self, message: Message) {
        let State::Open(socket) = &mut self.state else {
            return;
        };
        let failed = match tokio::time::timeout(WRITE_TIMEOUT, socket.send(message)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "writing took more than 5 s".to_owned(),
        };
        self.state = State::Broken(failed);
    }

    /// Sends a close frame and forgets the socket; no [`WsEvent::Closed`] follows.
    pub async fn close(&mut self, code: u16) {
        if let State::Open(mut socket) = std::mem::take(&mut self.state) {
            let frame = CloseFrame {
                code: CloseCode::from(code),
                reason: "".into(),
            };
            let closing = async {
                socket.send(Message::Close(Some(frame))).await?;
                // Read until the peer's echo, so that the close is clean on both sides.
                while let Some(Ok(_)) = socket.next().await {}
                Ok::<(), tokio_tungstenite::tungstenite::Error>(())
            };
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
        } else {
            self.drop_silently();
        }
    }

    fn drop_silently(&mut self) {
        if let State::Opening(task) = std::mem::take(&mut self.state) {
            task.abort();
        }
    }

    /// The next event; waits for ever while nothing is open. Safe to cancel.
    pub async fn next(&mut self) -> WsEvent {
        match &mut self.state {
            State::Idle => std::future::pending().await,
            State::Broken(_) => {}
            State::Opening(task) => match task.await {
                Ok(Ok(socket)) => {
                    self.state = State::Open(Box::new(socket));
                    return WsEvent::Opened;
                }
                Ok(Err(reason)) => self.state = State::Broken(reason),
                Err(error) => self.state = State::Broken(error.to_string()),
            },
            State::Open(socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => return WsEvent::Text(text.to_string()),
                    Some(Ok(Message::Binary(bytes))) => return WsEvent::Binary(bytes.to_vec()),
                    Some(Ok(Message::Close(frame))) => {
                        // No await here: this future may be dropped at any await, and the event
                        // with it. The echo is sent from a task of its own.
                        if let State::Open(socket) = std::mem::take(&mut self.state) {
                            tokio::spawn(echo_close(socket));
                        }
                        return WsEvent::Closed {
                            code: frame.as_ref().map(|frame| u16::from(frame.code)),
                            reason: frame
                                .map(|frame| frame.reason.to_string())
                                .unwrap_or_default(),
                        };
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        self.state = State::Broken(error.to_string());
                        break;
                    }
                    None => {
                        self.state = State::Broken("the connection was closed".to_owned());
                        break;
                    }
                }
            },
        }
        match std::mem::take(&mut self.state) {
            State::Broken(reason) => WsEvent::Closed { code: None, reason },
            _ => unreachable!("every other state returned above"),
        }
    }
}

/// Lets tungstenite answer the peer's close frame before the socket goes away.
async fn echo_close(mut socket: Box<Socket>) {
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, socket.flush()).await;
}

impl Drop for Ws {
    fn drop(&mut self) {
        self.drop_silently();
    }
}
