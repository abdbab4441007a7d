//! Names for things on the tick: sessions and tracks.

/// Names one mix (and, once attached, its voice session): by the place it was opened in, which stays
/// its name when it moves to another tick thread. Never used twice: an order that arrives
/// after its session is gone finds another serial number in the slot and does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    pub(crate) thread: u16,
    pub(crate) slot: u16,
    pub(crate) serial: u32,
}

impl std::fmt::Display for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}#{}", self.thread, self.slot, self.serial)
    }
}

/// Names one track. Chosen by whoever plays it; must be unique within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

impl std::fmt::Display for TrackId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
