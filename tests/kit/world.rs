//! A world in virtual time: real clients, the real server machines, and a network that delays,
//! reorders, loses and breaks, all decided by one seed (architecture B3).
//!
//! # What is real
//! Clients are [`mynah_session::voice::Session`]s with DAVE; what they say is sealed by
//! [`mynah_dave::frame::FrameSealer`] at the moment it leaves, under the keys the session gave last,
//! and heard through [`mynah_session::receive::Receiver`]. The server is its hub, with the delivery
//! service inside, and one peer per websocket. Websockets keep order; datagrams do not, and take
//! times of their own, so that frames overtake the commit that brings their keys, and are overtaken.
//! Not real: sockets, threads, the main gateway (a dozen lines here), and the transport encryption
//! between client and server, which has tests of its own. Media goes to whom the hub's own table
//! names.
//!
//! No clock is read but for a starting point, and nothing sleeps: time jumps to whatever is due
//! next. The seed decides everything except the keys, which are random in every run: a run with the
//! same seed takes the same course unless that hangs on the order of hashes (in which MLS lists the
//! proposals of one commit).
//!
//! # What is judged
//! After the last act of a [`Script`], and once all who were cut off are connected again (attempts are
//! up to a minute apart), all is quiet for 10 s. Then everybody hears everybody, all are
//! in the same epoch with the same privacy code and the same members, the server included, and
//! nobody waits for anything. Every frame that reached a receiver over the whole time must have been
//! heard, unless it fell into one of the unavoidable windows, which are counted:
//!
//! * [`Window::BeforeTransport`]: datagrams overtook the session description, without whose key they
//!   are noise.
//! * [`Window::JoinedLater`]: the frame was sealed in an epoch that the receiver is not a member of,
//!   because it joined later. Until op 22 the others speak in the epoch before; that is the
//!   protocol's price for joining (at most the 2 s of a transition, plus the way).
//! * [`Window::Recovering`]: the same for a receiver that could not use a commit or a welcome, asked
//!   with op 31, and is between its reset and its new welcome.
//! * [`Window::Regrouping`]: the same while the server has a group formed anew (op 24): after a fault
//!   of a commit, an upgrade, or when all others were gone.
//! * [`Window::Upgrading`]: a plain frame of somebody who waits for op 22 of an upgrade, at a receiver
//!   that joined as encrypted and must not believe anything plain; as long as a transition at most.
//! * [`Window::Downgrading`]: a plain frame of a newcomer without encryption that was faster than the
//!   op 21 which lets the receiver believe it.
//! * [`Window::LateKeys`]: keys, or the word that plain frames come, came more than 2 s after the
//!   frame, because the receiver's websocket was broken or the server misbehaved by script; without
//!   such a reason this is a failure.
//! * [`Window::SenderBehind`]: the sender's websocket is broken, or it is being let in anew, and it
//!   still speaks in an epoch whose keys the receivers forgot 10 s after the next one came, or that
//!   never let a newcomer in.
//! * [`Window::SenderLeft`]: the sender had left more than 10 s before its frame could be opened.
//!
//! A lone client sends nothing at all, so there is no window for its plain frames.

mod acts;
mod carry;
mod check;
mod client;
mod ear;
mod ledger;
mod media;
mod news;
mod random;
mod realm;
mod schedule;
mod script;
mod server;
mod speech;
pub mod tape;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use mynah_wire::rng::Rng;

pub use ledger::{Counts, Window};
pub use script::{Act, Delays, Network, Policy, Script, ServerFault, Step};

use client::Client;
use ledger::Ledger;
use schedule::{Event, Schedule};
use server::Server;

/// How long nothing happens before the verdict.
const QUIET: Duration = Duration::from_secs(10);
/// For so long at the end it is counted who hears whom.
const LISTENING: Duration = Duration::from_secs(1);
/// Things that may happen at one moment; more means that two machines chase each other.
const MAX_AT_ONCE: u32 = 200_000;
/// Lines of the story that are kept.
const STORY_LINES: usize = 2000;

