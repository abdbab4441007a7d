//! Whether a track is a legal Ogg Opus file, told page by page. It knows the rules (RFC 3533, RFC 7845), not
//! the writer.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::ogg::{Found, Page, Pages};
use super::packet::duration;
use super::{RecorderError, at};

/// A hundred years: beyond it a position is damage, not time.
const LONGEST_FRAMES: u64 = 100 * 366 * 86_400 * 48_000;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The two header pages are missing or not Opus'.
    NoHead,
    /// Bytes at the end that are no page: a crash while one was written.
    Torn {
        /// How many.
        bytes: u64,
    },
    /// Bytes in the middle that are no page; players skip them.
    Damaged {
        /// Where they begin.
        at: u64,
        /// How many.
        bytes: u64,
    },
    /// The last page does not say that it is the last.
    NoEnd,
    /// Pages after the last.
    AfterEnd,
    /// A page of another stream.
    Serial {
        /// The page, from 0.
        page: u64,
    },
    /// A page number that does not follow the one before.
    Sequence {
        /// The page, from 0.
        page: u64,
    },
    /// A position that is not the sum of all packets up to it.
    Granule {
        /// The page, from 0.
        page: u64,
        /// Frames the page states.
        stated: u64,
        /// Frames there are.
        counted: u64,
    },
    /// A packet that is not legal Opus.
    Packet {
        /// The page, from 0.
        page: u64,
    },
    /// A packet crosses the page's edge, which our writer never does.
    Split {
        /// The page, from 0.
        page: u64,
    },
}

impl Fault {
    /// Whether repair can undo it.
    #[must_use]
    pub fn is_repairable(&self) -> bool {
        matches!(self, Self::NoHead | Self::Torn { .. } | Self::NoEnd)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHead => write!(f, "the header is missing or torn"),
            Self::Torn { bytes } => write!(f, "{bytes} bytes at the end are half a page"),
            Self::Damaged { at, bytes } => write!(f, "{bytes} bytes at {at} are no page"),
            Self::NoEnd => write!(f, "the track does not end in order"),
            Self::AfterEnd => write!(f, "there are pages after the last"),
            Self::Serial { page } => write!(f, "page {page} belongs to another stream"),
            Self::Sequence { page } => write!(f, "pages are missing before page {page}"),
            Self::Granule {
                page,
                stated,
                counted,
            } => write!(f, "page {page} says {stated} frames and holds {counted}"),
            Self::Packet { page } => write!(f, "page {page} holds a packet that is not Opus"),
            Self::Split { page } => write!(f, "page {page} shares a packet with its neighbour"),
        }
    }
}

/// What a track is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackReport {
    /// Good pages, headers included.
    pub pages: u64,
    /// Opus packets.
    pub packets: u64,
    /// Frames at 48 kHz of all packets.
    pub frames: u64,
    /// Number of the logical stream.
    pub serial: u32,
    /// Number of the page that would come next.
    pub next_sequence: u32,
    /// Bytes up to the end of the last good page.
    pub good_bytes: u64,
    /// Whether the last page says that it is the last.
    pub ended: bool,
    /// Everything that is wrong; at most 100, and whatever repair can undo.
    pub faults: Vec<Fault>,
}

impl TrackReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_legal(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, fault: Fault) {
        // What repair can undo is at most a handful, and must not go unseen behind the rest.
        if self.faults.len() < 100 || fault.is_repairable() {
            self.faults.push(fault);
        }
    }
}

