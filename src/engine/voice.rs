//! The shell around one guild's voice session: websocket, UDP control packets, keys to the tick.
//!
//! The tick thread sends media on its own clone of the connected UDP socket; this task reads the
//! socket only for discovery and ping answers. Sound belongs to the mix (`SessionKey`), which
//! outlives the transport: while a connection is being mended, tracks hold still or keep flowing,
//! as the machine decides (`CloseUdp` detaches, a mere websocket loss does not).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mynah_pulse::{PulseHandle, SessionKey, Transport};
use mynah_session::transport::RtpSealer;
use mynah_session::voice::{
    Config, Event as MachineEvent, Input, Main, Output, Session, TransportKeys,
};
use mynah_wire::rng::Rng;
use mynah_wire::udp::{Datagram, classify};
use mynah_wire::{ChannelId, GuildId, Secret};
use rustls::ClientConfig;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tracing::Instrument;

use crate::shard::sleep_until;
use crate::ws::{Ws, WsEvent};
use crate::{Event, VoiceError, VoiceEvent, clock};

/// Commands waiting for one voice session.
const COMMANDS: usize = 64;
/// Media we never read piles up no further than this (we are deaf: nothing should come).
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
/// Five silence frames of 20 ms plus one tick: how long the end of sound takes.
const TAIL: Duration = Duration::from_millis(140);

/// What the rest of the engine asks of a voice session.
#[derive(Debug)]
pub enum VoiceCommand {
    /// The bot's own VOICE_STATE_UPDATE.
    State {
        /// Where the bot is now.
        channel_id: Option<ChannelId>,
        /// Main-gateway session id.
        session_id: String,
    },
    /// VOICE_SERVER_UPDATE.
    Server {
        /// Voice token.
        token: Secret,
        /// `host:port`, or none while the server is lost.
        endpoint: Option<String>,
    },
    /// Be in this channel; answered when sound can flow.
    Join {
        /// Which channel.
        channel_id: ChannelId,
        /// Where the answer goes.
        done: oneshot::Sender<Result<(), VoiceError>>,
    },
    /// The main gateway connection was lost or is back.
    Main(Main),
    /// Leave; answered when gone.
    Leave {
        /// Where the answer goes.
        done: oneshot::Sender<()>,
    },
}

/// Forgets a session; what there is to tell about that.
pub type OnEnd = Box<dyn FnOnce() -> Vec<Event> + Send + Sync>;

/// What a voice shell needs from the engine.
pub struct VoiceSetup {
    /// In which guild.
    pub guild_id: GuildId,
    /// The machine's settings, with the first channel.
    pub config: Config,
    /// TLS for the voice websocket.
    pub tls: Arc<ClientConfig>,
    /// To op 4 of the right shard.
    pub main: mpsc::Sender<mynah_session::gateway::Command>,
    /// The tick threads.
    pub pulse: PulseHandle,
    /// The mix of this guild.
    pub key: SessionKey,
    /// Where events go.
    pub events: mpsc::Sender<Event>,
    /// Seed for first sequence, timestamp and nonce.
    pub seed: u64,
    /// Called when the session is over; its events go out before the Ended event.
    pub on_end: OnEnd,
}

/// Starts a voice session; the sender reaches it until it ends.
pub fn start(setup: VoiceSetup) -> mpsc::Sender<VoiceCommand> {
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let span = tracing::info_span!("voice", guild = %setup.guild_id);
    tokio::spawn(shell(setup).run(inbox).instrument(span));
    commands
}

fn shell(setup: VoiceSetup) -> Shell {
    Shell {
        guild_id: setup.guild_id,
        channel_id: setup.config.channel_id,
        announced: None,
        machine: Session::new(setup.config, clock::now()),
        ws: Ws::new(setup.tls),
        udp: None,
        main: setup.main,
        pulse: setup.pulse,
        key: setup.key,
        events: setup.events,
        rng: Rng::new(setup.seed),
        joining: Vec::new(),
        leaving: Vec::new(),
        on_end: Some(setup.on_end),
    }
}

struct Shell {
    guild_id: GuildId,
    /// Where the bot is, as the main gateway says; before it says so, where it wants to be.
    channel_id: ChannelId,
    /// The channel of the last Connected event: tells a move from a mended connection.
    announced: Option<ChannelId>,
    machine: Session,
    ws: Ws,
    udp: Option<UdpSocket>,
    main: mpsc::Sender<mynah_session::gateway::Command>,
    pulse: PulseHandle,
    key: SessionKey,
    events: mpsc::Sender<Event>,
    rng: Rng,
    joining: Vec<(ChannelId, oneshot::Sender<Result<(), VoiceError>>)>,
    leaving: Vec<oneshot::Sender<()>>,
    on_end: Option<OnEnd>,
}

