//! The shell around one gateway shard: websocket, identify permits, dispatches outwards.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mynah_session::gateway::{Command, Config, Input, Output, Shard, State, StopReason};
use mynah_session::voice::Main;
use rustls::ClientConfig;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tracing::Instrument;

use crate::clock;
use crate::ws::{Ws, WsEvent};

/// Dispatches held for a slow router before the websocket is left unread. Reading stops as late as
/// this because an unread heartbeat ACK looks like a dead connection after one interval.
const MAX_PENDING: usize = 4096;
/// Commands waiting for one shard.
const COMMANDS: usize = 64;

/// What a shard tells the router.
#[derive(Debug)]
pub enum ShardEvent {
    /// One gateway event, body untouched.
    Dispatch {
        /// Event name.
        name: String,
        /// Body.
        data: String,
    },
    /// The connection was lost or is back (also the first time): voice depends on it.
    Main {
        /// Which shard.
        shard_id: u32,
        /// What became of it.
        main: Main,
    },
    /// The shard will not come back.
    Stopped(StopReason),
}

/// A running shard.
#[derive(Debug)]
pub struct ShardHandle {
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

impl ShardHandle {
    /// Starts a shard.
    pub fn start(
        config: Config,
        tls: Arc<ClientConfig>,
        permits: Arc<IdentifyPermits>,
        events: mpsc::Sender<ShardEvent>,
    ) -> Self {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let span = tracing::info_span!("shard", id = config.shard.0);
        let shell = Shell {
            shard_id: config.shard.0,
            machine: Shard::new(config, clock::now()),
            ws: Ws::new(tls),
            permits,
            permit: None,
            events,
            pending: VecDeque::new(),
        };
        let task = tokio::spawn(shell.run(inbox).instrument(span));
        Self { commands, task }
    }

    /// A sender for op 4 and presence updates.
    pub fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    /// Closes the gateway with 1000 and waits for the end, at most five seconds.
    pub async fn stop(&mut self) {
        let stopping = async {
            let _ = self.commands.send(Command::Stop).await;
            (&mut self.task).await
        };
        let stopped = tokio::time::timeout(Duration::from_secs(5), stopping).await;
        if stopped.is_err() {
            self.task.abort();
        }
    }
}

/// Identify permits: one per rate-limit key (`shard_id % max_concurrency`) every five seconds
/// (gateway.md sections 5 and 8).
#[derive(Debug)]
pub struct IdentifyPermits {
    max_concurrency: u32,
    next_free: Mutex<HashMap<u32, Instant>>,
}

impl IdentifyPermits {
    /// Permits for this many keys at once.
    pub fn new(max_concurrency: u32) -> Self {
        Self {
            max_concurrency: max_concurrency.max(1),
            next_free: Mutex::default(),
        }
    }

    /// Waits until the shard may identify.
    async fn acquire(&self, shard_id: u32) {
        let window = Duration::from_secs(mynah_wire::gateway::IDENTIFY_WINDOW_S);
        let key = shard_id % self.max_concurrency;
        let at = {
            let mut next_free = self.next_free.lock().await;
            let now = Instant::now();
            let at = next_free.get(&key).copied().unwrap_or(now).max(now);
            next_free.insert(key, at + window);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

struct Shell {
    shard_id: u32,
    machine: Shard,
    ws: Ws,
    permits: Arc<IdentifyPermits>,
    /// Waiting for a permit.
    permit: Option<JoinHandle<()>>,
    events: mpsc::Sender<ShardEvent>,
    /// Dispatches the router has no room for; bounded by [`MAX_PENDING`], then TCP back-pressure
    /// (architecture.md B6 row 1).
    pending: VecDeque<ShardEvent>,
}

impl Shell {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let Some(deadline) = self.drain().await else {
                break;
            };
            let wake = deadline.map(Instant::from_std);
            let events = self.events.clone();
            tokio::select! {
                event = self.ws.next(), if self.pending.len() < MAX_PENDING => self.socket(event),
                slot = events.reserve(), if !self.pending.is_empty() => match slot {
                    Ok(slot) => if let Some(event) = self.pending.pop_front() { slot.send(event) },
                    Err(_) => break,
                },
                () = permit(&mut self.permit) => {
                    self.permit = None;
                    self.machine.handle(clock::now(), Input::IdentifyPermit);
                }
                command = commands.recv() => {
                    let command = command.unwrap_or(Command::Stop);
                    self.machine.handle(clock::now(), Input::Command(command));
                }
                () = sleep_until(wake) => self.machine.handle(clock::now(), Input::Tick),
            }
        }
        while let Some(event) = self.pending.pop_front() {
            if self.events.send(event).await.is_err() {
                break;
            }
        }
    }

    /// Does everything the machine asks; the deadline to wake at, or `None` when it has stopped.
    async fn drain(&mut self) -> Option<Option<std::time::Instant>> {
        loop {
            match self.machine.poll() {
                Output::OpenWs { url } => self.ws.open(url),
                Output::SendText(text) => self.ws.send(Message::text(text)).await,
                Output::CloseWs { code } => self.ws.close(code).await,
                Output::WantIdentify => {
                    let (permits, id) = (Arc::clone(&self.permits), self.shard_id);
                    self.permit = Some(tokio::spawn(async move { permits.acquire(id).await }));
                }
                Output::Dispatch { name, data, .. } => {
                    self.pending.push_back(ShardEvent::Dispatch { name, data });
                }
                Output::State(state) => {
                    tracing::info!(?state, "gateway");
                    let main = match state {
                        State::Lost { .. } => Some(Main::Lost),
                        State::Live { resumed: true } => Some(Main::Resumed),
                        State::Live { resumed: false } => Some(Main::New),
                        State::Connecting | State::Identifying | State::Resuming => None,
                    };
                    if let Some(main) = main {
                        let shard_id = self.shard_id;
                        self.pending.push_back(ShardEvent::Main { shard_id, main });
                    }
                }
                Output::Stopped(reason) => {
                    self.pending.push_back(ShardEvent::Stopped(reason));
                    return None;
                }
                Output::Wait(deadline) => return Some(deadline),
            }
        }
    }

    fn socket(&mut self, event: WsEvent) {
        let now = clock::now();
        match event {
            WsEvent::Opened => self.machine.handle(now, Input::WsOpened),
            WsEvent::Text(text) => self.machine.handle(now, Input::WsText(&text)),
            WsEvent::Binary(_) => tracing::debug!("binary frame without compression ignored"),
            WsEvent::Closed { code, reason } => {
                tracing::info!(code, reason, "gateway connection closed");
                self.machine.handle(now, Input::WsClosed { code });
            }
        }
    }
}

async fn permit(waiting: &mut Option<JoinHandle<()>>) {
    match waiting {
        Some(task) => {
            let _ = task.await;
        }
        None => std::future::pending().await,
    }
}

/// Sleeps until then, or for ever.
pub async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn identifies_of_one_key_are_five_seconds_apart_and_keys_are_independent() {
        let permits = IdentifyPermits::new(2);
        let start = Instant::now();
        permits.acquire(0).await;
        permits.acquire(1).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        permits.acquire(2).await;
        assert_eq!(start.elapsed().as_secs(), 5);
        permits.acquire(4).await;
        assert_eq!(start.elapsed().as_secs(), 10);
    }
}
