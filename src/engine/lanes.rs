//! The bot's own lanes as Opus packets, for those who record what it says.
//!
//! The tick copies each lane aside ([`mynah_pulse::LaneReader`]); here, on a thread of its own, what
//! sounds is encoded, packets that went out as they were stay as they are, and both are handed on as
//! packets with a timestamp, as if each lane were a speaker. The timestamp counts the ticks in which
//! they were sent, 960 each, on the same clock for all lanes of a mix: what was heard together lies
//! together. Decoded, a lane sounds exactly when listeners heard it: the 1.5 ms by which the limiter
//! delays the mix are added here.
//!
//! A mix whose lanes nobody records costs nothing: no ring, no encoder; and without any such mix the
//! thread sleeps.

mod coder;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use mynah_audio::Lane;
use mynah_pulse::{LaneReader, PulseHandle, SessionKey, instant_of};

use crate::clock;
use coder::Coder;

/// How often the rings are looked at; they hold 160 ms and more.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Mixes that may wait to be taken over.
const WAITING: usize = 64;

/// A packet of a lane: 20 ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanePacket {
    pub lane: Lane,
    /// One more for each packet of the lane; wraps.
    pub sequence: u16,
    /// 48 kHz, counted in ticks: the same for all lanes of a mix. Wraps. It goes on over silence, in
    /// which there are no packets.
    pub timestamp: u32,
    /// When it was sent, or would have been.
    pub sent: Instant,
    /// The Opus packet.
    pub payload: Arc<[u8]>,
}

/// Takes the packets of one mix, on the thread of the lanes; must not block. False when nobody wants
/// them any more.
pub type LaneSink = Box<dyn FnMut(LanePacket) -> bool + Send>;

/// A mix whose lanes are recorded.
struct Recorded {
    reader: LaneReader,
    coder: Coder,
    sink: LaneSink,
}

/// The thread that encodes lanes. It ends when this is dropped.
#[derive(Debug)]
pub struct Lanes {
    orders: SyncSender<Recorded>,
}

impl Lanes {
    /// Starts the thread `mynah-lanes`.
    ///
    /// # Errors
    /// When the system refuses to make a thread.
    pub fn start() -> io::Result<Self> {
        let (orders, waiting) = sync_channel(WAITING);
        std::thread::Builder::new()
            .name("mynah-lanes".into())
            .spawn(move || run(&waiting))?;
        Ok(Self { orders })
    }

    /// Hands the lanes of a mix to `sink`, until what is returned is dropped.
    pub fn record(&self, pulse: &PulseHandle, mix: SessionKey, sink: LaneSink) -> LaneRecording {
        let pulse = pulse.clone();
        if !self.read(pulse.listen_lanes(mix), sink) {
            tracing::error!("too many mixes want their lanes recorded at once");
        }
        LaneRecording { pulse, mix }
    }

    /// False when too many mixes wait already, or the thread is gone.
    fn read(&self, reader: LaneReader, sink: LaneSink) -> bool {
        let recorded = Recorded {
            reader,
            coder: Coder::default(),
            sink,
        };
        self.orders.try_send(recorded).is_ok()
    }
}

/// As long as it lives, the lanes of a mix are recorded.
pub struct LaneRecording {
    pulse: PulseHandle,
    mix: SessionKey,
}

impl Drop for LaneRecording {
    fn drop(&mut self) {
        // The tick's end goes to the janitor, and the thread notices.
        self.pulse.leave_lanes(self.mix);
    }
}

fn run(waiting: &Receiver<Recorded>) {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let next = match all.is_empty() {
            true => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => waiting.recv_timeout(LOOK_EVERY),
        };
        match next {
            Ok(recorded) => all.push(recorded),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = clock::now();
        all.retain_mut(|recorded| recorded.turn(now));
    }
}

impl Recorded {
    /// False when it is over.
    fn turn(&mut self, now: Instant) -> bool {
        // Asked first: what was put in before the mix ended is read below.
        let over = self.reader.is_over();
        let wanted = self
            .coder
            .read(&mut self.reader, instant_of, &mut self.sink)
            && self.coder.idle(now, over, &mut self.sink);
        wanted && !over
    }
}

#[cfg(test)]
mod tests;
