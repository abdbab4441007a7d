//! How an input becomes messages.

/// Longest raw message an input can spell out.
const MAX_RAW: usize = 2048;
/// Bit of the first byte: an edited real message follows, else a raw one.
const IS_EDITED: u8 = 0x80;

/// An input, read from the front.
///
/// Real messages carry signatures and random keys, which no fuzzer guesses and no corpus can keep.
/// So an input can name one of the messages that the machines of this run have just exchanged, and
/// change, cut or lengthen it.
///
/// ```text
/// message = 0nnnnnnn nnnnnnnn  n raw bytes
///         | 1iiiiiii  cccccccc  c & 7 edits (at u16, xor u8)  [c & 8: cut to u16] [c & 16: more u8, that many bytes]
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a>(&'a [u8]);

impl<'a> Plan<'a> {
    /// A whole input.
    pub const fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Everything was read.
    pub const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte; 0 at the end.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// Two bytes, high first.
    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Up to so many bytes.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The next message, made from `real` ones or spelt out; `None` at the end.
    pub fn message(&mut self, real: &[Vec<u8>]) -> Option<Vec<u8>> {
        if self.is_over() {
            return None;
        }
        let first = self.byte();
        if first & IS_EDITED == 0 {
            let count = usize::from(u16::from_be_bytes([first, self.byte()]));
            return Some(self.bytes(count.min(MAX_RAW)).to_vec());
        }
        let index = usize::from(first & !IS_EDITED).checked_rem(real.len())?;
        let mut message = real.get(index)?.clone();
        self.edit(&mut message);
        Some(message)
    }

    /// Changes a message as the input says.
    pub fn edit(&mut self, message: &mut Vec<u8>) {
        let commands = self.byte();
        for _ in 0..commands & 7 {
            let (at, xor) = (usize::from(self.word()), self.byte());
            if let Some(byte) = at
                .checked_rem(message.len())
                .and_then(|at| message.get_mut(at))
            {
                *byte ^= xor;
            }
        }
        if commands & 8 != 0 {
            message.truncate(usize::from(self.word()));
        }
        if commands & 16 != 0 {
            let count = usize::from(self.byte());
            message.extend_from_slice(self.bytes(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_raw_or_an_edited_real_one() {
        let real = [vec![1, 2, 3], vec![4; 4]];
        let mut plan = Plan::new(&[0, 2, 9, 8, 0x81, 1, 0, 2, 0xFF, 0x80, 8, 0, 1]);
        assert_eq!(plan.message(&real), Some(vec![9, 8]));
        assert_eq!(plan.message(&real), Some(vec![4, 4, 0xFB, 4]));
        assert_eq!(plan.message(&real), Some(vec![1]));
        assert_eq!(plan.message(&real), None);
        assert_eq!(Plan::new(&[0x80]).message(&[]), None);
    }
}
