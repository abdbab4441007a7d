//! The shell around one guild's voice session: websocket, UDP control packets, keys to the tick.
//!
//! The tick thread sends media on its own clone of the connected UDP socket; this task reads the
//! socket for discovery and ping answers and, where music is turned down for people who talk, for
//! the bare fact that they do. While anybody listens, the session's ear reads instead. Sound belongs to the mix (`SessionKey`), which
//! outlives the transport: while a connection is being mended, tracks hold still or keep flowing,
//! as the machine decides (`CloseUdp` detaches, a mere websocket loss does not).

mod ear;
mod known;
mod line;
mod news;
mod report;
mod setup;
mod talk;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ear::Hearing;
pub use ear::Stay;
use line::Line;
use mynah_session::voice::dave::{Done, Job};
use mynah_session::voice::{
    EndReason, Event as MachineEvent, Input, Main, MediaKeys, Output, Session,
};
use mynah_wire::{ChannelId, GuildId, UserId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tracing::Instrument;

use setup::OnEnd;
pub use setup::{Reasons, VoiceCommand, VoiceSetup};
use talk::Talk;

use crate::crypto::CryptoPool;
use crate::shard::sleep_until;
use crate::ws::{Ws, WsEvent};
use crate::{Event, VoiceError, VoiceEvent, clock};

/// Commands waiting for one voice session.
const COMMANDS: usize = 64;
/// Five silence frames of 20 ms plus one tick: how long the end of sound takes.
const TAIL: Duration = Duration::from_millis(140);
/// How long a join waits for keys to send with, once there is a connection. The machine itself holds
/// sound back for five seconds at most, so this is for a server that says nothing at all.
const ARRIVAL: Duration = Duration::from_secs(6);

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
        user_id: setup.config.user_id,
        has_identity: setup.config.identity.is_some(),
        channel_id: setup.config.channel_id,
        announced: None,
        arriving: None,
        latency: None,
        machine: Session::new(setup.config, clock::now()),
        ws: Ws::new(setup.tls),
        line: Line::new(setup.pulse, setup.key, setup.seed),
        crypto: setup.crypto,
        step: None,
        main: setup.main,
        listens: setup.listens,
        told_deaf: None,
        hearing: Hearing::new(setup.ears, setup.lanes),
        talk: Talk::default(),
        events: setup.events,
        joining: Vec::new(),
        leaving: Vec::new(),
        on_end: Some(setup.on_end),
    }
}

/// An MLS step under way.
type Step = Pin<Box<dyn Future<Output = Option<Done>> + Send>>;

