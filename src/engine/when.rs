//! Discord's timestamps: `2026-11-23T13:44:27.123000+00:00`, always UTC.
//!
//! Days are counted from the first of March, as leap days come last then (Hinnant, "chrono-Compatible
//! Low-Level Date Algorithms").

/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// Seconds since the Unix epoch of a timestamp.
pub fn unix_s(timestamp: &str) -> Option<i64> {
    let part = |at: core::ops::Range<usize>| timestamp.get(at)?.parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let (hour, minute, second) = (part(11..13)?, part(14..16)?, part(17..19)?);
    if !(1..=12).contains(&month) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The timestamp of a moment in seconds since the Unix epoch.
pub fn timestamp(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    let days = days + EPOCH_DAYS;
    let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000000+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_become_seconds() {
        assert_eq!(unix_s("1970-01-01T00:00:00+00:00"), Some(0));
        assert_eq!(unix_s("2000-03-01T00:00:00+00:00"), Some(951_868_800));
        let time = unix_s("2026-11-23T13:44:27.123000+00:00");
        assert_eq!(time, Some(1_795_441_467));
        for nonsense in [
            "",
            "2026",
            "2026-13-01T00:00:00",
            "2026-1x-01T00:00:00",
            "é",
        ] {
            assert_eq!(unix_s(nonsense), None);
        }
    }

    #[test]
    fn seconds_become_timestamps_and_come_back() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(timestamp(1_795_441_467), "2026-11-23T13:44:27.000000+00:00");
        for days in (0..40_000).step_by(13) {
            let moment = days * 86_400 + 12_345;
            assert_eq!(unix_s(&timestamp(moment)), Some(moment));
        }
    }
}
