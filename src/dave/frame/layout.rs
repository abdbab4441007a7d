//! Where things stand in a sealed frame (DAVE paper, "Payload format"; dave.md section 7).

use std::ops::Range;

use super::gcm::TAG_BYTES;

/// Ends every sealed frame.
const MARKER: [u8; 2] = [0xFA, 0xFA];
/// A `u32` in ULEB128, seven bits a byte.
const MAX_ULEB_BYTES: usize = 5;
/// The byte before the marker that tells how long the trailer is.
const SIZE_BYTES: usize = 1;
/// A trailer with an empty nonce; a frame that claims less is none.
const MIN_TRAILER_BYTES: usize = TAG_BYTES + SIZE_BYTES + MARKER.len();
/// A trailer without clear ranges is at most this long.
pub(super) const MAX_TRAILER_BYTES: usize = MIN_TRAILER_BYTES + MAX_ULEB_BYTES;

/// What the trailer of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout<'a> {
    pub tag: [u8; TAG_BYTES],
    /// The lower 32 bits of the sender's count of frames.
    pub nonce: u32,
    /// The clear ranges as written, known to ascend inside the media; empty for Opus.
    ranges: &'a [u8],
}

impl<'a> Layout<'a> {
    /// Takes a frame apart into media and the rest; `None` when it is not a sealed one. Stricter than
    /// others in one point: clear ranges must lie in the media, not just in the frame.
    pub fn split(frame: &'a mut [u8]) -> Option<(&'a mut [u8], Self)> {
        let (media, trailer) = frame.split_at_mut_checked(media_bytes(frame)?)?;
        let layout = Self::of_trailer(trailer, media.len())?;
        Some((media, layout))
    }

    /// Whether a frame can be [split](Self::split).
    pub fn fits(frame: &[u8]) -> bool {
        let parts = media_bytes(frame).and_then(|at| frame.split_at_checked(at));
        parts.is_some_and(|(media, trailer)| Layout::of_trailer(trailer, media.len()).is_some())
    }

    fn of_trailer(trailer: &'a [u8], media_bytes: usize) -> Option<Self> {
        let written = trailer.len().checked_sub(SIZE_BYTES + MARKER.len())?;
        let (tag, rest) = trailer.get(..written)?.split_first_chunk()?;
        let (nonce, ranges) = read_uleb(rest)?;
        let mut left = ranges;
        let mut end = 0;
        while !left.is_empty() {
            let (clear, rest) = read_range(left)?;
            if clear.start < end || clear.end > media_bytes {
                return None;
            }
            (left, end) = (rest, clear.end);
        }
        Some(Self {
            tag: *tag,
            nonce,
            ranges,
        })
    }

    /// Whether all media is encrypted, as Opus is.
    pub const fn is_whole(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The parts of the media that are not encrypted, in order.
    pub fn clear(&self) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut left = self.ranges;
        std::iter::from_fn(move || {
            let (clear, rest) = read_range(left)?;
            left = rest;
            Some(clear)
        })
    }

    /// The encrypted parts between, of media of so many bytes.
    pub fn sealed(&self, media_bytes: usize) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut from = 0;
        self.clear()
            .chain(std::iter::once(media_bytes..media_bytes))
            .map(move |clear| std::mem::replace(&mut from, clear.end)..clear.start)
    }
}

/// The length of the media, as the end of the frame tells it.
fn media_bytes(frame: &[u8]) -> Option<usize> {
    let (rest, end) = frame.split_last_chunk()?;
    if *end != MARKER {
        return None;
    }
    frame.len().checked_sub(usize::from(*rest.last()?))
}

/// Reads one clear range; the rest of the bytes with it.
fn read_range(bytes: &[u8]) -> Option<(Range<usize>, &[u8])> {
    let (offset, rest) = read_uleb(bytes)?;
    let (size, rest) = read_uleb(rest)?;
    let offset = usize::try_from(offset).ok()?;
    let end = offset.checked_add(usize::try_from(size).ok()?)?;
    Some((offset..end, rest))
}

/// Writes the trailer of a frame without clear ranges to the start of `out` and returns its length;
/// `None` when it does not fit.
pub(super) fn write_trailer(out: &mut [u8], tag: [u8; TAG_BYTES], nonce: u32) -> Option<usize> {
    let nonce_bytes = uleb_bytes(nonce);
    let size = MIN_TRAILER_BYTES + nonce_bytes;
    let (to_tag, rest) = out.get_mut(..size)?.split_first_chunk_mut()?;
    *to_tag = tag;
    let (to_nonce, end) = rest.split_at_mut(nonce_bytes);
    let mut left = nonce;
    for byte in to_nonce.iter_mut() {
        *byte = (left & 0x7F) as u8 | 0x80;
        left >>= 7;
    }
    if let Some(last) = to_nonce.last_mut() {
        *last &= 0x7F;
    }
    let [to_size, to_marker @ ..] = end else {
        return None;
    };
    *to_size = u8::try_from(size).ok()?;
    to_marker.copy_from_slice(&MARKER);
    Some(size)
}

