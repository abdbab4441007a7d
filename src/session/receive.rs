//! The receiving half of a voice connection: from datagrams to Opus packets that are known to come
//! from somebody.
//!
//! ```text
//! datagram ─► transport ─► whose ssrc? ─► end-to-end encryption ─► Received
//!             (RtpOpener)    (op 5)        (FrameOpener of the user)
//! ```
//!
//! Websocket and UDP race: frames arrive before the server says whose they are (op 5), before their
//! key is known (a welcome is still being computed), or sealed for an epoch of which the commit has
//! not come yet. Such packets are held for a short time and tried again when something new is known;
//! they come out before newer ones of the same stream. Every packet that does not come out is
//! counted, with the reason.
//!
//! # How to drive it
//! Hand in [`Output::Media`](crate::voice::Output::Media) with [`Receiver::keys`], the transport with
//! [`Receiver::transport`], op 5 and 13 with [`Receiver::learn`] and [`Receiver::forget`], datagrams
//! with [`Receiver::take`]. After each, and at [`Receiver::wake`], call [`Receiver::poll`] until it
//! says `None`, and hand [`Receiver::undecryptable`] back to the session as
//! [`Input::Undecryptable`](crate::voice::Input::Undecryptable). No clock, no lock; one thread.

mod counters;
mod stream;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_dave::frame::{FrameOpener, OpenError as FrameError, SILENCE, is_sealed};
use mynah_wire::{Ssrc, UserId};

use crate::transport::{OpenError, RtpOpener};
use crate::voice::{MediaKeys, Passthrough};

pub use counters::{Counters, Losses};
use stream::{Need, Stream};

/// How long a packet waits for what it needs. Later it would be of no use to a listener.
pub const HOLD_TIME: Duration = Duration::from_secs(2);
/// Packets that wait per stream: all of [`HOLD_TIME`].
pub const HELD_PER_STREAM: usize = 100;
/// Streams with waiting packets.
const MAX_WAITING_STREAMS: usize = 256;
/// What all waiting packets may take together.
const MAX_HELD_BYTES: usize = 8 << 20;
/// Streams and users known at once, far above any call; further ones are not learnt.
const MAX_KNOWN: usize = 4096;
/// Packets that may wait for [`Receiver::poll`], which is called after every step.
const MAX_READY: usize = 65_536;
/// How long keys and streams of somebody who left are kept for packets still on the way.
const FORGET_AFTER: Duration = Duration::from_secs(10);
/// How long in a call that goes plain somebody may not have heard of it and seal on: as long as a
/// lost connection can be resumed. To whom has no keys that must not sound.
const SEALED_AFTERWARDS: Duration = Duration::from_secs(60);
/// How long after the first key of somebody their frames may be sealed for an epoch before it:
/// transitions are executed after 2 s at most (dave.md section 9).
const SETTLES_IN: Duration = Duration::from_secs(2);
/// More failures in a row than this are no accident (dave.md section 4).
const MAX_FAILURES: u32 = 36;

/// A packet that came through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its stream.
    pub ssrc: Ssrc,
    /// Whose stream; `None` only for packets that need no key, when op 5 has not come yet.
    pub user_id: Option<UserId>,
    /// RTP sequence.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// When it arrived; it may have waited since.
    pub arrival: Instant,
    /// The Opus packet; empty when `unopened`.
    pub payload: Arc<[u8]>,
    /// It came and was held, but no key opened it, or nobody said whose it is. Only after
    /// [`Receiver::tell_unopened`].
    pub unopened: bool,
}

/// The clear part of a packet, as [`Receiver::take_frame`] wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its stream.
    pub ssrc: Ssrc,
    /// RTP sequence.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// When it arrived.
    pub arrival: Instant,
}

/// One user's keys.
#[derive(Default)]
struct Voice {
    opener: FrameOpener,
    /// Frames in a row that did not open.
    failures: u32,
    /// When the first key came.
    keyed_since: Option<Instant>,
    /// A frame opened at some time: from then on none is of an epoch before we came.
    has_opened: bool,
    forget_at: Option<Instant>,
}

