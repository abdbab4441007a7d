//! Always-on histograms that the tick writes and anybody reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Eight steps per doubling: a percentile is off by at most 12.5 %.
const STEPS: u64 = 8;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Covers 0 ns to 2^36 ns (68 s); anything longer is counted in the last bucket.
const BUCKETS: usize = (34 * STEPS) as usize;

/// Counts durations in logarithmic buckets. One thread records, any thread reads; neither waits.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    max_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            max_ns: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts one duration. Only ever called by one thread, so a load and a store are enough and
    /// the bus is not locked. *Tick-safe.*
    pub(crate) fn record(&self, ns: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(ns)) {
            bucket.store(bucket.load(Relaxed) + 1, Relaxed);
        }
        if ns > self.max_ns.load(Relaxed) {
            self.max_ns.store(ns, Relaxed);
        }
    }

    /// Adds what was counted so far to `tally`.
    pub(crate) fn add_to(&self, tally: &mut Tally) {
        for (sum, bucket) in tally.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
        tally.max_ns = tally.max_ns.max(self.max_ns.load(Relaxed));
    }
}

/// The sum of several histograms, on its way to becoming a [`Distribution`].
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    buckets: [u64; BUCKETS],
    max_ns: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS],
            max_ns: 0,
        }
    }
}

impl Tally {
    /// What was counted after `earlier`, a former state of the same histograms. The longest is exact
    /// when it is the longest of all, else the upper edge of its bucket.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut new = Self::default();
        for ((new, now), then) in new
            .buckets
            .iter_mut()
            .zip(&self.buckets)
            .zip(&earlier.buckets)
        {
            *new = now.saturating_sub(*then);
        }
        let last = new.buckets.iter().rposition(|count| *count > 0);
        new.max_ns = last.map_or(0, |last| match self.max_ns > earlier.max_ns {
            true => self.max_ns,
            false => upper_edge_ns(last).min(self.max_ns),
        });
        new
    }

    pub(crate) fn distribution(&self) -> Distribution {
        Distribution {
            count: self.buckets.iter().sum(),
            p50_us: self.percentile_us(0.50),
            p99_us: self.percentile_us(0.99),
            p999_us: self.percentile_us(0.999),
            max_us: self.max_ns as f64 / 1e3,
        }
    }

    /// The upper edge of the bucket in which the share `part` of all durations is reached.
    fn percentile_us(&self, part: f64) -> f64 {
        let count: u64 = self.buckets.iter().sum();
        let wanted = ((count as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (i, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= wanted {
                return upper_edge_ns(i).min(self.max_ns) as f64 / 1e3;
            }
        }
        0.0
    }
}

/// Percentiles of a duration, in microseconds; all 0 when nothing was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Distribution {
    /// How many durations were counted.
    pub count: u64,
    /// Half of them were at most this.
    pub p50_us: f64,
    /// 99 % were at most this (within 12.5 %, as all percentiles here).
    pub p99_us: f64,
    /// 99.9 % were at most this.
    pub p999_us: f64,
    /// The longest, exactly.
    pub max_us: f64,
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us, max {:.0} us",
            self.p50_us, self.p99_us, self.p999_us, self.max_us
        )
    }
}

/// Below 8 ns one bucket per nanosecond; above, the top four bits of the number choose.
fn bucket_of(ns: u64) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let shift = ns.ilog2() - STEP_BITS;
    let bucket = u64::from(shift + 1) * STEPS + ((ns >> shift) - STEPS);
    (bucket as usize).min(BUCKETS - 1)
}

fn upper_edge_ns(bucket: usize) -> u64 {
    let (row, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    match row {
        0 => step,
        _ => ((STEPS + step + 1) << (row - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_narrow() {
        for ns in (0..5000).chain([1 << 20, (1 << 20) + 1, (1 << 30) - 1, 1 << 35]) {
            let bucket = bucket_of(ns);
            assert!(upper_edge_ns(bucket) >= ns, "{ns} ns in bucket {bucket}");
            let below = bucket.checked_sub(1).map(upper_edge_ns);
            assert!(
                below.is_none_or(|edge| edge < ns),
                "{ns} ns in bucket {bucket}"
            );
            assert!(upper_edge_ns(bucket) as f64 <= ns as f64 * 1.125 + 1.0);
        }
    }

    #[test]
    fn percentiles_come_within_an_eighth() {
        let histogram = Histogram::default();
        for us in 1..=1000u64 {
            histogram.record(us * 1000);
        }
        let mut tally = Tally::default();
        histogram.add_to(&mut tally);
        let found = tally.distribution();
        assert_eq!(found.count, 1000);
        assert_eq!(found.max_us, 1000.0);
        for (found, exact) in [(found.p50_us, 500.0), (found.p99_us, 990.0)] {
            assert!(
                (exact..exact * 1.126).contains(&found),
                "{found} for {exact}"
            );
        }
    }

    #[test]
    fn what_came_between_two_looks_is_told_apart() {
        let histogram = Histogram::default();
        let look = || {
            let mut tally = Tally::default();
            histogram.add_to(&mut tally);
            tally
        };
        (0..10).for_each(|_| histogram.record(9_000_000));
        let before = look();
        (0..10).for_each(|_| histogram.record(1_000));
        let calm = look().since(&before).distribution();
        assert_eq!(calm.count, 10);
        assert!((1.0..1.126).contains(&calm.max_us), "{calm}");
        histogram.record(10_000_000);
        let loud = look().since(&before).distribution();
        assert_eq!((loud.count, loud.max_us), (11, 10_000.0));
        assert_eq!(
            before.since(&before).distribution(),
            Distribution::default()
        );
    }

    #[test]
    fn several_threads_add_up_and_endless_is_counted_too() {
        let (a, b) = (Histogram::default(), Histogram::default());
        a.record(5);
        b.record(u64::MAX);
        let mut tally = Tally::default();
        a.add_to(&mut tally);
        b.add_to(&mut tally);
        assert_eq!(tally.distribution().count, 2);
        assert_eq!(tally.distribution().p50_us, 0.005);
        assert_eq!(Tally::default().distribution(), Distribution::default());
    }
}
