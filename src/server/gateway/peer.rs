//! One gateway connection, as a machine (gateway.md section 12).
//!
//! The peer is driven with the [`Realm`] in hand: it reads and changes the world, but never waits,
//! never looks at a clock and owns no socket. Dispatches are not queued here: the peer holds a
//! cursor into its session's log.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mynah_wire::gateway::{
    Envelope, MAX_CLIENT_PAYLOAD_BYTES, SEND_LIMIT, SEND_WINDOW_S, close, op,
};
use serde_json::{Value, json};

use super::{LinkId, Order, Query};
use crate::realm::Realm;

/// After op 7 the client has this long before the socket is dropped.
const RECONNECT_GRACE: Duration = Duration::from_secs(5);
/// Payloads read ahead while frozen; the shell stops reading beyond that anyway.
const FROZEN_PAYLOADS: usize = 256;

/// What happened on the socket.
#[derive(Debug)]
pub enum Input<'a> {
    /// The websocket is open.
    Opened(&'a Query),
    /// A text message.
    Text(&'a str),
    /// A binary message: never legal from a client that speaks JSON.
    Binary,
    /// The socket is gone, with the code of the client's close frame if there was one.
    Closed(Option<u16>),
    /// Nothing; time passed or the world changed.
    Tick,
}

/// What the shell has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a payload.
    Send(String),
    /// Close the socket.
    Close {
        /// Close code.
        code: u16,
        /// Close reason.
        reason: &'static str,
    },
    /// Nothing until then, or until something happens.
    Wait(Option<Instant>),
}

/// One connection.
#[derive(Debug)]
pub struct Peer {
    pub(super) link: LinkId,
    pub(super) session: Option<String>,
    /// Last dispatch sent.
    pub(super) cursor: u64,
    pub(super) version: Option<u32>,
    out: VecDeque<Output>,
    /// The server has closed: the client's own close code no longer means anything.
    closed: bool,
    beat_due: Option<Instant>,
    drop_at: Option<Instant>,
    window: (Instant, u32),
    frozen_until: Option<Instant>,
    held: VecDeque<String>,
}

impl Peer {
    /// A connection that has just been accepted; `link` was given by [`Realm::open_link`].
    pub fn new(link: LinkId, now: Instant) -> Self {
        Self {
            link,
            session: None,
            cursor: 0,
            version: None,
            out: VecDeque::new(),
            closed: false,
            beat_due: None,
            drop_at: None,
            window: (now, 0),
            frozen_until: None,
            held: VecDeque::new(),
        }
    }

