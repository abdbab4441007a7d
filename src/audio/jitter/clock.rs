//! The sender's clock seen from here: the fastest way of late, what packets need beyond it, and the
//! delay that follows.

use std::time::{Duration, Instant};

use super::JitterConfig;

/// Nanoseconds of `frames` sample frames at 48 kHz.
pub(super) const fn ns(frames: i64) -> i64 {
    // 1,000,000,000 / 48,000 is 62,500 / 3.
    frames.saturating_mul(62_500) / 3
}

/// Nanoseconds from `from` to `to`; less than nothing when `to` is the earlier.
pub(super) fn between(from: Instant, to: Instant) -> i64 {
    let forward = to.checked_duration_since(from);
    let backward = || from.saturating_duration_since(to);
    match forward {
        Some(time) => i64::try_from(time.as_nanos()).unwrap_or(i64::MAX),
        None => i64::try_from(backward().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

/// The fastest way is that of the last ten seconds: a clock 100 ppm off moves it by 1 ms meanwhile.
const SPANS: usize = 10;
const SPAN_NS: i64 = 1_000_000_000;

/// Delays are counted in steps of 5 ms, up to 320 ms.
const STEP_NS: i64 = 5_000_000;
const STEPS: usize = 64;
/// What a delay still counts one packet later: half after 350 packets, 7 s.
const REMEMBERED: f32 = 0.998;
/// The share of packets that the target is enough for.
const SHARE: f32 = 0.99;
/// The target before the delays of [`TRUSTED`] packets are known: as most calls need.
const FIRST_TARGET_NS: i64 = 40_000_000;
const TRUSTED: u32 = 50;

/// At the beginning of a talkspurt, being so far off means that the sender's timestamps stood still
/// in the pause (as those of several bot libraries do), or jumped.
const RESYNC_NS: i64 = 100_000_000;

/// Packets that the target leaves room for in a buffer of [`super::MAX_PACKETS`].
const TARGET_PACKETS: i64 = 48;

#[derive(Debug)]
pub(super) struct Clock {
    min_ns: i64,
    max_ns: i64,
    /// Arrivals are counted from here, timestamps from `zero`.
    origin: Option<(Instant, i64)>,
    /// Shortest way in each of the last seconds: the number of the second, and the way.
    fastest: [Option<(i64, i64)>; SPANS],
    delays: [f32; STEPS],
    seen: u32,
    target_ns: i64,
    /// RFC 3550 interarrival jitter and the way of the packet before.
    jitter_ns: i64,
    last_way_ns: Option<i64>,
    delay_ns: i64,
    /// The shortest packet of the stream.
    length: i64,
}

impl Clock {
    pub(super) fn new(config: JitterConfig) -> Self {
        let bound = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX / 4);
        let min_ns = bound(config.min);
        let max_ns = bound(config.max).max(min_ns);
        Self {
            min_ns,
            max_ns,
            origin: None,
            fastest: [None; SPANS],
            delays: [0.0; STEPS],
            seen: 0,
            target_ns: FIRST_TARGET_NS.clamp(min_ns, max_ns),
            jitter_ns: 0,
            last_way_ns: None,
            delay_ns: 0,
            length: i64::MAX,
        }
    }

    /// Another stream, another clock; the network is the same.
    pub(super) fn restart(&mut self) {
        self.origin = None;
        self.fastest = [None; SPANS];
        self.last_way_ns = None;
        self.length = i64::MAX;
    }

    /// A packet is so long: many short ones do not fit into a long delay.
    pub(super) fn note_length(&mut self, frames: i64) {
        self.length = self.length.min(frames);
    }

    /// How long the way of `timestamp` took, by two clocks that know nothing of each other.
    fn way_ns(&self, arrival: Instant, timestamp: i64) -> i64 {
        let (origin, zero) = self.origin.unwrap_or((arrival, timestamp));
        between(origin, arrival).saturating_sub(ns(timestamp.saturating_sub(zero)))
    }

    fn fastest_ns(&self) -> Option<i64> {
        self.fastest.iter().flatten().map(|(_, way)| *way).min()
    }

    /// A packet came; `begins` when it is the first after a pause.
    pub(super) fn note(&mut self, arrival: Instant, timestamp: i64, begins: bool) {
        let (origin, _) = *self.origin.get_or_insert((arrival, timestamp));
        let way = self.way_ns(arrival, timestamp);
        if begins {
            let off = self
                .fastest_ns()
                .map_or(0, |fastest| way.saturating_sub(fastest));
            if off.abs() > RESYNC_NS {
                self.fastest = [None; SPANS];
            }
            self.last_way_ns = None;
        }
        let second = between(origin, arrival).div_euclid(SPAN_NS);
        let oldest = second.saturating_sub(SPANS as i64);
        for old in &mut self.fastest {
            if old.is_some_and(|(of, _)| of <= oldest) {
                *old = None;
            }
        }
        let at = second.rem_euclid(SPANS as i64) as usize;
        if let Some(place) = self.fastest.get_mut(at) {
            // A packet that has waited for its key is of an earlier second than others.
            match place {
                Some((of, least)) if *of == second => *least = way.min(*least),
                Some((of, _)) if *of > second => {}
                _ => *place = Some((second, way)),
            }
        }
        if let Some(last) = self.last_way_ns.replace(way) {
            let step = way.saturating_sub(last).saturating_abs();
            self.jitter_ns += (step - self.jitter_ns) / 16;
        }
        let delay = way.saturating_sub(self.fastest_ns().unwrap_or(way));
        self.count(delay);
    }

    fn count(&mut self, delay_ns: i64) {
        let step = usize::try_from(delay_ns / STEP_NS)
            .unwrap_or(0)
            .min(STEPS - 1);
        for (at, share) in self.delays.iter_mut().enumerate() {
            *share *= REMEMBERED;
            if at == step {
                *share += 1.0 - REMEMBERED;
            }
        }
        self.seen = self.seen.saturating_add(1);
        let all: f32 = self.delays.iter().sum();
        let mut below = 0.0;
        let enough = self.delays.iter().position(|share| {
            below += share;
            below >= all * SHARE
        });
        let needed = (enough.unwrap_or(STEPS - 1) as i64 + 1) * STEP_NS;
        let least = if self.seen < TRUSTED {
            FIRST_TARGET_NS
        } else {
            0
        };
        self.target_ns = needed.max(least);
    }

    pub(super) fn target_ns(&self) -> i64 {
        let fits = ns(self.length.saturating_mul(TARGET_PACKETS));
        self.target_ns.min(fits).clamp(self.min_ns, self.max_ns)
    }

    /// How long a packet with `timestamp` would have waited at `now`, had it come the fastest way.
    pub(super) fn waited_ns(&self, now: Instant, timestamp: i64) -> i64 {
        let fastest = self.fastest_ns().unwrap_or(0);
        self.way_ns(now, timestamp).saturating_sub(fastest)
    }

    /// The delay that packets are played with.
    pub(super) fn play(&mut self, delay_ns: i64) {
        self.delay_ns = delay_ns;
    }

    pub(super) fn target(&self) -> Duration {
        duration(self.target_ns())
    }

    pub(super) fn jitter(&self) -> Duration {
        duration(self.jitter_ns)
    }

    pub(super) fn delay(&self) -> Duration {
        duration(self.delay_ns)
    }
}

fn duration(ns: i64) -> Duration {
    Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}
