//! The server's real machines and the sockets between them and the clients.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use mynah_server::voice::machines::{
    ConnectionId, DaveFault, DavePolicy, Frame, GatewaySigner, Grant, Hub, HubOutput,
    Input as PeerInput, Link, Member, Output as PeerOutput, Peer, Scope, Table,
};
use mynah_server::voice::peer::ABRUPT;
use mynah_wire::voice::close;
use mynah_wire::{EncryptionMode, Ssrc, UserId};

use super::client::{CHANNEL, GUILD, user_id};
use super::schedule::Who;
use super::script::{Policy, ServerFault};

/// The gateway version the clients speak.
const VERSION: u8 = 8;
/// Where the server would listen for media.
const MEDIA_PORT: u16 = 50_004;
/// How late op 22 is when it is.
const LATE_EXECUTE_MS: u64 = 1200;

/// What the server puts into a websocket.
#[derive(Debug)]
pub(super) enum Down {
    Opened,
    Text(String),
    Binary(Vec<u8>),
    Closed(Option<u16>),
}

/// One websocket. Its two ends notice its death at different times.
pub(super) struct Socket {
    pub who: Who,
    /// The server's end; `None` before it was accepted and after it was over.
    pub peer: Option<Peer>,
    pub wake: Option<Instant>,
    /// Nothing gets through any more.
    pub is_broken: bool,
    /// When the last message so far arrives up and down there: order is kept.
    pub last_up: Instant,
    pub last_down: Instant,
}

/// Hub, peers, and the table of the media path.
pub(super) struct Server {
    pub hub: Hub,
    policy: Policy,
    pub table: Arc<Table>,
    pub sockets: BTreeMap<u64, Socket>,
    wake: Option<Instant>,
    key: u64,
    /// What is to be sent, in order.
    pub out: Vec<(u64, Down)>,
}

impl Server {
    pub fn new(policy: Policy, seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        let signer = GatewaySigner::new(&key).unwrap_or_else(|error| panic!("no signer: {error}"));
        let modes = EncryptionMode::CURRENT.to_vec();
        let hub = Hub::new(modes, MEDIA_PORT, seed, Arc::new(signer));
        Self {
            hub,
            policy,
            table: Arc::new(Table::default()),
            sockets: BTreeMap::new(),
            wake: None,
            key: 0,
            out: Vec::new(),
        }
    }

    pub fn wake(&self) -> Option<Instant> {
        let sockets = self.sockets.values().filter_map(|socket| socket.wake);
        sockets.chain(self.wake).min()
    }

    /// The TCP connection is there: the server speaks first.
    pub fn accept(&mut self, now: Instant, socket: u64) {
        if let Some(open) = self.sockets.get_mut(&socket) {
            open.peer = Some(Peer::new(now, Some(VERSION)));
            self.out.push((socket, Down::Opened));
            self.drain(now, socket);
            self.pump(now);
        }
    }

    /// Something happened to the server's end of a socket.
    pub fn give(&mut self, now: Instant, socket: u64, input: PeerInput<'_>) {
        self.touch(now, socket, input);
        self.pump(now);
    }

