//! How loud a file says it is, from ReplayGain or the Opus files' own way of saying it.

/// What brings a track to the loudness of all others, by its tags: −18 LUFS (ReplayGain 2.0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    /// What to turn it by, decibel; −[`MAX_DB`](Gain::MAX_DB) to [`MAX_DB`](Gain::MAX_DB).
    pub db: f32,
    /// Its highest sample before that, 1.0 being full scale, if the tags know it.
    pub peak: Option<f32>,
}

impl Gain {
    /// No tag is believed that asks for more: ReplayGain itself ends at ±51 dB.
    pub const MAX_DB: f32 = 51.0;
}

/// Highest peak believed: decoded mp3 goes a little over full scale, broken tags far over it.
const MAX_PEAK: f32 = 16.0;

/// `R128_TRACK_GAIN` aims at −23 LUFS (RFC 7845 section 5.2.1), ReplayGain at −18.
const R128_TO_REPLAY_GAIN_DB: f32 = 5.0;

/// The names of the tags.
pub const TRACK_GAIN: &str = "REPLAYGAIN_TRACK_GAIN";
/// Likewise.
pub const TRACK_PEAK: &str = "REPLAYGAIN_TRACK_PEAK";

/// What was found so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    replay_gain_db: Option<f32>,
    r128_db: Option<f32>,
    peak: Option<f32>,
}

impl Found {
    /// Takes a tag by its own name, whatever the format; other tags are passed over.
    pub fn take(&mut self, key: &str, value: &str) {
        let is = |name: &str| key.eq_ignore_ascii_case(name);
        if is(TRACK_GAIN) {
            self.replay_gain_db = decibels(value).or(self.replay_gain_db);
        } else if is(TRACK_PEAK) {
            self.peak = peak(value).or(self.peak);
        } else if is("R128_TRACK_GAIN") {
            self.r128_db = q8(value).or(self.r128_db);
        }
    }

    /// What it comes to. In Opus `R128_TRACK_GAIN` is the tag that the format knows, so it counts.
    pub fn gain(&self) -> Option<Gain> {
        let r128 = self.r128_db.map(|db| db + R128_TO_REPLAY_GAIN_DB);
        let db = r128.or(self.replay_gain_db)?;
        (db.abs() <= Gain::MAX_DB).then_some(Gain {
            db,
            peak: self.peak,
        })
    }
}

/// Reads `-7.89 dB`, with or without the unit.
fn decibels(text: &str) -> Option<f32> {
    let text = text.trim();
    let number = match text
        .len()
        .checked_sub(2)
        .and_then(|at| text.split_at_checked(at))
    {
        Some((number, unit)) if unit.eq_ignore_ascii_case("dB") => number.trim_end(),
        _ => text,
    };
    // Some programs write numbers the way their country does.
    let db: f32 = number.replace(',', ".").parse().ok()?;
    (db.abs() <= Gain::MAX_DB).then_some(db)
}

fn peak(text: &str) -> Option<f32> {
    let peak: f32 = text.trim().replace(',', ".").parse().ok()?;
    (peak > 0.0 && peak <= MAX_PEAK).then_some(peak)
}

/// Reads a whole number of 1/256 dB.
fn q8(text: &str) -> Option<f32> {
    let number: i16 = text.trim().parse().ok()?;
    Some(f32::from(number) / 256.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tags: &[(&str, &str)]) -> Option<Gain> {
        let mut found = Found::default();
        tags.iter().for_each(|(key, value)| found.take(key, value));
        found.gain()
    }

    #[test]
    fn gains_are_read_as_programs_write_them() {
        let gain = |db, peak| Some(Gain { db, peak });
        let track = "replaygain_track_gain";
        for (text, db) in [
            ("-7.89 dB", -7.89),
            ("+3.5dB", 3.5),
            ("2,25 db", 2.25),
            ("0", 0.0),
        ] {
            assert_eq!(found(&[(track, text)]), gain(db, None), "{text}");
        }
        let peak = ("REPLAYGAIN_TRACK_PEAK", "0.988");
        assert_eq!(found(&[(track, "1 dB"), peak]), gain(1.0, Some(0.988)));
        let r128 = ("R128_TRACK_GAIN", "-1280");
        assert_eq!(
            found(&[r128]),
            gain(0.0, None),
            "-5 dB, and 5 to the other loudness"
        );
        assert_eq!(found(&[(track, "9 dB"), r128]), gain(0.0, None));
    }

    #[test]
    fn nonsense_is_no_gain() {
        let track = "REPLAYGAIN_TRACK_GAIN";
        for text in [
            "", "dB", "loud", "NaN dB", "inf", "1e9 dB", "-60 dB", "\u{e9}", "--1 dB",
        ] {
            assert_eq!(found(&[(track, text)]), None, "{text}");
        }
        for peak in ["0", "-1", "NaN", "1e30", ""] {
            let tags = [(track, "1 dB"), ("REPLAYGAIN_TRACK_PEAK", peak)];
            assert_eq!(found(&tags).map(|gain| gain.peak), Some(None), "{peak}");
        }
        assert_eq!(found(&[("R128_TRACK_GAIN", "99999")]), None);
        assert_eq!(
            found(&[("REPLAYGAIN_TRACK_PEAK", "1")]),
            None,
            "a peak alone says nothing"
        );
    }
}
