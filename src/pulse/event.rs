//! What the tick tells the control side.

use rtrb::Consumer;

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

/// The one place where events come out. Poll it every 5 ms: the tick wakes nobody. Up to 1,024
/// events per tick thread wait here; more are dropped and counted in
/// [`Stats::events_dropped`](crate::Stats::events_dropped).
pub struct EventReader {
    pub(crate) queues: Box<[Consumer<Event>]>,
}

impl EventReader {
    /// The next event, or `None` when there is none for now. Events of one session come in order.
    pub fn poll(&mut self) -> Option<Event> {
        self.queues.iter_mut().find_map(|queue| queue.pop().ok())
    }
}

impl std::fmt::Debug for EventReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting: usize = self.queues.iter().map(Consumer::slots).sum();
        write!(f, "EventReader({waiting} waiting)")
    }
}
