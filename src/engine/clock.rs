//! The one place of this room that reads the clock (conventions.md rule 13).

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, for machines and deadlines.
pub fn now() -> Instant {
    Instant::now()
}

/// A seed that differs from start to start: nanoseconds since the Unix epoch.
pub fn seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// Wall time in seconds since the Unix epoch: what Discord's timestamps are compared with.
pub fn unix_s() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
}
