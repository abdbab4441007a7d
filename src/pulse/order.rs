//! What the control side asks of the tick, and what the tick sends to be dropped.

use mynah_audio::{DuckMatrix, EncoderSettings, Fade};

use crate::line::Line;
use crate::session::{Session, Tap};
use crate::swap::Swap;
use crate::tracks::Node;
use crate::{Sender, SessionKey, TrackId};

/// One request. The box it comes in, and whatever the request replaced, go to the janitor: the
/// tick only swaps pointers.
pub(crate) struct Order<L> {
    pub(crate) to: SessionKey,
    pub(crate) what: What<L>,
}

/// The options are `Some` on the way in; what is in them on the way out is dropped by the janitor.
pub(crate) enum What<L> {
    Open(Option<Box<Session<L>>>),
    Attach(Option<Box<Line<L>>>),
    Detach(Option<Box<Line<L>>>),
    /// `turn` counts these orders of a session, see [`SlotBoard`](crate::shared::SlotBoard).
    Sender {
        turn: u32,
        sender: Sender,
    },
    Close,
    Play(Option<Box<Node>>),
    Track(TrackId, Act),
    Duck(DuckMatrix),
    Talk(bool),
    Bitrate(u32),
    Encoder(EncoderSettings),
    Subscribe(Option<Box<Tap>>),
}

/// What is to be done with one track.
pub(crate) enum Act {
    Pause,
    Resume,
    Stop,
    StopWith(Fade),
    Gain(f32),
    Fade(f32, Fade),
    Swap(Option<Box<Swap>>),
}

/// Something the tick has done with.
#[allow(dead_code, reason = "only ever dropped, by the janitor")]
pub(crate) enum Retired<L> {
    Order(Box<Order<L>>),
    Track(Box<Node>),
    Swap(Box<Swap>),
    Session(Box<Session<L>>),
}
