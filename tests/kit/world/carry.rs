//! What carries: from the sessions and the server into the schedule, and from the schedule to them.

use std::time::Instant;

use mynah_server::voice::machines::Input as PeerInput;
use mynah_session::voice::{DaveEvent, Event as Heard, Input, Output};
use mynah_wire::udp;
use mynah_wire::voice::op;

use super::World;
use super::client::{Alive, Entered, user_id};
use super::ear::{Ear, Fresh};
use super::schedule::{Event, Up, Who};
use super::script::Delays;
use super::server::{Down, Socket};
use super::tape::{BOT, Tape};

/// Where discovery says the clients are; nothing goes there.
const ADDRESS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(198, 51, 100, 4);

impl World {
    pub(super) fn delay(&mut self, delays: Delays) -> Instant {
        let mut delay = delays.base + delays.jitter.mul_f64(self.rng.unit_f64());
        if self.rng.below(1000) < u64::from(delays.spikes_permille) {
            delay += delays.spike;
        }
        self.now + delay
    }

    pub(super) fn websocket_delay(&mut self) -> Instant {
        self.delay(self.script.network.websocket)
    }

    /// The tape, if this is the bot that records.
    pub(super) fn taping(&mut self, who: Who) -> Option<&mut Tape> {
        self.tape.as_deref_mut().filter(|_| who.client == BOT)
    }

    pub(super) fn alive(&mut self, who: Who) -> Option<&mut Alive> {
        let alive = self.clients.get_mut(who.client)?.alive.as_mut()?;
        (alive.who == who).then_some(alive)
    }

    /// Gives a session its input and does what it wants.
    pub(super) fn give(&mut self, who: Who, input: Input<'_>) {
        let now = self.now;
        if let Some(alive) = self.alive(who) {
            alive.session.handle(now, input);
            self.drain(who);
        }
    }

    /// Lets a client do what it waits for.
    pub(super) fn tick(&mut self, client: usize) {
        let now = self.now;
        let Some(alive) = self.clients[client].alive.as_mut() else {
            return;
        };
        let who = alive.who;
        if let Some((_, ear)) = &mut alive.udp
            && ear.wake().is_some_and(|wake| wake <= now)
        {
            ear.hear(now, &mut self.ledger);
        }
        if alive.wake.is_some_and(|wake| wake <= now) {
            self.give(who, Input::Tick);
        }
        self.complain(who);
    }

    /// Does what a session wants.
    pub(super) fn drain(&mut self, who: Who) {
        let mut wanted = Vec::new();
        loop {
            let Some(alive) = self.alive(who) else {
                return;
            };
            match alive.session.poll() {
                Output::Wait(wake) => {
                    alive.wake = wake;
                    break;
                }
                // The keys of an epoch come before the event that describes it.
                Output::Event(Heard::Dave(DaveEvent::Epoch {
                    epoch,
                    privacy_code,
                    members,
                })) => {
                    alive.epochs.push(Entered {
                        epoch,
                        code: privacy_code.clone(),
                        members: members.clone(),
                    });
                    wanted.push(Output::Event(Heard::Dave(DaveEvent::Epoch {
                        epoch,
                        privacy_code,
                        members,
                    })));
                }
                output => wanted.push(output),
            }
        }
        for output in wanted {
            self.perform(who, output);
        }
    }

    fn perform(&mut self, who: Who, output: Output) {
        match output {
            Output::Wait(_) => {}
            Output::JoinMain { channel_id } => {
                let at = self.websocket_delay();
                if let Some(alive) = self.alive(who) {
                    let at = at.max(alive.last_asked);
                    alive.last_asked = at;
                    self.schedule.at(at, Event::Asked { who, channel_id });
                }
            }
            Output::OpenWs { .. } => self.open(who),
            Output::SendText(text) => self.send_up(who, Up::Text(text)),
            Output::SendBinary(bytes) => {
                let now = self.now;
                if bytes.first() == Some(&op::MLS_KEY_PACKAGE)
                    && let Some(ear) = self.alive(who).and_then(Alive::ear)
                {
                    ear.asks(now);
                }
                self.send_up(who, Up::Binary(bytes));
            }
            Output::CloseWs { code } => {
                self.send_up(who, Up::Closed(Some(code)));
                self.drop_socket(who);
            }
            Output::OpenUdp { .. } => self.open_udp(who),
            Output::CloseUdp => self.close_udp(who),
            Output::SendDatagram(packet) => self.control(who, &packet),
            Output::Keys(keys) => {
                if let Some(alive) = self.alive(who) {
                    alive.ssrc = Some(keys.ssrc);
                }
                if let Some(tape) = self.taping(who) {
                    tape.plug(&keys);
                }
            }
            Output::Media(keys) => self.media_keys(who, &keys),
            Output::Crypto(job) => {
                let done = Box::new(job.run());
                let at = self.delay(self.script.network.crypto);
                self.schedule.at(at, Event::Crypto { who, done });
            }
            Output::Event(event) => self.heard(who, event),
        }
    }

