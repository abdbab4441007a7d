//! One simulated user: sockets and timers around the voice machine.

mod crypto;
mod ear;
mod joining;
mod mouth;
mod outputs;
mod udp;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_dave::group::Identity;
use mynah_session::voice::{Config, Input, Session};
use mynah_wire::UserId;
use mynah_wire::rng::Rng;
use mynah_wire::udp::{Datagram, classify};
use rustls::ClientConfig;
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::clock;
use crate::hear::Capture;
use crate::socket::{Socket, SocketEvent};
use crate::speech::Frame;
use crate::types::{Privacy, VoiceTicket};
use crate::{Error, TicketOffice};
use crypto::Crypto;
use ear::Ear;
use joining::Joining;
use mouth::Mouth;
use outputs::Drained;

/// Commands waiting for one user; callers wait when it is full.
const COMMANDS: usize = 32;
/// Datagrams taken in one turn, so that a flood cannot starve the speech.
const BATCH: usize = 64;
/// Larger than any datagram we accept.
const DATAGRAM_BYTES: usize = 2048;
/// How long a user mends a lost connection: whoever drives the users waits for it.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// How often tickets are shown without success before the user counts as refused.
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
        /// How much too fast the clock runs, in millionths.
        skew_ppm: f64,
        /// When the first packet left, Unix microseconds.
        started: oneshot::Sender<u64>,
        /// What became of it, at the end.
        done: oneshot::Sender<mouth::Said>,
    },
    /// Record.
    Hear {
        /// How long.
        length: Duration,
        /// Only this sender.
        from: Option<UserId>,
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

pub use crypto::AT_ONCE as CRYPTO_AT_ONCE;
pub use ear::{MAX_CAPTURE_BYTES, Refusal};

/// What all users of one server share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// For the voice websocket.
    pub tls: Arc<ClientConfig>,
    /// Where new credentials come from, if from anywhere.
    pub office: Option<TicketOffice>,
    /// How many MLS steps are computed at once.
    pub crypto: Arc<Semaphore>,
}

/// What others know of a user's task, which runs until the session ends.
#[derive(Clone, Debug)]
pub struct Line {
    /// Reaches it.
    pub commands: mpsc::Sender<Command>,
    /// Its end-to-end encryption.
    pub privacy: watch::Receiver<Privacy>,
}

/// Starts a user's task.
///
/// # Errors
/// [`Error::Identity`].
pub fn start(
    ticket: VoiceTicket,
    shared: Shared,
    seed: u64,
    done: joining::Done,
) -> Result<Line, Error> {
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let (privacy, watched) = watch::channel(Privacy::default());
    let mut rng = Rng::new(seed);
    let config = Config {
        guild_id: ticket.guild_id,
        user_id: ticket.user_id,
        channel_id: ticket.channel_id,
        allow_legacy_modes: true,
        max_dave_version: mynah_dave::VERSION,
        // Of this user alone and of this stay alone, as a person's client without a persistent key.
        identity: Some(Arc::new(Identity::generate()?)),
        give_up_after: GIVE_UP_AFTER,
        seed: rng.next_u64(),
    };
    let mut joining = Joining::default();
    joining.push(done);
    let user = User {
        machine: Session::new(config, clock::now()),
        ticket,
        crypto: Crypto::new(Arc::clone(&shared.crypto)),
        shared,
        socket: None,
        udp: None,
        mouth: Mouth::new(rng.next_u16(), rng.next_u32()),
        ear: Ear::default(),
        company: BTreeSet::new(),
        privacy,
        joining,
        leaving: None,
        is_fresh: true,
        shown: 0,
        refused: None,
        last_close: String::new(),
        rng,
    };
    tokio::spawn(user.run(inbox));
    Ok(Line {
        commands,
        privacy: watched,
    })
}

