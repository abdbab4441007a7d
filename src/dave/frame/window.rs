//! Which frames were opened before: each may be once.

/// How far behind the newest frame another may come. The reference clients remember 1000 missing
/// frames; this many consecutive ones are 20 s of audio, and cost a bitmap instead of a search.
pub(super) const WINDOW_FRAMES: u64 = 1024;
const WORD_BITS: u64 = u64::BITS as u64;
const WORDS: usize = (WINDOW_FRAMES / WORD_BITS) as usize;

/// The last [`WINDOW_FRAMES`] frames up to the newest one, a bit each.
#[derive(Default)]
pub(super) struct Window {
    /// One more than the newest frame; 0 before the first.
    end: u64,
    seen: [u64; WORDS],
}

impl Window {
    /// Whether `frame` was not opened yet and is not too old to know.
    pub fn is_new(&self, frame: u64) -> bool {
        if frame >= self.end {
            return true;
        }
        let recent = self.end - frame <= WINDOW_FRAMES;
        recent && self.word(frame) & Self::bit(frame) == 0
    }

    /// Remembers that `frame` was opened.
    pub fn insert(&mut self, frame: u64) {
        if frame >= self.end {
            self.forget(self.end.max(frame.saturating_sub(WINDOW_FRAMES - 1))..=frame);
            self.end = frame.saturating_add(1);
        }
        if let Some(word) = self.seen.get_mut(Self::index(frame)) {
            *word |= Self::bit(frame);
        }
    }

    /// Clears the bits of frames that enter the window: at most its length.
    fn forget(&mut self, frames: std::ops::RangeInclusive<u64>) {
        for frame in frames {
            if let Some(word) = self.seen.get_mut(Self::index(frame)) {
                *word &= !Self::bit(frame);
            }
        }
    }

    fn word(&self, frame: u64) -> u64 {
        self.seen
            .get(Self::index(frame))
            .copied()
            .unwrap_or(u64::MAX)
    }

    const fn index(frame: u64) -> usize {
        (frame / WORD_BITS) as usize % WORDS
    }

    const fn bit(frame: u64) -> u64 {
        1 << (frame % WORD_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_frame_is_new_once_in_any_order() {
        let mut window = Window::default();
        for frame in [5, 7, 6, 1, 900, 899, 0, 64, 63] {
            assert!(window.is_new(frame), "{frame}");
            window.insert(frame);
            assert!(!window.is_new(frame), "{frame} again");
        }
        assert!(window.is_new(2) && window.is_new(901));
    }

    #[test]
    fn what_fell_behind_the_window_counts_as_seen() {
        let mut window = Window::default();
        window.insert(10_000);
        assert!(window.is_new(10_001 - WINDOW_FRAMES));
        assert!(!window.is_new(10_000 - WINDOW_FRAMES));
        window.insert(u64::MAX - 1);
        assert!(window.is_new(u64::MAX) && window.is_new(u64::MAX - 2));
    }

    #[test]
    fn it_agrees_with_a_list_of_everything() {
        let mut random = 7u64;
        let mut next = move |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        let (mut window, mut all) = (Window::default(), BTreeSet::new());
        let mut newest = 0u64;
        for _ in 0..20_000 {
            let step = if next(50) == 0 { next(3000) } else { next(4) };
            let frame = (newest + step).saturating_sub(next(1500) * next(2));
            let wanted = !all.contains(&frame)
                && (all.is_empty() || frame > newest || newest - frame < WINDOW_FRAMES);
            assert_eq!(window.is_new(frame), wanted, "{frame} after {newest}");
            if wanted {
                window.insert(frame);
                all.insert(frame);
                newest = newest.max(frame);
            }
        }
    }
}
