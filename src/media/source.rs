//! Where the bytes come from: a file, memory or a stream, opened as often as needed.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use symphonia::core::io::MediaSource;

use crate::disarm::Disarm;
use crate::stream::{Budget, ByteStream, Place, Tap};
use crate::{MediaError, comments, id3, limits};

/// What can be opened again, should a seek need to start over.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A regular file.
    File(PathBuf),
    /// Bytes in memory under a name.
    Bytes(String, Arc<[u8]>),
    /// Bytes that come over a network.
    Stream(Arc<Tap>),
}

/// What is read of a stream for what the demuxer does not tell: enough for the boxes of an MP4 file,
/// whichever end they are at.
const FACTS: Budget = Budget {
    jumps: 8,
    bytes: 512 << 10,
};
/// The same where no byte can be read twice but the first ones.
const FACTS_IN_PASSING: Budget = Budget {
    jumps: 0,
    bytes: 512 << 10,
};

impl Origin {
    /// Checks that `path` is a readable, regular, non-empty file.
    pub fn file(path: &Path) -> Result<Self, MediaError> {
        let name = short_name(path);
        // Before opening: opening a pipe would wait for its writer.
        let meta = std::fs::metadata(path).map_err(|e| MediaError::from_io(&name, e))?;
        if meta.is_dir() {
            return Err(MediaError::Directory { file: name });
        }
        if !meta.is_file() {
            return Err(MediaError::NotAFile { file: name });
        }
        let origin = Self::File(path.to_owned());
        origin.open()?; // permissions are known only now, and come before emptiness
        if meta.len() == 0 {
            return Err(MediaError::Empty { file: name });
        }
        Ok(origin)
    }

    /// Wraps bytes in memory.
    pub fn bytes(name: &str, bytes: Arc<[u8]>) -> Result<Self, MediaError> {
        if bytes.is_empty() {
            return Err(MediaError::Empty {
                file: name.to_owned(),
            });
        }
        Ok(Self::Bytes(name.to_owned(), bytes))
    }

    /// The name used in every message: without the folder, which is nobody's business in a chat.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => short_name(path),
            Self::Bytes(name, _) => name.clone(),
            Self::Stream(tap) => tap.stream().name(),
        }
    }

    /// The file name extension, in lower case: a hint to the prober, never trusted.
    pub fn extension(&self) -> Option<String> {
        let name = self.name();
        let extension = Path::new(&name).extension()?.to_str()?.to_ascii_lowercase();
        Some(extension)
    }

    /// Whether every place can be read at any time.
    pub fn can_seek(&self) -> bool {
        match self {
            Self::File(_) | Self::Bytes(..) => true,
            Self::Stream(tap) => tap.stream().can_seek(),
        }
    }

    /// The stream, if it is one.
    pub fn stream(&self) -> Option<&dyn ByteStream> {
        match self {
            Self::File(_) | Self::Bytes(..) => None,
            Self::Stream(tap) => Some(tap.stream()),
        }
    }

    /// What is read from now on is a task of its own, with its own time to wait; of a stream it may
    /// read so many bytes.
    pub fn begin_task(&self, most_bytes: u64) {
        if let Self::Stream(tap) = self {
            tap.begin_task(most_bytes);
        }
    }

    /// Opens the bytes at the beginning, to look for facts: of a stream only so much as a few
    /// requests bring.
    pub fn open_for_facts(&self) -> Result<Source, MediaError> {
        let mut source = self.open()?;
        if let Self::Stream(tap) = self {
            let budget = match self.can_seek() {
                true => FACTS,
                false => FACTS_IN_PASSING,
            };
            source.bytes = Bytes::Stream(Place::new(Arc::clone(tap), Some(budget)));
        }
        Ok(source)
    }

    /// Opens the bytes at the beginning.
    pub fn open(&self) -> Result<Source, MediaError> {
        let (bytes, len_bytes) = match self {
            Self::File(path) => {
                let failed = |e| MediaError::from_io(&self.name(), e);
                let file = File::open(path).map_err(failed)?;
                let len_bytes = file.metadata().map_err(failed)?.len();
                (Bytes::File(file), Some(len_bytes))
            }
            Self::Bytes(_, bytes) => (
                Bytes::Memory(Cursor::new(Arc::clone(bytes))),
                Some(bytes.len() as u64),
            ),
            Self::Stream(tap) => (
                Bytes::Stream(Place::new(Arc::clone(tap), None)),
                tap.stream().len_bytes(),
            ),
        };
        let mut source = Source {
            bytes,
            len_bytes,
            can_seek: self.can_seek(),
            base: 0,
            view: View::Whole,
            at: 0,
            disarm: None,
        };
        self.admit(&mut source)?;
        Ok(source)
    }

    /// Sees to it that no demuxer meets more tags than memory is good for.
    fn admit(&self, source: &mut Source) -> Result<(), MediaError> {
        let failed = |e| MediaError::from_io(&self.name(), e);
        let beyond = |what: &str, limit: String| MediaError::BeyondLimit {
            file: self.name(),
            what: what.to_owned(),
            limit,
        };
        let tap = match self {
            Self::Stream(tap) => Some(tap),
            Self::File(_) | Self::Bytes(..) => None,
        };
        if let Some(base) = tap.and_then(|tap| tap.passed_over.get()) {
            source.base = *base;
        } else if !source.can_seek {
            // Nothing can be looked at twice but the first bytes.
            let most = limits::MAX_ID3_BYTES_IN_PASSING;
            if id3::first_bytes(source).map_err(failed)? > most {
                let limit = format!("{} MB", most >> 20);
                return Err(beyond("a larger tag than a stream may begin with", limit));
            }
        } else {
            source.base = id3::passed_over(source).map_err(failed)?;
            if comments::are_too_many(source).map_err(failed)? {
                let limit = limits::MAX_COMMENTS.to_string();
                return Err(beyond("room for a huge number of tags", limit));
            }
            if let Some(tap) = tap {
                tap.passed_over.get_or_init(|| source.base);
            }
        }
        source.rewind().map_err(failed)?;
        source.at = 0;
        Ok(())
    }
}

