//! The real-time room: rings, the tick wheel, and the packets that leave on time.
//!
//! A [`Pulse`] runs one or more tick threads. Each wakes every 5 ms at absolute deadlines, sends
//! the packets that are due, each sealed as it leaves, and makes the next ones: mix, encode.
//! Everybody else talks to it through a [`PulseHandle`] (orders in), an [`EventReader`] (news out), [`ring()`]s (sound in)
//! and [`Stats`] (numbers out); none of them ever makes a tick wait.
//!
//! **The real-time rule** (design/architecture.md B7): code that runs on a tick thread does not
//! allocate, free, lock, log, panic or call the kernel, except to sleep and to send. Functions it
//! may call say *Tick-safe.* The tests run the wheel under an allocator that aborts on the tick, a
//! test counts the system calls of a live tick thread, and this room's own `clippy.toml` forbids
//! the calls that tempt. There is no tokio here and no file.
#![deny(unsafe_code)]

mod balance;
mod bits;
mod bus;
mod coder;
mod desk;
mod event;
mod execute;
mod feed;
mod gains;
mod handle;
mod histogram;
mod janitor;
mod key;
mod line;
mod load;
mod mailbox;
mod mix;
mod order;
mod packed;
mod packet;
mod pulse;
mod ring;
mod sender;
mod session;
mod shared;
mod slot;
mod stats;
mod swap;
mod tap;
mod track;
mod tracks;
#[allow(unsafe_code, reason = "the edge to the kernel")]
mod udp;
mod unpack;
mod wheel;

use std::time::Duration;

pub use balance::Balancer;
pub use bus::Bus;
pub use event::{Event, EventKind, EventReader};
pub use handle::PulseHandle;
pub use histogram::Distribution;
pub use janitor::Janitor;
pub use key::{SessionKey, TrackId};
pub use line::Transport;
pub use packed::Packed;
pub use pulse::{Pulse, PulseConfig, by_hand, wheels_by_hand};
pub use ring::{Meter, RingReader, RingWriter, Supply, packed_ring, packet_ring, ring};
pub use sender::Sender;
pub use session::MixConfig;
pub use stats::{SessionStats, Stats, ThreadStats};
pub use tap::{LaneReader, SentTick, Tapped, instant_of};
pub use track::TrackOptions;
pub use wheel::{Sent, Transmit, WAKE_NS, Wheel};

/// A mix could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The tick threads have all they can carry.
    #[error("the audio threads are at their limit")]
    Busy {
        /// When asking again may help.
        retry_after: Duration,
    },
    /// Every slot is taken (1,024 on each tick thread).
    #[error("no more voice sessions fit into this process")]
    Full,
}

impl OpenError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "wait for other sessions to end, or give the bot more cores",
            Self::Full => "run a second process for further guilds",
        }
    }
}

#[cfg(test)]
#[global_allocator]
static GUARD: mynah_testkit::alloc::Guard = mynah_testkit::alloc::Guard;