/// What went wrong in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was played.
    pub script: Script,
    /// What was found, in order.
    pub problems: Vec<String>,
    /// The last things that happened, if the story was wanted.
    pub story: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.story {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "--- script: {}", self.script)?;
        for problem in &self.problems {
            writeln!(f, "*** {problem}")?;
        }
        Ok(())
    }
}

/// Plays a script to its end.
///
/// # Errors
/// What went wrong, without the story.
pub fn play(script: &Script) -> Result<Counts, Box<Failure>> {
    World::new(script.clone(), None).run()
}

/// Plays a script and keeps the story of its last moments, for a replay.
///
/// # Errors
/// What went wrong.
pub fn play_aloud(script: &Script) -> Result<Counts, Box<Failure>> {
    World::new(script.clone(), Some(VecDeque::new())).run()
}

/// See the module.
struct World {
    script: Script,
    rng: Rng,
    start: Instant,
    now: Instant,
    /// The script is over; see [`World::calm`].
    calm: Instant,
    end: Instant,
    schedule: Schedule,
    server: Server,
    clients: Vec<Client>,
    ledger: Ledger,
    /// Sockets, tokens and faults are numbered.
    next_socket: u64,
    next_token: u64,
    next_fault: u64,
    story: Option<VecDeque<String>>,
    /// Client 0 records; see [`tape`].
    tape: Option<Box<tape::Tape>>,
}

impl World {
    fn new(script: Script, story: Option<VecDeque<String>>) -> Self {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        let mut at = start;
        let mut calm = start;
        for step in &script.steps {
            at += step.after;
            calm = calm.max(at + acts::aftermath(step.act));
            schedule.at(at, Event::Act(step.act));
        }
        schedule.at(calm, Event::Calm);
        let mut rng = Rng::new(script.seed);
        let server = Server::new(script.policy, rng.next_u64());
        Self {
            clients: (0..script.clients()).map(|_| Client::default()).collect(),
            rng,
            start,
            now: start,
            calm,
            end: calm + QUIET,
            schedule,
            server,
            ledger: Ledger::default(),
            next_socket: 1,
            next_token: 1,
            next_fault: 1,
            story,
            tape: None,
            script,
        }
    }

    fn run(self) -> Result<Counts, Box<Failure>> {
        Ok(self.run_taped()?.0)
    }

    /// The same; gives the tape back, if there is one.
    fn run_taped(mut self) -> Result<(Counts, Option<Box<tape::Tape>>), Box<Failure>> {
        let mut at_once = 0;
        while let Some(next) = self.next().filter(|next| *next <= self.end) {
            at_once = if next > self.now { 0 } else { at_once + 1 };
            if at_once > MAX_AT_ONCE {
                let problem = "time stands still: machines chase each other".to_owned();
                self.ledger.problem(problem);
                break;
            }
            self.now = self.now.max(next);
            self.step();
            if !self.ledger.problems.is_empty() {
                break;
            }
        }
        if self.ledger.problems.is_empty() {
            self.now = self.end;
            self.check();
        }
        if self.ledger.problems.is_empty() {
            return Ok((self.ledger.counts, self.tape));
        }
        Err(Box::new(Failure {
            script: self.script,
            problems: self.ledger.problems,
            story: self.story.unwrap_or_default().into(),
        }))
    }

    /// The earliest moment at which anything is due.
    fn next(&self) -> Option<Instant> {
        let clients = self
            .clients
            .iter()
            .filter_map(|client| client.alive.as_ref())
            .flat_map(|alive| {
                let ear = alive.udp.as_ref().and_then(|(_, ear)| ear.wake());
                [alive.wake, ear]
            })
            .flatten();
        let others = [self.schedule.next(), self.server.wake()];
        clients.chain(others.into_iter().flatten()).min()
    }

    /// One thing that is due now.
    fn step(&mut self) {
        if let Some(event) = self.schedule.due(self.now) {
            self.happen(event);
            return;
        }
        self.server.tick(self.now);
        self.carry_down();
        for client in 0..self.clients.len() {
            self.tick(client);
        }
    }

    /// Adds to the story, if somebody wants to hear it.
    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            if story.len() == STORY_LINES {
                story.pop_front();
            }
            let at = (self.now - self.start).as_secs_f64();
            story.push_back(format!("{at:9.3} {}", line()));
        }
    }
}