fn short_name(path: &Path) -> String {
    match path.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => path.display().to_string(),
    }
}

/// How the bytes are shown to the demuxer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As they are.
    Whole,
    /// As a stream that cannot jump and has no known end: some demuxers open a truncated file
    /// only so, because its header promises more than there is.
    Stream,
    /// As a stream from which the bytes between these two places are left out: a Matroska file
    /// that begins with a later cluster.
    Spliced {
        /// The first byte left out.
        from: u64,
        /// The first byte after those.
        to: u64,
    },
}

/// The open bytes.
#[derive(Debug)]
pub struct Source {
    bytes: Bytes,
    len_bytes: Option<u64>,
    can_seek: bool,
    /// Where the file begins for whoever reads it.
    base: u64,
    view: View,
    /// How far a stream was read.
    at: u64,
    disarm: Option<Box<Disarm>>,
}

#[derive(Debug)]
enum Bytes {
    File(File),
    Memory(Cursor<Arc<[u8]>>),
    Stream(Place),
}

impl Source {
    /// The same bytes, shown differently.
    pub fn shown_as(self, view: View) -> Self {
        Self { view, ..self }
    }

    /// The same bytes, made harmless for a demuxer until `open` is set.
    pub fn disarmed(self, open: Arc<AtomicBool>) -> Self {
        let disarm = Some(Box::new(Disarm::new(open)));
        Self { disarm, ..self }
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut room = buf.len();
        if let View::Spliced { from, to } = self.view {
            if self.at == from {
                self.seek(SeekFrom::Start(to))?;
                self.at = to;
            } else if self.at < from {
                room = room.min(usize::try_from(from - self.at).unwrap_or(usize::MAX));
            }
        }
        let buf = buf.get_mut(..room).unwrap_or_default();
        let count = match &mut self.bytes {
            Bytes::File(file) => file.read(buf),
            Bytes::Memory(cursor) => cursor.read(buf),
            Bytes::Stream(place) => place.read(buf),
        }?;
        self.at += count as u64;
        match &mut self.disarm {
            Some(disarm) if disarm.is_over() => self.disarm = None,
            Some(disarm) => disarm.look(buf.get_mut(..count).unwrap_or_default()),
            None => {}
        }
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        if let Some(disarm) = &mut self.disarm {
            disarm.jumped();
        }
        let pos = match pos {
            SeekFrom::Start(to) => SeekFrom::Start(to.saturating_add(self.base)),
            pos => pos,
        };
        let at = match &mut self.bytes {
            Bytes::File(file) => file.seek(pos),
            Bytes::Memory(cursor) => cursor.seek(pos),
            Bytes::Stream(place) => place.seek(pos),
        }?;
        let before = || io::Error::from(io::ErrorKind::InvalidInput);
        at.checked_sub(self.base).ok_or_else(before)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        self.view == View::Whole && self.can_seek
    }

    fn byte_len(&self) -> Option<u64> {
        let len_bytes = self.len_bytes.filter(|_| self.view == View::Whole)?;
        Some(len_bytes.saturating_sub(self.base))
    }
}