struct User {
    machine: Session,
    ticket: VoiceTicket,
    shared: Shared,
    crypto: Crypto,
    socket: Option<Socket>,
    udp: Option<UdpSocket>,
    mouth: Mouth,
    ear: Ear,
    /// Who else is here.
    company: BTreeSet<UserId>,
    privacy: watch::Sender<Privacy>,
    joining: Joining,
    leaving: Option<oneshot::Sender<()>>,
    /// The ticket has not been shown yet.
    is_fresh: bool,
    /// How often tickets were shown since the last success.
    shown: u32,
    /// Why the session was given up, when it was not the machine that did.
    refused: Option<String>,
    last_close: String,
    rng: Rng,
}

impl User {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut buffer = [0u8; DATAGRAM_BYTES];
        let reason = loop {
            let wake = match self.drain().await {
                Drained::Wait(wake) => wake,
                Drained::Ended(reason) => break reason,
            };
            // Everything the machine had to say about keys has been heard: what is sealed now is
            // sealed with the right ones.
            let now = clock::now();
            self.speak(now).await;
            self.ear.finish(now);
            let hearing = self.hearing();
            if self.joining.look(now, hearing) {
                self.shown = 0;
            }
            let wakes = [
                wake,
                self.mouth.wake(),
                self.ear.wake(),
                self.joining.wake(hearing),
            ];
            let wake = wakes.into_iter().flatten().min();
            tokio::select! {
                event = next_event(&mut self.socket) => self.on_socket(event),
                done = self.crypto.next() => {
                    self.machine.handle(clock::now(), Input::Crypto(done));
                }
                received = udp::receive(self.udp.as_ref(), &mut buffer) => {
                    self.on_datagrams(&mut buffer, received);
                }
                command = commands.recv() => self.on_command(command),
                () = sleep_until(wake) => {}
            }
            self.machine.handle(clock::now(), Input::Tick);
        };
        tracing::debug!(user = %self.ticket.user_id, reason, "simulated user left voice");
        self.joining.fail(&reason);
        if let Some(done) = self.leaving.take() {
            let _ = done.send(());
        }
    }

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
                break;
            };
            let now = clock::now();
            match classify(packet) {
                Datagram::Rtp => self.ear.take(now, packet),
                Datagram::Discovery | Datagram::Ping => {
                    self.machine.handle(now, Input::Datagram(packet));
                }
                Datagram::Rtcp | Datagram::Keepalive => {}
            }
            received = self.udp.as_ref().and_then(|udp| udp.try_recv(buffer).ok());
        }
        while let Some(user_id) = self.ear.undecryptable() {
            let now = clock::now();
            self.machine.handle(now, Input::Undecryptable { user_id });
        }
    }

    fn on_command(&mut self, command: Option<Command>) {
        let now = clock::now();
        match command {
            Some(Command::Ticket { ticket, done }) => {
                let is_news = ticket != self.ticket || !self.mouth.has_line();
                self.joining.push(done);
                self.ticket = ticket;
                self.shown = 0;
                if is_news {
                    self.show_ticket();
                }
            }
            Some(Command::Say {
                frames,
                skew_ppm,
                started,
                done,
            }) => self.mouth.say(now, frames, skew_ppm, started, done),
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

    /// The main gateway is asked for credentials. The first answer is the ticket the user came with;
    /// later ones come from the office, or are the same again.
    fn ask_for_ticket(&mut self) {
        let office = self.shared.office.as_ref().filter(|_| !self.is_fresh);
        let renewed = office.map(|office| {
            let ticket = &self.ticket;
            office.renew(ticket.guild_id, ticket.user_id)
        });
        let reason = match renewed {
            Some(None) => "the user is in no voice channel any more".to_owned(),
            _ if self.shown >= MAX_SHOWN => format!(
                "the voice server does not take the ticket any more ({})",
                self.last_close
            ),
            Some(Some(ticket)) => {
                self.ticket = ticket;
                return self.show_ticket();
            }
            None => return self.show_ticket(),
        };
        self.refused = Some(reason);
        self.machine.handle(clock::now(), Input::Leave);
    }

    /// What the main gateway would have said.
    fn show_ticket(&mut self) {
        self.is_fresh = false;
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
}

async fn next_event(socket: &mut Option<Socket>) -> SocketEvent {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}
