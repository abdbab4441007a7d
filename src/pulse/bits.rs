//! A small set of slot numbers that is walked without touching the members.

/// Sessions one phase of one tick thread can hold.
pub(crate) const PER_PHASE: usize = 256;

const WORD_BITS: usize = u64::BITS as usize;

/// A set of numbers below [`PER_PHASE`]. A thousand sleeping sessions cost the tick four words to
/// look at, not a thousand pointers to follow. *Tick-safe.*
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits([u64; PER_PHASE / WORD_BITS]);

impl Bits {
    /// Adds `at`; numbers out of range are ignored.
    pub(crate) fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / WORD_BITS) {
            *word |= 1 << (at % WORD_BITS);
        }
    }

    /// Takes `at` out.
    pub(crate) fn clear(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / WORD_BITS) {
            *word &= !(1 << (at % WORD_BITS));
        }
    }

    #[cfg(test)]
    pub(crate) fn has(&self, at: usize) -> bool {
        self.next_from(at) == Some(at)
    }

    /// The smallest member that is `from` or greater.
    pub(crate) fn next_from(&self, from: usize) -> Option<usize> {
        let (first, shift) = (from / WORD_BITS, from % WORD_BITS);
        let words = self.0.iter().enumerate().skip(first);
        words
            .map(|(i, word)| {
                let seen = if i == first {
                    word & (!0 << shift)
                } else {
                    *word
                };
                (i, seen)
            })
            .find(|(_, word)| *word != 0)
            .map(|(i, word)| i * WORD_BITS + word.trailing_zeros() as usize)
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros)]
mod tests {
    use super::*;

    #[test]
    fn members_are_walked_in_order_across_words() {
        let mut bits = Bits::default();
        let members = [0, 1, 63, 64, 130, 191, 255];
        members.iter().rev().for_each(|at| bits.set(*at));
        let mut seen = vec![];
        let mut from = 0;
        while let Some(at) = bits.next_from(from) {
            seen.push(at);
            from = at + 1;
        }
        assert_eq!(seen, members);
        assert_eq!(bits.len(), 7);
    }

    #[test]
    fn cleared_and_out_of_range_numbers_are_not_members() {
        let mut bits = Bits::default();
        bits.set(70);
        bits.set(256);
        bits.clear(70);
        bits.clear(9999);
        assert_eq!(bits, Bits::default());
        assert!(!bits.has(70));
        assert_eq!(bits.next_from(300), None);
    }
}
