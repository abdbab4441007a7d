//! A room of real clients and the real server, without network and without waiting.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_dave::group::Identity;
use mynah_server::voice::machines::{
    ConnectionId, DavePolicy, Frame, GatewaySigner, Grant, Hub, HubOutput, Input as PeerInput,
    Link, Output as PeerOutput, Peer,
};
use mynah_session::voice::{Config, Input, Output, Session};
use mynah_wire::udp::Discovery;
use mynah_wire::{ChannelId, EncryptionMode, GuildId, UserId};

const GUILD: GuildId = GuildId::new(8);
const CHANNEL: ChannelId = ChannelId::new(70);
const FIRST_USER: u64 = 1000;

/// One client and its connection.
pub struct Client {
    /// The machine.
    pub session: Session,
    peer: Option<Peer>,
    /// Frames to the client are not handed over but collected.
    pub holds_down: bool,
    /// DAVE messages from the client are not handed over but collected.
    pub holds_up: bool,
    /// What was collected, or would have been: every DAVE message since the last look.
    pub down: Vec<Frame>,
    /// The same from the client.
    pub up: Vec<Frame>,
}

/// The room.
pub struct Room {
    /// The server.
    pub hub: Hub,
    /// The clients, user ids from 1000.
    pub clients: Vec<Client>,
    /// The time.
    pub now: Instant,
    hub_wake: Option<Instant>,
    /// Messages the server has said to anyone, and connections it closed.
    pub said: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl Room {
    /// An empty room that requires end-to-end encryption.
    ///
    /// # Panics
    /// The system has no random numbers.
    pub fn new() -> Self {
        let signer = Arc::new(GatewaySigner::new(&[7; 32]).expect("any key is good"));
        Self {
            hub: Hub::new(EncryptionMode::CURRENT.to_vec(), 50_004, 1, signer),
            clients: Vec::new(),
            now: Instant::now(),
            hub_wake: None,
            said: 0,
        }
    }

    /// User id of a client.
    pub const fn user(client: usize) -> UserId {
        UserId::new(FIRST_USER + client as u64)
    }

    /// One more client joins; comes back when all is quiet.
    pub fn join(&mut self) -> usize {
        let number = self.clients.len();
        let identity = Identity::generate().expect("random numbers");
        let config = Config {
            guild_id: GUILD,
            user_id: Self::user(number),
            channel_id: CHANNEL,
            allow_legacy_modes: false,
            max_dave_version: 1,
            identity: Some(Arc::new(identity)),
            give_up_after: Duration::from_secs(600),
            seed: number as u64,
        };
        self.clients.push(Client {
            session: Session::new(config, self.now),
            peer: None,
            holds_down: false,
            holds_up: false,
            down: Vec::new(),
            up: Vec::new(),
        });
        self.settle();
        number
    }

    /// A client leaves.
    pub fn leave(&mut self, client: usize) {
        let (now, session) = (self.now, &mut self.clients[client].session);
        session.handle(now, Input::Leave);
        self.settle();
    }

    /// Lets time pass, in steps of a batch.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(10);
            if self.hub_wake.is_some_and(|wake| wake <= self.now) {
                self.hub.tick(self.now);
            }
            for client in 0..self.clients.len() {
                self.clients[client].session.handle(self.now, Input::Tick);
            }
            self.settle();
        }
    }

    /// Gives a frame to a client's session, and lets everything follow from it.
    pub fn tell(&mut self, client: usize, frame: &Frame) {
        let (now, session) = (self.now, &mut self.clients[client].session);
        match frame {
            Frame::Text(text) => session.handle(now, Input::WsText(text)),
            Frame::Binary(bytes) => session.handle(now, Input::WsBinary(bytes)),
        }
    }

    /// Gives a frame to the server as from this client.
    pub fn say(&mut self, client: usize, frame: &Frame) {
        let now = self.now;
        if let Some(peer) = &mut self.clients[client].peer {
            match frame {
                Frame::Text(text) => peer.handle(now, PeerInput::Text(text)),
                Frame::Binary(bytes) => peer.handle(now, PeerInput::Binary(bytes)),
            }
        }
    }

    /// Carries messages until nobody has anything to say.
    pub fn settle(&mut self) {
        loop {
            let mut is_busy = self.poll_hub();
            for client in 0..self.clients.len() {
                is_busy |= self.poll_session(client) | self.poll_peer(client);
            }
            if !is_busy {
                return;
            }
        }
    }

    fn poll_hub(&mut self) -> bool {
        let mut is_busy = false;
        loop {
            let (ConnectionId(to), input) = match self.hub.poll() {
                HubOutput::Table(_) | HubOutput::Hang(..) => continue,
                HubOutput::Tell(to, message) => (to, PeerInput::Tell(message)),
                HubOutput::Close(to, code) => (to, PeerInput::Close(code)),
                HubOutput::Wait(wake) => {
                    self.hub_wake = wake;
                    return is_busy;
                }
            };
            is_busy = true;
            self.said += 1;
            let client = self.clients.get_mut(to as usize);
            if let Some(peer) = client.and_then(|client| client.peer.as_mut()) {
                peer.handle(self.now, input);
            }
        }
    }

    fn poll_peer(&mut self, number: usize) -> bool {
        let mut is_busy = false;
        while let Some(client) = self.clients.get_mut(number)
            && let Some(peer) = &mut client.peer
        {
            match peer.poll() {
                PeerOutput::Wait(_) => break,
                PeerOutput::Send(frame) => {
                    let is_dave = is_dave_down(&frame);
                    if is_dave {
                        client.down.push(frame.clone());
                    }
                    if !(is_dave && client.holds_down) {
                        self.tell(number, &frame);
                    }
                }
                PeerOutput::Ask(ask) => {
                    let link = Link {
                        id: ConnectionId(number as u64),
                        version: peer.version(),
                        media_ip: Ipv4Addr::LOCALHOST,
                    };
                    if let Some(verdict) = self.hub.answer(self.now, link, ask, [7; 32]) {
                        peer.handle(self.now, PeerInput::Verdict(verdict));
                    }
                }
                PeerOutput::Close(code) => {
                    client.peer = None;
                    self.said += 1;
                    let closed = Input::WsClosed { code: Some(code) };
                    client.session.handle(self.now, closed);
                }
            }
            is_busy = true;
        }
        is_busy
    }

    fn poll_session(&mut self, number: usize) -> bool {
        let mut is_busy = false;
        let mut back: VecDeque<Frame> = VecDeque::new();
        let now = self.now;
        while let Some(client) = self.clients.get_mut(number) {
            let session = &mut client.session;
            match session.poll() {
                Output::Wait(_) => break,
                Output::JoinMain { channel_id } => {
                    let user_id = Self::user(number);
                    let Some(channel_id) = channel_id else {
                        self.hub.revoke(now, GUILD, user_id, 4014);
                        continue;
                    };
                    let grant = Grant {
                        guild_id: GUILD,
                        channel_id,
                        user_id,
                        session_id: "main".to_owned(),
                        token: "token".into(),
                        dave: DavePolicy::Required,
                    };
                    self.hub.grant(now, grant);
                    session.handle(
                        now,
                        Input::StateUpdate {
                            channel_id: Some(channel_id),
                            session_id: "main",
                        },
                    );
                    session.handle(
                        now,
                        Input::ServerUpdate {
                            token: "token",
                            endpoint: Some("voice.test:443"),
                        },
                    );
                }
                Output::OpenWs { .. } => {
                    client.peer = Some(Peer::new(now, Some(8)));
                    session.handle(now, Input::WsOpened);
                }
                Output::SendDatagram(packet) => {
                    if let Some(Discovery::Request { ssrc }) = Discovery::parse(&packet) {
                        let answer = Discovery::Response {
                            ssrc,
                            address: Ipv4Addr::LOCALHOST.into(),
                            port: 50_000,
                        };
                        session.handle(now, Input::Datagram(&answer.write()));
                    }
                }
                Output::Crypto(job) => {
                    let done = job.run();
                    session.handle(now, Input::Crypto(done));
                }
                Output::SendText(text) => back.push_back(Frame::Text(text)),
                Output::SendBinary(bytes) => back.push_back(Frame::Binary(bytes)),
                Output::CloseWs { code } => {
                    if let Some(mut peer) = client.peer.take() {
                        peer.handle(now, PeerInput::Closed(Some(code)));
                        while let PeerOutput::Ask(ask) = peer.poll() {
                            let link = Link {
                                id: ConnectionId(number as u64),
                                version: 8,
                                media_ip: Ipv4Addr::LOCALHOST,
                            };
                            self.hub.answer(now, link, ask, [7; 32]);
                        }
                    }
                }
                _ => {}
            }
            is_busy = true;
        }
        for frame in back {
            let client = &mut self.clients[number];
            let is_dave = is_dave_up(&frame);
            if is_dave {
                client.up.push(frame.clone());
            }
            if !(is_dave && client.holds_up) {
                self.say(number, &frame);
            }
        }
        is_busy
    }
}

