//! WAV files at 48 kHz stereo: written as f32 or 16 bit, read back for comparing.
//!
//! The reader takes only what the writer makes (any rate and channels, 16-bit or f32 PCM); other
//! WAV files are the player's business.

use std::io::{self, Seek, SeekFrom, Write};

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 32-bit float: exact.
    F32,
    /// 16-bit integer, rounded, clipped at full scale.
    I16,
}

/// Writes a WAV file of any rate and number of channels.
#[derive(Debug)]
pub struct WavWriter<W: Write + Seek> {
    out: W,
    format: Format,
    data_bytes: u64,
    samples: Vec<u8>,
}

/// Bytes before the samples: RIFF, fmt (16 bytes of it) and data headers.
const HEADER_BYTES: u64 = 44;

impl<W: Write + Seek> WavWriter<W> {
    /// Begins a file at 48 kHz stereo.
    ///
    /// # Errors
    /// Whatever `out` reports.
    pub fn new(out: W, format: Format) -> io::Result<Self> {
        Self::with_shape(out, format, mynah_audio::SAMPLE_RATE_HZ, 2)
    }

    /// Begins a file of any shape.
    ///
    /// # Errors
    /// Whatever `out` reports.
    pub fn with_shape(mut out: W, format: Format, rate_hz: u32, channels: u16) -> io::Result<Self> {
        let (tag, bits) = match format {
            Format::F32 => (3u16, 32u16), // WAVE_FORMAT_IEEE_FLOAT
            Format::I16 => (1, 16),       // WAVE_FORMAT_PCM
        };
        let frame_bytes = channels.saturating_mul(bits / 8);
        let mut header = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0".to_vec();
        header.extend(tag.to_le_bytes());
        header.extend(channels.to_le_bytes());
        header.extend(rate_hz.to_le_bytes());
        header.extend(rate_hz.saturating_mul(u32::from(frame_bytes)).to_le_bytes());
        header.extend(frame_bytes.to_le_bytes());
        header.extend(bits.to_le_bytes());
        header.extend(b"data\xFF\xFF\xFF\xFF");
        out.write_all(&header)?;
        Ok(Self {
            out,
            format,
            data_bytes: 0,
            samples: Vec::new(),
        })
    }

    /// Appends interleaved samples, ±1.0.
    ///
    /// # Errors
    /// `FileTooLarge` past 4 GiB, the most a WAV file can say, else whatever the output reports.
    pub fn write(&mut self, interleaved: &[f32]) -> io::Result<()> {
        self.samples.clear();
        match self.format {
            Format::F32 => self
                .samples
                .extend(interleaved.iter().flat_map(|s| s.to_le_bytes())),
            Format::I16 => self.samples.extend(interleaved.iter().flat_map(|s| {
                // A float cast saturates, and NaN becomes 0.
                ((s * 32_768.0).round() as i16).to_le_bytes()
            })),
        }
        let total = self.data_bytes + self.samples.len() as u64;
        if total + HEADER_BYTES > u64::from(u32::MAX) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out.write_all(&self.samples)?;
        self.data_bytes = total;
        Ok(())
    }

    /// Fills the lengths in and ends the file.
    ///
    /// # Errors
    /// Whatever the output reports.
    pub fn finish(mut self) -> io::Result<W> {
        let data = u32::try_from(self.data_bytes).unwrap_or(u32::MAX);
        self.out.seek(SeekFrom::Start(4))?;
        self.out
            .write_all(&data.saturating_add(HEADER_BYTES as u32 - 8).to_le_bytes())?;
        self.out.seek(SeekFrom::Start(HEADER_BYTES - 4))?;
        self.out.write_all(&data.to_le_bytes())?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A whole WAV file in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Wav {
    /// Sample rate.
    pub rate_hz: u32,
    /// Channels.
    pub channels: u16,
    /// Interleaved samples, ±1.0.
    pub samples: Vec<f32>,
}

/// Reads a WAV file of 16-bit or f32 samples.
///
/// `None` when the bytes are no such file. A truncated file gives what is there.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Wav> {
    let mut rest = bytes
        .strip_prefix(b"RIFF")?
        .get(4..)?
        .strip_prefix(b"WAVE")?;
    let mut shape = None;
    loop {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (len, body) = after.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let chunk = body.get(..len.min(body.len()))?;
        match name {
            b"fmt " => {
                let (fields, _) = chunk.split_first_chunk::<16>()?;
                let [t0, t1, c0, c1, r0, r1, r2, r3, .., b0, b1] = *fields;
                let format = match (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([b0, b1])) {
                    (3, 32) => Format::F32,
                    (1, 16) => Format::I16,
                    _ => return None,
                };
                let rate_hz = u32::from_le_bytes([r0, r1, r2, r3]);
                shape = Some((format, u16::from_le_bytes([c0, c1]), rate_hz));
            }
            b"data" => {
                let (format, channels, rate_hz) = shape?;
                let samples = match format {
                    Format::F32 => chunk
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|b| f32::from_le_bytes(*b))
                        .collect(),
                    Format::I16 => {
                        let to_float = |b: &[u8; 2]| f32::from(i16::from_le_bytes(*b)) / 32_768.0;
                        chunk.as_chunks::<2>().0.iter().map(to_float).collect()
                    }
                };
                return Some(Wav {
                    rate_hz,
                    channels,
                    samples,
                });
            }
            _ => {}
        }
        // Chunks are padded to even lengths.
        rest = body.get(len.checked_add(len % 2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn written(format: Format, samples: &[f32]) -> Vec<u8> {
        let mut writer = WavWriter::new(Cursor::new(vec![]), format).unwrap();
        samples.chunks(3).for_each(|s| writer.write(s).unwrap());
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn floats_come_back_bit_for_bit() {
        let samples = [0.1, -0.2, 1.5, f32::MIN_POSITIVE, 0.0, -1.0];
        let wav = read(&written(Format::F32, &samples)).unwrap();
        assert_eq!((wav.rate_hz, wav.channels), (48_000, 2));
        assert_eq!(wav.samples, samples);
    }

    #[test]
    fn sixteen_bits_round_and_clip() {
        let wav = read(&written(
            Format::I16,
            &[0.5, -0.5, 2.0, -2.0, f32::NAN, 1e-6],
        ))
        .unwrap();
        assert_eq!(
            wav.samples,
            [0.5, -0.5, 32_767.0 / 32_768.0, -1.0, 0.0, 0.0]
        );
    }

    #[test]
    fn the_header_lengths_are_right() {
        let bytes = written(Format::I16, &[0.0; 10]);
        assert_eq!(bytes.len(), 44 + 20);
        assert_eq!(bytes[4..8], 56u32.to_le_bytes());
        assert_eq!(bytes[40..44], 20u32.to_le_bytes());
    }

    #[test]
    fn other_bytes_are_refused_and_cut_files_give_what_is_there() {
        assert_eq!(read(b"RIFF"), None);
        assert_eq!(read(b"OggS and so on and so on"), None);
        let bytes = written(Format::F32, &[0.25; 100]);
        assert_eq!(read(&bytes[..44 + 40]).unwrap().samples, [0.25; 10]);
        for cut in 0..44 {
            assert!(read(&bytes[..cut]).is_none());
        }
    }
}