impl Shell {
    async fn run(mut self, mut commands: mpsc::Receiver<VoiceCommand>) {
        let mut datagram = [0u8; 256];
        let reason = loop {
            let deadline = match self.drain().await {
                Drained::Wait(deadline) => deadline,
                Drained::Ended(reason) => break reason,
            };
            let wake = deadline.map(Instant::from_std);
            tokio::select! {
                event = self.ws.next() => self.socket(event),
                received = receive(self.udp.as_ref(), &mut datagram) => {
                    let packet = received.and_then(|length| datagram.get(..length));
                    let control = |packet: &&[u8]| {
                        matches!(classify(packet), Datagram::Discovery | Datagram::Ping)
                    };
                    if let Some(packet) = packet.filter(control) {
                        self.machine.handle(clock::now(), Input::Datagram(packet));
                    }
                }
                command = commands.recv() => self.command(command).await,
                () = sleep_until(wake) => self.machine.handle(clock::now(), Input::Tick),
            }
        };
        self.end(reason).await;
    }

    async fn command(&mut self, command: Option<VoiceCommand>) {
        let now = clock::now();
        match command {
            Some(VoiceCommand::State {
                channel_id,
                session_id,
            }) => {
                self.machine.handle(
                    now,
                    Input::StateUpdate {
                        channel_id,
                        session_id: &session_id,
                    },
                );
                if let Some(channel_id) = channel_id {
                    self.channel_id = channel_id;
                }
            }
            Some(VoiceCommand::Server { token, endpoint }) => {
                let endpoint = endpoint.as_deref();
                self.machine.handle(
                    now,
                    Input::ServerUpdate {
                        token: token.expose(),
                        endpoint,
                    },
                );
            }
            Some(VoiceCommand::Join { channel_id, done }) => {
                if self.announced == Some(channel_id) {
                    let _ = done.send(Ok(()));
                    return;
                }
                self.joining.push((channel_id, done));
                // Once connected, every wish to move is sent: the last one may have been denied.
                if self.announced.is_some() {
                    self.machine.handle(now, Input::Move { channel_id });
                } else if channel_id != self.channel_id {
                    self.channel_id = channel_id;
                    self.machine.handle(now, Input::Move { channel_id });
                }
            }
            Some(VoiceCommand::Main(main)) => self.machine.handle(now, Input::Main(main)),
            Some(VoiceCommand::Leave { done }) => {
                self.leaving.push(done);
                self.leave().await;
            }
            // The engine is gone.
            None => self.leave().await,
        }
    }

    /// The end of sound goes out before the voice state does: the server forwards nothing from
    /// somebody who has left.
    async fn leave(&mut self) {
        if self.udp.is_some() {
            self.pulse.close(self.key);
            tokio::time::sleep(TAIL).await;
        }
        self.machine.handle(clock::now(), Input::Leave);
    }

    async fn drain(&mut self) -> Drained {
        loop {
            match self.machine.poll() {
                Output::JoinMain { channel_id } => {
                    let command = mynah_session::gateway::Command::VoiceState {
                        guild_id: self.guild_id,
                        channel_id,
                        self_mute: false,
                        // Nobody listens yet: the server need not send us anything, and people see
                        // that they are not heard (product.md section 1).
                        self_deaf: true,
                    };
                    let _ = self.main.send(command).await;
                }
                Output::OpenWs { url } => self.ws.open(url),
                Output::SendText(text) => self.ws.send(Message::text(text)).await,
                Output::SendBinary(bytes) => self.ws.send(Message::binary(bytes)).await,
                Output::CloseWs { code } => self.ws.close(code).await,
                Output::OpenUdp { peer } => self.open_udp(peer),
                Output::SendDatagram(bytes) => {
                    if let Some(udp) = &self.udp {
                        // Lost control packets are resent by the machine.
                        let _ = udp.send(&bytes).await;
                    }
                }
                Output::CloseUdp => {
                    self.pulse.detach(self.key);
                    self.udp = None;
                }
                Output::Keys(keys) => self.attach(&keys),
                Output::Event(MachineEvent::Ended(reason)) => {
                    let remedy = reason.remedy();
                    let hint = if remedy.is_empty() {
                        String::new()
                    } else {
                        format!("; {remedy}")
                    };
                    return Drained::Ended(format!("{reason}{hint}"));
                }
                Output::Event(event) => self.event(event).await,
                Output::Wait(deadline) => return Drained::Wait(deadline),
            }
        }
    }