/// Reads a track from end to end. It holds one page in memory, whatever the length.
///
/// # Errors
/// When the file cannot be read; what is wrong inside is in the report.
pub fn check(path: &Path) -> Result<TrackReport, RecorderError> {
    let file = at(path, File::open(path))?;
    let mut pages = at(path, Pages::new(BufReader::with_capacity(1 << 16, file)))?;
    let mut report = TrackReport::default();
    loop {
        let start = pages.at();
        match at(path, pages.read_on())? {
            Found::End => break,
            Found::Torn(bytes) => report.fault(Fault::Torn { bytes }),
            Found::Damaged(bytes) => report.fault(Fault::Damaged { at: start, bytes }),
            Found::Page(page) => {
                note(&mut report, &page);
                report.good_bytes = pages.at();
            }
        }
    }
    if report.pages < 2 && !report.faults.contains(&Fault::NoHead) {
        report.fault(Fault::NoHead);
    } else if !report.ended {
        report.fault(Fault::NoEnd);
    }
    Ok(report)
}

fn note(report: &mut TrackReport, page: &Page) {
    let number = report.pages;
    report.pages += 1;
    if number == 0 {
        report.serial = page.serial;
    }
    if number < 2 {
        let magic: &[u8] = if number == 0 {
            b"OpusHead"
        } else {
            b"OpusTags"
        };
        let mut packets = page.packets();
        let fits = packets
            .next()
            .is_some_and(|packet| packet.starts_with(magic))
            && packets.next().is_none()
            && page.is_first() == (number == 0)
            && page.granule == 0
            && u64::from(page.sequence) == number;
        if !fits {
            report.fault(Fault::NoHead);
        }
        report.next_sequence = page.sequence.wrapping_add(1);
        return;
    }
    if report.ended {
        report.fault(Fault::AfterEnd);
    }
    if page.serial != report.serial {
        report.fault(Fault::Serial { page: number });
    }
    if page.sequence != report.next_sequence {
        report.fault(Fault::Sequence { page: number });
    }
    if page.is_split() {
        report.fault(Fault::Split { page: number });
    }
    for packet in page.packets() {
        report.packets += 1;
        match duration(packet) {
            Some(frames) => report.frames += u64::from(frames),
            None => report.fault(Fault::Packet { page: number }),
        }
    }
    if page.granule != report.frames {
        report.fault(Fault::Granule {
            page: number,
            stated: page.granule,
            counted: report.frames,
        });
        // One fault, not one for each page after it; but what no recording can be long is no place to go
        // on from.
        if page.granule < LONGEST_FRAMES {
            report.frames = page.granule;
        }
    }
    report.next_sequence = page.sequence.wrapping_add(1);
    report.ended = page.is_last();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ogg::{Head, Pager};

    /// A track whose second page of sound states an impossible position, under a right checksum.
    #[test]
    fn an_impossible_position_is_a_fault_and_breaks_nothing() {
        for stated in [u64::MAX, u64::MAX - 960, 1 << 63, LONGEST_FRAMES] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.opus");
            let head = Head {
                serial: 7,
                channels: 2,
                tags: Vec::new(),
            };
            let mut bytes = head.pages();
            let mut pager = Pager::new(7);
            pager.put(&super::super::packet::SILENCE, 960, &mut bytes);
            pager.flush(&mut bytes);
            let before = bytes.len();
            pager.put(&super::super::packet::SILENCE, 960, &mut bytes);
            pager.flush(&mut bytes);
            let second = bytes.split_off(before);
            bytes.extend(restated(&second, stated));
            std::fs::write(&path, &bytes).unwrap();
            let report = check(&path).unwrap();
            let is_told = |fault: &Fault| matches!(fault, Fault::Granule { .. });
            assert!(report.faults.iter().any(is_told), "{:?}", report.faults);
            let mended = crate::core::repair::repair_track(&path, &head).unwrap();
            assert!(mended.report.frames < LONGEST_FRAMES);
        }
    }

    /// The page with another position and its checksum made anew (RFC 3533, section 6).
    fn restated(page: &[u8], granule: u64) -> Vec<u8> {
        let mut page = page.to_vec();
        page[6..14].copy_from_slice(&granule.to_le_bytes());
        page[22..26].fill(0);
        let mut crc = 0_u32;
        for byte in &page {
            crc ^= u32::from(*byte) << 24;
            for _ in 0..8 {
                crc = crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
            }
        }
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        page
    }
}
