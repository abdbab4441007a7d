//! What the demuxer does not tell about a Matroska or WebM file: how many frames to throw away at
//! the start and end of a track (RFC 9559 sections 5.1.4.1.28, CodecDelay, and 5.1.3.5.7,
//! DiscardPadding), the title in its head (section 5.1.2.12), and where its clusters are, because
//! the demuxer's own seeking lands seconds off.

mod chapters;
mod cues;

use std::io::{Read, Seek, SeekFrom};

use crate::info::Chapter;
use crate::limits::MAX_BOXES;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// CodecDelay: nanoseconds to throw away at the start.
    pub start_ns: u64,
    /// DiscardPadding of the last block: nanoseconds to throw away at the end.
    pub end_ns: u64,
    /// The title of the whole.
    pub title: Option<String>,
    /// Where the clusters begin.
    pub clusters: Vec<Cluster>,
    /// The chapters of its first edition.
    pub chapters: Vec<Chapter>,
}

/// A few seconds of the file, decodable from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// Its timestamp in ticks, before the codec delay is taken off.
    pub ts: u64,
    /// Its first byte.
    pub at: u64,
}

// Element ids, RFC 9559 section 5.1 and RFC 8794 section 11.2.
const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114D_9B74;
const CUES: u32 = 0x1C53_BB6B;
const INFO: u32 = 0x1549_A966;
const TITLE: u32 = 0x7BA9;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const TRACK_NUMBER: u32 = 0xD7;
const CODEC_DELAY: u32 = 0x56AA;
const CHAPTERS: u32 = 0x1043_A770;
const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u32 = 0xE7;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
const SIMPLE_BLOCK: u32 = 0xA3;
const DISCARD_PADDING: u32 = 0x75A2;

/// Longest title read.
const MAX_TITLE_BYTES: usize = 4096;

/// How to look for the clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// One after the other, to the end.
    All,
    /// By the index, if there is one: each step may be a request over a network.
    ByCues,
}

/// Reads what concerns track `number`; anything odd counts as none.
pub fn read_facts(source: &mut (impl Read + Seek), number: u64, walk: Walk) -> Facts {
    let mut scan = Scan {
        source,
        left: MAX_BOXES,
    };
    scan.run(number, walk).unwrap_or_default()
}

struct Scan<'a, S> {
    source: &'a mut S,
    /// Elements that may still be read.
    left: usize,
}

struct Element {
    id: u32,
    /// First byte of the contents.
    at: u64,
    /// First byte after it; `u64::MAX` when the size is unknown (a live stream).
    end: u64,
}

