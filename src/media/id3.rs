//! ID3v2 tags that are too large to be read: passed over, so that the sound after them plays.
//!
//! The demuxer keeps every frame of a tag in memory, whatever it is: 200 MB of small ones take 3.2 GB.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::comments::fill;
use crate::limits;

/// A tag this small cannot do harm, however many frames it has.
const SMALL_BYTES: u64 = 128 << 10;

/// How many bytes the tag at the beginning has: all there is to know where nothing can be read twice.
///
/// # Errors
/// Reading fails; a short file is no failure.
pub fn first_bytes(source: &mut impl Read) -> io::Result<u64> {
    let mut header = [0; 10];
    let is_there = fill(source, &mut header)?;
    let tag = Tag::parse(&header).filter(|_| is_there);
    Ok(tag.map_or(0, |tag| tag.bytes))
}

/// How many bytes at the beginning are to be passed over: nothing, unless the tags there are beyond the
/// limits.
///
/// # Errors
/// Reading fails; a short file is no failure.
pub fn passed_over(source: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut at = 0;
    let mut harmless = true;
    for count in 0..limits::MAX_ID3_TAGS {
        source.seek(SeekFrom::Start(at))?;
        let mut header = [0; 10];
        if !fill(source, &mut header)? {
            break;
        }
        let Some(tag) = Tag::parse(&header) else {
            break;
        };
        at += 10 + tag.bytes;
        harmless &= count + 1 < limits::MAX_ID3_TAGS;
        harmless = harmless && tag.is_harmless(source)?;
    }
    Ok(if harmless { 0 } else { at })
}

struct Tag {
    version: u8,
    flags: u8,
    /// Without the header.
    bytes: u64,
}

impl Tag {
    fn parse(header: &[u8; 10]) -> Option<Self> {
        let [b'I', b'D', b'3', version @ 2..=4, _, flags, a, b, c, d] = *header else {
            return None;
        };
        let bytes = u64::from(syncsafe([a, b, c, d])?);
        // A footer repeats the header.
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        Some(Self {
            version,
            flags,
            bytes: bytes + footer,
        })
    }

    /// Looks at the frames, of which the first begins at the reader's place.
    fn is_harmless(&self, source: &mut (impl Read + Seek)) -> io::Result<bool> {
        if self.bytes <= SMALL_BYTES {
            return Ok(true);
        }
        // Unsynchronised, or with a header of its own: the frames cannot be counted so simply.
        if self.bytes > limits::MAX_ID3_BYTES || self.flags & 0xC0 != 0 {
            return Ok(self.bytes <= 1 << 20);
        }
        let mut frames = BufReader::new(source);
        let head_bytes = if self.version == 2 { 6 } else { 10 };
        let mut left = self.bytes;
        for _ in 0..limits::MAX_ID3_FRAMES {
            let mut header = [0; 10];
            let header = header.get_mut(..head_bytes).unwrap_or_default();
            if left <= head_bytes as u64 || !fill(&mut frames, header)? {
                return Ok(true);
            }
            let Some(bytes) = frame_bytes(self.version, header) else {
                return Ok(true);
            };
            let step = i64::try_from(bytes.min(left)).unwrap_or(i64::MAX);
            frames.seek_relative(step)?;
            left = left.saturating_sub(head_bytes as u64 + bytes);
        }
        Ok(false)
    }
}

/// How many bytes the frame has after its header; `None` is padding.
fn frame_bytes(version: u8, header: &[u8]) -> Option<u64> {
    let is_id = |id: &[u8]| id.iter().all(u8::is_ascii_alphanumeric);
    match *header {
        [a, b, c, d, e, f] if is_id(&[a, b, c]) => {
            Some(u64::from(u32::from_be_bytes([0, d, e, f])))
        }
        [a, b, c, d, e, f, g, h, _, _] if is_id(&[a, b, c, d]) => {
            let size = [e, f, g, h];
            let plain = u32::from_be_bytes(size);
            let syncsafe = syncsafe(size).filter(|_| version == 4);
            Some(u64::from(syncsafe.unwrap_or(plain)))
        }
        _ => None,
    }
}

/// Seven bits of each byte (ID3v2.4 section 6.2).
fn syncsafe(bytes: [u8; 4]) -> Option<u32> {
    let plain = bytes.iter().all(|byte| byte & 0x80 == 0);
    plain.then(|| {
        bytes
            .iter()
            .fold(0, |number, byte| number << 7 | u32::from(*byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn tag(bytes: u32, frames: &[u8]) -> Vec<u8> {
        let size = [bytes >> 21, bytes >> 14, bytes >> 7, bytes].map(|part| (part & 0x7F) as u8);
        let mut out = [&b"ID3\x04\0\0"[..], &size, frames].concat();
        out.resize(10 + bytes as usize, 0);
        out
    }

    fn passed(bytes: Vec<u8>) -> u64 {
        passed_over(&mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn tags_of_honest_files_are_read() {
        let picture = b"APIC\0\0\x40\0\0\0".to_vec();
        assert_eq!(passed(tag(1 << 20, &picture)), 0);
        assert_eq!(passed(tag(100, b"")), 0);
        assert_eq!(passed(b"\xFF\xFB\x90".to_vec()), 0);
        assert_eq!(passed(b"ID3".to_vec()), 0);
        assert_eq!(passed(vec![]), 0);
    }

    #[test]
    fn large_tags_tags_of_many_frames_and_many_tags_are_passed_over() {
        let large = tag(17 << 20, b"");
        assert_eq!(passed(large.clone()), large.len() as u64);
        let frames = b"TXXX\0\0\0\x01\0\0a".repeat(20_000);
        let many = tag(frames.len() as u32, &frames);
        let both = [tag(50, b""), many, b"music".to_vec()].concat();
        assert_eq!(passed(both.clone()), both.len() as u64 - 5);
        let chain = tag(20, b"").repeat(1000);
        assert_eq!(passed(chain), u64::from(limits::MAX_ID3_TAGS) * 30);
    }
}
