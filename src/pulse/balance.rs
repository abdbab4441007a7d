//! Moving mixes from a tick thread that has too much to do to one that has room.
#![allow(
    clippy::disallowed_methods,
    reason = "control side: runs on the janitor's thread"
)]

use std::collections::HashMap;
use std::net::UdpSocket;

use crate::load::{ROUND_NS, Strain};
use crate::stats::{SessionStats, Stats, ThreadStats};
use crate::{PulseHandle, SessionKey};

/// A thread this busy gives mixes away, if there is a better place for them: well before it lowers
/// its encoders' complexity.
const HOT_NS: u64 = ROUND_NS * 65 / 100;
/// No thread is made busier than this by a mix that comes.
const FULL_NS: u64 = ROUND_NS * 50 / 100;
/// So much more must be left on the old thread than the new one has then: the way back never pays.
const MARGIN_NS: u64 = ROUND_NS * 10 / 100;
/// A thread has to be hot in so many looks in a row; one that saves work already, in fewer: it is
/// helped before it has to leave frames out.
const HOT_LOOKS: u32 = 10;
const SAVING_LOOKS: u32 = 2;
/// Mixes that move at once. After them the measured averages need time to follow: so many looks.
const AT_ONCE: usize = 8;
const REST_LOOKS: u32 = 25;
/// Looks in which a mix that has moved does not move again.
const STAY_LOOKS: u32 = 500;

/// Moves mixes when one tick thread is near its limit and another is clearly below. The threads of a
/// [`Pulse`](crate::Pulse) have one; who steps wheels by hand may have one, too.
#[derive(Debug)]
pub struct Balancer<L = UdpSocket> {
    handle: PulseHandle<L>,
    look: u32,
    hot_looks: u32,
    rests_until: u32,
    moved: HashMap<SessionKey, u32>,
}

impl<L> Balancer<L> {
    /// For the threads behind `handle`.
    #[must_use]
    pub fn new(handle: PulseHandle<L>) -> Self {
        Self {
            handle,
            look: 0,
            hot_looks: 0,
            rests_until: 0,
            moved: HashMap::new(),
        }
    }

    /// Looks at what was measured and moves what should be moved. To be called every 20 ms; returns
    /// how many mixes are told to move.
    pub fn look(&mut self) -> usize {
        self.look = self.look.wrapping_add(1);
        if self.handle.threads() < 2 || self.look < self.rests_until {
            return 0;
        }
        let looks = match self.handle.strain(HOT_NS) {
            Strain::None => {
                self.hot_looks = 0;
                return 0;
            }
            Strain::Busy => HOT_LOOKS,
            Strain::Saving => SAVING_LOOKS,
        };
        self.hot_looks += 1;
        if self.hot_looks < looks {
            return 0;
        }
        self.hot_looks = 0;
        let now = self.look;
        self.moved
            .retain(|_, at| now.wrapping_sub(*at) < STAY_LOOKS);
        let moves = plan(&self.handle.stats(), |session| {
            self.moved.contains_key(&session)
        });
        let mut moved = 0;
        for (session, thread) in moves {
            // A full phase over there: the next look finds another mix.
            self.moved.insert(session, now);
            moved += usize::from(self.handle.move_to(session, thread).is_ok());
        }
        if moved > 0 {
            self.rests_until = now + REST_LOOKS;
        }
        moved
    }
}

/// Which mixes should go where: the costliest of the busiest thread to the one with the most room,
/// as long as that makes things better than they would be the other way round.
fn plan(stats: &Stats, stays: impl Fn(SessionKey) -> bool) -> Vec<(SessionKey, usize)> {
    let threads = || stats.threads.iter().zip(0..);
    let from = threads().max_by_key(|(thread, _)| (thread.overload_rung, thread.busy_ns));
    let Some((hot, from)) = from else {
        return Vec::new();
    };
    let willing = |thread: &ThreadStats| !thread.overloaded && thread.overload_rung == 0;
    let open = threads().filter(|(thread, at)| *at != from && willing(thread));
    let Some((calm, to)) = open.min_by_key(|(thread, _)| thread.busy_ns) else {
        return Vec::new();
    };
    let (mut source, mut target) = (hot.busy_ns, calm.busy_ns);
    let costs = |mix: &&SessionStats| mix.thread == from && !stays(mix.session);
    let mixes = stats.sessions.iter().filter(costs);
    let mut mixes: Vec<_> = mixes
        .filter_map(|mix| Some((mix.session, mix.measured?)))
        .collect();
    mixes.sort_unstable_by_key(|(_, cost)| std::cmp::Reverse(cost.mean_ns));
    let mut moves = Vec::new();
    for (session, cost) in mixes {
        // Where there is room, the encoder works as hard again as it was asked to.
        let there = cost.mean_ns.max(cost.floor_ns * 2);
        let (less, more) = (source.saturating_sub(cost.mean_ns), target + there);
        if more <= FULL_NS && more + MARGIN_NS <= less {
            (source, target) = (less, more);
            moves.push((session, to));
        }
        if moves.len() == AT_ONCE {
            break;
        }
    }
    moves
}
