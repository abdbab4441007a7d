//! The head of a WAV stream, as engines write it to a pipe: its lengths are wrong, because nobody
//! knows them yet. Layout: "Multimedia Programming Interface and Data Specifications 1.0".

use super::pcm::Bytes;
use super::{EngineError, Sound};

/// Engines write 44 bytes; nobody needs more than this before the sound.
const MAX_HEAD_BYTES: usize = 4096;
/// WAVE_FORMAT_PCM, and WAVE_FORMAT_EXTENSIBLE with the same inside.
const PCM: u16 = 1;
const EXTENSIBLE: u16 = 0xFFFE;
/// Rates that are resampled, in Hz.
pub const RATES_HZ: core::ops::RangeInclusive<u32> = 8_000..=96_000;

/// What the sound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Of [`RATES_HZ`].
    pub rate_hz: u32,
    /// 1 or 2, 16 bit each.
    pub channels: u16,
}

/// Waits for the head of a stream.
#[derive(Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// More of the stream. Once the head is whole: the format, and the sound behind it.
    ///
    /// # Errors
    /// [`EngineError::BadSound`] if that is no WAV of 16 bits, or its head does not end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<(Format, Vec<u8>)>, EngineError> {
        self.bytes.extend_from_slice(bytes);
        let found = read(&self.bytes)?;
        if found.is_none() && self.bytes.len() > MAX_HEAD_BYTES {
            return Err(EngineError::BadSound("the head does not end"));
        }
        Ok(found.map(|(format, at)| {
            let sound = self.bytes.get(at..).unwrap_or_default().to_vec();
            (format, sound)
        }))
    }
}

/// A whole stream: the head, then sound.
#[derive(Debug, Default)]
pub struct Stream {
    head: Head,
    body: Option<(u32, Bytes)>,
    mono: Vec<i16>,
}

impl Stream {
    /// More of it; the sound goes to `out`, whose answer is handed on.
    ///
    /// # Errors
    /// As [`Head::push`].
    pub fn push(
        &mut self,
        bytes: &[u8],
        out: &mut dyn FnMut(Sound<'_>) -> bool,
    ) -> Result<bool, EngineError> {
        self.mono.clear();
        if let Some((rate_hz, body)) = &mut self.body {
            body.push(bytes, &mut self.mono);
            return Ok(out(Sound {
                rate_hz: *rate_hz,
                mono: &self.mono,
            }));
        }
        let Some((format, first)) = self.head.push(bytes)? else {
            return Ok(true);
        };
        let mut body = Bytes::new(format.channels);
        body.push(&first, &mut self.mono);
        self.body = Some((format.rate_hz, body));
        Ok(out(Sound {
            rate_hz: format.rate_hz,
            mono: &self.mono,
        }))
    }

    /// The end.
    ///
    /// # Errors
    /// [`EngineError::Failed`] when there was not even a head.
    pub fn end(&self) -> Result<(), EngineError> {
        match &self.body {
            Some(_) => Ok(()),
            None => Err(EngineError::Failed("it said nothing".to_owned())),
        }
    }
}

fn read(bytes: &[u8]) -> Result<Option<(Format, usize)>, EngineError> {
    let word = |at: usize| -> Option<&[u8]> { bytes.get(at..at.checked_add(4)?) };
    let (Some(riff), Some(wave)) = (word(0), word(8)) else {
        return Ok(None);
    };
    if riff != b"RIFF" || wave != b"WAVE" {
        return Err(EngineError::BadSound("it is no WAV"));
    }
    let mut at = 12_usize;
    let mut format = None;
    while let (Some(name), Some(length)) = (word(at), word(at + 4)) {
        let length = length.try_into().map_or(0, u32::from_le_bytes) as usize;
        let body = at + 8;
        if name == b"data" {
            let Some(format) = format else {
                return Err(EngineError::BadSound("it does not say its format"));
            };
            return Ok(Some((format, body)));
        }
        if length > MAX_HEAD_BYTES {
            return Err(EngineError::BadSound("the head does not end"));
        }
        if name == b"fmt " {
            let Some(body) = bytes.get(body..body + length) else {
                return Ok(None);
            };
            format = Some(read_format(body)?);
        }
        at = body + length + length % 2;
    }
    Ok(None)
}

fn read_format(body: &[u8]) -> Result<Format, EngineError> {
    let short = |at: usize| {
        let bytes = body.get(at..at + 2).and_then(|two| two.try_into().ok());
        bytes.map(u16::from_le_bytes)
    };
    let rate = body
        .get(4..8)
        .and_then(|four| four.try_into().ok())
        .map(u32::from_le_bytes);
    let (Some(kind), Some(channels), Some(rate_hz), Some(bits)) =
        (short(0), short(2), rate, short(14))
    else {
        return Err(EngineError::BadSound("its format is cut off"));
    };
    let is_pcm = kind == PCM || (kind == EXTENSIBLE && short(24) == Some(PCM));
    if !is_pcm || bits != 16 {
        return Err(EngineError::BadSound("it is not 16 bit PCM"));
    }
    if !(1..=2).contains(&channels) || !RATES_HZ.contains(&rate_hz) {
        return Err(EngineError::BadSound(
            "its rate or channels are out of range",
        ));
    }
    Ok(Format { rate_hz, channels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(channels: u16, rate_hz: u32, bits: u16) -> Vec<u8> {
        let mut bytes =
            b"RIFF\xff\xff\xff\xffWAVELIST\x05\0\0\0abcde\0fmt \x10\0\0\0\x01\0".to_vec();
        bytes.extend(channels.to_le_bytes());
        bytes.extend(rate_hz.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"data\xff\xff\xff\x7fPCM!");
        bytes
    }

    #[test]
    fn a_head_is_read_however_it_is_cut() {
        let all = wav(1, 22_050, 16);
        for cut in 0..all.len() {
            let mut head = Head::default();
            let first = head.push(&all[..cut]).unwrap();
            let (format, sound) = match first {
                Some((format, mut sound)) => {
                    sound.extend_from_slice(&all[cut..]);
                    (format, sound)
                }
                None => head.push(&all[cut..]).unwrap().unwrap(),
            };
            assert_eq!(
                format,
                Format {
                    rate_hz: 22_050,
                    channels: 1
                }
            );
            assert_eq!(sound, b"PCM!");
        }
    }

    #[test]
    fn what_is_no_sound_is_refused_in_words_and_nothing_panics() {
        for bad in [
            wav(3, 22_050, 16),
            wav(1, 1_000_000, 16),
            wav(1, 22_050, 8),
            b"RIFFxxxxAVI ____".to_vec(),
        ] {
            assert!(matches!(
                Head::default().push(&bad),
                Err(EngineError::BadSound(_))
            ));
        }
        let mut endless = Head::default();
        let chunk = b"RIFF\0\0\0\0WAVEJUNK\x00\x0f\0\0".to_vec();
        endless.push(&chunk).unwrap();
        assert!(endless.push(&[b'J'; MAX_HEAD_BYTES]).is_err());
        let all = wav(2, 48_000, 16);
        for at in 0..all.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = all.clone();
                changed[at] = value;
                let _ = Head::default().push(&changed);
            }
        }
    }
}
