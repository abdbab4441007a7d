//! The session's states, its clock, and what the main gateway tells it (voice.md section 6).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mynah_wire::rng::Rng;
use mynah_wire::udp::Ping;
use mynah_wire::voice::VERSION;
use mynah_wire::{ChannelId, EncryptionMode, Secret, Ssrc};

use super::dave::Dave;
use super::heartbeat::{Due, Heartbeat};
use super::{Config, EndReason, Input, Output, TransportKeys};
use crate::backoff::Backoff;

/// How long the main gateway may take to answer op 4 (voice.md section 6: 10 to 30 s).
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the server may take once the state has come: the two are sent together (gateway.md section
/// 9), so this is many round trips.
pub(super) const ALONE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long each handshake step may take (voice.md section 6).
pub(super) const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// How often discovery is repeated, and for how long: UDP loses packets (voice.md section 6).
pub(super) const DISCOVERY_RESEND: Duration = Duration::from_millis(500);
pub(super) const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the official client pings over UDP, which keeps NAT mappings open (section 7).
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// A normal end; the voice session is over for the server too.
pub(super) const CLOSE_NORMAL: u16 = 1000;
/// Our side lost patience but wants to resume: anything but 1000 keeps the session.
pub(super) const CLOSE_RESUMABLE: u16 = 4900;

/// What comes after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// New socket, op 7.
    Resume,
    /// New socket, op 0, same credentials.
    Identify,
    /// New credentials through the main gateway.
    Rejoin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Op 4 was sent; state and server must come.
    Asking { deadline: Instant },
    /// Endpoint null: the main gateway will name another server by itself.
    ServerLost,
    /// Closed with 4014 or 4022: the main gateway will say what it meant.
    Judging { deadline: Instant },
    /// Waiting before the next attempt.
    Pausing { until: Instant, next: Next },
    /// A socket was asked for.
    Opening { deadline: Instant, resume: bool },
    /// Open; Hello must come.
    Hello { deadline: Instant, resume: bool },
    /// Identify sent.
    Identifying { deadline: Instant },
    /// UDP open; who are we from outside?
    Discovering { deadline: Instant, resend: Instant },
    /// Select Protocol sent.
    Describing { deadline: Instant },
    /// Resume sent.
    Resuming { deadline: Instant },
    /// Connected.
    Live { since: Instant },
    /// Over.
    Ended,
}

/// Credentials from VOICE_SERVER_UPDATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub token: Secret,
    pub endpoint: String,
}

/// The media side of a connection: survives a websocket loss, dies with the voice session.
#[derive(Debug)]
pub(super) struct Media {
    pub ssrc: Ssrc,
    pub mode: EncryptionMode,
    /// What could be chosen instead.
    pub alternatives: Vec<EncryptionMode>,
    pub keys: Option<TransportKeys>,
    pub next_ping: Instant,
    pub ping_sequence: u32,
    pub ping_sent: Option<Instant>,
}

/// One voice connection. See the [module](super) for how to drive it.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Config,
    pub(super) rng: Rng,
    pub(super) backoff: Backoff,
    pub(super) phase: Phase,
    pub(super) channel_id: ChannelId,
    pub(super) session_id: Option<String>,
    pub(super) server: Option<Server>,
    pub(super) media: Option<Media>,
    pub(super) seq_ack: Option<u16>,
    pub(super) heartbeat: Option<Heartbeat>,
    /// Since when something is wrong; cleared by a stable connection.
    pub(super) trouble_since: Option<Instant>,
    pub(super) last_reason: String,
    pub(super) failed_resumes: u32,
    pub(super) failed_identifies: u32,
    pub(super) refusals: BTreeMap<u16, u32>,
    pub(super) refused_modes: Vec<EncryptionMode>,
    /// True once a connection was complete: from then on a silent main gateway is asked again.
    pub(super) was_live: bool,
    pub(super) asked: u32,
    /// The main gateway is away: whoever waits for its word goes on waiting.
    pub(super) main_lost: bool,
    /// End-to-end encryption of the present connection; `None` before Ready.
    pub(super) dave: Option<Dave>,
    /// Counts connections.
    pub(super) dave_generation: u64,
    udp_round_trip: Option<Duration>,
    pub(super) out: VecDeque<Output>,
    pub(super) now: Instant,
}

