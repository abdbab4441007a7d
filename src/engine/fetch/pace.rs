//! How long a server may take.

use std::time::Duration;

/// Every time and rate of a transfer.
#[derive(Clone, Debug)]
pub struct Times {
    /// Until the connection stands.
    pub connect: Duration,
    /// From the request until the first bytes of the sound.
    pub head: Duration,
    /// Longest silence inside a transfer.
    pub idle: Duration,
    /// Longest download of a file.
    pub download: Duration,
    /// Over so much waiting the average is taken.
    pub window: Duration,
    /// Lowest average. Sound needs more: even the silence of FLAC has 150 bytes a second.
    pub bytes_per_second: u64,
    /// Pauses before the first, second … attempt to take a broken stream up again; after the last one
    /// it is given up.
    pub back_off: Vec<Duration>,
    /// How long a media thread waits for one read; longer than the pauses together.
    pub read: Duration,
    /// How long a stream gathers bytes before it is handed out, unless it has enough sooner.
    pub prime: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head: Duration::from_secs(15),
            idle: Duration::from_secs(15),
            download: Duration::from_secs(600),
            window: Duration::from_secs(30),
            bytes_per_second: 128,
            back_off: (0..5).map(|n| Duration::from_millis(250 << n)).collect(),
            read: Duration::from_secs(20),
            prime: Duration::from_secs(1),
        }
    }
}

impl Times {
    /// The same for servers that may be silent for so long.
    #[must_use]
    pub fn with_silence(self, silence: Duration) -> Self {
        // Whoever waits for a read gives up after the transfer, not before.
        let margin = self.read.saturating_sub(self.idle);
        Self {
            head: silence,
            idle: silence,
            read: self.read.max(silence + margin),
            ..self
        }
    }
}

/// The average rate of a server. Only the time spent waiting for it counts: who is paused has a full
/// ring and does not wait.
#[derive(Debug, Default)]
pub struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// So much came after so long; false when the average has become too low.
    #[must_use = "a server that drips bytes must be left"]
    pub fn is_enough(&mut self, times: &Times, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < times.window {
            return true;
        }
        let least = times.bytes_per_second as f64 * self.waited.as_secs_f64();
        let enough = self.bytes as f64 >= least;
        *self = Self::default();
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drip_is_too_slow_after_half_a_minute_and_a_slow_radio_is_not() {
        let times = Times::default();
        let second = Duration::from_secs(1);
        let mut drip = Pace::default();
        let lasted = (0..100).take_while(|_| drip.is_enough(&times, second, 100));
        assert_eq!(lasted.count(), 29);
        let mut radio = Pace::default();
        assert!((0..10_000).all(|_| radio.is_enough(&times, second, 1000)));
    }

    #[test]
    fn nothing_at_all_is_too_slow_however_it_is_waited_for() {
        let times = Times::default();
        assert!(!Pace::default().is_enough(&times, Duration::from_secs(31), 0));
        assert!(Pace::default().is_enough(&times, Duration::from_secs(29), 0));
    }
}
