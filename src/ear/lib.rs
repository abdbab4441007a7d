//! The ear: what everybody in a voice channel says, every 20 ms.
//!
//! ```text
//! UDP ─► [ear thread] RTP ▸ AEAD ▸ whose? ▸ DAVE ─► packets as they came ───────────────► Heard ─► Tap
//!                     (mynah_session::receive)     └► jitter buffer ▸ decode, FEC, PLC ─┘  20 ms
//! ```
//!
//! [`Hearing`] is one session's ear without I/O: datagrams, keys and the clock go in, [`Heard`] comes
//! out; tests drive it in virtual time. [`Ears`] are the threads that own sockets and call it. What is
//! heard goes through a bounded ring to whoever asked ([`Tap`]), who cannot make the thread wait.
//!
//! Nothing is decoded that nobody asked for: a recorder takes packets, and costs next to nothing. A
//! session nobody listens to has no socket here and costs nothing at all.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod ears;
mod flow;
mod heard;
mod hearing;
mod tap;

pub use ears::{Ear, EarHandle, EarNews, Ears};
pub use heard::{Heard, Packet, Voice, Want};
pub use hearing::{HearStats, Hearing, SpeakerStats, Taken};
pub use tap::Tap;

/// What somebody hears at once.
pub const TICK: std::time::Duration = std::time::Duration::from_millis(20);
