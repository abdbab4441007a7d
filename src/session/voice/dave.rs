//! End-to-end encryption of one voice connection (DAVE; dave.md sections 4 and 5): an own machine
//! inside the [`Session`](super::Session).
//!
//! # What the shell does
//! * [`Output::Crypto`](super::Output::Crypto): run the [`Job`] on some thread that may compute for
//!   milliseconds, and hand its [`Done`] back as [`Input::Crypto`](super::Input::Crypto). At most one
//!   job of a connection is out; whatever the server says meanwhile waits inside, in order. A job
//!   whose connection is gone by then is recognised and dropped.
//! * [`Output::Media`](super::Output::Media): hand the [`MediaKeys`] to the media threads, in order.
//!   They share nothing with this machine: what they need to know comes as a value.
//!
//! # Who is heard when
//! Receiving keys of a new epoch are given out as soon as its commit or welcome was understood, for
//! others may send with them at once; the sending key follows when the server executes the transition
//! (op 22), or immediately for transition 0. A websocket that breaks and resumes changes nothing; a
//! new Identify forgets everything, the group included.

mod actions;
mod changes;
mod epoch;
mod group;
mod job;
mod keys;
mod machine;
mod message;
mod report;
mod roster;
mod search;
mod sender;

pub use job::{Done, Job};
pub use keys::{MediaKeys, Passthrough, SenderKeys};
pub use report::{DaveCounters, DaveEvent, DaveReport};
pub use sender::HOLD_LIMIT;

pub(super) use actions::Action;
pub(super) use machine::{Connection, Dave};
pub(super) use message::Message;
