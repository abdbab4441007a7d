//! What the demuxer does not tell about an MP4 track: which frames the encoder only added.
//!
//! AAC begins with 1024 or more frames of encoder delay. The file says how many in its edit list
//! (ISO/IEC 14496-12 section 8.6.6) or, from iTunes, in a comment named `iTunSMPB`.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use crate::info::Chapter;
use crate::info::chapters::in_order;
use crate::limits::{MAX_BOXES, MAX_CHAPTERS};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What to take off.
    pub trim: Trim,
    /// The chapters, as Nero's list (`chpl`) has them.
    pub chapters: Vec<Chapter>,
}

/// Which frames of a track are music.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trim {
    /// Frames to throw away at the start.
    pub start_frames: u64,
    /// Frames of music after those, if known.
    pub music_frames: Option<u64>,
}

/// No encoder delay is longer: HE-AAC has 5,000 or so at most. A longer edit is somebody's cut,
/// kept as well, up to a day at 192 kHz.
const MAX_EDIT_FRAMES: u64 = 192_000 * 86_400;

/// Deepest nesting looked into: moov/udta/meta/ilst/----/data is six.
const MAX_DEPTH: usize = 8;

/// Reads what concerns track `id` whose codec runs at `rate_hz`; anything odd counts as none.
pub fn read_facts(source: &mut (impl Read + Seek), id: u32, rate_hz: u32) -> Facts {
    let mut scan = Scan {
        source,
        left: MAX_BOXES,
        found: Found::default(),
    };
    // A stream may have no length; then the boxes say where they end.
    let len = scan.source.seek(SeekFrom::End(0)).unwrap_or(u64::MAX / 2);
    scan.walk(0, len, 0);
    Facts {
        trim: scan.found.trim(id, rate_hz),
        chapters: in_order(scan.found.chapters),
    }
}

#[derive(Default)]
struct Found {
    movie_timescale: u32,
    tracks: Vec<Track>,
    itunes: Option<Trim>,
    chapters: Vec<(Duration, Option<String>)>,
}

#[derive(Default)]
struct Track {
    id: u32,
    timescale: u32,
    /// Length in the media's timescale by the sample table.
    media_ticks: u64,
    /// (duration in the movie's timescale, start in the media's; −1 is an empty edit)
    edits: Vec<(u64, i64)>,
}

impl Found {
    fn trim(&self, id: u32, rate_hz: u32) -> Trim {
        if let Some(itunes) = self.itunes {
            return itunes;
        }
        let Some(track) = self.tracks.iter().find(|t| t.id == id) else {
            return Trim::default();
        };
        let mut real = track.edits.iter().filter(|(_, start)| *start >= 0);
        let (Some((duration, start)), rest) = (real.next(), real.next()) else {
            return Trim::default();
        };
        let to_frames = |ticks: u64, scale: u32| -> Option<u64> {
            let frames = u128::from(ticks) * u128::from(rate_hz) / u128::from(scale.max(1));
            u64::try_from(frames).ok().filter(|f| *f <= MAX_EDIT_FRAMES)
        };
        let start = u64::try_from(*start)
            .ok()
            .and_then(|s| to_frames(s, track.timescale));
        let Some(start_frames) = start else {
            return Trim::default();
        };
        if rest.is_some() {
            // A film cut from pieces. Play on from the first one; better than stopping early.
            return Trim {
                start_frames,
                music_frames: None,
            };
        }
        let by_table = to_frames(track.media_ticks, track.timescale)
            .and_then(|all| all.checked_sub(start_frames))
            .filter(|frames| *frames > 0);
        let by_edit = to_frames(*duration, self.movie_timescale).filter(|frames| *frames > 0);
        // The edit's length is rounded to the movie's timescale, often a millisecond; the sample
        // table is exact where it is not longer by more than that rounding.
        let rounding = u64::from(rate_hz / self.movie_timescale.max(1)) + 1;
        let music_frames = match (by_table, by_edit) {
            (Some(table), Some(edit)) if table <= edit + rounding => Some(table),
            (_, Some(edit)) => Some(edit),
            (table, None) => table,
        };
        Trim {
            start_frames,
            music_frames,
        }
    }
}

struct Scan<'a, S> {
    source: &'a mut S,
    /// Boxes that may still be read.
    left: usize,
    found: Found,
}

