//! One voice websocket, server side, without I/O (voice.md sections 1 to 6).
//!
//! A `Peer` knows framing, order and timeouts of one connection. Whether credentials are good and
//! who else is in the room is known by the [`Hub`](super::hub::Hub): a peer asks
//! ([`Output::Ask`]) and gets a [`Verdict`]. The shell carries both, nothing else.

mod ask;
mod hang;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use mynah_wire::voice::{
    self, Envelope, Heartbeat, Hello, Identify, SelectProtocol, Speaking, close, op,
};
use serde::Deserialize;

use super::allowance::Allowance;
use super::outbox::{Frame, Message};
pub use ask::{Ask, Claim, Gone, Replay, Verdict};
use hang::Held;

/// The oldest and newest gateway versions that are answered (voice.md section 1).
pub const VERSIONS: std::ops::RangeInclusive<u8> = 4..=9;
/// What Hello announces; the value real servers were seen to send (voice.md section 2).
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(13_750);
/// Without a heartbeat for two and a half intervals the connection is dead (section 2, [rec]).
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(13_750 * 5 / 2);
/// Time from the first byte to Identify or Resume (section 11).
pub const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// Payloads a client may send in a burst; more are refilled every [`PAYLOAD_REFILL`]. Discord
/// documents 4021 but no numbers.
const PAYLOAD_BURST: u32 = 200;
const PAYLOAD_REFILL: Duration = Duration::from_millis(100);
/// The same for DAVE messages: each epoch of a busy room asks every member for two. What a room can
/// be asked to do is limited by its delivery service, which knows what it has asked for.
const DAVE_BURST: u32 = 1000;
const DAVE_REFILL: Duration = Duration::from_millis(10);

/// What happened to the connection.
#[derive(Debug)]
pub enum Input<'a> {
    /// A text frame arrived.
    Text(&'a str),
    /// A binary frame arrived.
    Binary(&'a [u8]),
    /// The answer to the last [`Output::Ask`] that wants one.
    Verdict(Verdict),
    /// The session has something to say to this client.
    Tell(Message),
    /// End the connection with this close code.
    Close(u16),
    /// Do nothing from now on, or go on (a scripted fault).
    Hang(bool),
    /// The connection is gone; the code is the client's, if it gave one.
    Closed(Option<u16>),
    /// The deadline of [`Output::Wait`] passed.
    Tick,
}

/// What the shell must do.
#[derive(Debug)]
pub enum Output {
    /// Send this frame.
    Send(Frame),
    /// Close the websocket; nothing follows. [`ABRUPT`] means: without a close frame.
    Close(u16),
    /// Put this to the hub.
    Ask(Ask),
    /// Nothing more to do until the next input, or this instant.
    Wait(Option<Instant>),
}

/// Close code that stands for a connection torn down without a word (RFC 6455 section 7.1.5).
pub const ABRUPT: u16 = 1006;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Hello is sent; Identify or Resume must come.
    Fresh,
    /// A verdict on Identify or Resume is on its way.
    Asking,
    /// Identified.
    Live,
    /// Closed by either side.
    Over,
}

/// One connection.
#[derive(Debug)]
pub struct Peer {
    version: u8,
    state: State,
    deadline: Instant,
    payloads: Allowance,
    dave: Allowance,
    /// What waits while the peer hangs.
    held: Option<VecDeque<Held>>,
    outputs: VecDeque<Output>,
}

impl Peer {
    /// A connection that was just accepted; `version` is the `v` of its address. Hello goes out
    /// before anything was received (voice.md section 2). Versions Discord retired are closed
    /// with 4012.
    pub fn new(now: Instant, version: Option<u8>) -> Self {
        let mut peer = Self {
            version: version.unwrap_or(0),
            state: State::Fresh,
            deadline: now + IDENTIFY_TIMEOUT,
            payloads: Allowance::new(now, PAYLOAD_BURST, PAYLOAD_REFILL),
            dave: Allowance::new(now, DAVE_BURST, DAVE_REFILL),
            held: None,
            outputs: VecDeque::new(),
        };
        if VERSIONS.contains(&peer.version) {
            let hello = Hello {
                v: peer.version,
                heartbeat_interval: HEARTBEAT_INTERVAL.as_millis() as f64,
            };
            peer.send(voice::write(op::HELLO, &hello));
        } else {
            peer.close(close::UNKNOWN_PROTOCOL);
        }
        peer
    }

