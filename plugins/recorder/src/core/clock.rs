//! Where a speaker's RTP clock stands against the recording clock.
//!
//! The network can only delay: of many packets the one that came soonest tells best when it was sent. So the
//! offset between both clocks is the smallest `arrival - rtp` of the last packets, the lower edge of a cloud.
//! The edge moves when the sender's crystal is off; a regression over its corners gives the drift.
//! All values are frames at 48 kHz unless a name says otherwise.

use std::collections::VecDeque;

/// Packets whose soonest gives the offset: of 100 with even jitter of 60 ms it is 0.6 ms late.
const WINDOW_PACKETS: u64 = 100;

/// How long a packet may speak for the offset: 10 s, in which 100 ppm are 1 ms.
const WINDOW_FRAMES: i64 = 480_000;

/// Packets whose delays give the jitter.
const JITTER_PACKETS: usize = 256;

/// Fewer delays than this tell nothing about the jitter.
const JITTER_LEAST: usize = 20;

/// Packets whose soonest is one point of the regression.
const POINT_PACKETS: u32 = 100;

/// How far off a crystal is taken to be at most, as a ratio, while nothing is known: 150 ppm; RFC 7845 and
/// sound cards speak of up to 100.
const WORST_DRIFT: f64 = 150e-6;

/// How exact one point of the regression is: 3 ms, in frames.
const POINT_ERROR: f64 = 144.0;

/// Slack in deciding whether a sender's clock ran on through a pause: 5 ms.
const SLACK: f64 = 240.0;

/// The clock of one sender, seen through a network.
#[derive(Debug, Default)]
pub struct Clock {
    window: VecDeque<Seen>,
    seen: u64,
    seen_in_segment: u64,
    last: Option<(i64, i64)>,
    delays: VecDeque<i64>,
    jitter: Option<i64>,
    /// The longest delay of late, but no more than half again the jitter: stalls are no measure.
    longest: Option<i64>,
    regression: Regression,
    point: Option<(i64, i64)>,
    point_packets: u32,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    count: u64,
    at: i64,
    offset: i64,
}

/// Where a talkspurt begins on the recording timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// What to add to the RTP time to be on the recording timeline.
    pub offset: i64,
    /// Whether the sender's clock ran on since the spurt before.
    pub ran_on: bool,
}

