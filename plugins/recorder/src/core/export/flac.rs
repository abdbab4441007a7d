//! FLAC (RFC 9639): 48 kHz, stereo, 16 bits, by fixed predictors and Rice codes. Speech comes out at a third
//! of WAV's size, silence at next to nothing.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::{decode, to_i16};
use crate::core::{RecorderError, at};

/// Frames in a block; what the subset for streaming allows at 48 kHz is 4,608 to 16,384 (section 7).
const BLOCK: usize = 4_096;

/// Writes a range of a track, in frames of the timeline, as FLAC. Gives its frames.
///
/// # Errors
/// When the track cannot be decoded or the file not written.
pub fn flac(track: &Path, range: Range<u64>, to: &Path) -> Result<u64, RecorderError> {
    let mut out = Flac::create(to)?;
    decode(track, range, |block| out.put(block))?;
    out.finish()
}

pub(crate) struct Flac {
    path: PathBuf,
    file: BufWriter<File>,
    left: Vec<i32>,
    right: Vec<i32>,
    frames: u64,
    blocks: u32,
    /// Of all samples, interleaved, little-endian.
    hash: Md5,
}

impl Flac {
    pub(crate) fn create(path: &Path) -> Result<Self, RecorderError> {
        let mut flac = Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 16, at(path, File::create(path))?),
            left: Vec::with_capacity(BLOCK),
            right: Vec::with_capacity(BLOCK),
            frames: 0,
            blocks: 0,
            hash: Md5::new(),
        };
        at(path, flac.file.write_all(&head(0, [0; 16])))?;
        Ok(flac)
    }

    pub(crate) fn put(&mut self, block: &[f32]) -> Result<(), RecorderError> {
        for frame in block.chunks_exact(2) {
            if let [left, right] = frame {
                self.left.push(i32::from(to_i16(*left)));
                self.right.push(i32::from(to_i16(*right)));
            }
            if self.left.len() == BLOCK {
                self.write_block()?;
            }
        }
        Ok(())
    }

    fn write_block(&mut self) -> Result<(), RecorderError> {
        if self.left.is_empty() {
            return Ok(());
        }
        for (left, right) in self.left.iter().zip(&self.right) {
            self.hash.update((*left as i16).to_le_bytes());
            self.hash.update((*right as i16).to_le_bytes());
        }
        let bytes = block(&self.left, &self.right, self.blocks);
        at(&self.path, self.file.write_all(&bytes))?;
        self.frames += self.left.len() as u64;
        self.blocks += 1;
        self.left.clear();
        self.right.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<u64, RecorderError> {
        self.write_block()?;
        at(&self.path, self.file.seek(SeekFrom::Start(0)))?;
        let hash = self.hash.finalize().into();
        at(&self.path, self.file.write_all(&head(self.frames, hash)))?;
        at(&self.path, self.file.flush())?;
        Ok(self.frames)
    }
}

/// The mark and the stream's description (sections 6 and 8.2).
fn head(frames: u64, hash: [u8; 16]) -> Vec<u8> {
    let mut bits = Bits::default();
    for byte in b"fLaC" {
        bits.put(u64::from(*byte), 8);
    }
    bits.put(0x80, 8); // the last description, of the stream
    bits.put(34, 24);
    bits.put(BLOCK as u64, 16);
    bits.put(BLOCK as u64, 16);
    bits.put(0, 48); // sizes of blocks in bytes: unknown
    bits.put(48_000, 20);
    bits.put(1, 3);
    bits.put(15, 5);
    bits.put(frames & 0xF_FFFF_FFFF, 36);
    for byte in hash {
        bits.put(u64::from(byte), 8);
    }
    bits.bytes
}

/// One block (section 9).
fn block(left: &[i32], right: &[i32], number: u32) -> Vec<u8> {
    let middle: Vec<i32> = left.iter().zip(right).map(|(l, r)| (l + r) >> 1).collect();
    let side: Vec<i32> = left.iter().zip(right).map(|(l, r)| l - r).collect();
    let [left, right, middle, side] = [(left, 16), (right, 16), (&middle, 16), (&side, 17)]
        .map(|(samples, depth)| subframe(samples, depth));
    let apart = left.len() + right.len() <= middle.len() + side.len();
    let frames = middle.samples;
    let mut bits = Bits::default();
    bits.put(0xFFF8, 16);
    let whole = frames == BLOCK;
    bits.put(if whole { 0b1100 } else { 0b0111 }, 4);
    bits.put(0b1010, 4); // 48 kHz
    bits.put(if apart { 0b0001 } else { 0b1010 }, 4);
    bits.put(0b100 << 1, 4); // 16 bits
    number_like_utf8(number, &mut bits);
    if !whole {
        bits.put(frames as u64 - 1, 16);
    }
    let check = crc8(&bits.bytes);
    bits.put(u64::from(check), 8);
    let (first, second) = if apart { (left, right) } else { (middle, side) };
    bits.append(&first.bits);
    bits.append(&second.bits);
    bits.align();
    let check = crc16(&bits.bytes);
    bits.put(u64::from(check), 16);
    bits.bytes
}

struct Subframe {
    bits: Bits,
    samples: usize,
}

impl Subframe {
    fn len(&self) -> usize {
        self.bits.len()
    }
}