/// Says what bytes that are no sound look like, for a person who wonders why.
pub fn describe(head: &[u8]) -> String {
    if let Some(looks) = looks_like_no_sound(head) {
        return looks;
    }
    if head.iter().all(|b| *b == 0) {
        return "it holds nothing but zero bytes".into();
    }
    "no known sound format begins like this".into()
}

/// What the first bytes (some hundred; 4,096 are enough) look like, when they certainly are no
/// sound: a web page, text, a picture, an archive. `None` says nothing.
#[must_use]
pub fn looks_like_no_sound(head: &[u8]) -> Option<String> {
    const KNOWN: &[(&[u8], &str)] = &[
        (
            b"PK\x03\x04",
            "it looks like a zip archive (or an office document)",
        ),
        (b"%PDF", "it looks like a PDF document"),
        (b"\x89PNG", "it looks like a PNG picture"),
        (b"\xFF\xD8\xFF", "it looks like a JPEG picture"),
        (b"GIF8", "it looks like a GIF picture"),
        (b"\x7FELF", "it looks like a program"),
        (b"MZ", "it looks like a Windows program"),
        (b"\x1F\x8B", "it looks like a gzip archive"),
        (b"Rar!", "it looks like a RAR archive"),
        (b"7z\xBC\xAF", "it looks like a 7-Zip archive"),
        (
            b"MThd",
            "it looks like MIDI, which holds notes and no sound",
        ),
        (b"caff", "it looks like Apple Core Audio (CAF)"),
        (b"\x30\x26\xB2\x75", "it looks like Windows Media (WMA)"),
        (b"wvpk", "it looks like WavPack"),
        (b"MAC ", "it looks like Monkey's Audio (APE)"),
        (b"MPCK", "it looks like Musepack"),
        (b"#!AMR", "it looks like AMR speech"),
        (b"DSD ", "it looks like DSD"),
        (b"FLV", "it looks like a Flash video"),
        (b"\x00\x00\x01\xBA", "it looks like an MPEG program stream"),
    ];
    if let Some((_, looks)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some((*looks).to_owned());
    }
    if looks_like_html(head) {
        return Some(
            "it looks like a web page (HTML), perhaps an error page saved under this name".into(),
        );
    }
    looks_like_text(head).then(|| "it looks like text".into())
}

fn looks_like_html(head: &[u8]) -> bool {
    let start: String = head
        .iter()
        .take(64)
        .map(|b| char::from(b.to_ascii_lowercase()))
        .skip_while(|c| c.is_whitespace())
        .collect();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

fn looks_like_text(head: &[u8]) -> bool {
    // A multi-byte character may be cut at the end of what was read.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => head
            .get(..e.valid_up_to())
            .and_then(|h| std::str::from_utf8(h).ok())
            .unwrap_or(""),
        Err(_) => return false,
    };
    !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sound_is_described_in_words() {
        assert_eq!(describe(b"Dear diary,\n"), "it looks like text");
        assert_eq!(describe("Gr\u{fc}\u{df}e".as_bytes()), "it looks like text");
        assert!(describe(b"  <!DOCTYPE HTML><p>").contains("web page"));
        assert!(describe(b"PK\x03\x04....").contains("zip"));
        assert!(describe(&[0; 40]).contains("zero"));
        assert!(describe(&[1, 2, 3, 0xFE]).contains("no known"));
    }

    #[test]
    fn a_character_cut_in_half_still_is_text() {
        let mut cut = "na\u{ef}ve caf\u{e9}".as_bytes().to_vec();
        cut.pop();
        assert_eq!(describe(&cut), "it looks like text");
    }

    #[test]
    fn a_spliced_source_leaves_the_middle_out_whatever_the_buffer() {
        let origin = Origin::bytes("x", Arc::from(&b"head-middle-tail"[..])).unwrap();
        for size in 1..20 {
            let mut source = origin
                .open()
                .unwrap()
                .shown_as(View::Spliced { from: 5, to: 12 });
            let (mut all, mut buf) = (vec![], vec![0; size]);
            loop {
                match source.read(&mut buf).unwrap() {
                    0 => break,
                    n => all.extend_from_slice(&buf[..n]),
                }
            }
            assert_eq!(all, b"head-tail", "{size} bytes at a time");
        }
    }

    #[test]
    fn the_extension_is_taken_in_lower_case() {
        let origin = Origin::bytes("Song.MP3", Arc::from(&b"x"[..])).ok();
        assert_eq!(origin.and_then(|o| o.extension()), Some("mp3".into()));
    }
}
