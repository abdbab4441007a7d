//! Vorbis comments (the tags of FLAC, Ogg Opus and Ogg Vorbis) of files made to hurt: counted before the
//! demuxer, which keeps all of them in memory, reads them.

use std::io::{self, Read, Seek, SeekFrom};

use crate::limits;

/// In Ogg the comments are the second packet; this much holds where they begin.
const OGG_HEAD_BYTES: u64 = 64 << 10;

/// Whether a file begins with more comments than there are in honest ones.
///
/// # Errors
/// Reading fails; a short file is no failure.
pub fn are_too_many(source: &mut (impl Read + Seek)) -> io::Result<bool> {
    source.rewind()?;
    let mut magic = [0; 4];
    if !fill(source, &mut magic)? {
        return Ok(false);
    }
    match &magic {
        b"fLaC" => in_flac(source),
        b"OggS" => in_ogg(source),
        _ => Ok(false),
    }
}

/// Walks FLAC's metadata blocks (RFC 9639 section 8).
fn in_flac(source: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut at = 4u64;
    let mut comments = 0u64;
    for _ in 0..limits::MAX_FLAC_BLOCKS {
        source.seek(SeekFrom::Start(at))?;
        let mut header = [0; 4];
        if !fill(source, &mut header)? {
            return Ok(false);
        }
        let [kind, a, b, c] = header;
        let bytes = u64::from(u32::from_be_bytes([0, a, b, c]));
        if kind & 0x7F == 4 {
            comments += count(source)?.unwrap_or(0);
        }
        if comments > limits::MAX_COMMENTS {
            return Ok(true);
        }
        if kind & 0x80 != 0 {
            return Ok(false);
        }
        at += 4 + bytes;
    }
    Ok(true)
}

fn in_ogg(source: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut head = Vec::new();
    source.rewind()?;
    source.take(OGG_HEAD_BYTES).read_to_end(&mut head)?;
    for magic in [&b"OpusTags"[..], b"\x03vorbis"] {
        let mut places = head.windows(magic.len());
        let Some(at) = places.position(|place| place == magic) else {
            continue;
        };
        let rest = head.get(at + magic.len()..).unwrap_or_default();
        let found = count(&mut io::Cursor::new(rest))?;
        // The name of the encoder hides where the count is: no encoder is called so.
        return Ok(found.is_none_or(|count| count > limits::MAX_COMMENTS));
    }
    Ok(false)
}

/// How many comments follow the vendor's name, where the reader is.
fn count(source: &mut (impl Read + Seek)) -> io::Result<Option<u64>> {
    let mut number = [0; 4];
    if !fill(source, &mut number)? {
        return Ok(None);
    }
    source.seek_relative(i64::from(u32::from_le_bytes(number)))?;
    let there = fill(source, &mut number)?;
    Ok(there.then(|| u64::from(u32::from_le_bytes(number))))
}

/// Reads all of it; false at the end of the file.
pub(crate) fn fill(source: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match source.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}
