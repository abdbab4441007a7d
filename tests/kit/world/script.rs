//! What happens in a world: who joins, leaves and breaks when.

use std::fmt;
use std::time::Duration;

/// How the room treats end-to-end encryption (dave.md section 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Who has none is refused.
    #[default]
    Required,
    /// In use as long as everybody has it.
    Optional,
    /// Never, as in stage channels.
    Off,
}

/// One of the scripted faults of the voice server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerFault {
    /// A commit is announced damaged.
    InvalidCommit,
    /// A newcomer gets no welcome.
    WithheldWelcome,
    /// Op 22 comes late.
    DelayedExecute,
    /// The room goes back to version 0.
    Downgrade,
    /// Op 25 comes twice.
    DuplicateExternalSender,
}

/// One thing that happens. Clients are numbered from 0. What makes no sense at its moment (leaving
/// while absent) does nothing, so that random scripts need not know how long everything takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Starts, joins the channel and speaks.
    Join(usize),
    /// Leaves in an orderly way and is gone.
    Leave(usize),
    /// The process dies: its sockets are reset, and some seconds later the main gateway takes the
    /// member out of the channel, unless it has come back by then.
    Crash(usize),
    /// The machine loses power: nobody is told anything, all must time out.
    Vanish(usize),
    /// The websocket breaks, with everything that is under way in it, and no new one opens for so
    /// long. Then the client resumes.
    Break(usize, Duration),
    /// The server forgets the session: 4006, and the client joins anew.
    Forget(usize),
    /// The next commit to this client arrives damaged.
    SpoilCommit(usize),
    /// The next welcome to this client arrives damaged.
    SpoilWelcome(usize),
    /// The next op 23 of this client gets lost.
    LoseReady(usize),
    /// The ear of the first cannot open what the second says: op 31.
    Undecryptable(usize, usize),
    /// A client without end-to-end encryption joins.
    JoinPlain(usize),
    /// The client is sent to another voice server.
    Migrate(usize),
    /// The server misbehaves for so long.
    Fault(ServerFault, Duration),
}

/// An [`Act`] and the time since the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Time since the step before.
    pub after: Duration,
    /// What happens then.
    pub act: Act,
}

/// How bad the network is. Each message takes `base` plus up to `jitter` more; now and then one
/// takes `spike` more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// At least.
    pub base: Duration,
    /// Up to so much more, uniform.
    pub jitter: Duration,
    /// Now and then so much more.
    pub spike: Duration,
    /// How often, in thousandths.
    pub spikes_permille: u32,
}

impl Delays {
    /// Exactly this long, always.
    pub const fn constant(base: Duration) -> Self {
        Self {
            base,
            jitter: Duration::ZERO,
            spike: Duration::ZERO,
            spikes_permille: 0,
        }
    }
}

/// The times everything takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// One way through a websocket; order is kept.
    pub websocket: Delays,
    /// One way of a datagram, from a client to the server or back; order is not kept.
    pub udp: Delays,
    /// Datagrams lost on either way, in thousandths.
    pub lost_permille: u32,
    /// Datagrams that arrive twice, in thousandths.
    pub twice_permille: u32,
    /// From an MLS job to its result.
    pub crypto: Delays,
}

impl Default for Network {
    /// A usual one: 10 to 20 ms each way, websockets slower than datagrams, no loss.
    fn default() -> Self {
        let delays = |base, jitter| Delays {
            base: Duration::from_millis(base),
            jitter: Duration::from_millis(jitter),
            ..Delays::constant(Duration::ZERO)
        };
        Self {
            websocket: delays(15, 10),
            udp: delays(8, 6),
            lost_permille: 0,
            twice_permille: 0,
            crypto: delays(0, 5),
        }
    }
}

/// A whole script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Decides everything the script leaves open.
    pub seed: u64,
    /// Of the room.
    pub policy: Policy,
    /// How bad the network is.
    pub network: Network,
    /// Time between two frames of a speaker. The RTP clock always counts 20 ms frames.
    pub cadence: Duration,
    /// What happens.
    pub steps: Vec<Step>,
    pause: Duration,
}

impl Script {
    /// An empty script for a room that demands encryption, on a usual network.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            policy: Policy::Required,
            network: Network::default(),
            cadence: Duration::from_millis(20),
            steps: Vec::new(),
            pause: Duration::ZERO,
        }
    }

    /// The room's policy.
    #[must_use = "this is a builder"]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The network.
    #[must_use = "this is a builder"]
    pub const fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Lets time pass before the next act.
    #[must_use = "this is a builder"]
    pub fn wait(mut self, time: Duration) -> Self {
        self.pause += time;
        self
    }

    /// The same in milliseconds.
    #[must_use = "this is a builder"]
    pub fn wait_ms(self, ms: u64) -> Self {
        self.wait(Duration::from_millis(ms))
    }

    /// Something happens, at the same moment as the act before unless a wait stands between.
    #[must_use = "this is a builder"]
    pub fn then(mut self, act: Act) -> Self {
        self.steps.push(Step {
            after: std::mem::take(&mut self.pause),
            act,
        });
        self
    }

    /// All clients of the range join, so many milliseconds after each other.
    #[must_use = "this is a builder"]
    pub fn join_all(self, clients: std::ops::Range<usize>, apart_ms: u64) -> Self {
        clients.fold(self, |script, client| {
            script.then(Act::Join(client)).wait_ms(apart_ms)
        })
    }

    /// One more than the highest number of a client.
    pub fn clients(&self) -> usize {
        let highest = self.steps.iter().map(|step| match step.act {
            Act::Join(who)
            | Act::Leave(who)
            | Act::Crash(who)
            | Act::Vanish(who)
            | Act::Break(who, _)
            | Act::Forget(who)
            | Act::SpoilCommit(who)
            | Act::SpoilWelcome(who)
            | Act::LoseReady(who)
            | Act::Migrate(who)
            | Act::JoinPlain(who) => who + 1,
            Act::Undecryptable(who, about) => who.max(about) + 1,
            Act::Fault(..) => 0,
        });
        highest.max().unwrap_or(0)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}, policy {:?}, a frame every {:?}",
            self.seed, self.policy, self.cadence
        )?;
        writeln!(f, "{:?}", self.network)?;
        let mut at = Duration::ZERO;
        for step in &self.steps {
            at += step.after;
            writeln!(f, "{:9.3} s  {:?}", at.as_secs_f64(), step.act)?;
        }
        Ok(())
    }
}
