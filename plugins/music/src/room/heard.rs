//! How far a track is, by the clock.

use std::time::Duration;

/// How much has been heard, by the clock; the engine's own count is asked for where it matters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    before: Duration,
    since: Option<Duration>,
    /// Seconds of the file in one second.
    tempo: f64,
    /// The length of what begins again at its end.
    lap: Option<Duration>,
}

impl Heard {
    /// Nothing heard yet, from a place on.
    pub(super) fn from(start: Duration, tempo: f64, lap: Option<Duration>) -> Self {
        Self {
            before: start,
            since: None,
            tempo,
            lap: lap.filter(|lap| !lap.is_zero()),
        }
    }

    pub(super) fn at(self, now: Duration) -> Duration {
        let played = self
            .since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let at = if self.tempo == 1.0 {
            self.before + played
        } else {
            self.before + played.mul_f64(self.tempo)
        };
        match self.lap.map(|lap| at.as_nanos() % lap.as_nanos()) {
            Some(nanos) => Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)),
            None => at,
        }
    }

    /// How long until a place is heard, at this tempo.
    pub(super) fn until(self, now: Duration, place: Duration) -> Duration {
        let left = place.saturating_sub(self.at(now));
        if self.tempo == 1.0 {
            left
        } else {
            left.div_f64(self.tempo)
        }
    }

    /// Whether it moves.
    pub(super) fn runs(self) -> bool {
        self.since.is_some()
    }

    pub(super) fn hold(&mut self, now: Duration) {
        self.before = self.at(now);
        self.since = None;
    }

    pub(super) fn go_on(&mut self, now: Duration) {
        self.before = self.at(now);
        self.since = Some(now);
    }

    /// Goes on at another tempo, or round and round from now on.
    pub(super) fn change(&mut self, now: Duration, tempo: f64, lap: Option<Duration>) {
        self.before = self.at(now);
        self.since = self.since.map(|_| now);
        self.tempo = tempo;
        self.lap = lap.filter(|lap| !lap.is_zero());
    }
}
