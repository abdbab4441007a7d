//! Ogg pages (RFC 3533) that hold Opus (RFC 7845), written and read one by one.
//!
//! Our own writer, because a recording needs what the `ogg` crate does not give: no packet ever crosses a
//! page, a page is closed after one second whatever it holds, and a stream can be gone on with behind a page
//! that another process wrote.

mod read;
mod window;

pub use read::{Found, Pages};

/// What decoders leave out at the beginning, in frames at 48 kHz.
///
/// 312 frames (6.5 ms) is the look-ahead of libopus' encoder, by which every packet sounds late: with it the
/// sample at position `p` of a decoded track is what was said at position `p` of the timeline. The 80 ms that
/// RFC 7845, section 4.2, wants for a decoder to settle are not needed: a track begins with silence or with
/// the first packet an encoder ever made.
pub const PRE_SKIP: u16 = 312;

/// A page is closed when it holds this much: 1 s.
const PAGE_FRAMES: u64 = 48_000;

/// Bytes of a page's header before its table of segments (RFC 3533, section 6).
const HEADER_BYTES: usize = 27;

/// The longest page that is legal: 27 + 255 + 255 * 255 bytes.
pub const LONGEST_PAGE_BYTES: usize = 65_307;

/// Flags of a page (RFC 3533, section 6, field 3).
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

const CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 == 0 {
                value << 1
            } else {
                value << 1 ^ 0x04C1_1DB7
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// Goes on with a page's checksum (RFC 3533, section 6, field 7).
fn crc(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |crc, byte| {
        let index = (crc >> 24) as u8 ^ byte;
        crc << 8 ^ CRC_TABLE.get(usize::from(index)).copied().unwrap_or(0)
    })
}

/// What stands at the head of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of the logical stream; any, but not twice in one recording.
    pub serial: u32,
    /// 1 or 2.
    pub channels: u8,
    /// `NAME=value` pairs (RFC 7845, section 5.2); the names are ASCII.
    pub tags: Vec<(String, String)>,
}

impl Head {
    /// The two header pages.
    #[must_use]
    pub fn pages(&self) -> Vec<u8> {
        let mut id = Vec::with_capacity(19);
        id.extend_from_slice(b"OpusHead");
        id.extend_from_slice(&[1, self.channels]);
        id.extend_from_slice(&PRE_SKIP.to_le_bytes());
        id.extend_from_slice(&48_000_u32.to_le_bytes());
        id.extend_from_slice(&[0, 0, 0]);
        let mut tags = Vec::new();
        tags.extend_from_slice(b"OpusTags");
        let mut text = |bytes: &[u8]| {
            // Far below a page's 65 kB, whatever name a user chose.
            let bytes = bytes.get(..bytes.len().min(4_000)).unwrap_or(bytes);
            tags.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            tags.extend_from_slice(bytes);
        };
        text(b"mynah");
        let pairs: Vec<&(String, String)> = self.tags.iter().take(12).collect();
        let count = (pairs.len() as u32).to_le_bytes();
        let mut list = Vec::new();
        for (name, value) in pairs {
            let mut pair = format!("{name}={value}");
            let end = (0..=pair.len().min(4_000))
                .rev()
                .find(|end| pair.is_char_boundary(*end))
                .unwrap_or(0);
            pair.truncate(end);
            list.extend_from_slice(&(pair.len() as u32).to_le_bytes());
            list.extend_from_slice(pair.as_bytes());
        }
        tags.extend_from_slice(&count);
        tags.extend_from_slice(&list);
        let mut pages = Vec::new();
        for (sequence, (flags, packet)) in [(FIRST, id), (0, tags)].into_iter().enumerate() {
            let mut page = Page {
                flags,
                granule: 0,
                serial: self.serial,
                sequence: sequence as u32,
                segments: Vec::new(),
                body: Vec::new(),
            };
            page.add(&packet);
            page.write(&mut pages);
        }
        pages
    }
}

/// One page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Bit 0: begins inside a packet; 1: first page; 2: last page.
    pub flags: u8,
    /// Frames at 48 kHz up to the end of its last packet.
    pub granule: u64,
    /// Number of the logical stream.
    pub serial: u32,
    /// Number of the page, from 0.
    pub sequence: u32,
    /// The lacing values.
    pub segments: Vec<u8>,
    /// The packets.
    pub body: Vec<u8>,
}

