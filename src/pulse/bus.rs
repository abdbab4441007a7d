//! One mix for many sessions: encoded once, heard by any number of them.
#![allow(
    clippy::disallowed_methods,
    reason = "control side: runs on callers' threads"
)]

use std::sync::Arc;

use crate::feed::Feed;
use crate::order::What;
use crate::session::{MixConfig, Tap};
use crate::{OpenError, PulseHandle, SessionKey};

/// A mix without a line, whose frames go to every session that is subscribed to it. Cheap to clone.
/// It lives until [`PulseHandle::close`] is called with its key, whoever holds a `Bus`.
#[derive(Clone)]
pub struct Bus {
    key: SessionKey,
    feed: Arc<Feed>,
}

impl Bus {
    /// Its name as a mix: tracks are played into it and steered with the same calls, and its events
    /// carry this name.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Says whether its tracks hold still while no session is subscribed, and fade in where they
    /// were for the next one. A bus begins without that: it goes on, whoever listens.
    pub fn wait_alone(&self, waits: bool) {
        self.feed.wait_alone(waits);
    }

    /// How many sessions are subscribed.
    #[must_use]
    pub fn listeners(&self) -> u32 {
        self.feed.listeners()
    }
}

impl From<&Bus> for SessionKey {
    fn from(bus: &Bus) -> Self {
        bus.key
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bus({}, {} listeners)", self.key, self.listeners())
    }
}

impl<L> PulseHandle<L> {
    /// Opens a bus. Its tracks go on whether anybody is subscribed or not; see [`Bus::wait_alone`].
    ///
    /// # Errors
    /// As [`PulseHandle::open`].
    pub fn open_bus(&self, mix: MixConfig) -> Result<Bus, OpenError> {
        let feed = Arc::new(Feed::new());
        let key = self.open_with(mix, Some(Arc::clone(&feed)))?;
        Ok(Bus { key, feed })
    }

    /// Lets a session be heard with what the bus says, 20 ms later than the bus, on whatever tick
    /// thread the two are; `None` ends that. The frames are encoded once, each session seals and
    /// sends them for itself. Own tracks of the session lie over the bus, which is then ducked like
    /// any sound of the lane bed; meanwhile the session encodes for itself.
    ///
    /// A session that comes in the middle waits up to 240 ms for a frame it can begin with. A bus
    /// cannot be subscribed to a bus.
    pub fn subscribe(&self, session: SessionKey, bus: Option<&Bus>) {
        let tap = bus.map(|bus| Box::new(Tap::new(Arc::clone(&bus.feed))));
        self.send(session, What::Subscribe(tap));
    }
}