    /// Lets every machine whose time has come do what it waits for.
    pub fn tick(&mut self, now: Instant) {
        let due: Vec<u64> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.wake.is_some_and(|wake| wake <= now))
            .map(|(socket, _)| *socket)
            .collect();
        for socket in due {
            self.give(now, socket, PeerInput::Tick);
        }
        if self.wake.is_some_and(|wake| wake <= now) {
            self.with_hub(now, |hub| hub.tick(now));
        }
    }

    /// Calls the hub from outside and carries out what follows.
    pub fn with_hub(&mut self, now: Instant, call: impl FnOnce(&mut Hub)) {
        call(&mut self.hub);
        self.pump(now);
    }

    /// The main gateway lets a member into the channel.
    pub fn grant(&mut self, now: Instant, who: Who, session_id: String, token: String) {
        let grant = Grant {
            guild_id: GUILD,
            channel_id: CHANNEL,
            user_id: user_id(who.client),
            session_id,
            token: token.into(),
            dave: match self.policy {
                Policy::Required => DavePolicy::Required,
                Policy::Optional => DavePolicy::Optional,
                Policy::Off => DavePolicy::Off,
            },
        };
        self.with_hub(now, |hub| hub.grant(now, grant));
    }

    /// The main gateway takes a member out of the channel.
    pub fn revoke(&mut self, now: Instant, client: usize) {
        let user_id = user_id(client);
        self.with_hub(now, |hub| {
            hub.revoke(now, GUILD, user_id, close::DISCONNECTED);
        });
    }

    /// The server forgets a member's session, as if it had started anew.
    pub fn forget(&mut self, now: Instant, client: usize) {
        let scope = Scope {
            user_id: Some(user_id(client)),
            channel_id: None,
        };
        self.with_hub(now, |hub| {
            hub.close(now, scope, close::SESSION_INVALID, true);
        });
    }

    /// A scripted fault begins, for everybody.
    pub fn break_down(&mut self, now: Instant, number: u64, fault: ServerFault) {
        let mut dave = DaveFault::default();
        match fault {
            ServerFault::InvalidCommit => dave.invalid_commit = true,
            ServerFault::WithheldWelcome => dave.withhold_welcome = true,
            ServerFault::DelayedExecute => dave.delay_execute_ms = LATE_EXECUTE_MS,
            ServerFault::Downgrade => dave.downgrade = true,
            ServerFault::DuplicateExternalSender => dave.duplicate_external_sender = true,
        }
        self.with_hub(now, |hub| {
            hub.set_dave_fault(now, number, Scope::default(), dave);
        });
    }

    /// A fault ends.
    pub fn heal(&mut self, now: Instant, number: u64) {
        self.with_hub(now, |hub| hub.clear_fault(now, number));
    }

    /// The members that hear what this stream says, by the media path's own table.
    pub fn listeners(&self, ssrc: Ssrc, is_sealed: bool) -> Vec<UserId> {
        let members = &self.table.members;
        let Some(speaker) = members
            .iter()
            .find(|member| member.ssrc == ssrc && member.keys.is_some())
            .filter(|member| member.has_spoken && member.may_speak)
        else {
            return Vec::new();
        };
        let hears = |member: &&Member| {
            member.session != speaker.session
                && member.channel_id == speaker.channel_id
                && member.may_hear
                && !(is_sealed && member.is_deaf_to_sealed)
                && member.keys.is_some()
        };
        members
            .iter()
            .filter(hears)
            .map(|member| member.user_id)
            .collect()
    }

    /// What hub and peers want of each other, until all wait.
    fn pump(&mut self, now: Instant) {
        loop {
            let (socket, input) = match self.hub.poll() {
                HubOutput::Table(table) => {
                    self.table = table;
                    continue;
                }
                HubOutput::Tell(ConnectionId(socket), message) => {
                    (socket, PeerInput::Tell(message))
                }
                // No script lets the server hang.
                HubOutput::Hang(..) => continue,
                HubOutput::Close(ConnectionId(socket), code) => (socket, PeerInput::Close(code)),
                HubOutput::Wait(wake) => {
                    self.wake = wake;
                    return;
                }
            };
            self.touch(now, socket, input);
        }
    }

    fn touch(&mut self, now: Instant, socket: u64, input: PeerInput<'_>) {
        let peer = self
            .sockets
            .get_mut(&socket)
            .and_then(|open| open.peer.as_mut());
        if let Some(peer) = peer {
            peer.handle(now, input);
            self.drain(now, socket);
        }
    }

    /// Does what one peer wants. What the hub wants then is for [`pump`](Self::pump): in the shell,
    /// too, a verdict reaches the peer before anything the hub tells it.
    fn drain(&mut self, now: Instant, number: u64) {
        loop {
            let Some(socket) = self.sockets.get_mut(&number) else {
                return;
            };
            let Some(peer) = socket.peer.as_mut() else {
                return;
            };
            match peer.poll() {
                PeerOutput::Send(Frame::Text(text)) => self.out.push((number, Down::Text(text))),
                PeerOutput::Send(Frame::Binary(bytes)) => {
                    self.out.push((number, Down::Binary(bytes)));
                }
                PeerOutput::Close(code) => {
                    let code = (code != ABRUPT).then_some(code);
                    self.out.push((number, Down::Closed(code)));
                }
                PeerOutput::Ask(ask) => {
                    let link = Link {
                        id: ConnectionId(number),
                        version: peer.version(),
                        media_ip: Ipv4Addr::LOCALHOST,
                    };
                    self.key += 1;
                    let mut key = [7; 32];
                    key[..8].copy_from_slice(&self.key.to_be_bytes());
                    let verdict = self.hub.answer(now, link, ask, key);
                    if let Some(verdict) = verdict
                        && let Some(peer) = self
                            .sockets
                            .get_mut(&number)
                            .and_then(|socket| socket.peer.as_mut())
                    {
                        peer.handle(now, PeerInput::Verdict(verdict));
                    }
                }
                PeerOutput::Wait(wake) => {
                    socket.wake = wake;
                    if wake.is_none() {
                        socket.peer = None;
                    }
                    return;
                }
            }
        }
    }
}
