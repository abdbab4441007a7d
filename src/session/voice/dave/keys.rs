//! What the media threads are told.

use std::time::Instant;

use mynah_dave::BaseSecret;
use mynah_wire::UserId;

/// One change for the media threads. The order counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaKeys {
    /// How to send from now on.
    Sender(SenderKeys),
    /// Somebody's frames may come sealed under this from now on; older keys of theirs stay good for
    /// 10 s.
    Receiver {
        /// Whose.
        user_id: UserId,
        /// Of which epoch.
        epoch: u64,
        /// What their frame keys are made from.
        base: BaseSecret,
    },
    /// Somebody is no longer in the call. Frames of theirs may still be on the way: keep their keys
    /// for 10 s.
    Forget {
        /// Who.
        user_id: UserId,
    },
    /// Whether frames without end-to-end encryption may be believed.
    Passthrough(Passthrough),
}

/// How to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderKeys {
    /// Without end-to-end encryption: the call has version 0.
    Plain,
    /// Others are here, or may be, but there is no key yet: consume nothing, send nothing. Lasts for
    /// milliseconds when all is well, and never longer than
    /// [`HOLD_LIMIT`](super::HOLD_LIMIT).
    Hold,
    /// Nobody here could hear anything: sound goes on, nothing is sent.
    Unheard,
    /// Sealed under this; counters start anew.
    Sealed {
        /// Of which epoch.
        epoch: u64,
        /// What the own frame keys are made from.
        base: BaseSecret,
    },
}

/// Whether frames without end-to-end encryption are taken (dave.md section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passthrough {
    /// The call has version 0.
    Always,
    /// Until further notice: an upgrade is under way. Unlike in a plain call, what looks sealed is
    /// not believed to be sound but waits for its key.
    Meanwhile,
    /// Up to then: a change between plain and encrypted is under way.
    Until(Instant),
    /// No: such frames were changed on the way, or their sender is broken.
    Never,
}