/// Opcodes 21 to 31, text or binary.
fn is_dave_down(frame: &Frame) -> bool {
    match frame {
        Frame::Text(text) => (21..=31).any(|op| text.starts_with(&format!(r#"{{"op":{op},"#))),
        Frame::Binary(_) => true,
    }
}

fn is_dave_up(frame: &Frame) -> bool {
    is_dave_down(frame)
}

#[cfg(test)]
mod tests {
    use mynah_wire::voice::op;

    use super::*;

    fn opcodes(frames: &[Frame]) -> Vec<u8> {
        let text = |text: &str| text[6..8].parse().unwrap_or(0);
        frames
            .iter()
            .map(|frame| match frame {
                Frame::Text(json) => text(json),
                Frame::Binary(bytes) => bytes[2],
            })
            .collect()
    }

    #[test]
    fn what_is_held_back_from_a_client_makes_the_next_epoch_when_it_comes() {
        let mut room = Room::new();
        room.join();
        room.join();
        room.pass(Duration::from_millis(100));
        let epoch = |room: &Room| room.clients[0].session.dave().and_then(|dave| dave.epoch);
        assert_eq!(epoch(&room), Some(1));
        room.clients[0].holds_down = true;
        room.clients[0].down.clear();
        room.join();
        room.pass(Duration::from_millis(2200));
        let held = std::mem::take(&mut room.clients[0].down);
        assert_eq!(
            opcodes(&held),
            [
                op::MLS_PROPOSALS,
                op::MLS_ANNOUNCE_COMMIT,
                op::DAVE_EXECUTE_TRANSITION
            ]
        );
        for frame in &held {
            room.tell(0, frame);
            room.settle();
        }
        assert_eq!(epoch(&room), Some(2));
    }

    #[test]
    fn commits_that_are_held_back_from_the_server_are_taken_when_they_come() {
        let mut room = Room::new();
        room.join();
        room.join();
        room.pass(Duration::from_millis(100));
        for client in &mut room.clients {
            client.holds_up = true;
            client.up.clear();
        }
        room.join();
        room.pass(Duration::from_millis(50));
        let held = std::mem::take(&mut room.clients[1].up);
        let said = room.said;
        room.say(1, &held[0]);
        room.settle();
        assert!(room.said > said + 2, "29 to two, 30 to one");
    }
}
