//! What a number of sessions took, and whether they held.

use std::time::Duration;

use mynah_pulse::Stats;

use super::Setup;
use super::cpu::ByThread;

/// Wakes of a tick thread for each frame of a session.
const WAKES_PER_FRAME: u64 = 4;
/// What still counts as punctual.
const LATE_US: f64 = 10_000.0;

/// A stretch of time in a hall.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How the hall was opened.
    pub setup: Setup,
    /// How many played.
    pub sessions: usize,
    /// How long.
    pub wall: Duration,
    /// What the tick threads counted in that time.
    pub stats: Stats,
    /// CPU time of the whole process.
    pub cpu: Duration,
    /// The same of tick and media threads.
    pub threads: ByThread,
    /// Tracks whose ring ran empty.
    pub stalls: u64,
    /// The lowest complexity that the overload ladder allowed meanwhile.
    pub lowest_complexity: u8,
    /// One more session was refused.
    pub refused: bool,
}

/// Why sessions do not hold, the first thing to be given up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Tick threads were too busy and encoded with less effort.
    Complexity,
    /// Tick threads left frames out.
    Skipped,
    /// Media threads did not fill the rings in time.
    Decoders,
    /// Packets left too late.
    Late,
    /// The tick threads take no more sessions.
    Refused,
}

impl Measured {
    /// Frames that all sessions together had to send.
    #[must_use]
    pub fn frames_due(&self) -> u64 {
        let threads = self.setup.threads.max(1) as u64;
        let ticks = self.stats.wakes / threads / WAKES_PER_FRAME;
        ticks * self.sessions as u64
    }

    /// Frames that were made and sent.
    #[must_use]
    pub fn frames_sent(&self) -> u64 {
        self.stats.packets_sent
    }

    /// CPU time for one frame of one session, everything together, microseconds.
    #[must_use]
    pub fn cpu_us_per_frame(&self) -> f64 {
        per(self.cpu, self.frames_sent())
    }

    /// The same of the tick threads alone.
    #[must_use]
    pub fn tick_us_per_frame(&self) -> f64 {
        per(self.threads.tick, self.frames_sent())
    }

    /// The same of the media threads alone.
    #[must_use]
    pub fn media_us_per_frame(&self) -> f64 {
        per(self.threads.media, self.frames_sent())
    }

    /// How busy the tick threads were, 0 to 1.
    #[must_use]
    pub fn tick_load(&self) -> f64 {
        let time = self.wall.as_secs_f64() * self.setup.threads.max(1) as f64;
        self.threads.tick.as_secs_f64() / time.max(1e-9)
    }

    /// How many cores the whole process kept busy.
    #[must_use]
    pub fn cores(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64().max(1e-9)
    }

    /// Packets that left later than 10 ms after their deadline, as a share of all.
    #[must_use]
    pub fn late_share(&self) -> f64 {
        self.stats.late_packets as f64 / self.frames_sent().max(1) as f64
    }

    /// What did not hold, if anything: a frame that was left out, 1 % of the packets later than 10 ms, less
    /// effort than asked for, a ring that ran empty.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        // The edges of the stretch may cut a frame of each session.
        let missing = self.frames_due().saturating_sub(self.frames_sent());
        if self.refused {
            Some(Limit::Refused)
        } else if self.stalls > 0 {
            Some(Limit::Decoders)
        } else if self.stats.skipped_frames > 0 {
            Some(Limit::Skipped)
        } else if self.lowest_complexity < self.setup.complexity {
            Some(Limit::Complexity)
        } else if missing > 2 * self.sessions as u64 {
            Some(Limit::Decoders)
        } else if self.stats.lateness.p99_us > LATE_US || self.late_share() > 0.01 {
            Some(Limit::Late)
        } else {
            None
        }
    }

    /// Nothing was given up.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.limit().is_none()
    }
}

fn per(cpu: Duration, frames: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / frames.max(1) as f64
}
