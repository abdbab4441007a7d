//! Where in an mp3 file a moment is, without reading all that comes before it.
//!
//! An mp3 file has no index that could be exact, so files are read through to a place. Of a stream
//! that would fetch an hour to skip it. Here a place is worked out: exactly where all frames have the
//! same bitrate, else by the coarse table that encoders write (Xing, VBRI), which has steps of 1/256
//! of the file.

use std::io::{self, Read, Seek, SeekFrom};

use crate::id3;
use crate::limits::MAX_ID3_TAGS;

/// Bytes in which a frame has to be found.
const SEARCH_BYTES: usize = 8 << 10;
/// Frames in a row that have to look alike before one is believed.
const ALIKE: usize = 3;
/// So many frames at the beginning tell whether all have the same bitrate.
const SAMPLE_FRAMES: usize = 12;

/// What the four bytes at the start of a frame say; layer III only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5.
    version: u32,
    rate_hz: u32,
    bitrate_bps: u32,
    mono: bool,
    bytes: u64,
}

impl Header {
    /// ISO/IEC 11172-3 section 2.4.1.3; `None` for what is no frame, and for free bitrates.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let word = u32::from_be_bytes(*bytes.first_chunk()?);
        let version = word >> 19 & 3;
        if word >> 21 != 0x7FF || version == 1 || word >> 17 & 3 != 1 {
            return None;
        }
        const KBIT_1: [u32; 16] = [
            0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0,
        ];
        const KBIT_2: [u32; 16] = [
            0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0,
        ];
        let kbit = if version == 3 { KBIT_1 } else { KBIT_2 };
        let bitrate_bps = kbit.get((word >> 12 & 15) as usize)? * 1000;
        let rate_hz = [44_100, 48_000, 32_000].get((word >> 10 & 3) as usize)?;
        let rate_hz = rate_hz
            >> match version {
                3 => 0,
                2 => 1,
                _ => 2,
            };
        let header = Self {
            version,
            rate_hz,
            bitrate_bps,
            mono: word >> 6 & 3 == 3,
            bytes: 0,
        };
        let padding = u64::from(word >> 9 & 1);
        let bytes = header.frames() / 8 * u64::from(bitrate_bps) / u64::from(rate_hz) + padding;
        (bitrate_bps > 0).then_some(Self { bytes, ..header })
    }

    /// Sample frames of a frame.
    fn frames(&self) -> u64 {
        if self.version == 3 { 1152 } else { 576 }
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.version, self.rate_hz) == (other.version, other.rate_hz)
    }

    /// Where encoders put what they say about the file: after the side information.
    fn info_at(&self) -> usize {
        4 + match (self.version == 3, self.mono) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        }
    }
}

/// Places in a file and the frames (of mp3, each some samples) that begin there. Two of them, the
/// begin and the end, tell all places exactly: then all frames have the same bitrate.
#[derive(Debug, Clone)]
pub struct Index {
    like: Header,
    /// Places and numbers of frames, both ascending; at least two.
    points: Vec<(u64, f64)>,
}

impl Index {
    /// Reads the beginning of a file of so many bytes. `None` where nothing tells how its bitrate
    /// changes.
    pub fn read(source: &mut (impl Read + Seek), len_bytes: u64) -> Option<Self> {
        let mut at = 0;
        for _ in 0..MAX_ID3_TAGS {
            source.seek(SeekFrom::Start(at)).ok()?;
            match id3::first_bytes(source).ok()? {
                0 => break,
                bytes => at += 10 + bytes,
            }
        }
        let bytes = read_at(source, at).ok()?;
        let (skip, like) = find(&bytes, None)?;
        let first = at + skip as u64;
        let bytes = bytes.get(skip..)?;
        let info = bytes.get(like.info_at()..)?;
        if let Some(xing) = info.strip_prefix(b"Xing") {
            return Self::xing(xing, like, first);
        }
        if let Some(info) = info.strip_prefix(b"Info") {
            // The same in a file of constant bitrate.
            let (frames, bytes, _) = xing_fields(info)?;
            let begin = first + like.bytes;
            return Self::constant(like, begin, first + bytes?, frames? as f64);
        }
        if let Some(vbri) = bytes.get(36..)?.strip_prefix(b"VBRI") {
            return Self::vbri(vbri, like, first);
        }
        // Nothing is said: constant, if it looks so.
        let mut rest = bytes;
        for _ in 0..SAMPLE_FRAMES {
            let header = Header::parse(rest)?;
            if header.bitrate_bps != like.bitrate_bps || !header.is_like(&like) {
                return None;
            }
            rest = rest.get(usize::try_from(header.bytes).ok()?..)?;
        }
        let bits = like.frames() as f64 * f64::from(like.bitrate_bps) / f64::from(like.rate_hz);
        let frames = len_bytes.checked_sub(first)? as f64 * 8.0 / bits;
        Self::constant(like, first, len_bytes, frames)
    }

    fn constant(like: Header, begin: u64, end: u64, frames: f64) -> Option<Self> {
        (end > begin && frames > 0.0).then(|| Self {
            like,
            points: vec![(begin, 0.0), (end, frames)],
        })
    }