impl Clock {
    /// The offset as the last packets have it: recording time minus RTP time.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        self.window.front().map(|seen| seen.offset)
    }

    /// How fast the sender's clock runs against ours, in parts per million; positive is too fast.
    #[must_use]
    pub fn drift_ppm(&self) -> Option<f64> {
        self.regression.slope().map(|slope| -slope * 1e6)
    }

    /// How uncertain the drift is, in parts per million (one standard deviation).
    #[must_use]
    pub fn drift_error_ppm(&self) -> f64 {
        self.regression.error() * 1e6
    }

    /// The delay that 97 of 100 packets stay below, in frames over the soonest.
    #[must_use]
    pub fn jitter(&self) -> Option<i64> {
        self.jitter
    }

    /// The largest offset that a packet on its usual way has: the soonest and the jitter.
    #[must_use]
    pub fn latest(&self) -> Option<i64> {
        Some(self.offset()? + self.jitter?)
    }

    fn weigh(&mut self) {
        let mut sorted: Vec<i64> = self.delays.iter().copied().collect();
        sorted.sort_unstable();
        self.jitter = sorted.get(sorted.len() * 97 / 100).copied();
        let most = self.jitter.map(|jitter| jitter * 3 / 2);
        self.longest = sorted.last().copied().min(most);
    }

    /// Notes one packet that arrived at `at` and whose unwrapped RTP time is `rtp`.
    pub fn observe(&mut self, at: i64, rtp: i64) {
        let offset = at - rtp;
        self.put(at, offset);
        let edge = self.offset().unwrap_or(offset);
        self.last = Some((at, edge));
        if self.delays.len() == JITTER_PACKETS {
            self.delays.pop_front();
        }
        self.delays.push_back(offset - edge);
        self.seen_in_segment += 1;
        if self.seen.is_multiple_of(16) && self.delays.len() >= JITTER_LEAST {
            self.weigh();
        }
        self.point_packets += 1;
        if self.point.is_none_or(|(_, least)| offset < least) {
            self.point = Some((at, offset));
        }
        if self.point_packets >= POINT_PACKETS
            && let Some((at, offset)) = self.point.take()
        {
            self.regression.add(at as f64, offset as f64);
            self.point_packets = 0;
        }
    }

    /// Forgets the offset: another stream begins, whose RTP time has nothing to do with the one before. The
    /// drift stays, since it is the same crystal, and so does the jitter.
    pub fn restart(&mut self) {
        self.window.clear();
        self.last = None;
        self.seen_in_segment = 0;
        self.point = None;
        self.point_packets = 0;
        self.regression.close();
    }

    /// Anchors a talkspurt by its first packets, each `(arrival, unwrapped RTP time)`; at least one.
    ///
    /// Whether the RTP clock ran on through the pause is seen from the delays: if it did, what is known of
    /// the offset is far better than a few packets; if it did not, these are all there is.
    pub fn anchor(&mut self, first: &[(i64, i64)]) -> Option<Anchor> {
        let offsets = first.iter().map(|(at, rtp)| at - rtp);
        let (soonest, latest) = (offsets.clone().min()?, offsets.max()?);
        let at = first.iter().map(|(at, _)| *at).min()?;
        let count = first.len() as f64;
        let spread = (latest - soonest) as f64;
        let high = soonest as f64;
        let jitter = self.jitter().map(|jitter| jitter as f64);
        // Three of a hundred are later than the jitter: one of them must not pass for a clock that stood still.
        let tail = self
            .longest
            .zip(self.jitter)
            .map_or(0, |(longest, jitter)| longest - jitter);
        let slack = SLACK + tail.max(0) as f64;
        // The true edge lies below the soonest packet, and the latest is no later than the jitter allows. With
        // an unknown jitter, the edge of evenly spread values is estimated from their range; of values that
        // crowd in the middle, as sums of delays do, the soonest of a dozen is a quarter of their range late.
        let low = match jitter {
            Some(jitter) if latest as f64 - jitter <= high => latest as f64 - jitter,
            Some(jitter) => high - jitter / (count + 1.0),
            None => high - spread * (2.0 / (count - 1.0).max(1.0)).max(0.5),
        };
        let middle = f64::midpoint(low, high);
        let ran_on = self
            .expected(at, jitter.unwrap_or(spread))
            .filter(|(expected, error)| {
                expected + error >= low - slack && expected - error <= high + SLACK
            });
        if let Some((expected, error)) = ran_on {
            let offset = middle.clamp(expected - error, expected + error).min(high);
            let young = self
                .last
                .is_some_and(|(last, _)| at - last < WINDOW_FRAMES && !self.window.is_empty());
            if !young {
                self.window.clear();
                self.put(at, offset as i64);
            }
            let offset = if young { expected.min(high) } else { offset };
            return Some(Anchor {
                offset: offset as i64,
                ran_on: true,
            });
        }
        self.restart();
        self.put(at, middle as i64);
        self.last = Some((at, middle as i64));
        Some(Anchor {
            offset: middle as i64,
            ran_on: false,
        })
    }

    /// The offset to expect at `at`, and how far off that may be.
    fn expected(&self, at: i64, jitter: f64) -> Option<(f64, f64)> {
        let (last, edge) = self.last?;
        let passed = (at - last).max(0) as f64;
        let known = self.seen_in_segment.min(WINDOW_PACKETS) as f64;
        let error = jitter / (known + 1.0) + self.regression.error() * passed;
        Some((
            edge as f64 + self.regression.slope().unwrap_or(0.0) * passed,
            error,
        ))
    }

    /// Keeps the window's values in rising order, so that its front is the smallest.
    fn put(&mut self, at: i64, offset: i64) {
        self.seen += 1;
        while self.window.back().is_some_and(|seen| seen.offset >= offset) {
            self.window.pop_back();
        }
        self.window.push_back(Seen {
            count: self.seen,
            at,
            offset,
        });
        while self.window.front().is_some_and(|seen| {
            seen.count + WINDOW_PACKETS < self.seen || seen.at + WINDOW_FRAMES < at
        }) {
            self.window.pop_front();
        }
    }
}

/// A straight line through the points of several segments that share the slope but not the height.
#[derive(Debug, Default)]
struct Regression {
    count: f64,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    xy: f64,
    closed_xx: f64,
    closed_xy: f64,
}

impl Regression {
    fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        let dx = x - self.mean_x;
        self.mean_x += dx / self.count;
        let dy = y - self.mean_y;
        self.mean_y += dy / self.count;
        self.xx += dx * (x - self.mean_x);
        self.xy += dx * (y - self.mean_y);
    }

    fn close(&mut self) {
        self.closed_xx += self.xx;
        self.closed_xy += self.xy;
        (self.count, self.mean_x, self.mean_y) = (0.0, 0.0, 0.0);
        (self.xx, self.xy) = (0.0, 0.0);
    }

    /// The slope, once it says more than that crystals are good.
    fn slope(&self) -> Option<f64> {
        let xx = self.xx + self.closed_xx;
        (xx > 0.0 && POINT_ERROR / xx.sqrt() < WORST_DRIFT / 3.0)
            .then(|| (self.xy + self.closed_xy) / xx)
    }

    fn error(&self) -> f64 {
        let xx = self.xx + self.closed_xx;
        match self.slope() {
            Some(_) => 2.0 * POINT_ERROR / xx.sqrt(),
            None => WORST_DRIFT,
        }
    }
}
