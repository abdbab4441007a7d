//! The one place of this room that reads the clock (conventions, rule 13).

use std::time::Instant;

/// Now. Inside a runtime whose clock a test has paused, its now; everywhere else the machine's.
#[allow(clippy::disallowed_methods)] // this is the allowed place
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Microseconds since `origin`.
pub(crate) fn us_since(origin: Instant) -> u64 {
    u64::try_from(now().saturating_duration_since(origin).as_micros()).unwrap_or(u64::MAX)
}
