//! Pages out of a file, whatever state it is in.
//!
//! Every byte is read once and summed once, however many places look like the beginning of a page: what a
//! place costs does not depend on how long the page is that it claims to begin.

use std::io::{self, Read, Seek, SeekFrom};

use super::window::Window;
use super::{HEADER_BYTES, Page, crc};

/// What a page begins with: the mark and the version (RFC 3533, section 6, fields 1 and 2).
const MARK: &[u8] = b"OggS\0";
/// Where the checksum stands in a header, and where it ends.
const CRC_AT: usize = 22;
const CRC_END: usize = CRC_AT + 4;

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

/// Reads pages one after the other. It holds little more than the longest page that the file claims to have,
/// at most some 150 kB.
pub struct Pages<R> {
    window: Window<R>,
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
        Ok(Self {
            window: Window::new(file, bytes),
            at: 0,
            bytes,
        })
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
        while let Some(place) = self.window.find(from, MARK)? {
            if self.length_at(place)?.is_some() {
                self.at = place;
                return Ok(Found::Damaged(place - start));
            }
            from = place + 1;
        }
        self.at = self.bytes;
        Ok(Found::Torn(self.bytes - start))
    }

    /// How long the page is that begins here, in bytes; `None` when none does.
    fn length_at(&mut self, at: u64) -> io::Result<Option<usize>> {
        let Some(&[ref head @ .., count]) = self.window.get(at, HEADER_BYTES)? else {
            return Ok(None);
        };
        if !head.starts_with(MARK) {
            return Ok(None);
        }
        let (before, stated) = head.split_at_checked(CRC_AT).unwrap_or_default();
        // The sum is made as if the checksum's own place were empty.
        let start = crc(crc(0, before), &[0; 4]);
        let stated = stated
            .iter()
            .fold(0, |sum, byte| sum >> 8 | u32::from(*byte) << 24);
        let table = HEADER_BYTES + usize::from(count);
        let Some(segments) = self
            .window
            .get(at, table)?
            .and_then(|all| all.get(HEADER_BYTES..))
        else {
            return Ok(None);
        };
        let body: usize = segments.iter().map(|lacing| usize::from(*lacing)).sum();
        let length = table + body;
        let Some(counted) = self.window.sum(at, start, CRC_END, length)? else {
            return Ok(None);
        };
        Ok((counted == stated).then_some(length))
    }

    fn page_at(&mut self, at: u64) -> io::Result<Option<Page>> {
        let Some(length) = self.length_at(at)? else {
            return Ok(None);
        };
        let bytes = self.window.get(at, length)?.unwrap_or_default();
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES).unwrap_or_default();
        let mut fields = header.iter().copied().skip(MARK.len());
        let mut take = |count: usize| {
            (0..count).fold(0_u64, |value, index| {
                value | u64::from(fields.next().unwrap_or(0)) << (8 * index)
            })
        };
        let (flags, granule, serial, sequence) =
            (take(1) as u8, take(8), take(4) as u32, take(4) as u32);
        let _checksum = take(4);
        let (segments, body) = rest.split_at_checked(take(1) as usize).unwrap_or_default();
        Ok(Some(Page {
            flags,
            granule,
            serial,
            sequence,
            segments: segments.to_vec(),
            body: body.to_vec(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Head, LONGEST_PAGE_BYTES, Pager};
    use super::*;
    use std::io::Cursor;

    /// A file that counts the bytes read from it.
    struct Counted(Cursor<Vec<u8>>, std::rc::Rc<std::cell::Cell<u64>>);

    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(buffer)?;
            self.1.set(self.1.get() + read as u64);
            Ok(read)
        }
    }

    impl Seek for Counted {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    fn found(bytes: Vec<u8>) -> (Vec<Found>, u64) {
        let read = std::rc::Rc::default();
        let mut pages = Pages::new(Counted(Cursor::new(bytes), std::rc::Rc::clone(&read))).unwrap();
        let mut all = Vec::new();
        loop {
            match pages.read_on().unwrap() {
                Found::End => return (all, read.get()),
                found => all.push(found),
            }
        }
    }

    fn pages_of(packets: &[&[u8]]) -> Vec<u8> {
        let mut pager = Pager::new(7);
        let mut bytes = Vec::new();
        for packet in packets {
            pager.put(packet, 960, &mut bytes);
            pager.flush(&mut bytes);
        }
        bytes
    }

    #[test]
    fn pages_of_every_length_come_back_as_they_were_written() {
        let long: Vec<Vec<u8>> = (0..40).map(|n| vec![n as u8; n * 1_600 + n % 3]).collect();
        let packets: Vec<&[u8]> = long.iter().map(Vec::as_slice).collect();
        let bytes = pages_of(&packets);
        let length = bytes.len() as u64;
        let (all, read) = found(bytes);
        assert_eq!((all.len(), read), (40, length));
        for (found, packet) in all.iter().zip(&packets) {
            let Found::Page(page) = found else {
                panic!("{found:?}");
            };
            assert_eq!(page.packets().collect::<Vec<_>>(), [*packet]);
            assert_eq!(page.serial, 7);
        }
    }

    #[test]
    fn places_that_only_look_like_pages_are_read_and_summed_once() {
        // Each claims the longest page there is and has a wrong checksum; between them stand good ones.
        let mut claim = b"OggS".to_vec();
        claim.resize(HEADER_BYTES - 1, 0);
        claim.extend([255; 256]);
        let good = pages_of(&[&[1, 2, 3]]);
        let mut bytes = Vec::new();
        for _ in 0..2_000 {
            bytes.extend(&claim);
            bytes.extend(&good);
        }
        bytes.extend(vec![0; LONGEST_PAGE_BYTES]);
        let length = bytes.len() as u64;
        let (all, read) = found(bytes);
        assert_eq!(read, length);
        let good = |found: &&Found| matches!(found, Found::Page(_));
        assert_eq!(all.iter().filter(good).count(), 2_000);
        let torn =
            matches!(all.last(), Some(Found::Torn(bytes)) if *bytes == LONGEST_PAGE_BYTES as u64);
        assert!(torn);
    }

    #[test]
    fn one_wrong_bit_anywhere_in_a_page_is_damage_up_to_the_next() {
        let head = Head {
            serial: 7,
            channels: 2,
            tags: Vec::new(),
        };
        let (first, second) = (head.pages(), pages_of(&[&[9; 700]]));
        for bit in 0..first.len() * 8 {
            let mut bytes = first.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes.extend(&second);
            let (all, _) = found(bytes);
            assert!(all.iter().any(|found| matches!(found, Found::Damaged(_))));
            assert!(matches!(all.last(), Some(Found::Page(page)) if page.sequence == 2));
        }
    }
}