    /// The gateway version of this connection.
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// Takes one input; then [`poll`](Self::poll) until [`Output::Wait`].
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        if self.state == State::Over {
            return;
        }
        let Some(input) = self.hold(now, input) else {
            return;
        };
        match input {
            Input::Text(text) => self.text(now, text),
            Input::Binary(bytes) => self.binary(now, bytes),
            Input::Verdict(verdict) => self.verdict(now, verdict),
            Input::Tell(message) => {
                let frame = message.frame(self.version);
                self.outputs.push_back(Output::Send(frame));
            }
            Input::Close(code) => self.close(code),
            Input::Hang(hangs) => self.hang(now, hangs),
            Input::Closed(code) => self.closed(code),
            Input::Tick => self.tick(now),
        }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Wait(
            (self.state != State::Over).then_some(self.deadline),
        ))
    }

    fn text(&mut self, now: Instant, text: &str) {
        let envelope = match Envelope::parse(text) {
            Ok(envelope) => envelope,
            Err(_) => return self.close(unreadable(text)),
        };
        let allowance = match envelope.op {
            op::DAVE_FIRST..=op::DAVE_LAST => &mut self.dave,
            _ => &mut self.payloads,
        };
        if !allowance.spend(now) {
            return self.close(close::RATE_LIMITED);
        }
        match envelope.op {
            op::HEARTBEAT => self.heartbeat(now, &envelope),
            op::IDENTIFY => self.identify(&envelope),
            op::RESUME => self.resume(&envelope),
            op::SELECT_PROTOCOL
            | op::SPEAKING
            | op::VIDEO
            | op::SESSION_UPDATE
            | op::MEDIA_SINK_WANTS
            | op::VOICE_BACKEND_VERSION
            | op::NO_ROUTE
            | op::DAVE_FIRST..=op::DAVE_LAST
                if self.state != State::Live =>
            {
                self.close(close::NOT_AUTHENTICATED);
            }
            op::SELECT_PROTOCOL => self.select(&envelope),
            op::SPEAKING => match envelope.body::<Speaking>() {
                Ok(speaking) => self.ask(Ask::Speaking(speaking.speaking)),
                Err(_) => self.close(close::DECODE_ERROR),
            },
            op::VOICE_BACKEND_VERSION => self.ask(Ask::BackendVersion),
            op::DAVE_FIRST..=op::DAVE_LAST => self.ask(Ask::Dave {
                op: envelope.op,
                payload: envelope.d.map_or("null", |d| d.get()).into(),
            }),
            // No video here; the rest only informs.
            op::VIDEO | op::SESSION_UPDATE | op::MEDIA_SINK_WANTS | op::NO_ROUTE => {}
            _ => self.close(close::UNKNOWN_OPCODE),
        }
    }

    /// Binary frames are DAVE: `opcode payload` in every version (voice.md section 1).
    fn binary(&mut self, now: Instant, bytes: &[u8]) {
        if !self.dave.spend(now) {
            return self.close(close::RATE_LIMITED);
        }
        match bytes {
            [] => self.close(close::DECODE_ERROR),
            _ if self.state != State::Live => self.close(close::NOT_AUTHENTICATED),
            [op @ op::DAVE_FIRST..=op::DAVE_LAST, payload @ ..] => self.ask(Ask::Dave {
                op: *op,
                payload: payload.to_vec(),
            }),
            _ => self.close(close::UNKNOWN_OPCODE),
        }
    }

    /// Beats are answered in every state: some clients start before they identify.
    fn heartbeat(&mut self, now: Instant, envelope: &Envelope<'_>) {
        let Ok(beat) = envelope.body::<Heartbeat>() else {
            return self.close(close::DECODE_ERROR);
        };
        if self.state == State::Live {
            self.deadline = now + HEARTBEAT_TIMEOUT;
        }
        let (Heartbeat::Acked { t, .. } | Heartbeat::Bare(t)) = beat;
        let echo = if self.version >= 8 {
            voice::write(op::HEARTBEAT_ACK, &serde_json::json!({ "t": t }))
        } else {
            voice::write(op::HEARTBEAT_ACK, &t)
        };
        self.send(echo);
    }

    fn identify(&mut self, envelope: &Envelope<'_>) {
        if self.state != State::Fresh {
            return self.close(close::ALREADY_AUTHENTICATED);
        }
        let Ok(identify) = envelope.body::<Identify>() else {
            return self.close(close::DECODE_ERROR);
        };
        if self.version >= 9 && identify.channel_id.is_none() {
            return self.close(close::BAD_REQUEST);
        }
        self.state = State::Asking;
        self.ask(Ask::Identify(Claim {
            guild_id: identify.server_id,
            user_id: Some(identify.user_id),
            channel_id: identify.channel_id,
            session_id: identify.session_id,
            token: identify.token.into(),
            max_dave_version: identify.max_dave_protocol_version,
        }));
    }

    fn resume(&mut self, envelope: &Envelope<'_>) {
        if self.state != State::Fresh {
            return self.close(close::ALREADY_AUTHENTICATED);
        }
        let (Ok(resume), Ok(acked)) = (
            envelope.body::<voice::Resume>(),
            envelope.body::<Acknowledged>(),
        ) else {
            return self.close(close::DECODE_ERROR);
        };
        let replay = match acked.seq_ack {
            _ if self.version < 8 => Replay::Nothing,
            None => Replay::Nothing,
            Some(number) => u16::try_from(number).map_or(Replay::All, Replay::After),
        };
        self.state = State::Asking;
        self.ask(Ask::Resume {
            claim: Claim {
                guild_id: resume.server_id,
                user_id: None,
                channel_id: None,
                session_id: resume.session_id,
                token: resume.token.into(),
                max_dave_version: 0,
            },
            replay,
        });
    }

    fn select(&mut self, envelope: &Envelope<'_>) {
        let Ok(select) = envelope.body::<SelectProtocol>() else {
            return self.close(close::DECODE_ERROR);
        };
        if select.protocol != "udp" {
            return self.close(close::UNKNOWN_PROTOCOL);
        }
        let Ok(address) = select.data.address.parse::<Ipv4Addr>() else {
            return self.close(close::BAD_REQUEST);
        };
        self.ask(Ask::Select {
            address: (address, select.data.port).into(),
            mode: select.data.mode.parse().ok(),
        });
    }

    fn verdict(&mut self, now: Instant, verdict: Verdict) {
        match verdict {
            Verdict::Refused(code) => return self.close(code),
            Verdict::Accepted => {}
            Verdict::Hung(verdict) => {
                self.held = Some(hang::holding(*verdict));
                return self.hang(now, true);
            }
            Verdict::Resumed(missed) => {
                self.send(voice::write(op::RESUMED, &()));
                let version = self.version;
                let frames = missed.iter().map(|message| message.frame(version));
                self.outputs.extend(frames.map(Output::Send));
            }
        }
        if self.state == State::Asking {
            self.state = State::Live;
            self.deadline = now + HEARTBEAT_TIMEOUT;
        }
    }

    fn tick(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        self.close(if self.state == State::Live {
            close::SESSION_TIMEOUT
        } else {
            close::NOT_AUTHENTICATED
        });
    }

    /// The server ends the connection.
    fn close(&mut self, code: u16) {
        self.outputs.push_back(Output::Close(code));
        self.over(if survives(code) {
            Gone::Resumable
        } else {
            Gone::Finished
        });
    }

    /// The client, or the network, ended the connection. 1000 means the client leaves, and
    /// discord.py says 4014 for the same (voice.md section 6).
    fn closed(&mut self, code: Option<u16>) {
        self.over(match code {
            Some(1000 | close::DISCONNECTED) => Gone::Finished,
            _ => Gone::Resumable,
        });
    }

    fn over(&mut self, gone: Gone) {
        self.state = State::Over;
        self.ask(Ask::Gone(gone));
    }

    fn ask(&mut self, ask: Ask) {
        self.outputs.push_back(Output::Ask(ask));
    }

    fn send(&mut self, text: String) {
        self.outputs.push_back(Output::Send(Frame::Text(text)));
    }
}

/// The acknowledged sequence of a Resume. disgo calls the key `seq` (voice.md section 5).
#[derive(Deserialize)]
struct Acknowledged {
    #[serde(default, alias = "seq")]
    seq_ack: Option<i64>,
}

/// Can a session be resumed after the server closed its connection with this code? (section 6)
fn survives(code: u16) -> bool {
    matches!(
        code,
        0..4000 | close::SESSION_TIMEOUT | 4013 | close::SERVER_CRASHED
    )
}

/// The close code for text that is no envelope: a number as opcode is at least an opcode.
fn unreadable(text: &str) -> u16 {
    #[derive(Deserialize)]
    struct AnyOpcode {
        #[serde(rename = "op")]
        _op: i64,
    }
    match serde_json::from_str::<AnyOpcode>(text) {
        // The opcode is a number, so either it is out of range or another key is wrong.
        Ok(AnyOpcode { _op: 0..=255 }) | Err(_) => close::DECODE_ERROR,
        Ok(_) => close::UNKNOWN_OPCODE,
    }
}

#[cfg(test)]
mod tests;
