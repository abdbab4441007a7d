//! Packets that wait: in, out, and out of time.

use std::time::{Duration, Instant};

use mynah_wire::{Ssrc, UserId};

use super::stream::{Held, Need};
use super::{HELD_PER_STREAM, HOLD_TIME, Head, MAX_HELD_BYTES, MAX_WAITING_STREAMS, Receiver};

/// How long after the first keys of a user their frames may be of an epoch before ours. Transitions
/// take 2 s at most (dave.md section 9); later, what does not open is a loss.
const BEFORE_US: Duration = Duration::from_secs(5);

/// Why a packet waits no longer.
#[derive(Clone, Copy)]
enum End {
    /// It is its turn.
    Turn,
    Late,
    Overflow,
    /// A later one opened. `is_first`: nothing of this user had opened before.
    Overtaken {
        is_first: bool,
    },
}

impl Receiver {
    pub(super) fn hold(&mut self, head: Head, frame: &[u8], need: Need) {
        let held = Held {
            head,
            frame: frame.into(),
            need,
        };
        let has_place =
            self.streams.len() < MAX_WAITING_STREAMS || self.streams.contains_key(&head.ssrc);
        if !has_place || self.held_bytes + held.bytes() > MAX_HELD_BYTES {
            self.counters.lost.overflow += 1;
            self.tell_of(head);
            return;
        }
        self.held_bytes += held.bytes();
        let stream = self.streams.entry(head.ssrc).or_default();
        stream.push(held);
        if stream.len() > HELD_PER_STREAM {
            // The oldest has waited longest in vain, and is missed least.
            let oldest = stream.pop();
            self.give_up(oldest, End::Overflow);
            self.let_go(head.ssrc);
        }
    }

    /// A packet opened: those before it in its stream that are still closed will never open, for a
    /// sender does not go back to an earlier epoch.
    pub(super) fn overtake(&mut self, head: Head, is_first: bool) {
        let Some(stream) = self.streams.get_mut(&head.ssrc) else {
            return;
        };
        for held in stream.take_before(head.sequence) {
            self.give_up(Some(held), End::Overtaken { is_first });
        }
    }

    /// Releases what waits for nothing but its turn.
    pub(super) fn let_go(&mut self, ssrc: Ssrc) {
        while let Some(stream) = self.streams.get_mut(&ssrc) {
            if stream.is_empty() {
                self.streams.remove(&ssrc);
                return;
            }
            let Some(held) = stream.pop_free() else {
                return;
            };
            self.give_up(Some(held), End::Turn);
        }
    }

    /// A packet waits no longer: released if it needs nothing, else lost.
    fn give_up(&mut self, held: Option<Held>, end: End) {
        let Some(held) = held else {
            return;
        };
        self.held_bytes -= held.bytes();
        let is_before_us = match end {
            End::Overtaken { is_first } => is_first,
            End::Late | End::Overflow => self.is_before_us(held.head),
            End::Turn => false,
        };
        let lost = &mut self.counters.lost;
        match (held.need, end) {
            (Need::Nothing, _) => return self.release(held.head, &held.frame, true),
            (Need::Key, _) if is_before_us => {
                self.counters.before_us += 1;
                return;
            }
            (_, End::Overflow) => lost.overflow += 1,
            (Need::Owner, _) => lost.unknown_ssrc += 1,
            (Need::Key, _) => lost.no_key += 1,
        }
        self.tell_of(held.head);
    }

    /// Of a packet that never opened, if anybody wants to know.
    fn tell_of(&mut self, head: Head) {
        if self.tells_unopened {
            self.ready(head, &[], true);
        }
    }

    /// There were keys, but the sender did not use them yet.
    fn is_before_us(&self, head: Head) -> bool {
        let owner = self.owners.get(&head.ssrc);
        let voice = owner.and_then(|owner| self.voices.get(&owner.user));
        voice.is_some_and(|voice| {
            let is_early = |since: Instant| head.arrival < since + BEFORE_US;
            !voice.has_opened && voice.keyed_since.is_some_and(is_early)
        })
    }

    pub(super) fn retry(&mut self, now: Instant, user: UserId) {
        let streams: Vec<Ssrc> = self
            .streams
            .keys()
            .copied()
            .filter(|ssrc| self.owners.get(ssrc).is_some_and(|o| o.user == user))
            .collect();
        for ssrc in streams {
            self.retry_stream(now, ssrc);
        }
    }

    /// Something new is known: every waiting packet is judged again, in order.
    pub(super) fn retry_stream(&mut self, now: Instant, ssrc: Ssrc) {
        let Some(mut stream) = self.streams.remove(&ssrc) else {
            return;
        };
        while let Some(mut held) = stream.pop() {
            self.held_bytes -= held.bytes();
            self.place(now, held.head, &mut held.frame, Some(held.need));
        }
    }

    /// Lets go of what has waited too long, and forgets who left long ago.
    pub(super) fn advance(&mut self, now: Instant) {
        let now = self.now.map_or(now, |before| before.max(now));
        self.now = Some(now);
        if self.wake().is_none_or(|wake| now < wake) {
            return;
        }
        let late: Vec<Ssrc> = self.streams.keys().copied().collect();
        for ssrc in late {
            while let Some(stream) = self.streams.get_mut(&ssrc)
                && stream.oldest().is_some_and(|at| at + HOLD_TIME <= now)
            {
                let held = stream.pop();
                self.give_up(held, End::Late);
                self.let_go(ssrc);
            }
        }
        let stays = |at: Option<Instant>| at.is_none_or(|at| now < at);
        self.voices.retain(|_, voice| stays(voice.forget_at));
        self.owners.retain(|_, owner| stays(owner.forget_at));
    }
}
