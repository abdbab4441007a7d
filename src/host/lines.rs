//! How much of a plugin reaches the operator's log. Sans-IO: time is an argument.
//!
//! A plugin that logs in a loop would bury what all others say, and fill the disk the log goes to.

use std::time::{Duration, Instant};

/// So many lines at once.
const BURST: u32 = 200;
/// And one more after every so long.
const REFILL: Duration = Duration::from_millis(20);
/// Longer lines are cut, in characters.
const MAX_CHARS: usize = 4_000;

/// What a plugin may still say.
#[derive(Debug)]
pub(crate) struct Lines {
    left: u32,
    refilled: Option<Instant>,
    /// Left out since the last line that was let through.
    held_back: u64,
}

impl Lines {
    pub(crate) const fn new() -> Self {
        Self {
            left: BURST,
            refilled: None,
            held_back: 0,
        }
    }

    /// May one more line go out? With it goes how many were left out before it.
    pub(crate) fn pass(&mut self, now: Instant) -> Option<u64> {
        let since = now.saturating_duration_since(*self.refilled.get_or_insert(now));
        let more = since.as_micros() / REFILL.as_micros();
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.refilled = Some(now);
        }
        if self.left == 0 {
            self.held_back += 1;
            return None;
        }
        self.left -= 1;
        Some(core::mem::take(&mut self.held_back))
    }
}

/// As much of a line as is shown.
pub(crate) fn cut(text: &str) -> &str {
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => text.get(..at).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_out_then_a_line_now_and_then_and_what_is_missing_is_counted() {
        let start = Instant::now();
        let mut lines = Lines::new();
        let passed = (0..10_000).filter(|_| lines.pass(start).is_some()).count();
        assert_eq!(passed, BURST as usize);
        assert_eq!(lines.pass(start + REFILL), Some(9_800));
        assert_eq!(lines.pass(start + REFILL), None);
        let later = start + Duration::from_secs(3600);
        assert_eq!(lines.pass(later), Some(1));
        let passed = (0..10_000).filter(|_| lines.pass(later).is_some()).count();
        assert_eq!(passed, BURST as usize - 1);
    }

    #[test]
    fn a_plugin_that_says_little_is_never_held_back() {
        let start = Instant::now();
        let mut lines = Lines::new();
        for line in 0..5_000 {
            assert_eq!(lines.pass(start + REFILL * line), Some(0));
        }
    }

    #[test]
    fn long_lines_are_cut_between_letters() {
        let long = "ä".repeat(MAX_CHARS + 1);
        assert_eq!(cut(&long).chars().count(), MAX_CHARS);
        assert_eq!(cut("short"), "short");
    }
}
