//! The picture of a file.

use std::fmt;
use std::sync::Arc;

use symphonia::core::meta::{StandardVisualKey, Visual};

use crate::limits::MAX_PICTURE_BYTES;

/// A picture that comes with a sound. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Cover {
    /// What its bytes are, whatever the file calls them: `image/jpeg`, `image/png`, `image/gif` or
    /// `image/webp`.
    pub mime: &'static str,
    /// The picture, as it stands in the file; at most
    /// [`MAX_PICTURE_BYTES`](crate::limits::MAX_PICTURE_BYTES).
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cover({}, {} bytes)", self.mime, self.bytes.len())
    }
}

/// How much a picture is worth as a cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Some picture.
    Any,
    /// Said to be the front cover.
    Front,
}

/// The best picture so far.
#[derive(Debug, Default)]
pub struct Found(Option<(Rank, Cover)>);

impl Found {
    /// Takes a picture of the tags.
    pub fn take(&mut self, visual: &Visual) {
        let rank = match visual.usage {
            Some(StandardVisualKey::FrontCover) => Rank::Front,
            _ => Rank::Any,
        };
        self.offer(rank, &visual.data);
    }

    /// Takes an attached file; Matroska's cover is called `cover.jpg` or `cover.png`.
    pub fn take_file(&mut self, name: &str, bytes: &[u8]) {
        let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
        let rank = match stem.eq_ignore_ascii_case("cover") {
            true => Rank::Front,
            false => Rank::Any,
        };
        self.offer(rank, bytes);
    }

    fn offer(&mut self, rank: Rank, bytes: &[u8]) {
        if self.0.as_ref().is_some_and(|(best, _)| *best >= rank) || bytes.len() > MAX_PICTURE_BYTES
        {
            return;
        }
        if let Some(mime) = sniff(bytes) {
            let bytes = Arc::from(bytes);
            self.0 = Some((rank, Cover { mime, bytes }));
        }
    }

    /// The picture to show.
    pub fn cover(self) -> Option<Cover> {
        self.0.map(|(_, cover)| cover)
    }
}

/// Which picture these bytes are, if one that everybody can show.
fn sniff(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0jpeg";
    const PNG: &[u8] = b"\x89PNG\r\n\x1A\npng";

    #[test]
    fn the_front_cover_is_preferred_and_only_pictures_count() {
        let mut found = Found::default();
        found.take_file("cover.exe", b"MZ\x90\0");
        found.take_file("font.ttf", b"\0\x01\0\0");
        found.take_file("back.png", PNG);
        found.take_file("inlay.jpg", JPEG);
        found.take_file("Cover.bin", JPEG);
        found.take_file("cover.png", PNG);
        let cover = found.cover().unwrap();
        assert_eq!((cover.mime, &*cover.bytes), ("image/jpeg", JPEG));
        assert_eq!(format!("{cover:?}"), "Cover(image/jpeg, 8 bytes)");
        assert_eq!(sniff(b"GIF89a..."), Some("image/gif"));
        assert_eq!(sniff(b"RIFF\x10\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(sniff(b"RIFF\x10\0\0\0WAVEfmt "), None);
        assert_eq!(sniff(b""), None);
    }

    #[test]
    fn a_picture_beyond_the_limit_is_left_out() {
        let mut large = JPEG.to_vec();
        large.resize(MAX_PICTURE_BYTES + 1, 0);
        let mut found = Found::default();
        found.take_file("cover.jpg", &large);
        assert_eq!(found.cover(), None);
        large.pop();
        let mut found = Found::default();
        found.take_file("cover.jpg", &large);
        assert!(found.cover().is_some());
    }
}
