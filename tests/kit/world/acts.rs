//! What the script does to the world, and what happens by itself.

use std::time::Duration;

use mynah_server::voice::machines::Input as PeerInput;
use mynah_session::voice::Input;

use super::client::{Alive, user_id};
use super::schedule::{Event, Who};
use super::script::{Act, ServerFault};
use super::{LISTENING, QUIET, World, tape};

/// How long the server takes at most to notice a reset connection.
const NOTICE_MS: u64 = 800;
/// How long the main gateway takes at most to notice a dead client.
const DEATH: Duration = Duration::from_secs(6);
/// What times out last when a machine loses power: heartbeats, then the time to resume.
const VANISHED: Duration = Duration::from_secs(34 + 60);
/// Mending takes a while: attempts are spaced, and news is replayed.
const MENDING: Duration = Duration::from_secs(6);

/// Who is not back by then never comes: the longest pause between two attempts is a minute, and the
/// first may still fail.
const PATIENCE: Duration = Duration::from_secs(150);

/// A change of the group is over by then: what is armed against it has struck.
const SETTLING: Duration = Duration::from_secs(1);

/// How long an act has effects of its own.
pub(super) fn aftermath(act: Act) -> Duration {
    match act {
        Act::Crash(_) => DEATH,
        Act::Vanish(_) => VANISHED,
        Act::Break(_, time) => 2 * time + MENDING,
        Act::Fault(_, time) => time + MENDING,
        Act::Migrate(_) => MENDING,
        _ => SETTLING,
    }
}

