//! All voice sessions and rooms, without I/O.
//!
//! The hub knows who may connect (grants from the main gateway), who is connected, and what each
//! member must be told. Connections are [`Peer`](super::peer::Peer)s; the media path reads an
//! immutable [`Table`](super::sfu::Table) the hub publishes after every change.

mod admit;
mod dave;
mod hang;
mod room;
mod session;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_wire::rng::Rng;
use mynah_wire::voice::close;
use mynah_wire::{ChannelId, EncryptionMode, GuildId, UserId};

use super::dave::{Delivery, GatewaySigner};
use super::fault::{DaveFault, Scope, UdpFault};
use super::grant::{Flags, Grant, SessionReport};
use super::outbox::{Body, Message};
use super::peer::{Ask, Gone, Verdict};
use super::sfu::{ActiveFault, Table};
use session::{Session, SessionKey};

/// How long a session without connection waits to be resumed (voice.md section 11, [rec]).
pub const RESUME_WINDOW: Duration = Duration::from_secs(60);
/// How long the old socket of a moved member stays open. Discord closes it from another machine than
/// the one that sends VOICE_SERVER_UPDATE. When both come in the same instant, discord.py and
/// py-cord miss one of them and give up after their timeout: their `_wait_for_state` does not see a
/// state that changes before it really waits.
pub const MOVE_GRACE: Duration = Duration::from_millis(50);
/// Members of one channel; Discord's largest stages hold more, this server's rooms do not.
const MAX_SESSIONS: usize = 10_000;

/// Names one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What the shell knows about a connection.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Its name.
    pub id: ConnectionId,
    /// Gateway version.
    pub version: u8,
    /// The IPv4 address at which this client reaches the media socket.
    pub media_ip: Ipv4Addr,
}

/// What the shell must do.
#[derive(Debug)]
pub enum Output {
    /// Publish this to the media path. Always comes before what clients are told about it.
    Table(Arc<Table>),
    /// Give this to the peer of that connection.
    Tell(ConnectionId, Message),
    /// Let the peer of that connection close with this code.
    Close(ConnectionId, u16),
    /// Let the peer of that connection hang, or go on.
    Hang(ConnectionId, bool),
    /// Nothing more to do until the next call, or this instant.
    Wait(Option<Instant>),
}

/// See the module.
#[derive(Debug)]
pub struct Hub {
    modes: Vec<EncryptionMode>,
    media_port: u16,
    rng: Rng,
    grants: HashMap<(GuildId, UserId), Grant>,
    flags: HashMap<(GuildId, UserId), Flags>,
    guilds: HashSet<GuildId>,
    sessions: BTreeMap<SessionKey, Session>,
    connections: HashMap<ConnectionId, SessionKey>,
    faults: BTreeMap<u64, (Scope, UdpFault)>,
    dave_faults: BTreeMap<u64, (Scope, DaveFault)>,
    hangs: BTreeMap<u64, Scope>,
    hung: HashSet<ConnectionId>,
    signer: Arc<GatewaySigner>,
    /// Rooms with somebody in them, unless they are never encrypted.
    rooms: BTreeMap<ChannelId, Delivery>,
    /// Sockets of members that moved on, and when they close.
    moved: VecDeque<(Instant, ConnectionId)>,
    next_session: u64,
    next_key: u64,
    generation: u64,
    is_table_stale: bool,
    outputs: VecDeque<Output>,
}

impl Hub {
    /// An empty hub that offers `modes` in this order and media at `media_port`. The seed decides
    /// stream numbers, never keys. `signer` is the external sender of all groups.
    pub fn new(
        modes: Vec<EncryptionMode>,
        media_port: u16,
        seed: u64,
        signer: Arc<GatewaySigner>,
    ) -> Self {
        Self {
            modes,
            media_port,
            rng: Rng::new(seed),
            grants: HashMap::new(),
            flags: HashMap::new(),
            guilds: HashSet::new(),
            sessions: BTreeMap::new(),
            connections: HashMap::new(),
            faults: BTreeMap::new(),
            dave_faults: BTreeMap::new(),
            hangs: BTreeMap::new(),
            hung: HashSet::new(),
            signer,
            rooms: BTreeMap::new(),
            moved: VecDeque::new(),
            next_session: 1,
            next_key: 1,
            generation: 0,
            is_table_stale: false,
            outputs: VecDeque::new(),
        }
    }

    /// From now on an Identify with these credentials is good. Replaces an older grant of the same
    /// member; a move to another channel ends the old session at once and closes its socket with
    /// 4014 after [`MOVE_GRACE`].
    pub fn grant(&mut self, now: Instant, grant: Grant) {
        let member = (grant.guild_id, grant.user_id);
        self.guilds.insert(grant.guild_id);
        let channel_id = grant.channel_id;
        self.grants.insert(member, grant);
        if let Some(session) = self.session_of(member)
            && session.channel_id != channel_id
        {
            let (key, socket) = (session.key, session.connection);
            self.end(now, key, None);
            self.moved
                .extend(socket.map(|socket| (now + MOVE_GRACE, socket)));
        }
    }

    /// The member may not be here any more: 4014 after a kick or leave, 4022 when the channel is
    /// gone.
    pub fn revoke(&mut self, now: Instant, guild_id: GuildId, user_id: UserId, code: u16) {
        let member = (guild_id, user_id);
        self.grants.remove(&member);
        self.flags.remove(&member);
        if let Some(key) = self.session_of(member).map(|session| session.key) {
            self.end(now, key, Some(code));
        }
    }

    /// The member's mute and deaf flags changed.
    pub fn set_flags(&mut self, guild_id: GuildId, user_id: UserId, flags: Flags) {
        self.flags.insert((guild_id, user_id), flags);
        self.is_table_stale = true;
    }

