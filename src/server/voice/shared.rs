//! What the connections of one voice server share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::hub::{ConnectionId, Hub, Link, Output};
use super::outbox::Message;
use super::peer::{Ask, Verdict};
use super::sfu::Sfu;
use super::{VoiceError, random};
use crate::clock;

/// Messages waiting for one connection. When full, the connection is torn down: what it missed is
/// in its session's outbox, so it can resume.
const INBOX: usize = 1024;

/// What the hub has for one connection.
pub(super) enum ToPeer {
    Tell(Message),
    Close(u16),
    Hang(bool),
}

pub(super) struct Shared {
    pub tls: TlsAcceptor,
    pub sfu: Sfu,
    pub stopping: CancellationToken,
    /// Short critical sections of pure computation; never held across an await.
    signalling: Mutex<Signalling>,
    deadline: watch::Sender<Option<Instant>>,
    connections: AtomicU64,
}

struct Signalling {
    hub: Hub,
    routes: HashMap<ConnectionId, mpsc::Sender<ToPeer>>,
}

impl Shared {
    pub fn new(hub: Hub, tls: TlsAcceptor, sfu: Sfu) -> Self {
        Self {
            tls,
            sfu,
            stopping: CancellationToken::new(),
            signalling: Mutex::new(Signalling {
                hub,
                routes: HashMap::new(),
            }),
            deadline: watch::Sender::new(None),
            connections: AtomicU64::new(1),
        }
    }

    /// Calls the hub and carries out what it wants done.
    pub fn with_hub<T>(&self, call: impl FnOnce(&mut Hub) -> T) -> T {
        let mut guard = self
            .signalling
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Signalling { hub, routes } = &mut *guard;
        let answer = call(hub);
        let deadline = loop {
            match hub.poll() {
                Output::Table(table) => self.sfu.publish(table),
                Output::Tell(to, message) => route(routes, to, ToPeer::Tell(message)),
                Output::Close(to, code) => route(routes, to, ToPeer::Close(code)),
                Output::Hang(to, hangs) => route(routes, to, ToPeer::Hang(hangs)),
                Output::Wait(deadline) => break deadline,
            }
        };
        // Before the hub is free again: else a call that comes later could make its deadline known
        // first, and this older one would replace it. A batch then waited for whatever came next.
        self.deadline.send_if_modified(|known| {
            let is_new = *known != deadline;
            *known = deadline;
            is_new
        });
        drop(guard);
        answer
    }

    pub fn answer(&self, link: Link, ask: Ask) -> Option<Verdict> {
        let fresh_key = match ask {
            Ask::Select { .. } => match random::<32>() {
                Ok(key) => key,
                Err(VoiceError::Random | _) => {
                    return Some(Verdict::Refused(mynah_wire::voice::close::SERVER_CRASHED));
                }
            },
            _ => [0; 32],
        };
        self.with_hub(|hub| hub.answer(clock::now(), link, ask, fresh_key))
    }

    pub fn new_connection_number(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub fn open_route(&self, connection: ConnectionId) -> mpsc::Receiver<ToPeer> {
        let (sender, receiver) = mpsc::channel(INBOX);
        self.routes(|routes| routes.insert(connection, sender));
        receiver
    }

    pub fn close_route(&self, connection: ConnectionId) {
        self.routes(|routes| routes.remove(&connection));
    }

    fn routes<T>(
        &self,
        call: impl FnOnce(&mut HashMap<ConnectionId, mpsc::Sender<ToPeer>>) -> T,
    ) -> T {
        let mut guard = self
            .signalling
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        call(&mut guard.routes)
    }

    /// Wakes the hub when a session's time to resume runs out, or a room is due.
    pub async fn reap(&self) {
        let mut deadline = self.deadline.subscribe();
        loop {
            let next = *deadline.borrow_and_update();
            let due = async {
                match next {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.with_hub(|hub| hub.tick(clock::now())),
                changed = deadline.changed() => if changed.is_err() { return },
                () = self.stopping.cancelled() => return,
            }
        }
    }
}

fn route(
    routes: &mut HashMap<ConnectionId, mpsc::Sender<ToPeer>>,
    to: ConnectionId,
    message: ToPeer,
) {
    let is_full = routes
        .get(&to)
        .is_some_and(|sender| sender.try_send(message).is_err());
    if is_full {
        // Dropping the sender tells the connection.
        routes.remove(&to);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::TryLockError;

    use super::super::{VoiceConfig, VoiceServer};

    #[tokio::test]
    async fn nobody_else_gets_the_hub_before_its_deadline_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let server = VoiceServer::start(VoiceConfig {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            legacy_modes: false,
            data_dir: dir.path().to_owned(),
            seed: 3,
        })
        .await
        .unwrap();
        let shared = &server.owner.shared;
        std::thread::scope(|scope| {
            // As long as somebody reads the deadline, no other can be made known.
            let reading = shared.deadline.borrow();
            let (in_hub, is_in_hub) = std::sync::mpsc::channel();
            scope.spawn(move || shared.with_hub(|_| in_hub.send(()).unwrap()));
            is_in_hub.recv().unwrap();
            for _ in 0..1000 {
                let attempt = shared.signalling.try_lock();
                assert!(matches!(attempt, Err(TryLockError::WouldBlock)));
                std::thread::yield_now();
            }
            drop(reading);
        });
        server.stop().await;
    }
}