    fn open_udp(&mut self, peer: SocketAddr) {
        match connected(peer) {
            Ok(socket) => self.udp = Some(socket),
            Err(error) => {
                // Discovery then gets no answer and the machine tries again or gives up.
                tracing::error!(%error, %peer, "cannot open a UDP socket");
                self.udp = None;
            }
        }
    }

    fn attach(&mut self, keys: &TransportKeys) {
        let Some(socket) = self.udp.as_ref().and_then(media_socket) else {
            tracing::error!("keys arrived without a UDP socket");
            return;
        };
        self.pulse.attach(
            self.key,
            Transport {
                socket,
                sealer: RtpSealer::new(keys.mode, &keys.secret_key, self.rng.next_u32()),
                ssrc: keys.ssrc,
                first_sequence: self.rng.next_u16(),
                first_timestamp: self.rng.next_u32(),
            },
        );
    }

    async fn event(&mut self, event: MachineEvent) {
        let kind = match event {
            MachineEvent::Connected { ssrc, mode } => {
                tracing::info!(%ssrc, %mode, channel = %self.channel_id, "voice connected");
                let channel_id = self.channel_id;
                self.joined(channel_id);
                match self.announced.replace(channel_id) {
                    Some(before) if before != channel_id => VoiceEvent::Moved { channel_id },
                    _ => VoiceEvent::Connected { channel_id },
                }
            }
            MachineEvent::Resumed => {
                tracing::info!("voice connection resumed");
                VoiceEvent::Resumed
            }
            MachineEvent::Lost { reason } => {
                tracing::warn!(reason, "voice connection lost");
                VoiceEvent::Lost { reason }
            }
            other => {
                tracing::debug!(?other, "voice");
                return;
            }
        };
        self.emit(kind).await;
    }

    /// Answers who wanted this channel, and whose wish an answered one has overtaken.
    fn joined(&mut self, channel_id: ChannelId) {
        let answered = self.joining.iter().rposition(|(to, _)| *to == channel_id);
        let answered = answered.map_or(0, |last| last + 1);
        for (to, done) in self.joining.drain(..answered) {
            let overtaken = || VoiceError::Ended("the bot was called elsewhere".to_owned());
            let outcome = (to == channel_id).then_some(()).ok_or_else(overtaken);
            let _ = done.send(outcome);
        }
    }

    fn socket(&mut self, event: WsEvent) {
        let now = clock::now();
        match event {
            WsEvent::Opened => self.machine.handle(now, Input::WsOpened),
            WsEvent::Text(text) => self.machine.handle(now, Input::WsText(&text)),
            WsEvent::Binary(bytes) => self.machine.handle(now, Input::WsBinary(&bytes)),
            WsEvent::Closed { code, reason } => {
                tracing::info!(code, reason, "voice websocket closed");
                self.machine.handle(now, Input::WsClosed { code });
            }
        }
    }

    async fn emit(&self, kind: VoiceEvent) {
        let _ = self
            .events
            .send(Event::Voice {
                guild_id: self.guild_id,
                kind,
            })
            .await;
    }

    async fn end(mut self, reason: String) {
        tracing::info!(reason, "voice ended");
        self.pulse.close(self.key);
        let gone = self.on_end.take().map_or_else(Vec::new, |on_end| on_end());
        for event in gone {
            let _ = self.events.send(event).await;
        }
        for (_, done) in self.joining.drain(..) {
            let _ = done.send(Err(VoiceError::Ended(reason.clone())));
        }
        for done in self.leaving.drain(..) {
            let _ = done.send(());
        }
        self.emit(VoiceEvent::Ended { reason }).await;
    }
}

enum Drained {
    Wait(Option<std::time::Instant>),
    Ended(String),
}

async fn receive(udp: Option<&UdpSocket>, buffer: &mut [u8]) -> Option<usize> {
    match udp {
        // Errors are ICMP answers of a dead server; the machine notices by its own timeouts.
        Some(udp) => udp.recv(buffer).await.ok(),
        None => std::future::pending().await,
    }
}

fn connected(peer: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: SocketAddr = if peer.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(peer)?;
    socket.set_nonblocking(true)?;
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    UdpSocket::from_std(socket)
}

/// A second handle to the same socket for the tick thread.
fn media_socket(udp: &UdpSocket) -> Option<std::net::UdpSocket> {
    let cloned = socket2::SockRef::from(udp).try_clone();
    cloned
        .map(std::net::UdpSocket::from)
        .inspect_err(|error| tracing::error!(%error, "cannot clone the UDP socket"))
        .ok()
}

#[cfg(test)]
mod tests;