/// One channel of a block (sections 9.2 and 9.3).
fn subframe(samples: &[i32], depth: u32) -> Subframe {
    let count = samples.len();
    let mut bits = Bits::default();
    let first = samples.first().copied().unwrap_or(0);
    if samples.iter().all(|sample| *sample == first) {
        bits.put(0, 8);
        bits.put_signed(first, depth);
        return Subframe {
            bits,
            samples: count,
        };
    }
    // Each order is the difference of the one before; the one with the smallest sum is coded.
    let mut residual = samples.to_vec();
    let mut best = (0, sum(&residual), residual.clone());
    for order in 1..=4.min(count - 1) {
        residual = residual
            .windows(2)
            .map(|pair| pair.last().unwrap_or(&0) - pair.first().unwrap_or(&0))
            .collect();
        let cost = sum(&residual);
        if cost < best.1 {
            best = (order, cost, residual.clone());
        }
    }
    let (order, _, residual) = best;
    bits.put(0b001_000 << 1 | (order as u64) << 1, 8);
    for sample in samples.iter().take(order) {
        bits.put_signed(*sample, depth);
    }
    // 16 partitions where the block can be divided so, else one.
    let partition_order = if count.is_multiple_of(16) && count / 16 > order {
        4
    } else {
        0
    };
    let partition = count >> partition_order;
    bits.put(0, 2);
    bits.put(partition_order, 4);
    let mut left = residual.as_slice();
    while !left.is_empty() {
        // The first partition lacks the samples that are given as they are.
        let short = if left.len() == residual.len() {
            order
        } else {
            0
        };
        let (part, rest) = left.split_at((partition - short).min(left.len()));
        rice(part, &mut bits);
        left = rest;
    }
    Subframe {
        bits,
        samples: count,
    }
}

fn sum(residual: &[i32]) -> u64 {
    residual
        .iter()
        .map(|value| u64::from(value.unsigned_abs()))
        .sum()
}

/// A partition (section 9.2.7): the parameter fits the mean, by which no value needs more than some hundred bits.
fn rice(part: &[i32], bits: &mut Bits) {
    let folded = |value: i32| ((value << 1) ^ (value >> 31)) as u32;
    let total: u64 = part.iter().map(|value| u64::from(folded(*value))).sum();
    let mean = total / (part.len() as u64).max(1);
    let parameter = (64 - mean.leading_zeros()).saturating_sub(1).min(14);
    bits.put(u64::from(parameter), 4);
    for value in part {
        let value = folded(*value);
        let mut zeros = value >> parameter;
        while zeros > 0 {
            let now = zeros.min(32);
            bits.put(0, now);
            zeros -= now;
        }
        bits.put(1, 1);
        bits.put(u64::from(value) & ((1 << parameter) - 1), parameter);
    }
}

/// The block's number, coded as UTF-8 codes characters (section 9.1.5).
fn number_like_utf8(number: u32, bits: &mut Bits) {
    if number < 0x80 {
        bits.put(u64::from(number), 8);
        return;
    }
    // Following bytes carry 6 bits each, the first what its mark leaves.
    let following = (1..=5)
        .find(|following| u64::from(number) < 1 << (following * 5 + 6))
        .unwrap_or(5);
    let mark = 0xFF00_u32 >> (following + 1) & 0xFF;
    bits.put(u64::from(mark | number >> (6 * following)), 8);
    for index in (0..following).rev() {
        bits.put(u64::from(0x80 | number >> (6 * index) & 0x3F), 8);
    }
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| {
            crc << 1 ^ if crc & 0x80 == 0 { 0 } else { 0x07 }
        })
    })
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc: u16, _| {
            crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x8005 }
        })
    })
}

/// Bits, the highest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    open: u64,
    count: u32,
}

impl Bits {
    /// Appends the lower `count` bits of `value`; at most 48.
    fn put(&mut self, value: u64, count: u32) {
        self.open = self.open << count | value;
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.open >> self.count) as u8);
        }
        self.open &= (1 << self.count) - 1;
    }

    fn put_signed(&mut self, value: i32, depth: u32) {
        self.put(u64::from(value as u32) & ((1 << depth) - 1), depth);
    }

    fn append(&mut self, other: &Self) {
        for byte in &other.bytes {
            self.put(u64::from(*byte), 8);
        }
        self.put(other.open, other.count);
    }

    fn align(&mut self) {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
    }

    fn len(&self) -> usize {
        self.bytes.len() * 8 + self.count as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_and_numbers_are_those_of_the_standard() {
        assert_eq!(crc8(b"123456789"), 0xF4); // CRC-8/SMBUS
        assert_eq!(crc16(b"123456789"), 0xFEE8); // CRC-16/UMTS
        for (number, bytes) in [
            (0x7F_u32, &[0x7F_u8][..]),
            (0x80, &[0xC2, 0x80]),
            (0x7FF, &[0xDF, 0xBF]),
            (0x800, &[0xE0, 0xA0, 0x80]),
            (0x1_F600, &[0xF0, 0x9F, 0x98, 0x80]),
        ] {
            let mut bits = Bits::default();
            number_like_utf8(number, &mut bits);
            assert_eq!(bits.bytes, bytes);
        }
    }
}
