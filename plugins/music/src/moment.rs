//! Places in a track, as people write them after `/seek`.

use std::time::Duration;

/// No track is longer than this, so nobody means more.
const MOST_S: u64 = 100 * 3600;

/// Where to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// That far from the beginning.
    At(Duration),
    /// That much further on.
    Forward(Duration),
    /// That much back.
    Back(Duration),
    /// That share of the whole, 0.0 to 1.0.
    Share(f64),
}

/// Why a place cannot be gone to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nowhere {
    /// It lies behind the end.
    Beyond(Duration),
    /// A share of something whose length is not known.
    NoLength,
}

impl Moment {
    /// Reads `1:02`, `1:02:45`, `90`, `90s`, `1h10m`, `+30`, `-1:30`, `50%`; `None` for all else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(share) = text.strip_suffix('%') {
            let share: u32 = share.trim().parse().ok()?;
            return (share <= 100).then(|| Self::Share(f64::from(share) / 100.0));
        }
        if let Some(on) = text.strip_prefix('+') {
            return length(on.trim()).map(Self::Forward);
        }
        // A minus sign, or what phones make of it.
        match text.strip_prefix(['-', '−', '–']) {
            Some(back) => length(back.trim()).map(Self::Back),
            None => length(text).map(Self::At),
        }
    }

    /// The place itself, when the track is now at `now`. Before the beginning is the beginning.
    ///
    /// # Errors
    /// [`Nowhere`].
    pub fn from(self, now: Duration, whole: Option<Duration>) -> Result<Duration, Nowhere> {
        let place = match (self, whole) {
            (Self::At(place), _) => place,
            (Self::Forward(by), _) => now + by,
            (Self::Back(by), _) => now.saturating_sub(by),
            (Self::Share(share), Some(whole)) => whole.mul_f64(share.clamp(0.0, 1.0)),
            (Self::Share(_), None) => return Err(Nowhere::NoLength),
        };
        match whole {
            Some(whole) if place >= whole => Err(Nowhere::Beyond(whole)),
            _ => Ok(place),
        }
    }
}

/// `1:02:45`, `90`, `1h10m5s`.
fn length(text: &str) -> Option<Duration> {
    let seconds = if text.contains(':') {
        clock(text)?
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()?
    } else {
        return crate::spans::parse(text)
            .ok()
            .filter(|span| span.as_secs() <= MOST_S);
    };
    (seconds <= MOST_S).then(|| Duration::from_secs(seconds))
}

/// Hours, minutes, seconds with colons between; only the first may be 60 or more.
fn clock(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return None;
    }
    let mut seconds = 0_u64;
    for (n, part) in parts.iter().enumerate() {
        let digits = (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let value: u64 = part.parse().ok().filter(|_| digits)?;
        if n > 0 && value >= 60 {
            return None;
        }
        seconds = seconds * 60 + value;
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_place_is_read_in_every_way_people_write_it() {
        for (text, moment) in [
            ("1:02", Moment::At(s(62))),
            ("1:02:45", Moment::At(s(3765))),
            ("90", Moment::At(s(90))),
            (" 1h10m ", Moment::At(s(4200))),
            ("+30", Moment::Forward(s(30))),
            ("-90s", Moment::Back(s(90))),
            ("−1:30", Moment::Back(s(90))),
            ("50%", Moment::Share(0.5)),
            ("7 %", Moment::Share(0.07)),
        ] {
            assert_eq!(Moment::read(text), Some(moment), "{text}");
        }
        for text in [
            "",
            "+",
            "-",
            "%",
            "1:",
            ":30",
            "1:60",
            "1:2:3:4",
            "101%",
            "-5%",
            "soon",
            "1.5",
            "5x",
            "99999999999999999999",
            "999999h",
            "1:+2",
        ] {
            assert_eq!(Moment::read(text), None, "{text}");
        }
    }

    #[test]
    fn places_are_counted_from_where_the_track_is() {
        let whole = Some(s(120));
        assert_eq!(Moment::Forward(s(30)).from(s(60), whole), Ok(s(90)));
        assert_eq!(Moment::Back(s(90)).from(s(60), whole), Ok(s(0)));
        assert_eq!(Moment::Share(0.25).from(s(60), whole), Ok(s(30)));
        assert_eq!(Moment::At(s(500)).from(s(60), None), Ok(s(500)));
    }

    #[test]
    fn behind_the_end_and_a_share_of_nothing_known_are_nowhere() {
        let whole = Some(s(120));
        let beyond = Err(Nowhere::Beyond(s(120)));
        assert_eq!(Moment::At(s(120)).from(s(0), whole), beyond);
        assert_eq!(Moment::Forward(s(60)).from(s(60), whole), beyond);
        assert_eq!(Moment::Share(1.0).from(s(60), whole), beyond);
        assert_eq!(Moment::Share(0.5).from(s(60), None), Err(Nowhere::NoLength));
    }
}
