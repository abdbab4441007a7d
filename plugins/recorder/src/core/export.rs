//! What people take away: tracks as they are, WAV, a mix, a zip of all, and labels. Everything here reads
//! finished tracks and can be made again at any time.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::ogg::{Found, PRE_SKIP, Page, Pages};
use super::packet::{LONGEST, duration, silence};
use super::{RecorderError, at};

mod flac;
mod labels;
pub mod zip;

pub(crate) use flac::Flac;
pub use flac::flac;
pub use labels::{audacity_labels, webvtt};

/// Bytes before the samples of our WAV files: RIFF, room for the 64-bit sizes, format, data.
pub const WAV_HEADER_BYTES: usize = 80;

/// Copies a track as it is: no sample changes. Gives the bytes copied.
///
/// # Errors
/// When one file cannot be read or the other not written.
pub fn copy(track: &Path, to: &Path) -> Result<u64, RecorderError> {
    at(to, fs::copy(track, to))
}

/// How long a decoder runs before what it gives is right: 1 s. RFC 7845, section 4.6, says 80 ms, after which
/// steady tones are still some way off.
const PRE_ROLL: i64 = 48_000;

/// Missing pages that are replaced by silence at most: 10 minutes.
const LONGEST_HOLE: u64 = 600 * 48_000;

/// Decodes a range of a track: blocks of stereo samples at 48 kHz, interleaved, ±1.0.
pub struct Decoded {
    path: PathBuf,
    pages: Pages<BufReader<File>>,
    packets: VecDeque<Vec<u8>>,
    decoder: opus::Decoder,
    /// Frames of all packets read.
    read: u64,
    /// Number of the page before.
    page: u32,
    /// The position of the next sample to be decoded; before 0 is the pre-skip.
    at: i64,
    range: Range<i64>,
    block: Vec<f32>,
}

impl Decoded {
    /// Opens a track of ours. `range` is in frames of the timeline; what lies beyond the end is left out.
    ///
    /// # Errors
    /// When it cannot be read, or libopus has no memory.
    pub fn open(path: &Path, range: Range<u64>) -> Result<Self, RecorderError> {
        let file = at(path, File::open(path))?;
        let decoder = opus::Decoder::new(48_000, opus::Channels::Stereo)
            .map_err(|error| broken(path, &error))?;
        let bound = |frames: u64| i64::try_from(frames).unwrap_or(i64::MAX);
        Ok(Self {
            path: path.to_owned(),
            pages: at(path, Pages::new(BufReader::new(file)))?,
            packets: VecDeque::new(),
            decoder,
            read: 0,
            page: 1,
            at: -i64::from(PRE_SKIP),
            range: bound(range.start)..bound(range.end),
            block: vec![0.0; LONGEST as usize * 2],
        })
    }

    /// The next block; `None` at the end. Damaged pages are silent.
    ///
    /// # Errors
    /// When the file cannot be read or a packet not decoded.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>, RecorderError> {
        while self.at < self.range.end {
            let Some(packet) = self.packets.pop_front() else {
                match at(&self.path, self.pages.read_on())? {
                    Found::Page(page) if page.sequence >= 2 => self.take(&page),
                    Found::Page(_) | Found::Damaged(_) => {}
                    Found::Torn(_) | Found::End => return Ok(None),
                }
                continue;
            };
            let Some(length) = duration(&packet).map(i64::from) else {
                continue;
            };
            let start = self.at;
            self.at += length;
            if self.at + PRE_ROLL <= self.range.start {
                continue;
            }
            let decoded = self
                .decoder
                .decode_float(&packet, &mut self.block, false)
                .map_err(|error| broken(&self.path, &error))?;
            let within = |position: i64| {
                position.saturating_sub(start).clamp(0, decoded as i64) as usize * 2
            };
            let (from, to) = (within(self.range.start), within(self.range.end));
            if from < to {
                return Ok(self.block.get(from..to));
            }
        }
        Ok(None)
    }

    fn take(&mut self, page: &Page) {
        let frames: u64 = page.packets().filter_map(duration).map(u64::from).sum();
        // A page of ours holds a second at most, so pages that are missing bound what is missing.
        let missing = u64::from(page.sequence.saturating_sub(self.page.saturating_add(1)));
        self.page = page.sequence;
        let most = LONGEST_HOLE.min(missing.saturating_mul(48_000));
        let hole = page.granule.saturating_sub(frames + self.read).min(most);
        let filling = silence(hole).map(|(packet, _)| packet.to_vec());
        self.packets.extend(filling);
        self.packets.extend(page.packets().map(<[u8]>::to_vec));
        self.read += frames + hole;
    }
}

