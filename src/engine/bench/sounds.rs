//! What the sessions of a hall play.

use std::io;
use std::path::{Path, PathBuf};

use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::{Encoder, EncoderConfig, SILENT_BLOCK};
use mynah_media::ogg::{Head, OpusWriter, Tags};
use mynah_media::{OpenOptions, Read};

/// Four seconds, 44.1 kHz stereo, 128 kbit/s; `bench/make.sh` made it. There is no encoder for mp3 here.
const CLIP: &[u8] = include_bytes!("music.mp3");
/// The clip so often is a song of a minute: a song that begins anew more often would be measured
/// beginning anew.
const TIMES: usize = 15;

/// A minute of music as mp3, 44.1 kHz stereo, 128 kbit/s.
#[must_use]
pub fn music_mp3() -> Vec<u8> {
    // Frames without a header before them can be put one after the other.
    CLIP.repeat(TIMES)
}

/// The same music as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sounds {
    /// What has to be decoded, resampled and encoded.
    pub mp3: PathBuf,
    /// What can go out as it is: Opus, packets of 20 ms.
    pub opus: PathBuf,
}

impl Sounds {
    /// Writes both into a folder.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn write(folder: &Path) -> io::Result<Self> {
        let sounds = Self {
            mp3: folder.join("music.mp3"),
            opus: folder.join("music.opus"),
        };
        let music = music_mp3();
        std::fs::write(&sounds.mp3, &music)?;
        std::fs::write(&sounds.opus, opus(music)?)?;
        Ok(sounds)
    }
}

fn opus(mp3: Vec<u8>) -> io::Result<Vec<u8>> {
    let other = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let media = mynah_media::open_bytes("music.mp3", mp3, &OpenOptions::default());
    let mut media = media.map_err(|error| other(&error))?;
    let config = EncoderConfig {
        complexity: 1, // what is passed on costs the same however it was made
        ..EncoderConfig::default()
    };
    let mut encoder = Encoder::new(config).map_err(|error| other(&error))?;
    let mut writer = OpusWriter::new(Vec::new(), 1, Head::default(), &Tags::default())?;
    let (mut block, mut packet) = (SILENT_BLOCK, [0; MAX_FRAME_BYTES]);
    while media.read(&mut block).map_err(|error| other(&error))? == Read::Full {
        let len = encoder
            .encode(&block, &mut packet)
            .map_err(|error| other(&error))?;
        writer.packet(packet.get(..len).unwrap_or_default())?;
    }
    writer.finish()
}
