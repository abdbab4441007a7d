//! The shard's states: Idle, Opening, Hello, Permit, Identifying or Resuming, Live (gateway.md
//! section 6, "Client state machine").

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mynah_wire::gateway::{
    self as wire, Envelope, Hello, Identify, MAX_CLIENT_PAYLOAD_BYTES, Resume, VoiceStateRequest,
    op,
};
use mynah_wire::rng::Rng;
use serde::Deserialize;

use super::heartbeat::{Due, Heartbeat};
use super::window::SendWindow;
use super::{Config, Input, Output, Resumable, State};
use crate::backoff::Backoff;

/// How long a socket may take to open, and the server to say Hello.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long READY may take after Identify, and each step of a replay after Resume.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);
/// Identifies cost: 1,000 a day, then Discord resets the token (gateway.md section 5). A pause of
/// up to this much keeps even an endless failure below that.
const LONGEST_IDENTIFY_PAUSE: Duration = Duration::from_secs(180);
/// Our own closes must not be 1000 or 1001: those would end the session (gateway.md section 4).
pub(super) const CLOSE_RESUMABLE: u16 = 4900;
pub(super) const CLOSE_NORMAL: u16 = 1000;
/// A session that cannot be resumed this often is given up for a new one.
pub(super) const RESUME_TRIES: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No socket; the next one is opened at that time.
    Idle { until: Instant },
    /// A socket was asked for.
    Opening { deadline: Instant },
    /// Open; Hello must come.
    Hello { deadline: Instant },
    /// Waiting for the identify queue, however long it is.
    Permit,
    /// Identify sent.
    Identifying { deadline: Instant },
    /// Resume sent; every replayed event extends the deadline.
    Resuming { deadline: Instant },
    /// READY or RESUMED arrived.
    Live { since: Instant },
    /// Finished.
    Stopped,
}

/// One connection to the main gateway. See the [module](super) for how to drive it.
#[derive(Debug)]
pub struct Shard {
    pub(super) config: Config,
    query: String,
    pub(super) rng: Rng,
    pub(super) backoff: Backoff,
    pub(super) identify_backoff: Backoff,
    pub(super) phase: Phase,
    pub(super) session: Option<Resumable>,
    last_seq: Option<u64>,
    pub(super) failed_resumes: u32,
    pub(super) failed_opens: u32,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) window: SendWindow,
    pub(super) voice: VecDeque<VoiceStateRequest>,
    pub(super) presence_waits: bool,
    pub(super) out: VecDeque<Output>,
    pub(super) now: Instant,
}

#[derive(Deserialize)]
struct ReadyBody {
    session_id: String,
    resume_gateway_url: Option<String>,
}

impl Shard {
    /// A shard that wants to connect at once.
    pub fn new(mut config: Config, now: Instant) -> Self {
        let mut rng = Rng::new(config.seed);
        let (url, query) = match config.gateway_url.split_once('?') {
            Some((url, query)) => (url.to_owned(), query.to_owned()),
            None => (config.gateway_url.clone(), String::new()),
        };
        config.gateway_url = url;
        let session = config.resume.take();
        let mut shard = Self {
            query,
            backoff: Backoff::new(rng.next_u64()),
            identify_backoff: Backoff::between(
                rng.next_u64(),
                crate::backoff::FIRST,
                LONGEST_IDENTIFY_PAUSE,
            ),
            rng,
            phase: Phase::Idle { until: now },
            last_seq: session.as_ref().map(|session| session.seq),
            session,
            failed_resumes: 0,
            failed_opens: 0,
            heartbeat: None,
            window: SendWindow::default(),
            voice: VecDeque::new(),
            presence_waits: false,
            out: VecDeque::new(),
            now,
            config,
        };
        shard.advance();
        shard
    }

    /// What would continue this session: worth keeping across a restart. `None` before READY and
    /// after a normal stop.
    pub fn resumable(&self) -> Option<Resumable> {
        self.session.clone()
    }

