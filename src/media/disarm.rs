//! Bytes on which demuxers fail, changed on their way to them while a file is opened.
//!
//! symphonia 0.6.1 reads ID3 chapters that lie in chapters by calls within calls, and copies each: a
//! file of a few kilobytes overflows the stack, which ends the whole program. And it refuses whole
//! Matroska files whose chapters leave optional numbers out, as those of ffmpeg do; matroska.rs reads
//! those chapters. Where in a file such parts lie cannot be known without reading as symphonia does,
//! so they are recognised by their names wherever they pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits::{MAX_CHAPTER_FRAMES, MAX_CHAPTER_FRAMES_BYTES};

/// Frames of chapters that may lie in each other. Honest ones do not; but how long one is depends on
/// the tag's version, which cannot be known here, and read wrongly it seems to reach over several.
const MAX_DEPTH: usize = 32;

/// Tables of contents that may name each other, each of which is a call within a call. Honest tags
/// have one.
const MAX_CONTENTS: u32 = 64;

/// Frames of ID3 that may hold frames.
const CHAPTER: u32 = u32::from_be_bytes(*b"CHAP");
const CONTENTS: u32 = u32::from_be_bytes(*b"CTOC");
/// What no frame's name ends with.
const NO_FRAME: u8 = b'_';

/// Elements of Matroska (RFC 9559 section 5.1).
const EBML: u32 = 0x1A45_DFA3;
const CLUSTER: u32 = 0x1F43_B675;
const CHAPTERS: u32 = 0x1043_A770;
/// The end of the name of an element that nobody has defined, which is passed over.
const NO_CHAPTERS: u8 = 0x71;

/// A frame's size begins with this at most, as a tag has 256 MB at most. Letters are larger, so the
/// word `CHAPTER` in a title is no frame.
const MOST_FIRST_SIZE_BYTE: u32 = 0x0F;
/// Bits of a size that ID3v2.4 looks at.
const SYNCSAFE: u32 = 0x7F7F_7F7F;

/// Looks at all bytes that pass, until the file is open.
#[derive(Debug)]
pub struct Disarm {
    open: Arc<AtomicBool>,
    /// The last four bytes, as far as they follow each other.
    last: u32,
    /// Bytes of a size still to come, and those seen.
    size: (u8, u32),
    frames: u32,
    contents: u32,
    frame_bytes: u64,
    /// How many bytes have passed, and where the frames end that are open there.
    at: u64,
    ends: Vec<u64>,
    /// The first bytes were those of Matroska, and where it is no sound has begun yet.
    matroska: bool,
    in_cluster: bool,
}

impl Disarm {
    /// Works until `open` is set.
    pub fn new(open: Arc<AtomicBool>) -> Self {
        Self {
            open,
            last: 0,
            size: (0, 0),
            frames: 0,
            contents: 0,
            frame_bytes: 0,
            at: 0,
            ends: Vec::with_capacity(MAX_DEPTH),
            matroska: false,
            in_cluster: false,
        }
    }

    /// True when there is nothing more to do.
    pub fn is_over(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// The next bytes come from elsewhere.
    pub fn jumped(&mut self) {
        self.last = 0;
        self.size = (0, 0);
        self.in_cluster = false;
    }

    /// Changes what must not pass.
    pub fn look(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.last = self.last << 8 | u32::from(*byte);
            self.at += 1;
            self.measure(*byte);
            let last = self.last;
            match last {
                CHAPTER | CONTENTS if self.is_enough() => *byte = NO_FRAME,
                CONTENTS if self.contents >= MAX_CONTENTS => *byte = NO_FRAME,
                CHAPTER | CONTENTS => {
                    self.contents += u32::from(last == CONTENTS);
                    self.size = (4, 0);
                }
                EBML => self.matroska = true,
                CLUSTER => self.in_cluster = true,
                CHAPTERS if self.matroska && !self.in_cluster => *byte = NO_CHAPTERS,
                _ => {}
            }
        }
    }

    /// True when no more frames may pass here.
    fn is_enough(&mut self) -> bool {
        self.ends.retain(|end| *end > self.at);
        self.ends.len() >= MAX_DEPTH
            || self.frames >= MAX_CHAPTER_FRAMES
            || self.frame_bytes >= MAX_CHAPTER_FRAMES_BYTES
    }

    /// Takes a byte of a frame's size.
    fn measure(&mut self, byte: u8) {
        let (left, size) = self.size;
        if left == 0 {
            return;
        }
        let size = size << 8 | u32::from(byte);
        self.size = (left - 1, size);
        if left > 1 {
            return;
        }
        // The larger of what it may mean.
        let plausible = |size: &u32| size >> 24 <= MOST_FIRST_SIZE_BYTE;
        if let Some(size) = [size, size & SYNCSAFE].into_iter().find(plausible) {
            self.frames += 1;
            self.frame_bytes += u64::from(size);
            self.ends.push(self.at + u64::from(size));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(bytes: &[u8], pieces: usize) -> Vec<u8> {
        let mut disarm = Disarm::new(Arc::default());
        let mut bytes = bytes.to_vec();
        bytes
            .chunks_mut(pieces)
            .for_each(|piece| disarm.look(piece));
        bytes
    }

    #[test]
    fn frames_of_chapters_pass_until_they_are_too_many_or_too_large() {
        let frame = |size: u32| [&b"CHAP"[..], &size.to_be_bytes(), &[0; 12]].concat();
        let honest = [
            frame(12).repeat(300),
            b"CHAPTER ONE CTOC".repeat(MAX_CONTENTS as usize),
        ]
        .concat();
        assert_eq!(looked(&honest, 1000), honest);
        let most = MAX_CHAPTER_FRAMES as usize;
        assert_eq!(MAX_CHAPTER_FRAMES_BYTES, 32 << 20);
        for (many, stay) in [
            (frame(12).repeat(most + 3), most),
            (
                frame(8 << 20).repeat(9),
                MAX_CHAPTER_FRAMES_BYTES as usize >> 23,
            ),
        ] {
            for pieces in [1, 3, 4096] {
                let looked = looked(&many, pieces);
                let left = looked.windows(4).filter(|at| at == b"CHAP").count();
                let gone = looked.windows(4).filter(|at| at == b"CHA_").count();
                assert_eq!((left, gone), (stay, many.len() / 20 - stay));
            }
        }
    }

    #[test]
    fn chapters_of_matroska_are_hidden_before_its_sound_and_nowhere_else() {
        let (ebml, chapters) = (EBML.to_be_bytes(), CHAPTERS.to_be_bytes());
        let file = [&ebml[..], &chapters, &CLUSTER.to_be_bytes(), &chapters].concat();
        for pieces in [1, 5, 100] {
            let looked = looked(&file, pieces);
            assert_eq!(looked[7], NO_CHAPTERS);
            assert_eq!(looked[8..], file[8..]);
        }
        assert_eq!(looked(&chapters, 4), chapters);
    }
}
