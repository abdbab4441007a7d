//! The one place of this room that reads the clock (conventions, rule 13).

use std::time::Instant;

/// Now.
#[allow(clippy::disallowed_methods)] // this is the allowed place
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since `origin`.
pub(crate) fn us_since(origin: Instant) -> u64 {
    u64::try_from(now().saturating_duration_since(origin).as_micros()).unwrap_or(u64::MAX)
}