impl Session {
    /// A session that wants to join at once: the first output is [`Output::JoinMain`].
    pub fn new(config: Config, now: Instant) -> Self {
        let mut rng = Rng::new(config.seed);
        let mut session = Self {
            backoff: Backoff::new(rng.next_u64()),
            rng,
            phase: Phase::Ended,
            channel_id: config.channel_id,
            session_id: None,
            server: None,
            media: None,
            seq_ack: None,
            heartbeat: None,
            trouble_since: None,
            last_reason: String::new(),
            failed_resumes: 0,
            failed_identifies: 0,
            refusals: BTreeMap::new(),
            refused_modes: Vec::new(),
            was_live: false,
            asked: 0,
            main_lost: false,
            dave: None,
            dave_generation: 0,
            udp_round_trip: None,
            out: VecDeque::new(),
            now,
            config,
        };
        session.ask(false);
        session
    }

    /// Round trip of the latest answered UDP ping; `None` before the first (servers need not
    /// answer).
    pub const fn udp_round_trip(&self) -> Option<Duration> {
        self.udp_round_trip
    }

    /// Takes one thing that happened. Never fails: peer errors become outputs.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        if self.phase == Phase::Ended {
            return;
        }
        match input {
            Input::StateUpdate {
                channel_id,
                session_id,
            } => self.on_state(channel_id, session_id),
            Input::ServerUpdate { token, endpoint } => self.on_server(token, endpoint),
            Input::WsOpened => self.on_opened(),
            Input::WsText(text) => self.on_text(text),
            Input::WsBinary(frame) => self.on_binary(frame),
            Input::WsClosed { code } => self.on_closed(code),
            Input::Datagram(packet) => self.on_datagram(packet),
            Input::Move { channel_id } => self.on_move(channel_id),
            Input::Leave => self.end(EndReason::Left),
            Input::Main(main) => self.on_main(main),
            Input::Crypto(done) => self.on_crypto(done),
            Input::Undecryptable { user_id } => self.on_undecryptable(user_id),
            Input::Tick => {}
        }
        self.advance();
    }

    /// The next thing to do; call until it says [`Output::Wait`].
    pub fn poll(&mut self) -> Output {
        self.out
            .pop_front()
            .unwrap_or_else(|| Output::Wait(self.deadline()))
    }

    fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Asking { .. } | Phase::Judging { .. } if self.main_lost => {
                Some(self.give_up_at())
            }
            Phase::Asking { deadline }
            | Phase::Judging { deadline }
            | Phase::Opening { deadline, .. }
            | Phase::Hello { deadline, .. }
            | Phase::Identifying { deadline }
            | Phase::Describing { deadline }
            | Phase::Resuming { deadline } => Some(deadline),
            Phase::Discovering { deadline, resend } => Some(deadline.min(resend)),
            Phase::Pausing { until, .. } => Some(until),
            Phase::ServerLost => Some(self.give_up_at()),
            Phase::Live { .. } | Phase::Ended => None,
        };
        let beat = self.heartbeat.as_ref().map(Heartbeat::next);
        let ping = self
            .media
            .as_ref()
            .filter(|media| media.keys.is_some())
            .map(|media| media.next_ping);
        let dave = self.dave.as_ref().and_then(Dave::deadline);
        [phase, beat, ping, dave].into_iter().flatten().min()
    }

    // --- time ----------------------------------------------------------------------------------

    fn advance(&mut self) {
        match self.phase {
            Phase::Asking { .. } | Phase::Judging { .. }
                if self.main_lost && self.give_up_at() <= self.now =>
            {
                self.give_up();
            }
            Phase::Asking { .. } | Phase::Judging { .. } if self.main_lost => {}
            Phase::Asking { deadline } if deadline <= self.now => self.ask_timed_out(),
            Phase::Judging { deadline } if deadline <= self.now => {
                self.end(EndReason::Disconnected);
            }
            Phase::ServerLost if self.give_up_at() <= self.now => self.give_up(),
            Phase::Pausing { until, next } if until <= self.now => match next {
                Next::Resume => self.open(true),
                Next::Identify => self.open(false),
                Next::Rejoin => self.ask(true),
            },
            Phase::Opening { deadline, .. }
            | Phase::Hello { deadline, .. }
            | Phase::Identifying { deadline }
            | Phase::Describing { deadline }
            | Phase::Resuming { deadline }
                if deadline <= self.now =>
            {
                self.step_failed("the voice server did not answer in time");
            }
            Phase::Discovering { deadline, .. } if deadline <= self.now => {
                self.step_failed("UDP discovery got no answer; is UDP blocked?");
            }
            Phase::Discovering { deadline, resend } if resend <= self.now => {
                self.send_discovery();
                self.phase = Phase::Discovering {
                    deadline,
                    resend: self.now + DISCOVERY_RESEND,
                };
            }
            _ => {}
        }
        let (now, seq_ack) = (self.now, self.seq_ack);
        match self
            .heartbeat
            .as_mut()
            .map(|beat| beat.advance(now, seq_ack))
        {
            Some(Due::Beat(text)) => self.out.push_back(Output::SendText(text)),
            Some(Due::Dead) => self.step_failed("voice heartbeats are no longer answered"),
            Some(Due::Nothing) | None => {}
        }
        self.ping();
        self.tick_dave();
    }

    fn ping(&mut self) {
        let now = self.now;
        let Some(media) = self.media.as_mut().filter(|media| media.keys.is_some()) else {
            return;
        };
        if media.next_ping > now {
            return;
        }
        media.next_ping = now + PING_INTERVAL;
        media.ping_sequence = media.ping_sequence.wrapping_add(1);
        media.ping_sent = Some(now);
        let ping = Ping {
            is_answer: false,
            sequence: media.ping_sequence,
        };
        self.out
            .push_back(Output::SendDatagram(ping.write().to_vec()));
    }

    pub(super) fn on_ping_answer(&mut self, packet: &[u8]) {
        let (Some(answer), Some(media)) = (Ping::parse(packet), self.media.as_mut()) else {
            return;
        };
        if answer.is_answer && answer.sequence == media.ping_sequence {
            self.udp_round_trip = media
                .ping_sent
                .take()
                .map(|sent| self.now.saturating_duration_since(sent))
                .or(self.udp_round_trip);
        }
    }

    // --- the socket ----------------------------------------------------------------------------

    pub(super) fn open(&mut self, resume: bool) {
        let Some(server) = &self.server else {
            self.ask(true);
            return;
        };
        let url = format!("wss://{}/?v={VERSION}", server.endpoint);
        self.heartbeat = None;
        if !resume {
            self.seq_ack = None;
        }
        self.phase = Phase::Opening {
            deadline: self.now + STEP_TIMEOUT,
            resume,
        };
        self.out.push_back(Output::OpenWs { url });
    }

    pub(super) const fn has_socket(&self) -> bool {
        matches!(
            self.phase,
            Phase::Opening { .. }
                | Phase::Hello { .. }
                | Phase::Identifying { .. }
                | Phase::Discovering { .. }
                | Phase::Describing { .. }
                | Phase::Resuming { .. }
                | Phase::Live { .. }
        )
    }

    pub(super) fn close_socket(&mut self, code: u16) {
        if self.has_socket() {
            self.out.push_back(Output::CloseWs { code });
        }
        self.heartbeat = None;
    }

    pub(super) fn drop_media(&mut self) {
        self.dave = None;
        if self.media.take().is_some() {
            self.out.push_back(Output::CloseUdp);
        }
    }

    pub(super) fn peer(ip: std::net::IpAddr, port: u16) -> SocketAddr {
        SocketAddr::new(ip, port)
    }
}
