//! The control side: what the rest of the program asks of the tick threads.
#![allow(
    clippy::disallowed_methods,
    reason = "control side: runs on callers' threads"
)]

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crossbeam_utils::atomic::AtomicCell;
use mynah_audio::{DuckMatrix, EncoderSettings, Fade};

use crate::desk::Desk;
use crate::event::EventReader;
use crate::feed::Feed;
use crate::line::{Line, Transport};
use crate::load::{RETRY_AFTER, Strain};
use crate::order::{Act, What};
use crate::ring::RingReader;
use crate::session::MixConfig;
use crate::shared::{Board, SLOTS};
use crate::stats::Stats;
use crate::swap::Swap;
use crate::tap::{LaneReader, lane_tap};
use crate::track::{Track, TrackOptions};
use crate::tracks::Node;
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

    /// Opens a mix on the tick thread whose sessions cost least, as measured. It is silent until it
    /// has a transport.
    ///
    /// # Errors
    /// When one more session would be too much for every thread even at the lowest complexity, as
    /// far as its sessions have been measured; when all are full; when libopus refuses the
    /// configuration.
    pub fn open(&self, mix: MixConfig) -> Result<SessionKey, OpenError> {
        self.open_with(mix, None)
    }

    pub(crate) fn open_with(
        &self,
        mix: MixConfig,
        feed: Option<Arc<Feed>>,
    ) -> Result<SessionKey, OpenError> {
        let desks = || self.0.desks.iter();
        if desks().all(|desk| desk.board.taken() >= SLOTS) {
            return Err(OpenError::Full);
        }
        let willing = |board: &Board| !board.overloaded.load(Relaxed) && board.room() > 0;
        let desk = desks().filter(|desk| willing(&desk.board));
        let desk = desk.min_by_key(|desk| desk.board.burden_ns());
        let desk = desk.ok_or(OpenError::Busy {
            retry_after: RETRY_AFTER,
        })?;
        desk.open(self.next_serial(), mix, feed)
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

    /// Adds a track to those that sound. There is no limit but what they cost. A mix that is about to
    /// close refuses it.
    pub fn play(&self, session: SessionKey, id: TrackId, ring: RingReader, options: TrackOptions) {
        let desk = self.0.desks.get(usize::from(session.thread));
        let encoder = desk.and_then(|desk| desk.encoder_for(session));
        let track = Box::new(Node::new(Track::new(id, ring, options), encoder));
        self.send(session, What::Play(Some(track)));
    }

    /// Fades a track out over 5 ms and holds it. The sound that faded is not consumed: a resumed
    /// track goes on with the very block it left, so no sample is lost.
    pub fn pause(&self, session: SessionKey, track: TrackId) {
        self.send(session, What::Track(track, Act::Pause));
    }

    /// Fades a paused track in over 5 ms, where it was.
    pub fn resume(&self, session: SessionKey, track: TrackId) {
        self.send(session, What::Track(track, Act::Resume));
    }

    /// Fades a track out over 5 ms and drops it.
    pub fn stop(&self, session: SessionKey, track: TrackId) {
        self.send(session, What::Track(track, Act::Stop));
    }

    /// Lets a track fade away as long and on the curve that `fade` says, playing on meanwhile, and
    /// drops it. One that is not heard, or is about to pause, is stopped at once. The other half of a
    /// crossfade is a track with [`TrackOptions::fade_in`]: with
    /// [`Curve::EqualPower`](mynah_audio::Curve::EqualPower) on both sides the power stays the same.
    pub fn stop_with(&self, session: SessionKey, track: TrackId, fade: Fade) {
        self.send(session, What::Track(track, Act::StopWith(fade)));
    }

    /// Walks a track's linear gain to `gain` over 5 ms. Negative or not finite counts as 0.
    pub fn gain(&self, session: SessionKey, track: TrackId, gain: f32) {
        self.send(session, What::Track(track, Act::Gain(gain)));
    }

    /// Walks a track's linear gain to `gain` as long and on the curve that `fade` says. It walks with
    /// the sound: a pause or a stall holds it where it is. Beside a fade in or away, which is
    /// multiplied with it.
    pub fn fade(&self, session: SessionKey, track: TrackId, gain: f32, fade: Fade) {
        self.send(session, What::Track(track, Act::Fade(gain, fade)));
    }

    /// Lets a track go over to another ring, whose first block stands for frame `at_frame` of the
    /// track, counted as [`EventKind::Ended`](crate::EventKind::Ended) counts; it should be a
    /// multiple of 960 some blocks ahead.
    ///
    /// * Where both rings have the block that begins there, they crossfade over 10 ms.
    /// * When the track is past it already, the new ring's blocks are skipped until they have caught
    ///   up, and the old ring is heard as long as it lasts.
    /// * When the old ring ends or breaks off before, the track jumps to where the new one begins.
    /// * A track that is not heard (paused, stalled) goes over at once, unless the frame is still
    ///   ahead of it.
    ///
    /// The old ring is dropped then, which its writer sees as
    /// [`RingWriter::is_abandoned`](crate::RingWriter::is_abandoned). A second call replaces a ring
    /// that still waits.
    pub fn swap(&self, session: SessionKey, track: TrackId, ring: RingReader, at_frame: u64) {
        let swap = Box::new(Swap::new(ring, at_frame));
        self.send(session, What::Track(track, Act::Swap(Some(swap))));
    }

    /// Says which lanes of a mix are turned down for which; what is turned down now glides to where
    /// the new rules want it. A mix begins with [`DuckMatrix::HOUSE`].
    pub fn duck(&self, session: SessionKey, matrix: DuckMatrix) {
        self.send(session, What::Duck(matrix));
    }

    /// Says whether a human speaks now. Without effect unless the rules of the mix heed humans
    /// ([`DuckMatrix::with_human`]).
    pub fn talk(&self, session: SessionKey, speaks: bool) {
        self.send(session, What::Talk(speaks));
    }

    /// Copies what the mix says, lane by lane, to the reader from now on; a reader it had before ends.
    /// The tick pays 0.7 µs for each lane that sounds. End it with
    /// [`leave_lanes`](Self::leave_lanes).
    #[must_use]
    pub fn listen_lanes(&self, session: SessionKey) -> LaneReader {
        let (tap, reader) = lane_tap();
        self.send(session, What::Lanes(Some(tap)));
        reader
    }

    /// Nobody records the lanes of a mix any more.
    pub fn leave_lanes(&self, session: SessionKey) {
        self.send(session, What::Lanes(None));
    }

    /// Moves a mix to another tick thread, counted from 0, with everything it has: nothing is lost,
    /// doubled or heard of it. Orders go on as before, whichever thread it is on; what is on its way
    /// arrives one wake (5 ms) later for each thread in between. A mix that is gone, or there already,
    /// stays as it is. [`Balancer`](crate::Balancer) is who calls this when it makes sense.
    ///
    /// # Errors
    /// [`OpenError::Full`] when the thread has no free place in the mix's phase, or there is no such
    /// thread.
    pub fn move_to(&self, session: SessionKey, thread: usize) -> Result<(), OpenError> {
        let there = self.0.desks.get(thread).ok_or(OpenError::Full)?;
        let home = usize::from(session.thread) == thread;
        let seat = match home {
            true => Some(there.seat(session.slot)),
            false => there.reserve(session),
        };
        let seat = seat.ok_or(OpenError::Full)?;
        let spare = there.seat(seat.slot);
        if !self.send(session, What::Move(seat)) {
            spare.give_up(session);
        }
        Ok(())
    }

    /// Changes how the encoder works from the next frame on: bitrate, complexity, error correction
    /// and the rest. Values that Opus does not take are clamped; an overloaded thread may use less
    /// complexity than asked for. Packets that go out as they are do not mind.
    pub fn encoder(&self, session: SessionKey, settings: EncoderSettings) {
        self.send(session, What::Encoder(settings));
    }

    /// Changes the encoder's bitrate from the next frame on, and nothing else.
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

    pub(crate) fn threads(&self) -> usize {
        self.0.desks.len()
    }

    /// How the thread fares that fares worst; busy is above `busy_ns` of work for each 20 ms.
    pub(crate) fn strain(&self, busy_ns: u64) -> Strain {
        let boards = self.0.desks.iter().map(|desk| &desk.board);
        let strains = boards.map(|board| match board.rung.load(Relaxed) {
            0 if board.busy_ns.load(Relaxed) <= busy_ns => Strain::None,
            0 => Strain::Busy,
            _ => Strain::Saving,
        });
        strains.max().unwrap_or(Strain::None)
    }

    /// False when the order had to be given up.
    pub(crate) fn send(&self, to: SessionKey, what: What<L>) -> bool {
        let desk = self.0.desks.get(usize::from(to.thread));
        desk.is_some_and(|desk| desk.send(to, what))
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
