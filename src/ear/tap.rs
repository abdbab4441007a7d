//! The way from an ear thread to whoever listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use crate::{Heard, Want};

/// A second of sound.
const TICKS: usize = 50;
/// Ten seconds of packets, which take a hundredth of the memory.
const TICKS_OF_PACKETS: usize = 500;

/// The listener's end. Dropping it ends the wish.
pub struct Tap {
    ticks: Consumer<Heard>,
    closed: Arc<AtomicBool>,
}

impl Tap {
    /// The next 20 ms, if they are there. Never waits: `None` says nothing about what is to come.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator that ends and goes on would be no better"
    )]
    pub fn next(&mut self) -> Option<Heard> {
        self.ticks.pop().ok()
    }

    /// True when nothing more will come, though something may still be there: the session has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tap({} ticks wait)", self.ticks.slots())
    }
}

/// The ear's end.
pub(crate) struct Spout {
    pub(crate) want: Want,
    ticks: Producer<Heard>,
    missed: u32,
    /// Something was given: what is missed from now on is a gap.
    begun: bool,
    closed: Arc<AtomicBool>,
}

/// Both ends.
pub(crate) fn tap(want: Want) -> (Spout, Tap) {
    let depth = if want.decodes() {
        TICKS
    } else {
        TICKS_OF_PACKETS
    };
    let (producer, consumer) = RingBuffer::new(depth);
    let closed = Arc::new(AtomicBool::new(false));
    let spout = Spout {
        want,
        ticks: producer,
        missed: 0,
        begun: false,
        closed: Arc::clone(&closed),
    };
    let tap = Tap {
        ticks: consumer,
        closed,
    };
    (spout, tap)
}

impl Spout {
    /// Nobody takes anything any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.ticks.is_abandoned()
    }

    /// So many ticks will never come: told of with the next that does.
    pub(crate) const fn skip(&mut self, ticks: u32) {
        if self.begun {
            self.missed = self.missed.saturating_add(ticks);
        }
    }

    /// Hands on what of it is wanted; what does not fit is told of with the next that does.
    pub(crate) fn give(&mut self, heard: &Heard) {
        let Want {
            packets,
            pcm,
            mix,
            lanes,
        } = self.want;
        let voices = heard.voices.iter().map(|voice| crate::Voice {
            pcm: voice.pcm.as_ref().filter(|_| pcm).map(Arc::clone),
            ..voice.clone()
        });
        let wanted = Heard {
            tick: heard.tick,
            at: heard.at,
            lost_before: self.missed,
            voices: if pcm || mix {
                voices.collect()
            } else {
                Vec::new()
            },
            packets: {
                let wanted = |packet: &&crate::Packet| match packet.lane {
                    None => packets,
                    Some(_) => lanes,
                };
                heard.packets.iter().filter(wanted).cloned().collect()
            },
            mix: heard.mix.as_ref().filter(|_| mix).map(Arc::clone),
        };
        self.begun = true;
        match self.ticks.push(wanted) {
            Ok(()) => self.missed = 0,
            Err(PushError::Full(_)) => self.missed = self.missed.saturating_add(1),
        }
    }
}

impl Drop for Spout {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn heard(tick: u64) -> Heard {
        Heard {
            tick,
            at: Instant::now(),
            lost_before: 0,
            voices: Vec::new(),
            packets: Vec::new(),
            mix: None,
        }
    }

    #[test]
    fn a_slow_reader_is_told_how_much_it_missed_and_nothing_waits_for_it() {
        let want = Want {
            pcm: true,
            ..Want::default()
        };
        let (mut spout, mut tap) = tap(want);
        for tick in 0..TICKS as u64 + 7 {
            spout.give(&heard(tick));
        }
        assert_eq!(tap.next().map(|heard| heard.tick), Some(0));
        spout.give(&heard(100));
        let last = std::iter::from_fn(|| tap.next()).last().unwrap();
        assert_eq!((last.tick, last.lost_before), (100, 7));
        assert!(!tap.is_closed());
        drop(spout);
        assert!(tap.is_closed());
    }

    #[test]
    fn ticks_that_never_were_are_told_of_but_not_those_before_the_first() {
        let (mut spout, mut tap) = tap(Want::default());
        spout.skip(9);
        spout.give(&heard(9));
        spout.skip(12);
        spout.give(&heard(22));
        spout.give(&heard(23));
        let told: Vec<_> = std::iter::from_fn(|| tap.next()).collect();
        let told: Vec<_> = told.iter().map(|one| (one.tick, one.lost_before)).collect();
        assert_eq!(told, [(9, 0), (22, 12), (23, 0)]);
    }

    #[test]
    fn a_dropped_tap_is_an_ended_wish() {
        let (spout, tap) = tap(Want::default());
        assert!(!spout.is_abandoned());
        drop(tap);
        assert!(spout.is_abandoned());
    }
}
