//! What will happen when: a queue in virtual time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Instant;

use mynah_session::voice::dave::Done;
use mynah_wire::ChannelId;

use super::media::Frame;
use super::script::Act;
use super::server::Down;

/// Names one life of one client; what is addressed to an earlier life reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Who {
    pub client: usize,
    pub life: u32,
}

/// What a client puts into a websocket.
#[derive(Debug)]
pub(super) enum Up {
    Text(String),
    Binary(Vec<u8>),
    Closed(Option<u16>),
}

/// What arrives somewhere.
pub(super) enum Event {
    /// The next act of the script.
    Act(Act),
    /// Op 4 at the main gateway.
    Asked {
        who: Who,
        channel_id: Option<ChannelId>,
    },
    /// The main gateway noticed that a client died.
    Noticed(Who),
    /// VOICE_STATE_UPDATE at a client.
    State {
        who: Who,
        channel_id: Option<ChannelId>,
    },
    /// VOICE_SERVER_UPDATE at a client.
    Server { who: Who, token: String },
    /// A connection at the voice server.
    Connected { socket: u64 },
    /// The client notices that its websocket is broken, or that it cannot be opened.
    Lost { socket: u64 },
    /// The server notices that a websocket is broken.
    LostUp { socket: u64 },
    /// From a client, at the server.
    Up { socket: u64, up: Up },
    /// From the server, at the client.
    Down { socket: u64, down: Down },
    /// An MLS job is done.
    Crypto { who: Who, done: Box<Done> },
    /// A control packet at a client's UDP socket.
    Control { who: Who, udp: u32, packet: Vec<u8> },
    /// A client speaks.
    Speak(Who),
    /// A frame at the server.
    FrameUp(Rc<Frame>),
    /// A frame at a client's UDP socket.
    FrameDown {
        who: Who,
        udp: u32,
        frame: Rc<Frame>,
    },
    /// A fault of the server ends.
    Healed(u64),
    /// The script is over: nothing more goes wrong.
    Calm,
    /// 20 ms of the recorder.
    Tape,
    /// From now on it is counted who hears whom.
    Listen,
}

struct Entry {
    at: Instant,
    /// Things of the same moment happen in the order they were caused.
    serial: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

/// The queue.
#[derive(Default)]
pub(super) struct Schedule {
    heap: BinaryHeap<Reverse<Entry>>,
    serial: u64,
}

impl Schedule {
    pub fn at(&mut self, at: Instant, event: Event) {
        self.serial += 1;
        self.heap.push(Reverse(Entry {
            at,
            serial: self.serial,
            event,
        }));
    }

    /// When the next thing happens.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.0.at)
    }

    /// The next thing that happens at `now` or before.
    pub fn due(&mut self, now: Instant) -> Option<Event> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.0.event)
    }
}