impl World {
    pub(super) fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Act(act) => self.act(act),
            Event::Asked { who, channel_id } => self.asked(who, channel_id),
            Event::Noticed(who) => self.noticed(who),
            Event::State { who, channel_id } => {
                let session_id = &super::realm::session_id(who);
                self.give(
                    who,
                    Input::StateUpdate {
                        channel_id,
                        session_id,
                    },
                );
            }
            Event::Server { who, token } => self.give(
                who,
                Input::ServerUpdate {
                    token: &token,
                    endpoint: Some("voice.test:443"),
                },
            ),
            Event::Connected { socket } => {
                if self
                    .server
                    .sockets
                    .get(&socket)
                    .is_some_and(|s| !s.is_broken)
                {
                    self.server.accept(now, socket);
                    self.carry_down();
                }
            }
            Event::Lost { socket } => self.lost(socket),
            Event::LostUp { socket } => {
                self.server.give(now, socket, PeerInput::Closed(None));
                self.carry_down();
            }
            Event::Up { socket, up } => self.arrive_up(socket, up),
            Event::Down { socket, down } => self.arrive_down(socket, down),
            Event::Crypto { who, done } => {
                self.give(who, Input::Crypto(*done));
                self.complain(who);
            }
            Event::Control { who, udp, packet } => self.answer_control(who, udp, &packet),
            Event::Speak(who) => self.speak(who),
            Event::FrameUp(frame) => self.forward(&frame),
            Event::FrameDown { who, udp, frame } => self.listen(who, udp, &frame),
            Event::Healed(fault) => {
                self.server.heal(now, fault);
                self.carry_down();
            }
            Event::Calm => self.calm(),
            Event::Tape => self.tape(),
            Event::Listen => {
                for alive in self.clients.iter_mut().filter_map(|c| c.alive.as_mut()) {
                    if let Some(ear) = alive.ear() {
                        ear.listen(now);
                    }
                }
            }
        }
    }

    /// 20 ms of the recorder.
    fn tape(&mut self) {
        let now = self.now;
        let bot = self.clients.get_mut(tape::BOT);
        let ear = bot.and_then(|bot| bot.alive.as_mut()?.ear());
        let heard = ear
            .map(|ear| std::mem::take(&mut ear.log))
            .unwrap_or_default();
        if let Some(tape) = &mut self.tape {
            tape.heard(heard.into_iter());
            tape.tick(now);
            self.schedule
                .at(now + Duration::from_millis(20), Event::Tape);
        }
    }

    /// The voice server of a client's channel is replaced: it gets another token for another one.
    fn migrate(&mut self, client: usize) {
        let Some(who) = self.who(client) else {
            return;
        };
        let token = format!("token-{}", self.next_token);
        self.next_token += 1;
        let session_id = super::realm::session_id(who);
        self.server.grant(self.now, who, session_id, token.clone());
        self.carry_down();
        let at = self.websocket_delay();
        if let Some(alive) = self.alive(who) {
            let at = at.max(alive.last_told);
            alive.last_told = at;
            alive.trouble(at + MENDING);
            self.schedule.at(at, Event::Server { who, token });
        }
    }

    fn act(&mut self, act: Act) {
        let now = self.now;
        self.tell(|| format!("--- {act:?}"));
        match act {
            Act::Join(client) => self.join(client, true),
            Act::JoinPlain(client) => self.join(client, false),
            Act::Leave(client) => {
                if let Some(who) = self.who(client) {
                    self.give(who, Input::Leave);
                    self.die(who, false);
                }
            }
            Act::Crash(client) => {
                if let Some(who) = self.who(client) {
                    self.die(who, true);
                    let noticed = DEATH.mul_f64(self.rng.unit_f64());
                    self.schedule.at(now + noticed, Event::Noticed(who));
                }
            }
            Act::Vanish(client) => {
                if let Some(who) = self.who(client) {
                    self.silence(who);
                }
            }
            Act::Break(client, time) => {
                if let Some(alive) = self.clients[client].alive.as_mut() {
                    alive.cut_until = now + time;
                    alive.trouble(now + time + MENDING);
                    if let Some(socket) = alive.socket {
                        self.cut(socket);
                    }
                }
            }
            Act::Forget(client) => {
                self.server.forget(now, client);
                self.carry_down();
            }
            Act::SpoilCommit(client) => self.clients[client].spoil[0] = true,
            Act::SpoilWelcome(client) => self.clients[client].spoil[1] = true,
            Act::LoseReady(client) => self.clients[client].loses_ready = true,
            Act::Undecryptable(client, about) => {
                if let Some(who) = self.who(client) {
                    let user_id = user_id(about);
                    self.give(who, Input::Undecryptable { user_id });
                }
            }
            Act::Fault(fault, time) => self.fault(fault, time),
            Act::Migrate(client) => self.migrate(client),
        }
    }

    /// Nothing more goes wrong; but who was cut off again and again waits up to a minute before the
    /// next attempt, and the quiet begins only when all are back.
    fn calm(&mut self) {
        for client in &mut self.clients {
            client.spoil = [false; 2];
            client.loses_ready = false;
        }
        let mut alive = self.clients.iter().filter_map(|c| c.alive.as_ref());
        let now = self.now;
        let is_settled = alive.all(Alive::is_settled) || now >= self.calm + PATIENCE;
        if is_settled {
            self.tell(|| "--- calm".to_owned());
            self.schedule.at(now + QUIET - LISTENING, Event::Listen);
            self.end = now + QUIET;
        } else {
            self.schedule.at(now + SETTLING, Event::Calm);
            self.end = now + SETTLING + QUIET;
        }
    }

    fn who(&self, client: usize) -> Option<Who> {
        Some(self.clients.get(client)?.alive.as_ref()?.who)
    }

    fn join(&mut self, client: usize, has_dave: bool) {
        let now = self.now;
        let (seed, phase) = (self.rng.next_u64(), self.rng.unit_f64());
        let Some(place) = self.clients.get_mut(client).filter(|c| c.alive.is_none()) else {
            return;
        };
        place.life += 1;
        let life = place.life;
        let who = Who { client, life };
        place.alive = Some(Alive::new(now, who, has_dave, seed));
        // Clients do not speak in step.
        let first = now + self.script.cadence.mul_f64(phase);
        self.schedule.at(first, Event::Speak(who));
        self.drain(who);
    }

    /// A process ends. `is_abrupt`: its connections are reset; otherwise it said goodbye.
    fn die(&mut self, who: Who, is_abrupt: bool) {
        let socket = self.alive(who).and_then(|alive| alive.socket);
        if let Some(socket) = socket.filter(|_| is_abrupt) {
            self.reset(socket);
        }
        self.silence(who);
    }

    /// A process is gone without anybody being told.
    fn silence(&mut self, who: Who) {
        self.close_udp(who);
        self.clients[who.client].alive = None;
    }

    /// A websocket breaks; both ends notice some time later.
    fn cut(&mut self, socket: u64) {
        self.reset(socket);
        let lost = self.now + Duration::from_millis(self.rng.below(200));
        self.schedule.at(lost, Event::Lost { socket });
    }

    /// A websocket breaks; the server notices some time later.
    fn reset(&mut self, socket: u64) {
        let noticed = self.now + Duration::from_millis(self.rng.below(NOTICE_MS));
        self.schedule.at(noticed, Event::LostUp { socket });
        if let Some(open) = self.server.sockets.get_mut(&socket) {
            open.is_broken = true;
        }
    }

    /// A client notices that its websocket is gone.
    fn lost(&mut self, socket: u64) {
        let now = self.now;
        let Some(who) = self.server.sockets.get(&socket).map(|open| open.who) else {
            return;
        };
        let Some(alive) = self.alive(who).filter(|alive| alive.socket == Some(socket)) else {
            return;
        };
        alive.socket = None;
        alive.trouble(now + MENDING);
        alive.cut();
        self.tell(|| format!("{who:?} lost its websocket"));
        self.give(who, Input::WsClosed { code: None });
    }

    fn fault(&mut self, fault: ServerFault, time: Duration) {
        let number = self.next_fault;
        self.next_fault += 1;
        let until = self.now + time;
        self.server.break_down(self.now, number, fault);
        self.carry_down();
        self.schedule.at(until, Event::Healed(number));
        for alive in self.clients.iter_mut().filter_map(|c| c.alive.as_mut()) {
            alive.trouble(until + MENDING);
        }
    }
}
