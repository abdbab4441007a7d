//! The part of a file that is being looked at, with the checksum of any stretch of it at a small price.
//!
//! Without start value and final turn, Ogg's checksum is the remainder of a polynomial (RFC 3533, section 6,
//! field 7): the sum of two stretches one after the other is that of the first, times x^(8 n) for the `n`
//! bytes of the second, plus that of the second. So the sums from the file's beginning up to every 32nd byte
//! give the sum of any stretch.

use std::io::{self, Read};

use super::{CRC_TABLE, crc};

/// Bytes between two sums that are kept.
const STEP: usize = 32;
/// Bytes read at once.
const CHUNK: usize = 16 << 10;

/// A file's bytes from some place on, read as they are asked for; never backwards.
pub(super) struct Window<R> {
    file: R,
    /// Bytes of the file that are still to be read.
    left: u64,
    /// Where `bytes` begins in the file, a multiple of `STEP`.
    start: u64,
    bytes: Vec<u8>,
    /// The sum of the whole file up to each step of `bytes`.
    sums: Vec<u32>,
}

impl<R: Read> Window<R> {
    /// `file` stands at its beginning and has `left` bytes.
    pub fn new(file: R, left: u64) -> Self {
        Self {
            file,
            left,
            start: 0,
            bytes: Vec::new(),
            sums: vec![0],
        }
    }

    /// So many bytes from `at` on; `None` when the file ends before. What lies before `at` may be gone
    /// afterwards.
    pub fn get(&mut self, at: u64, count: usize) -> io::Result<Option<&[u8]>> {
        let from = self.place(at);
        let Some(to) = from.and_then(|from| from.checked_add(count)) else {
            return Ok(None);
        };
        let mut to = to;
        if to > self.bytes.len() {
            to -= self.let_go(from.unwrap_or(0));
            while to > self.bytes.len() && self.more()? {}
        }
        Ok(to
            .checked_sub(count)
            .and_then(|from| self.bytes.get(from..to)))
    }

    /// The next place from `from` on where `mark` stands, in the file.
    pub fn find(&mut self, from: u64, mark: &[u8]) -> io::Result<Option<u64>> {
        let mut from = from;
        while self.get(from, mark.len())?.is_some() {
            let known = self.place(from).and_then(|place| self.bytes.get(place..));
            let known = known.unwrap_or_default();
            if let Some(index) = known.windows(mark.len()).position(|window| window == mark) {
                return Ok(Some(from + index as u64));
            }
            from += (known.len() + 1).saturating_sub(mark.len()).max(1) as u64;
        }
        Ok(None)
    }

    /// The checksum of the bytes `skip..length` behind `at`, going on from `begun`; `None` when the file
    /// ends before.
    pub fn sum(
        &mut self,
        at: u64,
        begun: u32,
        skip: usize,
        length: usize,
    ) -> io::Result<Option<u32>> {
        if self.get(at, length)?.is_none() {
            return Ok(None);
        }
        let from = self.place(at).unwrap_or(0);
        let before = self.up_to(from + skip);
        let shift = power(length.saturating_sub(skip));
        Ok(Some(
            self.up_to(from + length) ^ times(begun ^ before, shift),
        ))
    }

    fn place(&self, at: u64) -> Option<usize> {
        usize::try_from(at.checked_sub(self.start)?).ok()
    }

    /// The sum of the file up to a place of the window.
    fn up_to(&self, place: usize) -> u32 {
        let sum = self.sums.get(place / STEP).copied().unwrap_or(0);
        let rest = self.bytes.get(place / STEP * STEP..place);
        crc(sum, rest.unwrap_or_default())
    }

    /// Forgets bytes before `place` if they are the greater part, so that each is moved once or twice at
    /// most; gives how many.
    fn let_go(&mut self, place: usize) -> usize {
        let steps = place.min(self.bytes.len()) / STEP;
        let count = steps * STEP;
        if count < self.bytes.len() / 2 {
            return 0;
        }
        self.bytes.drain(..count);
        self.sums.drain(..steps);
        self.start += count as u64;
        count
    }

    /// Reads on; `false` at the end.
    fn more(&mut self) -> io::Result<bool> {
        let (known, room) = (self.bytes.len(), self.left.min(CHUNK as u64));
        let read = self.file.by_ref().take(room).read_to_end(&mut self.bytes)?;
        // A file that has become shorter since it was opened ends here.
        self.left = if read == 0 {
            0
        } else {
            self.left - read as u64
        };
        let first = self.sums.len() - 1;
        let mut sum = self.sums.last().copied().unwrap_or(0);
        debug_assert_eq!(first, known / STEP);
        for step in self
            .bytes
            .get(first * STEP..)
            .unwrap_or_default()
            .chunks_exact(STEP)
        {
            sum = crc(sum, step);
            self.sums.push(sum);
        }
        Ok(read > 0)
    }
}

/// x^(8 n) for n of 0 to 255, and for 256 times as many.
const POWERS: ([u32; 256], [u32; 256]) = powers();

const fn powers() -> ([u32; 256], [u32; 256]) {
    let (mut low, mut high) = ([1; 256], [1; 256]);
    let mut n = 1;
    while n < 256 {
        let last = low[n - 1];
        low[n] = last << 8 ^ CRC_TABLE[(last >> 24) as usize];
        n += 1;
    }
    let block = low[255] << 8 ^ CRC_TABLE[(low[255] >> 24) as usize];
    n = 1;
    while n < 256 {
        high[n] = times(high[n - 1], block);
        n += 1;
    }
    (low, high)
}

/// x^(8 n), for less than 65,536 bytes: no page is longer.
fn power(n: usize) -> u32 {
    let of = |table: &[u32; 256], n: usize| table.get(n & 0xFF).copied().unwrap_or(1);
    times(of(&POWERS.0, n), of(&POWERS.1, n >> 8))
}

/// The product of two polynomials, by the checksum's own.
const fn times(a: u32, b: u32) -> u32 {
    let (mut product, mut bit) = (0_u32, 32);
    while bit > 0 {
        bit -= 1;
        let carry = product >> 31;
        product = product << 1 ^ (0x04C1_1DB7 & carry.wrapping_neg());
        product ^= a & (b >> bit & 1).wrapping_neg();
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_any_stretch_is_that_of_its_bytes() {
        let bytes: Vec<u8> = (0..200_000_u32)
            .map(|n| (n.wrapping_mul(n) >> 7) as u8)
            .collect();
        let mut window = Window::new(bytes.as_slice(), bytes.len() as u64);
        for at in (0..130_000).step_by(997) {
            let (skip, length) = (at % 40, 40 + at * 7 % 65_000);
            let sum = window.sum(at as u64, 5, skip, length).unwrap();
            assert_eq!(sum, Some(crc(5, &bytes[at + skip..at + length])), "{at}");
        }
        assert_eq!(window.sum(199_990, 0, 0, 11).unwrap(), None);
    }

    #[test]
    fn a_mark_is_found_wherever_a_chunk_ends() {
        for at in [0, 1, CHUNK - 4, CHUNK - 1, CHUNK, 5 * CHUNK - 2] {
            let mut bytes = vec![0; 6 * CHUNK];
            bytes[at..at + 4].copy_from_slice(b"OggS");
            let mut window = Window::new(bytes.as_slice(), bytes.len() as u64);
            assert_eq!(window.find(0, b"OggS").unwrap(), Some(at as u64));
            assert_eq!(window.find(at as u64 + 1, b"OggS").unwrap(), None);
        }
    }
}