impl Page {
    /// Whether the stream begins here.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.flags & FIRST != 0
    }

    /// Whether the stream ends here.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.flags & LAST != 0
    }

    /// Whether it holds a header and no sound (RFC 7845, section 3). No legal Opus packet begins with the same
    /// bytes: it would last 960 ms.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.body.starts_with(b"OpusHead") || self.body.starts_with(b"OpusTags")
    }

    /// Whether a packet crosses its beginning or end.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.flags & CONTINUED != 0 || self.segments.last() == Some(&255)
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (HEADER_BYTES + self.segments.len() + self.body.len()) as u64
    }

    /// Its packets, in order.
    pub fn packets(&self) -> impl Iterator<Item = &[u8]> {
        let mut left = self.body.as_slice();
        let mut bytes = 0;
        self.segments.iter().filter_map(move |lacing| {
            bytes += usize::from(*lacing);
            if *lacing == 255 {
                return None;
            }
            let (packet, rest) = left.split_at_checked(bytes)?;
            left = rest;
            bytes = 0;
            Some(packet)
        })
    }

    fn room_for(&self, packet: &[u8]) -> bool {
        self.segments.len() + packet.len() / 255 < 255
    }

    fn add(&mut self, packet: &[u8]) {
        self.segments
            .extend(std::iter::repeat_n(255, packet.len() / 255));
        self.segments.push((packet.len() % 255) as u8);
        self.body.extend_from_slice(packet);
    }

    fn header(&self, crc: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.segments.len());
        bytes.extend_from_slice(b"OggS\0");
        bytes.push(self.flags);
        bytes.extend_from_slice(&self.granule.to_le_bytes());
        bytes.extend_from_slice(&self.serial.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.push(self.segments.len() as u8);
        bytes.extend_from_slice(&self.segments);
        bytes
    }

    /// Writes it with the checksum it must have.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let sum = crc(crc(0, &self.header(0)), &self.body);
        out.extend_from_slice(&self.header(sum));
        out.extend_from_slice(&self.body);
    }
}

/// Gathers packets into pages.
#[derive(Debug)]
pub struct Pager {
    page: Page,
    page_frames: u64,
}

impl Pager {
    /// Begins behind the two header pages.
    #[must_use]
    pub fn new(serial: u32) -> Self {
        Self::after(serial, 2, 0)
    }

    /// Goes on behind a page: `sequence` is the next page's number, `granule` the frames so far.
    #[must_use]
    pub fn after(serial: u32, sequence: u32, granule: u64) -> Self {
        Self {
            page: Page {
                serial,
                sequence,
                granule,
                ..Page::default()
            },
            page_frames: 0,
        }
    }

    /// Adds a packet that lasts `frames`; full pages go to `out`. Packets of more than 64 kB do not exist in
    /// Opus and are left out.
    pub fn put(&mut self, packet: &[u8], frames: u32, out: &mut Vec<u8>) {
        if !self.page.room_for(packet) {
            self.flush(out);
        }
        if !self.page.room_for(packet) {
            return;
        }
        self.page.add(packet);
        self.page.granule += u64::from(frames);
        self.page_frames += u64::from(frames);
        if self.page_frames >= PAGE_FRAMES || self.page.segments.len() >= 250 {
            self.flush(out);
        }
    }

    /// Closes the page if it holds anything.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        if self.page.segments.is_empty() {
            return;
        }
        self.page.write(out);
        self.page.sequence = self.page.sequence.wrapping_add(1);
        self.page.segments.clear();
        self.page.body.clear();
        self.page_frames = 0;
    }

    /// Ends the stream: the last page carries the mark, and one silence packet if there is nothing else to
    /// carry.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.page.segments.is_empty() {
            self.page.add(&super::packet::SILENCE);
            self.page.granule += 960;
        }
        self.page.flags = LAST;
        self.flush(out);
    }

    /// Whether packets wait for their page to be closed.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.page.segments.is_empty()
    }

    /// Frames at 48 kHz of all packets so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.page.granule
    }
}
