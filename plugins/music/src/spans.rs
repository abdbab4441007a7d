//! Lengths of time and positions, read from the configuration and written for people.

use std::time::Duration;

use thiserror::Error;

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a length of time: write it like \"90s\", \"45m\", \"4h\" or \"1h30m\"")]
pub struct NotASpan(pub String);

/// Reads `"90s"`, `"45m"`, `"4h"`, `"1h30m"`: whole numbers, each followed by `h`, `m` or `s`, at most ten years.
///
/// # Errors
/// [`NotASpan`] for anything else, including an empty text.
pub fn parse(text: &str) -> Result<Duration, NotASpan> {
    const LIMIT_S: u64 = 10 * 366 * 24 * 3600;
    let refused = || NotASpan(text.to_owned());
    let (mut total, mut number) = (0_u64, None::<u64>);
    for c in text.trim().chars() {
        if let Some(digit) = c.to_digit(10) {
            let grown = number
                .unwrap_or(0)
                .checked_mul(10)
                .and_then(|n| n.checked_add(digit.into()));
            number = Some(grown.ok_or_else(refused)?);
            continue;
        }
        let unit_s = match c.to_ascii_lowercase() {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(refused()),
        };
        let part = number
            .take()
            .and_then(|n| n.checked_mul(unit_s))
            .ok_or_else(refused)?;
        total = total
            .checked_add(part)
            .filter(|t| *t <= LIMIT_S)
            .ok_or_else(refused)?;
    }
    if number.is_some() || text.trim().is_empty() {
        return Err(refused()); // a bare number has no unit: seconds or minutes would be a guess
    }
    Ok(Duration::from_secs(total))
}

/// `3:07`, `1:02:45`: a position or a length as players show it.
#[must_use]
pub fn clock(span: Duration) -> String {
    let s = span.as_secs();
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    if h > 0 {
        format!("{h}:{m:02}:{s:02}")
    } else {
        format!("{m}:{s:02}")
    }
}

/// `less than a minute`, `about 7 min`, `about 1 h 20 min`: a wait, rounded to the next minute.
#[must_use]
pub fn about(span: Duration) -> String {
    let minutes = span.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        _ if span < Duration::from_secs(60) => "less than a minute".to_owned(),
        (0, m) => format!("about {m} min"),
        (h, 0) => format!("about {h} h"),
        (h, m) => format!("about {h} h {m} min"),
    }
}

/// `1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`.
#[must_use]
pub fn ordinal(n: usize) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_in_hours_minutes_and_seconds() {
        assert_eq!(parse("4h"), Ok(Duration::from_secs(4 * 3600)));
        assert_eq!(parse(" 1h30m "), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn a_length_without_a_unit_or_beyond_reason_is_refused() {
        for text in [
            "",
            "5",
            "h",
            "4 h",
            "5x",
            "1h30",
            "99999999999999999999h",
            "9999999999h",
        ] {
            assert_eq!(parse(text), Err(NotASpan(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn positions_look_like_a_player() {
        assert_eq!(clock(Duration::from_millis(187_900)), "3:07");
        assert_eq!(clock(Duration::from_secs(3765)), "1:02:45");
        assert_eq!(clock(Duration::ZERO), "0:00");
    }

    #[test]
    fn waits_are_rounded_for_people() {
        assert_eq!(about(Duration::from_secs(59)), "less than a minute");
        assert_eq!(about(Duration::from_secs(60)), "about 1 min");
        assert_eq!(about(Duration::from_secs(61)), "about 2 min");
        assert_eq!(about(Duration::from_secs(7200)), "about 2 h");
        assert_eq!(about(Duration::from_secs(4800)), "about 1 h 20 min");
    }

    #[test]
    fn places_in_line_read_as_english() {
        let places = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal);
        assert_eq!(
            places,
            [
                "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"
            ]
        );
    }
}
