//! Ogg pages (RFC 3533 section 6).

use std::io::{self, Read, Write};

/// A page carries at most 255 segments of at most 255 bytes.
pub const MAX_SEGMENTS: usize = 255;

/// Flags in the page header.
pub const CONTINUED: u8 = 1;
/// The first page of a stream.
pub const FIRST: u8 = 2;
/// The last page of a stream.
pub const LAST: u8 = 4;

/// The granule position of a page on which no packet ends.
pub const NO_GRANULE: u64 = u64::MAX;

const HEADER_BYTES: usize = 27;

/// One page, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// [`CONTINUED`], [`FIRST`], [`LAST`].
    pub flags: u8,
    /// Frames at 48 kHz up to the end of the last packet ending here.
    pub granule: u64,
    /// Which logical stream.
    pub serial: u32,
    /// Counts pages of the stream.
    pub sequence: u32,
    /// Segment lengths; a packet ends with the first one below 255.
    pub lacing: Vec<u8>,
    /// The segments.
    pub body: Vec<u8>,
}

impl Page {
    /// Writes the page with its checksum.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.lacing.len() + self.body.len());
        bytes.extend(b"OggS\0");
        bytes.push(self.flags);
        bytes.extend(self.granule.to_le_bytes());
        bytes.extend(self.serial.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.push(u8::try_from(self.lacing.len()).map_err(|_| io::ErrorKind::InvalidInput)?);
        bytes.extend(&self.lacing);
        bytes.extend(&self.body);
        let sum = crc(&bytes).to_le_bytes();
        if let Some(field) = bytes.get_mut(22..26) {
            field.copy_from_slice(&sum);
        }
        out.write_all(&bytes)
    }

    /// Reads the next page; `None` at the end of the input.
    ///
    /// Finds the next page after garbage, and passes pages with a wrong checksum over.
    pub fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        loop {
            if !find_capture(input)? {
                return Ok(None);
            }
            match read_after_capture(input) {
                Ok(Some(page)) => return Ok(Some(page)),
                Ok(None) => {} // wrong checksum or version
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }
}

/// Reads up to and including the next `OggS`.
fn find_capture(input: &mut impl Read) -> io::Result<bool> {
    let mut window = [0u8; 4];
    loop {
        let mut byte = [0u8];
        match input.read_exact(&mut byte) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(e) => return Err(e),
        }
        window.rotate_left(1);
        window[3] = byte[0];
        if &window == b"OggS" {
            return Ok(true);
        }
    }
}

fn read_after_capture(input: &mut impl Read) -> io::Result<Option<Page>> {
    let mut header = [0u8; HEADER_BYTES - 4];
    input.read_exact(&mut header)?;
    let [version, flags, rest @ ..] = header;
    let (granule, rest) = take::<8>(&rest);
    let (serial, rest) = take::<4>(rest);
    let (sequence, rest) = take::<4>(rest);
    let (sum, rest) = take::<4>(rest);
    let segments = usize::from(rest.first().copied().unwrap_or(0));
    let mut lacing = vec![0; segments];
    input.read_exact(&mut lacing)?;
    let mut body = vec![0; lacing.iter().map(|l| usize::from(*l)).sum()];
    input.read_exact(&mut body)?;

    let mut bytes = b"OggS".to_vec();
    bytes.extend(header);
    bytes.extend(&lacing);
    bytes.extend(&body);
    if let Some(field) = bytes.get_mut(22..26) {
        field.fill(0);
    }
    if version != 0 || crc(&bytes) != u32::from_le_bytes(sum) {
        return Ok(None);
    }
    Ok(Some(Page {
        flags,
        granule: u64::from_le_bytes(granule),
        serial: u32::from_le_bytes(serial),
        sequence: u32::from_le_bytes(sequence),
        lacing,
        body,
    }))
}

fn take<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    match bytes.split_first_chunk::<N>() {
        Some((taken, rest)) => (*taken, rest),
        None => ([0; N], &[]),
    }
}

/// The checksum of RFC 3533: CRC-32 with polynomial 0x04C11DB7, neither reflected nor inverted.
pub fn crc(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    bytes.iter().fold(0, |sum, byte| {
        let index = (sum >> 24) as u8 ^ byte;
        // An array of 256 indexed by a byte cannot miss.
        sum << 8 ^ TABLE.get(usize::from(index)).copied().unwrap_or(0)
    })
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut sum = (i as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 0x8000_0000 != 0 {
                sum << 1 ^ 0x04C1_1DB7
            } else {
                sum << 1
            };
            bit += 1;
        }
        table[i] = sum;
        i += 1;
    }
    table
}
