//! What came through and what did not.

/// Packets by what became of them. Each is counted once: `released`, `empty`, `before_us`, one of
/// `lost`, or it still waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handed out.
    pub released: u64,
    /// Of these, handed out after they had waited for a key or an owner.
    pub delayed: u64,
    /// Without content; nothing is missed.
    pub empty: u64,
    /// Sealed for an epoch before we came into the group: meant for others. Senders use the new keys
    /// only when the transition that adds us is executed, so there are some after every join.
    pub before_us: u64,
    /// Not handed out.
    pub lost: Losses,
}

/// Packets that were not handed out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// No key opened it in time: its key never came, or it was changed on the way.
    pub no_key: u64,
    /// Nobody said in time whose stream it was (op 5).
    pub unknown_ssrc: u64,
    /// Too many packets waited.
    pub overflow: u64,
    /// Without end-to-end encryption in an encrypted call.
    pub plain: u64,
    /// Came a second time, or its counter lay outside the window.
    pub replayed: u64,
    /// The transport's encryption does not fit: another key, or changed on the way.
    pub unauthentic: u64,
    /// No Opus packet in RTP.
    pub malformed: u64,
    /// There was no connection, or it ended while the packet waited.
    pub unplugged: u64,
}

impl Counters {
    pub(super) const fn new() -> Self {
        Self {
            released: 0,
            delayed: 0,
            empty: 0,
            before_us: 0,
            lost: Losses {
                no_key: 0,
                unknown_ssrc: 0,
                overflow: 0,
                plain: 0,
                replayed: 0,
                unauthentic: 0,
                malformed: 0,
                unplugged: 0,
            },
        }
    }
}

impl Counters {
    /// All packets that wait no longer.
    pub const fn settled(&self) -> u64 {
        self.released + self.empty + self.before_us + self.lost.total()
    }
}

impl Losses {
    /// All together.
    pub const fn total(&self) -> u64 {
        self.no_key
            + self.unknown_ssrc
            + self.overflow
            + self.plain
            + self.replayed
            + self.unauthentic
            + self.malformed
            + self.unplugged
    }
}
