//! One simulated user: sockets and timers around the voice machine.

mod ear;
mod mouth;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_session::voice::{Config, Event, Input, Output, Session, TransportKeys};
use mynah_wire::rng::Rng;
use mynah_wire::udp::{Datagram, classify};
use rustls::ClientConfig;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use crate::clock;
use crate::hear::Capture;
use crate::socket::{Socket, SocketEvent};
use crate::speech::Frame;
use crate::types::VoiceTicket;
use ear::Ear;
use mouth::Mouth;

/// Commands waiting for one user; callers wait when it is full.
const COMMANDS: usize = 32;
/// Datagrams taken in one turn, so that a flood cannot starve the speech.
const BATCH: usize = 64;
/// Larger than any datagram we accept.
const DATAGRAM_BYTES: usize = 2048;
/// How long a user mends a lost connection. There is no gateway to get fresh credentials from, so
/// longer makes no sense.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// How often a ticket is shown before it counts as refused. Only the main gateway can give another.
const MAX_SHOWN: u32 = 2;

/// What can be asked of a user's task.
#[derive(Debug)]
pub enum Command {
    /// Be where this ticket says; answered when connected there.
    Ticket {
        /// New credentials.
        ticket: VoiceTicket,
        /// The answer; the reason when it failed.
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Speak, instead of whatever was spoken before.
    Say {
        /// The sound.
        frames: mpsc::Receiver<Frame>,
        /// When the first packet left, Unix microseconds.
        started: oneshot::Sender<u64>,
        /// Packets sent, at the end.
        done: oneshot::Sender<u64>,
    },
    /// Record.
    Hear {
        /// How long.
        length: Duration,
        /// Only this sender.
        from: Option<mynah_wire::UserId>,
        /// What came.
        done: oneshot::Sender<Result<Capture, ear::Refusal>>,
    },
    /// The user's own switches.
    Flags {
        /// Do not send.
        self_mute: bool,
        /// Do not receive.
        self_deaf: bool,
    },
    /// Leave; answered when gone.
    Leave {
        /// The answer.
        done: oneshot::Sender<()>,
    },
}

pub use ear::{MAX_CAPTURE_BYTES, Refusal};

/// Starts a user's task; the sender reaches it until the session ends.
pub fn start(
    ticket: VoiceTicket,
    tls: Arc<ClientConfig>,
    seed: u64,
    done: oneshot::Sender<Result<(), String>>,
) -> mpsc::Sender<Command> {
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let mut rng = Rng::new(seed);
    let config = Config {
        guild_id: ticket.guild_id,
        user_id: ticket.user_id,
        channel_id: ticket.channel_id,
        allow_legacy_modes: true,
        max_dave_version: 0,
        give_up_after: GIVE_UP_AFTER,
        seed: rng.next_u64(),
    };
    let user = User {
        machine: Session::new(config, clock::now()),
        ticket,
        tls,
        socket: None,
        udp: None,
        mouth: Mouth::new(rng.next_u16(), rng.next_u32()),
        ear: Ear::default(),
        joining: vec![done],
        leaving: None,
        shown: 0,
        refused: None,
        last_close: String::new(),
        rng,
    };
    tokio::spawn(user.run(inbox));
    commands
}

struct User {
    machine: Session,
    ticket: VoiceTicket,
    tls: Arc<ClientConfig>,
    socket: Option<Socket>,
    udp: Option<UdpSocket>,
    mouth: Mouth,
    ear: Ear,
    joining: Vec<oneshot::Sender<Result<(), String>>>,
    leaving: Option<oneshot::Sender<()>>,
    /// How often the ticket was shown since the last success.
    shown: u32,
    /// Why the session was given up, when it was not the machine that did.
    refused: Option<String>,
    last_close: String,
    rng: Rng,
}

enum Drained {
    Wait(Option<Instant>),
    Ended(String),
}

impl User {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut buffer = [0u8; DATAGRAM_BYTES];
        let reason = loop {
            let wake = match self.drain().await {
                Drained::Wait(wake) => wake,
                Drained::Ended(reason) => break reason,
            };
            let wake = [wake, self.mouth.wake(), self.ear.wake()]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                event = next_event(&mut self.socket) => self.on_socket(event),
                received = receive(self.udp.as_ref(), &mut buffer) => {
                    self.on_datagrams(&mut buffer, received);
                }
                command = commands.recv() => self.on_command(command),
                () = sleep_until(wake) => {}
            }
            let now = clock::now();
            self.machine.handle(now, Input::Tick);
            self.speak(now).await;
            self.ear.finish(now);
        };
        tracing::debug!(user = %self.ticket.user_id, reason, "simulated user left voice");
        for done in self.joining.drain(..) {
            let _ = done.send(Err(reason.clone()));
        }
        if let Some(done) = self.leaving.take() {
            let _ = done.send(());
        }
    }

    // --- inputs --------------------------------------------------------------------------------

    fn on_socket(&mut self, event: SocketEvent) {
        let now = clock::now();
        match event {
            SocketEvent::Opened => self.machine.handle(now, Input::WsOpened),
            SocketEvent::Text(text) => self.machine.handle(now, Input::WsText(&text)),
            SocketEvent::Binary(bytes) => self.machine.handle(now, Input::WsBinary(&bytes)),
            SocketEvent::Closed { code, reason } => {
                tracing::debug!(user = %self.ticket.user_id, code, reason, "voice socket closed");
                self.socket = None;
                self.last_close = code.map_or(reason, |code| format!("it closed with {code}"));
                self.machine.handle(now, Input::WsClosed { code });
            }
        }
    }

    fn on_datagrams(&mut self, buffer: &mut [u8; DATAGRAM_BYTES], received: Option<usize>) {
        let mut received = received;
        for _ in 0..BATCH {
            let Some(packet) = received.and_then(|length| buffer.get_mut(..length)) else {
                return;
            };
            let now = clock::now();
            match classify(packet) {
                // Here DAVE will open the frame of its sender, between transport and ear.
                Datagram::Rtp => self.ear.take(now, packet),
                Datagram::Discovery | Datagram::Ping => {
                    self.machine.handle(now, Input::Datagram(packet));
                }
                Datagram::Rtcp | Datagram::Keepalive => {}
            }
            received = self.udp.as_ref().and_then(|udp| udp.try_recv(buffer).ok());
        }
    }

    fn on_command(&mut self, command: Option<Command>) {
        let now = clock::now();
        match command {
            Some(Command::Ticket { ticket, done }) => {
                let same = ticket == self.ticket;
                self.joining.push(done);
                self.ticket = ticket;
                self.shown = 0;
                if same && self.mouth.has_line() {
                    self.joined();
                } else {
                    self.show_ticket();
                }
            }
            Some(Command::Say {
                frames,
                started,
                done,
            }) => self.mouth.say(now, frames, started, done),
            Some(Command::Hear { length, from, done }) => self.ear.record(now, length, from, done),
            Some(Command::Flags {
                self_mute,
                self_deaf,
            }) => {
                self.mouth.set_mute(self_mute);
                self.ear.set_deaf(self_deaf);
            }
            Some(Command::Leave { done }) => {
                self.leaving = Some(done);
                self.machine.handle(now, Input::Leave);
            }
            // Nobody can reach this user any more.
            None => self.machine.handle(now, Input::Leave),
        }
    }

    /// What the main gateway would have said.
    fn show_ticket(&mut self) {
        self.shown += 1;
        let now = clock::now();
        let ticket = self.ticket.clone();
        self.machine.handle(
            now,
            Input::StateUpdate {
                channel_id: Some(ticket.channel_id),
                session_id: &ticket.session_id,
            },
        );
        self.machine.handle(
            now,
            Input::ServerUpdate {
                token: ticket.token.expose(),
                endpoint: Some(&ticket.endpoint),
            },
        );
    }

    // --- outputs -------------------------------------------------------------------------------

    async fn drain(&mut self) -> Drained {
        loop {
            match self.machine.poll() {
                Output::JoinMain { channel_id: None } => {}
                // The ticket is all the main gateway there is: asked again, it says the same.
                Output::JoinMain { .. } if self.shown < MAX_SHOWN => self.show_ticket(),
                Output::JoinMain { .. } => {
                    let reason = format!(
                        "the voice server does not take the ticket any more ({})",
                        self.last_close
                    );
                    self.refused = Some(reason);
                    self.machine.handle(clock::now(), Input::Leave);
                }
                Output::OpenWs { url } => {
                    self.socket = Some(Socket::open(url, Arc::clone(&self.tls)));
                }
                Output::SendText(text) => self.send(Message::text(text)),
                Output::SendBinary(bytes) => self.send(Message::binary(bytes)),
                Output::CloseWs { code } => {
                    if let Some(socket) = self.socket.take() {
                        socket.close(code);
                    }
                }
                Output::OpenUdp { peer } => self.udp = connected(peer).await,
                Output::SendDatagram(bytes) => {
                    if let Some(udp) = &self.udp {
                        // Lost control packets are resent by the machine.
                        let _ = udp.send(&bytes).await;
                    }
                }
                Output::CloseUdp => {
                    self.udp = None;
                    self.mouth.unplug();
                    self.ear.unplug();
                }
                Output::Keys(keys) => self.plug(&keys),
                Output::Event(Event::Ended(reason)) => {
                    let refused = self.refused.take();
                    return Drained::Ended(refused.unwrap_or_else(|| reason.to_string()));
                }
                Output::Event(event) => self.on_event(event),
                Output::Wait(wake) => return Drained::Wait(wake),
            }
        }
    }

    fn send(&mut self, message: Message) {
        let Some(socket) = &self.socket else {
            return;
        };
        if !socket.send(message) {
            self.socket = None;
            let now = clock::now();
            self.machine.handle(now, Input::WsClosed { code: None });
        }
    }

    fn plug(&mut self, keys: &TransportKeys) {
        let sealer = RtpSealer::new(keys.mode, &keys.secret_key, self.rng.next_u32());
        self.mouth.plug(clock::now(), sealer, keys.ssrc);
        self.ear.plug(RtpOpener::new(keys.mode, &keys.secret_key));
        self.joined();
    }

    fn joined(&mut self) {
        self.shown = 0;
        for done in self.joining.drain(..) {
            let _ = done.send(Ok(()));
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Speaking { user_id, ssrc, .. } => self.ear.learn(ssrc, user_id),
            Event::Left(user_id) => self.ear.forget(user_id),
            Event::Lost { reason } => {
                tracing::debug!(user = %self.ticket.user_id, reason, "voice connection lost");
            }
            _ => {}
        }
    }

    async fn speak(&mut self, now: Instant) {
        while let Some(packet) = self.mouth.due(now) {
            if let Some(udp) = &self.udp {
                // A refused datagram is a lost one.
                let _ = udp.send(packet).await;
            }
        }
    }
}

async fn next_event(socket: &mut Option<Socket>) -> SocketEvent {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

async fn receive(udp: Option<&UdpSocket>, buffer: &mut [u8]) -> Option<usize> {
    match udp {
        // Errors are ICMP answers of a dead server; the machine notices by its own timeouts.
        Some(udp) => udp.recv(buffer).await.ok(),
        None => std::future::pending().await,
    }
}

async fn connected(peer: SocketAddr) -> Option<UdpSocket> {
    let any: SocketAddr = if peer.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let open = async {
        let udp = UdpSocket::bind(any).await?;
        udp.connect(peer).await?;
        Ok::<_, std::io::Error>(udp)
    };
    // Without a socket discovery gets no answer, and the machine tries again or gives up.
    open.await
        .inspect_err(|error| tracing::error!(%error, %peer, "cannot open a UDP socket"))
        .ok()
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}
