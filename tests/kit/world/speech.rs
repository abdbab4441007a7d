//! Frames: out of a mouth, through the server, into the ears.

use std::rc::Rc;
use std::time::Instant;

use mynah_session::voice::Input;

use super::World;
use super::client::{client_of, user_id};
use super::ledger::Window;
use super::media::Frame;
use super::schedule::{Event, Who};
use super::tape;

impl World {
    /// Says one frame, if it may, and goes on speaking as long as the client lives.
    pub(super) fn speak(&mut self, who: Who) {
        let now = self.now;
        if self.alive(who).is_none() {
            return;
        }
        let (mut cadence, mut taped) = (self.script.cadence, None);
        let pauses = now < self.calm;
        if let Some(tape) = &mut self.tape {
            cadence = tape.cadence(who.client);
            taped = Some(tape.frame(who.client, pauses));
        }
        let Some(alive) = self.alive(who) else {
            return;
        };
        let is_behind = alive.is_behind(now);
        let opus = taped.as_ref().and_then(|(_, opus)| opus.as_deref());
        let spoken = match alive.ssrc {
            Some(ssrc) if taped.is_none() || opus.is_some() => {
                let user_id = user_id(who.client);
                alive.mouth.speak(now, who, user_id, ssrc, opus)
            }
            _ => Ok(None),
        };
        if taped.is_some() && matches!(spoken, Ok(None)) {
            alive.mouth.pass();
        }
        if let (Some(tape), Some((number, _)), Ok(Some(frame))) = (&mut self.tape, &taped, &spoken)
        {
            tape.said(frame, *number);
        }
        self.schedule.at(now + cadence, Event::Speak(who));
        match spoken {
            Ok(Some(frame)) => {
                self.ledger.counts.sent += 1;
                let frame = Rc::new(Frame { is_behind, ..frame });
                for at in self.ways() {
                    self.schedule.at(at, Event::FrameUp(Rc::clone(&frame)));
                }
            }
            Ok(None) => {}
            Err(problem) => self.ledger.problem(format!("{who:?}: {problem}")),
        }
    }

    /// A frame at the server: on to everybody whom its table names.
    pub(super) fn forward(&mut self, frame: &Rc<Frame>) {
        for listener in self.server.listeners(frame.ssrc, frame.seal.is_some()) {
            let Some(client) = client_of(listener) else {
                continue;
            };
            let ear = self.clients.get(client).and_then(|client| {
                let alive = client.alive.as_ref()?;
                Some((alive.who, alive.udp.as_ref()?.0))
            });
            let Some((who, udp)) = ear else {
                continue;
            };
            for at in self.ways() {
                let frame = Rc::clone(frame);
                self.schedule.at(at, Event::FrameDown { who, udp, frame });
            }
        }
    }

    /// A frame at an ear.
    pub(super) fn listen(&mut self, who: Who, udp: u32, frame: &Rc<Frame>) {
        let now = self.now;
        let Some(alive) = self
            .clients
            .get_mut(who.client)
            .and_then(|c| c.alive.as_mut())
        else {
            return;
        };
        if alive.who != who {
            return;
        }
        let has_transport = alive.ssrc.is_some();
        if let Some((number, ear)) = &mut alive.udp
            && *number == udp
        {
            if !has_transport {
                self.ledger.counts.reached += 1;
                return self.ledger.lost(Window::BeforeTransport);
            }
            ear.take(now, frame, &mut self.ledger);
            if let Some(tape) = self.tape.as_mut().filter(|_| who.client == tape::BOT) {
                tape.take(now, frame);
            }
            self.complain(who);
        }
    }

    /// A control packet at a client.
    pub(super) fn answer_control(&mut self, who: Who, udp: u32, packet: &[u8]) {
        let is_open = self
            .alive(who)
            .is_some_and(|alive| alive.udp.as_ref().is_some_and(|(number, _)| *number == udp));
        if is_open {
            self.give(who, Input::Datagram(packet));
        }
    }

    /// When the copies of a datagram arrive: none if it is lost, two now and then.
    fn ways(&mut self) -> Vec<Instant> {
        let network = self.script.network;
        let dice = self.rng.below(1000);
        let copies = if dice < u64::from(network.lost_permille) {
            0
        } else if dice < u64::from(network.lost_permille + network.twice_permille) {
            2
        } else {
            1
        };
        (0..copies).map(|_| self.delay(network.udp)).collect()
    }
}