    fn open(&mut self, who: Who) {
        self.drop_socket(who);
        let (there, back) = (self.websocket_delay(), self.websocket_delay());
        let socket = self.next_socket;
        self.next_socket += 1;
        let now = self.now;
        let Some(alive) = self.alive(who) else {
            return;
        };
        alive.socket = Some(socket);
        let is_cut = now < alive.cut_until;
        self.server.sockets.insert(
            socket,
            Socket {
                who,
                peer: None,
                wake: None,
                is_broken: is_cut,
                last_up: there,
                last_down: there,
            },
        );
        if is_cut {
            self.schedule.at(back, Event::Lost { socket });
        } else {
            self.schedule.at(there, Event::Connected { socket });
        }
    }

    fn drop_socket(&mut self, who: Who) {
        if let Some(alive) = self.alive(who) {
            alive.socket = None;
        }
    }

    fn open_udp(&mut self, who: Who) {
        self.close_udp(who);
        let now = self.now;
        if let Some(alive) = self.alive(who) {
            alive.next_udp += 1;
            let ear = Ear::new(now, user_id(who.client));
            alive.udp = Some((alive.next_udp, ear));
        }
    }

    pub(super) fn close_udp(&mut self, who: Who) {
        let Some(alive) = self
            .clients
            .get_mut(who.client)
            .and_then(|c| c.alive.as_mut())
        else {
            return;
        };
        if let Some((_, mut ear)) = alive.udp.take() {
            if let Some(tape) = self.tape.as_mut().filter(|_| who.client == BOT) {
                tape.heard(ear.log.drain(..));
                tape.unplug();
            }
            ear.close(&mut self.ledger);
        }
        let hold = alive.mouth.longest_hold;
        let counts = &mut self.ledger.counts;
        counts.longest_hold = counts.longest_hold.max(hold);
        alive.ssrc = None;
        alive.mouth.reset();
        alive.epochs.clear();
    }

    /// Discovery and ping answer themselves.
    fn control(&mut self, who: Who, packet: &[u8]) {
        let udp = self
            .alive(who)
            .and_then(|alive| Some(alive.udp.as_ref()?.0));
        let (Some(udp), Some(udp::Discovery::Request { ssrc })) =
            (udp, udp::Discovery::parse(packet))
        else {
            return;
        };
        let answer = udp::Discovery::Response {
            ssrc,
            address: ADDRESS.into(),
            port: 50_000,
        };
        let packet = answer.write().to_vec();
        let at = self.delay(self.script.network.udp);
        self.schedule.at(at, Event::Control { who, udp, packet });
    }

    // --- websockets ----------------------------------------------------------------------------

    pub(super) fn send_up(&mut self, who: Who, up: Up) {
        let at = self.websocket_delay();
        let Some(socket) = self.alive(who).and_then(|alive| alive.socket) else {
            return;
        };
        if matches!(&up, Up::Text(text) if op_of(text) == Some(op::DAVE_TRANSITION_READY))
            && std::mem::take(&mut self.clients[who.client].loses_ready)
        {
            return self.tell(|| format!("{who:?} loses its op 23"));
        }
        if let Some(open) = self.server.sockets.get_mut(&socket) {
            let at = at.max(open.last_up);
            open.last_up = at;
            self.tell(|| format!("{who:?} > {}", brief_up(&up)));
            self.schedule.at(at, Event::Up { socket, up });
        }
    }

