//! A WAV file of one channel, 48 kHz, 16 bits: 346 MB an hour.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// A RIFF file says its length in 32 bits; this is two hours and some.
const MAX_BYTES: u32 = 700_000_000;
/// What stands before the samples.
const HEAD_BYTES: u32 = 44;
/// Of one channel in 20 ms.
const FRAMES: usize = 960;

/// Its head says "empty" until [`Wav::finish`]; most players read it even so.
pub(crate) struct Wav {
    file: BufWriter<File>,
    bytes: u32,
}

impl Wav {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let mut file = BufWriter::new(file);
        file.write_all(&head(0))?;
        Ok(Self { file, bytes: 0 })
    }

    /// Left and right in turns, ±1.0; both become one.
    pub(crate) fn write(&mut self, stereo: &[f32]) -> io::Result<()> {
        for pair in stereo.chunks_exact(2) {
            let middle = pair.iter().sum::<f32>() / 2.0;
            self.put((middle * 32_767.0) as i16)?;
        }
        Ok(())
    }

    /// 20 ms of nothing, so often: what was missed keeps its place.
    pub(crate) fn silence(&mut self, ticks: u32) -> io::Result<()> {
        for _ in 0..ticks as usize * FRAMES {
            self.put(0)?;
        }
        Ok(())
    }

    fn put(&mut self, sample: i16) -> io::Result<()> {
        if self.bytes >= MAX_BYTES {
            return Err(io::Error::other("the meeting was too long for one file"));
        }
        self.bytes += 2;
        self.file.write_all(&sample.to_le_bytes())
    }

    /// Says in its head how long it is.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&head(self.bytes))?;
        self.file.flush()
    }
}

/// RIFF, `fmt ` (PCM) and the beginning of `data` (Multimedia Programming Interface 1.0, "WAVE").
fn head(data_bytes: u32) -> Vec<u8> {
    const RATE_HZ: u32 = 48_000;
    let mut head = Vec::with_capacity(HEAD_BYTES as usize);
    head.extend(b"RIFF");
    head.extend((data_bytes + HEAD_BYTES - 8).to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(16_u32.to_le_bytes());
    head.extend(1_u16.to_le_bytes());
    head.extend(1_u16.to_le_bytes());
    head.extend(RATE_HZ.to_le_bytes());
    head.extend((2 * RATE_HZ).to_le_bytes());
    head.extend(2_u16.to_le_bytes());
    head.extend(16_u16.to_le_bytes());
    head.extend(b"data");
    head.extend(data_bytes.to_le_bytes());
    head
}
