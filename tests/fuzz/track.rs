//! Tracks out of an input: pages with right checksums, in any order and with any numbers. Chance alone would
//! hardly ever find a checksum.

use std::path::Path;

use mynah_recorder::core::ogg::{Head, Pager};
use tempfile::TempDir;

/// A folder that is gone with its holder; in memory where the system has such.
pub fn room() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("there is room for a folder")
}

/// What repair writes where the header is torn.
pub fn head() -> Head {
    Head {
        serial: 7,
        channels: 2,
        tags: vec![("ARTIST".to_owned(), "Ada".to_owned())],
    }
}

/// An input as steps of a writer that errs: one byte says what, the bytes after it with what.
pub struct Script<'a>(pub &'a [u8]);

impl Script<'_> {
    fn take(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn bytes_of(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }

    /// The file.
    pub fn bytes(mut self) -> Vec<u8> {
        let (mut out, mut serial, mut sequence, mut granule) = (Vec::new(), 7, 2, 0_u64);
        while !self.0.is_empty() && out.len() < 1 << 17 {
            let step = self.take();
            match step & 7 {
                // The headers, or one of them, or a part.
                0 => {
                    let pages = head().pages();
                    let from = if step & 8 == 0 { 0 } else { 47 };
                    let end = pages.len() - usize::from(step >> 4);
                    out.extend(&pages[from..end]);
                }
                // Bytes as they are.
                1 => {
                    let count = self.take().into();
                    out.extend(self.bytes_of(count));
                }
                2 => serial = self.take().into(),
                3 => sequence = u32::from_le_bytes([self.take(), self.take(), 0, step]),
                4 => granule = u64::from(self.take()) << (step >> 3),
                5 => {
                    let cut = usize::from(self.take());
                    out.truncate(out.len().saturating_sub(cut));
                }
                _ => {
                    let mut pager = Pager::after(serial, sequence, granule);
                    for _ in 0..=step >> 6 {
                        let (frames, count) = (120 * u32::from(self.take()), self.take().into());
                        let packet = self.bytes_of(count);
                        pager.put(&packet, frames, &mut out);
                    }
                    granule = pager.frames();
                    if step & 8 == 0 {
                        pager.flush(&mut out);
                    } else {
                        pager.finish(&mut out);
                    }
                    sequence = sequence.wrapping_add(1);
                }
            }
        }
        out
    }
}