    /// Everything the server wants to send.
    pub(super) fn carry_down(&mut self) {
        for (socket, down) in std::mem::take(&mut self.server.out) {
            let at = self.websocket_delay();
            if let Some(open) = self.server.sockets.get_mut(&socket) {
                let at = at.max(open.last_down);
                open.last_down = at;
                self.schedule.at(at, Event::Down { socket, down });
            }
        }
    }

    pub(super) fn arrive_up(&mut self, socket: u64, up: Up) {
        let input = match &up {
            Up::Text(text) => PeerInput::Text(text),
            Up::Binary(bytes) => PeerInput::Binary(bytes),
            Up::Closed(code) => PeerInput::Closed(*code),
        };
        if self
            .server
            .sockets
            .get(&socket)
            .is_some_and(|s| !s.is_broken)
        {
            self.server.give(self.now, socket, input);
            self.carry_down();
        }
    }

    pub(super) fn arrive_down(&mut self, socket: u64, down: Down) {
        let Some(open) = self.server.sockets.get(&socket).filter(|s| !s.is_broken) else {
            return;
        };
        let who = open.who;
        if self
            .alive(who)
            .is_none_or(|alive| alive.socket != Some(socket))
        {
            return;
        }
        self.tell(|| format!("{who:?} < {}", brief_down(&down)));
        match down {
            Down::Opened => self.give(who, Input::WsOpened),
            Down::Text(text) => {
                if op_of(&text) == Some(op::DAVE_PREPARE_EPOCH)
                    && let now = self.now
                    && let Some(ear) = self.alive(who).and_then(Alive::ear)
                {
                    ear.fresh(now, Fresh::Regrouping);
                }
                self.give(who, Input::WsText(&text));
            }
            Down::Binary(mut bytes) => {
                self.spoil(who, &mut bytes);
                self.give(who, Input::WsBinary(&bytes));
            }
            Down::Closed(code) => {
                self.drop_socket(who);
                if let Some(alive) = self.alive(who) {
                    alive.cut();
                }
                self.give(who, Input::WsClosed { code });
            }
        }
        self.complain(who);
    }

    /// Damages a commit or welcome on its way, if the script wants that.
    fn spoil(&mut self, who: Who, bytes: &mut [u8]) {
        let which = match bytes.get(2) {
            Some(&op::MLS_ANNOUNCE_COMMIT) => 0,
            Some(&op::MLS_WELCOME) => 1,
            _ => return,
        };
        if std::mem::take(&mut self.clients[who.client].spoil[which]) {
            self.tell(|| format!("{who:?} that was damaged"));
            // Beyond sequence, opcode and transition id: the MLS message itself.
            let at = 5 + self.rng.below(bytes.len() as u64 - 5) as usize;
            bytes[at] ^= 1 << self.rng.below(8);
        }
    }
}

/// The opcode of a text; heartbeats and DAVE share no prefix, so a full parse is not needed.
fn op_of(text: &str) -> Option<u8> {
    let rest = text.strip_prefix(r#"{"op":"#)?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

fn brief_up(up: &Up) -> String {
    match up {
        Up::Text(text) => text.clone(),
        Up::Binary(bytes) => format!("binary op {:?}, {} bytes", bytes.first(), bytes.len()),
        Up::Closed(code) => format!("closes with {code:?}"),
    }
}

fn brief_down(down: &Down) -> String {
    match down {
        Down::Opened => "opened".to_owned(),
        Down::Text(text) => text.clone(),
        Down::Binary(bytes) => format!(
            "binary op {:?} [{}], {} bytes",
            bytes.get(2),
            bytes
                .iter()
                .skip(3)
                .take(2)
                .map(|b| format!("{b:02x}"))
                .collect::<String>(),
            bytes.len()
        ),
        Down::Closed(code) => format!("closed with {code:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opcode_of_a_text_is_read_without_parsing_it() {
        assert_eq!(op_of(r#"{"op":23,"d":{}}"#), Some(23));
        assert_eq!(op_of(r#"{"op":2,"d":{}}"#), Some(2));
        assert_eq!(op_of("{}"), None);
    }
}