struct Shell {
    guild_id: GuildId,
    user_id: UserId,
    /// Whether we could do end-to-end encryption.
    has_identity: bool,
    /// Where the bot is, as the main gateway says; before it says so, where it wants to be.
    channel_id: ChannelId,
    /// The channel of the last Connected event: tells a move from a mended connection.
    announced: Option<ChannelId>,
    /// Connected, but nothing can be heard yet; until when that is waited for.
    arriving: Option<std::time::Instant>,
    /// The latest round trip of a heartbeat.
    latency: Option<Duration>,
    machine: Session,
    ws: Ws,
    line: Line,
    crypto: Arc<CryptoPool>,
    /// At most one: the machine waits for it before the next.
    step: Option<Step>,
    main: mpsc::Sender<mynah_session::gateway::Command>,
    /// Why people who talk matter.
    listens: watch::Receiver<Reasons>,
    /// What op 4 said last.
    told_deaf: Option<bool>,
    hearing: Hearing,
    talk: Talk,
    events: mpsc::Sender<Event>,
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
            self.arrive(clock::now()).await;
            self.overhear();
            if let Some(talks) = self.talk.turn(clock::now()) {
                self.line.talk(talks);
            }
            let wake = deadline.into_iter().chain(self.arriving);
            let wake = wake.chain(self.talk.deadline());
            let wake = wake.chain(self.hearing.deadline(clock::now())).min();
            let wake = wake.map(Instant::from_std);
            tokio::select! {
                event = self.ws.next() => self.socket(event),
                received = self.line.receive(&mut datagram) => {
                    let packet = received.and_then(|length| datagram.get(..length));
                    self.datagram(packet.unwrap_or_default());
                }
                () = changed(&mut self.listens) => self.listen().await,
                () = self.hearing.news() => self.ear_news(),
                done = finished(&mut self.step) => {
                    self.step = None;
                    match done {
                        Some(done) => self.machine.handle(clock::now(), Input::Crypto(done)),
                        None => tracing::debug!("the crypto pool is closed"),
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
            Some(VoiceCommand::Main(main)) => {
                self.machine.handle(now, Input::Main(main));
                if main == Main::Resumed && self.reasons().listeners > 0 {
                    // What was said last may have been said to a connection that was gone.
                    self.told_deaf = None;
                    self.tell_deaf().await;
                }
            }
            Some(VoiceCommand::Listen { want, tap }) => self.open_tap(want, tap).await,
            Some(VoiceCommand::Status { done }) => {
                if let Some(status) = self.status() {
                    let _ = done.send(status);
                }
            }
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
        if self.line.is_open() {
            self.line.hang_up();
            tokio::time::sleep(TAIL).await;
        }
        self.machine.handle(clock::now(), Input::Leave);
    }

    async fn drain(&mut self) -> Drained {
        loop {
            match self.machine.poll() {
                Output::JoinMain { channel_id } => self.join_main(channel_id).await,
                Output::OpenWs { url } => self.ws.open(url),
                Output::SendText(text) => self.ws.send(Message::text(text)).await,
                Output::SendBinary(bytes) => self.ws.send(Message::binary(bytes)).await,
                Output::CloseWs { code } => self.ws.close(code).await,
                Output::OpenUdp { peer } => self.line.open(peer),
                Output::SendDatagram(bytes) => self.line.send(&bytes).await,
                Output::CloseUdp => {
                    self.hearing.hang_up();
                    self.line.close();
                    self.talk.hush();
                    self.arriving = None;
                }
                Output::Keys(keys) => {
                    self.line.attach(keys);
                    let reasons = self.reasons();
                    self.hearing.replug(&mut self.line, reasons);
                }
                Output::Media(MediaKeys::Sender(keys)) => self.line.speak(&keys),
                Output::Media(keys) => self.hearing.media(&keys),
                Output::Crypto(job) => self.step = Some(self.compute(job)),
                Output::Event(MachineEvent::Ended(reason)) => return Drained::Ended(reason),
                Output::Event(event) => self.event(event).await,
                Output::Wait(deadline) => return Drained::Wait(deadline),
            }
        }
    }

    /// Gives the step to the crypto pool: this task goes on meanwhile.
    fn compute(&self, job: Box<Job>) -> Step {
        Box::pin(self.crypto.run(move || job.run()))
    }

    async fn event(&mut self, event: MachineEvent) {
        let kind = match event {
            MachineEvent::Connected { ssrc, mode } => {
                tracing::info!(%ssrc, %mode, channel = %self.channel_id, "voice connected");
                self.arriving = Some(clock::now() + ARRIVAL);
                return;
            }
            MachineEvent::Resumed => {
                tracing::info!("voice connection resumed");
                VoiceEvent::Resumed
            }
            MachineEvent::Lost { reason } => {
                tracing::warn!(reason, "voice connection lost");
                VoiceEvent::Lost { reason }
            }
            MachineEvent::Dave(event) => {
                news::log(&event);
                return self.hint(self.epoch(&event));
            }
            MachineEvent::Speaking {
                user_id,
                ssrc,
                flags,
            } => {
                self.hearing.learn(ssrc, user_id);
                let speaks = flags != 0;
                return self.hint(Some(VoiceEvent::Speaking { user_id, speaks }));
            }
            MachineEvent::Left(user_id) => return self.hearing.forget(user_id),
            MachineEvent::Latency(latency) => {
                self.latency = Some(latency);
                return;
            }
            other => {
                tracing::debug!(?other, "voice");
                return;
            }
        };
        self.emit(kind).await;
    }

    /// The connection is complete and sound can flow, or that has been waited for long enough: tells
    /// who waits for it.
    async fn arrive(&mut self, now: std::time::Instant) {
        let Some(until) = self.arriving else {
            return;
        };
        if !self.line.moves() {
            if now < until {
                return;
            }
            tracing::warn!("the voice server has given no keys yet; sound waits for them");
        }
        self.arriving = None;
        let channel_id = self.channel_id;
        self.joined(channel_id);
        let kind = match self.announced.replace(channel_id) {
            Some(before) if before != channel_id => VoiceEvent::Moved { channel_id },
            _ => VoiceEvent::Connected { channel_id },
        };
        self.emit(kind).await;
        // Somebody may have begun to listen since the join.
        self.tell_deaf().await;
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

    async fn emit(&mut self, kind: VoiceEvent) {
        let _ = self
            .events
            .send(Event::Voice {
                guild_id: self.guild_id,
                kind,
            })
            .await;
    }

    async fn end(mut self, reason: EndReason) {
        let fatal = news::fatal(&reason, self.has_identity);
        let reason = news::in_words(&reason);
        tracing::info!(reason, "voice ended");
        self.line.hang_up();
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
        if let Some(stop) = fatal {
            let _ = self.events.send(Event::Stopped(stop)).await;
        }
    }
}

/// The result of the step under way; waits for ever without one.
async fn finished(step: &mut Option<Step>) -> Option<Done> {
    match step {
        Some(step) => step.await,
        None => std::future::pending().await,
    }
}

/// Waits for a change; for ever when the engine is gone, which ends the session in another way.
async fn changed(listens: &mut watch::Receiver<Reasons>) {
    if listens.changed().await.is_err() {
        std::future::pending().await
    }
}

enum Drained {
    Wait(Option<std::time::Instant>),
    Ended(EndReason),
}

#[cfg(test)]
mod tests;
