//! What the tick tells the control side.

use rtrb::{Consumer, Producer};

use crate::shared::Board;
use crate::{SessionKey, TrackId};

/// Something happened on the tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// Where.
    pub session: SessionKey,
    /// What.
    pub kind: EventKind,
}

/// What happened. Frames are sample frames of 1/48000 s.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A track's first block was mixed.
    Started(TrackId),
    /// A track has faded out and holds its position.
    Paused(TrackId),
    /// A track is allowed to sound again.
    Resumed(TrackId),
    /// A track was stopped on request and is gone.
    Stopped {
        /// Which.
        track: TrackId,
        /// Frames of it that were played.
        frames_played: u64,
    },
    /// A track came to its end and is gone.
    Ended {
        /// Which.
        track: TrackId,
        /// Frames of it that were played.
        frames_played: u64,
    },
    /// A track's writer went away without finishing; what there was has been played, and the
    /// track is gone.
    Broken {
        /// Which.
        track: TrackId,
        /// Frames of it that were played.
        frames_played: u64,
    },
    /// A track's ring has been empty for 100 ms. The track stays and waits.
    Stalled(TrackId),
    /// A track that had stalled sounds again.
    Recovered(TrackId),
    /// A track was turned away: its session is about to close.
    Refused(TrackId),
    /// A session was closed, its five silence frames are sent, its socket is being dropped.
    Closed,
}

impl EventKind {
    /// The track it is about, if it is about one.
    #[must_use]
    pub fn track(&self) -> Option<TrackId> {
        match *self {
            Self::Started(track)
            | Self::Paused(track)
            | Self::Resumed(track)
            | Self::Stalled(track)
            | Self::Recovered(track)
            | Self::Refused(track)
            | Self::Stopped { track, .. }
            | Self::Ended { track, .. }
            | Self::Broken { track, .. } => Some(track),
            Self::Closed => None,
        }
    }

    /// True when the track is gone after this.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Self::Stopped { .. } | Self::Ended { .. } | Self::Broken { .. } | Self::Refused(_)
        )
    }
}

/// An event, and when it was: in wakes, set forward where a session arrives, so that what it tells
/// there is younger than what it told before.
pub(crate) struct Dated {
    stamp: u64,
    event: Event,
}

/// The tick's end of the events of one thread.
pub(crate) struct News {
    pub(crate) stamp: u64,
    queue: Producer<Dated>,
}

impl News {
    pub(crate) fn new(queue: Producer<Dated>) -> Self {
        Self { stamp: 0, queue }
    }

    /// Posts an event, or counts it as dropped: the tick waits for nobody. *Tick-safe.*
    pub(crate) fn tell(&mut self, board: &Board, event: Event) {
        let stamp = self.stamp;
        if self.queue.push(Dated { stamp, event }).is_err() {
            board.events_dropped.add(1);
        }
    }
}

/// The one place where events come out. Poll it every 5 ms: the tick wakes nobody. Up to 1,024
/// events per tick thread wait here; more are dropped and counted in
/// [`Stats::events_dropped`](crate::Stats::events_dropped).
pub struct EventReader {
    pub(crate) queues: Box<[Consumer<Dated>]>,
}

impl EventReader {
    /// The next event, or `None` when there is none for now. Events of one session come in order,
    /// also when it has moved to another tick thread in between.
    pub fn poll(&mut self) -> Option<Event> {
        // What is older than something that is there is there, too, when it is looked for again.
        self.oldest()?;
        let oldest = self.oldest()?;
        let dated = self.queues.get_mut(oldest)?.pop().ok();
        dated.map(|dated| dated.event)
    }

    /// The queue with the oldest event.
    fn oldest(&self) -> Option<usize> {
        let heads = self.queues.iter().map(|queue| queue.peek());
        let dates = heads
            .zip(0..)
            .filter_map(|(head, at)| Some((head.ok()?.stamp, at)));
        dates.min().map(|(_, at)| at)
    }
}

impl std::fmt::Debug for EventReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting: usize = self.queues.iter().map(Consumer::slots).sum();
        write!(f, "EventReader({waiting} waiting)")
    }
}