    /// Takes one input. Call [`poll`](Self::poll) until [`Output::Wait`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, realm: &mut Realm) {
        realm.advance(now);
        self.take_orders(now, realm);
        match input {
            Input::Opened(query) => self.opened(now, query, realm),
            Input::Text(text) if self.frozen_until.is_some() => {
                if self.held.len() < FROZEN_PAYLOADS {
                    self.held.push_back(text.to_owned());
                }
            }
            Input::Text(text) => self.received(now, text, realm),
            Input::Binary => self.close(close::DECODE_ERROR, "payloads are JSON text"),
            Input::Closed(code) => self.gone(code, realm),
            Input::Tick => {}
        }
        self.pass_time(now, realm);
    }

    /// The next thing to do.
    pub fn poll(&mut self, realm: &mut Realm) -> Output {
        if let Some(until) = self.frozen_until {
            return Output::Wait(Some(until));
        }
        if let Some(output) = self.out.pop_front() {
            return output;
        }
        if self.closed {
            return Output::Wait(None);
        }
        if let Some(session) = self.session.as_ref().and_then(|id| realm.sessions.get(id)) {
            if let Some(entry) = session.after(self.cursor) {
                self.cursor = entry.seq;
                return Output::Send(entry.text());
            }
            if !session.can_replay_after(self.cursor) {
                // The socket is slower than the events: the log has moved on without it.
                self.close(close::UNKNOWN_ERROR, "too slow");
                return self.poll(realm);
            }
        }
        Output::Wait([self.beat_due, self.drop_at].into_iter().flatten().min())
    }

    fn opened(&mut self, now: Instant, query: &Query, realm: &Realm) {
        self.version = query.version;
        self.expect_beat(now, realm);
        let interval = realm.limits.heartbeat_interval_ms;
        self.send(
            op::HELLO,
            &json!({"heartbeat_interval": interval, "_trace": []}),
        );
        if !matches!(query.version, Some(9 | 10)) {
            self.close(close::INVALID_API_VERSION, "Invalid API version specified.");
        } else if !query.json {
            self.close(close::DECODE_ERROR, "only JSON encoding is spoken here");
        }
    }

    fn received(&mut self, now: Instant, text: &str, realm: &mut Realm) {
        if self.closed {
            return;
        }
        if text.len() > MAX_CLIENT_PAYLOAD_BYTES {
            return self.close(close::DECODE_ERROR, "Payload is too large.");
        }
        if !self.within_send_limit(now) && realm.limits.gateway_sends {
            return self.close(close::RATE_LIMITED, "Rate limited.");
        }
        let Ok(envelope) = Envelope::parse(text) else {
            return self.close(close::DECODE_ERROR, "Error while decoding payload.");
        };
        let Ok(body) = envelope.body::<Value>() else {
            return self.close(close::DECODE_ERROR, "Error while decoding payload.");
        };
        match envelope.op {
            op::HEARTBEAT => self.beat(now, realm),
            op::IDENTIFY if self.session.is_some() => self.already_authenticated(),
            op::RESUME if self.session.is_some() => self.already_authenticated(),
            op::IDENTIFY => self.identify(now, &body, realm),
            op::RESUME => self.resume(&body, realm),
            other => match self.session.clone() {
                None => self.close(close::NOT_AUTHENTICATED, "Not authenticated."),
                Some(session) => self.request(other, body, &session, realm),
            },
        }
    }

    fn already_authenticated(&mut self) {
        self.close(close::ALREADY_AUTHENTICATED, "Already authenticated.");
    }

    fn beat(&mut self, now: Instant, realm: &Realm) {
        self.expect_beat(now, realm);
        let drops = realm
            .links
            .get(&self.link)
            .is_some_and(|link| link.drop_acks);
        if !drops {
            self.send(op::HEARTBEAT_ACK, &Value::Null);
        }
    }

    /// A client is gone when nothing came for 1.75 intervals (gateway.md section 4: 1.5 to 2).
    fn expect_beat(&mut self, now: Instant, realm: &Realm) {
        let interval = Duration::from_millis(realm.limits.heartbeat_interval_ms);
        self.beat_due = Some(now + interval * 7 / 4);
    }

    /// Counts a payload in the current window.
    fn within_send_limit(&mut self, now: Instant) -> bool {
        let (start, count) = &mut self.window;
        if now.saturating_duration_since(*start) >= Duration::from_secs(SEND_WINDOW_S) {
            (*start, *count) = (now, 0);
        }
        *count += 1;
        *count <= SEND_LIMIT
    }

    fn take_orders(&mut self, now: Instant, realm: &mut Realm) {
        while let Some(order) = realm
            .links
            .get_mut(&self.link)
            .and_then(|link| link.orders.pop_front())
        {
            match order {
                Order::Close(code) => self.close(code, "closed by a fault"),
                Order::InvalidSession { resumable } => {
                    if let Some(id) = self.session.take() {
                        if resumable {
                            realm.detach(&id, self.link);
                        } else {
                            realm.end_session(&id);
                        }
                    }
                    self.send(op::INVALID_SESSION, &json!(resumable));
                }
                Order::Reconnect => {
                    self.send(op::RECONNECT, &Value::Null);
                    self.drop_at = Some(now + RECONNECT_GRACE);
                }
                Order::Freeze(length) => self.frozen_until = Some(now + length),
            }
        }
    }

    fn pass_time(&mut self, now: Instant, realm: &mut Realm) {
        if let Some(until) = self.frozen_until {
            if now < until {
                return;
            }
            self.frozen_until = None;
            self.expect_beat(now, realm);
            while let Some(text) = self.held.pop_front() {
                self.received(now, &text, realm);
            }
        }
        if self.beat_due.is_some_and(|due| due <= now) {
            self.close(close::SESSION_TIMED_OUT, "Session timed out.");
        }
        if self.drop_at.is_some_and(|due| due <= now) {
            self.close(close::UNKNOWN_ERROR, "reconnect");
        }
    }

    /// The socket is gone. Only a client that closed with 1000 or 1001 of its own will ends the
    /// session (gateway.md section 6); an echo of our close does not (interop.md section 8).
    fn gone(&mut self, code: Option<u16>, realm: &mut Realm) {
        if let Some(id) = self.session.take() {
            if !self.closed && matches!(code, Some(1000 | 1001)) {
                realm.end_session(&id);
            } else {
                realm.detach(&id, self.link);
            }
        }
        self.closed = true;
        realm.links.remove(&self.link);
    }

    /// Queues a payload that is not a dispatch.
    pub(super) fn send(&mut self, op: u8, body: &Value) {
        let text = format!(r#"{{"t":null,"s":null,"op":{op},"d":{body}}}"#);
        self.out.push_back(Output::Send(text));
    }

    pub(super) fn close(&mut self, code: u16, reason: &'static str) {
        if !self.closed {
            self.closed = true;
            self.beat_due = None;
            self.drop_at = None;
            self.out.push_back(Output::Close { code, reason });
        }
    }
}
