//! The presentation language of MLS (RFC 9420 section 2.1, RFC 8446 section 3), reading only what
//! dave.md section 3 needs. Every function gives `None` on bytes that are too short or not in
//! shortest form; nothing recurses, and nothing is allocated.

/// Reads from the front of a byte slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads a number that must have this value.
    pub fn expect_u16(&mut self, value: u16) -> Option<()> {
        (self.u16()? == value).then_some(())
    }

    /// Reads a number that must have this value.
    pub fn expect_u8(&mut self, value: u8) -> Option<()> {
        (self.u8()? == value).then_some(())
    }

    /// `<V>`: a length of one, two or four bytes in shortest form, then that many bytes.
    pub fn vector(&mut self) -> Option<&'a [u8]> {
        let first = self.u8()?;
        let low = u32::from(first & 0x3f);
        let length = match first >> 6 {
            0 => low,
            1 => (low << 8 | u32::from(self.u8()?)).at_least(64)?,
            2 => {
                let [a, b, c] = self.array()?.map(u32::from);
                (low << 24 | a << 16 | b << 8 | c).at_least(16_384)?
            }
            _ => return None,
        };
        self.take(usize::try_from(length).ok()?)
    }

    /// A vector of exactly `N` bytes.
    pub fn fixed_vector<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.vector()?.try_into().ok()
    }
}

trait AtLeast: Sized {
    fn at_least(self, least: Self) -> Option<Self>;
}

impl AtLeast for u32 {
    fn at_least(self, least: Self) -> Option<Self> {
        (self >= least).then_some(self)
    }
}

/// Is `value` in a list of 16-bit numbers?
pub(super) fn lists(list: &[u8], value: u16) -> bool {
    list.chunks_exact(2)
        .any(|entry| entry == value.to_be_bytes())
}

/// Appends `bytes` as `<V>`. Nothing here comes near the limit of 2^30 bytes.
pub(super) fn put_vector(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    match length {
        0..64 => out.push(length as u8),
        64..16_384 => out.extend((length as u16 | 0x4000).to_be_bytes()),
        _ => out.extend((length | 0x8000_0000).to_be_bytes()),
    }
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_every_size_are_read_as_they_were_written() {
        for length in [0, 1, 63, 64, 16_383, 16_384, 70_000] {
            let mut bytes = Vec::new();
            put_vector(&mut bytes, &vec![7; length]);
            bytes.push(9);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.vector().map(<[u8]>::len), Some(length));
            assert_eq!(reader.rest(), [9]);
        }
    }

    #[test]
    fn a_length_that_is_too_long_for_its_number_is_refused() {
        for bytes in [
            &[0x40, 1, 0][..],
            &[0x80, 0, 0, 1, 0],
            &[0xc0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[2, 0],
            &[0x40],
            &[],
        ] {
            assert_eq!(Reader::new(bytes).vector(), None, "{bytes:?}");
        }
    }

    #[test]
    fn numbers_are_big_endian_and_lists_are_searched_by_pairs() {
        let mut reader = Reader::new(&[1, 0, 2, 0, 0, 0, 3]);
        assert_eq!(
            (reader.u8(), reader.u16(), reader.u32()),
            (Some(1), Some(2), Some(3))
        );
        assert_eq!(reader.u8(), None);
        assert!(lists(&[0, 1, 0, 2], 2));
        assert!(!lists(&[0, 1, 2, 0], 0x0102));
    }
}
