//! Pages out of a file, whatever state it is in.

use std::io::{self, Read, Seek, SeekFrom};

use super::{HEADER_BYTES, LONGEST_PAGE_BYTES, Page, crc};

/// What is found at a place of a file.
#[derive(Debug)]
pub enum Found {
    /// A page whose checksum is right.
    Page(Page),
    /// This many bytes that are no page; a good one comes after them.
    Damaged(u64),
    /// This many bytes that are no page; none comes after them.
    Torn(u64),
    /// The end of the file.
    End,
}

/// Reads pages one after the other.
pub struct Pages<R> {
    file: R,
    at: u64,
    bytes: u64,
}

impl<R: Read + Seek> Pages<R> {
    /// Begins at the beginning.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(mut file: R) -> io::Result<Self> {
        let bytes = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        Ok(Self { file, at: 0, bytes })
    }

    /// The place behind what was found last, in bytes.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Length of the file in bytes when it was opened.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads on.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_on(&mut self) -> io::Result<Found> {
        if self.at >= self.bytes {
            return Ok(Found::End);
        }
        let start = self.at;
        if let Some(page) = self.page_at(start)? {
            self.at += page.bytes();
            return Ok(Found::Page(page));
        }
        let mut from = start + 1;
        while let Some(place) = self.capture(from)? {
            if self.page_at(place)?.is_some() {
                self.at = place;
                self.file.seek(SeekFrom::Start(place))?;
                return Ok(Found::Damaged(place - start));
            }
            from = place + 1;
        }
        self.at = self.bytes;
        Ok(Found::Torn(self.bytes - start))
    }

    /// The next place from `from` on where a page could begin.
    fn capture(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut from = from;
        while from + HEADER_BYTES as u64 <= self.bytes {
            self.file.seek(SeekFrom::Start(from))?;
            let mut chunk = Vec::new();
            self.file
                .by_ref()
                .take(LONGEST_PAGE_BYTES as u64)
                .read_to_end(&mut chunk)?;
            if let Some(index) = chunk.windows(4).position(|window| window == b"OggS") {
                return Ok(Some(from + index as u64));
            }
            if chunk.len() < 4 {
                break;
            }
            from += chunk.len() as u64 - 3;
        }
        Ok(None)
    }

    fn page_at(&mut self, at: u64) -> io::Result<Option<Page>> {
        if at != self.at || self.file.stream_position()? != at {
            self.file.seek(SeekFrom::Start(at))?;
        }
        let mut header = [0_u8; HEADER_BYTES];
        if !self.fill(&mut header)? || !header.starts_with(b"OggS\0") {
            return Ok(None);
        }
        let mut fields = header.iter().copied().skip(5);
        let mut take = |count: usize| {
            (0..count).fold(0_u64, |value, index| {
                value | u64::from(fields.next().unwrap_or(0)) << (8 * index)
            })
        };
        let mut page = Page {
            flags: take(1) as u8,
            granule: take(8),
            serial: take(4) as u32,
            sequence: take(4) as u32,
            ..Page::default()
        };
        let stated = take(4) as u32;
        page.segments = vec![0; take(1) as usize];
        if !self.fill(&mut page.segments)? {
            return Ok(None);
        }
        page.body = vec![
            0;
            page.segments
                .iter()
                .map(|lacing| usize::from(*lacing))
                .sum()
        ];
        if !self.fill(&mut page.body)? {
            return Ok(None);
        }
        let counted = crc(crc(0, &page.header(0)), &page.body);
        Ok((counted == stated).then_some(page))
    }

    /// Reads exactly as much as fits; `false` when the file ends before.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        match self.file.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}
