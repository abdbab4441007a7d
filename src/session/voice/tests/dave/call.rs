//! A call of several sessions around a gateway.

use std::time::{Duration, Instant};

use mynah_wire::voice::op;

use super::gateway::Gateway;
use super::rig::{CHANNEL, Person};

/// A room with its gateway; persons have ids from 1.
pub struct Call {
    pub gateway: Gateway,
    pub people: Vec<Person>,
    pub now: Instant,
}

impl Call {
    /// `count` persons who are connected and know of each other and of the external sender; no group.
    pub fn new(count: u64) -> Self {
        let mut call = Self {
            gateway: Gateway::new(CHANNEL),
            people: Vec::new(),
            now: Instant::now() + Duration::from_secs(1),
        };
        for _ in 0..count {
            call.arrive();
        }
        call
    }

    /// All persons in one group of epoch 1.
    pub fn established(count: u64) -> Self {
        let mut call = Self::new(count);
        let everybody: Vec<usize> = (0..call.people.len()).collect();
        call.form_group(&everybody, 0);
        call.hush();
        call
    }

    /// Somebody connects, up to the key package. Answers their index.
    pub fn arrive(&mut self) -> usize {
        let here: Vec<u64> = self.people.iter().map(|person| person.id).collect();
        for person in &mut self.people {
            person.joined(&[1 + here.len() as u64]);
        }
        self.arrive_seeing(&here)
    }

    /// Likewise, but one does not hear of it: their websocket is away.
    pub fn arrive_unseen_by(&mut self, away: usize) -> usize {
        let here: Vec<u64> = self.people.iter().map(|person| person.id).collect();
        for (at, person) in self.people.iter_mut().enumerate() {
            if at != away {
                person.joined(&[1 + here.len() as u64]);
            }
        }
        self.arrive_seeing(&here)
    }

    /// Somebody connects who is told only of `here`; nobody else is told.
    pub fn arrive_seeing(&mut self, here: &[u64]) -> usize {
        let id = 1 + self.people.len() as u64;
        let mut person = Person::new(id, self.now);
        person.connect(1);
        if !here.is_empty() {
            person.joined(here);
        }
        person.binary(op::MLS_EXTERNAL_SENDER, &self.gateway.external_sender());
        self.people.push(person);
        self.people.len() - 1
    }

    /// The first of `who` commits to adding the others, and wins.
    pub fn form_group(&mut self, who: &[usize], id: u16) {
        let adds: Vec<Vec<u8>> = who
            .iter()
            .map(|at| self.gateway.add(0, &self.people[*at].key_package()))
            .collect();
        for at in who {
            let others = (0..who.len()).filter(|other| who[*other] != *at);
            let adds: Vec<&[u8]> = others.map(|other| &adds[other][..]).collect();
            self.people[*at].propose(&adds);
        }
        let (commit, welcome) = self.people[who[0]].commit();
        self.people[who[0]].announce(id, &commit);
        for at in &who[1..] {
            self.people[*at].welcome(id, &welcome);
        }
    }

    /// Proposes to all of `members`; the first one's commit wins and is announced to all of them, its
    /// welcome to `added`.
    pub fn change(&mut self, members: &[usize], proposals: &[&[u8]], added: &[usize], id: u16) {
        for at in members {
            self.people[*at].propose(proposals);
        }
        let (commit, welcome) = self.people[members[0]].commit();
        for at in members {
            self.people[*at].announce(id, &commit);
        }
        for at in added {
            self.people[*at].welcome(id, &welcome);
        }
    }

    pub fn execute(&mut self, who: &[usize], id: u16) {
        for at in who {
            self.people[*at].execute(id);
        }
    }

    /// Time passes for everybody, on healthy connections.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        for person in &mut self.people {
            let out = person.rig.pass(time);
            person.note(out);
        }
    }

    /// Forgets what was said.
    pub fn hush(&mut self) {
        for person in &mut self.people {
            person.said();
        }
    }

    pub fn said(&mut self, at: usize) -> Vec<String> {
        self.people[at].said()
    }

    /// Whether each of `who` hears each other.
    pub fn all_hear_each_other(&mut self, who: &[usize]) -> bool {
        let mut all = true;
        for from in who {
            let speaker = &mut self.people[*from];
            let (id, frame) = (speaker.id, speaker.speak());
            for to in who.iter().filter(|to| *to != from) {
                let heard = frame
                    .clone()
                    .is_some_and(|frame| self.people[*to].hears(id, frame));
                all &= heard;
            }
        }
        all
    }
}