impl<S: Read + Seek> Scan<'_, S> {
    fn run(&mut self, number: u64, walk: Walk) -> Option<Facts> {
        let header = self.element(0)?;
        if header.id != EBML {
            return None;
        }
        let segment = self.element(header.end)?;
        if segment.id != SEGMENT {
            return None;
        }
        let mut facts = Facts::default();
        let (mut cues, mut places) = (None, Vec::new());
        let mut last_cluster = None;
        let (mut gap, mut indexed) = (false, false);
        let mut at = segment.at;
        while at < segment.end
            && let Some(child) = self.element(at)
        {
            match child.id {
                SEEK_HEAD => places.extend(self.seek_head(&child, segment.at)),
                CUES if !indexed => cues = Some(self.cues(&child, segment.at)),
                INFO => facts.title = self.title(&child),
                CHAPTERS if facts.chapters.is_empty() => facts.chapters = self.chapters(&child),
                TRACKS => facts.start_ns = self.codec_delay(&child, number).unwrap_or(0),
                CLUSTER => {
                    last_cluster = Some(child.at..child.end);
                    match self.cluster_ts(&child) {
                        Some(ts) => facts.clusters.push(Cluster { ts, at }),
                        None => gap = true,
                    }
                    if walk == Walk::ByCues
                        && !indexed
                        && let Some(last) = self.by_cues(&mut facts, cues.take(), &places, &segment)
                    {
                        // There may be more clusters behind the last one that is named.
                        (indexed, at) = (true, last);
                        continue;
                    }
                }
                _ => {}
            }
            if child.end == u64::MAX {
                break;
            }
            at = child.end;
        }
        // Half an index is worse than none.
        let seen_all = walk == Walk::All || indexed || at >= segment.end;
        if gap || !seen_all {
            facts.clusters.clear();
        }
        if let Some(cluster) = last_cluster {
            facts.end_ns = self.last_discard(cluster, number);
        }
        Some(facts)
    }

    /// Takes the clusters from the index, and the chapters if they stand behind; where the last one
    /// named begins, which is left out. `None` without an index.
    fn by_cues(
        &mut self,
        facts: &mut Facts,
        seen: Option<Vec<Cluster>>,
        places: &[(u32, u64)],
        segment: &Element,
    ) -> Option<u64> {
        let first = *facts.clusters.first()?;
        let named = |id| places.iter().find(|(named, _)| *named == id).copied();
        let look = |scan: &mut Self, id| {
            let (_, at) = named(id).filter(|(_, at)| *at > first.at)?;
            scan.element(at).filter(|element| element.id == id)
        };
        let cues = match seen {
            Some(cues) => cues,
            None => {
                let cues = look(self, CUES)?;
                self.cues(&cues, segment.at)
            }
        };
        let later = cues.into_iter().filter(|cluster| cluster.at > first.at);
        let mut clusters = vec![first];
        clusters.extend(later);
        if facts.chapters.is_empty()
            && let Some(chapters) = look(self, CHAPTERS)
        {
            facts.chapters = self.chapters(&chapters);
        }
        let last = clusters.pop()?.at;
        self.element(last).filter(|last| last.id == CLUSTER)?;
        facts.clusters = clusters;
        Some(last)
    }

    fn title(&mut self, info: &Element) -> Option<String> {
        let mut at = info.at;
        while at < info.end
            && let Some(field) = self.element(at)
        {
            if field.id == TITLE {
                return self.text(&field);
            }
            at = field.end;
        }
        None
    }

    fn text(&mut self, element: &Element) -> Option<String> {
        let len = usize::try_from(element.end.checked_sub(element.at)?).ok()?;
        let mut bytes = vec![0; len.min(MAX_TITLE_BYTES)];
        self.source.seek(SeekFrom::Start(element.at)).ok()?;
        self.source.read_exact(&mut bytes).ok()?;
        // Padding of a string is zero bytes at its end (RFC 8794 section 7.5).
        let text = String::from_utf8_lossy(&bytes);
        Some(text.trim_end_matches('\0').to_owned())
    }

    /// The timestamp of a cluster: its first child, or nearly so.
    fn cluster_ts(&mut self, cluster: &Element) -> Option<u64> {
        let mut at = cluster.at;
        for _ in 0..4 {
            let field = self.element(at).filter(|_| at < cluster.end)?;
            if field.id == TIMESTAMP {
                return self.unsigned(&field);
            }
            at = field.end;
        }
        None
    }

    fn codec_delay(&mut self, tracks: &Element, number: u64) -> Option<u64> {
        let mut at = tracks.at;
        while at < tracks.end
            && let Some(entry) = self.element(at)
        {
            if entry.id == TRACK_ENTRY {
                let (mut this, mut delay, mut inner) = (None, 0, entry.at);
                while inner < entry.end
                    && let Some(field) = self.element(inner)
                {
                    match field.id {
                        TRACK_NUMBER => this = self.unsigned(&field),
                        CODEC_DELAY => delay = self.unsigned(&field)?,
                        _ => {}
                    }
                    inner = field.end;
                }
                if this == Some(number) {
                    return Some(delay);
                }
            }
            at = entry.end;
        }
        None
    }

    /// The padding of the last block of the track, 0 when that block has none.
    fn last_discard(&mut self, cluster: std::ops::Range<u64>, number: u64) -> u64 {
        let (mut at, mut last) = (cluster.start, 0);
        while at < cluster.end
            && let Some(child) = self.element(at)
        {
            match child.id {
                SIMPLE_BLOCK if self.block_track(&child) == Some(number) => last = 0,
                BLOCK_GROUP => {
                    let (mut ours, mut discard, mut inner) = (false, 0, child.at);
                    while inner < child.end
                        && let Some(field) = self.element(inner)
                    {
                        match field.id {
                            BLOCK => ours = self.block_track(&field) == Some(number),
                            DISCARD_PADDING => {
                                // Signed; negative would trim the start of the block.
                                let raw = self.signed(&field).unwrap_or(0);
                                discard = u64::try_from(raw).unwrap_or(0);
                            }
                            _ => {}
                        }
                        inner = field.end;
                    }
                    if ours {
                        last = discard;
                    }
                }
                _ => {}
            }
            if child.end == u64::MAX {
                break;
            }
            at = child.end;
        }
        last
    }

    /// The track number a block begins with.
    fn block_track(&mut self, block: &Element) -> Option<u64> {
        self.source.seek(SeekFrom::Start(block.at)).ok()?;
        self.size().map(|(value, _)| value)
    }

    fn element(&mut self, at: u64) -> Option<Element> {
        self.left = self.left.checked_sub(1)?;
        self.source.seek(SeekFrom::Start(at)).ok()?;
        let first = self.byte()?;
        let len = first.leading_zeros() as u64 + 1;
        if len > 4 {
            return None;
        }
        let mut id = u32::from(first);
        for _ in 1..len {
            id = id << 8 | u32::from(self.byte()?);
        }
        let (size, size_len) = self.size()?;
        let contents = at.checked_add(len + size_len)?;
        let all_ones = (1u64 << (7 * size_len)) - 1;
        let end = if size == all_ones {
            u64::MAX
        } else {
            contents.checked_add(size)?
        };
        Some(Element {
            id,
            at: contents,
            end,
        })
    }

    /// A variable-size integer without its marker, and its length in bytes (RFC 8794 section 4).
    fn size(&mut self) -> Option<(u64, u64)> {
        let first = self.byte()?;
        let len = u64::from(first.leading_zeros()) + 1;
        if len > 8 {
            return None;
        }
        let mut value = u64::from(first) & ((1 << (8 - len)) - 1);
        for _ in 1..len {
            value = value << 8 | u64::from(self.byte()?);
        }
        Some((value, len))
    }

    fn unsigned(&mut self, element: &Element) -> Option<u64> {
        let len = element
            .end
            .checked_sub(element.at)
            .filter(|len| *len <= 8)?;
        self.source.seek(SeekFrom::Start(element.at)).ok()?;
        (0..len).try_fold(0u64, |value, _| Some(value << 8 | u64::from(self.byte()?)))
    }

    fn signed(&mut self, element: &Element) -> Option<i64> {
        let len = element
            .end
            .checked_sub(element.at)
            .filter(|len| (1..=8).contains(len))?;
        let value = self.unsigned(element)?;
        let unused = 64 - 8 * len;
        Some((value << unused) as i64 >> unused)
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0u8];
        self.source.read_exact(&mut byte).ok()?;
        Some(byte[0])
    }
}

#[cfg(test)]
mod tests;
