//! How late this machine lets a thread go on that waits for the clock: what tests that listen judge the
//! machine by, before they judge the bot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Sound is sent every 20 ms by a thread that waits like this one; later than this is heard.
const TOO_LATE: Duration = Duration::from_millis(60);
/// How long the thread that measures waits each time.
const LOOK: Duration = Duration::from_millis(5);

/// Measures until it is dropped.
#[derive(Debug)]
pub struct Lateness {
    /// Microseconds, for each who asks.
    worst: [AtomicU64; 2],
}

impl Lateness {
    /// Begins.
    pub fn start() -> Arc<Self> {
        let this = Arc::new(Self {
            worst: Default::default(),
        });
        let weak = Arc::downgrade(&this);
        std::thread::spawn(move || {
            while let Some(this) = weak.upgrade() {
                let begun = Instant::now();
                std::thread::sleep(LOOK);
                let late = begun.elapsed().saturating_sub(LOOK).as_micros();
                let late = u64::try_from(late).unwrap_or(u64::MAX);
                for worst in &this.worst {
                    worst.fetch_max(late, Ordering::Relaxed);
                }
            }
        });
        this
    }

    /// Whether the machine was too late for sound since `who` (0 or 1) asked last.
    pub fn was_too_late(&self, who: usize) -> bool {
        let worst = self
            .worst
            .get(who)
            .map(|worst| worst.swap(0, Ordering::Relaxed));
        worst.is_some_and(|worst| Duration::from_micros(worst) > TOO_LATE)
    }
}
