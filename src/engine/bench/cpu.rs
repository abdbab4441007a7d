//! What work has cost: CPU time, not time that passed.

use std::collections::HashMap;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this process so far, all its threads together.
#[must_use]
pub fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// CPU time of the calling thread so far.
#[must_use]
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    let s = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(s, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// CPU time of the threads that are alive now, by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByThread {
    /// Tick threads.
    pub tick: Duration,
    /// Media threads.
    pub media: Duration,
}

impl ByThread {
    /// What was added after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            tick: self.tick.saturating_sub(earlier.tick),
            media: self.media.saturating_sub(earlier.media),
        }
    }
}

/// As the kernel counts; all zero where it does not say (`/proc/self/task/*/schedstat`).
#[must_use]
pub fn by_thread() -> ByThread {
    let mut sums: HashMap<&str, Duration> = HashMap::new();
    let tasks = std::fs::read_dir("/proc/self/task");
    for task in tasks.into_iter().flatten().flatten() {
        let read = |what: &str| std::fs::read_to_string(task.path().join(what));
        let (Ok(name), Ok(stat)) = (read("comm"), read("schedstat")) else {
            continue; // it has just ended
        };
        let kind = ["mynah-tick", "media-"]
            .into_iter()
            .find(|kind| name.starts_with(kind));
        let ns = stat
            .split_whitespace()
            .next()
            .and_then(|ns| ns.parse().ok());
        if let (Some(kind), Some(ns)) = (kind, ns) {
            *sums.entry(kind).or_default() += Duration::from_nanos(ns);
        }
    }
    let sum = |kind| sums.get(kind).copied().unwrap_or_default();
    ByThread {
        tick: sum("mynah-tick"),
        media: sum("media-"),
    }
}
