//! The one place of this room that reads a clock, and the calendar for timestamps.
//!
//! Everything below the tokio shells takes `now: Instant` as an argument. [`Clock`] turns that
//! instant into Unix time, so a test that moves `now` also moves snowflakes and timestamps.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock, for the shells. Inside a runtime whose clock a test has paused, that one.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Pins monotonic time to Unix time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    origin_unix_ms: u64,
}

impl Clock {
    /// A clock that reads `unix_ms` at `origin`.
    pub const fn new(origin: Instant, unix_ms: u64) -> Self {
        Self {
            origin,
            origin_unix_ms: unix_ms,
        }
    }

    /// The machine's own time of day.
    pub fn system() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self::new(now(), millis(since_epoch))
    }

    /// Milliseconds since the Unix epoch at `now`.
    pub fn unix_ms(&self, now: Instant) -> u64 {
        self.origin_unix_ms + millis(now.saturating_duration_since(self.origin))
    }
}

/// Whole milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `2026-02-01T12:00:00.000000+00:00`, the form of every Discord timestamp (rest.md section 1).
pub(crate) fn iso8601(unix_ms: u64) -> String {
    let (days, in_day) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil_from_days(days);
    let (seconds, ms) = (in_day / 1000, in_day % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}000+00:00",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Days since 1970-01-01 to year, month, day in the Gregorian calendar, by counting years of March
/// to February so that the leap day is the last of its year.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days from 0000-03-01 to 1970-01-01
    let era = shifted / 146_097; // days in 400 years
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_look_like_discords() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(
            iso8601(1_769_947_200_123),
            "2026-02-01T12:00:00.123000+00:00"
        );
        assert_eq!(
            iso8601(1_709_164_800_000),
            "2024-02-29T00:00:00.000000+00:00"
        );
    }

    #[test]
    fn unix_time_follows_the_monotonic_argument() {
        let start = now();
        let clock = Clock::new(start, 1000);
        assert_eq!(clock.unix_ms(start + Duration::from_millis(250)), 1250);
    }
}