    /// Takes one thing that happened. Never fails: peer errors become outputs.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        if self.phase == Phase::Stopped {
            return;
        }
        match input {
            Input::WsOpened => self.on_opened(),
            Input::WsText(text) => self.on_text(text),
            Input::WsClosed { code } => self.on_closed(code),
            Input::IdentifyPermit => self.on_permit(),
            Input::Command(command) => self.on_command(command),
            Input::Tick => {}
        }
        self.advance();
    }

    /// The next thing to do; call until it says [`Output::Wait`].
    pub fn poll(&mut self) -> Output {
        if let Some(output) = self.out.pop_front() {
            return output;
        }
        Output::Wait(self.deadline())
    }

    fn deadline(&mut self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Idle { until } => Some(until),
            Phase::Opening { deadline }
            | Phase::Hello { deadline }
            | Phase::Identifying { deadline }
            | Phase::Resuming { deadline } => Some(deadline),
            Phase::Permit | Phase::Live { .. } | Phase::Stopped => None,
        };
        let beat = self.heartbeat.as_ref().map(Heartbeat::next);
        let queue = if self.is_live() && self.has_queue() {
            self.window.wait_ordinary(self.now)
        } else {
            None
        };
        [phase, beat, queue].into_iter().flatten().min()
    }

    // --- time ----------------------------------------------------------------------------------

    fn advance(&mut self) {
        match self.phase {
            Phase::Idle { until } if until <= self.now => self.open(),
            Phase::Opening { deadline } | Phase::Hello { deadline } if deadline <= self.now => {
                self.failed_opens = self.failed_opens.saturating_add(1);
                self.give_up_socket("the gateway did not answer in time");
            }
            Phase::Identifying { deadline } | Phase::Resuming { deadline }
                if deadline <= self.now =>
            {
                self.give_up_socket("the gateway did not start the session in time");
            }
            _ => {}
        }
        match self.heartbeat.as_mut().map(|beat| beat.advance(self.now)) {
            Some(Due::Beat) => self.beat(),
            Some(Due::Zombie) => self.give_up_socket("heartbeats are no longer acknowledged"),
            Some(Due::Nothing) | None => {}
        }
        self.flush();
    }

    fn beat(&mut self) {
        let text = wire::write(op::HEARTBEAT, &self.last_seq);
        self.send(text);
    }

    // --- connecting ----------------------------------------------------------------------------

    fn open(&mut self) {
        // A dead resume address must not hold us: after some failures the main one is tried, where
        // the server at worst answers Invalid Session.
        let base = match &self.session {
            Some(session) if self.failed_opens < RESUME_TRIES => &session.resume_url,
            _ => &self.config.gateway_url,
        };
        let url = connect_url(base, &self.query);
        self.window.clear();
        self.phase = Phase::Opening {
            deadline: self.now + CONNECT_TIMEOUT,
        };
        self.out.push_back(Output::State(State::Connecting));
        self.out.push_back(Output::OpenWs { url });
    }

    fn on_opened(&mut self) {
        if let Phase::Opening { .. } = self.phase {
            self.phase = Phase::Hello {
                deadline: self.now + CONNECT_TIMEOUT,
            };
        }
    }

    fn on_hello(&mut self, hello: &Hello) {
        if !matches!(self.phase, Phase::Hello { .. }) {
            return;
        }
        self.failed_opens = 0;
        self.heartbeat = Some(Heartbeat::start(
            self.now,
            hello.heartbeat_interval,
            &mut self.rng,
        ));
        if let Some(session) = &self.session {
            let resume = Resume {
                token: self.config.token.expose().to_owned(),
                session_id: session.session_id.clone(),
                seq: session.seq,
            };
            self.send(wire::write(op::RESUME, &resume));
            self.phase = Phase::Resuming {
                deadline: self.now + SESSION_TIMEOUT,
            };
            self.out.push_back(Output::State(State::Resuming));
        } else {
            self.phase = Phase::Permit;
            self.out.push_back(Output::WantIdentify);
        }
    }

    fn on_permit(&mut self) {
        // A permit for a socket that is gone is not kept: used later it would break the rate.
        if self.phase != Phase::Permit {
            return;
        }
        let (id, count) = self.config.shard;
        let identify = Identify {
            token: self.config.token.expose().to_owned(),
            intents: self.config.intents,
            properties: serde_json::json!({
                "os": std::env::consts::OS, "browser": "mynah", "device": "mynah",
            }),
            compress: false,
            large_threshold: Some(50),
            shard: Some([id, count]),
            presence: self.config.presence.clone(),
        };
        let mut text = wire::write(op::IDENTIFY, &identify);
        if text.len() > MAX_CLIENT_PAYLOAD_BYTES {
            text = wire::write(
                op::IDENTIFY,
                &Identify {
                    presence: None,
                    ..identify
                },
            );
        }
        self.send(text);
        self.presence_waits = false;
        self.last_seq = None;
        self.phase = Phase::Identifying {
            deadline: self.now + SESSION_TIMEOUT,
        };
        self.out.push_back(Output::State(State::Identifying));
    }

    // --- payloads ------------------------------------------------------------------------------

    fn on_text(&mut self, text: &str) {
        if !self.has_socket() {
            return;
        }
        // Undecodable text and unknown opcodes are ignored: the server may be newer than we are.
        let Ok(envelope) = Envelope::parse(text) else {
            return;
        };
        match envelope.op {
            op::HELLO => {
                if let Ok(hello) = envelope.body::<Hello>() {
                    self.on_hello(&hello);
                }
            }
            // Asked for by the server; outside the schedule (gateway.md section 4).
            op::HEARTBEAT if self.window.has_reserve(self.now) => self.beat(),
            op::HEARTBEAT_ACK => {
                if let Some(beat) = &mut self.heartbeat {
                    beat.acknowledge();
                }
            }
            op::RECONNECT => self.on_reconnect(),
            op::INVALID_SESSION => {
                self.on_invalid_session(envelope.body::<bool>().unwrap_or(false));
            }
            op::DISPATCH => self.on_dispatch(&envelope),
            _ => {}
        }
    }

    fn on_dispatch(&mut self, envelope: &Envelope<'_>) {
        let (Some(name), Some(seq)) = (envelope.t.as_deref(), envelope.s) else {
            return;
        };
        let data = envelope.d.map_or("null", |d| d.get());
        self.last_seq = Some(seq);
        if let Some(session) = &mut self.session {
            session.seq = seq;
        }
        match (name, self.phase) {
            ("READY", Phase::Identifying { .. }) => {
                self.session =
                    serde_json::from_str::<ReadyBody>(data)
                        .ok()
                        .map(|ready| Resumable {
                            session_id: ready.session_id,
                            seq,
                            resume_url: ready
                                .resume_gateway_url
                                .unwrap_or_else(|| self.config.gateway_url.clone()),
                        });
                self.go_live(false);
            }
            ("RESUMED", Phase::Resuming { .. }) => self.go_live(true),
            (_, Phase::Resuming { deadline }) => {
                self.phase = Phase::Resuming {
                    deadline: deadline.max(self.now + SESSION_TIMEOUT),
                };
            }
            _ => {}
        }
        self.out.push_back(Output::Dispatch {
            name: name.to_owned(),
            seq,
            data: data.to_owned(),
        });
    }

    fn go_live(&mut self, resumed: bool) {
        self.failed_resumes = 0;
        self.phase = Phase::Live { since: self.now };
        self.out.push_back(Output::State(State::Live { resumed }));
    }

    pub(super) fn send(&mut self, text: String) {
        self.window.record(self.now);
        self.out.push_back(Output::SendText(text));
    }

    pub(super) const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live { .. })
    }

    pub(super) const fn has_socket(&self) -> bool {
        !matches!(self.phase, Phase::Idle { .. } | Phase::Stopped)
    }
}

/// `base/?v=10&encoding=json`, plus the query the operator's URL came with.
fn connect_url(base: &str, query: &str) -> String {
    let base = base.split('?').next().unwrap_or(base).trim_end_matches('/');
    let mut url = format!("{base}/?v={}&encoding=json", wire::VERSION);
    for pair in query.split('&').filter(|pair| {
        !pair.is_empty() && !pair.starts_with("v=") && !pair.starts_with("encoding=")
    }) {
        url.push('&');
        url.push_str(pair);
    }
    url
}