    /// Answers what a peer asks. `fresh_key` is random and used for at most one session
    /// description; randomness for keys is an argument like any other input.
    pub fn answer(
        &mut self,
        now: Instant,
        link: Link,
        ask: Ask,
        fresh_key: [u8; 32],
    ) -> Option<Verdict> {
        match ask {
            Ask::Identify(claim) => Some(self.identify(now, link, &claim)),
            Ask::Resume { claim, replay } => Some(self.resume(now, link, &claim, replay)),
            Ask::Select { address, mode } => Some(self.select(now, link, address, mode, fresh_key)),
            Ask::Speaking(flags) => {
                self.speaking(link, flags);
                None
            }
            Ask::BackendVersion => {
                self.tell_backend_version(link);
                None
            }
            Ask::Dave { op, payload } => {
                self.dave_message(now, link, op, &payload);
                None
            }
            Ask::Gone(gone) => {
                self.gone(now, link.id, gone);
                None
            }
        }
    }

    /// Closes the sockets in `scope` with `code`. With `forget`, sessions and grants go too, as
    /// after a server restart: a Resume is then answered 4006.
    pub fn close(&mut self, now: Instant, scope: Scope, code: u16, forget: bool) {
        let covered: Vec<_> = self
            .sessions
            .values()
            .filter(|session| scope.covers(session.user_id, session.channel_id))
            .map(|session| (session.key, session.connection, session.member()))
            .collect();
        for (key, connection, member) in covered {
            if forget {
                self.grants.remove(&member);
                self.end(now, key, Some(code));
            } else if let Some(connection) = connection {
                self.outputs.push_back(Output::Close(connection, code));
            }
        }
    }

    /// Starts a fault on the media path; the same id replaces.
    pub fn set_fault(&mut self, fault_id: u64, scope: Scope, fault: UdpFault) {
        self.faults.insert(fault_id, (scope, fault));
        self.is_table_stale = true;
    }

    /// Ends a fault of any kind.
    pub fn clear_fault(&mut self, now: Instant, fault_id: u64) {
        self.is_table_stale |= self.faults.remove(&fault_id).is_some();
        if self.dave_faults.remove(&fault_id).is_some() {
            self.tell_rooms_of_faults(now);
        }
        if self.hangs.remove(&fault_id).is_some() {
            self.settle_hangs();
        }
    }

    /// Forgets sessions nobody resumed in time, closes what moved members left open, and lets due
    /// transitions and proposals happen.
    pub fn tick(&mut self, now: Instant) {
        while let Some((_, socket)) = self.moved.pop_front_if(|(due, _)| *due <= now) {
            self.outputs
                .push_back(Output::Close(socket, close::DISCONNECTED));
        }
        let expired: Vec<_> = self
            .sessions
            .values()
            .filter(|session| session.expires().is_some_and(|at| at <= now))
            .map(|session| session.key)
            .collect();
        for key in expired {
            self.end(now, key, None);
        }
        self.dave_tick(now);
    }

    /// What to do next.
    pub fn poll(&mut self) -> Output {
        if std::mem::take(&mut self.is_table_stale) {
            return Output::Table(Arc::new(self.table()));
        }
        self.outputs.pop_front().unwrap_or_else(|| {
            let expiries = self.sessions.values().filter_map(Session::expires);
            let moved = self.moved.front().map(|(due, _)| *due);
            let dave = self.dave_deadline();
            Output::Wait(expiries.chain(moved).chain(dave).min())
        })
    }

    /// Every session, oldest first.
    pub fn reports(&self) -> Vec<SessionReport> {
        self.sessions
            .values()
            .map(|session| session.report(self.flags_of(session), self.standing_of(session)))
            .collect()
    }

    /// Who is in a voice channel, with media described: the others know about them.
    pub fn present_in(&self, channel_id: ChannelId) -> Vec<UserId> {
        self.sessions
            .values()
            .filter(|session| session.is_present() && session.channel_id == channel_id)
            .map(|session| session.user_id)
            .collect()
    }

    fn flags_of(&self, session: &Session) -> Flags {
        self.flags
            .get(&session.member())
            .copied()
            .unwrap_or_default()
    }

    fn session_of(&self, member: (GuildId, UserId)) -> Option<&Session> {
        self.sessions
            .values()
            .find(|session| session.member() == member)
    }

    fn session_on(&self, connection: ConnectionId) -> Option<SessionKey> {
        self.connections.get(&connection).copied()
    }

    fn table(&mut self) -> Table {
        self.generation += 1;
        Table {
            generation: self.generation,
            members: self
                .sessions
                .values()
                .map(|session| session.media(self.flags_of(session)))
                .collect(),
            faults: self
                .faults
                .iter()
                .map(|(id, (scope, fault))| ActiveFault {
                    id: *id,
                    scope: *scope,
                    fault: *fault,
                })
                .collect(),
        }
    }

    /// Numbers a message of one session and sends it if there is a connection.
    fn tell(&mut self, key: SessionKey, body: Body) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        session.note_lost(&body);
        let message = session.outbox.push(body);
        if let Some(connection) = session.connection {
            self.outputs.push_back(Output::Tell(connection, message));
        }
    }

    /// A connection ended.
    fn gone(&mut self, now: Instant, connection: ConnectionId, gone: Gone) {
        self.hung.remove(&connection);
        let Some(key) = self.connections.remove(&connection) else {
            return;
        };
        match gone {
            Gone::Finished => self.end(now, key, None),
            Gone::Resumable => {
                if let Some(session) = self.sessions.get_mut(&key) {
                    session.connection = None;
                    session.lost_at = Some(now);
                }
                self.dave_lost(now, key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