/// Bytes of the trailer with this nonce.
pub(super) const fn trailer_bytes(nonce: u32) -> usize {
    MIN_TRAILER_BYTES + uleb_bytes(nonce)
}

const fn uleb_bytes(value: u32) -> usize {
    let bits = (u32::BITS - (value | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

/// Reads a number of at most 32 bits; the rest of the bytes with it.
fn read_uleb(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(MAX_ULEB_BYTES).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(media: &[u8], nonce_and_ranges: &[u8]) -> Vec<u8> {
        let size = u8::try_from(MIN_TRAILER_BYTES + nonce_and_ranges.len()).unwrap();
        [media, &[7; 8], nonce_and_ranges, &[size, 0xFA, 0xFA]].concat()
    }

    #[test]
    fn numbers_of_all_lengths_come_back() {
        for shift in 0..32 {
            for value in [(1u32 << shift) - 1, 1 << shift, u32::MAX >> shift] {
                let mut out = [0; MAX_TRAILER_BYTES];
                let size = write_trailer(&mut out, [7; 8], value).unwrap();
                assert_eq!(size, trailer_bytes(value));
                let (media, layout) = Layout::split(&mut out[..size]).unwrap();
                assert_eq!((layout.nonce, layout.tag, media.len()), (value, [7; 8], 0));
                assert!(layout.is_whole());
                let short = &mut out[..size - 1];
                assert_eq!(write_trailer(short, [7; 8], value), None);
            }
        }
        assert_eq!(trailer_bytes(127), 12);
        assert_eq!(trailer_bytes(128), 13);
        assert_eq!(trailer_bytes(u32::MAX), MAX_TRAILER_BYTES);
    }

    #[test]
    fn a_number_beyond_32_bits_or_without_end_is_none() {
        let most = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 9];
        assert_eq!(read_uleb(&most), Some((u32::MAX, &[9][..])));
        assert_eq!(read_uleb(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F]), None);
        assert_eq!(read_uleb(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), None);
        assert_eq!(read_uleb(&[0x80]), None);
        assert_eq!(read_uleb(&[]), None);
    }

    #[test]
    fn only_the_shape_of_a_sealed_frame_is_one() {
        assert!(Layout::fits(&frame(b"", &[1])));
        let good = frame(b"media", &[1]);
        assert!(Layout::fits(&good));
        for cut in 0..good.len() {
            assert!(!Layout::fits(&good[..cut]), "cut to {cut}");
        }
        // The last two bytes are the marker; before it stands the size.
        for (at, value) in [
            (16, 0xFB),
            (15, 0xFB),
            (14, 10),
            (14, 18),
            (14, 11),
            (14, 0),
        ] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(!Layout::fits(&bad), "byte {at} is {value}");
        }
        assert!(!Layout::fits(&[0xFA; 3]));
        assert!(!Layout::fits(&[0xFA; 300]), "a nonce without end");
    }

    #[test]
    fn clear_ranges_must_ascend_inside_the_media() {
        let parses = |ranges: &[u8]| Layout::fits(&frame(b"0123456789", &[&[1], ranges].concat()));
        for good in [&[0, 10][..], &[0, 0], &[10, 0], &[0, 1, 1, 2, 9, 1]] {
            assert!(parses(good), "{good:?}");
        }
        let bad = [
            &[0][..],
            &[0, 11],
            &[11, 0],
            &[2, 2, 3, 1],
            &[5, 1, 0, 1],
            &[0, 0x80],
        ];
        for bad in bad {
            assert!(!parses(bad), "{bad:?}");
        }
        let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
        assert!(!parses(&[huge, huge].concat()));
    }

    #[test]
    fn sealed_parts_are_what_clear_ranges_leave() {
        let mut bytes = frame(b"0123456789", &[1, 2, 3, 5, 1, 9, 1]);
        let (media, layout) = Layout::split(&mut bytes).unwrap();
        assert_eq!(media, b"0123456789");
        assert!(!layout.is_whole());
        assert_eq!(layout.clear().collect::<Vec<_>>(), [2..5, 5..6, 9..10]);
        let sealed: Vec<_> = layout.sealed(media.len()).collect();
        assert_eq!(sealed, [0..2, 5..5, 6..9, 10..10]);
        let mut bytes = frame(b"01", &[1]);
        let (media, layout) = Layout::split(&mut bytes).unwrap();
        assert!(layout.sealed(media.len()).eq(std::iter::once(0..2)));
    }
}