fn broken(path: &Path, error: &opus::Error) -> RecorderError {
    RecorderError::Decode {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Decodes a range of a track, in frames of the timeline, into `take`, block by block.
///
/// # Errors
/// Those of [`Decoded`] and of `take`.
pub fn decode(
    track: &Path,
    range: Range<u64>,
    mut take: impl FnMut(&[f32]) -> Result<(), RecorderError>,
) -> Result<(), RecorderError> {
    let mut decoded = Decoded::open(track, range)?;
    while let Some(block) = decoded.next_block()? {
        take(block)?;
    }
    Ok(())
}

/// Rounds a sample to 16 bits.
#[must_use]
pub fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

/// Writes a range of a track, in frames of the timeline, as WAV: 48 kHz, stereo, 16 bits; beyond 4 GiB as RF64 (EBU Tech 3306). Gives its frames.
///
/// # Errors
/// When the track cannot be decoded or the file not written.
pub fn wav(track: &Path, range: Range<u64>, to: &Path) -> Result<u64, RecorderError> {
    let mut out = Wav::create(to)?;
    decode(track, range, |block| out.put(block))?;
    out.finish()
}

/// Writes a range of several tracks as one WAV: their sum, held within full scale. Gives its frames.
///
/// # Errors
/// When a track cannot be decoded or the file not written.
pub fn mix(tracks: &[&Path], range: Range<u64>, to: &Path) -> Result<u64, RecorderError> {
    let mut mixed = Mixed::open(tracks, range)?;
    let mut out = Wav::create(to)?;
    while let Some(block) = mixed.next_block()? {
        out.put(block)?;
    }
    out.finish()
}

/// Several tracks as one sound.
pub struct Mixed {
    /// Each with what it decoded beyond the block, and whether it has ended.
    voices: Vec<(Decoded, VecDeque<f32>, bool)>,
    sum: Vec<f32>,
}

impl Mixed {
    /// Opens tracks of ours for a range in frames of the timeline.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn open(tracks: &[&Path], range: Range<u64>) -> Result<Self, RecorderError> {
        let mut voices = Vec::new();
        for track in tracks {
            let decoded = Decoded::open(track, range.clone())?;
            voices.push((decoded, VecDeque::new(), false));
        }
        Ok(Self {
            voices,
            sum: vec![0.0; 1_920],
        })
    }

    /// The next 20 ms or less of their sum; `None` when all have ended.
    ///
    /// # Errors
    /// When one cannot be read or decoded.
    pub fn next_block(&mut self) -> Result<Option<&[f32]>, RecorderError> {
        self.sum.fill(0.0);
        let mut longest = 0;
        for (decoded, ready, ended) in &mut self.voices {
            while ready.len() < self.sum.len() && !*ended {
                match decoded.next_block()? {
                    Some(block) => ready.extend(block),
                    None => *ended = true,
                }
            }
            let count = ready.len().min(self.sum.len());
            longest = longest.max(count);
            for (place, sample) in self.sum.iter_mut().zip(ready.drain(..count)) {
                *place += sample;
            }
        }
        Ok(self.sum.get(..longest).filter(|block| !block.is_empty()))
    }
}

pub(crate) struct Wav {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

impl Wav {
    pub(crate) fn create(path: &Path) -> Result<Self, RecorderError> {
        let mut wav = Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 16, at(path, File::create(path))?),
            bytes: 0,
        };
        at(path, wav.file.write_all(&wav_header(0)))?;
        Ok(wav)
    }

    pub(crate) fn put(&mut self, block: &[f32]) -> Result<(), RecorderError> {
        let bytes: Vec<u8> = block
            .iter()
            .flat_map(|sample| to_i16(*sample).to_le_bytes())
            .collect();
        at(&self.path, self.file.write_all(&bytes))?;
        self.bytes += block.len() as u64 * 2;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<u64, RecorderError> {
        at(&self.path, self.file.seek(SeekFrom::Start(0)))?;
        at(&self.path, self.file.write_all(&wav_header(self.bytes)))?;
        at(&self.path, self.file.flush())?;
        Ok(self.bytes / 4)
    }
}

/// The header for `data_bytes` of samples: RIFF, or RF64 when a 32-bit size cannot say it.
fn wav_header(data_bytes: u64) -> Vec<u8> {
    let riff_bytes = data_bytes + WAV_HEADER_BYTES as u64 - 8;
    let large = riff_bytes > u64::from(u32::MAX);
    let short = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let mut header = Vec::with_capacity(WAV_HEADER_BYTES);
    header.extend_from_slice(if large { b"RF64" } else { b"RIFF" });
    header.extend_from_slice(&if large { [0xFF; 4] } else { short(riff_bytes) });
    header.extend_from_slice(b"WAVE");
    // The place of the 64-bit sizes is kept free from the start, as the standard proposes.
    header.extend_from_slice(if large { b"ds64" } else { b"JUNK" });
    header.extend_from_slice(&28_u32.to_le_bytes());
    for size in [riff_bytes, data_bytes, data_bytes / 4] {
        header.extend_from_slice(&if large { size } else { 0 }.to_le_bytes());
    }
    header.extend_from_slice(&0_u32.to_le_bytes());
    header.extend_from_slice(b"fmt \x10\0\0\0\x01\0\x02\0");
    header.extend_from_slice(&48_000_u32.to_le_bytes());
    header.extend_from_slice(&192_000_u32.to_le_bytes());
    header.extend_from_slice(b"\x04\0\x10\0data");
    header.extend_from_slice(&if large { [0xFF; 4] } else { short(data_bytes) });
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_4_gib_are_told_as_rf64() {
        let small = wav_header(1_920);
        assert_eq!(small.len(), WAV_HEADER_BYTES);
        assert_eq!(small[..8], [b'R', b'I', b'F', b'F', 0xC8, 0x07, 0, 0]);
        assert_eq!(small[12..16], *b"JUNK");
        assert_eq!(small[76..], 1_920_u32.to_le_bytes());
        let bytes = 5_u64 << 30;
        let large = wav_header(bytes);
        assert_eq!(large.len(), WAV_HEADER_BYTES);
        assert_eq!(large[..8], *b"RF64\xFF\xFF\xFF\xFF");
        assert_eq!(large[20..28], (bytes + 72).to_le_bytes());
        assert_eq!(large[28..36], bytes.to_le_bytes());
        assert_eq!(large[76..], [0xFF; 4]);
    }
}
