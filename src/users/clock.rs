//! The one place of this room that reads clocks (conventions.md rule 13).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now, for machines and deadlines.
pub fn now() -> Instant {
    Instant::now()
}

/// Microseconds since the Unix epoch, for reports.
pub fn unix_us() -> u64 {
    u64::try_from(since_epoch().as_micros()).unwrap_or(u64::MAX)
}

/// The same for an earlier moment.
pub fn unix_us_at(at: Instant) -> u64 {
    let ago = u64::try_from(now().saturating_duration_since(at).as_micros()).unwrap_or(u64::MAX);
    unix_us().saturating_sub(ago)
}

/// A number that differs from start to start, for jitter and first sequence numbers (not for keys).
pub fn seed() -> u64 {
    let since = since_epoch();
    since.as_secs().rotate_left(32) ^ u64::from(since.subsec_nanos())
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
