//! The control side: what the rest of the program asks of the tick threads.
#![allow(
    clippy::disallowed_methods,
    reason = "control side: runs on callers' threads"
)]

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crossbeam_utils::atomic::AtomicCell;

use crate::desk::Desk;
use crate::event::EventReader;
use crate::line::{Line, Transport};
use crate::load::RETRY_AFTER;
use crate::order::What;
use crate::ring::RingReader;
use crate::session::MixConfig;
use crate::stats::Stats;
use crate::track::{Track, TrackOptions};
use crate::{OpenError, Sender, SessionKey, TrackId};

/// Steers all mixes from any thread. Cheap to clone.
///
/// Calls return at once; what they ask for happens within 5 ms and is heard within 25 ms. Orders
/// from one thread are carried out in their order. Orders for a session or track that is gone do
/// nothing. Should 1,024 orders be waiting, calls wait for room (at most a second).
pub struct PulseHandle<L = UdpSocket>(Arc<Front<L>>);

struct Front<L> {
    desks: Box<[Desk<L>]>,
    last_serial: AtomicU32,
    events: AtomicCell<Option<Box<EventReader>>>,
}

impl<L> Clone for PulseHandle<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L> PulseHandle<L> {
    pub(crate) fn new(desks: Box<[Desk<L>]>, events: EventReader) -> Self {
        Self(Arc::new(Front {
            desks,
            last_serial: AtomicU32::new(0),
            events: AtomicCell::new(Some(Box::new(events))),
        }))
    }

    /// Opens a mix on the least loaded tick thread. It is silent until it has a transport.
    ///
    /// # Errors
    /// When all threads are full or overloaded, or libopus refuses the configuration.
    pub fn open(&self, mix: MixConfig) -> Result<SessionKey, OpenError> {
        let willing = |desk: &&Desk<L>| !desk.board.overloaded.load(Relaxed);
        let desk = self.0.desks.iter().filter(willing);
        let desk = desk.min_by_key(|desk| desk.board.taken());
        let desk = desk.ok_or(OpenError::Busy {
            retry_after: RETRY_AFTER,
        })?;
        desk.open(self.next_serial(), mix)
    }

    /// Gives a mix the line it is heard on, instead of the one it had. Tracks that were held still
    /// fade in, unless the line's [`Sender`] holds them still.
    pub fn attach(&self, session: SessionKey, transport: Transport<L>) {
        let line = Box::new(Line::new(transport));
        self.send(session, What::Attach(Some(line)));
    }

    /// Says how the frames of a mix travel from now on, on the line it has; without a line nothing
    /// happens. When this returns, no packet leaves any more as it was before: packets are sealed
    /// at the moment they are sent, and an order that waits is read first. Calls for one mix come
    /// from one thread at a time.
    ///
    /// A sealer must never come back with its counter at the start: one epoch, one sealer.
    pub fn sender(&self, session: SessionKey, sender: Sender) {
        if let Some(desk) = self.0.desks.get(usize::from(session.thread)) {
            desk.sender(session, sender);
        }
    }

    /// Takes the line away. Tracks hold still: nothing is consumed, nothing is lost.
    pub fn detach(&self, session: SessionKey) {
        self.send(session, What::Detach(None));
    }

    /// Ends a mix: what sounds fades out within 5 ms, five silence frames follow, then it is gone
    /// and [`EventKind::Closed`](crate::EventKind::Closed) is told.
    pub fn close(&self, session: SessionKey) {
        self.send(session, What::Close);
    }

    /// Adds a track. At most [`MAX_TRACKS`](crate::MAX_TRACKS) sound together; one more is refused.
    pub fn play(&self, session: SessionKey, id: TrackId, ring: RingReader, options: TrackOptions) {
        let track = Box::new(Track::new(id, ring, options));
        self.send(session, What::Play(Some(track)));
    }

    /// Fades a track out over 5 ms and holds it. The sound that faded is not consumed: a resumed
    /// track goes on with the very block it left, so no sample is lost.
    pub fn pause(&self, session: SessionKey, track: TrackId) {
        self.send(session, What::Pause(track));
    }

    /// Fades a paused track in over 5 ms, where it was.
    pub fn resume(&self, session: SessionKey, track: TrackId) {
        self.send(session, What::Resume(track));
    }

    /// Fades a track out over 5 ms and drops it.
    pub fn stop(&self, session: SessionKey, track: TrackId) {
        self.send(session, What::Stop(track));
    }

    /// Walks a track's linear gain to `gain` over 5 ms. Negative or not finite counts as 0.
    pub fn gain(&self, session: SessionKey, track: TrackId, gain: f32) {
        self.send(session, What::Gain(track, gain));
    }

    /// Changes the encoder's bitrate from the next frame on.
    pub fn set_bitrate(&self, session: SessionKey, bitrate_bps: u32) {
        self.send(session, What::Bitrate(bitrate_bps));
    }

    /// The stream of events; there is one, and the first caller gets it.
    #[must_use]
    pub fn events(&self) -> Option<EventReader> {
        self.0.events.take().map(|reader| *reader)
    }

    /// All counters as they are now, read without the tick noticing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let boards = self.0.desks.iter().map(|desk| &*desk.board);
        Stats::read(boards)
    }

    fn send(&self, to: SessionKey, what: What<L>) {
        if let Some(desk) = self.0.desks.get(usize::from(to.thread)) {
            desk.send(to, what);
        }
    }

    /// Never 0, which marks a free slot.
    fn next_serial(&self) -> u32 {
        loop {
            let serial = self.0.last_serial.fetch_add(1, Relaxed).wrapping_add(1);
            if serial != 0 {
                return serial;
            }
        }
    }
}

impl<L> std::fmt::Debug for PulseHandle<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PulseHandle({} threads)", self.0.desks.len())
    }
}