/// Whose a stream is.
struct Owner {
    user: UserId,
    forget_at: Option<Instant>,
}

/// What is to become of a frame.
enum Verdict {
    /// The plaintext is the frame itself; no key was needed.
    Free,
    /// The plaintext is so long; `is_first`: nothing of this user opened before.
    Opened {
        length: usize,
        is_first: bool,
    },
    /// Not now.
    Wait(Need),
    Lost(fn(&mut Losses) -> &mut u64),
}

/// The receiving half. See the [module](self) for how to drive it.
pub struct Receiver {
    transport: Option<RtpOpener>,
    passthrough: Passthrough,
    /// Until then a plain call may still bring sealed frames.
    sealed_until: Option<Instant>,
    voices: BTreeMap<UserId, Voice>,
    owners: BTreeMap<Ssrc, Owner>,
    /// Only streams with waiting packets.
    streams: BTreeMap<Ssrc, Stream>,
    held_bytes: usize,
    ready: VecDeque<Received>,
    /// What never opened is handed out as well, without content.
    tells_unopened: bool,
    alarms: BTreeSet<UserId>,
    counters: Counters,
    now: Option<Instant>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver {
    /// A receiver without transport: it drops every datagram.
    pub const fn new() -> Self {
        Self {
            transport: None,
            passthrough: Passthrough::Never,
            sealed_until: None,
            voices: BTreeMap::new(),
            owners: BTreeMap::new(),
            streams: BTreeMap::new(),
            held_bytes: 0,
            ready: VecDeque::new(),
            tells_unopened: false,
            alarms: BTreeSet::new(),
            counters: Counters::new(),
            now: None,
        }
    }

    // --- what it needs to know -----------------------------------------------------------------

    /// New transport keys; the rest stays. `None`: the connection is gone, and with it all streams,
    /// keys and waiting packets. What is ready can still be polled.
    pub fn transport(&mut self, opener: Option<RtpOpener>) {
        let is_gone = opener.is_none();
        self.transport = opener;
        if is_gone {
            for stream in std::mem::take(&mut self.streams).into_values() {
                self.counters.lost.unplugged += stream.len() as u64;
            }
            self.held_bytes = 0;
            self.passthrough = Passthrough::Never;
            self.voices.clear();
            self.owners.clear();
            self.alarms.clear();
        }
    }

    /// Whether packets that were held in vain come out too, empty and in their place among the others of
    /// their stream: whoever writes down what was said has to know that something was. Off at first.
    pub const fn tell_unopened(&mut self, tells: bool) {
        self.tells_unopened = tells;
    }

    /// News of the end-to-end encryption, in the order the session gave them. [`MediaKeys::Sender`]
    /// is of no concern here.
    pub fn keys(&mut self, now: Instant, keys: &MediaKeys) {
        self.advance(now);
        match keys {
            MediaKeys::Sender(_) => {}
            MediaKeys::Receiver {
                user_id,
                epoch,
                base,
            } => {
                if self.voices.len() >= MAX_KNOWN && !self.voices.contains_key(user_id) {
                    return;
                }
                let voice = self.voices.entry(*user_id).or_default();
                voice.opener.install(base, *epoch, now);
                voice.failures = 0;
                voice.keyed_since.get_or_insert(now);
                voice.forget_at = None;
                self.retry(now, *user_id);
            }
            MediaKeys::Forget { user_id } => {
                if let Some(voice) = self.voices.get_mut(user_id) {
                    voice.forget_at = Some(now + FORGET_AFTER);
                }
            }
            MediaKeys::Passthrough(passthrough) => {
                let was_plain = self.passthrough == Passthrough::Always;
                self.passthrough = *passthrough;
                if *passthrough == Passthrough::Always {
                    if !was_plain {
                        self.sealed_until = Some(now + SEALED_AFTERWARDS);
                    }
                    for voice in self.voices.values_mut() {
                        voice.opener.expire(now);
                    }
                }
            }
        }
    }

    /// Op 5: whose stream this is. Packets may have come before.
    pub fn learn(&mut self, ssrc: Ssrc, user_id: UserId) {
        if self.owners.len() >= MAX_KNOWN && !self.owners.contains_key(&ssrc) {
            return;
        }
        let owner = Owner {
            user: user_id,
            forget_at: None,
        };
        self.owners.insert(ssrc, owner);
        if let Some(now) = self.now {
            self.retry_stream(now, ssrc);
        }
    }

    /// Op 13: the user left. Packets on the way are still taken for 10 s, unless somebody else gets
    /// the ssrc.
    pub fn forget(&mut self, user_id: UserId) {
        match self.now {
            Some(now) => {
                let owners = self.owners.values_mut();
                for owner in owners.filter(|owner| owner.user == user_id) {
                    owner.forget_at = Some(now + FORGET_AFTER);
                }
            }
            // Nothing was received yet: nothing can be on the way.
            None => self.owners.retain(|_, owner| owner.user != user_id),
        }
    }

    // --- packets -------------------------------------------------------------------------------

    /// Takes one RTP datagram; it is decrypted in place.
    pub fn take(&mut self, now: Instant, datagram: &mut [u8]) {
        let Some(transport) = &self.transport else {
            self.counters.lost.unplugged += 1;
            return;
        };
        let opened = match transport.open(datagram) {
            Ok(opened) => opened,
            Err(error) => {
                *transport_loss(error)(&mut self.counters.lost) += 1;
                return;
            }
        };
        let head = Head {
            ssrc: opened.header.ssrc,
            sequence: opened.header.sequence,
            timestamp: opened.header.timestamp,
            arrival: now,
        };
        if let Some(frame) = datagram.get_mut(opened.payload) {
            self.take_frame(now, head, frame);
        }
    }

    /// Takes one frame that came through the transport already. It is opened in place.
    pub fn take_frame(&mut self, now: Instant, head: Head, frame: &mut [u8]) {
        self.advance(now);
        if frame.is_empty() {
            // Allowed, and without meaning (voice.md section 9).
            self.counters.empty += 1;
            return;
        }
        self.place(now, head, frame, None);
    }

    /// The next packet that came through; `None` when there is none for now.
    pub fn poll(&mut self, now: Instant) -> Option<Received> {
        self.advance(now);
        self.ready.pop_front()
    }

    /// Somebody whose frames do not open, again and again: tell the session. Said once for every
    /// 37 frames.
    pub fn undecryptable(&mut self) -> Option<UserId> {
        self.alarms.pop_first()
    }

    /// When to [`poll`](Self::poll) again without anything happening.
    pub fn wake(&self) -> Option<Instant> {
        let held = self.streams.values().filter_map(Stream::oldest);
        let held = held.map(|arrival| arrival + HOLD_TIME);
        let voices = self.voices.values().filter_map(|voice| voice.forget_at);
        let owners = self.owners.values().filter_map(|owner| owner.forget_at);
        held.chain(voices).chain(owners).min()
    }

    /// What came through and what did not.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Packets that wait at the moment.
    pub fn held(&self) -> usize {
        self.streams.values().map(Stream::len).sum()
    }

    // --- deciding ------------------------------------------------------------------------------

    /// Decides about one packet; `need`: what it has waited for, if it has.
    fn place(&mut self, now: Instant, head: Head, frame: &mut [u8], need: Option<Need>) {
        let verdict = match need {
            Some(Need::Nothing) => Verdict::Free,
            _ => self.judge(now, head.ssrc, frame, need.is_none()),
        };
        let waited = need.is_some();
        match verdict {
            Verdict::Free if !self.streams.contains_key(&head.ssrc) => {
                self.release(head, frame, waited);
            }
            // Behind those that wait: order is kept.
            Verdict::Free => self.hold(head, frame, Need::Nothing),
            Verdict::Opened { length, is_first } => {
                self.overtake(head, is_first);
                if let Some(plain) = frame.get(..length) {
                    self.release(head, plain, waited);
                }
                self.let_go(head.ssrc);
            }
            Verdict::Wait(need) => self.hold(head, frame, need),
            Verdict::Lost(reason) => *reason(&mut self.counters.lost) += 1,
        }
    }

    /// The decision of dave.md section 7; `is_new`: this packet is seen for the first time.
    fn judge(&mut self, now: Instant, ssrc: Ssrc, frame: &mut [u8], is_new: bool) -> Verdict {
        if *frame == SILENCE {
            return Verdict::Free;
        }
        let may_be_plain = match self.passthrough {
            Passthrough::Always | Passthrough::Meanwhile => true,
            Passthrough::Until(end) => now < end,
            Passthrough::Never => false,
        };
        if !is_sealed(frame) {
            return if may_be_plain {
                Verdict::Free
            } else {
                Verdict::Lost(|lost| &mut lost.plain)
            };
        }
        // In a plain call a frame looks sealed once in 2^24 by accident.
        let is_settled = self.sealed_until.is_none_or(|until| now >= until);
        if self.passthrough == Passthrough::Always && is_settled && !self.is_anybody_keyed(now) {
            return Verdict::Free;
        }
        let Some(owner) = self.owners.get(&ssrc) else {
            return Verdict::Wait(Need::Owner);
        };
        let Some(voice) = self.voices.get_mut(&owner.user) else {
            return Verdict::Wait(Need::Key);
        };
        match voice.opener.open(frame, now) {
            Ok(length) => {
                voice.failures = 0;
                let is_first = !std::mem::replace(&mut voice.has_opened, true);
                Verdict::Opened { length, is_first }
            }
            Err(FrameError::Replayed) => Verdict::Lost(|lost| &mut lost.replayed),
            Err(FrameError::NoKey) => Verdict::Wait(Need::Key),
            // Perhaps of an epoch to come; in that of an old key its generation may be impossible.
            Err(_) => {
                // Right after a join the others still use keys from before it, until the transition is
                // executed: that is no reason to begin anew, which would interrupt everybody again.
                let settles = voice
                    .keyed_since
                    .is_some_and(|since| !voice.has_opened && now < since + SETTLES_IN);
                if is_new && !settles {
                    voice.failures += 1;
                    if voice.failures > MAX_FAILURES {
                        voice.failures = 0;
                        self.alarms.insert(owner.user);
                    }
                }
                Verdict::Wait(Need::Key)
            }
        }
    }

    fn is_anybody_keyed(&self, now: Instant) -> bool {
        self.voices.values().any(|v| v.opener.has_keys(now))
    }

    fn release(&mut self, head: Head, plain: &[u8], waited: bool) {
        self.counters.released += 1;
        self.counters.delayed += u64::from(waited);
        self.ready(head, plain, false);
    }

    /// Makes way in a full queue, which nobody polls.
    fn ready(&mut self, head: Head, plain: &[u8], unopened: bool) {
        if self.ready.len() >= MAX_READY {
            let dropped = self.ready.pop_front();
            // What never opened was counted already.
            self.counters.lost.overflow +=
                u64::from(dropped.is_some_and(|packet| !packet.unopened));
        }
        let owner = self.owners.get(&head.ssrc);
        self.ready.push_back(Received {
            ssrc: head.ssrc,
            user_id: owner.map(|owner| owner.user),
            sequence: head.sequence,
            timestamp: head.timestamp,
            arrival: head.arrival,
            payload: plain.into(),
            unopened,
        });
    }
}

fn transport_loss(error: OpenError) -> fn(&mut Losses) -> &mut u64 {
    match error {
        OpenError::Unauthentic => |lost| &mut lost.unauthentic,
        OpenError::TooShort | OpenError::NotRtp | OpenError::NotOpus(_) | OpenError::Malformed => {
            |lost| &mut lost.malformed
        }
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver")
            .field("passthrough", &self.passthrough)
            .field("users", &self.voices.len())
            .field("streams", &self.owners.len())
            .field("held", &self.held())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