    /// A hundred places, in 256ths of the whole, at equal distances in time.
    fn xing(fields: &[u8], like: Header, first: u64) -> Option<Self> {
        let (frames, bytes, table) = xing_fields(fields)?;
        let (frames, bytes, table) = (frames? as f64, bytes?, table?);
        let mut points = vec![(first + like.bytes, 0.0)];
        for (place, percent) in table.iter().zip(0..).skip(1) {
            let at = first + bytes * u64::from(*place) / 256;
            let frame = frames * f64::from(percent) / 100.0;
            if points.last().is_some_and(|(before, _)| at > *before) {
                points.push((at, frame));
            }
        }
        let end = first + bytes;
        points.retain(|(at, _)| *at < end);
        points.push((end, frames));
        (points.len() > 1).then_some(Self { like, points })
    }

    /// Sizes of parts of equal length in time.
    fn vbri(fields: &[u8], like: Header, first: u64) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes(*fields.get(at..)?.first_chunk()?));
        let (count, scale, size, each) = (word(14)?, word(16)?, word(18)?, word(20)?);
        let (mut at, mut frame) = (first, 0.0);
        let mut points = vec![(at, frame)];
        let size = usize::from(size).clamp(1, 4);
        let entries = fields.get(22..)?.chunks_exact(size);
        for entry in entries.take(usize::from(count)) {
            let bytes = entry.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
            at += bytes * u64::from(scale.max(1));
            frame += f64::from(each);
            points.push((at, frame));
        }
        points.dedup_by_key(|(at, _)| *at);
        (points.len() > 1 && each > 0).then_some(Self { like, points })
    }

    /// Sample frames of each frame.
    pub fn frames_each(&self) -> u64 {
        self.like.frames()
    }

    /// True for a frame after the last one.
    pub fn is_past_end(&self, frame: u64) -> bool {
        self.points
            .last()
            .is_none_or(|(_, end)| frame as f64 >= *end)
    }

    /// About where a frame begins.
    pub fn place_of(&self, frame: u64) -> u64 {
        let frame = frame as f64;
        let after = self.points.partition_point(|(_, at)| *at <= frame);
        let Some(((from, begin), (to, end))) = self.around(after) else {
            return 0;
        };
        let share = ((frame - begin) / (end - begin).max(1e-9)).clamp(0.0, 1.0);
        from + ((to - from) as f64 * share) as u64
    }

    /// The number of the frame that begins at a place; where bitrates vary, about.
    pub fn frame_at(&self, place: u64) -> u64 {
        let after = self.points.partition_point(|(at, _)| *at <= place);
        let Some(((from, begin), (to, end))) = self.around(after) else {
            return 0;
        };
        let share = place.saturating_sub(from) as f64 / (to - from).max(1) as f64;
        (begin + (end - begin) * share.min(1.0)).round() as u64
    }

    /// The points before and after.
    fn around(&self, after: usize) -> Option<((u64, f64), (u64, f64))> {
        let after = after.clamp(1, self.points.len().saturating_sub(1).max(1));
        Some((*self.points.get(after - 1)?, *self.points.get(after)?))
    }

    /// The first frame at or after a place.
    ///
    /// # Errors
    /// Reading fails.
    pub fn frame_near(
        &self,
        source: &mut (impl Read + Seek),
        place: u64,
    ) -> io::Result<Option<u64>> {
        let bytes = read_at(source, place)?;
        let found = find(&bytes, Some(&self.like));
        Ok(found.map(|(skip, _)| place + skip as u64))
    }
}

/// Frames, bytes and the table, after the word `Xing` or `Info`.
#[expect(
    clippy::type_complexity,
    reason = "three fields, each of which may be missing"
)]
fn xing_fields(fields: &[u8]) -> Option<(Option<u64>, Option<u64>, Option<&[u8; 100]>)> {
    let (flags, mut rest) = fields.split_first_chunk::<4>()?;
    let flags = u32::from_be_bytes(*flags);
    let mut number = |flag: u32| {
        let (number, after) = rest
            .split_first_chunk::<4>()
            .filter(|_| flags & flag != 0)?;
        rest = after;
        Some(u64::from(u32::from_be_bytes(*number)))
    };
    let (frames, bytes) = (number(1), number(2));
    let table = rest.first_chunk::<100>().filter(|_| flags & 4 != 0);
    Some((frames, bytes, table))
}

/// The first place where frames follow each other, like `like` if that is given.
fn find(bytes: &[u8], like: Option<&Header>) -> Option<(usize, Header)> {
    (0..bytes.len()).find_map(|skip| {
        let first = Header::parse(bytes.get(skip..)?)?;
        let wanted = like.unwrap_or(&first);
        let mut at = skip;
        for _ in 0..ALIKE {
            // Near the end of the file fewer have to do.
            let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= 4) else {
                break;
            };
            let header = Header::parse(rest).filter(|header| header.is_like(wanted))?;
            at += usize::try_from(header.bytes).ok()?;
        }
        Some((skip, first))
    })
}

fn read_at(source: &mut (impl Read + Seek), at: u64) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(SEARCH_BYTES);
    source.take(SEARCH_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