impl<S: Read + Seek> Scan<'_, S> {
    /// Walks the boxes of one level; stops quietly at the first that makes no sense.
    fn walk(&mut self, from: u64, to: u64, depth: usize) -> Option<()> {
        let mut at = from;
        while depth < MAX_DEPTH && at + 8 <= to {
            self.left = self.left.checked_sub(1)?;
            self.source.seek(SeekFrom::Start(at)).ok()?;
            let size = u64::from(self.u32()?);
            let kind: [u8; 4] = self.array()?;
            let (body, end) = match size {
                0 => (at + 8, to),
                1 => {
                    let size = u64::from_be_bytes(self.array()?);
                    (at + 16, at.checked_add(size)?)
                }
                _ => (at + 8, at + size),
            };
            if end < body || end > to {
                return None;
            }
            self.take(&kind, body, end, depth);
            at = end;
        }
        Some(())
    }

    fn take(&mut self, kind: &[u8; 4], body: u64, end: u64, depth: usize) -> Option<()> {
        match kind {
            b"moov" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"udta" | b"ilst" => {
                self.walk(body, end, depth + 1)
            }
            b"trak" => {
                self.found.tracks.push(Track::default());
                self.walk(body, end, depth + 1)
            }
            // A full box in MP4, a plain one in QuickTime: look for the child's name.
            b"meta" => {
                self.source.seek(SeekFrom::Start(body + 4)).ok()?;
                let plain = &self.array::<4>()? == b"hdlr";
                self.walk(if plain { body } else { body + 4 }, end, depth + 1)
            }
            b"mvhd" => {
                self.found.movie_timescale = self.timescale(body)?;
                Some(())
            }
            b"mdhd" => {
                let timescale = self.timescale(body)?;
                self.found.tracks.last_mut()?.timescale = timescale;
                Some(())
            }
            b"tkhd" => {
                let version = self.version(body)?;
                self.source
                    .seek(SeekFrom::Start(body + if version == 1 { 20 } else { 12 }))
                    .ok()?;
                let id = self.u32()?;
                self.found.tracks.last_mut()?.id = id;
                Some(())
            }
            b"elst" => self.edits(body),
            b"stts" => self.sample_times(body),
            b"----" => self.itunes(body, end),
            b"chpl" => self.chapters(body, end),
            _ => Some(()),
        }
    }

    /// `mvhd` and `mdhd` begin alike: version, creation, modification, timescale.
    fn timescale(&mut self, body: u64) -> Option<u32> {
        let version = self.version(body)?;
        self.source
            .seek(SeekFrom::Start(body + if version == 1 { 20 } else { 12 }))
            .ok()?;
        self.u32().filter(|scale| *scale > 0)
    }

    fn edits(&mut self, body: u64) -> Option<()> {
        let version = self.version(body)?;
        self.source.seek(SeekFrom::Start(body + 4)).ok()?;
        let count = self.u32()?;
        for _ in 0..count.min(64) {
            let edit = if version == 1 {
                (
                    u64::from_be_bytes(self.array()?),
                    i64::from_be_bytes(self.array()?),
                )
            } else {
                (
                    u64::from(self.u32()?),
                    i64::from(i32::from_be_bytes(self.array()?)),
                )
            };
            let _rate: [u8; 4] = self.array()?;
            self.found.tracks.last_mut()?.edits.push(edit);
        }
        Some(())
    }

    fn sample_times(&mut self, body: u64) -> Option<()> {
        self.source.seek(SeekFrom::Start(body + 4)).ok()?;
        let count = self.u32()?;
        let mut ticks = 0u64;
        for _ in 0..count {
            self.left = self.left.checked_sub(1)?;
            let (samples, delta) = (u64::from(self.u32()?), u64::from(self.u32()?));
            ticks = ticks.checked_add(samples * delta)?;
        }
        self.found.tracks.last_mut()?.media_ticks = ticks;
        Some(())
    }

    /// A free-form iTunes comment: `mean`, `name` and `data` inside; only `iTunSMPB` counts.
    fn itunes(&mut self, body: u64, end: u64) -> Option<()> {
        let len = usize::try_from(end - body)
            .ok()
            .filter(|len| *len <= 4096)?;
        self.source.seek(SeekFrom::Start(body)).ok()?;
        let mut bytes = vec![0; len];
        self.source.read_exact(&mut bytes).ok()?;
        if bytes.windows(8).any(|w| w == b"iTunSMPB") {
            self.found.itunes = parse_smpb(&String::from_utf8_lossy(&bytes));
        }
        Some(())
    }

    /// Nero's list of chapters: times in 100 ns, and titles with their length before them. Nobody has
    /// written down the format; programs agree that the count has a byte, and in version 1 four
    /// unused ones before it.
    fn chapters(&mut self, body: u64, end: u64) -> Option<()> {
        let version = self.version(body)?;
        if version > 0 {
            self.u32()?;
        }
        let [count] = self.array()?;
        for _ in 0..count {
            if self.found.chapters.len() >= MAX_CHAPTERS {
                break;
            }
            let start = u64::from_be_bytes(self.array()?);
            let [len] = self.array()?;
            let mut title = vec![0; usize::from(len)];
            self.source.read_exact(&mut title).ok()?;
            if self.source.stream_position().ok()? > end {
                break;
            }
            let start = Duration::from_nanos(start.saturating_mul(100));
            let title = String::from_utf8_lossy(&title).into_owned();
            self.found.chapters.push((start, Some(title)));
        }
        Some(())
    }

    fn version(&mut self, body: u64) -> Option<u8> {
        self.source.seek(SeekFrom::Start(body)).ok()?;
        Some(self.array::<4>()?[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Reads ` 00000000 00000840 000001CA 00000000003F31F6 …`: zero, delay, padding, length, in hex.
fn parse_smpb(text: &str) -> Option<Trim> {
    let numbers: Vec<u64> = text
        .split(|c: char| !c.is_ascii_hexdigit())
        .filter(|word| word.len() == 8 || word.len() == 16)
        .filter_map(|word| u64::from_str_radix(word, 16).ok())
        .collect();
    let [0, delay, _padding, music, ..] = numbers.as_slice() else {
        return None;
    };
    let sane = *delay < 1 << 16 && (1..=MAX_EDIT_FRAMES).contains(music);
    sane.then_some(Trim {
        start_frames: *delay,
        music_frames: Some(*music),
    })
}

#[cfg(test)]
mod tests;
